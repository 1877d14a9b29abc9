"""What waits in one session has a bound, and so has the wait for a silent gateway."""

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from gateway.client import BoundReachedError, HandshakeRefusedError, connect
from gateway.client.received import EVENTS_KEPT_MAX, Received
from gateway.client.session import BETS_OPEN_MAX, REQUESTS_OPEN_MAX, UNSENT_BYTES_MAX
from gateway.messages.base import Welcome
from gateway.messages.bettor import MoneyEvent, Selection
from gateway.net.codec import MSGPACK
from tests.gateway.price_gateway import open_price_gateway, token

BET = {"market": 1, "outcome": 0, "stake_minor": 500, "odds_milli": 2_500}


async def test_a_bet_past_the_bound_is_not_sent() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        placed = [client.place_nowait(ref="a", **BET) for _ in range(BETS_OPEN_MAX)]
        with pytest.raises(BoundReachedError, match=f"at most {BETS_OPEN_MAX}"):
            client.place_nowait(ref="b", **BET)
        with pytest.raises(BoundReachedError):
            await client.place_many([Selection(ref="b", **BET)])
        assert system.gateway.counters.messages == 0
        client.abort()
        await asyncio.gather(*placed, return_exceptions=True)


async def test_a_request_past_the_bound_is_not_sent() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        asked = [asyncio.create_task(client.balance()) for _ in range(REQUESTS_OPEN_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(BoundReachedError, match=f"at most {REQUESTS_OPEN_MAX}"):
            await client.balance()
        client.abort()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_room_for_bets_comes_back_with_their_answers() -> None:
    async with open_price_gateway() as system, connect(system.bets_url, token=token()) as client:
        for _ in range(3):
            answers = [client.place_nowait(ref=f"a{n}", **BET) for n in range(100)]
            answers += [client.place_nowait(ref="a0", **BET) for _ in range(100)]
            await asyncio.gather(*answers)
            assert client._bets.open == 0
            assert not client._bets._next
            assert not client._bets._later


async def test_a_gateway_that_does_not_read_is_sent_no_more_than_a_bound() -> None:
    async def deaf(connection: ServerConnection) -> None:
        welcome = Welcome(
            role="bettor", sub="a", frame_bytes_max=1, frames_a_second=1, bets_in_flight_max=1
        )
        await connection.send(MSGPACK.encode(welcome))
        connection.transport.pause_reading()
        await asyncio.Event().wait()  # until the test's loop ends

    options: Any = {"subprotocols": ["overround.v1.msgpack"], "close_timeout": 0.1}
    server = await serve(deaf, "127.0.0.1", 0, **options)
    client = await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", token="")
    message = b"x" * (16 << 20)
    sent = 0
    with pytest.raises(BoundReachedError, match="unsent bytes"):  # noqa: PT012 - the one that fails
        while sent <= 2 * UNSENT_BYTES_MAX:
            client.send(message)
            sent += len(message)
            await asyncio.sleep(0)
    assert sent >= UNSENT_BYTES_MAX
    client.abort()
    server.close()


async def test_a_gateway_without_a_welcome_is_given_up() -> None:
    lost = asyncio.Event()

    async def silent(connection: ServerConnection) -> None:
        await connection.wait_closed()
        lost.set()

    async with serve(silent, "127.0.0.1", 0, subprotocols=["overround.v1.msgpack"]) as server:  # type: ignore[list-item]
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeRefusedError, match="no welcome message in time"):
            await connect(f"ws://127.0.0.1:{port}", token="", open_timeout_s=0.1)
        await asyncio.wait_for(lost.wait(), 5)  # the connection is not left behind


async def test_account_events_that_nobody_reads_are_dropped_and_counted() -> None:
    received = Received()
    for number in range(EVENTS_KEPT_MAX + 3):
        received.take_event(
            MoneyEvent(event="deposited", amount_minor=1, available_minor=number, ref="d")
        )
    assert received.events_dropped == 3
    events = received.events(lambda: True)
    first = await anext(events)
    assert isinstance(first, MoneyEvent)
    assert first.available_minor == 3
