"""A shell's successive processes: bring up, watch, bury, and again, within a budget.

Owns one task a shell, which is the only one to start or end its processes; so a shell never has
two. Never knows what a shell does, and never gives up on seeing a process gone before the next.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from actors.messages import ShellHealth, ShellState, decode_health
from actors.peer import Peer, PeerError, PeerTimeoutError
from actors.process import Launcher, PartSpec, Process
from actors.settings import SupervisorSettings

STOP_DEADLINE_S = 10.0
"""How long a shell may take to close its journal before it is killed; it loses nothing by that."""


class ShellProcess:
    """What is known of one shell, through all its processes."""

    def __init__(
        self, *, name: str, kind: str, shard: int, factory: type, arguments: dict[str, Any]
    ) -> None:
        self.name = name
        self.kind = kind
        self.shard = shard
        self.factory = factory
        self.arguments = arguments
        self.state = ShellState.STARTING
        self.generation = 0
        self.process: Process | None = None
        self.health: ShellHealth | None = None
        self.why = ""
        self.outage_ms = 0.0
        self.quarantine = ""
        """Why the next process must not open its journal; set when the budget is spent."""
        self.restarts: deque[float] = deque()
        self.suspected = asyncio.Event()
        self.settled = asyncio.Event()
        """Set while the shell serves or is quarantined: whenever a process answers for it."""

    @property
    def peer(self) -> Peer:
        """How to call the present process."""
        assert self.process is not None
        return self.process.peer


class ProcessKeeper:
    """Keeps shells alive.

    Parameters
    ----------
    launcher : Launcher
        Starts processes.
    settings : SupervisorSettings
        Ticks, deadlines, back-off, budget.
    recoveries_max : int
        Shells that may be between start and first answer at once.
    begin_life : callable
        Gives the generation of a shell's next process, durably.
    on_up : callable
        Awaited when a process answers, before the shell is called SERVING.
    on_change : callable
        Told of every change of state.
    clock : callable
        Monotonic seconds.
    rng : random.Random
        Jitter.
    running : mapping
        Generations and processes that an earlier keeper left; a shell begins with its own.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        settings: SupervisorSettings,
        recoveries_max: int,
        begin_process: Callable[[str], int],
        on_up: Callable[[ShellProcess], Awaitable[None]],
        on_change: Callable[[ShellProcess], None],
        clock: Callable[[], float],
        rng: random.Random,
        running: Mapping[str, tuple[int, Process]],
    ) -> None:
        self._running = dict(running)
        self._launcher = launcher
        self._settings = settings
        self._recoveries = asyncio.Semaphore(recoveries_max)
        self._begin_process = begin_process
        self._on_up = on_up
        self._on_change = on_change
        self._clock = clock
        self._rng = rng
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep(self, shell_process: ShellProcess) -> None:
        """Bring a shell up and keep it up, until `end`."""
        self._tasks[shell_process.name] = asyncio.get_running_loop().create_task(
            self._keep(shell_process)
        )

    async def end(self, shell_process: ShellProcess) -> None:
        """Let a shell close its journal, and see its process gone."""
        task = self._tasks.pop(shell_process.name)
        task.cancel()
        await asyncio.wait({task})
        if shell_process.process is None:
            return
        with contextlib.suppress(PeerError):  # then its journal stays open, as in any crash
            await shell_process.process.peer.ask("stop", timeout_s=STOP_DEADLINE_S)
        await self._reap(shell_process)
        self._enter(shell_process, ShellState.DOWN, why="stopped")

    async def _keep(self, shell_process: ShellProcess) -> None:
        down_at = self._clock()
        while True:
            await asyncio.sleep(self._pause_s(shell_process))
            if await self._bring_up(shell_process, down_at=down_at):
                await self._watch(shell_process)
            down_at = self._clock()
            self._enter(shell_process, ShellState.DOWN, why=shell_process.why)
            await self._reap(shell_process)
            shell_process.restarts.append(down_at)

    def _pause_s(self, shell_process: ShellProcess) -> float:
        """Return how long to wait before the next start; a spent budget quarantines the shell.

        The first restart in a window is immediate; each further one waits twice as long.
        """
        settings = self._settings
        horizon = self._clock() - settings.restart_window_ms / 1_000
        while shell_process.restarts and shell_process.restarts[0] < horizon:
            shell_process.restarts.popleft()
        count = len(shell_process.restarts)
        if count > settings.restarts_max and not shell_process.quarantine:
            window_s = settings.restart_window_ms / 1_000
            shell_process.quarantine = f"{count} restarts in {window_s:g} s: {shell_process.why}"
        if count < 2:
            return 0.0
        pause_ms = min(settings.backoff_min_ms << min(count - 2, 30), settings.backoff_max_ms)
        return pause_ms / 1_000 * self._rng.uniform(0.5, 1.5)

    async def _bring_up(self, shell_process: ShellProcess, *, down_at: float) -> bool:
        """Start a process and wait for its first answer; False when it gave none."""
        deadline_s = self._settings.start_deadline_ms / 1_000
        async with self._recoveries:
            try:
                shell_process.generation, shell_process.process = self._adopt(
                    shell_process
                ) or self._spawn(shell_process)
                answer = await shell_process.process.peer.ask("tick", timeout_s=deadline_s)
                shell_process.health = decode_health(answer)
                shell_process.process.attach(shell_process.health.pid)
                shell_process.why = shell_process.health.why
                shell_process.state = (
                    shell_process.health.state
                )  # told to no one until it is fitted out
                await asyncio.wait_for(self._on_up(shell_process), deadline_s)
            except Exception as error:  # whatever a start fails of, the next may not
                shell_process.why = f"start failed: {error!r}"
                return False
        if shell_process.restarts:
            shell_process.outage_ms = (self._clock() - down_at) * 1_000
        self._enter(shell_process, shell_process.health.state, why=shell_process.health.why)
        return True

    def _adopt(self, shell_process: ShellProcess) -> tuple[int, Process] | None:
        return self._running.pop(shell_process.name, None)

    def _spawn(self, shell_process: ShellProcess) -> tuple[int, Process]:
        generation = self._begin_process(shell_process.name)
        spec = PartSpec(
            name=shell_process.name,
            generation=generation,
            factory=shell_process.factory,
            arguments={**shell_process.arguments, "quarantine": shell_process.quarantine},
        )
        return generation, self._launcher.spawn(spec)

    async def _watch(self, shell_process: ShellProcess) -> None:
        """Tick the process until it dies, freezes or fails; say why in `shell_process.why`."""
        assert shell_process.process is not None
        process = shell_process.process
        deadline_s = self._settings.tick_deadline_ms / 1_000
        gone = asyncio.ensure_future(process.gone())
        try:
            while True:
                beat = asyncio.ensure_future(process.peer.ask("tick", timeout_s=deadline_s))
                await asyncio.wait((gone, beat), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    beat.cancel()
                    shell_process.why = "its process is gone"
                    return
                health = decode_health(beat.result())
                shell_process.health = health
                if health.state is not shell_process.state:
                    self._enter(shell_process, health.state, why=health.why)
                await self._rest(shell_process, gone)
        except PeerTimeoutError:
            shell_process.why = (
                f"frozen: a tick went unanswered for {self._settings.tick_deadline_ms} ms"
            )
        except Exception as error:  # a shell that fails its tick is replaced
            shell_process.why = f"its tick failed: {error!r}"
        finally:
            gone.cancel()

    async def _rest(self, shell_process: ShellProcess, gone: "asyncio.Future[None]") -> None:
        """Wait for the next tick's time, a suspicion or the process's end."""
        suspected = asyncio.ensure_future(shell_process.suspected.wait())
        await asyncio.wait(
            (gone, suspected),
            timeout=self._settings.tick_ms / 1_000,
            return_when=asyncio.FIRST_COMPLETED,
        )
        suspected.cancel()
        shell_process.suspected.clear()

    async def _reap(self, shell_process: ShellProcess) -> None:
        """Kill the process, if there is one, and return when it is gone."""
        if shell_process.process is not None:
            shell_process.process.kill()
            await shell_process.process.gone()
            shell_process.process = None

    def _enter(self, shell_process: ShellProcess, state: ShellState, *, why: str) -> None:
        shell_process.state = state
        shell_process.why = why
        if state in (ShellState.SERVING, ShellState.QUARANTINED):
            shell_process.settled.set()
        else:
            shell_process.settled.clear()
        self._on_change(shell_process)
