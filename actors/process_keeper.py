"""Start, monitor, reap and restart one shell's process within a restart budget.

Owns one task per shell, which alone starts and ends the shell's processes, so a shell never has
two. Never knows what a shell does, and never starts a process before the last one has ended.
"""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from actors.back_off import BackOff
from actors.messages import ShellHealth, ShellState, decode_health
from actors.peer import Peer, PeerError, PeerTimeoutError
from actors.process import Launcher, PartSpec, Process
from actors.record_clock import JUMP_MS_MAX
from actors.recovery_progress import progress_text, read_progress, take_end
from actors.settings import SupervisorSettings
from engine.common.ids import ShardNo

logger = logging.getLogger("overround.supervisor")

STOP_DEADLINE_S: Final = 10.0
"""Time a shell has to close its journal before it is killed; a kill loses nothing either."""
_CRASHING_RESTARTS: Final = 2
_CANCEL_AGAIN_S: Final = 0.1
_PROGRESS_EVERY_S: Final = 0.5
"""Seconds between two looks at how far a recovery has come."""
_LONGEST_SHARE: Final = 1.5
"""Pauses are spread evenly over 0.5 to 1.5 times those that the settings state."""
_JITTER: Final = 2 / 3
"""The share of the longest pause that jitter may take off: 1.5 * (1 - 2/3) = 0.5."""


class ShellProcess:
    """What the supervisor knows of one shell: what to run, and its process of the moment.

    Parameters
    ----------
    name : str
        The shell's name.
    kind : str
        "market" or "account".
    shard : int
        The account shard's number; 0 for a market shell.
    factory : type
        The shell's class.
    arguments : dict
        What its constructor is given besides `quarantine`.
    progress_path : Path
        The file by which its recovery shows that it moves.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: str,
        shard: ShardNo,
        factory: type,
        arguments: dict[str, Any],
        progress_path: Path,
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
        self.ended_seq = 0
        """The last record of a journal that was closed in order, else 0."""
        self.quarantine = ""
        """Why the next process must not open its journal; set when the budget is spent."""
        self.progress_path = progress_path
        self.served_s = 0.0
        """How long the shell's processes have answered, without starts and pauses."""
        self.restarts: deque[float] = deque()
        """When processes went down in the present window, as `served_s` of then."""
        self.suspected = asyncio.Event()
        self.answering = asyncio.Event()
        """Set while a process answers for the shell, which serves or is quarantined."""
        self.crashing = asyncio.Event()
        """Set while none answers and the last two or more of the window have failed."""

    async def answers_or_crashes(self) -> None:
        """Return when a process answers, or when more than one has failed: nobody waits longer."""
        events = (self.answering, self.crashing)
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    @property
    def peer(self) -> Peer:
        """How to call the shell in its present process."""
        assert self.process is not None
        return self.process.peer


class ProcessKeeper:
    """Keep one process running for each shell.

    Parameters
    ----------
    launcher : Launcher
        Starts processes.
    settings : SupervisorSettings
        Ticks, deadlines, back-off, budget.
    recoveries_max : int
        Shells that may be between start and first answer at once.
    begin_process : callable
        Returns the generation of a shell's next process, durably.
    on_up : callable
        Awaited when a process answers, before the shell is called SERVING.
    on_change : callable
        Called after every change of a shell's state.
    clock : callable
        Monotonic seconds.
    rng : random.Random
        Jitter.
    running : mapping
        Generations and processes that an earlier keeper left; a shell takes over its own.
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
        self._back_off = BackOff(
            settings.backoff_min_ms / 1_000 * _LONGEST_SHARE,
            settings.backoff_max_ms / 1_000 * _LONGEST_SHARE,
            jitter=_JITTER,
            clock_s=clock,
            uniform=rng.random,
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def keep(self, shell: ShellProcess) -> None:
        """Start a shell, and restart it whenever its process fails, until `end`."""
        self._tasks[shell.name] = asyncio.get_running_loop().create_task(self._keep(shell))

    async def end(self, shell: ShellProcess) -> None:
        """Let a shell close its journal, and return when its process has ended."""
        task = self._tasks.pop(shell.name)
        while not task.done():  # a call that ends just now may lose a cancellation
            task.cancel()
            await asyncio.wait({task}, timeout=_CANCEL_AGAIN_S)
        if shell.process is None:
            return
        # A shell that does not answer leaves its journal open, as after any crash.
        with contextlib.suppress(PeerError):
            shell.ended_seq = await shell.process.peer.ask("stop", timeout_s=STOP_DEADLINE_S)
        await self._reap(shell)
        self._set_state(shell, ShellState.DOWN, why="stopped")

    async def _keep(self, shell: ShellProcess) -> None:
        down_at = self._clock()
        while True:
            try:
                down_at = await self._run_process(shell, down_at=down_at)
            except Exception as error:  # nobody else would ever start this shell again
                logger.exception("%s: keeping its process failed; it goes on", shell.name)
                shell.why = f"keeping its process failed: {error!r}"
                shell.restarts.append(shell.served_s)

    async def _run_process(self, shell: ShellProcess, *, down_at: float) -> float:
        """Start a process, monitor it and reap it; return when it went down."""
        await self._reap(shell)  # nothing, unless the last round failed before its end
        await asyncio.sleep(self._pause_s(shell))
        if await self._start(shell, down_at=down_at):
            began = self._clock()
            await self._monitor(shell)
            shell.served_s += self._clock() - began
        down_at = self._clock()
        if ended := take_end(shell.progress_path):
            shell.why = f"{shell.why}: {ended}"
        logger.warning("%s: %s; it is started again", shell.name, shell.why)
        self._set_state(shell, ShellState.DOWN, why=shell.why)
        await self._reap(shell)
        shell.restarts.append(shell.served_s)
        if len(shell.restarts) >= _CRASHING_RESTARTS:
            shell.crashing.set()
        return down_at

    def _pause_s(self, shell: ShellProcess) -> float:
        """Return the pause before the next start; a spent budget quarantines the shell.

        The first restart in a window is immediate; the pause before each later one doubles. The
        window is one of service, so failed starts count however long each of them took.
        """
        window_s = self._settings.restart_window_ms / 1_000
        horizon = shell.served_s - window_s
        while shell.restarts and shell.restarts[0] < horizon:
            shell.restarts.popleft()
        restarts = len(shell.restarts)
        if restarts > self._settings.restarts_max and not shell.quarantine:
            shell.quarantine = f"{restarts} restarts in {window_s:g} s of service: {shell.why}"
        return self._back_off.delay_s(restarts - 1) if restarts > 1 else 0.0

    async def _start(self, shell: ShellProcess, *, down_at: float) -> bool:
        """Take over or start a process and wait for its first answer; False when none came."""
        deadline_s = self._settings.start_deadline_ms / 1_000
        async with self._recoveries:
            try:
                began = self._take_over(shell) or await self._begin(shell)
                shell.generation, shell.process = began
                answer = await self._first_answer(shell, shell.process)
                shell.health = decode_health(answer)
                shell.process.attach(shell.health.pid)
                shell.why = shell.health.why
                # Nobody is notified of this state before `on_up` has fitted the shell out.
                shell.state = shell.health.state
                # Not `wait_for`, which loses a cancellation that comes as the call ends.
                async with asyncio.timeout(deadline_s):
                    await shell.process.open_road()
                    await self._on_up(shell)
            except Exception as error:  # the next start may succeed, whatever this one failed of
                shell.why = f"start failed: {error!r}"
                return False
        if shell.restarts:
            shell.outage_ms = (self._clock() - down_at) * 1_000
        self._set_state(shell, shell.health.state, why=shell.health.why)
        return True

    async def _first_answer(self, shell: ShellProcess, process: Process) -> bytes:
        """Return the answer to the first tick, however long the start takes, while it moves.

        Raises
        ------
        PeerTimeoutError
            When the shell stood still for `start_deadline_ms`, or when a process that ran
            before showed no sign of life within its tick deadlines.
        """
        settings = self._settings
        deadline_s = settings.start_deadline_ms / 1_000
        if process.start_ticks:
            deadline_s = settings.tick_deadline_ms / 1_000 * process.start_ticks
        answer = asyncio.ensure_future(process.peer.ask("tick"))
        seen, moved_at = read_progress(shell.progress_path), self._clock()
        try:
            while True:
                left_s = moved_at + deadline_s - self._clock()
                if left_s <= 0:
                    raise PeerTimeoutError(
                        f"no record recovered, no kernel compiled, no answer for {deadline_s:g} s"
                    )
                await asyncio.wait((answer,), timeout=min(left_s, _PROGRESS_EVERY_S))
                if answer.done():
                    data: bytes = answer.result()
                    return data
                progress = read_progress(shell.progress_path)
                if progress != seen:
                    seen, moved_at = progress, self._clock()
                    deadline_s = settings.start_deadline_ms / 1_000
                    why = progress_text(progress)
                    if shell.state is ShellState.STARTING:
                        shell.why = why
                    else:
                        self._set_state(shell, ShellState.STARTING, why=why)
        finally:
            answer.cancel()

    def _take_over(self, shell: ShellProcess) -> tuple[int, Process] | None:
        return self._running.pop(shell.name, None)

    async def _begin(self, shell: ShellProcess) -> tuple[int, Process]:
        take_end(shell.progress_path)  # what an earlier supervisor left
        generation = self._begin_process(shell.name)
        # Bet ids hold the epoch; a journal that lost records must not begin an epoch twice.
        epoch_min = {"epoch_min": generation} if shell.kind == "account" else {}
        spec = PartSpec(
            name=shell.name,
            generation=generation,
            factory=shell.factory,
            arguments={**shell.arguments, "quarantine": shell.quarantine, **epoch_min},
        )
        return generation, await self._launcher.begin(spec)

    async def _monitor(self, shell: ShellProcess) -> None:
        """Tick the process until it ends, freezes or fails; put the reason into `shell.why`."""
        assert shell.process is not None
        process = shell.process
        deadline_s = self._settings.tick_deadline_ms / 1_000
        gone = asyncio.ensure_future(process.wait_gone())
        try:
            while True:
                tick = asyncio.ensure_future(process.peer.ask("tick", timeout_s=deadline_s))
                await asyncio.wait((gone, tick), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    tick.cancel()
                    shell.why = "its process is gone"
                    return
                health = decode_health(tick.result())
                before, shell.health = shell.health, health
                if health.state is not shell.state:
                    self._set_state(shell, health.state, why=health.why)
                elif before is None or clock_trouble(before) != clock_trouble(health):
                    self._on_change(shell)
                await self._wait_for_tick(shell, gone)
        except PeerTimeoutError:
            shell.why = f"frozen: a tick went unanswered for {self._settings.tick_deadline_ms} ms"
        except Exception as error:  # a shell that fails its tick is replaced
            shell.why = f"its tick failed: {error!r}"
        finally:
            gone.cancel()

    async def _wait_for_tick(self, shell: ShellProcess, gone: "asyncio.Future[None]") -> None:
        """Return when the next tick is due, a caller suspects the shell, or its process ends."""
        suspected = asyncio.ensure_future(shell.suspected.wait())
        await asyncio.wait(
            (gone, suspected),
            timeout=self._settings.tick_ms / 1_000,
            return_when=asyncio.FIRST_COMPLETED,
        )
        suspected.cancel()
        shell.suspected.clear()

    async def _reap(self, shell: ShellProcess) -> None:
        """Kill the process, if there is one, and return when it has ended."""
        if shell.process is not None:
            shell.process.kill()
            await shell.process.wait_gone()
            shell.process = None

    def _set_state(self, shell: ShellProcess, state: ShellState, *, why: str) -> None:
        shell.state = state
        shell.why = why
        if state in (ShellState.SERVING, ShellState.QUARANTINED):
            shell.answering.set()
            shell.crashing.clear()
        else:
            shell.answering.clear()
        self._on_change(shell)


def clock_trouble(health: ShellHealth | None) -> tuple[int, bool]:
    """Return a shell's jumps of its clock, and whether its records are ahead of its clock."""
    if health is None:
        return 0, False
    return health.clock_jumps, health.clock_behind_ms > JUMP_MS_MAX
