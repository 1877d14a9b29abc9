"""Prices to subscribers: an image, then changes; slow clients get the latest state only."""

import asyncio
import itertools
import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from gateway.client import BettorSession, RefusedError, connect
from gateway.messages.market import Market, Seen, Subscribed
from gateway.net.connection import Connection
from gateway.services import price_fanout
from gateway.settings import CloseCode
from tests.gateway.price_gateway import (
    WAIT_S,
    PriceGateway,
    delta,
    image,
    open_price_gateway,
    token,
    until,
)
from tests.gateway.raw_client import PONG, Raw, handshake, json_frame


def connections(system: PriceGateway) -> list[Connection]:
    return [
        connection for listener in system.gateway._listeners for connection in listener.connections
    ]


def buffered(connection: Connection) -> int:
    return connection.out_bytes + connection._transport.get_write_buffer_size()


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_subscriber_gets_the_image_and_then_every_change(codec: Any) -> None:
    async with (
        open_price_gateway() as system,
        connect(system.bets_url, token=token(), codec=codec) as client,
    ):
        system.create(image(1), image(2))
        received: list[Market] = []
        client.on_price = received.append
        assert (await client.subscribe(markets=[1])).markets == 1
        await until(lambda: 1 in client.prices)
        system.change(delta(1, version=2, odds=(2_000, 4_000)), delta(2, version=2))
        system.change(delta(1, version=3, odds=(2_000, 4_100), status=Status.SUSPENDED))
        await until(lambda: client.prices[1].version == 3)
        assert [(m.version, m.odds_milli, m.status) for m in received] == [
            (1, (2_500, 3_100), "active"),
            (2, (2_000, 4_000), "active"),
            (3, (2_000, 4_100), "suspended"),
        ]
        assert received[-1].outcomes == ("outcome 0", "outcome 1")


async def test_subscription_by_key_fixture_and_all_counts_each_market_once() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(*(image(no) for no in (1, 2, 11, 12, 21)))
        key = "cup-0/market?no=1"
        assert (await client.subscribe(keys=[key], markets=[1])).markets == 1
        assert (await client.subscribe(fixtures=["cup-0"])).markets == 2
        assert (await client.subscribe(markets=[2, 11])).markets == 3
        assert (await client.subscribe(all_markets=True)).markets == 5
        await until(lambda: len(client.prices) == 5)
        await client.subscribe(markets=[1], fixtures=["cup-1"])
        received: list[Market] = []
        client.on_price = received.append
        sent = system.gateway.counters.odds_out
        system.change(*(delta(no, version=2) for no in (1, 2, 11, 12, 21)))
        await until(lambda: len(received) == 5)
        assert system.gateway.counters.odds_out - sent == 5
        answer = await client.unsubscribe(everything=True)
        assert answer.markets == 0
        system.change(delta(1, version=3))
        await client.subscribe(markets=[2])
        assert client.prices[1].version == 2


async def test_unsubscribed_market_or_fixture_is_not_sent() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(image(1), image(11), image(12))
        await client.subscribe(markets=[1], fixtures=["cup-1"])
        assert (await client.unsubscribe(markets=[1])).markets == 2
        assert (await client.unsubscribe(fixtures=["cup-1"])).markets == 0
        system.change(delta(1, version=2), delta(11, version=2))
        await client.subscribe(markets=[12])
        await until(lambda: 12 in client.prices)
        assert {no: market.version for no, market in client.prices.items()} == {1: 1, 11: 1, 12: 1}


async def test_unknown_names_are_answered() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(image(1))
        answer = await client.subscribe(markets=[1, 9], keys=["cup-0/none", "nonsense"])
        assert answer.unknown == ("9", "cup-0/none", "nonsense")
        assert answer.markets == 1


async def test_later_markets_are_sent_under_fixture_and_all() -> None:
    async with (
        open_price_gateway() as system,
        connect(system.bets_url, token=token()) as fixture,
        connect(system.bets_url, token=token(), codec="json") as everything,
    ):
        await fixture.subscribe(fixtures=["cup-1"])
        await everything.subscribe(all_markets=True)
        system.create(image(1), image(11))
        await until(lambda: len(everything.prices) == 2 and len(fixture.prices) == 1)
        assert fixture.prices[11] == everything.prices[11]


async def test_resumed_subscription_sends_only_changed_markets() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(*(image(no, version=5) for no in (1, 2, 3)))
        client.prices[1] = Market(
            market=1, key="k/x", status="active", version=4, outcomes=("a", "b"),
            odds_milli=(2_000, 2_000), active=(True, True),
        )  # fmt: skip
        seen = [Seen(market=1, version=4), Seen(market=2, version=5)]
        await client.subscribe(markets=[1, 2, 3], seen=seen)
        await until(lambda: 3 in client.prices)
        assert client.prices[1].odds_milli == (2_500, 3_100)
        assert client.prices[1].outcomes == ("a", "b"), "odds were sent, not the image"
        assert 2 not in client.prices


async def test_old_version_changes_nothing() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        system.create(image(1, version=5))
        await client.subscribe(markets=[1])
        system.change(delta(1, version=5), delta(1, version=4))
        assert system.gateway.fanout.topics[1].prices == image(1, version=5)
        system.change(delta(1, version=7))
        system.create(image(1, version=6))
        await until(lambda: client.prices[1].version == 7)
        assert system.gateway.fanout.topics[1].version == 7


async def test_subscriptions_are_bounded() -> None:
    async with (
        open_price_gateway(subscriptions_max=2) as system,
        connect(system.bets_url, token=token()) as client,
    ):
        system.create(*(image(no) for no in range(5)))
        await client.subscribe(markets=[0, 1])
        with pytest.raises(RefusedError) as raised:
            await client.subscribe(markets=[2])
        assert raised.value.reason is Reason.CAPACITY
        system.change(delta(1, version=2))
        await until(lambda: client.prices[1].version == 2)


async def test_followed_markets_are_bounded_however_they_are_named() -> None:
    async with (
        open_price_gateway(markets_followed_max=12) as system,
        connect(system.bets_url, token=token()) as client,
    ):
        system.create(*(image(no) for no in range(15)))  # ten of cup-0 and five of cup-1
        for names in ({"all_markets": True}, {"fixtures": ["cup-0", "cup-1"]}):
            with pytest.raises(RefusedError) as raised:
                await client.subscribe(**names)
            assert raised.value.reason is Reason.CAPACITY
        assert (await client.subscribe(fixtures=["cup-0"])).markets == 10
        with pytest.raises(RefusedError):
            await client.subscribe(markets=[10, 11, 12])
        assert (await client.subscribe(markets=[10, 11])).markets == 12


async def test_sessions_of_one_account_share_a_bound_of_followed_markets() -> None:
    async with (
        open_price_gateway(account_markets_max=15) as system,
        connect(system.bets_url, token=token()) as second,
        connect(system.bets_url, token=token(account=8)) as other,
    ):
        system.create(*(image(no) for no in range(10)))
        async with connect(system.bets_url, token=token()) as first:
            assert (await first.subscribe(all_markets=True)).markets == 10
            with pytest.raises(RefusedError) as raised:
                await second.subscribe(all_markets=True)
            assert raised.value.reason is Reason.CAPACITY
            assert (await second.subscribe(markets=[1, 2])).markets == 2
            assert (await other.subscribe(all_markets=True)).markets == 10
        await until(lambda: system.gateway.stats()["connections"] == 2)
        assert (await second.subscribe(all_markets=True)).markets == 10


async def test_sessions_that_subscribe_at_once_share_the_bound_too() -> None:
    """Every step ends the turn, so that the subscriptions take their steps side by side."""
    markets = 4 * price_fanout._A_STEP
    ticks = itertools.count(step=1_000_000)
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(
            open_price_gateway(
                account_markets_max=2 * markets, work_percent=100, work_clock_ns=ticks.__next__
            )
        )
        system.create(*(image(no) for no in range(markets)))
        clients: list[BettorSession] = [
            await stack.enter_async_context(connect(system.bets_url, token=token()))
            for _ in range(4)
        ]
        answers = await asyncio.gather(
            *(client.subscribe(all_markets=True) for client in clients), return_exceptions=True
        )
        assert sum(isinstance(answer, RefusedError) for answer in answers) == 2
        followed = sum(answer.markets for answer in answers if isinstance(answer, Subscribed))
        assert followed == 2 * markets


async def test_one_change_is_sent_to_all_as_the_same_bytes_object() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_price_gateway())
        system.create(image(1))
        clients: list[BettorSession] = []
        for number in range(200):
            opening = connect(system.bets_url, token=token(account=number))
            clients.append(await stack.enter_async_context(opening))
        await asyncio.gather(*(client.subscribe(markets=[1]) for client in clients))
        system.change(delta(1, version=2))
        topic = system.gateway.fanout.topics[1]
        frame = topic.frame(0, image=False)
        assert all(
            connection.out == [frame] and connection.out[0] is frame
            for connection in connections(system)
        )
        assert topic._odds[1] is None, "no JSON was encoded, since no client uses it"
        await until(lambda: all(client.prices[1].version == 2 for client in clients))


async def open_unread(stack: AsyncExitStack, system: PriceGateway, *, account: int = 99) -> Raw:
    """Connect a client that reads no more after its welcome, with small kernel buffers both ways.

    Small also at the gateway, so that its own bound is reached after few messages: the kernel
    would take megabytes before a write stalls, which on a busy machine lasts seconds.
    """
    before = set(connections(system))
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", system.ports["bets"]))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1_024)
    stack.callback(writer.close)
    raw = Raw(reader, writer)
    raw.send(handshake(token=token(account=account)))
    await raw.head()
    assert (await raw.message())["type"] == "welcome"
    (slow,) = set(connections(system)) - before
    slow._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8_192)
    return raw


async def test_subscriber_that_does_not_read_costs_bounded_memory_and_delays_no_other() -> None:
    markets, rounds = 200, 200
    bound = 32_768
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_price_gateway(odds_buffer_bytes=bound))
        system.create(*(image(no) for no in range(markets)))
        raw = await open_unread(stack, system)
        (slow,) = connections(system)
        client = await stack.enter_async_context(connect(system.bets_url, token=token()))
        raw.send(json_frame(type="subscribe", all=True))
        await client.subscribe(all_markets=True)
        most_bytes = 0
        for version in range(2, rounds + 2):
            system.change(*(delta(no, version=version) for no in range(markets)))
            await asyncio.sleep(0)
            most_bytes = max(most_bytes, buffered(slow))
            if version % 50 == 0:
                await until(lambda v=version: all(m.version == v for m in client.prices.values()))  # type: ignore[misc]
        assert slow.paused
        assert most_bytes <= 3 * bound
        assert system.gateway.counters.odds_conflated > markets * rounds // 2
        # When the client reads again, a bounded number of messages brings the latest states.
        versions: dict[int, int] = {}
        messages = 0
        while len(versions) < markets or min(versions.values()) <= rounds:
            message = await raw.message()
            if message["type"] in ("market", "odds"):
                assert message["version"] > versions.get(message["market"], 0)
                versions[message["market"]] = message["version"]
                messages += 1
        assert set(versions.values()) == {rounds + 1}
        assert messages < markets * rounds // 2


async def test_client_that_leaves_answers_unread_is_closed_as_too_slow() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(
            open_price_gateway(odds_buffer_bytes=4_096, answers_buffer_bytes=8_192)
        )
        raw = await open_unread(stack, system)
        (slow,) = connections(system)
        bets = 0
        most_bytes = 0
        while not slow.closing:
            bet = json_frame(
                type="place", ref=f"r{bets}", market=1, outcome=0, stake_minor=1, odds_milli=2_000
            )
            raw.send(bet)
            bets += 1
            if slow.paused:
                # Reading stops with writing, so that at most one chunk of answers piles up.
                most_bytes = max(most_bytes, buffered(slow))
                break
            await asyncio.sleep(0)
        for _ in range(1_000):
            slow.send(b"\x81\x40" + b"x" * 64)  # as answers of bets in flight
            most_bytes = max(most_bytes, buffered(slow))
            if slow.closing:
                break
        assert slow.closing
        assert most_bytes < 128_000
        farewell = await raw.farewell()
        assert farewell.code == CloseCode.TOO_SLOW
        assert system.gateway.counters.slow_closed == 1


async def test_stalled_client_is_closed_at_its_time_limit() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(
            open_price_gateway(odds_buffer_bytes=4_096, stalled_max_s=1)
        )
        system.create(*(image(no) for no in range(500)))
        raw = await open_unread(stack, system)
        raw.send(json_frame(type="subscribe", all=True))
        await until(
            lambda: any(connection.paused for connection in connections(system)) or _push(system)
        )
        await until(lambda: not connections(system), wait_s=WAIT_S)
        assert system.gateway.counters.close_codes[CloseCode.TOO_SLOW] == 1
        assert (await raw.farewell()).messages


_versions = iter(range(2, 1 << 30))


def _push(system: PriceGateway) -> bool:
    version = next(_versions)
    system.change(*(delta(no, version=version) for no in range(500)))
    return False


async def test_ping_is_answered_between_messages() -> None:
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(open_price_gateway())
        raw = await open_unread(stack, system)
        raw.send(b"\x89\x82\x00\x00\x00\x00hi")
        assert await raw.frame() == (PONG, b"hi")
