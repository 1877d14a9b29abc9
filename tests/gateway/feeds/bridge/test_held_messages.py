"""A message that an adapter holds stays with its source until its markets have obeyed it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from actors.peer import LocalPeer
from engine.common.lifecycle import Status
from gateway.feeds.bridge.bridge import Bridge, BridgeSettings, Incoming
from gateway.feeds.core.pipeline import FeedPipeline
from gateway.feeds.uof.adapter import UofAdapter
from gateway.messages.feed import FeedRequest
from gateway.settings import FEED_MESSAGES_HELD_MAX
from tests.gateway.feeds.bridge.test_bridge import close_connections
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.feeds.uof.builders import (
    EVENT,
    HOME_WON,
    MATCH_WINNER,
    alive,
    bet_settlement,
    correction,
    market,
    odds_change,
    settled,
    snapshot_complete,
)
from tests.gateway.price_gateway import until

KEY = f"{EVENT}/1x2"
PREFETCH = FEED_MESSAGES_HELD_MAX + 256


class PrefetchingSource:
    """A source that keeps messages until acknowledged, and gives no more than a broker would."""

    def __init__(self, *, prefetch: int = PREFETCH) -> None:
        self.left: dict[int, bytes] = {}
        self.acknowledged: list[bytes] = []
        self.requests: list[FeedRequest] = []
        self._prefetch = prefetch
        self._count = 0
        self._changed = asyncio.Event()

    def send(self, *bodies: bytes) -> None:
        for body in bodies:
            self.left[self._count] = body
            self._count += 1
        self._changed.set()

    async def messages(self) -> AsyncIterator[Incoming]:
        given = 0
        while True:
            unacknowledged = sum(number < given for number in self.left)
            if given < self._count and unacknowledged < self._prefetch:
                given += 1
                yield Incoming(self.left[given - 1], given - 1)
            else:
                self._changed.clear()
                await self._changed.wait()

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        self.acknowledged += [self.left.pop(receipt) for receipt in receipts]
        self._changed.set()

    async def request(self, request: FeedRequest) -> bool:
        self.requests.append(request)
        return True

    async def close(self) -> None: ...


@asynccontextmanager
async def carried(
    folder: Path,
) -> AsyncIterator[tuple[FeedSystem, PrefetchingSource, Bridge]]:
    """Open a system and carry a source to it, whose producer is being recovered."""
    adapter = partial(UofAdapter, "tiny")
    async with open_feed_system(folder, gateway={}, make_adapter=adapter) as it:
        source = PrefetchingSource()
        settings = BridgeSettings(window=PREFETCH)
        carrier = Bridge(
            transport=source, feed="tiny", url=it.feed_url, token=feed_token, settings=settings
        )
        running = asyncio.create_task(carrier.run())
        source.send(odds_change(market(1, MATCH_WINNER), at=1), alive(at=2))
        await until(lambda: len(source.requests) == 1)
        await until(lambda: not source.left)
        yield it, source, carrier
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def complete(source: PrefetchingSource) -> bytes:
    """Return the end of the recovery that was requested last."""
    return snapshot_complete(at=60_000, request_id=source.requests[-1].request_id)


async def test_a_held_result_is_acknowledged_once_its_market_has_obeyed(tmp_path: Path) -> None:
    async with carried(tmp_path) as (it, source, carrier):
        held = bet_settlement(settled(1, HOME_WON), at=10)
        stop = odds_change(market(1, status=-1), at=11)
        source.send(held, stop)

        await until(lambda: stop in source.acknowledged)
        assert list(source.left.values()) == [held]
        assert (carrier.counts.held, it.pipeline.stats()["held"]) == (1, 1)
        assert it.pipeline.stats()["in_hand"] == 0
        it.local_process("market-00000").freeze()
        source.send(complete(source))
        await until(lambda: it.pipeline.stats()["in_hand"] > 0)
        assert held in source.left.values()
        it.local_process("market-00000").thaw()

        await until(lambda: not source.left)
        assert (await it.images())[KEY].status is Status.SETTLED
        assert (carrier.counts.held, carrier.counts.sent_again) == (0, 0)


async def test_results_held_by_a_pipeline_that_dies_come_again_and_settle(tmp_path: Path) -> None:
    async with carried(tmp_path) as (it, source, carrier):
        held = [
            bet_settlement(settled(1, HOME_WON), at=11),
            correction("bet_cancel", 1, at=10),
        ]
        source.send(*held)
        await until(lambda: it.pipeline.stats()["held"] == 2)

        await it.pipeline.stop()
        pipeline = await replaced_pipeline(it)
        await until(lambda: carrier.counts.sent_again == 2)
        await until(lambda: pipeline.stats()["held"] == 2)
        assert list(source.left.values()) == held
        source.send(alive(at=50_000))
        await until(lambda: len(source.requests) == 2)
        source.send(complete(source))

        await until(lambda: not source.left)
        assert (await it.images())[KEY].status is Status.SETTLED
        assert pipeline.stats()["steps_refused"] == {}
        await pipeline.stop()


async def replaced_pipeline(it: FeedSystem) -> FeedPipeline:
    """Put another pipeline in the place of the system's own, as after the death of its process."""
    pipeline = FeedPipeline(
        name="feed-tiny",
        feed="tiny",
        supervisor=it.system._supervisor,  # type: ignore[arg-type]
        make_adapter=partial(UofAdapter, "tiny"),
        clock_ns=lambda: time.time_ns() + 5_000_000_000,  # a process needs time to begin
    )
    pipeline.on_routes(*it.system._supervisor._target.routes())  # type: ignore[union-attr]
    pipeline.on_gateways(1 << 60, it.system.gateways)
    await pipeline.start()
    it.gateway.feeds.on_feeds(1 << 60, {"tiny": LocalPeer(pipeline, name="feed-tiny")})
    return pipeline


async def test_a_held_result_that_is_sent_again_takes_effect_once(tmp_path: Path) -> None:
    async with carried(tmp_path) as (it, source, carrier):
        source.send(bet_settlement(settled(1, HOME_WON), at=10))
        await until(lambda: carrier.counts.held == 1)
        close_connections(it)
        await until(lambda: carrier.counts.connections == 2)
        await until(lambda: it.pipeline.stats()["held"] == 2)

        source.send(complete(source))

        await until(lambda: not source.left)
        assert (await it.images())[KEY].status is Status.SETTLED
        assert it.pipeline.stats()["steps_refused"] == {"feed_position_known": 1}


async def test_more_results_than_may_be_held_do_not_stop_what_ends_the_hold(
    tmp_path: Path,
) -> None:
    async with carried(tmp_path) as (it, source, _):
        results = [
            correction("bet_cancel", 1, at=10 + n) for n in range(FEED_MESSAGES_HELD_MAX + 500)
        ]
        source.send(bet_settlement(settled(1, HOME_WON), at=50_000), *results)
        await until(lambda: len(source.left) == FEED_MESSAGES_HELD_MAX)
        assert it.pipeline.stats()["passed_over"] == {"result released early": 501}
        assert source.acknowledged[2:] == results[:501]

        source.send(complete(source))

        await until(lambda: not source.left)
        assert (await it.images())[KEY].status is Status.SETTLED
        assert "feed_position_known" not in it.pipeline.stats()["steps_refused"]
