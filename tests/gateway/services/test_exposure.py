"""A fixture's exposure over a real socket, from the books of all its shells."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.common.commands import LimitsPatch, OutcomeResult
from engine.common.reasons import Reason
from engine.pricing.football.exposure import Outlook
from engine.pricing.football.lead import lead_chances
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from gateway.client import RefusedError, connect, connect_control
from gateway.messages.exposure import (
    AskExposure,
    Exposure,
    GridScore,
    OffGridMarket,
    ScoreProfit,
)
from gateway.services.exposure import ExposureService
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker
from tests.gateway.price_gateway import WAIT_S, token

CODECS = pytest.mark.parametrize("codec", ["msgpack", "json"])
LOST = OutcomeResult(won=False)


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    """One fixture over two shells: market-a has 1 and 2 of it, market-b 4 and 5."""
    markets = {
        4: ("market-b", "cup-0/first_half_1x2"),
        5: ("market-b", "cup-0/by_how_many_corners"),
    }
    async with open_bookmaker(tmp_path, markets=markets) as bookmaker:
        yield bookmaker
        bookmaker.check()


def control(bookmaker: Bookmaker, *, role: Role = Role.TRADER, codec: Any = "msgpack") -> Any:
    return connect_control(bookmaker.control_url, token=token(role), codec=codec)


async def bet(
    bookmaker: Bookmaker, market: int, outcome: int, odds_milli: int, *, stake: int = 100
) -> None:
    async with connect(bookmaker.bets_url, token=token()) as client:
        placed = await client.place(
            ref=f"m{market}o{outcome}s{stake}",
            market=market,
            outcome=outcome,
            stake_minor=stake,
            odds_milli=odds_milli,
        )
        assert placed.state == "accepted"


@CODECS
@pytest.mark.parametrize("role", [Role.TRADER, Role.QUANT])
async def test_profit_by_score_includes_every_shell_of_the_fixture(
    bookmaker: Bookmaker, role: Role, codec: str
) -> None:
    await bet(bookmaker, 1, 0, 2_500)
    await bet(bookmaker, 2, 0, 1_900, stake=200)
    await bet(bookmaker, 4, 1, 3_200)
    await bet(bookmaker, 3, 0, 2_500)
    async with control(bookmaker, role=role, codec=codec) as session:
        answer = await session.exposure("cup-0", goals=2)
    assert (answer.fixture, answer.markets, answer.stake_minor) == ("cup-0", 3, 400)
    assert answer.worst == ScoreProfit(first_half=(0, 0), score=(2, 1), profit_minor=-550)
    assert answer.best == ScoreProfit(first_half=(0, 1), score=(0, 1), profit_minor=400)
    # A draw at half-time pays 320, over 2.5 goals 380, a home win 250.
    assert answer.profit_minor == ((80, 80, 80), (-170, 80, -300), (-170, -550, -300))
    assert (answer.off_grid, answer.unheard, answer.expected_minor) == ((), (), None)


async def test_impossible_scores_are_left_out_and_a_model_gives_the_expected_profit(
    bookmaker: Bookmaker,
) -> None:
    await bet(bookmaker, 1, 0, 2_500)
    led = MatchState(period=Period.HALF_TIME, first_half=Score(home=0, away=2))
    over = MatchState(period=Period.FULL_TIME, first_half=Score(home=0, away=2))
    model = MatchModel(home_rate=1.5, away_rate=1.1)
    async with control(bookmaker) as session:
        answer = await session.exposure("cup-0", Outlook(state=led, model=model), goals=3)
        assert answer.score_from == (0, 2)
        assert answer.profit_minor == ((100,) * 4,) * 3 + ((-150, 100, 100, 100),)
        assert answer.worst == ScoreProfit(first_half=(0, 2), score=(3, 2), profit_minor=-150)
        assert -150 < answer.expected_minor < 100
        answer = await session.exposure("cup-0", {"state": over, "model": model})
        assert (answer.profit_minor, answer.expected_minor) == (((100,),), 100)


async def test_a_lead_and_a_model_give_what_paying_early_costs(bookmaker: Bookmaker) -> None:
    state = MatchState(period=Period.HALF_TIME, first_half=Score(home=1, away=0))
    model = MatchModel(home_rate=1.5, away_rate=1.1)
    expected = lead_chances(model, state, lead=2)
    assert expected is not None
    async with control(bookmaker) as session:
        answer = await session.exposure("cup-0", Outlook(state=state, model=model), lead=2)
        assert [
            (side.reached_micro, side.not_won_micro, side.won_micro) for side in answer.leads
        ] == [tuple(round(chance * 1e6) for chance in side) for side in expected]
        assert (await session.exposure("cup-0", {"model": model})).leads == ()
        assert (await session.exposure("cup-0", lead=2)).leads == ()


async def test_exposure_follows_bets_and_settlements(bookmaker: Bookmaker) -> None:
    async with control(bookmaker) as session:
        empty = await session.exposure("cup-0")
        assert empty.worst == empty.best
        await bet(bookmaker, 2, 1, 2_000)
        assert (await session.exposure("cup-0")).worst.profit_minor == -100
        await bet(bookmaker, 2, 0, 1_900)
        assert (await session.exposure("cup-0")).worst.profit_minor == 0
        await session.settle(2, [OutcomeResult(won=True), LOST])
        answer = await session.exposure("cup-0")
        assert (answer.worst.profit_minor, answer.best.profit_minor) == (0, 0)
        assert (answer.markets, answer.decided, answer.stake_minor) == (2, 1, 0)


async def test_each_shell_shows_its_grid_with_the_worst_scores_first(bookmaker: Bookmaker) -> None:
    await bet(bookmaker, 1, 0, 2_500)
    await bet(bookmaker, 2, 0, 1_900, stake=200)
    async with control(bookmaker) as session:
        await session.set_limits(1, LimitsPatch(fixture_liability_minor_max=900))
        first, second = (await session.exposure("cup-0", goals=2)).grids
        book = await session.book(2)
    assert (first.shell, first.markets, first.markets_beside) == ("market-a", 2, 0)
    assert (first.worst_minor, first.beside_minor, first.limit_minor_min) == (330, 0, 900)
    assert first.scores[0] == GridScore(score=(2, 1), profit_minor=-330)
    assert (first.scores[-1].profit_minor, len(first.scores)) == (300, 64)
    assert (second.shell, second.markets, second.markets_beside) == ("market-b", 0, 2)
    assert book.fixture_worst_minor == 330


async def test_market_without_rules_is_answered_off_the_grid(bookmaker: Bookmaker) -> None:
    await bet(bookmaker, 5, 1, 2_000, stake=300)
    async with control(bookmaker) as session:
        answer = await session.exposure("cup-0")
    corners = OffGridMarket(
        market=5, key="cup-0/by_how_many_corners", worst_minor=-300, why="unknown"
    )
    assert answer.off_grid == (corners,)
    assert (answer.off_grid_worst_minor, answer.stake_minor) == (-300, 0)


async def test_markets_of_a_shell_that_does_not_answer_are_named(bookmaker: Bookmaker) -> None:
    await bet(bookmaker, 1, 0, 2_500)
    await bet(bookmaker, 4, 0, 2_500)
    async with control(bookmaker) as session:
        bookmaker.kill_shell("market-b")
        answer = await session.exposure("cup-0")
        assert (answer.unheard, answer.stake_minor) == ((4, 5), 100)
        bookmaker.start_shell("market-b")
        answer = await session.exposure("cup-0")
        assert (answer.unheard, answer.stake_minor) == ((), 200)
        bookmaker.kill_shell("market-b")
        answer = await session.exposure("cup-0")
        assert (answer.unheard, answer.stake_minor) == ((4, 5), 200)


async def test_concurrent_requests_for_more_fixtures_than_are_kept_are_all_answered(
    bookmaker: Bookmaker,
) -> None:
    service = ExposureService(routes=bookmaker.gateway.routes, timeout_s=WAIT_S, fixtures_max=1)
    await bet(bookmaker, 1, 0, 2_500)
    await bet(bookmaker, 3, 0, 2_500, stake=300)
    requests = [AskExposure(id=1, fixture=fixture) for fixture in ("cup-0", "cup-1") * 4]
    answers = await asyncio.gather(*map(service.exposure, requests))
    profits = [answer for answer in answers if isinstance(answer, Exposure)]
    assert [profit.stake_minor for profit in profits] == [100, 300] * 4
    assert [profit.worst.profit_minor for profit in profits] == [-150, -450] * 4


@pytest.mark.parametrize(
    ("fixture", "pricing", "reason", "text"),
    [
        ("cup-9", None, Reason.MARKET_UNKNOWN, "no market of cup-9"),
        ("cup-0", {"margin": {}}, Reason.FIELD_OUT_OF_BOUNDS, "pricing: .*margin"),
        ("cup-0", {"state": {"period": 12}}, Reason.FIELD_OUT_OF_BOUNDS, "pricing: .*period"),
        ("cup-0", {"model": {"home_rate": 9.0, "away_rate": 1.0}}, Reason.FIELD_OUT_OF_BOUNDS,
         "home_rate: must be from 0 to 8"),
    ],
)  # fmt: skip
async def test_unknown_fixture_or_pricing_is_refused_with_its_field(
    bookmaker: Bookmaker, fixture: str, pricing: Any, reason: Reason, text: str
) -> None:
    async with control(bookmaker) as session:
        with pytest.raises(RefusedError, match=text) as refused:
            await session.exposure(fixture, pricing)
        assert refused.value.reason == reason


async def test_feed_may_not_ask_for_exposure(bookmaker: Bookmaker) -> None:
    async with control(bookmaker, role=Role.FEED) as session:
        with pytest.raises(RefusedError) as refused:
            await session.exposure("cup-0")
        assert refused.value.reason == Reason.NOT_PERMITTED
