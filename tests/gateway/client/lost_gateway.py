"""A bookmaker whose gateway can be lost: the link to it is cut, and another takes its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actors.messages import ShellState
from actors.peer import LocalPeer
from gateway.app import Gateway
from gateway.client import ReconnectingBettor, ReconnectSettings, stay_connected
from tests.gateway.bookmaker import SHARDS, Bookmaker, open_bookmaker
from tests.gateway.feeds.breakable_link import BreakableLink
from tests.gateway.price_gateway import NOW_S, SECRET, token, until

QUICK = ReconnectSettings(first_s=0.005, longest_s=0.02)
"""Delays that no test notices; every other bound as users have it."""


class LostGateway:
    """A bookmaker, and the link through which its clients reach the gateway."""

    def __init__(self, bookmaker: Bookmaker, link: BreakableLink) -> None:
        self.bookmaker = bookmaker
        self.link = link

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.link.port}"

    def client(self, **options: Any) -> ReconnectingBettor:
        return stay_connected(self.url, **{"token": token(), "settings": QUICK, **options})

    async def lose(self) -> None:
        """Cut every connection and stop the gateway: nobody listens any more."""
        self.link.cut()
        await self.bookmaker.gateway.stop()
        self.link.mute = False

    async def replace(self, *, routes: bool = True) -> None:
        """Start another gateway in the lost one's place, which knows nothing, or the routes."""
        old = self.bookmaker.gateway
        gateway = Gateway(
            name=old.name,
            shards=SHARDS,
            secret=SECRET,
            settings=old.settings,
            clock_s=lambda: NOW_S,
        )
        self.bookmaker.gateway = gateway
        self.bookmaker.ports = await gateway.start()
        if routes:
            await self.send_routes()
        self.link.target = self.bookmaker.ports["bets"]

    async def send_routes(self) -> None:
        """Send the new gateway its routes, and wait for the images."""
        gateway = self.bookmaker.gateway
        for name, process in self.bookmaker.processes.items():
            process.target.set_gateways([LocalPeer(gateway, name=gateway.name)])
            self.bookmaker.notify_routes(name, ShellState.SERVING)
        await until(lambda: not self.bookmaker.gateway.fanout.missing())


@asynccontextmanager
async def open_lost_gateway(folder: Path, **changes: Any) -> AsyncIterator[LostGateway]:
    async with (
        open_bookmaker(folder, **changes) as bookmaker,
        BreakableLink(bookmaker.ports["bets"]) as link,
    ):
        yield LostGateway(bookmaker, link)
        bookmaker.check()
