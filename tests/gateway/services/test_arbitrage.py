"""Arbitrage over a real socket: odds set by a trader are searched, and the plan is answered."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count, product
from pathlib import Path
from typing import Any

import pytest

from engine.common.arbitrage_plans import ArbitragePlan, ArbitrageStake, LeftOutMarket
from engine.common.commands import Quote
from engine.common.ids import parse_market_key
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from engine.pricing.arbitrage.fixture_search import search
from engine.pricing.arbitrage.search import SEARCH_BETS_MAX
from engine.pricing.football.market_types import market_rules, results
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from engine.pricing.quoting import Margin
from gateway.client import ControlSession, RefusedError, connect_control
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.services.arbitrage import SEARCH_S_MAX, ArbitrageService
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, open_bookmaker
from tests.gateway.price_gateway import token, until

CODECS = pytest.mark.parametrize("codec", ["msgpack", "json"])


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    """One fixture over two shells: market-a has 1 and 2 of it, market-b 4, 5 and 6."""
    markets = {
        4: ("market-b", "cup-0/total?total=2"),
        5: ("market-b", "cup-0/by_how_many_corners"),
        6: ("market-b", "cup-0/first_half_1x2"),
    }
    async with open_bookmaker(tmp_path, markets=markets) as bookmaker:
        yield bookmaker
        bookmaker.check()


def control(bookmaker: Bookmaker, *, role: Role = Role.TRADER, codec: Any = "msgpack") -> Any:
    return connect_control(bookmaker.control_url, token=token(role), codec=codec)


async def set_odds(
    bookmaker: Bookmaker, session: ControlSession, market: int, *odds_milli: int
) -> None:
    """Set odds, and wait until the gateway holds them."""
    quotes = [Quote(outcome=k, odds_milli=odds) for k, odds in enumerate(odds_milli)]
    event = await session.set_odds(market, quotes, override=True)
    await seen(bookmaker, event)


async def seen(bookmaker: Bookmaker, event: Any) -> None:
    topic = bookmaker.gateway.fanout.topics[event.market_no]
    await until(lambda: topic.version >= event.version)


def least(plan: ArbitragePlan, *, away_from: int = 0) -> float:
    """Return a plan's return at the worst score, by the results of its markets."""
    return min(
        sum(stake.stake_micro * returned(stake, (home, away)) for stake in plan.stakes)
        for home, away in product(range(12), range(away_from, 12))
    )


def returned(stake: ArbitrageStake, score: tuple[int, int]) -> float:
    key = parse_market_key(stake.key)
    result = results(key.type, key.specifiers, score)[stake.outcome]
    void = result.void_halves / 2
    return void + (1 - void) * result.won * stake.odds_milli / 1_000


async def test_coherent_odds_have_no_plan_and_a_market_without_rules_is_named(
    bookmaker: Bookmaker,
) -> None:
    async with control(bookmaker) as session:
        await set_odds(bookmaker, session, 4, 1_700, 2_000)
        answer = await session.arbitrage("cup-0")
    assert (answer.fixture, answer.found, answer.plans, answer.markets) == ("cup-0", False, (), 4)
    corners = LeftOutMarket(market=5, key="cup-0/by_how_many_corners", why="unknown")
    assert answer.left_out == (corners,)


@CODECS
@pytest.mark.parametrize("role", [Role.TRADER, Role.QUANT])
async def test_odds_that_allow_arbitrage_are_answered_with_the_stakes(
    bookmaker: Bookmaker, role: Role, codec: str
) -> None:
    async with control(bookmaker) as trader, control(bookmaker, role=role, codec=codec) as session:
        # Under 2.5 is at 2.00: over 2 at 2.60 wins from three goals on, and is refunded at two.
        await set_odds(bookmaker, trader, 4, 2_600, 1_500)
        answer = await session.arbitrage("cup-0")
        (plan,) = answer.plans
        assert answer.found
        staked = {(stake.key, stake.name): stake.stake_micro for stake in plan.stakes}
        assert staked == {
            ("cup-0/total?total=2.5", "under"): 565_217,
            ("cup-0/total?total=2", "over"): 434_783,
        }
        assert plan.return_micro == 1_130_434
        assert least(plan) == pytest.approx(plan.return_micro, abs=5)
        odds = {(stake.market, stake.outcome): stake.odds_milli for stake in plan.stakes}
        assert odds == {(2, 1): 2_000, (4, 0): 2_600}
        await set_odds(bookmaker, trader, 4, 1_700, 2_000)
        assert not (await session.arbitrage("cup-0")).found


async def test_odds_capped_at_fair_have_no_plan_where_uncapped_odds_have_one(
    bookmaker: Bookmaker,
) -> None:
    """With a book of 100 on each market, rounding to the ladder alone allows arbitrage."""
    model = MatchModel(home_rate=1.45, away_rate=1.2)
    found = []
    async with control(bookmaker) as session:
        for capped in (False, True):
            margin = Margin(book_milli=1_000, capped=capped)
            events = await session.reprice(
                "cup-0", {"model": model, "state": MatchState(), "margin": margin}
            )
            for event in events:
                await seen(bookmaker, event)
            found.append((await session.arbitrage("cup-0")).found)
    assert found == [True, False]


async def test_suspended_market_is_not_searched(bookmaker: Bookmaker) -> None:
    async with control(bookmaker) as session:
        await set_odds(bookmaker, session, 4, 2_600, 1_500)
        await seen(bookmaker, await session.suspend(4))
        answer = await session.arbitrage("cup-0")
    assert (answer.found, answer.markets) == (False, 3)


async def test_each_period_of_play_is_searched_separately_and_the_best_plan_is_first(
    bookmaker: Bookmaker,
) -> None:
    async with control(bookmaker) as session:
        await set_odds(bookmaker, session, 4, 2_600, 1_500)
        await set_odds(bookmaker, session, 6, 3_100, 3_100, 3_100)
        answer = await session.arbitrage("cup-0")
    second, first = answer.plans
    assert {stake.key for stake in first.stakes} == {"cup-0/first_half_1x2"}
    assert (second.return_micro, first.return_micro) == (1_130_434, 1_033_333)
    assert [stake.stake_micro for stake in first.stakes] == [333_334, 333_333, 333_333]


async def test_plan_need_not_profit_at_impossible_scores(bookmaker: Bookmaker) -> None:
    """From 0:2 on, the score is 0:2 or the total is over 2.5."""
    state = MatchState(period=Period.SECOND_HALF, first_half=Score(home=0, away=2), clock_s=2_800)
    prices = [
        image(1, "cup-0/correct_score", 7_000, only="0:2"),
        image(2, "cup-0/total?total=2.5", 1_300, only="over"),
    ]
    assert search(prices, MatchState(), lambda: False).plans == ()
    (plan,) = search(prices, state, lambda: False).plans
    assert {stake.name for stake in plan.stakes} == {"0:2", "over"}
    assert least(plan, away_from=2) == pytest.approx(plan.return_micro, abs=10)


def image(number: int, key: str, odds_milli: int, *, only: str = "") -> PriceImage:
    """Return an active market with all odds alike, and one outcome offered or all."""
    parsed = parse_market_key(key)
    names = tuple(rule.name for rule in market_rules(parsed.type, parsed.specifiers).outcomes)
    return PriceImage(
        market_no=number,
        key=key,
        status=Status.ACTIVE,
        version=1,
        outcomes=names,
        odds_milli=(odds_milli,) * len(names),
        active=tuple(not only or name == only for name in names),
    )


def test_market_that_is_not_searched_is_left_out_with_its_reason() -> None:
    lines = [
        image(100 * k + n, f"m/{side}total?total={n}{part}", 1_900)
        for k, (side, part) in enumerate(product(("", "home_", "away_"), (".25", ".5", ".75")), 1)
        for n in range(1, 30)
    ]
    prices = [
        image(1, "m/half_time_full_time", 2_000),
        image(2, "m/next_goal?goalnr=1", 2_000),
        *lines,
        image(3, "m/correct_score", 2_000),
        image(4, "m/second_half_1x2", 2_900),
    ]
    found = search(prices, MatchState(), lambda: True)
    why = {market.market: market.why for market in found.left_out}
    assert (why[1], why[2], why[3], why[4]) == ("halves", "order", "room", "time")
    room = [lines.index(price) for price in lines if why[price.market_no] == "room"]
    assert room == list(range(SEARCH_BETS_MAX // 2, len(lines)))


def test_search_that_is_stopped_leaves_the_other_markets_out() -> None:
    prices = [image(1, "m/1x2", 3_100), image(2, "m/first_half_1x2", 3_100)]
    found = search(prices, MatchState(), lambda: True)
    assert (found.plans, found.markets) == ((), 0)
    assert [(market.market, market.why) for market in found.left_out] == [(1, "time"), (2, "time")]


async def test_search_that_timed_out_is_not_kept(bookmaker: Bookmaker) -> None:
    ticks = count()
    reading_step_s = SEARCH_S_MAX  # seconds between two readings of the clock
    service = ArbitrageService(
        fanout=bookmaker.gateway.fanout, clock_s=lambda: next(ticks) * reading_step_s
    )
    request = AskArbitrage(id=1, fixture="cup-0")
    async with control(bookmaker) as session:
        await set_odds(bookmaker, session, 4, 2_600, 1_500)
    answer = await service.arbitrage(request)
    assert isinstance(answer, Arbitrage)
    assert {market.why for market in answer.left_out} == {"time", "unknown"}
    reading_step_s = 0.0
    answer = await service.arbitrage(request)
    assert isinstance(answer, Arbitrage)
    assert answer.found


async def test_concurrent_requests_for_more_fixtures_than_are_kept_are_all_answered(
    bookmaker: Bookmaker,
) -> None:
    service = ArbitrageService(fanout=bookmaker.gateway.fanout, fixtures_max=1)
    async with control(bookmaker) as session:
        await set_odds(bookmaker, session, 4, 2_600, 1_500)
    requests = [AskArbitrage(id=1, fixture=fixture) for fixture in ("cup-0", "cup-1") * 4]
    answers = await asyncio.gather(*map(service.arbitrage, requests))
    found = [answer for answer in answers if isinstance(answer, Arbitrage)]
    assert [answer.found for answer in found] == [True, False] * 4
    assert [answer.markets for answer in found] == [4, 1] * 4


async def test_market_without_odds_is_left_out_as_unheard(bookmaker: Bookmaker) -> None:
    bookmaker.gateway.fanout.add_market(market_no=99, key="cup-0/odd_even")
    async with control(bookmaker) as session:
        answer = await session.arbitrage("cup-0")
    assert LeftOutMarket(market=99, key="cup-0/odd_even", why="unheard") in answer.left_out


@pytest.mark.parametrize(
    ("fixture", "state", "reason", "text"),
    [
        ("cup-9", None, Reason.MARKET_UNKNOWN, "no market of cup-9"),
        ("cup-0", {"score": 1}, Reason.FIELD_OUT_OF_BOUNDS, "state: .*score"),
        ("cup-0", {"period": 12}, Reason.FIELD_OUT_OF_BOUNDS, "state: .*period"),
    ],
)
async def test_unknown_fixture_or_state_is_refused_with_its_field(
    bookmaker: Bookmaker, fixture: str, state: Any, reason: Reason, text: str
) -> None:
    async with control(bookmaker) as session:
        with pytest.raises(RefusedError, match=text) as refused:
            await session.arbitrage(fixture, state)
        assert refused.value.reason == reason


async def test_feed_may_not_ask_for_arbitrage(bookmaker: Bookmaker) -> None:
    async with control(bookmaker, role=Role.FEED) as session:
        with pytest.raises(RefusedError) as refused:
            await session.arbitrage("cup-0")
        assert refused.value.reason == Reason.NOT_PERMITTED
