"""Transports that are no broker: recordings, and an exchange's own socket.

Owns how each becomes a bridge's Transport, and what a wish means to it.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from gateway.feeds.bridge.bridge import Incoming
from gateway.feeds.bridge.recordings import messages
from gateway.feeds.exchange.stream import StreamSocket
from gateway.messages.feed import FeedRequest


class FileTransport:
    """A recording, from its first message to its last, as fast as it is taken.

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
        """Give the recording's messages in their order; see `files.messages` for its errors."""
        async for recorded in messages(self._path, kind=self._kind):
            yield Incoming(recorded.body)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Nothing is to be done: a file keeps what it has."""

    async def request(self, request: FeedRequest) -> bool:
        """Say that nobody was asked: a recording repeats nothing."""
        del request
        return False

    async def close(self) -> None:
        """Nothing is held."""


class StreamTransport:
    """An exchange's live stream.

    Parameters
    ----------
    stream : StreamSocket
        The socket, which comes back by itself and resumes where it ended.
    """

    def __init__(self, stream: StreamSocket) -> None:
        self._stream = stream

    async def messages(self) -> AsyncIterator[Incoming]:
        """Give the stream's lines; see `StreamSocket.lines` for its errors."""
        async for line in self._stream.lines():
            yield Incoming(line)

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Nothing is to be done: what is missing is asked for as a whole image."""

    async def request(self, request: FeedRequest) -> bool:
        """Ask for the whole image again, whatever was missed."""
        del request
        await self._stream.image_again()
        return True

    async def close(self) -> None:
        """End the connection."""
        await self._stream.close()
