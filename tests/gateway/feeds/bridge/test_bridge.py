"""The bridge between a source and a gateway: nothing is forgotten before it is obeyed."""

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


class Shelf:
    """A source that keeps every message until it is acknowledged."""

    def __init__(self, bodies: Sequence[bytes], *, for_ever: bool = False) -> None:
        self.left = dict(enumerate(bodies))
        self.for_ever = for_ever
        self.given = 0
        self.requests: list[FeedRequest] = []
        self.closed = False

    async def messages(self) -> AsyncIterator[Incoming]:
        for number, body in list(self.left.items()):
            self.given += 1
            yield Incoming(body, number)
        if self.for_ever:
            await asyncio.Event().wait()

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        for receipt in receipts:
            del self.left[receipt]

    async def request(self, request: FeedRequest) -> bool:
        self.requests.append(request)
        return True

    async def close(self) -> None:
        self.closed = True


def bridge(feed_system: FeedSystem, shelf: Shelf, *, feed: str = "tiny", **settings: Any) -> Bridge:
    return Bridge(
        transport=shelf,
        feed=feed,
        url=feed_system.feed_url,
        token=feed_token,
        settings=BridgeSettings(**settings),
    )


def stream(count: int) -> list[bytes]:
    return [
        odds(f"cup-{at % 3}/1x2", at + 1, 0.5, 0.3, 0.2, status=1 if at % 4 else -1)
        for at in range(count)
    ]


async def test_a_source_is_carried_to_its_end_and_forgets_all_of_it(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Shelf([*stream(300), b"nonsense"])
        carrier = bridge(feed_system, shelf)
        await carrier.run()
        assert (shelf.left, shelf.closed) == ({}, True)
        assert (carrier.counts.read, carrier.counts.answered, carrier.counts.refused) == (
            301,
        ) * 2 + (1,)
        assert carrier.kinds == {"odds": 300, "unreadable": 1}
        assert carrier.refusals[0].startswith("unreadable: not JSON of this feed")
        assert feed_system.pipeline.stats()["applied"] == 300


async def test_nothing_is_forgotten_before_its_market_has_obeyed_it(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        shelf = Shelf([odds("cup-0/1x2", at, status=-1) for at in range(1, 10)])
        running = asyncio.create_task(bridge(feed_system, shelf).run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 9)
        assert len(shelf.left) == 9
        feed_system.local_process("market-00000").thaw()
        await running
        assert shelf.left == {}


async def test_a_source_is_read_no_further_than_the_window(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        shelf = Shelf([odds("cup-0/1x2", at, status=-1) for at in range(1, 100)])
        running = asyncio.create_task(bridge(feed_system, shelf, window=10).run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 10)
        assert shelf.given <= 11
        feed_system.local_process("market-00000").thaw()
        await running
        assert feed_system.pipeline.stats()["applied"] == 100


async def test_a_killed_bridge_s_successor_sends_all_again_and_it_counts_once(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path / "calm", gateway={}) as feed_system:
        await bridge(feed_system, Shelf(stream(200))).run()
        calm = await feed_system.images()
    async with open_feed_system(tmp_path / "killed", gateway={}) as feed_system:
        shelf = Shelf(stream(200))
        first = asyncio.create_task(bridge(feed_system, shelf).run())
        await until(lambda: feed_system.pipeline.stats()["applied"] > 20)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        shelf = Shelf(stream(200))  # the broker gives again whatever was not acknowledged, or more
        await bridge(feed_system, shelf).run()
        assert shelf.left == {}
        assert await feed_system.images() == calm


async def test_a_lost_connection_has_what_was_not_answered_sent_again(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        shelf = Shelf([odds("cup-0/1x2", at, status=-1) for at in range(1, 50)])
        carrier = bridge(feed_system, shelf)
        running = asyncio.create_task(carrier.run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] == 49)
        for link in [link for door in feed_system.gateway._listeners for link in door.links]:
            link.close(1001, "the test says so")
        await until(lambda: carrier.counts.connections == 2)
        feed_system.local_process("market-00000").thaw()
        await running
        assert (shelf.left, carrier.counts.sent_again) == ({}, 49)
        assert feed_system.pipeline.stats()["applied"] == 50
        assert (await feed_system.images())["cup-0/1x2"].status is Status.SUSPENDED


class Listener(JsonAdapter):
    """Notes every message in the order in which it is taken."""

    heard: ClassVar[list[bytes]] = []

    def receive(self, body: bytes, *, at_ns: int) -> Any:
        self.heard.append(body)
        return super().receive(body, at_ns=at_ns)


async def test_what_is_sent_again_comes_in_its_order_and_before_what_is_new(tmp_path: Path) -> None:
    Listener.heard.clear()
    async with open_feed_system(tmp_path, gateway={}, make_adapter=Listener) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        bodies = [odds("cup-0/1x2", at, status=-1) for at in range(1, 500)]
        carrier = bridge(feed_system, Shelf(bodies), pushes_max=2)
        running = asyncio.create_task(carrier.run())
        await until(lambda: len(Listener.heard) == 2 * PUSH_BODIES_MAX + 1)
        for link in [link for door in feed_system.gateway._listeners for link in door.links]:
            link.close(1001, "the test says so")
        await until(lambda: carrier.counts.connections == 2)
        feed_system.local_process("market-00000").thaw()
        await running
        assert Listener.heard[-499:] == bodies


async def test_wishes_are_granted_once_and_reported(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Shelf([recover(1_000, 3)], for_ever=True)
        carrier = bridge(feed_system, shelf)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.requests == 1)
        await until(lambda: feed_system.pipeline.stats()["requests"] == 0)
        carrier.stop()
        await running
        assert [(request.after_ms, request.request_id) for request in shelf.requests] == [
            (1_000, 3)
        ]


async def test_a_bridge_that_is_stopped_waits_for_what_is_on_its_way(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Shelf(stream(50), for_ever=True)
        carrier = bridge(feed_system, shelf)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.read == 50)
        await until(lambda: not carrier._to_send)
        carrier.stop()
        await running
        assert shelf.left == {}


class Spring(Shelf):
    """A source that never runs dry."""

    async def messages(self) -> AsyncIterator[Incoming]:
        at = 1
        while True:
            self.left[at] = odds("cup-0/1x2", at, status=-1)
            yield Incoming(self.left[at], at)
            await asyncio.sleep(0)
            at += 1


async def test_a_bridge_that_is_stopped_sends_nothing_more_and_waits_no_longer_than_it_may(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        await feed_system.push(odds("cup-0/1x2", 0, 0.5, 0.3, 0.2))
        feed_system.local_process("market-00000").freeze()
        shelf = Spring([])
        carrier = bridge(feed_system, shelf, last_answers_s=0.3)
        running = asyncio.create_task(carrier.run())
        await until(lambda: feed_system.pipeline.stats()["in_hand"] > 20)
        carrier.stop()
        async with asyncio.timeout(10):
            await running
        assert (carrier.counts.answered, shelf.closed) == (0, True)
        assert len(shelf.left) >= carrier.counts.read
        feed_system.local_process("market-00000").thaw()


async def test_a_bridge_that_is_stopped_under_load_ends_with_the_answers_it_awaited(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Spring([])
        carrier = bridge(feed_system, shelf, last_answers_s=60)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.answered > 100)
        carrier.stop()
        async with asyncio.timeout(30):
            await running
        assert carrier.counts.sent_again == 0
        assert feed_system.pipeline.stats()["in_hand"] == 0


async def test_a_bridge_without_a_gateway_is_stopped_at_once(unused_tcp_port: int) -> None:
    nowhere = f"ws://127.0.0.1:{unused_tcp_port}"
    lonely = Bridge(transport=Shelf(stream(1)), feed="tiny", url=nowhere, token=feed_token)
    running = asyncio.create_task(lonely.run())
    await until(lambda: lonely.counts.read == 1)
    lonely.stop()
    async with asyncio.timeout(30):
        await running


async def test_a_word_to_the_source_that_died_with_it_ends_nothing(tmp_path: Path) -> None:
    class Gone(Shelf):
        async def acknowledge(self, receipts: Sequence[Any]) -> None:
            await super().acknowledge(receipts)
            raise asyncio.CancelledError  # what a broker's client says to a lost connection

    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Gone(stream(20))
        await bridge(feed_system, shelf).run()
        assert shelf.left == {}


async def test_a_message_that_no_gateway_would_take_is_dropped_and_counted(tmp_path: Path) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Shelf([b"x" * (FEED_BODY_BYTES_MAX + 1), *stream(1)])
        carrier = bridge(feed_system, shelf)
        await carrier.run()
        assert (shelf.left, carrier.counts.too_long, carrier.counts.answered) == ({}, 1, 1)


async def test_what_ends_a_source_is_told_after_all_it_gave_is_obeyed(tmp_path: Path) -> None:
    class Torn(Shelf):
        async def messages(self) -> AsyncIterator[Incoming]:
            async for message in super().messages():
                yield message
            raise OSError("torn")

    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        shelf = Torn(stream(20))
        with pytest.raises(OSError, match="torn"):
            await bridge(feed_system, shelf).run()
        assert shelf.left == {}


async def test_a_gateway_that_refuses_for_good_ends_the_bridge_with_its_words(
    tmp_path: Path,
) -> None:
    async with open_feed_system(tmp_path, gateway={}) as feed_system:
        with pytest.raises(BridgeError, match="there are: tiny"):
            await bridge(feed_system, Shelf(stream(1)), feed="other").run()
        stranger = Bridge(
            transport=Shelf(stream(1)), feed="tiny", url=feed_system.feed_url, token=token
        )
        with pytest.raises(BridgeError, match="403"):
            await stranger.run()


async def test_a_bridge_without_a_gateway_gives_up_when_told_to(unused_tcp_port: int) -> None:
    lonely = Bridge(
        transport=Shelf(stream(1)),
        feed="tiny",
        url=f"ws://127.0.0.1:{unused_tcp_port}",
        token=feed_token,
        settings=BridgeSettings(give_up_s=0.25),
    )
    with pytest.raises(BridgeError, match="no gateway at"):
        await lonely.run()
