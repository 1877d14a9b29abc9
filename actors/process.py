"""A part's process as its supervisor sees it: start it, kill it, and wait until it has ended.

Owns the contract between the supervisor and what runs the processes (Ray, or this process in
embedded use), and pidfds, by which the kernel reports the end of a local process. Never decides
when a process starts; the supervisor starts a successor only after the predecessor has ended.
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
    """One process of a part, from its start to its end."""

    @property
    def peer(self) -> Peer:
        """How to call the part in this process."""
        ...

    @property
    def start_ticks(self) -> int:
        """Tick deadlines within which a start must show a sign of life, as the process ran before.

        0: the process begins with this part, which takes longer.
        """
        ...

    def attach(self, pid: int) -> None:
        """Note the process id, which the part's first answer reports."""
        ...

    async def open_road(self) -> None:
        """Let the part be called over the road from now on, where there is one."""
        ...

    def kill(self) -> None:
        """End the process at once, whatever it does; harmless after its end."""
        ...

    async def wait_gone(self) -> None:
        """Return when the process has ended."""
        ...


class Launcher(Protocol):
    """Starts processes."""

    async def begin(self, spec: PartSpec) -> Process:
        """Begin a part's process; the part's first answer reports that it is up."""
        ...

    @property
    def spare_pid(self) -> int:
        """The idle process that is ready to take a part, 0 for none."""
        ...

    async def running(self, names: Collection[str]) -> Mapping[str, tuple[int, Process]]:
        """Return processes of these parts that an earlier launcher began, with generations."""
        ...

    def close(self) -> None:
        """Start nothing more; processes that were started keep running."""
        ...


class PidfdMissingError(RuntimeError):
    """Neither Python nor the kernel offers pidfds here; the message names what is needed."""


def check_pidfd(os_module: Any = os, signal_module: Any = signal) -> None:
    """Check that processes can be held by pidfd.

    Parameters
    ----------
    os_module, signal_module
        Where `pidfd_open` and `pidfd_send_signal` are looked up.

    Raises
    ------
    PidfdMissingError
        When a function is missing, or the kernel (or a sandbox round it) refuses the call.
    """
    needed = "processes are held by pidfd: Linux 5.3 or later and its system calls are needed"
    for module, function in ((os_module, "pidfd_open"), (signal_module, "pidfd_send_signal")):
        if not hasattr(module, function):
            raise PidfdMissingError(f"{needed}; this Python has no {function}")
    try:
        fd = os_module.pidfd_open(os.getpid())
    except OSError as error:
        raise PidfdMissingError(f"{needed}; pidfd_open failed: {error}") from error
    os.close(fd)


class PidWatch:
    """A local process held by pidfd.

    The kernel may give a process id to another process after the first has ended, so a signal by id
    could reach the wrong one; a pidfd always means the same process.

    Parameters
    ----------
    pid : int
        A running process, or one that has ended: then `wait_gone` returns at once.
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
            # A process that has ended already is reported by the event loop.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    async def wait_gone(self) -> None:
        """Return when the process has ended."""
        await self._gone.wait()

    def close(self) -> None:
        """Close the pidfd."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_gone(self) -> None:
        self._gone.set()
        self.close()
