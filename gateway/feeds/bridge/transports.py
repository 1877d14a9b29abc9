"""Transports without a broker: recordings, and an exchange's own socket.

Owns how each serves as a bridge's Transport, and what a recovery request means to it.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from gateway.feeds.bridge.bridge import Incoming
from gateway.feeds.bridge.recordings import messages
from gateway.feeds.exchange.stream import StreamSocket
from gateway.messages.feed import FeedRequest


class FileTransport:
    """A recording, from its first message to its last, as fast as it is read.

    Parameters
    ----------
    path : Path
        A file, or a folder of files.
    kind : str
        ``uof`` or ``exchange``.
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
