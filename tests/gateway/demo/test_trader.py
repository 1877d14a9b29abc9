"""The demo's trader over a real socket: a goal is one message, and nobody is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from engine.pricing.football.fixture import FixtureBoard
from gateway.client import ControlSession, connect_control
from gateway.demo import trader
from gateway.demo.trader import Floor
from gateway.session.tokens import Role
from simulations.timeline import match_by_id
from simulations.trader import MARGIN, SUSPENDED_S, match_model
from tests.gateway import bookmaker
from tests.gateway.bookmaker import Town, open_town
from tests.gateway.price_gateway import WAIT_S, token

FINAL = match_by_id("wc22-64")
KEYS = ("wc22-64/1x2", "wc22-64/total?total=2.5", "wc22-64/total?total=0.5")
FIRST_GOAL_S = FINAL.goals[0].played_s
REOPENED_S = FIRST_GOAL_S + SUSPENDED_S + 1


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """One fixture over two shells: market-a has the 1x2, market-b two totals."""
    for number, key in enumerate(KEYS, 1):
        monkeypatch.setitem(bookmaker.KEYS, number, key)
        monkeypatch.setitem(bookmaker.SHELL_OF, number, "market-a" if number == 1 else "market-b")
    async with open_town(tmp_path) as town:
        yield town
        town.check()


@asynccontextmanager
async def at_work(town: Town) -> AsyncIterator[tuple[Floor, ControlSession]]:
    async with connect_control(town.control_url, token=token(Role.TRADER)) as session:
        floor = Floor(FINAL, KEYS, session)
        await floor.follow()
        try:
            yield floor, session
        finally:
            await floor.close()


async def look_until(floor: Floor, played_s: float, true: Callable[[], bool]) -> None:
    """Look at a stopped clock until something holds; fail when it does not within `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            floor.look(played_s, reprice=False)
            await asyncio.sleep(0.005)


async def price(floor: Floor, played_s: float) -> None:
    """Have every market priced, and wait for it."""
    floor.look(played_s, reprice=True)
    async with asyncio.timeout(WAIT_S):
        while not all(fairly_priced(image, played_s) for image in floor.prices):
            await asyncio.sleep(0.005)


def statuses(floor: Floor) -> list[Status]:
    return [image.status for image in floor.prices]


def fairly_priced(image: PriceImage, played_s: float) -> bool:
    """Say whether a market's odds are those of the match at a second of play."""
    board = FixtureBoard([image.key])
    quotes = board.quotes(match_model(FINAL), FINAL.regular_state_at(played_s), MARGIN)
    return image.odds_milli == tuple(quote.odds_milli for quote in quotes[image.key])


async def test_a_goal_is_one_message_that_suspends_and_prices_every_market(town: Town) -> None:
    counters = town.gateway.counters
    async with at_work(town) as (floor, _):
        await price(floor, FIRST_GOAL_S - 1)
        before = counters.control_commands
        shut = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await look_until(floor, FIRST_GOAL_S, lambda: statuses(floor) == shut)
        # Over 0.5 goals is decided: that it closes is the one command more.
        assert counters.control_commands == before + 2
        assert all(fairly_priced(image, FIRST_GOAL_S) for image in floor.prices)


async def test_after_a_goal_what_the_score_has_decided_closes_and_the_rest_reopens(
    town: Town,
) -> None:
    async with at_work(town) as (floor, _):
        floor.look(FIRST_GOAL_S - 1, reprice=True)
        open_again = [Status.ACTIVE, Status.ACTIVE, Status.CLOSED]
        shut = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await look_until(floor, FIRST_GOAL_S, lambda: statuses(floor) == shut)
        await look_until(floor, REOPENED_S, lambda: statuses(floor) == open_again)
        assert all(fairly_priced(image, REOPENED_S) for image in floor.prices[:2])


async def test_a_market_that_is_down_at_a_goal_is_brought_right_once_it_is_back(
    town: Town,
) -> None:
    async with at_work(town) as (floor, session):
        await price(floor, FIRST_GOAL_S - 1)
        before = floor.prices[0].odds_milli
        town.lower_shell("market-a")
        shut = [Status.SUSPENDED, Status.CLOSED]
        await look_until(floor, FIRST_GOAL_S, lambda: statuses(floor)[1:] == shut)
        assert statuses(floor)[0] is Status.ACTIVE
        refused = floor.refused
        await look_until(floor, FIRST_GOAL_S, lambda: floor.refused > refused)
        await look_until(floor, REOPENED_S, lambda: statuses(floor)[1] is Status.ACTIVE)
        assert floor.prices[0].odds_milli == before
        town.raise_shell("market-a")
        seen: list[tuple[Status, bool]] = []

        def right() -> bool:
            image = floor.prices[0]
            seen.append((image.status, image.odds_milli == before))
            return image.status is Status.ACTIVE and image.odds_milli != before

        await look_until(floor, REOPENED_S, right)
        assert fairly_priced(floor.prices[0], REOPENED_S)
        # It was shut before it was priced: nobody had the old odds while the others had the new.
        assert (Status.SUSPENDED, False) in seen or (Status.SUSPENDED, True) in seen
        assert (await session.book(1)).status == "active"


async def test_the_whistle_settles_what_was_down_when_the_others_settled(town: Town) -> None:
    async with at_work(town) as (floor, _):
        town.lower_shell("market-a")
        left = await floor.settle(deadline_s=0.3)
        assert left == ["wc22-64/1x2 (active)"]
        town.raise_shell("market-a")
        assert await floor.settle(deadline_s=WAIT_S) == []
        assert set(statuses(floor)) == {Status.SETTLED}


async def test_everything_is_priced_before_anybody_bets(town: Town) -> None:
    async with at_work(town) as (floor, _):
        await floor.prepare(FIRST_GOAL_S + 600)
        assert all(fairly_priced(image, FIRST_GOAL_S + 600) for image in floor.prices)
        assert floor.exposure is not None
        assert set(statuses(floor)) == {Status.ACTIVE}


async def test_books_are_asked_for_in_turn_the_first_one_always(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trader, "BOOKS_ASKED_MAX", 2)
    async with at_work(town) as (floor, _):
        for known in ([1], [1, 2], [1, 2, 3]):
            floor.ask_books()
            async with asyncio.timeout(WAIT_S):
                while sorted(floor.books) != known:
                    await asyncio.sleep(0.002)
            floor.books[1] = floor.books.pop(1)


async def test_the_exposure_is_of_the_match_as_it_was_last_looked_at(town: Town) -> None:
    async with at_work(town) as (floor, _):
        floor.look(FIRST_GOAL_S, reprice=False)
        floor.ask_exposure()
        floor.ask_exposure()
        async with asyncio.timeout(WAIT_S):
            while floor.exposure is None:
                await asyncio.sleep(0.002)
        assert floor.exposure.score_from == (1, 0)
        assert floor.exposure.expected_minor == 0
        floor.exposure = None
        floor.look(FINAL.regular_s, reprice=False)
        floor.ask_exposure()
        await floor.hear_exposure(FINAL.regular_state_at(FIRST_GOAL_S))
        assert floor.exposure.score_from == (1, 0)
