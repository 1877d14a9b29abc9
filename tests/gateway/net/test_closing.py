"""How the gateway ends connections: when it stops, and when a client is silent."""

import itertools

import pytest

from gateway.settings import CloseCode
from tests.gateway.price_gateway import open_price_gateway, token, until
from tests.gateway.raw_client import PING, json_frame, shaken, tcp


async def test_stopping_gateway_closes_sessions_as_going_away() -> None:
    async with open_price_gateway() as system, shaken(system.ports["bets"], token=token()) as raw:
        await system.gateway.stop()
        assert (await raw.farewell()).code == CloseCode.GOING_AWAY


async def test_silent_connection_is_pinged_then_closed() -> None:
    settings = {"ping_after_s": 1, "pong_within_s": 1}
    async with (
        open_price_gateway(**settings) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        opcode, _ = await raw.frame()
        assert opcode == PING
        assert (await raw.farewell()).code == CloseCode.IDLE


async def test_what_was_sent_before_the_end_of_the_stream_is_handled() -> None:
    """The session rests when the end arrives: each turn costs it more than its share."""
    ticks = itertools.count(step=1_000_000)
    async with (
        open_price_gateway(work_burst_ms=1, work_clock_ns=ticks.__next__) as system,
        shaken(system.ports["bets"], token=token()) as raw,
    ):
        for number in range(1, 4):
            raw.send(json_frame(type="subscribe", id=number))
            assert (await raw.message())["id"] == number
        raw.send(json_frame(type="subscribe", id=4))
        raw.writer.write_eof()
        assert [answer["id"] for answer in (await raw.farewell()).messages] == [4]
        await until(lambda: system.gateway.stats()["connections"] == 0)


@pytest.mark.parametrize("cut", [b"GET /healthz HTTP/1.1\r\n", b""])
async def test_an_end_of_the_stream_inside_a_handshake_closes_the_connection(cut: bytes) -> None:
    async with open_price_gateway() as system, tcp(system.ports["bets"]) as raw:
        raw.send(cut)
        raw.writer.write_eof()
        assert await raw.rest() == b""
        await until(lambda: system.gateway.stats()["connections"] == 0)
