"""Keep the parts that hold nothing durable running: supervisor, reconciler, pipelines, gateways.

Owns their processes: starts them, asks each in turn whether it answers, kills one that does not,
and starts it again. Never restarts a shell, which the supervisor does.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from actors.back_off import BackOff
from actors.cluster import RayLauncher
from actors.peer import LocalPeer, Peer, PeerDiedError, PeerError, PeerTimeoutError
from actors.process import Launcher, PartSpec
from actors.ray_process import RayProcess

_RESTART_AFTER_S: Final = 0.25
_ASK_EVERY_S: Final = 0.5
_BEGIN_S: Final = 120.0
"""How long a part's process may take to begin before it is given up."""
_START_SHARE: Final = 4
"""While a part starts it may leave a question unanswered for so many deadlines: it loads code."""

logger = logging.getLogger("overround.system")


class Part:
    """A part to keep running: its class, its arguments, and what follows a start."""

    def __init__(
        self,
        name: str,
        factory: type,
        arguments: Callable[[], dict[str, Any]],
        on_up: Callable[[Peer], Awaitable[None]],
    ) -> None:
        self.name = name
        self.factory = factory
        self.arguments = arguments
        self.on_up = on_up
        self.peer: Peer | None = None
        self.process: RayProcess | None = None


class PartKeeper:
    """Keep parts running on Ray, or run them in this process.

    Parameters
    ----------
    launcher : Launcher
        Starts processes; with any other than Ray's, parts run in this process and never end.
    deadline_ms : int
        A part that leaves a question unanswered for so long is frozen.
    on_change : callable
        Called with the parts that are down, and why, whenever that has changed.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        deadline_ms: int,
        on_change: Callable[[dict[str, str]], None],
    ) -> None:
        self.parts: list[Part] = []
        self.down: dict[str, str] = {}
        """Why a part that does not run at this moment was given up, by its name."""
        self._launcher = launcher
        self._deadline_s = deadline_ms / 1_000
        self._on_change = on_change
        self._tasks: list[asyncio.Task[None]] = []

    async def keep(self, part: Part) -> None:
        """Start a part; on Ray, replace it whenever its process ends or freezes."""
        self.parts.append(part)
        await self._start(part)
        if part.process is not None:
            self._tasks.append(asyncio.create_task(self._watch_always(part)))

    def end(self) -> None:
        """Replace no part any more; their processes run on."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def kill(self) -> None:
        """Kill the process of every part; call `end` first."""
        for part in self.parts:
            if part.process is not None:
                part.process.kill()

    async def _start(self, part: Part) -> None:
        if not isinstance(self._launcher, RayLauncher):
            part.peer = LocalPeer(part.factory(**part.arguments()), name=part.name)
            await part.on_up(part.peer)
            return
        # A time as generation makes the actor's name new: Ray may still hold the last one.
        spec = PartSpec(
            name=part.name,
            generation=time.time_ns(),
            factory=part.factory,
            arguments=part.arguments(),
        )
        part.process = process = await self._launcher.begin(spec)
        try:
            async with asyncio.timeout(_BEGIN_S):
                await process.identify()
        except TimeoutError as error:
            raise PeerTimeoutError(f"{part.name}: no process within {_BEGIN_S:g} s") from error
        part.peer = process.peer

        async def complete() -> None:
            await part.on_up(process.peer)
            await process.freeze_heap()

        await self._unless_it_fails(process, complete())

    async def _unless_it_fails(self, process: RayProcess, started: Awaitable[None]) -> None:
        """Await the end of a start, or raise PeerDiedError when the process fails before."""
        start = asyncio.ensure_future(started)
        failed = asyncio.ensure_future(self._failure(process, self._deadline_s * _START_SHARE))
        try:
            await asyncio.wait((start, failed), return_when=asyncio.FIRST_COMPLETED)
            if not start.done():
                raise PeerDiedError(failed.result())
            start.result()
        finally:
            start.cancel()
            failed.cancel()

    async def _watch_always(self, part: Part) -> None:
        back_off = BackOff(_RESTART_AFTER_S, _RESTART_AFTER_S, clock_s=time.monotonic)
        while True:
            try:
                await self._watch(part, back_off)
            except Exception as error:  # nobody else would ever start this part again
                logger.exception("%s: watching it failed; it goes on", part.name)
                self.down.setdefault(part.name, f"watching it failed: {error!r}")
                back_off.failed()
                await back_off.wait()

    async def _watch(self, part: Part, back_off: BackOff) -> None:
        """Start a part again when it has failed; it held nothing that the disk does not."""
        if part.name not in self.down:
            assert part.process is not None
            why = await self._failure(part.process, self._deadline_s)
            logger.warning("%s: %s; it is started again", part.name, why)
            self._note(part, why)
        while part.name in self.down:
            if part.process is not None:
                part.process.kill()
                await part.process.wait_gone()
            back_off.failed()
            await back_off.wait()
            try:
                await self._start(part)
            except Exception as error:
                logger.warning("%s: did not start: %s", part.name, error)
                self._note(part, f"did not start: {error}")
            else:
                back_off.succeeded()
                logger.warning("%s: runs again", part.name)
                self._note(part, "")

    async def _failure(self, process: RayProcess, deadline_s: float) -> str:
        """Return, once the process ends or leaves a question unanswered, which of both it was."""
        gone = asyncio.ensure_future(process.wait_gone())
        try:
            while not gone.done():
                question = asyncio.ensure_future(process.ping(timeout_s=deadline_s))
                await asyncio.wait((gone, question), return_when=asyncio.FIRST_COMPLETED)
                if not gone.done():
                    try:
                        question.result()
                    except PeerTimeoutError:
                        return f"frozen: no answer for {deadline_s:g} s"
                    except PeerError as error:  # it ends; its pidfd says when
                        logger.debug("%s", error)
                question.cancel()
                await asyncio.wait((gone,), timeout=_ASK_EVERY_S)
            return "its process is gone"
        finally:
            gone.cancel()

    def _note(self, part: Part, why: str) -> None:
        if why:
            self.down[part.name] = why
        else:
            self.down.pop(part.name, None)
        self._on_change(dict(self.down))
