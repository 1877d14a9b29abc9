"""Listen on one port, bound the number of connections and check their time-outs periodically.

Owns the set of connections of the port. gateway.net.connection handles their bytes; the listener's
`Admission` decides who is admitted.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

from websockets.typing import Origin, Subprotocol

from gateway.counters import Counters
from gateway.net.codec import CODECS
from gateway.net.connection import Admission, Connection
from gateway.net.flush_queue import FlushQueue
from gateway.settings import CloseCode, GatewaySettings

_SWEEP_S: Final = 0.5


class Listener:
    """One listening socket and its connections.

    Parameters
    ----------
    admission : Admission
        Admits or refuses connections.
    settings : GatewaySettings
        Bounds.
    counters : Counters
        Counts of connections.
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
        self.connections: dict[Connection, None] = {}
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 lets the system choose one."""
        self._server = await self.loop.create_server(
            lambda: Connection(self), host, port, backlog=4_096
        )
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, close every session, and wait until the connections are closed."""
        if self._server is None:
            return
        self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.close(CloseCode.GOING_AWAY, "the gateway stops")
        deadline = self.loop.time() + 2 * self.settings.close_linger_ms / 1_000
        while self.connections and self.loop.time() < deadline:
            await asyncio.sleep(0.005)
        self._server = None

    def enter(self, connection: Connection) -> bool:
        """Count a connection in; False when there are too many."""
        self.connections[connection] = None
        return len(self.connections) <= self.settings.connections_max

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        self.connections.pop(connection, None)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.connections):
            connection.check_timeouts(now)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
