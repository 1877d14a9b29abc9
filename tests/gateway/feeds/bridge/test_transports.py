"""An exchange's own socket as a bridge's source: its lines, and its image when it is wished for."""

import asyncio
import json
from functools import partial
from pathlib import Path

from gateway.feeds.bridge.bridge import Bridge
from gateway.feeds.bridge.transports import StreamTransport
from gateway.feeds.exchange.adapter import ExchangeAdapter
from tests.gateway.feeds.exchange.builders import Exchange, line
from tests.gateway.feeds.exchange.test_stream import Peer, Waits, certificate, exchange, stream
from tests.gateway.feeds.feed_system import feed_token, open_feed_system
from tests.gateway.price_gateway import until

__all__ = ["certificate"]


async def test_an_exchange_s_stream_is_followed_and_asked_for_its_image_again(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    market = Exchange(1)
    over = asyncio.Event()

    async def play(peer: Peer) -> None:
        """Begin with a difference of a market that has no image: the adapter wants it whole."""
        asked = await peer.welcome()
        first = json.loads(market.image())
        del first["mc"][0]["marketDefinition"], first["mc"][0]["img"]
        await peer.say(line(**first | {"id": asked["id"], "ct": "SUB_IMAGE", "clk": "c1"}))
        again = await peer.heard()
        assert again["op"] == "marketSubscription"
        image = json.loads(market.image()) | {"id": again["id"], "ct": "SUB_IMAGE", "clk": "c2"}
        await peer.say(line(**image))
        await over.wait()

    adapter = partial(ExchangeAdapter, feed="tiny")
    async with (
        exchange(certificate, play) as port,
        open_feed_system(tmp_path, make_adapter=adapter, gateway={}, tick_ms=20) as feed_system,
    ):
        source = StreamTransport(stream(port, certificate, waits=Waits()))
        carrier = Bridge(transport=source, feed="tiny", url=feed_system.feed_url, token=feed_token)
        running = asyncio.create_task(carrier.run())
        await until(lambda: carrier.counts.requests >= 1)
        await until(lambda: carrier.kinds.get("image") == 2)
        over.set()
        carrier.stop()
        await running
        assert carrier.counts.refused == 0
        assert feed_system.pipeline.stats()["requests"] == 0
