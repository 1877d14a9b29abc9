"""A whole system in this process with the JSON feed, and a gateway on real sockets if wanted."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actors.local import LocalLauncher, LocalProcess
from actors.messages import decode_price_images
from actors.peer import LocalPeer
from actors.settings import SupervisorSettings
from actors.system import System
from actors.system_parts import FeedPart, GatewayPart, SystemSettings
from engine.common.views import PriceImage
from engine.pricing.sport import SPORTS
from gateway.app import Gateway
from gateway.feeds.core.messages import Answer, decode_answers
from gateway.feeds.core.pipeline import FeedPipeline, PipelineSettings
from gateway.session.tokens import Role
from gateway.settings import GatewaySettings
from tests.gateway.feeds.json_feed import JsonAdapter
from tests.gateway.price_gateway import NOW_S, SECRET, token

SPORTS["football"]
"""Compile the kernels here where no cache has them. In the first shell of a test the compilation
would stop the event loop, and every heartbeat of its connections, for up to a minute."""


class FeedSystem:
    """A system with one feed pipeline, and access to its parts."""

    def __init__(self, system: System) -> None:
        self.system = system

    @property
    def pipeline(self) -> FeedPipeline:
        peer = self.system.feeds["tiny"]
        assert isinstance(peer, LocalPeer)
        return peer._target  # type: ignore[return-value]

    @property
    def adapter(self) -> JsonAdapter:
        adapter = self.pipeline._resumption.adapter
        assert isinstance(adapter, JsonAdapter)
        return adapter

    @property
    def feed_url(self) -> str:
        return f"ws://127.0.0.1:{self.system.ports[0]['feed']}"

    @property
    def gateway(self) -> Gateway:
        peer = self.system.gateways[0]
        assert isinstance(peer, LocalPeer)
        return peer._target  # type: ignore[return-value]

    def local_process(self, shell: str) -> LocalProcess:
        launcher = self.system._launcher
        assert isinstance(launcher, LocalLauncher)
        return launcher.processes[shell]

    async def push(self, *bodies: bytes) -> list[Answer]:
        return decode_answers(await self.system.feeds["tiny"].ask("push", list(bodies)))

    async def images(self) -> dict[str, PriceImage]:
        await self.system.refresh()
        images: dict[str, PriceImage] = {}
        for shell in self.system.routes.shells.values():
            if shell.kind == "market":
                raw = await self.system.peer(shell.name).ask("price_images")
                images.update({image.key: image for image in decode_price_images(raw)})
        return images


@asynccontextmanager
async def open_feed_system(
    folder: Path,
    *,
    make_adapter: Callable[[], Any] = JsonAdapter,
    markets_per_actor: int = 2,
    gateway: dict[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[FeedSystem]:
    """Open a system; with `gateway` it has a gateway too, under these settings."""
    part = FeedPart(
        feed="tiny",
        factory=FeedPipeline,
        arguments={"make_adapter": make_adapter, "settings": PipelineSettings(**settings)},
    )
    gateways = []
    if gateway is not None:
        changes = {
            "bets_host": "127.0.0.1", "bets_port": 0, "control_port": 0, "feed_port": 0,
            "close_linger_ms": 200, **gateway,
        }  # fmt: skip
        arguments = {
            "shards": 2,
            "secret": SECRET,
            "settings": GatewaySettings(**changes),
            "clock_s": lambda: NOW_S,
        }
        gateways = [GatewayPart(factory=Gateway, arguments=arguments)]
    system = System(
        data_dir=str(folder),
        settings=SystemSettings(supervisor=SupervisorSettings(markets_per_actor=markets_per_actor)),
        gateways=gateways,
        feeds=[part],
        embedded=True,
    )
    async with system:
        yield FeedSystem(system)


def feed_token() -> str:
    return token(Role.FEED)
