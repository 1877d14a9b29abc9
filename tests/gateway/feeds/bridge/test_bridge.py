"""The bridge acknowledges a message to its source only after its markets have applied it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from engine.common.lifecycle import Status
from gateway.feeds.bridge.bridge import (
    PUSH_BODIES_MAX,
    Bridge,
    BridgeError,
    BridgeSettings,
    Incoming,
)
from gateway.messages.feed import FeedRequest
from gateway.settings import FEED_BODY_BYTES_MAX
from tests.gateway.feeds.feed_system import FeedSystem, feed_token, open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds, recover
from tests.gateway.price_gateway import token, until

KEY = "cup-1/1x2"


class KeepingSource:
    """A source that keeps every message until it is acknowledged."""

    def __init__(self, bodies: Sequence[bytes], *, endless: bool = False) -> None:
        self.left = dict(enumerate(bodies))
        self.endless = endless
        self.given = 0
        self.requests: list[FeedRequest] = []
        self.closed = False

    async def messages(self) -> AsyncIterator[Incoming]:
        for number, body in list(self.left.items()):
            self.given += 1
            yield Incoming(body, number)
        if self.endless:
            await asyncio.Event().wait()

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        for receipt in receipts:
            del self.left[receipt]

    async def request(self, request: FeedRequest) -> bool:
        self.requests.append(request)
        return True

    async def close(self) -> None:
        self.closed = True


def bridge(
    feed_system: FeedSystem, source: KeepingSource, *, feed: str = "tiny", **settings: Any
) -> Bridge:
    return Bridge(
        transport=source,
        feed=feed,
        url=feed_system.feed_url,
        token=feed_token,
        settings=BridgeSettings(**settings),
    )


def close_connections(feed_system: FeedSystem) -> None:
    """Close every connection of the gateway."""
    for listener in feed_system.gateway._listeners:
        for connection in list(listener.connections):
            connection.close(1001, "closed by the test")


def stream(count: int) -> list[bytes]:
    return [
        odds(f"cup-{at % 3}/1x2", at + 1, 0.5, 0.3, 0.2, status=1 if at % 4 else -1)
        for at in range(count)
    ]


async def test_source_is_carried_to_its_end_and_fully_acknowledged(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = KeepingSource([*stream(300), b"nonsense"])
        carrier = bridge(feed_system, source)
        await carrier.run()
        assert (source.left, source.closed) == ({}, True)
        assert (carrier.counts.read, carrier.counts.answered, carrier.counts.refused) == (
            301,
        ) * 2 + (1,)
        assert carrier.kinds == {"odds": 300, "unreadable": 1}
        assert carrier.refusals[0].startswith("unreadable: not JSON of this feed")
        assert feed_system.pipeline.stats()["applied"] == 300


async def test_message_is_not_acknowledged_before_its_market_has_applied_it(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        source = KeepingSource([odds("cup-0/1x2", at, status=-1) for at in range(1, 10)])
        running = asyncio.create_task(bridge(feed_system, source).run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 9)
        assert len(source.left) == 9
        feed_system.local_process("market-00000").thaw()
        await running
        assert source.left == {}


async def test_source_is_read_no_further_than_the_window(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        source = KeepingSource([odds("cup-0/1x2", at, status=-1) for at in range(1, 100)])
        running = asyncio.create_task(bridge(feed_system, source, window=10).run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 10)
        assert source.given <= 11
        feed_system.local_process("market-00000").thaw()
        await running
        assert feed_system.pipeline.stats()["applied"] == 100


async def test_messages_sent_again_after_a_killed_bridge_are_applied_once(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path / "no-faults", gateway={}) as feed_system:
        await bridge(feed_system, KeepingSource(stream(200))).run()
        expected = await feed_system.images()
    async with open_feed_system(tmp_path / "killed", gateway={}) as feed_system:
        source = KeepingSource(stream(200))
        first = asyncio.create_task(bridge(feed_system, source).run())
        await until(lambda: feed_system.pipeline.stats()["applied"] > 20)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        source = KeepingSource(
            stream(200)
        )  # a broker delivers at least the unacknowledged messages again
        await bridge(feed_system, source).run()
        assert source.left == {}
        assert await feed_system.images() == expected


async def test_unanswered_messages_are_sent_again_after_a_lost_connection(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        source = KeepingSource([odds("cup-0/1x2", at, status=-1) for at in range(1, 50)])
        carrier = bridge(feed_system, source)
        running = asyncio.create_task(carrier.run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 49)
        close_connections(feed_system)
        await until(lambda: carrier.counts.connections == 2)
        feed_system.local_process("market-00000").thaw()
        await running
        assert (source.left, carrier.counts.sent_again) == ({}, 49)
        assert feed_system.pipeline.stats()["applied"] == 50
        assert (await feed_system.images())["cup-0/1x2"].status is Status.SUSPENDED


class RecordingAdapter(JsonAdapter):
    """Record every message in the order of receipt."""

    bodies: ClassVar[list[bytes]] = []

    def receive(self, body: bytes, *, at_ns: int) -> Any:
        self.bodies.append(body)
        return super().receive(body, at_ns=at_ns)


async def test_messages_sent_again_keep_their_order_and_precede_new_ones(tmp_path: Path) -> None:
    RecordingAdapter.bodies.clear()
    async with open_feed_system(tmp_path, gateway={}, make_adapter=RecordingAdapter) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        bodies = [odds("cup-0/1x2", at, status=-1) for at in range(1, 500)]
        carrier = bridge(feed_system, KeepingSource(bodies), pushes_max=2)
        running = asyncio.create_task(carrier.run())
        await until(lambda: len(RecordingAdapter.bodies) == 2 * PUSH_BODIES_MAX + 1)
        close_connections(feed_system)
        await until(lambda: carrier.counts.connections == 2)
        feed_system.local_process("market-00000").thaw()
        await running
        assert RecordingAdapter.bodies[-499:] == bodies


async def test_recovery_request_is_made_once_and_reported(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = KeepingSource([recover(1_000, 3)], endless=True)
        carrier = bridge(feed_system, source)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.requests == 1)
        await until(lambda: feed_system.pipeline.stats()["requests"] == 0)
        carrier.stop()
        await running
        assert [(request.after_ms, request.request_id) for request in source.requests] == [
            (1_000, 3)
        ]


async def test_stopped_bridge_waits_for_messages_in_flight(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = KeepingSource(stream(50), endless=True)
        carrier = bridge(feed_system, source)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.read == 50)
        await until(lambda: not carrier._to_send)
        carrier.stop()
        await running
        assert source.left == {}


class EndlessSource(KeepingSource):
    """A source without a last message."""

    async def messages(self) -> AsyncIterator[Incoming]:
        at = 1
        while True:
            self.left[at] = odds("cup-0/1x2", at, status=-1)
            yield Incoming(self.left[at], at)
            await asyncio.sleep(0)
            at += 1


async def test_stopped_bridge_sends_nothing_more_and_waits_at_most_last_answers_s(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        source = EndlessSource([])
        carrier = bridge(feed_system, source, last_answers_s=0.3)
        running = asyncio.create_task(carrier.run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] > 20)
        carrier.stop()
        async with asyncio.timeout(30):
            await running
        assert (carrier.counts.answered, source.closed) == (0, True)
        assert len(source.left) >= carrier.counts.read
        feed_system.local_process("market-00000").thaw()


async def test_bridge_stopped_under_load_ends_with_every_answer(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = EndlessSource([])
        carrier = bridge(feed_system, source, last_answers_s=60)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.answered > 100)
        carrier.stop()
        async with asyncio.timeout(30):
            await running
        assert carrier.counts.sent_again == 0
        assert feed_system.pipeline.stats()["in_hand"] == 0


async def test_bridge_without_a_gateway_stops_at_once(unused_tcp_port: int) -> None:
    nowhere = f"ws://127.0.0.1:{unused_tcp_port}"
    carrier = Bridge(transport=KeepingSource(stream(1)), feed="tiny", url=nowhere, token=feed_token)
    running = asyncio.create_task(carrier.run())
    await until(lambda: carrier.counts.read == 1)
    carrier.stop()
    async with asyncio.timeout(30):
        await running


async def test_cancelled_acknowledgement_does_not_end_the_bridge(tmp_path: Path) -> None:
    class LostSource(KeepingSource):
        async def acknowledge(self, receipts: Sequence[Any]) -> None:
            await super().acknowledge(receipts)
            raise asyncio.CancelledError  # as a broker's client does on a lost connection

    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = LostSource(stream(20))
        await bridge(feed_system, source).run()
        assert source.left == {}


async def test_message_over_the_gateways_bound_is_cut_and_counted(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = KeepingSource([b"x" * (FEED_BODY_BYTES_MAX + 1), *stream(1)])
        carrier = bridge(feed_system, source)
        await carrier.run()
        assert (source.left, carrier.counts.too_long, carrier.counts.answered) == ({}, 1, 2)
        assert (carrier.counts.refused, carrier.kinds["unreadable"]) == (1, 1)


async def test_error_of_a_source_is_raised_after_its_messages_are_applied(tmp_path: Path) -> None:
    class FailingSource(KeepingSource):
        async def messages(self) -> AsyncIterator[Incoming]:
            async for message in super().messages():
                yield message
            raise OSError("disk failed")

    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        source = FailingSource(stream(20))
        with pytest.raises(OSError, match="disk failed"):
            await bridge(feed_system, source).run()
        assert source.left == {}


async def test_refusal_for_good_ends_the_bridge_with_the_gateways_reason(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        with pytest.raises(BridgeError, match="there are: tiny"):
            await bridge(feed_system, KeepingSource(stream(1)), feed="other").run()
        stranger = Bridge(
            transport=KeepingSource(stream(1)), feed="tiny", url=feed_system.feed_url, token=token
        )
        with pytest.raises(BridgeError, match="403"):
            await stranger.run()


async def test_bridge_without_a_gateway_ends_after_give_up_s(unused_tcp_port: int) -> None:
    carrier = Bridge(
        transport=KeepingSource(stream(1)),
        feed="tiny",
        url=f"ws://127.0.0.1:{unused_tcp_port}",
        token=feed_token,
        settings=BridgeSettings(give_up_s=0.25),
    )
    with pytest.raises(BridgeError, match="no gateway at"):
        await carrier.run()


class DelayRecorder(Bridge):
    """A bridge that records its delays instead of sleeping."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.delays: list[float] = []

    async def _pause(self, seconds: float) -> None:
        self.delays.append(seconds)


async def test_delays_double_from_a_tenth_of_a_second_to_five(unused_tcp_port: int) -> None:
    carrier = DelayRecorder(
        transport=KeepingSource(stream(1)),
        feed="tiny",
        url=f"ws://127.0.0.1:{unused_tcp_port}",
        token=feed_token,
        settings=BridgeSettings(give_up_s=20.0),
    )
    with pytest.raises(BridgeError, match="no gateway at"):
        await carrier.run()
    assert carrier.delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])
