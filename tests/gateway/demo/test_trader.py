"""The demo's trader over a real socket: one message per shell at a goal, and no market is left."""

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
from tests.gateway.bookmaker import Bookmaker, open_bookmaker
from tests.gateway.price_gateway import WAIT_S, token

FINAL = match_by_id("wc22-64")
KEYS = ("wc22-64/1x2", "wc22-64/total?total=2.5", "wc22-64/total?total=0.5")
FIRST_GOAL_S = FINAL.goals[0].played_s
REOPENED_S = FIRST_GOAL_S + SUSPENDED_S + 1


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    """Open one fixture on two shells: market-a has the 1x2, market-b two totals."""
    markets = dict(enumerate(zip(("market-a", "market-b", "market-b"), KEYS, strict=True), 1))
    async with open_bookmaker(tmp_path, markets=markets) as bookmaker:
        yield bookmaker
        bookmaker.check()


@asynccontextmanager
async def connected_trader(bookmaker: Bookmaker) -> AsyncIterator[tuple[Trader, ControlSession]]:
    async with connect_control(bookmaker.control_url, token=token(Role.TRADER)) as session:
        trader = Trader(FINAL, KEYS, session)
        await trader.follow()
        try:
            yield trader, session
        finally:
            await trader.close()


async def step_until(trader: Trader, played_s: float, true: Callable[[], bool]) -> None:
    """Step the trader at a fixed second until a condition holds; fail after `WAIT_S`."""
    async with asyncio.timeout(WAIT_S):
        while not true():
            trader.step(played_s, reprice=False)
            await asyncio.sleep(0.005)


async def price(trader: Trader, played_s: float) -> None:
    """Reprice every market; return when all prices have arrived."""
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


async def test_goal_suspends_and_reprices_every_market_in_one_message(
    bookmaker: Bookmaker,
) -> None:
    counters = bookmaker.gateway.counters
    async with connected_trader(bookmaker) as (trader, _):
        await price(trader, FIRST_GOAL_S - 1)
        before = counters.control_commands
        suspended = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await step_until(trader, FIRST_GOAL_S, lambda: statuses(trader) == suspended)
        # Over 0.5 goals is decided: closing that market is the second command.
        assert counters.control_commands == before + 2
        assert all(fairly_priced(image, FIRST_GOAL_S) for image in trader.prices)


async def test_markets_decided_by_a_goal_close_and_the_others_reopen(
    bookmaker: Bookmaker,
) -> None:
    async with connected_trader(bookmaker) as (trader, _):
        trader.step(FIRST_GOAL_S - 1, reprice=True)
        reopened = [Status.ACTIVE, Status.ACTIVE, Status.CLOSED]
        suspended = [Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED]
        await step_until(trader, FIRST_GOAL_S, lambda: statuses(trader) == suspended)
        await step_until(trader, REOPENED_S, lambda: statuses(trader) == reopened)
        assert all(fairly_priced(image, REOPENED_S) for image in trader.prices[:2])


async def test_market_that_is_down_at_a_goal_is_suspended_repriced_and_reopened_afterwards(
    bookmaker: Bookmaker,
) -> None:
    async with connected_trader(bookmaker) as (trader, session):
        await price(trader, FIRST_GOAL_S - 1)
        before = trader.prices[0].odds_milli
        bookmaker.kill_shell("market-a")
        suspended = [Status.SUSPENDED, Status.CLOSED]
        await step_until(trader, FIRST_GOAL_S, lambda: statuses(trader)[1:] == suspended)
        assert statuses(trader)[0] is Status.ACTIVE
        refused = trader.refused
        await step_until(trader, FIRST_GOAL_S, lambda: trader.refused > refused)
        await step_until(trader, REOPENED_S, lambda: statuses(trader)[1] is Status.ACTIVE)
        assert trader.prices[0].odds_milli == before
        bookmaker.start_shell("market-a")
        seen: list[tuple[Status, bool]] = []

        def reopened() -> bool:
            image = trader.prices[0]
            seen.append((image.status, image.odds_milli == before))
            return image.status is Status.ACTIVE and image.odds_milli != before

        await step_until(trader, REOPENED_S, reopened)
        assert fairly_priced(trader.prices[0], REOPENED_S)
        # It was suspended before it was repriced: no bettor had old odds beside new ones.
        assert (Status.SUSPENDED, False) in seen or (Status.SUSPENDED, True) in seen
        assert (await session.book(1)).status == "active"


async def test_market_that_was_down_at_the_whistle_is_settled_afterwards(
    bookmaker: Bookmaker,
) -> None:
    async with connected_trader(bookmaker) as (trader, _):
        bookmaker.kill_shell("market-a")
        left = await trader.settle(deadline_s=0.3)
        assert left == ["wc22-64/1x2 (active)"]
        bookmaker.start_shell("market-a")
        assert await trader.settle(deadline_s=WAIT_S) == []
        assert set(statuses(trader)) == {Status.SETTLED}


async def test_prepare_prices_every_market(bookmaker: Bookmaker) -> None:
    async with connected_trader(bookmaker) as (trader, _):
        await trader.prepare(FIRST_GOAL_S + 600)
        assert all(fairly_priced(image, FIRST_GOAL_S + 600) for image in trader.prices)
        assert trader.exposure is not None
        assert set(statuses(trader)) == {Status.ACTIVE}


async def test_first_book_is_always_requested_and_the_others_in_turn(
    bookmaker: Bookmaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trader_module, "BOOKS_PER_POLL_MAX", 2)
    async with connected_trader(bookmaker) as (trader, _):
        for known in ([1], [1, 2], [1, 2, 3]):
            trader.ask_books()
            async with asyncio.timeout(WAIT_S):
                while sorted(trader.books) != known:
                    await asyncio.sleep(0.002)
            trader.books[1] = trader.books.pop(1)


async def test_exposure_is_of_the_state_at_the_last_step(bookmaker: Bookmaker) -> None:
    async with connected_trader(bookmaker) as (trader, _):
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
