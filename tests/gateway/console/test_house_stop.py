"""A stop of the house that is not whole is shown as one, and completed."""

import asyncio

import pytest

from actors.routes import account_shell_name
from gateway.console import house_stop
from gateway.console.house_stop import HouseStop
from tests.gateway.bookmaker import Bookmaker, head_trader

SHARDS = [account_shell_name(shard) for shard in (0, 1)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(house_stop, "AGAIN_S", 0.01)


async def ended(stop: HouseStop) -> None:
    """Wait until shards are asked no more."""
    async with asyncio.timeout(20):
        while stop.asking:
            await asyncio.sleep(0.01)


async def test_a_missing_shard_is_named_and_asked_until_it_answers(bookmaker: Bookmaker) -> None:
    stop = HouseStop()
    assert not stop.banner
    async with head_trader(bookmaker) as control:
        bookmaker.kill_shell(SHARDS[0])
        await stop.stop(lambda: control, "drill")
        assert stop.asking
        assert "PARTLY STOPPED: 1 of 2 account shards stopped, MISSING 1" in stop.banner
        bookmaker.start_shell(SHARDS[0])
        await ended(stop)
        assert (await control.house()).stopped == 2
        assert stop.banner.startswith("\u2716 HOUSE STOPPED by head_trader:")
        await stop.start(lambda: control)
        assert not stop.banner


async def test_a_stop_that_reached_nobody_is_shown_and_goes_on(bookmaker: Bookmaker) -> None:
    stop = HouseStop()
    async with head_trader(bookmaker) as control:
        for name in SHARDS:
            bookmaker.kill_shell(name)
        await stop.stop(lambda: control, "drill")
        assert "PARTLY STOPPED: 0 of 2 account shards stopped, MISSING 2" in stop.banner
        for name in SHARDS:
            bookmaker.start_shell(name)
        await ended(stop)
        assert (await control.house()).stopped == 2


async def test_nothing_is_stopped_again_after_a_start(bookmaker: Bookmaker) -> None:
    stop = HouseStop()
    async with head_trader(bookmaker) as control, head_trader(bookmaker) as other:
        bookmaker.kill_shell(SHARDS[0])
        await stop.stop(lambda: control, "drill")
        await other.start_house()
        await ended(stop)
        bookmaker.start_shell(SHARDS[0])
        assert (await control.house()).stopped == 0
        assert not stop.banner
