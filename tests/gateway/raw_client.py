"""A client that may break every rule: it sends raw bytes and builds frames by hand."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from tests.gateway.price_gateway import WAIT_S

TEXT, BINARY, CLOSE, PING, PONG, CONT = 1, 2, 8, 9, 10, 0
PLACE = {
    "type": "place",
    "ref": "a1",
    "market": 1,
    "outcome": 0,
    "stake_minor": 500,
    "odds_milli": 2_500,
}
"""The fields of a `place` message that fits its schema."""


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, rsv: int = 0,
    length: int | None = None,
) -> bytes:  # fmt: skip
    """Return a frame; `length` replaces the true length."""
    stated = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    mark = 0x80 if masked else 0
    if stated < 126:
        head += bytes([mark | stated])
    elif stated < 1 << 16:
        head += bytes([mark | 126]) + stated.to_bytes(2, "big")
    else:
        head += bytes([mark | 127]) + stated.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def json_frame(**fields: Any) -> bytes:
    return frame(TEXT, msgspec.json.encode(fields))


def msgpack_frame(**fields: Any) -> bytes:
    return frame(BINARY, msgspec.msgpack.encode(fields))


class Farewell(NamedTuple):
    """How the server closed: close code (0: no close frame), reason, and messages before it."""

    code: int
    reason: str
    messages: list[dict[str, Any]]


class Raw:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def head(self) -> bytes:
        """Read an HTTP head."""
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.read()

    async def frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(WAIT_S):
            first, second = await self.reader.readexactly(2)
            length = second
            if second == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            elif second == 127:
                length = int.from_bytes(await self.reader.readexactly(8), "big")
            return first & 15, await self.reader.readexactly(length)

    async def message(self) -> dict[str, Any]:
        opcode, payload = await self.frame()
        return _decode(opcode, payload)

    async def farewell(self) -> Farewell:
        """Read messages up to the close frame, or to the end of the stream."""
        messages: list[dict[str, Any]] = []
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2], "big")
                    return Farewell(code, payload[2:].decode(), messages)
                if opcode in (TEXT, BINARY):
                    messages.append(_decode(opcode, payload))
        except (asyncio.IncompleteReadError, ConnectionError):
            return Farewell(0, "", messages)


def _decode(opcode: int, payload: bytes) -> dict[str, Any]:
    decode = msgspec.json.decode if opcode == TEXT else msgspec.msgpack.decode
    message: dict[str, Any] = decode(payload)
    return message


def handshake(
    *, token: str | None, subprotocol: str | None = "overround.v1.json", path: str = "/",
    extra: Sequence[str] = (),
) -> bytes:  # fmt: skip
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, *extra, "", ""]).encode()


@asynccontextmanager
async def tcp(port: int) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def shaken(port: int, **options: Any) -> AsyncIterator[Raw]:
    """Open a connection, past the handshake and the welcome message."""
    async with tcp(port) as raw:
        raw.send(handshake(**options))
        head = await raw.head()
        assert head.startswith(b"HTTP/1.1 101"), head
        assert (await raw.message())["type"] == "welcome"
        yield raw
