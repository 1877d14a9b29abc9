"""Queue parts of messages for market shells and call the shells until each part is answered.

Owns one queue for each shell: one call in flight, in order, repeated with a back-off until the
shell answers. It never decides what a market is sent. A shell that is down is called again when it
is back, and an update that it had obeyed all the same changes nothing the second time.

Too many messages that wait for *late* shells, which do not answer, would hold back the messages of
all others. So late shells fall behind: what waits for one is answered as missed, as is what comes
for it later, until it answers. Then the adapter resumes from what its markets remember (`on_back`),
which suspends them and has the provider repeat what they missed. A part is lost in no other way,
and of one that stops betting the stop is sent as soon as the shell answers.

Parts gather while a call is in flight, so calls grow with the load and a lone part leaves at once.
A backlog also keeps a pace between calls to one shell, as a call costs both processes more than
many parts do; a part that stops betting does not wait for the pace, nor do as many parts as fill a
call: waiting would not make the call larger.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from actors.back_off import BackOff
from actors.messages import ShellState, decode_market_events, encode
from actors.peer import PeerError
from actors.routes import Routes
from engine.common.commands import SetStatus
from engine.common.events import FeedApplied, FeedRefused, MarketEvent, Refused
from engine.common.ids import MarketNo
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.units import MARKETS_MAX
from engine.pricing.following import Follow, Followed
from engine.pricing.quoting import Margin
from engine.pricing.repricing import Reprice
from engine.pricing.skew import Skew
from gateway.call_queue import CallQueue, pace_of_backlog
from gateway.feeds.core.bare_stops import bare_stops, stops
from gateway.feeds.core.late_shells import SHELLS_SHOWN_MAX, LateShells, most
from gateway.feeds.core.pending_message import PendingMessage

logger = logging.getLogger("overround.feeds")

_RETRY_FIRST_S: Final = 0.02
_RETRY_LAST_S: Final = 1.0
_LATE_PART: Final = 4
"""A shell is late when its call takes the timeout divided by this."""
MISSED: Final = "missed while the shell did not answer; recovered when it does"
"""Why no market obeyed a part for a shell that is behind."""
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
        Parts that may wait for one shell. Past it a late shell falls behind; of one that answers
        the queue is `full`, and the pipeline accepts no message until it is shorter.
    late_messages_max : int
        Messages that may wait for late shells; past it those with most of them fall behind.
    pace_s : float
        Shortest time between the starts of two calls to one shell while parts wait.
    timeout_s : float
        How long a call may take before it is repeated.
    suspect : callable
        Called with the name of a shell that did not answer.
    on_room : callable
        Called whenever parts were answered.
    on_back : callable
        Called with the name of a shell that was behind and answers again.
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
        late_messages_max: int,
        pace_s: float,
        timeout_s: float,
        suspect: Callable[[str], None],
        on_room: Callable[[], None],
        on_back: Callable[[str], None],
    ) -> None:
        self.stats: Final = ShellQueueStats()
        self._by: Final = by
        self._routes: Final = routes
        self._margin: Final = margin
        self._skew: Final = skew
        self._updates_in_call_max: Final = updates_in_call_max
        self._queue_updates_max: Final = queue_updates_max
        self._late_messages_max: Final = late_messages_max
        self._pace: Final = pace_of_backlog(
            pace_s, fills_call=lambda queue: len(queue.waiting) >= updates_in_call_max
        )
        self._timeout_s: Final = timeout_s
        self._suspect: Final = suspect
        self._on_room: Final = on_room
        self._on_back: Final = on_back
        self._late_after_s: Final = timeout_s / _LATE_PART
        self._late: Final = LateShells()
        self._queues: dict[str, CallQueue[Task]] = {}
        self._full: dict[str, CallQueue[Task]] = {}
        """Queues that were full when last something was added."""
        self._asked_s: dict[str, float] = {}
        """When the present call to each shell began: a run of parts may take several."""
        self._probes: dict[str, MarketNo] = {}
        """A market of each shell that fell behind."""

    def add(self, shell: str, task: Task) -> None:
        """Queue a part for a shell; one that is behind misses it."""
        self.stats.updates += 1
        if shell in self._late.behind:
            self._miss(shell, [task])
            return
        queue = self._queues.get(shell) or self._new_queue(shell)
        queue.add(task, urgent=task.urgent)
        if len(queue.waiting) >= self._queue_updates_max:
            self._full[shell] = queue

    @property
    def full(self) -> bool:
        """Say whether as many parts wait for any shell as may wait."""
        for shell, queue in list(self._full.items()):
            if len(queue.waiting) < self._queue_updates_max:
                del self._full[shell]
        return bool(self._full)

    @property
    def waiting(self) -> int:
        """Count of parts that are not answered yet."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    def shells(self) -> dict[str, Any]:
        """Return figures by shell: those behind, the parts that wait and that were missed."""
        waiting = {name: len(each.waiting) for name, each in self._queues.items() if each.waiting}
        return {
            "shells_behind": len(self._late.behind),
            "behind": tuple(islice(self._late.behind, SHELLS_SHOWN_MAX)),
            "shells_waiting": most(waiting),
            "shells_missed": self._late.missed_most(),
        }

    def is_behind(self, shell: str) -> bool:
        """Say whether a shell missed parts and has not answered since."""
        return shell in self._late.behind

    def on_shell(self, shell: str, state: ShellState) -> None:
        """Take a shell's new state; one that answers again is called at once."""
        if state is ShellState.SERVING and self._late.behind.get(shell) is False:
            self._back(shell)
        queue = self._queues.get(shell)
        if queue is not None and state in (ShellState.SERVING, ShellState.QUARANTINED):
            queue.retry()

    def missed(self, shell: str, *, quarantined: bool = False) -> None:
        """Let a shell fall behind: it missed something, and what waits for it may depend on that.

        It is behind until it answers, and a quarantined one until it is said to serve.
        """
        self._late.behind[shell] = not quarantined
        queue = self._queues.get(shell) or self._new_queue(shell)
        tasks = list(queue.waiting)
        queue.waiting.clear()
        for task in tasks:
            if isinstance(task.update, Followed):
                self._probes[shell] = task.update.market_no
                break
        self._miss(shell, tasks)
        self._on_room()
        queue.wake()

    def late_messages(self) -> set[PendingMessage]:
        """Return the messages that wait for shells which are late."""
        return {task.message for queue in self._late_queues() for task in queue.waiting}

    def _late_queues(self) -> list[CallQueue[Task]]:
        """Return the queues of shells whose last call failed, or whose present takes too long."""
        now_s = asyncio.get_running_loop().time()
        until_s = now_s - self._late_after_s
        return [
            queue
            for shell, queue in self._queues.items()
            if shell in self._late.failed or self._asked_s.get(shell, now_s) <= until_s
        ]

    def leave_late_behind(self) -> None:
        """Let late shells fall behind while too many messages, or parts, wait for them.

        So they hold back no message for other shells: a stop least of all.
        """
        waiting = {
            queue.name: len({task.message for task in queue.waiting})
            for queue in self._late_queues()
            if queue.waiting
        }
        messages = sum(waiting.values())
        for shell in sorted(waiting, key=waiting.__getitem__, reverse=True):
            parts = len(self._queues[shell].waiting)
            if messages > self._late_messages_max or parts >= self._queue_updates_max:
                logger.warning(
                    "%s does not answer and misses %d parts of messages; its markets are suspended "
                    "and recovered when it does",
                    shell,
                    parts,
                )
                messages -= waiting[shell]
                self.missed(shell)

    def stop(self) -> None:
        """End all calls; the source sends again what was not answered."""
        for queue in self._queues.values():
            queue.stop()

    # --- calls -----------------------------------------------------------------------------------

    def _start(self, queue: CallQueue[Task]) -> Coroutine[Any, Any, bool] | None:
        """Return the next call: a run of updates, or one repricing; tasks wait until answered."""
        if queue.name in self._late.behind:
            return self._probe(queue.name) if self._late.behind[queue.name] else None
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
            return self._no_answer(queue.name)
        except Exception:  # the shell could not read the call; one task must not stop the others
            if len(batch) == 1:
                logger.exception("%s cannot read a part of a message", queue.name)
                if not await self._send_bare_stops(queue.name, batch[0]):
                    return False
                self._answered(queue, batch, "a defect: the shell could not read it")
                return True
            return await self._send_parts(queue, [[task] for task in batch])
        if any(_try_later(event) for event in events):
            return self._no_room_now(queue.name)
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
        self._answered(queue, batch, quarantined or too_large)
        if quarantined:
            self.missed(queue.name, quarantined=True)
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
        left = self._bare_stops(shell, task.update)
        if left:
            logger.warning("%s has no room for a part of a message; it is sent its stop", shell)
        for stop in left:
            try:
                events = await self._call(shell, [Task(task.message, stop)])
            except PeerError:
                return self._no_answer(shell)
            if any(_try_later(event) for event in events):
                return self._no_room_now(shell)
        return True

    def _bare_stops(self, shell: str, update: Followed | Reprice) -> tuple[Followed, ...]:
        """Return the stops of a part for a shell."""
        if not isinstance(update, Reprice):
            return bare_stops(update, ())
        routes, _ = self._routes.page(fixture=update.fixture, after=-1, limit=MARKETS_MAX)
        return bare_stops(update, [MarketNo(one.market_no) for one in routes if one.shell == shell])

    async def _probe(self, shell: str) -> bool:
        """Ask a shell that is behind whether it takes parts again; return False if it does not.

        One that had no room has room when it takes a stop; any other needs only to answer.
        """
        stop: tuple[Followed, ...] = ()
        if self._late.failed.get(shell) and shell in self._probes:
            stop = (_missed_stop(self._probes[shell]),)
        try:
            events = await self._follow(shell, stop)
        except PeerError:
            return self._no_answer(shell)
        if any(_try_later(event) for event in events):
            return self._no_room_now(shell)
        if _quarantined(events):
            self._late.behind[shell] = False
        elif shell in self._late.behind:
            self._back(shell)
        return True

    def _no_answer(self, shell: str) -> bool:
        """Note that a call must be repeated: the shell did not answer."""
        self._late.failed[shell] = False
        self._suspect(shell)
        self.stats.retries += 1
        return False

    def _no_room_now(self, shell: str) -> bool:
        """Note that a call must be repeated: the shell answered that it has no room now."""
        self._late.failed[shell] = True
        self.stats.retries += 1
        return False

    async def _call(self, shell: str, batch: Sequence[Task]) -> list[MarketEvent]:
        first = batch[0].update
        if isinstance(first, Reprice):
            return await self._ask(shell, "reprice", encode(first))
        updates = tuple(task.update for task in batch if isinstance(task.update, Followed))
        return await self._follow(shell, updates)

    async def _follow(self, shell: str, updates: tuple[Followed, ...]) -> list[MarketEvent]:
        follow = Follow(by=self._by, updates=updates, margin=self._margin, skew=self._skew)
        return await self._ask(shell, "follow", encode(follow))

    async def _ask(self, shell: str, method: str, payload: bytes) -> list[MarketEvent]:
        peer = self._routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        self.stats.calls += 1
        self._asked_s[shell] = asyncio.get_running_loop().time()
        try:
            return decode_market_events(await peer.ask(method, payload, timeout_s=self._timeout_s))
        finally:
            del self._asked_s[shell]

    def _answered(self, queue: CallQueue[Task], batch: Sequence[Task], why: str) -> None:
        """Take answered tasks from the head of a queue; `why` says why no market obeyed them.

        A task that is not there was answered when its shell fell behind.
        """
        if self._late.failed:
            self._late.failed.pop(queue.name, None)
        for task in batch:
            if queue.waiting and queue.waiting[0] is task:
                queue.waiting.popleft()
                task.message.part_done(why)
        self._on_room()

    # --- shells that are behind ------------------------------------------------------------------

    def _new_queue(self, shell: str) -> CallQueue[Task]:
        clock_s = asyncio.get_running_loop().time
        queue = self._queues[shell] = CallQueue[Task](
            shell,
            start=self._start,
            back_off=BackOff(_RETRY_FIRST_S, _RETRY_LAST_S, clock_s=clock_s),
            pace=self._pace,
        )
        return queue

    def _miss(self, shell: str, tasks: Sequence[Task]) -> None:
        """Answer parts that a shell missed, and note which of its markets they stop."""
        if tasks:
            self._late.missed(shell, len(tasks))
        for task in tasks:
            if task.urgent:
                stops = self._bare_stops(shell, task.update)
                self._late.missed_stops(shell, [stop.market_no for stop in stops])
            task.message.part_done(f"{shell}: {MISSED}")

    def _back(self, shell: str) -> None:
        """Send a shell parts again, once the adapter has resumed from what its markets remember.

        The stops that it missed do not wait for that: a resumption may wait for other shells.
        """
        self._probes.pop(shell, None)
        message = PendingMessage(kind="missed", refused="", received_s=0.0, on_done=lambda _: None)
        for number in self._late.back(shell):
            message.add_part()
            self.add(shell, Task(message, _missed_stop(number)))
        self._on_back(shell)


def _missed_stop(number: MarketNo) -> Followed:
    """Return the suspension of a market whose shell missed something."""
    step = SetStatus(market_no=number, status=Status.SUSPENDED, why=MISSED)
    return Followed(market_no=number, steps=(step,))


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
