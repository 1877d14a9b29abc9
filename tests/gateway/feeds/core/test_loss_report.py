"""A feed that opens no market or loses one says so, with reasons, in its statistics and logs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.feeds.core.loss_report import LOGGED_IN_TICK_MAX, SHOWN_MAX, UNOPENED_EVERY_S
from gateway.feeds.core.losses import LOSSES_MAX, Losses
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds


class Losing(JsonAdapter):
    """An adapter that has lost as many markets as a test says, and made one market not yet."""

    def __init__(self) -> None:
        super().__init__()
        self.losses = Losses()

    def lost(self) -> dict[str, str]:
        return dict(self.losses.whys)

    def unopened(self) -> dict[str, str]:
        return {"cup-8/1x2": "no fair price"}


def played(folder: Path, play: Callable[[FeedSystem], Awaitable[None]], **options: Any) -> None:
    """Play something on a feed system in virtual time."""

    async def main() -> None:
        async with open_feed_system(folder, **options) as it:
            await play(it)

    run_virtual(main())


def losses_of(it: FeedSystem) -> Losses:
    assert isinstance(it.adapter, Losing)
    return it.adapter.losses


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "feed" in record.name]


def test_opened_markets_are_counted_and_the_others_named_with_their_last_status(
    tmp_path: Path,
) -> None:
    async def play(it: FeedSystem) -> None:
        await it.push(
            odds("cup-1/1x2", 1, 0.5, 0.3, 0.2),
            odds("cup-2/1x2", 1, 0.5, 0.3, 0.2, status=-1),
            odds("cup-3/1x2", 1, 0.5, 0.3, 0.2, status=0),
            odds("cup-3/1x2", 2, status=1),
            odds("cup-1/1x2", 3, status=-1),
        )
        stats = it.pipeline.stats()
        assert stats["opened"] == 2
        assert stats["unopened"] == {"cup-2/1x2": "suspended", "cup-8/1x2": "no fair price"}
        assert stats["lost"] == {}

    played(tmp_path, play, make_adapter=Losing)


def test_market_whose_creation_is_refused_is_lost_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(it: FeedSystem) -> None:
        bad = "cup-1/no such type"
        await it.push(odds(bad, 1, 0.5, 0.3, 0.2))
        ((market, why),) = it.pipeline.stats()["lost"].items()
        assert market == bad
        assert why.startswith("not created: ")
        await asyncio.sleep(1.0)
        assert sum(bad in line and why in line for line in lines(caplog)) == 1

    played(tmp_path, play, tick_ms=100)


def test_lost_markets_are_logged_once_each_and_again_when_the_reason_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(it: FeedSystem) -> None:
        losses = losses_of(it)
        losses.note("cup-7/1x2", "market refused: too long")
        await asyncio.sleep(1.0)
        assert sum("cup-7/1x2: market refused" in line for line in lines(caplog)) == 1
        losses.note("cup-7/1x2", "results refused: none")
        await asyncio.sleep(1.0)
        assert sum("cup-7/1x2: results refused" in line for line in lines(caplog)) == 1

    played(tmp_path, play, make_adapter=Losing, tick_ms=100)


def test_many_losses_at_once_are_shown_and_logged_within_bounds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(it: FeedSystem) -> None:
        losses = losses_of(it)
        for number in range(LOSSES_MAX + 5):
            losses.note(f"m{number}", "market refused: no room")
        assert len(losses.whys) == LOSSES_MAX
        await asyncio.sleep(1.0)
        stats = it.pipeline.stats()
        assert len(stats["lost"]) == SHOWN_MAX
        assert f"m{LOSSES_MAX + 4}" in stats["lost"]
        assert sum("market refused" in line for line in lines(caplog)) == LOGGED_IN_TICK_MAX
        more = LOSSES_MAX - LOGGED_IN_TICK_MAX
        assert any(f"{more} more lost" in line for line in lines(caplog))

    played(tmp_path, play, make_adapter=Losing, tick_ms=100)


def test_feed_that_opens_no_market_says_so_until_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(it: FeedSystem) -> None:
        await asyncio.sleep(2.5 * UNOPENED_EVERY_S)
        said = [line for line in lines(caplog) if "no market is opened yet" in line]
        assert len(said) == 2
        assert "cup-8/1x2: no fair price" in said[0]
        await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
        await asyncio.sleep(2.5 * UNOPENED_EVERY_S)
        assert len([line for line in lines(caplog) if "no market is opened" in line]) == 2

    played(tmp_path, play, make_adapter=Losing)


def test_a_loss_is_new_once_and_cleared() -> None:
    losses = Losses()
    assert losses.note("m", "why")
    assert not losses.note("m", "why")
    assert losses.note("m", "w" * 1_000)
    assert losses.whys == {"m": "w" * 300}
    losses.clear("m")
    losses.clear("m")
    assert losses.whys == {}
