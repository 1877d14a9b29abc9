"""Write every message of a transport to a file, one a line, as it arrives.

Owns the file, which `overround replay` and `overround feed --files` can read. It never reads a
message and never delays one: a file that cannot be written ends the recording, with one line in the
log, and not the feed.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.feeds.bridge.bridge import Incoming, Transport
from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
"""Line ends inside a message become spaces, which mean the same in XML and JSON."""


class Recorder:
    """A transport that records another transport's messages.

    Parameters
    ----------
    transport : Transport
        The transport to record.
    path : Path
        The file; new messages are appended.

    Raises
    ------
    OSError
        The file cannot be opened.
    """

    def __init__(self, transport: Transport, path: Path) -> None:
        self.written = 0
        self._transport = transport
        self._file: BinaryIO | None = path.open("ab")

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield the transport's messages; each is written first."""
        async for incoming in self._transport.messages():
            if not incoming.own:
                self._write(incoming.body)
            yield incoming

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Flush the file, then acknowledge the messages to the source."""
        if self._file is not None:
            self._try(self._file.flush)
        await self._transport.acknowledge(receipts)

    async def request(self, request: FeedRequest) -> bool:
        """Ask the provider to repeat messages."""
        return await self._transport.request(request)

    async def close(self) -> None:
        """Close the source and the file."""
        await self._transport.close()
        if self._file is not None:
            self._try(self._file.close)
            self._file = None

    def _write(self, body: bytes) -> None:
        file = self._file
        if file is not None and self._try(
            lambda: file.write(body.translate(_ONE_LINE).strip() + b"\n")
        ):
            self.written += 1

    def _try(self, work: Any) -> bool:
        try:
            work()
        except OSError as error:
            logger.error("the recording ends after %d messages: %s", self.written, error)
            self._file = None
            return False
        return True
