"""Run parts in this process, with no cluster: for tests, notebooks and embedded use.

Owns stand-ins for processes that can be killed and frozen as real ones can. Never used where parts
must survive one another: here they share a process and one event loop.
"""

import asyncio
import os
from collections.abc import Collection
from typing import Any, NoReturn

from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec


def end_part(code: int) -> NoReturn:
    """End a part that shares its process with others, by failing its call; no process ends."""
    raise PeerDiedError(f"a part ended itself with code {code}")


class LocalProcess:
    """A `Process` that runs its part here: with a peer of its own, killed and frozen by itself.

    The part receives `exit_process`, which ends this local process and not the operating system's.

    Parameters
    ----------
    spec : PartSpec
        The part, which is constructed here.
    """

    def __init__(self, spec: PartSpec) -> None:
        self.spec = spec
        self.start_ticks = 0
        self._gone = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.target: Any = None
        self.target = spec.factory(**spec.arguments, exit_process=self._on_exit)
        self.peer = _ProcessPeer(self)

    @property
    def ended(self) -> bool:
        """Whether this local process has ended."""
        return self._gone.is_set()

    def attach(self, pid: int) -> None:
        """Accept the process id, which every local process shares."""
        assert pid == os.getpid()

    async def open_road(self) -> None:
        """Do nothing: the part is called in this process."""

    def kill(self) -> None:
        """End this local process: later calls fail, and the part's files and locks are released."""
        if not self.ended:
            self._gone.set()
            self._thawed.set()
            if self.target is not None:  # None: the constructor ended the process
                self.target.abandon()

    def freeze(self) -> None:
        """Leave every call unanswered, as a stopped process does."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Answer calls again, those that wait included."""
        self._thawed.set()

    async def wait_gone(self) -> None:
        """Return when this local process has ended."""
        await self._gone.wait()

    async def admit(self, what: str, timeout_s: float | None) -> None:
        """Let a call in, or raise what the caller of a real process would get.

        Raises
        ------
        PeerTimeoutError
            When the process stays frozen for `timeout_s`.
        PeerDiedError
            When the process has ended.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._thawed.wait()
        except TimeoutError as error:
            raise PeerTimeoutError(f"{what}: {timeout_s} s passed") from error
        if self.ended:
            raise PeerDiedError(f"{what}: the part has ended")

    def _on_exit(self, code: int) -> NoReturn:
        self.kill()
        raise PeerDiedError(f"{self.spec.name}: ended itself with code {code}")


class _ProcessPeer(LocalPeer):
    """The peer of one local process."""

    def __init__(self, process: LocalProcess) -> None:
        super().__init__(process.target, name=process.spec.name)
        self._process = process

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Call the part, unless its process has ended or is frozen."""
        await self._process.admit(f"{self.name}.{method}", timeout_s)
        return await super().ask(method, *args, timeout_s=timeout_s)


class LocalLauncher:
    """A `Launcher` of local processes, which keeps the latest process of each part by name."""

    def __init__(self) -> None:
        self.processes: dict[str, LocalProcess] = {}

    def spawn(self, spec: PartSpec) -> LocalProcess:
        """Construct the part in this process."""
        process = self.processes[spec.name] = LocalProcess(spec)
        return process

    @property
    def spare_pid(self) -> int:
        """No process waits idle here."""
        return 0

    async def begin(self, spec: PartSpec) -> LocalProcess:
        """Construct the part at once, in this process."""
        return self.spawn(spec)

    async def running(self, names: Collection[str]) -> dict[str, tuple[int, LocalProcess]]:
        """Return the local processes of these parts that have not ended."""
        return {
            name: (process.spec.generation, process)
            for name, process in self.processes.items()
            if name in names and not process.ended
        }

    def close(self) -> None:
        """Do nothing: local processes are ended one by one."""
