"""A part's process as its supervisor sees it: how to start one, end one, and see it gone.

Owns the agreement between the supervisor and whatever carries processes (Ray, or this very
process in embedded use), and the kernel's word on whether a local process lives. A successor is
never started before its predecessor is seen gone.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from msgspec import Struct

from actors.peer import Peer


class PartSpec(Struct, frozen=True, kw_only=True):
    """What to run: a plain class and the arguments of its constructor, which never raises."""

    name: str
    generation: int
    factory: type
    arguments: dict[str, Any]


class Process(Protocol):
    """One life of a part."""

    @property
    def peer(self) -> Peer:
        """How to call it."""
        ...

    def attach(self, pid: int) -> None:
        """Take note of its process id, which its first answer tells."""
        ...

    def kill(self) -> None:
        """End it at once, whatever it does; harmless when it is gone."""
        ...

    async def gone(self) -> None:
        """Return when it is gone."""
        ...


class Launcher(Protocol):
    """Starts processes."""

    def spawn(self, spec: PartSpec) -> Process:
        """Begin a part's process and return at once; its first answer says that it is up."""
        ...

    async def running(self, names: Collection[str]) -> Mapping[str, tuple[int, Process]]:
        """Return processes of these parts that an earlier launcher began, with generations."""
        ...

    def close(self) -> None:
        """Start nothing more; processes that were started go on."""
        ...


class PidWatch:
    """A local process held by descriptor, so that neither a signal nor a death is mistaken.

    A process id may be given to another process; a descriptor of it may not.
    """

    def __init__(self, pid: int) -> None:
        self._gone = asyncio.Event()
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = -1
            self._gone.set()
            return
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._on_gone)

    def kill(self) -> None:
        """Send SIGKILL, which also ends a stopped process."""
        if self._fd >= 0:
            with contextlib.suppress(ProcessLookupError):  # it has ended; the loop will say so
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    async def gone(self) -> None:
        """Return when the process has ended."""
        await self._gone.wait()

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_gone(self) -> None:
        self._gone.set()
        self.close()
