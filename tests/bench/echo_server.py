"""The reference server: websockets' own asyncio server, which answers a bet without looking at it.

It returns for each frame a ready-made answer of the gateway's own size with the bet's ref copied
in by position, so that the very same client code, bookkeeping and all, can drive it. Run as a
process of its own on uvloop, compression off; prints its port and serves until it is terminated.
"""

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve

from gateway.messages.base import Welcome
from gateway.messages.bettor import Bet, Place
from gateway.net.codec import MSGPACK, MSGPACK_SUBPROTOCOL
from tests.bench.driver import REF_CHARS, a_bet

_MARK = "r" * REF_CHARS


def answer_template() -> tuple[bytes, bytes]:
    """Return what stands before and behind the ref in an accepted bet's answer."""
    answer = Bet(ref=_MARK, state="accepted", bet_id=(1 << 40) + 1, odds_milli=2_500)
    before, _, behind = MSGPACK.encode(answer).partition(_MARK.encode())
    return before, behind


async def handler(connection: ServerConnection) -> None:
    """Answer every frame; the first one out is the welcome that a client waits for."""
    welcome = Welcome(
        role="bettor",
        sub="bench",
        account=1,
        frame_bytes_max=16_384,
        frames_a_second=1_000_000,
        bets_in_flight_max=16_384,
    )
    await connection.send(MSGPACK.encode(welcome))
    place: Place = a_bet(ref=_MARK, market=1, outcome=0)
    start = MSGPACK.encode(place).index(_MARK.encode())
    stop = start + REF_CHARS
    before, behind = answer_template()
    async for message in connection:
        assert isinstance(message, bytes)
        await connection.send(before + message[start:stop] + behind)


async def main() -> None:
    """Serve on a free loopback port."""
    async with serve(
        handler,
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=[MSGPACK_SUBPROTOCOL],  # type: ignore[list-item]
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    uvloop.run(main())
