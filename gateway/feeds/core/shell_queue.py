"""Queue parts of messages for market shells and call the shells until each part is answered.

Owns one queue for each shell: one call in flight, in order, repeated with a back-off until the
shell answers. It never decides what a market is sent, and never drops a part that its shell has not
answered: a shell that is down is called again when it is back, and an update that it had obeyed all
the same changes nothing the second time.

Parts gather while a call is in flight, so calls grow with the load and a lone part leaves at once.
A backlog also keeps a pace between calls to one shell, as a call costs both processes more than
many parts do; a part that stops betting does not wait for the pace, nor do as many parts as fill a
call: waiting would not make the call larger.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from actors.back_off import BackOff
from actors.messages import ShellState, decode_market_events, encode
from actors.peer import PeerError
from actors.routes import Routes
from engine.common.events import FeedApplied, FeedRefused, MarketEvent, Refused
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.pricing.following import Follow, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import Skew
from gateway.call_queue import CallQueue, pace_of_backlog
from gateway.feeds.core.bare_stops import bare_stops, stops
from gateway.feeds.core.pending_message import PendingMessage

logger = logging.getLogger("overround.feeds")

_RETRY_FIRST_S: Final = 0.02
_RETRY_LAST_S: Final = 1.0
_REFUSALS: Final = (Refused, FeedRefused)


class Task(msgspec.Struct, frozen=True, gc=False):
    """One part of a message, for one shell: a market's update, or a fixture to price."""

    message: PendingMessage
    update: Followed | Reprice

    @property
    def urgent(self) -> bool:
        """Whether it stops betting, which no pace may delay."""
        return stops(self.update)


class ShellQueueStats:
    """Counts over all queues of a pipeline."""

    def __init__(self) -> None:
        self.calls = 0
        self.retries = 0
        self.updates = 0
        """Parts that were queued."""
        self.applied = 0
        """Updates that a market obeyed."""
        self.refused: dict[str, int] = {}
        """Refusals by reason, of whole updates and of their steps."""

    def count(self, events: Sequence[MarketEvent]) -> None:
        """Count the answers of markets."""
        for event in events:
            if isinstance(event, FeedApplied):
                self.applied += 1
                for step in event.events:
                    if isinstance(step, Refused):
                        self._count_refusal(step.reason)
            elif isinstance(event, _REFUSALS):
                self._count_refusal(event.reason)

    def _count_refusal(self, reason: Reason) -> None:
        name = reason.name.lower()
        self.refused[name] = self.refused.get(name, 0) + 1


class ShellQueues:
    """The queues of one pipeline to all market shells.

    Parameters
    ----------
    by : str
        The feed's name in journals.
    routes : Routes
        Where the shells are.
    margin, skew
        What the feed's odds hold above fair, and how they follow the book.
    updates_in_call_max : int
        Parts of messages that one call carries.
    queue_updates_max : int
        Parts that may wait for one shell before `full`; the pipeline then accepts no message.
    pace_s : float
        Shortest time between the starts of two calls to one shell while parts wait.
    timeout_s : float
        How long a call may take before it is repeated.
    suspect : callable
        Called with the name of a shell that did not answer.
    on_room : callable
        Called whenever parts were answered.
    on_missed : callable
        Called when a shell that missed an update serves again.
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
        self.stats: Final = ShellQueueStats()
        self._by: Final = by
        self._routes: Final = routes
        self._margin: Final = margin
        self._skew: Final = skew
        self._updates_in_call_max: Final = updates_in_call_max
        self._queue_updates_max: Final = queue_updates_max
        self._pace: Final = pace_of_backlog(
            pace_s, fills_call=lambda queue: len(queue.waiting) >= updates_in_call_max
        )
        self._timeout_s: Final = timeout_s
        self._suspect: Final = suspect
        self._on_room: Final = on_room
        self._on_missed: Final = on_missed
        self._queues: dict[str, CallQueue[Task]] = {}
        self._missed: dict[str, None] = {}

    def add(self, shell: str, task: Task) -> None:
        """Queue a part for a shell."""
        queue = self._queues.get(shell)
        if queue is None:
            clock_s = asyncio.get_running_loop().time
            queue = self._queues[shell] = CallQueue(
                shell,
                start=self._start,
                back_off=BackOff(_RETRY_FIRST_S, _RETRY_LAST_S, clock_s=clock_s),
                pace=self._pace,
            )
        self.stats.updates += 1
        queue.add(task, urgent=task.urgent)

    @property
    def full(self) -> bool:
        """Say whether as many parts wait for any shell as may wait."""
        return any(len(queue.waiting) >= self._queue_updates_max for queue in self._queues.values())

    @property
    def waiting(self) -> int:
        """Count of parts that are not answered yet."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def on_shell(self, shell: str, state: ShellState) -> None:
        """Take a shell's new state; one that answers again is called at once."""
        if state is ShellState.SERVING and shell in self._missed:
            del self._missed[shell]
            self._on_missed()
        queue = self._queues.get(shell)
        if queue is not None and state in (ShellState.SERVING, ShellState.QUARANTINED):
            queue.retry()

    def missed(self, shell: str) -> None:
        """Note that a shell missed an update that will not be sent again."""
        self._missed[shell] = None

    def stop(self) -> None:
        """End all calls; the source sends again what was not answered."""
        for queue in self._queues.values():
            queue.stop()

    # --- calls -----------------------------------------------------------------------------------

    def _start(self, queue: CallQueue[Task]) -> Coroutine[Any, Any, bool] | None:
        """Return the next call: a run of updates, or one repricing; tasks wait until answered."""
        batch: list[Task] = []
        for task in queue.waiting:
            if isinstance(task.update, Reprice):
                batch = batch or [task]
                break
            batch.append(task)
            if len(batch) == self._updates_in_call_max:
                break
        return self._send(queue, batch) if batch else None

    async def _send(self, queue: CallQueue[Task], batch: Sequence[Task]) -> bool:
        """Send the first tasks of a queue; return False when some of them must be sent again."""
        try:
            events = await self._call(queue.name, batch)
        except PeerError:
            self._suspect(queue.name)
            self.stats.retries += 1
            return False
        except Exception:  # the shell could not read the call; one task must not stop the others
            if len(batch) == 1:
                logger.exception("%s cannot read a part of a message", queue.name)
                if not await self._send_bare_stops(queue.name, batch[0]):
                    return False
                self._answered(queue, batch, "a defect: the shell could not read it")
                return True
            return await self._send_parts(queue, [[task] for task in batch])
        if any(_try_later(event) for event in events):
            self.stats.retries += 1
            return False
        too_large = _too_large(events)
        if too_large and len(batch) > 1:
            half = len(batch) // 2
            return await self._send_parts(queue, [batch[:half], batch[half:]])
        if any(_no_room(event) for event in events) and any(task.urgent for task in batch):
            if len(batch) > 1:  # which of them had no room
                return await self._send_parts(queue, [[task] for task in batch])
            if not await self._send_bare_stops(queue.name, batch[0]):
                return False
        self.stats.count(events)
        quarantined = _quarantined(events)
        if quarantined:
            self.missed(queue.name)
        self._answered(queue, batch, quarantined or too_large)
        return True

    async def _send_parts(self, queue: CallQueue[Task], batches: Sequence[Sequence[Task]]) -> bool:
        for batch in batches:
            if not await self._send(queue, batch):
                return False
        return True

    async def _send_bare_stops(self, shell: str, task: Task) -> bool:
        """Send the stop of a part that a shell cannot hold; return False when it must be repeated.

        A bound protects the shell and never a market from its stop.
        """
        update, markets = task.update, list[MarketNo]()
        if isinstance(update, Reprice):
            prefix = f"{update.fixture}/"
            markets = [
                MarketNo(route.market_no)
                for route in self._routes.markets.values()
                if route.shell == shell and route.key.startswith(prefix)
            ]
        left = bare_stops(update, markets)
        if left:
            logger.warning("%s has no room for a part of a message; it is sent its stop", shell)
        for stop in left:
            try:
                events = await self._call(shell, [Task(task.message, stop)])
            except PeerError:
                self._suspect(shell)
                self.stats.retries += 1
                return False
            if any(_try_later(event) for event in events):
                self.stats.retries += 1
                return False
        return True

    async def _call(self, shell: str, batch: Sequence[Task]) -> list[MarketEvent]:
        peer = self._routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        first = batch[0].update
        if isinstance(first, Reprice):
            method, payload = "reprice", encode(first)
        else:
            updates = tuple(task.update for task in batch if isinstance(task.update, Followed))
            method, payload = (
                "follow",
                encode(Follow(by=self._by, updates=updates, margin=self._margin, skew=self._skew)),
            )
        self.stats.calls += 1
        return decode_market_events(await peer.ask(method, payload, timeout_s=self._timeout_s))

    def _answered(self, queue: CallQueue[Task], batch: Sequence[Task], why: str) -> None:
        """Take answered tasks from the head of a queue; `why` says why no market obeyed them."""
        for _ in batch:
            queue.waiting.popleft().message.part_done(why)
        self._on_room()


def _try_later(event: MarketEvent) -> bool:
    """Say whether a shell could not obey now, and will when there is room again."""
    return isinstance(event, Refused) and event.reason in (Reason.DISK_FULL, Reason.BUSY)


def _no_room(event: MarketEvent) -> bool:
    """Say whether a shell or a market could not hold a part."""
    return isinstance(event, Refused) and event.reason is Reason.CAPACITY


def _quarantined(events: Sequence[MarketEvent]) -> str:
    """Return why a whole batch was not read: its shell is quarantined; else an empty text."""
    first = events[0] if events else None
    if isinstance(first, Refused) and first.reason is Reason.QUARANTINED:
        return first.message
    return ""


def _too_large(events: Sequence[MarketEvent]) -> str:
    """Return why nothing of a batch was obeyed: a record or a market cannot hold it; else empty."""
    why = ""
    for event in events:
        if not isinstance(event, Refused) or not _no_room(event):
            return ""
        why = why or event.message
    return why
