"""Listen on one port, bound the number of connections and check their time-outs periodically.

Owns the accepting of connections and the set of those of the port. A connection that was accepted
waits for a turn of its address before anything is set up for it, so that a flood of connections
costs little more than accepting and closing them. gateway.net.connection handles their bytes; the
listener's `Admission` decides who is admitted.
"""

import asyncio
import contextlib
import errno
import logging
import re
import socket
from collections.abc import Sequence
from ipaddress import IPv6Address
from typing import Any, Final

from websockets.typing import Origin, Subprotocol

from gateway.counters import Counters
from gateway.net.codec import CODECS
from gateway.net.connection import Admission, Connection
from gateway.net.flush_queue import FlushQueue
from gateway.net.http_answers import refusal
from gateway.net.work_shares import WorkQueue, handshakes_of
from gateway.settings import CloseCode, GatewaySettings

logger = logging.getLogger("overround.gateway")

_SWEEP_S: Final = 0.5
_BACKLOG: Final = 4_096
_ACCEPTS_A_PASS_MAX: Final = 16
"""Connections accepted in one pass of the event loop."""
_NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_NO_ROOM_S: Final = 1.0
"""Seconds without accepting after the system had no room for another connection."""


_SET_UP_NS: Final = 250_000
"""Charged to an address for each connection: setting it up, and closing it again."""


def address_of(host: str) -> str:
    """Return the address that a peer counts under: of IPv6 the /64 prefix, which one client has."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"


class _Arrival:
    """A connection that was accepted and waits for a turn of its address."""

    __slots__ = ("_listener", "address", "peer", "share", "socket", "waits")

    def __init__(self, listener: "Listener", accepted: socket.socket, name: Sequence[Any]) -> None:
        self._listener = listener
        self.socket = accepted
        self.address = address = address_of(str(name[0]))
        self.peer = f"{name[0]}:{name[1]}"
        self.waits = False
        self.share = listener.work_queue.enter(
            address=address, client=handshakes_of(address), capped=listener.work_capped
        )

    def work(self, until_ns: int) -> bool:
        """Set the connection up."""
        del until_ns
        self._listener.set_up(self)
        return False


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
    work_queue : WorkQueue
        Shared by all listeners of a gateway.
    work_capped : bool
        Whether a client of this listener may use only its percentage of the gateway's time.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        settings: GatewaySettings,
        counters: Counters,
        flush_queue: FlushQueue,
        work_queue: WorkQueue,
        work_capped: bool,
    ) -> None:
        self.admission = admission
        self.settings = settings
        self.counters = counters
        self.flush_queue = flush_queue
        self.work_queue = work_queue
        self.work_capped = work_capped
        self.loop = asyncio.get_running_loop()
        self.origins: Sequence[Origin | re.Pattern[str] | None] = [
            None,
            *(Origin(origin) for origin in settings.origins),
        ]
        self.subprotocols: Sequence[Subprotocol] = [Subprotocol(name) for name in CODECS]
        self.connections: dict[Connection, None] = {}
        self._arrivals: dict[_Arrival, None] = {}
        self._handshakes: dict[str, int] = {}
        """By address, the number of connections that have no session yet, or never got one."""
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[object]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 lets the system choose one."""
        self._sockets = await self._bind(host, port)
        for listening in self._sockets:
            self.loop.add_reader(listening, self._accept, listening)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        return int(self._sockets[0].getsockname()[1])

    async def _bind(self, host: str, port: int) -> list[socket.socket]:
        """Bind every address of a host; one that this machine does not have is left out."""
        infos = await self.loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        sockets: list[socket.socket] = []
        missing: OSError | None = None
        for family, address in dict.fromkeys((info[0], info[4]) for info in infos):
            try:
                listening = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    for bound in sockets:
                        bound.close()
                    raise
                missing = error
            else:
                listening.settimeout(0.0)
                sockets.append(listening)
        if not sockets:
            raise missing or OSError(f"{host} has no address")
        return sockets

    async def stop(self) -> None:
        """Stop listening, close every session, and wait until the connections are closed."""
        if not self._sockets:
            return
        for listening in self._sockets:
            self.loop.remove_reader(listening)
            listening.close()
        self._sockets = []
        if self._sweeper is not None:
            self._sweeper.cancel()
        for arrival in self._arrivals:
            arrival.socket.close()
        for connection in list(self.connections):
            connection.close(CloseCode.GOING_AWAY, "the gateway stops")
        deadline = self.loop.time() + 2 * self.settings.close_linger_ms / 1_000
        while self.connections and self.loop.time() < deadline:
            await asyncio.sleep(0.005)

    # --- connections -----------------------------------------------------------------------------

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS_A_PASS_MAX):
            try:
                accepted, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                logger.error("no connection can be accepted: %s", error)
                self.loop.remove_reader(listening)
                self.loop.call_later(_NO_ROOM_S, self._accept_again, listening)
                return
            address = address_of(str(name[0]))
            if self._handshakes.get(address, 0) >= self.settings.handshakes_per_address_max:
                self.counters.handshakes_refused += 1
                accepted.close()
                continue
            accepted.settimeout(0.0)
            self._handshakes[address] = self._handshakes.get(address, 0) + 1
            arrival = _Arrival(self, accepted, name)
            self._arrivals[arrival] = None
            self.work_queue.arrived(arrival)

    def _accept_again(self, listening: socket.socket) -> None:
        if self._sockets:
            self.loop.add_reader(listening, self._accept, listening)

    def set_up(self, arrival: _Arrival) -> None:
        """Give an accepted connection its transport; it is then in `connections`."""
        del self._arrivals[arrival]
        if not self._sockets:
            return  # the listener has stopped and closed it
        arrival.share.charge(_SET_UP_NS)
        task = self.loop.create_task(self._connect(arrival))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, arrival: _Arrival) -> None:
        made: list[Connection] = []

        def make() -> Connection:
            made.append(Connection(self, address=arrival.address, peer=arrival.peer))
            return made[0]

        try:
            with contextlib.suppress(OSError):  # the peer may be gone
                await self.loop.connect_accepted_socket(make, arrival.socket)
        finally:
            if not made or not made[0].connected:
                self._count_handshake(arrival.address)
            self.work_queue.leave(
                arrival.share, address=arrival.address, client=handshakes_of(arrival.address)
            )

    def enter(self, connection: Connection) -> bytes | None:
        """Count a connection in; return the HTTP answer that refuses one too many."""
        self.connections[connection] = None
        if len(self.connections) > self.settings.connections_max:
            return refusal(503, "Too many connections")
        return None

    def admitted(self, connection: Connection) -> None:
        """Note that a connection's handshake is over."""
        self._count_handshake(connection.address)

    def leave(self, connection: Connection) -> None:
        """Count a connection out."""
        del self.connections[connection]
        if not connection.admitted:
            self._count_handshake(connection.address)

    def _count_handshake(self, address: str) -> None:
        """Count out a connection of an address that has no session yet."""
        left = self._handshakes.pop(address, 0) - 1
        if left > 0:
            self._handshakes[address] = left

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.connections):
            connection.check_timeouts(now)
        self.work_queue.forget()
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
