"""The callee's end: listen, let in who proves to belong here, and run calls in their order.

Owns the listening sockets, the connections and their bounds. Every call runs on the event loop of
the listener, so a part whose methods are plain functions stays single-threaded whatever way a call
came. A caller that does not read its answers is not read either: answers wait for it only up to
the transport's high-water mark and those of one read.
"""

import asyncio
import logging
import os
import socket
import ssl
import struct
from types import CoroutineType
from typing import Any, Final, cast

from msgspec.structs import replace

from actors.peer import PeerRefusedError
from actors.road.address import RoadAddress
from actors.road.connection import CALLS_IN_FLIGHT_MAX
from actors.road.frames import METHODS, Frame, FrameError, FrameReader, Kind, pack, unpack
from actors.road.greeting import GREETING_S, CalleeGreeting, GreetingError

logger = logging.getLogger("overround.road")

STRANGERS_MAX: Final = 64
"""Connections that may be in their greeting; of one more the oldest of them is closed."""
ANSWER_BYTES_HIGH: Final = 1 << 20
"""Bytes of answers that may wait to be sent before the caller is read no more."""
ERROR_CHARS_MAX: Final = 2_000
_UCRED: Final = struct.Struct("3i")
_LOG_EVERY_S: Final = 10.0


class Server:
    """What one process offers on the road.

    Parameters
    ----------
    target : object
        The part; its methods of METHODS may be called.
    address : RoadAddress
        The part's name and this process's token.
    secret : bytes
        The secret of the system.
    """

    def __init__(self, target: object, *, address: RoadAddress, secret: bytes) -> None:
        self.target = target
        self.address = address
        self.secret = secret
        self.strangers = 0
        """Connections that were closed because they did not prove to belong here."""
        self.connections: dict[ServerConnection, None] = {}
        self.greeting: dict[ServerConnection, None] = {}
        self._listeners: list[asyncio.Server] = []
        self._logged_s = float("-inf")

    async def listen(self, *, host: str = "", tls: ssl.SSLContext | None = None) -> RoadAddress:
        """Listen on the Unix socket, and with a host on a free TCP port; return the address."""
        loop = asyncio.get_running_loop()
        self._listeners.append(
            await loop.create_unix_server(self.connection, self.address.socket_name)
        )
        if host:
            listener = await loop.create_server(self.connection, host, 0, ssl=tls)
            self._listeners.append(listener)
            port = listener.sockets[0].getsockname()[1]
            self.address = replace(self.address, host=host, port=port)
        return self.address

    def connection(self) -> "ServerConnection":
        """Return the protocol of a new connection."""
        return ServerConnection(self)

    def close(self) -> None:
        """Stop listening and end every connection."""
        for listener in self._listeners:
            listener.close()
        for connection in [*self.greeting, *self.connections]:
            connection.abort()

    def close_out(self, who: str, why: str) -> None:
        """Count a connection that did not prove to belong here; log one now and then."""
        self.strangers += 1
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._logged_s + _LOG_EVERY_S:
            self._logged_s = now_s
            logger.warning(
                "%s: a stranger (%s) is closed out, %d so far: %s",
                self.address.part,
                who or "nameless",
                self.strangers,
                why,
            )


class ServerConnection(asyncio.Protocol):
    """One caller."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._greeting = CalleeGreeting(
            server.secret, part=server.address.part, token=server.address.token
        )
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._running: dict[asyncio.Task[None], None] = {}
        self._full = False

    def abort(self) -> None:
        """End the connection now."""
        if self._transport is not None:
            self._transport.abort()

    # --- the transport ---------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting, for a while."""
        # uvloop's transports do not derive from asyncio's class.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=ANSWER_BYTES_HIGH)
        server = self._server
        server.greeting[self] = None
        if not _same_user(transport):
            self._close_out("of another user")
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(GREETING_S, self._close_out, "no greeting in time")
        if len(server.greeting) > STRANGERS_MAX:
            next(iter(server.greeting))._close_out("too many connections in their greeting")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the caller; what runs for it runs on to its end, as after a caller's timeout."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self in self._server.greeting:
            del self._server.greeting[self]
            if not self._greeting.done:
                self._server.close_out(self._greeting.caller, f"it left its greeting: {exc}")
        self._server.connections.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Take the caller's part of the greeting, then calls."""
        assert self._transport is not None
        try:
            if not self._greeting.done:
                reply = self._greeting.take(data)
                if reply:
                    self._transport.write(reply)
                if not self._greeting.done:
                    return
                self._let_in()
                data = self._greeting.take_rest()
            for frame in self._reader.feed(data):
                self._call(frame)
        except GreetingError as error:
            self._close_out(str(error))
        except FrameError as error:
            logger.error("%s: a caller sent %s; it is closed", self._server.address.part, error)
            self.abort()

    def pause_writing(self) -> None:
        """Read no more calls of a caller that does not read its answers."""
        self._full = True
        self._pace()

    def resume_writing(self) -> None:
        """Read the caller again."""
        self._full = False
        self._pace()

    def _pace(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._full or len(self._running) >= CALLS_IN_FLIGHT_MAX:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()

    def _let_in(self) -> None:
        assert self._deadline is not None
        self._deadline.cancel()
        self._server.greeting.pop(self, None)
        self._server.connections[self] = None

    def _close_out(self, why: str) -> None:
        self._server.greeting.pop(self, None)
        self._server.close_out(self._greeting.caller, why)
        self.abort()

    # --- calls -----------------------------------------------------------------------------------
    def _call(self, frame: Frame) -> None:
        """Run a call; an answer that must be awaited is awaited in a task of its own."""
        if frame.kind not in (Kind.ASK, Kind.NOTIFY):
            raise FrameError(f"a call of the kind {frame.kind}")
        args = unpack(frame.payload)
        try:
            answer = getattr(self._server.target, METHODS[frame.method])(*args)
        except Exception as error:
            self._failed(frame, error)
            return
        if isinstance(answer, CoroutineType):
            task = asyncio.get_running_loop().create_task(self._await(frame, answer))
            self._running[task] = None
            task.add_done_callback(self._ended)
            self._pace()
        else:
            self._answer(frame, Kind.ANSWER, answer)

    async def _await(self, frame: Frame, answer: Any) -> None:
        try:
            self._answer(frame, Kind.ANSWER, await answer)
        except Exception as error:
            self._failed(frame, error)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task, None)
        self._pace()

    def _failed(self, frame: Frame, error: Exception) -> None:
        if isinstance(error, PeerRefusedError):
            self._answer(frame, Kind.REFUSED, str(error)[:ERROR_CHARS_MAX])
            return
        where = f"{self._server.address.part}.{METHODS[frame.method]}"
        logger.error("%s failed", where, exc_info=error)
        self._answer(frame, Kind.FAILED, (type(error).__name__, str(error)[:ERROR_CHARS_MAX]))

    def _answer(self, frame: Frame, kind: Kind, content: Any) -> None:
        transport = self._transport
        if frame.kind == Kind.NOTIFY or transport is None or transport.is_closing():
            return
        try:
            data = pack(kind, call=frame.call, content=content)
        except (FrameError, TypeError) as error:
            text = f"the answer cannot be sent: {error}"
            data = pack(Kind.FAILED, call=frame.call, content=(type(error).__name__, text))
        transport.write(data)


def _same_user(transport: asyncio.Transport) -> bool:
    """Return whether the caller on a Unix socket runs as this process's user; True on TCP."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return True
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return bool(_UCRED.unpack(credentials)[1] == os.geteuid())
