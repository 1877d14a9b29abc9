"""The reference server: websockets' own asyncio server, which answers bets without decoding them.

It answers each frame with a prepared answer of the gateway's size, into which it copies the bet's
ref by position, so that the same client code can drive it. It runs as a process of its own on
uvloop without compression, prints its port, and serves until it is terminated.
"""

import asyncio

import uvloop
from websockets.asyncio.server import ServerConnection, serve

from gateway.messages.base import MSGPACK_SUBPROTOCOL, Welcome
from gateway.messages.bettor import Bet, Place
from gateway.net.codec import MSGPACK
from tests.bench.driver import REF_CHARS, a_bet

_MARK = "r" * REF_CHARS


def answer_template() -> tuple[bytes, bytes]:
    """Return the bytes before and after the ref in an accepted bet's answer."""
    answer = Bet(ref=_MARK, state="accepted", bet_id=(1 << 40) + 1, odds_milli=2_500)
    before, _, after = MSGPACK.encode(answer).partition(_MARK.encode())
    return before, after


async def handler(connection: ServerConnection) -> None:
    """Send the welcome that a client waits for, then answer every frame."""
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
    before, after = answer_template()
    async for message in connection:
        assert isinstance(message, bytes)
        await connection.send(before + message[start:stop] + after)


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
