"""Write each connection's waiting frames once, at the end of a turn of the event loop.

Owns the list of connections with something to write. Answers that become ready in one turn leave
in one write.
"""

import asyncio
from typing import Protocol


class Flushable(Protocol):
    """Something with frames to write."""

    def flush(self) -> None:
        """Write everything that waits."""
        ...


class FlushQueue:
    """Connections to flush at the end of this turn of the event loop."""

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[Flushable] = []

    def add(self, connection: Flushable) -> None:
        """Flush a connection at the end of this turn."""
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append(connection)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.flush()
