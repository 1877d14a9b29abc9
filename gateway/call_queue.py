"""Queue items for one target and carry them in calls: bounded, paced and retried.

Owns when a call to one target starts: never more calls at a time than a bound, not before a pace
since the last start is over, and after a failed call not before a back-off is over. It never looks
into an item, never drops one, and makes no call by itself: its owner's `start` does. `waiting` has
no bound here; each owner states the bound of what it adds.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Generic, Self, TypeVar

from actors.back_off import BackOff

logger = logging.getLogger("overround.gateway")

T = TypeVar("T")

TIMER_EARLY_S: Final = 0.0005
"""By how much a timer of an event loop may fire early: uvloop counts whole milliseconds."""


class CallQueue(Generic[T]):
    """What waits for one target, and the calls that carry it.

    Parameters
    ----------
    name : str
        The target, for the owner and for logs.
    start : callable
        Takes from `waiting` what one call carries and returns the call's coroutine, or None when
        there is nothing to send or no target now; the queue looks again at the next `add`, `wake`
        or timer. The coroutine returns True once its items are dealt with: the queue looks again at
        once. It returns False when the call failed and `waiting` holds its items again: the queue
        looks again after the back-off. An owner with one call at a time may leave the items in
        `waiting` until they are answered; with more calls it takes them out and uses `put_back`.
    back_off : BackOff
        Delays after failed calls.
    calls_max : int
        Calls in flight at a time.
    pace : callable, optional
        Seconds after the start of the last call before which no other starts. It is asked each time
        the queue looks, and an urgent item in `waiting` overrides it.
    """

    __slots__ = (
        "_back_off",
        "_calls_max",
        "_loop",
        "_pace",
        "_rest_until_s",
        "_start",
        "_started_s",
        "_stopped",
        "_timer",
        "_urgent",
        "_woken",
        "backlog",
        "calls",
        "name",
        "tasks",
        "waiting",
    )

    def __init__(
        self,
        name: str,
        *,
        start: Callable[[Self], Coroutine[Any, Any, bool] | None],
        back_off: BackOff,
        calls_max: int = 1,
        pace: Callable[[Self], float] | None = None,
    ) -> None:
        self.name = name
        self.waiting: deque[T] = deque()
        self.calls = 0
        """Calls in flight."""
        self.backlog = False
        """Whether items were waiting when the last successful call ended."""
        self.tasks: set[asyncio.Task[None]] = set()
        """The tasks of the calls in flight."""
        self._start = start
        self._back_off = back_off
        self._calls_max = calls_max
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._started_s = float("-inf")
        self._rest_until_s = float("-inf")
        self._urgent: T | None = None
        self._woken = False
        self._stopped = False

    def add(self, item: T, *, urgent: bool = False) -> None:
        """Queue an item; an urgent one, with all before it, does not wait for the pace."""
        self.waiting.append(item)
        if urgent:
            self._urgent = item
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self.start_due)

    def put_back(self, items: Iterable[T]) -> None:
        """Return the items of a failed call, in their order, to the head of the queue."""
        self.waiting.extendleft(reversed(list(items)))

    def wake(self) -> None:
        """Look, once, at the end of this turn of the event loop, whether a call can start."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self.start_due)

    def start_due(self: Self) -> None:
        """Start a call if one can start now, else see that the queue checks again in time.

        An owner calls it that has added to `waiting` all that will come in this turn of the loop.
        """
        self._woken = False
        if self._stopped or self.calls >= self._calls_max:
            return  # the end of a call wakes the queue
        now_s = self._loop.time()
        wait_s = self._rest_until_s - now_s
        if self._pace is not None and self._urgent is None:
            wait_s = max(wait_s, self._started_s + self._pace(self) - now_s)
        if wait_s > TIMER_EARLY_S:
            self.wake_in(wait_s)
            return
        call = self._start(self)
        if call is None:
            return
        self._started_s = now_s
        self.calls += 1
        task = self._loop.create_task(self._run(call))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def wake_in(self, delay_s: float) -> None:
        """Look after a delay; of several delays the one that ends first counts."""
        if self._timer is not None:
            if self._timer.when() <= self._loop.time() + delay_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def retry(self) -> None:
        """End the delay after a failed call now: the target is said to be back."""
        self._rest_until_s = float("-inf")
        self.wake()

    def stop(self) -> None:
        """Start no more calls and cancel those in flight; what waits stays in `waiting`."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self.tasks:
            task.cancel()

    def _on_timer(self) -> None:
        self._timer = None
        self.start_due()

    async def _run(self, call: Coroutine[Any, Any, bool]) -> None:
        """Await a call, count it out and wake the queue, which rests first if the call failed."""
        done = False
        try:
            done = await call
        except Exception:  # owners answer their own errors; the queue must go on whatever happens
            logger.exception("%s: a call ended with a defect", self.name)
        finally:
            self.calls -= 1
        if self._urgent is not None and all(item is not self._urgent for item in self.waiting):
            self._urgent = None
        self.backlog = done and len(self.waiting) > 0
        if done:
            self._back_off.succeeded()
            self._rest_until_s = float("-inf")
        else:
            self._rest_until_s = self._loop.time() + self._back_off.failed()
        self.wake()


def pace_of_backlog(
    pace_s: float, *, fills_call: Callable[[CallQueue[Any]], bool] = lambda _: False
) -> Callable[[CallQueue[Any]], float]:
    """Return a pace that only a backlog keeps: an item that finds an idle queue leaves at once.

    A backlog of which `fills_call` says that it fills a call does not wait either: waiting would
    not make the call larger.
    """

    def pace(queue: CallQueue[Any]) -> float:
        return pace_s if queue.backlog and not fills_call(queue) else 0.0

    return pace
