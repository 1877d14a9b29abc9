"""An event loop in virtual time whose callbacks belong to parts that can be frozen and killed.

Owns time and the fate of each callback: a callback of a killed part never runs again, one of a
frozen part runs when the part is thawed. A part is whatever stands for one operating-system
process. Never reads a socket: clients connect to the loop's own ports (see `sockets`).
"""

import asyncio
import contextvars
import heapq
import selectors
import socket
import warnings
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from tests.simulator.sockets import VirtualServer

T = TypeVar("T")

PART: contextvars.ContextVar["Part | None"] = contextvars.ContextVar("part", default=None)
"""The part to which the running code belongs; None for the world and its network."""


class Part:
    """What stands for one process: everything it schedules runs, waits or is dropped with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.frozen = False
        self.ended = False
        self.held: list[asyncio.Handle] = []
        self.context = contextvars.copy_context()
        self.context.run(PART.set, self)

        self.road: Any = None
        """Its end of the road, once it has joined one."""
        self.end_process: Callable[[], None] = self.end
        """Ends the process whose part this is, from within."""

    def end(self) -> None:
        """Never run this part's code again."""
        self.ended = True
        self.held.clear()

    def thaw(self, loop: "SimulatedLoop") -> None:
        """Run what waited, in order, and whatever comes."""
        if self.frozen and not self.ended:
            self.frozen = False
            held, self.held = self.held, []
            loop.run_soon(held)


class UnixName(NamedTuple):
    """A name on which a part listens, until it ends."""

    factory: Callable[[], Any]
    part: Part


class _Handle(asyncio.Handle):
    """A callback that asks its part whether it may run."""

    def _run(self) -> None:
        part = self._context.get(PART)
        if part is None or not (part.frozen or part.ended):
            super()._run()
        elif part.frozen and not part.ended:
            part.held.append(self)


class _TimerHandle(asyncio.TimerHandle):
    """The same for a timer; of two timers of one time the one set first runs first."""

    __slots__ = ("number",)

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.number) < (other._when, other.number)

    def _run(self) -> None:
        part = self._context.get(PART)
        if part is None or not (part.frozen or part.ended):
            super()._run()
        elif part.frozen and not part.ended:
            part.held.append(self)


class _Selector(selectors.SelectSelector):
    """Instead of waiting for a timeout, moves the loop's clock to where it ends."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing is due any more: the world waits for ever"
        self.now_s += timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop; `time` is virtual and passes only when there is nothing left to do."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        self.ports: dict[int, VirtualServer] = {}
        self.listening: list[socket.socket] = []
        self.unix_names: dict[str, UnixName] = {}
        self.closing = False
        self._timers = 0
        super().__init__(self._virtual)
        self.set_exception_handler(self._on_defect)
        self.defects: list[str] = []

    def time(self) -> float:
        return self._virtual.now_s

    def call_soon(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        handle = _Handle(callback, args, self, context)
        if not self.closing:
            self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        timer = _TimerHandle(when, callback, args, self, context)
        timer.number = self._timers
        self._timers += 1
        if not self.closing:
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True
        return timer

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Run callbacks that a frozen part had held; cancelled ones are skipped, as always."""
        self._ready.extend(handle for handle in handles if not handle.cancelled())

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Return the address as it is given; no thread looks it up."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port))]

    async def create_unix_server(self, protocol_factory: Any, path: Any = None, **_: Any) -> Any:
        """Let the running part listen on a name that only `road` looks up."""
        part = PART.get()
        assert part is not None
        self.unix_names[path] = name = UnixName(protocol_factory, part)
        return name

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        """Keep a listening socket until the end; nobody ever connects to it."""
        self.listening.append(fd)

    def remove_reader(self, fd: Any) -> bool:
        return True

    def _on_defect(self, loop: Any, context: dict[str, Any]) -> None:
        """Note an exception that no code took; what waits in an ended part never ends."""
        text = context.get("message", "")
        if "it is pending" not in text and not text.startswith("Future exception"):
            self.defects.append(f"{text}: {context.get('exception')!r}")


def run_simulated(main: Callable[[SimulatedLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a new loop; whatever is left unfinished is dropped at its end."""
    loop = SimulatedLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main(loop))
    finally:
        loop.closing = True  # code that closes now schedules nothing
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # calls that were never begun
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False
                task.get_coro().close()
        loop._ready.clear()
        loop._scheduled.clear()
        for listening in loop.listening:
            listening.close()
        asyncio.set_event_loop(None)
        loop.close()
