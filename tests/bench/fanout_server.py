"""Serve price changes to many subscribers by our gateway, or by websockets' own broadcast.

Runs as a process: `fanout_server gateway|broadcast`. It prints its port; each line on standard
input sends one change to all subscribers.
"""

import asyncio
import sys
import time

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from actors.messages import encode
from engine.common.lifecycle import Status
from engine.common.views import PriceDelta, PriceImage
from gateway.app import Gateway
from gateway.messages.base import MSGPACK_SUBPROTOCOL, Welcome
from gateway.messages.market import Odds
from gateway.net.codec import MSGPACK
from gateway.settings import GatewaySettings
from tests.bench.live import SECRET

ODDS = (2_500, 3_100, 2_900)
ACTIVE = (True, True, True)


async def _lines() -> "asyncio.StreamReader":
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def our_gateway() -> None:
    """Serve with the gateway; a change enters as a market shell's message does."""
    settings = GatewaySettings(bets_host="127.0.0.1", bets_port=0, control_port=0, feed_port=0)
    gateway = Gateway(name="bench", shards=1, secret=SECRET, settings=settings, clock_s=time.time)
    ports = await gateway.start()
    image = PriceImage(
        market_no=1, key="bench-1/1x2", status=Status.ACTIVE, version=1,
        outcomes=("1", "x", "2"), odds_milli=ODDS, active=ACTIVE,
    )  # fmt: skip
    gateway.on_created(encode([image]))
    print(ports["bets"], flush=True)
    lines = await _lines()
    version = 1
    while await lines.readline():
        version += 1
        delta = PriceDelta(
            market_no=1, version=version, status=Status.ACTIVE, odds_milli=ODDS, active=ACTIVE
        )
        gateway.on_prices(encode([delta]))
    await gateway.stop()


async def bare_broadcast() -> None:
    """Serve with websockets alone, and send the same bytes with its broadcast."""
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        welcome = Welcome(
            role="bettor", sub="b", account=1, frame_bytes_max=1, frames_a_second=1,
            bets_in_flight_max=1,
        )  # fmt: skip
        await connection.send(MSGPACK.encode(welcome))
        connections.add(connection)
        await connection.wait_closed()
        connections.discard(connection)

    async with serve(
        handler,
        "127.0.0.1",
        0,
        compression=None,
        subprotocols=[MSGPACK_SUBPROTOCOL],  # type: ignore[list-item]
    ) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        lines = await _lines()
        version = 1
        while await lines.readline():
            version += 1
            message = Odds(
                market=1, version=version, status="active", odds_milli=ODDS, active=ACTIVE
            )
            broadcast(connections, MSGPACK.encode(message))


if __name__ == "__main__":
    uvloop.run(our_gateway() if sys.argv[1] == "gateway" else bare_broadcast())
