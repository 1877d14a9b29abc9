"""Listening sockets: who may come in, how many, and the clock that looks after those inside.

Owns the set of links of each port; what a link does is its own business (see `link`), and whom it
serves the door's.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final, Protocol

from websockets.http11 import Request
from websockets.typing import Origin, Subprotocol

from gateway.codec import CODECS, Codec
from gateway.limits import CloseCode, GatewaySettings
from gateway.link import Link, Session
from gateway.metrics import Counters

_SWEEP_S: Final = 0.5


class Door(Protocol):
    """Who decides about handshakes and plain requests of one listener."""

    name: str
    frame_bytes_max: int

    def admit(self, link: Link, request: Request, codec: Codec) -> Session | tuple[int, str]:
        """Return the caller's session, or the HTTP status and text that refuse it."""
        ...

    def on_foreign(self, link: Link, request: Request, why: str) -> None:
        """Note a handshake that was refused for its origin."""
        ...

    def respond(self, request: Request) -> bytes:
        """Return the whole HTTP answer to a plain request."""
        ...


class FlushQueue:
    """Links with something to write at the end of this turn of the event loop."""

    __slots__ = ("_links", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._links: list[Link] = []

    def add(self, link: Link) -> None:
        """Have a link flushed once, soon."""
        if not self._links:
            self._loop.call_soon(self._flush)
        self._links.append(link)

    def _flush(self) -> None:
        links, self._links = self._links, []
        for link in links:
            link.flush()


class Listener:
    """One listening socket and its links.

    Parameters
    ----------
    door : Door
        Decides who comes in.
    settings : GatewaySettings
        Bounds.
    counters : Counters
        Told of every connection.
    flush_queue : FlushQueue
        Shared by all listeners of a gateway.
    """

    def __init__(
        self, *, door: Door, settings: GatewaySettings, counters: Counters, flush_queue: FlushQueue
    ) -> None:
        self.door = door
        self.settings = settings
        self.counters = counters
        self.flush_queue = flush_queue
        self.loop = asyncio.get_running_loop()
        self.origins: Sequence[Origin | re.Pattern[str] | None] = [
            None,
            *(Origin(origin) for origin in settings.origins),
        ]
        self.subprotocols = [Subprotocol(name) for name in CODECS]
        self.links: dict[Link, None] = {}
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port (the one given, or the one that 0 stood for)."""
        self._server = await self.loop.create_server(lambda: Link(self), host, port, backlog=4_096)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, say goodbye to every session, and see the connections gone."""
        if self._server is None:
            return
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for link in list(self.links):
            link.close(CloseCode.GOING_AWAY, "the gateway stops")
        deadline = self.loop.time() + 2 * self.settings.close_linger_ms / 1_000
        while self.links and self.loop.time() < deadline:
            await asyncio.sleep(0.005)
        self._server = None

    def enter(self, link: Link) -> bool:
        """Count a connection in; False when there are too many."""
        self.links[link] = None
        return len(self.links) <= self.settings.connections_max

    def leave(self, link: Link) -> None:
        """Count a connection out."""
        self.links.pop(link, None)

    def _sweep(self) -> None:
        now = self.loop.time()
        for link in list(self.links):
            link.look(now)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
