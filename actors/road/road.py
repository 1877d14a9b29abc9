"""One process's end of the road: its server, and its connections to others.

Owns which connections are open, one to each process that is called. A connection that has ended is
opened again by the next call; one whose notifications must not be missed is opened again by itself.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from actors.back_off import BackOff
from actors.peer import PeerDiedError
from actors.road.address import RoadAddress, new_token, this_machine
from actors.road.connection import Connection
from actors.road.greeting import CallerGreeting
from actors.road.server import Server
from actors.scheduling import request_slice

_REOPEN_FIRST_S: Final = 0.05
_REOPEN_LAST_S: Final = 2.0

Dial = Callable[[RoadAddress, asyncio.BaseProtocol], Awaitable[object]]
"""Opens a transport to an address for a protocol; raises OSError when nobody is there."""


class RoadSettingsError(OSError):
    """A setting of the road cannot be used; the message names it."""


class RoadSettings(Struct, frozen=True, kw_only=True):
    """What every process of a system must know to be on its road.

    An empty `host` listens on Unix sockets only. `certificate`, `key` and `authority` are files in
    PEM; with them TCP goes over TLS, and either end must show a certificate of that authority.
    `slice_us` is what the thread that runs a part's calls asks of the scheduler, 0 for nothing (see
    actors.scheduling).
    """

    secret: bytes
    host: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""
    slice_us: int = 0

    def __repr__(self) -> str:
        """Show no secret: arguments of parts may end up in logs."""
        return f"RoadSettings(host={self.host!r})"

    def tls(self, *, server: bool) -> ssl.SSLContext | None:
        """Return what one end of TCP connections uses, None for plain TCP."""
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(Path(self.certificate), Path(self.key))
        context.load_verify_locations(Path(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        # Processes are told apart by token and secret; the authority signs this system's alone.
        context.check_hostname = False
        return context

    def check(self) -> None:
        """Check that this process could listen as the others will.

        Raises
        ------
        RoadSettingsError
            When the host is none of this machine, or a file cannot be used.
        """
        if not self.host:
            return
        try:
            socket.create_server((self.host, 0)).close()
        except OSError as error:
            raise RoadSettingsError(f"cluster.road_host: {self.host}: {error}") from error
        try:
            self.tls(server=True)
        except OSError as error:
            names = "cluster.road_certificate, cluster.road_key, cluster.road_authority"
            raise RoadSettingsError(f"{names}: {error}") from error


class _Subscription:
    """Notifications to one process, of which the receiver must know when some were missed."""

    def __init__(self, on_gap: Callable[[], None]) -> None:
        self.on_gap = on_gap
        self.missed = False
        self.back_off = BackOff(
            _REOPEN_FIRST_S, _REOPEN_LAST_S, clock_s=asyncio.get_running_loop().time
        )
        self.timer: asyncio.TimerHandle | None = None


class Road:
    """One process's end of the road; to be used in one event loop.

    Parameters
    ----------
    name : str
        The part that runs in this process.
    settings : RoadSettings
        The secret, and where to listen.
    dial : callable, optional
        Opens transports; the default opens Unix and TCP sockets.
    """

    def __init__(self, name: str, settings: RoadSettings, *, dial: Dial | None = None) -> None:
        self.name = name
        self.loop = asyncio.get_running_loop()
        self.server: Server | None = None
        self._settings = settings
        self._dial = dial or self._dial_socket
        self._connections: dict[RoadAddress, Connection] = {}
        self._subscriptions: dict[RoadAddress, _Subscription] = {}
        self._client_tls: ssl.SSLContext | None = None

    async def serve(self, target: object) -> RoadAddress:
        """Let other processes call a part; return its address."""
        address = RoadAddress(part=self.name, token=new_token(), machine=this_machine())
        settings = self._settings
        server = self.server = Server(target, address=address, secret=settings.secret)
        tls = settings.tls(server=True) if settings.host else None
        return await server.listen(host=settings.host, tls=tls)

    def close(self) -> None:
        """End every connection and stop listening."""
        for address in list(self._subscriptions):
            self.unsubscribe(address)
        for connection in list(self._connections.values()):
            connection.abort()
        if self.server is not None:
            self.server.close()

    # --- calls -----------------------------------------------------------------------------------
    def ask(
        self, address: RoadAddress, method: str, args: tuple[Any, ...], timeout_s: float | None
    ) -> asyncio.Future[Any]:
        """Call a method of a process now and return its answer to come (see Connection.ask)."""
        return self._connection(address).ask(method, args, timeout_s)

    def notify(self, address: RoadAddress, method: str, args: tuple[Any, ...]) -> None:
        """Call a method of a process without an answer.

        What may have been missed is not sent to a subscriber: it will be told of the gap.
        """
        subscription = self._subscriptions.get(address)
        if subscription is None or not subscription.missed:
            self._connection(address).notify(method, args)

    def subscribe(self, address: RoadAddress, on_gap: Callable[[], None]) -> None:
        """Open a lost connection again by itself, and call `on_gap` then.

        Some notifications before that may not have arrived, all after it will. A subscription ends
        with the callee's process, whose address nobody has again.
        """
        if address not in self._subscriptions:
            self._subscriptions[address] = _Subscription(on_gap)

    def unsubscribe(self, address: RoadAddress) -> None:
        """Let a lost connection stay lost until the next call."""
        subscription = self._subscriptions.pop(address, None)
        if subscription is not None and subscription.timer is not None:
            subscription.timer.cancel()

    # --- connections -----------------------------------------------------------------------------
    def _connection(self, address: RoadAddress) -> Connection:
        connection = self._connections.get(address)
        if connection is None:
            greeting = CallerGreeting(
                self._settings.secret, part=address.part, token=address.token, caller=self.name
            )
            connection = self._connections[address] = Connection(
                address.part,
                greeting=greeting,
                dial=partial(self._dial, address),
                on_open=partial(self._opened, address),
                on_end=partial(self._ended, address),
            )
        return connection

    def _opened(self, address: RoadAddress) -> None:
        subscription = self._subscriptions.get(address)
        if subscription is not None:
            subscription.back_off.succeeded()
            if subscription.missed:
                subscription.missed = False
                subscription.on_gap()

    def _ended(self, address: RoadAddress, connection: Connection) -> None:
        if self._connections.get(address) is connection:
            del self._connections[address]
        if connection.refused:
            self.unsubscribe(address)
        subscription = self._subscriptions.get(address)
        if subscription is not None:
            subscription.missed = True
            delay_s = subscription.back_off.failed()
            subscription.timer = self.loop.call_later(delay_s, self._reopen, address)

    def _reopen(self, address: RoadAddress) -> None:
        if address in self._subscriptions:
            self._connection(address)

    async def _dial_socket(self, address: RoadAddress, protocol: asyncio.BaseProtocol) -> None:
        if address.near:
            await self.loop.create_unix_connection(lambda: protocol, sock=_unix_socket(address))
            return
        if not address.host:
            raise PeerDiedError(f"{address.part} listens on another machine's Unix socket only")
        if self._client_tls is None:
            self._client_tls = self._settings.tls(server=False)
        await self.loop.create_connection(
            lambda: protocol, address.host, address.port, ssl=self._client_tls
        )


def _unix_socket(address: RoadAddress) -> socket.socket:
    """Return a connected Unix socket; its connect either succeeds or fails at once.

    uvloop cannot connect to names of the abstract namespace by itself.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(address.socket_name)
    except OSError:
        sock.close()
        raise
    return sock


# --- of this process -----------------------------------------------------------------------------
_of_process: Road | None = None


def join_road(road: Road) -> None:
    """Let the peers of this process go over a road; one that it had ends."""
    leave_road()
    global _of_process  # noqa: PLW0603 - one road a process, as there is one Ray a process
    _of_process = road


def leave_road() -> None:
    """End this process's road, if it has one; its peers go over Ray from now on."""
    global _of_process
    road, _of_process = _of_process, None
    if road is not None and not road.loop.is_closed():  # with its loop all of it has ended
        road.close()


async def serve_on_road(part: object, name: str, settings: RoadSettings) -> RoadAddress:
    """Let this process's part be called over the road, and call others; return its address.

    The running thread, which runs the part's calls from now on, gets the slices of the settings.
    """
    if settings.slice_us:
        request_slice(settings.slice_us)
    road = Road(name, settings)
    address = await road.serve(part)
    join_road(road)
    return address


def road_here() -> Road | None:
    """Return this process's road, if it has one and its event loop is the running one."""
    road = _of_process
    return road if road is not None and road.loop is asyncio.get_running_loop() else None


def strangers() -> int:
    """Return the count of connections to this process that were closed out as strangers."""
    road = _of_process
    return 0 if road is None or road.server is None else road.server.strangers
