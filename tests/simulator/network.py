"""The calls between parts: every one is delayed, and can be lost, doubled or answered in vain.

Owns the peers that parts receive of one another, and what becomes of each call. A call that was
sent arrives, whatever becomes of its sender. Two calls may overtake one another: no order between
calls is promised to callers. Never knows what a call means.
"""

import asyncio
import zlib
from typing import Any

from actors.peer import PeerDiedError, PeerTimeoutError
from tests.simulator.disk import ProcessEndedError
from tests.simulator.event_loop import Part, SimulatedLoop
from tests.simulator.sockets import WORLD

_SLOW_IN_1024 = 24
"""How many calls in 1,024 take long: up to `_SLOWEST_S` instead of up to 2 ms."""
_SLOWEST_S = 0.06
_BROKEN_S = 0.05
"""After how long a caller without a timeout learns that its call was lost."""


class CallFault:
    """What the network does to the next calls of one method of one part.

    `kind` is "lose call", "lose answer", "double" or "delay"; the second call of a doubled one and
    a delayed one arrive `after_s` later.
    """

    def __init__(self, kind: str, *, count: int, after_s: float) -> None:
        self.kind = kind
        self.count = count
        self.after_s = after_s


class Callee:
    """A process that can be called: its part, and its target once it has been constructed."""

    def __init__(self, name: str, part: Part) -> None:
        self.name = name
        self.part = part
        self.target: Any = None
        self.salt = zlib.crc32(name.encode())
        self.calls: dict[asyncio.Future[Any], None] = {}
        """Futures of the callers that wait for an answer."""
        self.waiting: list[tuple[Any, ...]] = []
        """Calls that came before the target was constructed."""

    @property
    def ended(self) -> bool:
        return self.part.ended

    def end(self) -> None:
        """End the process: its code never runs again, and its callers learn of it."""
        self.part.end()
        calls, self.calls = self.calls, {}
        for future in calls:
            if not future.done():
                future.get_loop().call_later(0.001, _break, future, self.name, context=WORLD)


class Network:
    """Every call of a simulated world.

    With `rough`, wires of the road break for no reason: not in a story without faults, whose
    clients are promised more.
    """

    def __init__(self, loop: SimulatedLoop, *, rough: bool = True) -> None:
        self.loop = loop
        self.faults: dict[tuple[str, str], list[CallFault]] = {}
        self.jitter = True
        self.rough = rough
        self.calls = 0
        self.faulty = 0
        """Calls that met a fault."""

    def heal(self) -> None:
        self.faults.clear()
        self.rough = False

    def add_fault(self, callee: str, method: str, fault: CallFault) -> None:
        self.faults.setdefault((callee, method), []).append(fault)

    def delay_s(self, salt: int) -> float:
        """Return a delay that depends only on the time and the link.

        A history from which steps have been removed keeps the delays of those that are left.
        """
        if not self.jitter:
            return 0.001
        mixed = self._mixed(salt)
        share = (mixed & 0xFFFF) / 65_536
        slow = (mixed >> 16 & 1_023) < _SLOW_IN_1024
        return 0.0001 + share * (_SLOWEST_S if slow else 0.002)

    def chance(self, salt: int) -> int:
        """Return a number below 1,024 that depends only on the time and the link."""
        return self._mixed(salt) >> 16 & 1_023 if self.jitter else 1_023

    def _mixed(self, salt: int) -> int:
        mixed = (int(self.loop.time() * 1e6) + salt) * 0x9E3779B1 & 0xFFFFFFFF
        mixed = ((mixed ^ mixed >> 15) * 0x85EBCA6B) & 0xFFFFFFFF
        return mixed ^ mixed >> 13

    def send(
        self, callee: Callee, method: str, args: tuple[Any, ...], future: Any, *, timed: bool = True
    ) -> None:
        """Send a call; `future` receives its answer, or None stands for a notification."""
        self.calls += 1
        fault = self.take_fault(callee.name, method)
        loop = self.loop
        if callee.ended:
            if future is not None:
                loop.call_later(0.001, _break, future, callee.name, context=WORLD)
            return
        delay_s = self.delay_s(callee.salt)
        if future is not None:
            callee.calls[future] = None
        if fault is not None:
            if fault.kind == "lose call":
                if future is not None and not timed:
                    loop.call_later(_BROKEN_S, _break, future, callee.name, context=WORLD)
                return
            if fault.kind == "lose answer":
                if future is not None and not timed:
                    loop.call_later(_BROKEN_S, _break, future, callee.name, context=WORLD)
                future = None
            elif fault.kind == "double":
                self.call_again(callee, method, args, after_s=fault.after_s)
            else:
                delay_s += fault.after_s
        self._arrive_in(delay_s, callee, method, args, future)

    def _arrive_in(self, delay_s: float, callee: Callee, method: str, args: Any, to: Any) -> None:
        call = (callee, method, args, to)
        self.loop.call_later(delay_s, self.run, *call, context=callee.part.context)

    def call_again(self, callee: Callee, method: str, args: Any, *, after_s: float) -> None:
        """Have a call arrive a second time; nobody waits for that answer."""
        self._arrive_in(self.delay_s(callee.salt) + after_s, callee, method, args, None)

    def take_fault(self, callee: str, method: str) -> CallFault | None:
        """Return what happens to a call of a method that is made now."""
        faults = self.faults.get((callee, method))
        if not faults:
            return None
        fault = faults[0]
        fault.count -= 1
        if fault.count <= 0:
            faults.pop(0)
        self.faulty += 1
        return fault

    def run(self, callee: Callee, method: str, args: tuple[Any, ...], future: Any) -> None:
        """Run a call in the callee's part, to which this code already belongs."""
        if callee.target is None:
            callee.waiting.append((method, args, future))
            return
        try:
            answer = getattr(callee.target, method)(*args)
        except ProcessEndedError:
            callee.target.end_process()
            return
        except Exception as error:
            self._answer(callee, future, None, error)
            return
        if asyncio.iscoroutine(answer):
            task = self.loop.create_task(answer)
            task.add_done_callback(lambda done: self._ran(callee, future, done))
        else:
            self._answer(callee, future, answer, None)

    def _ran(self, callee: Callee, future: Any, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self._answer(callee, future, None, PeerDiedError(f"{callee.name}: cancelled"))
            return
        error = task.exception()
        if isinstance(error, ProcessEndedError):
            return
        self._answer(callee, future, None if error else task.result(), error)

    def _answer(self, callee: Callee, future: Any, answer: Any, error: Any) -> None:
        if future is not None:
            callee.calls.pop(future, None)
            delay_s = self.delay_s(callee.salt ^ 0x5555)
            self.loop.call_later(delay_s, _resolve, future, answer, error, context=WORLD)


def _resolve(future: Any, answer: Any, error: Any) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)


def _break(future: Any, name: str) -> None:
    if not future.done():
        future.set_exception(PeerDiedError(f"{name}: the process has ended"))


def _time_out(future: Any, what: str) -> None:
    if not future.done():
        future.set_exception(PeerTimeoutError(f"{what}: no answer in time"))


class SimulatedPeer:
    """How one part calls another process through the network."""

    def __init__(self, network: Network, callee: Callee) -> None:
        self.name = callee.name
        self.callee = callee
        self._network = network

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        loop = self._network.loop
        future = loop.create_future()
        self._network.send(self.callee, method, args, future, timed=timeout_s is not None)
        if timeout_s is None:
            return await future
        timer = loop.call_later(timeout_s, _time_out, future, f"{self.name}.{method}")
        try:
            return await future
        finally:
            timer.cancel()
            if future.cancelled():
                self.callee.calls.pop(future, None)

    def notify(self, method: str, /, *args: Any) -> None:
        self._network.send(self.callee, method, args, None)
