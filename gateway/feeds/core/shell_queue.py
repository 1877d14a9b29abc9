"""The way from a desk to each market shell: one call at a time, in order, until it is answered.

Owns the queues and what is sent again. Never decides what a market is told, and never drops an
errand that a shell has not answered: a shell that is down is asked again when it is back, and a
message that it had obeyed all the same changes nothing the second time.

While a call is out the next one gathers, so calls grow by themselves under load and a lone errand
is not held back. Between calls to one shell a pace is kept, as each costs both processes more than
many errands do; what stops betting does not wait for it.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from actors.messages import ShellState, decode_market_events, encode
from actors.peer import PeerError
from actors.routes import Routes
from engine.common.commands import CloseMarket, FeedStep, HandOverMarket, SetStatus, SuspendMarket
from engine.common.events import FeedApplied, MarketEvent, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.pricing.following import Follow, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import Skew

logger = logging.getLogger("overround.feeds")

_AGAIN_FIRST_S: Final = 0.02
_AGAIN_LAST_S: Final = 1.0


class Work:
    """One message on its way: how many of its parts are still out, and what became of them."""

    __slots__ = ("_on_done", "began_s", "failed", "kind", "left", "parts", "refused", "why")

    def __init__(
        self, *, kind: str, refused: str, began_s: float, on_done: Callable[["Work"], None]
    ) -> None:
        self.kind = kind
        self.refused = refused
        self.began_s = began_s
        self.parts = 0
        self.left = 1  # the hand that deals the parts out
        self.failed = 0
        self.why = ""
        self._on_done = on_done

    def add_part(self) -> None:
        """Count one more part that has to be answered."""
        self.parts += 1
        self.left += 1

    def part_done(self, why: str = "") -> None:
        """Take the answer of a part; `why` says that nobody could obey it."""
        if why:
            self.failed += 1
            self.why = self.why or why
        self.left -= 1
        if self.left == 0:
            self._on_done(self)

    def parts_added(self) -> None:
        """Say that all parts are dealt out."""
        self.left -= 1
        if self.left == 0:
            self._on_done(self)

    @property
    def done(self) -> bool:
        """Say whether every part is answered."""
        return self.left == 0

    @property
    def verdict(self) -> str:
        """Why the message meant nothing; empty when any part of it did."""
        if self.refused or not self.parts or self.failed < self.parts:
            return self.refused
        return self.why


class Task(msgspec.Struct, frozen=True):
    """A part of a message, for one shell: what to follow, or what to price anew."""

    work: Work
    asked: Followed | Reprice

    @property
    def urgent(self) -> bool:
        """Whether it stops betting, which no pace may put off."""
        if isinstance(self.asked, Reprice):
            return bool(self.asked.suspend)
        return any(map(_stops, self.asked.steps))


def _stops(step: FeedStep) -> bool:
    if isinstance(step, SetStatus):
        return step.status is not Status.ACTIVE
    return isinstance(step, SuspendMarket | HandOverMarket | CloseMarket)


class ShellQueueStats:
    """What all lanes of a desk did."""

    def __init__(self) -> None:
        self.calls = 0
        self.calls_again = 0
        self.updates = 0
        self.applied = 0
        self.refused: dict[str, int] = {}
        """Refusals by reason, of whole messages and of their steps."""

    def count(self, events: Sequence[MarketEvent]) -> None:
        """Count what markets answered."""
        for event in events:
            if isinstance(event, FeedApplied):
                self.applied += 1
                self.count([step for step in event.events if isinstance(step, Refused)])
            elif isinstance(event, Refused):
                name = event.reason.name.lower()
                self.refused[name] = self.refused.get(name, 0) + 1


class ShellQueue:
    """One shell's errands, in order.

    Parameters
    ----------
    shell : str
        The shell's name.
    lanes : Lanes
        What all lanes of the desk share.
    """

    def __init__(self, shell: str, queues: "ShellQueues") -> None:
        self.shell = shell
        self.waiting: deque[Task] = deque()
        self.news = asyncio.Event()
        self._urgent = asyncio.Event()
        self._queues = queues
        self._running: asyncio.Task[None] | None = None

    def add(self, task: Task) -> None:
        """Queue an errand; the call that carries it starts at once when none is out."""
        self.waiting.append(task)
        if task.urgent:
            self._urgent.set()
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Leave the errands where they are."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        loop, pace_s = asyncio.get_running_loop(), self._queues.pace_s
        try:
            while self.waiting:
                next_s = loop.time() + pace_s
                for why in await self._send(self._batch()):
                    self.waiting.popleft().work.part_done(why)
                self._queues.on_room()
                if self._urgent.is_set() and not any(one.urgent for one in self.waiting):
                    self._urgent.clear()
                if self.waiting and loop.time() < next_s:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._urgent.wait(), next_s - loop.time())
        finally:
            self._running = None

    def _batch(self) -> list[Task]:
        """Return what one call takes: a run of updates, or one repricing."""
        batch: list[Task] = []
        for task in self.waiting:
            if isinstance(task.asked, Reprice):
                return batch or [task]
            batch.append(task)
            if len(batch) == self._queues.updates_in_call_max:
                break
        return batch

    async def _send(self, batch: Sequence[Task]) -> list[str]:
        """Have a batch answered, however often it takes; return for each why nobody obeyed it."""
        asked = batch[0].asked
        if isinstance(asked, Reprice):
            method, payload = "reprice", encode(asked)
        else:
            method, payload = "follow", self._queues.payload(batch)
        again_s = _AGAIN_FIRST_S
        while True:
            try:
                events = await self._call(method, payload)
            except PeerError:
                self._queues.suspect(self.shell)
            except Exception:
                # The shell would not even read it: one errand must not hold up the others.
                if len(batch) == 1:
                    logger.exception("%s cannot take what the feed says", self.shell)
                    return ["a defect: the shell could not read it"]
                return [why for task in batch for why in await self._send([task])]
            else:
                if not any(_for_later(event) for event in events):
                    if len(batch) > 1 and _no_room(events):
                        half = len(batch) // 2
                        return [*await self._send(batch[:half]), *await self._send(batch[half:])]
                    self._queues.stats.count(events)
                    why = _nobody(events)
                    if why:
                        self._queues.missed(self.shell)
                    return [why or _no_room(events)] * len(batch)
            self._queues.stats.calls_again += 1
            await self._wait(again_s)
            again_s = min(again_s * 2, _AGAIN_LAST_S)

    async def _call(self, method: str, payload: bytes) -> list[MarketEvent]:
        peer = self._queues.routes.peer(self.shell)
        if peer is None:
            raise PeerError(f"{self.shell} is down")
        stats = self._queues.stats
        stats.calls += 1
        return decode_market_events(
            await peer.ask(method, payload, timeout_s=self._queues.timeout_s)
        )

    async def _wait(self, seconds: float) -> None:
        """Wait a moment; news of the shell ends it."""
        self.news.clear()
        try:
            await asyncio.wait_for(self.news.wait(), seconds)
        except TimeoutError:
            return


class ShellQueues:
    """The lanes of a desk to all shells.

    Parameters
    ----------
    by : str
        As whom journals name the feed.
    routes : Routes
        Where the shells are.
    margin, lean
        What the feed's odds hold above fair, and how they follow the book.
    updates_in_call_max : int
        Parts of messages one call carries.
    lane_updates_max : int
        Parts that may wait for one shell before `full`.
    pace_s : float
        Shortest time between two calls to one shell; a lone errand never waits for it.
    timeout_s : float
        How long a call may take before it is made again.
    suspect : callable
        Told of a shell that did not answer.
    on_room : callable
        Called whenever errands were answered.
    on_missed : callable
        Called when a shell serves again that had missed something.
    """

    def __init__(
        self,
        *,
        by: str,
        routes: Routes,
        margin: Margin,
        skew: Skew | None,
        updates_in_call_max: int,
        queue_updates_max: int,
        pace_s: float,
        timeout_s: float,
        suspect: Callable[[str], None],
        on_room: Callable[[], None],
        on_missed: Callable[[], None],
    ) -> None:
        self.by: Final = by
        self.routes: Final = routes
        self.margin: Final = margin
        self.skew: Final = skew
        self.updates_in_call_max: Final = updates_in_call_max
        self.pace_s: Final = pace_s
        self.timeout_s: Final = timeout_s
        self.suspect: Final = suspect
        self.on_room: Final = on_room
        self.stats: Final = ShellQueueStats()
        self._queue_updates_max: Final = queue_updates_max
        self._on_missed: Final = on_missed
        self._queues: dict[str, ShellQueue] = {}
        self._missed: dict[str, None] = {}

    def add(self, shell: str, task: Task) -> None:
        """Queue an errand for a shell."""
        queue = self._queues.get(shell)
        if queue is None:
            queue = self._queues[shell] = ShellQueue(shell, self)
        self.stats.updates += 1
        queue.add(task)

    def payload(self, batch: Sequence[Task]) -> bytes:
        """Return the call that carries these updates."""
        updates = tuple(task.asked for task in batch if isinstance(task.asked, Followed))
        return encode(Follow(by=self.by, updates=updates, margin=self.margin, skew=self.skew))

    @property
    def full(self) -> bool:
        """Say whether any shell has as much waiting for it as may wait."""
        return any(len(queue.waiting) >= self._queue_updates_max for queue in self._queues.values())

    @property
    def waiting(self) -> int:
        """How many parts of messages are not answered yet."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def on_shell(self, shell: str, state: ShellState) -> None:
        """Take news of a shell: what waits for it need not wait any longer."""
        if state is ShellState.SERVING and shell in self._missed:
            del self._missed[shell]
            self._on_missed()
        queue = self._queues.get(shell)
        if queue is not None and state in (ShellState.SERVING, ShellState.QUARANTINED):
            queue.news.set()

    def missed(self, shell: str) -> None:
        """Note that a shell did not hear of something that will not be sent again."""
        self._missed[shell] = None

    def stop(self) -> None:
        """End all calls; what was not answered is for the source to send again."""
        for queue in self._queues.values():
            queue.stop()


def _for_later(event: MarketEvent) -> bool:
    """Say whether a shell could not obey now, and will when there is room again."""
    return isinstance(event, Refused) and event.reason in (Reason.DISK_FULL, Reason.BUSY)


def _nobody(events: Sequence[MarketEvent]) -> str:
    """Return why none of a batch was read at all: its shell is quarantined."""
    first = events[0] if events else None
    if isinstance(first, Refused) and first.reason is Reason.QUARANTINED:
        return first.message
    return ""


def _no_room(events: Sequence[MarketEvent]) -> str:
    """Return why nothing of a batch was obeyed: it is more than a record or a market may hold."""
    why = ""
    for event in events:
        if not isinstance(event, Refused) or event.reason is not Reason.CAPACITY:
            return ""
        why = why or event.message
    return why
