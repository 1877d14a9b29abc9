"""What the console holds: sums that follow each change, and fixtures that come and leave."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import Limits, OutcomeResult, RollBackSettlement, SettleMarket
from engine.common.ids import MarketNo
from engine.common.units import Minor
from gateway.console.figures import known_sum
from gateway.console.lines import OPEN, FixtureView, OddsHistory
from gateway.console.model import DONE_KEPT_S, DONE_MAX, Model
from gateway.messages.fixtures import FixtureLine
from gateway.messages.market import Market
from gateway.messages.trader import Book
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, trader
from tests.gateway.price_gateway import token

STATUSES = ("inactive", "active", "suspended", "closed", "settled", "cancelled", "handed_over")
LIMIT = Minor(1)
BOUNDS = Limits(
    stake_minor_max=LIMIT, payout_minor_max=LIMIT,
    outcome_liability_minor_max=LIMIT, market_liability_minor_max=LIMIT,
)  # fmt: skip


def image_of(
    number: int, key: str, *, status: str = "active", odds: tuple[int, ...] = (2_000, 2_000)
) -> Market:
    return Market(
        market=MarketNo(number), key=key, status=status, version=1, outcomes=("yes", "no"),
        odds_milli=odds, active=tuple(one > 0 for one in odds),
    )  # fmt: skip


def book_of(image: Market, *, bets: int, stake: int, liability: tuple[int, int]) -> Book:
    return Book(
        market=image.market, key=image.key, status=image.status, version=1,
        outcomes=image.outcomes, odds_milli=image.odds_milli, active=image.active, limits=BOUNDS,
        bets=bets, stake_taken_minor=Minor(stake), liability_minor=liability,
        payout_minor=tuple(one + stake for one in liability),
    )  # fmt: skip


def summed(view: FixtureView) -> tuple[object, ...]:
    """Return a fixture's sums, made anew of all its markets."""
    lines = list(view.lines.values())
    running = [line for line in lines if line.image.status not in ("settled", "cancelled")]
    closed = sum(line.image.status == "closed" for line in lines)
    return (
        sum(line.bets for line in lines),
        sum(line.bets_since for line in lines),
        sum(line.stake_minor for line in lines),
        len(running),
        sum(line.bets for line in running),
        sum(line.stake_minor for line in running),
        sum(line.worst_minor for line in running),
        known_sum([line.expected_minor for line in running]),
        sum(line.expected_minor is None for line in running),
        sum(line.image.status in OPEN for line in lines),
        closed,
    )


CHANGES = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(STATUSES),
        st.sampled_from([(2_000, 2_000), (1_500, 3_000), (0, 2_000)]),
        st.one_of(
            st.none(), st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(-99, 99))
        ),
    ),
    max_size=30,
)


@given(changes=CHANGES)
def test_sums_of_a_fixture_are_those_of_its_markets(
    changes: list[tuple[int, str, tuple[int, int], tuple[int, int, int] | None]],
) -> None:
    model = Model()
    for number, status, odds, booked in changes:
        image = image_of(number, f"f/m{number}", status=status, odds=odds)
        model._take_image(image)
        if booked is not None:
            bets, stake, liability = booked
            model._take_book(
                book_of(image, bets=bets, stake=stake, liability=(liability, -liability))
            )
        view = model.fixtures["f"]
        assert summed(view) == (
            view.bets, view.bets_since, view.turnover_minor, view.running,
            view.running_bets, view.running_stake_minor, view.worst_minor,
            view.expected_minor, view.unknown, view.open_markets, view.status_count("closed"),
        )  # fmt: skip


def test_bets_a_minute_are_those_of_the_last_sixty_seconds() -> None:
    view = FixtureView("f")
    times: deque[int] = deque()
    for second in range(1_000, 1_300):
        for _ in range(second % 4):
            view.bets_since += 1
            times.append(second)
            view.note_pace(second + 0.5)
        assert view.bets_a_minute(second + 0.9) == sum(one > second - 60 for one in times)
    assert view.bets_a_minute(1_500.0) == 0
    assert len(view._pace) <= 2


def test_a_history_keeps_changes_only_and_the_newest() -> None:
    history = OddsHistory(2)
    for at_s, odds in enumerate([(2_000, 2_100), (2_000, 2_100), (2_200, 1_900), (2_000, 2_100)]):
        history.add(float(at_s), odds, points_max=3)
    assert list(history) == [(0.0, (2_000, 2_100)), (2.0, (2_200, 1_900)), (3.0, (2_000, 2_100))]
    history.add(4.0, (3_000, 1_500), points_max=2)
    assert list(history) == [(3.0, (2_000, 2_100)), (4.0, (3_000, 1_500))]


def test_what_the_console_holds_does_not_grow_with_fixtures_that_are_done() -> None:
    model, now_s = Model(), time.time()
    model.watch("f0")
    model._take_image(image_of(1, "open/1x2"))
    model.take_fixture(
        FixtureLine(fixture="later", name="later", start_ms=round(now_s + 9) * 1_000)
    )
    model._take_image(image_of(2, "later/1x2", status="settled"))
    for number in range(DONE_MAX * 3):
        name = f"f{number}"
        model._take_image(image_of(3 + number, f"{name}/1x2", status="settled"))
        model.take_fixture(FixtureLine(fixture=name, name=name, state="ended"))
        dropped = model.tidy(now_s)
        assert dropped == ([3 + number - DONE_MAX] if number > DONE_MAX else [])
        assert len(model.fixtures) == len(model.lines) <= DONE_MAX + 3
        # What is said once more of one that has left does not bring it back.
        model.take_fixture(FixtureLine(fixture="f1", name="f1", state="ended"))
    kept = list(model.fixtures)
    assert {"f0", "open", "later", "f599"} < set(kept)
    assert "f1" not in kept
    model.tidy(now_s + DONE_KEPT_S + 60)
    assert list(model.fixtures) == ["open", "f0"]
    model.unwatch("f0")
    model.tidy(now_s + DONE_KEPT_S + 60)
    assert list(model.fixtures) == ["open"]


@asynccontextmanager
async def following(bookmaker: Bookmaker) -> AsyncIterator[Model]:
    """Have a console's model follow a gateway, all markets and fixtures having arrived."""
    model = Model()
    url = f"ws://127.0.0.1:{bookmaker.ports['control']}"
    model.brief([url], token(Role.AUDITOR))
    task = asyncio.create_task(model.follow())
    try:
        await until(lambda: len(model.lines) == 3 and model.listings == 1)
        yield model
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def test_fixtures_come_by_their_changes_and_are_listed_once(bookmaker: Bookmaker) -> None:
    async with following(bookmaker) as model, trader(bookmaker) as control:
        assert set(model.fixtures) == {"cup-0", "cup-1"}

        def count(status: str) -> int | None:
            about = model.fixtures["cup-0"].about
            return None if about is None else about.by_status.get(status, 0)

        for _ in range(2):
            await control.suspend(MarketNo(1))
            await until(lambda: count("suspended") == 1)
            await control.resume(MarketNo(1))
            await until(lambda: count("suspended") == 0)
        assert model.listings == 1


async def test_a_goal_that_a_repricing_states_is_shown_and_marked_with_the_score(
    bookmaker: Bookmaker,
) -> None:
    def stated(home: int, away: int) -> dict[str, object]:
        state = {"period": 1, "clock_s": 1_380, "first_half": {"home": home, "away": away}}
        order = "h" * home + "a" * away
        return {"model": {"home_rate": 1.4, "away_rate": 1.1}, "state": state | {"order": order}}

    async with following(bookmaker) as model, trader(bookmaker) as control:
        view = model.fixtures["cup-0"]
        for (home, away), goals in (
            ((1, 0), []),  # what was scored before anybody said so is no goal of now
            ((1, 0), []),
            ((1, 1), ["1:1"]),
            ((1, 0), ["1:1", "1:0"]),  # taken back
        ):
            await control.reprice("cup-0", stated(home, away), suspend="goal", resume=True)
            await until(lambda: view.score_text == f"{home}:{away}")  # noqa: B023 - awaited here
            assert [what for _, what in view.marks if ":" in what] == goals
        (line,) = (await control.fixtures(fixture="cup-0")).fixtures
        assert line.score == (1, 0)
        async with bettor(bookmaker) as session:
            assert (await session.fixtures(fixture="cup-0")).fixtures[0].score == ()


async def test_a_fixture_that_has_left_comes_back_whole_when_a_market_is_open_again(
    bookmaker: Bookmaker,
) -> None:
    async with following(bookmaker) as model, trader(bookmaker) as control:
        results = (OutcomeResult(won=True), OutcomeResult(won=False), OutcomeResult(won=False))
        for number in (1, 2):
            outcomes = len(model.lines[MarketNo(number)].image.outcomes)
            await control.control(
                [SettleMarket(market_no=MarketNo(number), results=results[:outcomes])]
            )
        await until(lambda: model.fixtures["cup-0"].status_count("settled") == 2)
        client = model._client
        assert client is not None
        gone = model.tidy(time.time() + DONE_KEPT_S + 1)
        assert gone == [1, 2]
        client.release(gone)
        assert list(model.lines) == list(client.prices) == [3]

        await control.control([RollBackSettlement(market_no=MarketNo(2), why="a goal less")])
        await until(lambda: set(model.lines) == {1, 2, 3})
        await until(lambda: model.lines[MarketNo(2)].image.status in OPEN)
        await until(lambda: model.fixtures["cup-0"].about is not None)
        assert model.lines[MarketNo(1)].image.status == "settled"

        # A page that asks for one that has left has it, too; what is no fixture changes nothing.
        client.release(model._drop(model.fixtures["cup-1"]))
        model.recall("cup-1")
        model.recall("<no fixture>")
        await until(lambda: set(model.fixtures) == {"cup-0", "cup-1"} and 3 in model.lines)
