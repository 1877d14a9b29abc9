"""The demo's trader over a real socket: a goal is one message, and nobody is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from engine.pricing.football.fixture_board import FixtureBoard
from gateway.client import ControlSession, connect_control
from gateway.demo import trader as trader_module
from gateway.demo.trader import Trader
from gateway.session.tokens import Role
from simulations.timeline import match_by_id
from simulations.trader import MARGIN, SUSPENDED_S, match_model
from tests.gateway.bookmaker import KEYS as HOSTED_KEYS
from tests.gateway.bookmaker import SHELL_OF, Bookmaker, open_bookmaker
from tests.gateway.price_gateway import WAIT_S, token

FINAL = match_by_id("wc22-64")
KEYS = ("wc22-64/1x2", "wc22-64/total?total=2.5", "wc22-64/total?total=0.5")
FIRST_GOAL_S = FINAL.goals[0].played_s
REOPENED_S = FIRST_GOAL_S + SUSPENDED_S + 1


@pytest.fixture
async def bookmaker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bookmaker]:
    """One fixture over two shells: market-a has the 1x2, market-b two totals."""
    for number, key in enumerate(KEYS, 1):
        monkeypatch.setitem(HOSTED_KEYS, number, key)
        monkeypatch.setitem(SHELL_OF, number, "market-a" if number == 1 else "market-b")
    async with open_bookmaker(tmp_path) as bookmaker:
        yield bookmaker
        bookmaker.check()


@asynccontextmanager
async def at_work(bookmaker: Bookmaker) -> AsyncIterator[tuple[Trader, ControlSession]]:
    async with connect_control(bookmaker.control_url, token=token(Role.TRADER)) as session:
        trader = Trader(FINAL, KEYS, session)
        await trader.follow()
        try:
            yield trader, session
        finally:
            await trader.close()


async def look_until(trader: Trader, played_s: float, true: Callable[[], bool]) -> None:
    """Look at a stopped clock until something holds; fail when it does not within `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            trader.step(played_s, reprice=False)
            await asyncio.sleep(0.005)


async def price(trader: Trader, played_s: float) -> None:
    """Have every market priced, and wait for it."""
    trader.step(played_s, reprice=True)
    async with asyncio.timeout(WAIT_S):
        while not all(fairly_priced(image, played_s) for image in trader.prices):
            await asyncio.sleep(0.005)


def statuses(trader: Trader) -> list[Status]:
    return [image.status for image in trader.prices]


def fairly_priced(image: PriceImage, played_s: float) -> bool:
    """Say whether a market's odds are those of the match at a second of play."""
    board = FixtureBoard([image.key])
    quotes = board.quotes(match_model(FINAL), FINAL.regular_state_at(played_s), MARGIN)
    return image.odds_milli == tuple(quote.odds_milli for quote in quotes[image.key])


async def test_a_goal_is_one_message_that_suspends_and_prices_every_market(
    bookmaker: Bookmaker,
) -> None:
    counters = bookmaker.gateway.counters
    async with at_work(bookmaker) as (trader, _):
        await price(trader, FIRST_GOAL_S - 1)
        before = counters.control_commands
        shut = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await look_until(trader, FIRST_GOAL_S, lambda: statuses(trader) == shut)
        # Over 0.5 goals is decided: that it closes is the one command more.
        assert counters.control_commands == before + 2
        assert all(fairly_priced(image, FIRST_GOAL_S) for image in trader.prices)


async def test_after_a_goal_what_the_score_has_decided_closes_and_the_rest_reopens(
    bookmaker: Bookmaker,
) -> None:
    async with at_work(bookmaker) as (trader, _):
        trader.step(FIRST_GOAL_S - 1, reprice=True)
        open_again = [Status.ACTIVE, Status.ACTIVE, Status.CLOSED]
        shut = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await look_until(trader, FIRST_GOAL_S, lambda: statuses(trader) == shut)
        await look_until(trader, REOPENED_S, lambda: statuses(trader) == open_again)
        assert all(fairly_priced(image, REOPENED_S) for image in trader.prices[:2])


async def test_a_market_that_is_down_at_a_goal_is_brought_right_once_it_is_back(
    bookmaker: Bookmaker,
) -> None:
    async with at_work(bookmaker) as (trader, session):
        await price(trader, FIRST_GOAL_S - 1)
        before = trader.prices[0].odds_milli
        bookmaker.lower_shell("market-a")
        shut = [Status.SUSPENDED, Status.CLOSED]
        await look_until(trader, FIRST_GOAL_S, lambda: statuses(trader)[1:] == shut)
        assert statuses(trader)[0] is Status.ACTIVE
        refused = trader.refused
        await look_until(trader, FIRST_GOAL_S, lambda: trader.refused > refused)
        await look_until(trader, REOPENED_S, lambda: statuses(trader)[1] is Status.ACTIVE)
        assert trader.prices[0].odds_milli == before
        bookmaker.raise_shell("market-a")
        seen: list[tuple[Status, bool]] = []

        def right() -> bool:
            image = trader.prices[0]
            seen.append((image.status, image.odds_milli == before))
            return image.status is Status.ACTIVE and image.odds_milli != before

        await look_until(trader, REOPENED_S, right)
        assert fairly_priced(trader.prices[0], REOPENED_S)
        # It was shut before it was priced: nobody had the old odds while the others had the new.
        assert (Status.SUSPENDED, False) in seen or (Status.SUSPENDED, True) in seen
        assert (await session.book(1)).status == "active"


async def test_the_whistle_settles_what_was_down_when_the_others_settled(
    bookmaker: Bookmaker,
) -> None:
    async with at_work(bookmaker) as (trader, _):
        bookmaker.lower_shell("market-a")
        left = await trader.settle(deadline_s=0.3)
        assert left == ["wc22-64/1x2 (active)"]
        bookmaker.raise_shell("market-a")
        assert await trader.settle(deadline_s=WAIT_S) == []
        assert set(statuses(trader)) == {Status.SETTLED}


async def test_everything_is_priced_before_anybody_bets(bookmaker: Bookmaker) -> None:
    async with at_work(bookmaker) as (trader, _):
        await trader.prepare(FIRST_GOAL_S + 600)
        assert all(fairly_priced(image, FIRST_GOAL_S + 600) for image in trader.prices)
        assert trader.exposure is not None
        assert set(statuses(trader)) == {Status.ACTIVE}


async def test_books_are_asked_for_in_turn_the_first_one_always(
    bookmaker: Bookmaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trader_module, "BOOKS_ASKED_MAX", 2)
    async with at_work(bookmaker) as (trader, _):
        for known in ([1], [1, 2], [1, 2, 3]):
            trader.ask_books()
            async with asyncio.timeout(WAIT_S):
                while sorted(trader.books) != known:
                    await asyncio.sleep(0.002)
            trader.books[1] = trader.books.pop(1)


async def test_the_exposure_is_of_the_match_as_it_was_last_looked_at(bookmaker: Bookmaker) -> None:
    async with at_work(bookmaker) as (trader, _):
        trader.step(FIRST_GOAL_S, reprice=False)
        trader.ask_exposure()
        trader.ask_exposure()
        async with asyncio.timeout(WAIT_S):
            while trader.exposure is None:
                await asyncio.sleep(0.002)
        assert trader.exposure.score_from == (1, 0)
        assert trader.exposure.expected_minor == 0
        trader.exposure = None
        trader.step(FINAL.regular_s, reprice=False)
        trader.ask_exposure()
        await trader.on_exposure(FINAL.regular_state_at(FIRST_GOAL_S))
        assert trader.exposure.score_from == (1, 0)
