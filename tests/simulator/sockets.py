"""Connections between clients and gateways without sockets: the bytes, their delay and their end.

Owns the transport under a gateway's real connections, and the client's side of WebSocket. Bytes of
one direction arrive in order, as TCP has it. Never knows what a message means.
"""

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

from gateway.net.connection import Connection
from gateway.net.listener import Listener

WORLD = contextvars.Context()
"""The context of what belongs to no part: bytes on their way outlive the process that sent them."""

_PORT_FIRST = 40_000


class VirtualServer:
    """A listening port of the simulated world; it makes a gateway's own connections."""

    ports_given = 0

    def __init__(self, listener: Listener, *, owner: Any) -> None:
        VirtualServer.ports_given += 1
        self.port = _PORT_FIRST + VirtualServer.ports_given
        self.owner = owner
        self.transports: list[VirtualTransport] = []
        self._listener = listener

    def connection(self) -> Connection:
        """Return the gateway's end of a new connection, as its listener makes it."""
        return Connection(self._listener, address="127.0.0.1", peer="127.0.0.1:1")

    def end_connections(self) -> None:
        """End every connection, as the kernel does when the process ends."""
        for transport in self.transports:
            transport.break_off()


class VirtualTransport(asyncio.Transport):
    """The gateway's end of a connection; `to_client` receives what the gateway writes.

    Both directions have a constant delay, so that bytes stay in order.
    """

    def __init__(self, loop: Any, server: VirtualServer, *, delay_s: float) -> None:
        super().__init__()
        self._loop = loop
        self._context = server.owner.context
        self._delay_s = delay_s
        self.part = server.owner
        self.protocol = server.connection()
        self.lost = False
        self.on_data: Callable[[bytes], None] = lambda data: None
        self.on_end: Callable[[], None] = lambda: None
        server.transports.append(self)
        self._later(self._context, self.protocol.connection_made, self)

    def _later(self, context: contextvars.Context, callback: Any, *args: Any) -> None:
        self._loop.call_later(self._delay_s, callback, *args, context=context)

    # --- the client's side ---------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes from the client."""
        if not self.lost:
            self._later(self._context, self._received, data)

    def hang_up(self) -> None:
        """The client is gone; the gateway learns of it as soon as its network does."""
        if not self.lost:
            self._later(self._context, self.abort)
        self.on_data = lambda data: None
        self.on_end = lambda: None

    def _received(self, data: bytes) -> None:
        if not self.lost:
            self.protocol.data_received(data)

    def break_off(self) -> None:
        """The gateway's process has ended: the client learns of it."""
        if not self.lost:
            self.lost = True
            self._later(WORLD, self.ended)

    # --- the gateway's side --------------------------------------------------------------------

    def write(self, data: Any) -> None:
        self._later(WORLD, self._arrive, bytes(data))

    def _arrive(self, data: bytes) -> None:
        self.on_data(data)

    def write_eof(self) -> None:
        self._later(WORLD, self.ended)

    def ended(self) -> None:
        self.on_end()

    def abort(self) -> None:
        if not self.lost:
            self.lost = True
            self._later(WORLD, self.ended)
            self.protocol.connection_lost(None)

    def close(self) -> None:
        self.abort()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return

    def is_closing(self) -> bool:
        return self.lost


def client_frame(payload: bytes) -> bytes:
    """Return a binary client frame; its mask is zero, which leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        return bytes((0x82, 0x80 | length, 0, 0, 0, 0)) + payload
    return b"\x82\xfe" + length.to_bytes(2, "big") + b"\0\0\0\0" + payload


def server_payloads(data: bytes) -> tuple[list[bytes], bool]:
    """Return the payloads of whole server frames, and whether a close frame was among them."""
    payloads = []
    at = 0
    while at < len(data):
        opcode, length = data[at] & 0x0F, data[at + 1]
        start = at + 2
        if length == 126:
            length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if opcode == 8:
            return payloads, True
        if opcode == 2:
            payloads.append(data[start : start + length])
        at = start + length
    return payloads, False


def handshake(token: str) -> bytes:
    """Return the client's side of the WebSocket handshake."""
    return (
        "GET / HTTP/1.1\r\nHost: simulated\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: c2ltdWxhdGVkIGNsaWVudA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: overround.v1.msgpack\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
