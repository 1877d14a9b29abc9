"""An exchange's socket as a bridge's transport: its lines, and its image on request."""

import asyncio
import json
from functools import partial
from pathlib import Path

from gateway.feeds.bridge.bridge import Bridge
from gateway.feeds.bridge.transports import StreamTransport
from gateway.feeds.exchange.adapter import ExchangeAdapter
from tests.gateway.feeds.exchange.builders import Exchange, line
from tests.gateway.feeds.exchange.test_stream import (
    Peer,
    RecordedDelays,
    certificate,
    exchange,
    stream,
)
from tests.gateway.feeds.feed_system import feed_token, open_feed_system
from tests.gateway.price_gateway import until

__all__ = ["certificate"]


async def test_market_without_an_image_makes_the_bridge_request_it(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    market = Exchange(1)
    ended = asyncio.Event()

    async def script(peer: Peer) -> None:
        """Send a change of a market without an image, then the image that is requested."""
        subscription = await peer.accept()
        first = json.loads(market.image())
        del first["mc"][0]["marketDefinition"], first["mc"][0]["img"]
        await peer.send(line(**first | {"id": subscription["id"], "ct": "SUB_IMAGE", "clk": "c1"}))
        second = await peer.receive()
        assert second["op"] == "marketSubscription"
        image = json.loads(market.image()) | {"id": second["id"], "ct": "SUB_IMAGE", "clk": "c2"}
        await peer.send(line(**image))
        await ended.wait()

    adapter = partial(ExchangeAdapter, feed="tiny")
    async with (
        exchange(certificate, script) as port,
        open_feed_system(tmp_path, make_adapter=adapter, gateway={}, tick_ms=20) as feed_system,
    ):
        source = StreamTransport(stream(port, certificate, delays=RecordedDelays()))
        carrier = Bridge(transport=source, feed="tiny", url=feed_system.feed_url, token=feed_token)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.requests >= 1)
        await until(lambda: carrier.kinds.get("image") == 2)
        ended.set()
        carrier.stop()
        await running
        assert carrier.counts.refused == 0
        assert feed_system.pipeline.stats()["requests"] == 0
