"""Transports without a broker: recordings, an exchange's own socket, LSports' socket.

Owns how each serves as a bridge's Transport, and what a recovery request means to it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from gateway.feeds.bridge.bridge import Incoming
from gateway.feeds.bridge.recordings import messages
from gateway.feeds.exchange.stream import StreamSocket
from gateway.feeds.lsports.messages import BEGAN_BODY
from gateway.feeds.lsports.snapshot_api import SnapshotApi
from gateway.feeds.lsports.socket import LsportsSocket
from gateway.messages.feed import FeedRequest

QUEUE_MESSAGES_MAX: Final = 256
"""Messages of a socket and of a snapshot that wait for the bridge; past it both wait for room."""


class FileTransport:
    """A recording, from its first message to its last, as fast as it is read.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    kind : str
        ``uof``, ``exchange`` or ``lsports``.
    """

    def __init__(self, path: Path, *, kind: str) -> None:
        self._path = path
        self._kind = kind

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield the recording's messages in order; see recordings.messages for its errors."""
        async for recorded in messages(self._path, kind=self._kind):
            yield Incoming(recorded.body)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Do nothing: a file keeps its messages."""

    async def request(self, request: FeedRequest) -> bool:
        """Return False: a recording cannot repeat messages."""
        del request
        return False

    async def close(self) -> None:
        """Do nothing: no file is open between messages."""


class StreamTransport:
    """An exchange's live stream.

    Parameters
    ----------
    stream : StreamSocket
        The socket, which reconnects by itself and resumes where it ended.
    """

    def __init__(self, stream: StreamSocket) -> None:
        self._stream = stream

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield the stream's lines; see `StreamSocket.lines` for its errors."""
        async for line in self._stream.lines():
            yield Incoming(line)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Do nothing: what is missing is requested as a whole image."""

    async def request(self, request: FeedRequest) -> bool:
        """Request the whole image again, whatever was missed."""
        del request
        await self._stream.request_image()
        return True

    async def close(self) -> None:
        """End the connection."""
        await self._stream.close()


class LsportsTransport:
    """LSports' live feed; snapshots come between its messages, as messages.

    Parameters
    ----------
    socket : LsportsSocket
        The connection, which is opened again by itself.
    snapshots : SnapshotApi, optional
        Where snapshots are requested; without it no request is answered, and markets that wait for
        a snapshot stay suspended.
    """

    def __init__(self, socket: LsportsSocket, snapshots: SnapshotApi | None = None) -> None:
        self._socket = socket
        self._snapshots = snapshots
        self._queue: asyncio.Queue[Incoming] = asyncio.Queue(QUEUE_MESSAGES_MAX)

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield the messages of the socket and of snapshots; see `LsportsSocket.messages`."""
        reading = asyncio.create_task(self._read())
        getting = asyncio.create_task(self._queue.get())
        try:
            while True:
                await asyncio.wait([reading, getting], return_when=asyncio.FIRST_COMPLETED)
                if not getting.done():
                    break
                yield getting.result()
                getting = asyncio.create_task(self._queue.get())
            await reading
        finally:
            getting.cancel()
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read(self) -> None:
        async for message in self._socket.messages():
            await self._queue.put(Incoming(message, own=message is BEGAN_BODY))

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Do nothing: what is missing is requested as a snapshot."""

    async def request(self, request: FeedRequest) -> bool:
        """Request a snapshot and queue its pieces; return whether there is one."""
        if self._snapshots is None:
            return False
        pieces = await self._snapshots.snapshot(request)
        if pieces is None:
            return False
        for piece in pieces:
            await self._queue.put(Incoming(piece, own=piece is pieces[-1]))
        return True

    async def close(self) -> None:
        """End the connection."""
        await self._socket.close()
