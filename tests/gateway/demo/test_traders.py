"""The traders of several matches: each at its own second, and settled when its play is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engine.common.commands import OutcomeResult
from engine.common.lifecycle import Status
from gateway.client import connect_control
from gateway.demo.traders import Traders
from gateway.session.tokens import Role
from simulations.programme import Fixture
from simulations.timeline import match_by_id
from tests.gateway.bookmaker import Bookmaker, open_bookmaker
from tests.gateway.price_gateway import WAIT_S, token

FINAL, BESIDE = match_by_id("wc22-64"), match_by_id("wc22-63")
AHEAD_S = 1_800
FIXTURES = (
    Fixture(FINAL, ("wc22-64/1x2",)),
    Fixture(BESIDE, ("wc22-63/1x2", "wc22-63/total?total=2.5"), AHEAD_S),
)
KEYS = [key for fixture in FIXTURES for key in fixture.keys]
OVER_S = BESIDE.regular_s - AHEAD_S


@pytest.fixture
async def bookmaker(tmp_path: Path) -> AsyncIterator[Bookmaker]:
    markets = dict(enumerate(zip(("market-a", "market-b", "market-b"), KEYS, strict=True), 1))
    async with open_bookmaker(tmp_path, markets=markets) as bookmaker:
        yield bookmaker
        bookmaker.check()


@asynccontextmanager
async def connected_traders(bookmaker: Bookmaker) -> AsyncIterator[Traders]:
    async with connect_control(bookmaker.control_url, token=token(Role.TRADER)) as session:
        traders = Traders(FIXTURES, session)
        await traders.follow()
        try:
            yield traders
        finally:
            await traders.close()


def statuses(traders: Traders) -> list[Status]:
    return [image.status for image in traders.prices]


async def test_prices_are_those_of_every_match_the_main_one_first(bookmaker: Bookmaker) -> None:
    async with connected_traders(bookmaker) as traders:
        await traders.prepare(0.0)
        assert [image.key for image in traders.prices] == KEYS
        assert set(statuses(traders)) == {Status.ACTIVE}
        assert traders.exposure is not None


async def test_a_match_whose_play_is_over_is_settled_while_the_main_one_goes_on(
    bookmaker: Bookmaker,
) -> None:
    async with connected_traders(bookmaker) as traders:
        await traders.prepare(OVER_S - 60.0)
        settled = [Status.ACTIVE, Status.SETTLED, Status.SETTLED]
        traders.step(OVER_S - 1, reprice=False)
        assert Status.SETTLED not in statuses(traders)
        async with asyncio.timeout(WAIT_S):
            while statuses(traders) != settled:
                traders.step(OVER_S, reprice=False)
                await asyncio.sleep(0.005)
        assert await traders.settle(deadline_s=WAIT_S) == []
        results = traders.results()
        assert sorted(results) == [1, 2, 3]
        assert [one.won for one in results[1]] == [False, True, False]  # 2-2 after 90 minutes
        assert [one.won for one in results[2]] == [True, False, False]  # Croatia 2-1 Morocco


async def test_results_that_are_left_wait_for_somebody_and_the_rest_is_settled(
    bookmaker: Bookmaker,
) -> None:
    async with (
        connected_traders(bookmaker) as traders,
        connect_control(bookmaker.control_url, token=token(Role.SETTLER)) as settler,
    ):
        await traders.prepare(FINAL.regular_s)
        async with asyncio.timeout(WAIT_S):
            while statuses(traders)[0] is not Status.CLOSED:
                assert traders.leave_results() == 1
                await asyncio.sleep(0.005)
        await settler.settle(1, [OutcomeResult(won=number == 1) for number in range(3)])
        async with asyncio.timeout(WAIT_S):
            while traders.leave_results():
                await asyncio.sleep(0.005)
        assert statuses(traders)[0] is Status.SETTLED
        assert (await settler.book(1)).settlement_no == 1
        assert await traders.settle(deadline_s=WAIT_S) == []
        assert (await settler.book(1)).settlement_no == 1, "what a person settled stands"


async def test_books_of_every_match_are_kept(bookmaker: Bookmaker) -> None:
    async with connected_traders(bookmaker) as traders:
        traders.ask_books()
        async with asyncio.timeout(WAIT_S):
            while sorted(traders.books) != [1, 2, 3]:
                await asyncio.sleep(0.002)
