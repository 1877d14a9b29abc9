"""A recorder: what a transport brings is also written down, one message a line, as it comes.

Owns the file. A recording so made is what `overround replay` and `overround feed --files` take.
Never reads a message and never holds one up: a file that cannot be written ends the recording,
which is said once, and not the feed.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.feeds.bridge.bridge import Incoming, Transport
from gateway.feeds.uof.messages import SUBSCRIPTION_STARTED
from gateway.messages.feed import FeedRequest

logger = logging.getLogger("overround.bridge")

_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
"""Line ends within a message mean no more than spaces do, in XML as in JSON."""


class Recorder:
    """A transport whose messages are kept in a file.

    Parameters
    ----------
    transport : Transport
        Where messages come from.
    path : Path
        The file; what it holds already stays, and new messages follow.

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
        """Give the transport's messages, each written first."""
        async for incoming in self._transport.messages():
            self._write(incoming.body)
            yield incoming

    async def acknowledge(self, receipts: Sequence[Any]) -> None:
        """Let the source forget messages; what is forgotten has been handed to the disk."""
        if self._file is not None:
            self._try(self._file.flush)
        await self._transport.acknowledge(receipts)

    async def request(self, request: FeedRequest) -> bool:
        """Ask the provider to repeat something."""
        return await self._transport.request(request)

    async def close(self) -> None:
        """End the source, and close the file."""
        await self._transport.close()
        if self._file is not None:
            self._try(self._file.close)
            self._file = None

    def _write(self, body: bytes) -> None:
        file = self._file
        if body == SUBSCRIPTION_STARTED:
            return  # the transport's own word, and no provider's
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
