"""Listening sockets: who may come in, how many, and the clock that looks after those inside.

Owns the set of links of each port; what a link does is its own business (see `link`), and whom it
serves the door's.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from websockets.typing import Origin, Subprotocol

from gateway.counters import Counters
from gateway.net.codec import CODECS
from gateway.net.connection import Admission, FlushQueue, Link
from gateway.settings import CloseCode, GatewaySettings

_SWEEP_S: Final = 0.5


class Listener:
    """One listening socket and its links.

    Parameters
    ----------
    admission : Admission
        Decides who comes in.
    settings : GatewaySettings
        Bounds.
    counters : Counters
        Told of every connection.
    flush_queue : FlushQueue
        Shared by all listeners of a gateway.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        settings: GatewaySettings,
        counters: Counters,
        flush_queue: FlushQueue,
    ) -> None:
        self.admission = admission
        self.settings = settings
        self.counters = counters
        self.flush_queue = flush_queue
        self.loop = asyncio.get_running_loop()
        self.origins: Sequence[Origin | re.Pattern[str] | None] = [
            None,
            *(Origin(origin) for origin in settings.origins),
        ]
        self.subprotocols: Sequence[Subprotocol] = [Subprotocol(name) for name in CODECS]
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
