"""Parts run in this very process: for tests, notebooks and embedded use, with no cluster.

Owns in-process lives that can be ended and frozen like real ones. Never used where parts must
survive one another: here they share a process and one event loop.
"""

import asyncio
import os
from collections.abc import Collection
from typing import Any, NoReturn

from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec


class LocalProcess:
    """One life of a part in this process; its own peer and its own kill switch.

    A part that ends its process (`exit_process`, handed to its constructor) ends only this life.
    """

    def __init__(self, spec: PartSpec) -> None:
        self.spec = spec
        self._over = asyncio.Event()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.target: Any = None
        self.target = spec.factory(**spec.arguments, exit_process=self._on_exit)
        self.peer = _ProcessPeer(self)

    @property
    def over(self) -> bool:
        """Say whether this life has ended."""
        return self._over.is_set()

    def attach(self, pid: int) -> None:
        """Accept the process id, which is everybody's here."""
        assert pid == os.getpid()

    def kill(self) -> None:
        """End this life: calls fail from now on, files and locks are let go."""
        if not self.over:
            self._over.set()
            self._thawed.set()
            if self.target is not None:  # else its constructor ended it
                self.target.abandon()

    def freeze(self) -> None:
        """Leave every call unanswered, as a stopped process does."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Answer again."""
        self._thawed.set()

    async def gone(self) -> None:
        """Return when this life has ended."""
        await self._over.wait()

    async def admit(self, what: str, timeout_s: float | None) -> None:
        """Let a call in, or raise what a caller of a real process would see."""
        try:
            await asyncio.wait_for(self._thawed.wait(), timeout_s)
        except TimeoutError as error:
            raise PeerTimeoutError(f"{what}: {timeout_s} s passed") from error
        if self.over:
            raise PeerDiedError(f"{what}: the part has ended")

    def _on_exit(self, code: int) -> NoReturn:
        self.kill()
        raise PeerDiedError(f"{self.spec.name}: ended itself with code {code}")


class _ProcessPeer(LocalPeer):
    """Calls into one life."""

    def __init__(self, process: LocalProcess) -> None:
        super().__init__(process.target, name=process.spec.name)
        self._process = process

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        """Call the part, unless its life is over or frozen."""
        await self._process.admit(f"{self.name}.{method}", timeout_s)
        return await super().ask(method, *args, timeout_s=timeout_s)


class LocalLauncher:
    """Starts lives in this process and remembers the latest of each part by name."""

    def __init__(self) -> None:
        self.processes: dict[str, LocalProcess] = {}

    def spawn(self, spec: PartSpec) -> LocalProcess:
        """Construct the part here and now."""
        process = LocalProcess(spec)
        self.processes[spec.name] = process
        return process

    async def running(self, names: Collection[str]) -> dict[str, tuple[int, LocalProcess]]:
        """Return the lives of these parts that are not over."""
        return {
            name: (process.spec.generation, process)
            for name, process in self.processes.items()
            if name in names and not process.over
        }

    def close(self) -> None:
        """Do nothing: lives that were begun are ended one by one."""
