"""How the gateway ends connections: when it stops, and when a client is silent."""

from gateway.settings import CloseCode
from tests.gateway.price_gateway import open_price_gateway, token
from tests.gateway.raw_client import PING, shaken


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
