"""Accept a feed's messages in order, hand them to the adapter, and answer each once it is obeyed.

Owns the messages in progress, the tickets of their answers and the counts of messages. It never
reads a message and carries out no action.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import Any, Final

from actors.messages import encode
from actors.peer import PeerRefusedError
from engine.common.units import Nanos
from gateway.feeds.core.adapter import REFUSALS_KEPT, Action, Hold, Received, Release
from gateway.feeds.core.held_messages import HeldMessages
from gateway.feeds.core.messages import BODIES_IN_CALL_MAX, Answer
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.resumption import Resumption

logger = logging.getLogger("overround.feeds")

TICKETS_MAX: Final = 4_096
"""Tickets whose answers were not fetched; past it the oldest are dropped, and their callers must
send their messages again."""
_REFUSAL_CHARS_MAX: Final = 300
HELD_AFTER_S: Final = 1.0
"""How long a message may wait for a shell that does not answer; then it is held, so that the other
messages of its call are answered."""
_TURN_MESSAGES: Final = 16
"""Messages received in one turn of the event loop. Between two turns the calls to shells go on, and
a part that stops betting leaves before the rest of its call is received."""


class _Ticket:
    """The messages of one call, and whether all are answered."""

    __slots__ = ("done", "left", "messages")

    def __init__(self, count: int) -> None:
        self.messages: list[PendingMessage] = []
        self.left = count
        self.done = asyncio.Event()
        if not count:
            self.done.set()

    def message_done(self) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


class MessageIntake:
    """The messages of one feed from their bytes to their answers.

    Parameters
    ----------
    name : str
        The pipeline's name, for errors and logs.
    messages_max : int
        Messages in progress; past it no more are accepted until some are answered.
    resumption : Resumption
        Holds the adapter; no message is accepted while it resumes.
    run : callable
        Carries out one action of a message.
    queues_full : callable
        Says whether the queue of a shell that answers is full; then no message is accepted.
    make_room : callable
        Called when no message can be accepted: shells that do not answer must not be waited for.
    clock_ns : callable
        UTC nanoseconds, for the adapter.
    """

    def __init__(
        self,
        *,
        name: str,
        messages_max: int,
        resumption: Resumption,
        run: Callable[[PendingMessage, Action], None],
        queues_full: Callable[[], bool],
        make_room: Callable[[], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._name: Final = name
        self._messages_max: Final = messages_max
        self._resumption: Final = resumption
        self._run: Final = run
        self._queues_full: Final = queues_full
        self._make_room: Final = make_room
        self._clock_ns: Final = clock_ns
        self._held: Final = HeldMessages(first_number=clock_ns())
        self._in_progress = 0
        self._late: set[PendingMessage] = set()
        """Messages that are held because a shell does not answer; not in progress."""
        self._order: deque[PendingMessage] = deque()
        self._room = asyncio.Event()
        self._accepting = asyncio.Lock()
        self._last_ticket = 0
        self._tickets: dict[int, _Ticket] = {}
        self._kinds: dict[str, int] = {}
        self._refused = 0
        self._refusals: deque[str] = deque(maxlen=REFUSALS_KEPT)

    async def accept(self, bodies: Sequence[bytes]) -> int:
        """Take messages in their order, once there is room; return the ticket of their answers."""
        if len(bodies) > BODIES_IN_CALL_MAX:
            message = f"{len(bodies)} messages, at most {BODIES_IN_CALL_MAX} in one call"
            raise ValueError(message)
        ticket = _Ticket(len(bodies))
        on_done = partial(self._on_done, ticket)
        async with self._accepting:  # the call that waits longest is next
            for start in range(0, len(bodies), _TURN_MESSAGES):
                if start:
                    await asyncio.sleep(0)
                await self._wait_room()
                ticket.messages += [
                    self._receive(body, ticket, on_done)
                    for body in bodies[start : start + _TURN_MESSAGES]
                ]
        self._last_ticket += 1
        self._tickets[self._last_ticket] = ticket
        while len(self._tickets) > TICKETS_MAX:
            del self._tickets[next(iter(self._tickets))]
        return self._last_ticket

    async def _wait_room(self) -> None:
        """Return once a message may be received: there is room, and no resumption is under way."""
        while self._in_progress >= self._messages_max or self._queues_full():
            self._room.clear()
            self._make_room()
            await self._room.wait()
        await self._resumption.ready.wait()

    async def applied(self, number: int) -> bytes:
        """Return list[Answer] in msgpack, one for each message of a ticket.

        They are returned once each is obeyed or held; `held` answers the held ones.
        """
        ticket = self._tickets.get(number)
        if ticket is None:
            raise PeerRefusedError(f"{self._name}: no ticket {number}")
        await ticket.done.wait()
        self._tickets.pop(number, None)
        return encode(
            [Answer(kind=m.kind, refused=m.verdict, held=m.held) for m in ticket.messages]
        )

    def held(self, numbers: Sequence[int]) -> bytes:
        """Return list[HeldAnswer] in msgpack, of the held messages that are held no more."""
        self._held.on_adapter(self._resumption.adapter)
        return encode(self._held.answers(numbers))

    def hold_late(self, messages: Set[PendingMessage]) -> None:
        """Hold those messages, of shells that do not answer, that have waited long enough.

        They are answered when the shells answer, or miss them. The queues to shells bound them.
        """
        until_s = asyncio.get_running_loop().time() - HELD_AFTER_S
        late = {each for each in messages if not each.held and each.received_s <= until_s}
        for ticket in list(self._tickets.values()) if late else ():
            for message in ticket.messages if ticket.left else ():
                if message in late:
                    self._held.keep(message)
                    self._late.add(message)
                    self._in_progress -= 1
                    ticket.message_done()
        if late:
            undone = [each for each in self._order if not each.done and each not in self._late]
            self._order = deque(undone)
            self.on_room()

    def on_room(self) -> None:
        """Let a call that waits for room look again."""
        self._room.set()

    def stats(self) -> dict[str, Any]:
        """Return counts of messages; `lag_ms` is the age of the oldest one in progress."""
        oldest_s = self._order[0].received_s if self._order else None
        now_s = asyncio.get_running_loop().time()
        return {
            "kinds": dict(self._kinds),
            "refused": self._refused,
            "refusals": list(self._refusals),
            "in_hand": self._in_progress,
            "held": len(self._held) + len(self._late),
            "lag_ms": 0 if oldest_s is None else int((now_s - oldest_s) * 1_000),
        }

    def _receive(
        self, body: bytes, ticket: _Ticket, on_done: Callable[[PendingMessage], None]
    ) -> PendingMessage:
        self._held.on_adapter(self._resumption.adapter)
        try:
            received = self._resumption.adapter.receive(body, at_ns=Nanos(self._clock_ns()))
        except Exception:  # adapters promise not to raise; one message must not end the feed
            logger.exception("%s: the adapter met a defect", self._name)
            received = Received(kind="defect", refused="a defect of the adapter")
        self._kinds[received.kind] = self._kinds.get(received.kind, 0) + 1
        if not received.actions:
            ticket.message_done()
            return self._without_parts(received)
        message = PendingMessage(
            kind=received.kind,
            refused=received.refused,
            received_s=asyncio.get_running_loop().time(),
            on_done=on_done,
        )
        self._begin(message)
        for action in received.actions:
            if isinstance(action, Hold):  # unlike one in progress it takes no room
                self._held.hold(action.number, message)
                self._in_progress -= 1
                self._order.pop()
                ticket.message_done()
            elif isinstance(action, Release):
                self._release(action)
            else:
                self._run(message, action)
        if not message.held:
            message.parts_added()
        return message

    def _without_parts(self, received: Received) -> PendingMessage:
        """Return the message, answered, of which no market is told."""
        message = PendingMessage(
            kind=received.kind,
            refused=received.refused,
            received_s=0.0,
            on_done=self._count_verdict,
        )
        message.parts_added()
        return message

    def _begin(self, message: PendingMessage) -> None:
        self._in_progress += 1
        self._order.append(message)

    def _release(self, action: Release) -> None:
        """Carry out the updates of a held message; a market obeys only its first copy."""
        for message in self._held.release(action.number):
            message.received_s = asyncio.get_running_loop().time()
            self._begin(message)
            for update in action.updates:
                self._run(message, update)
            message.parts_added()

    def _on_done(self, ticket: _Ticket, message: PendingMessage) -> None:
        if self._late and message in self._late:
            self._late.discard(message)
            self._count_verdict(message)
            self._held.done(message)
            return
        self._in_progress -= 1
        while self._order and self._order[0].done:
            self._order.popleft()
        self._count_verdict(message)
        self.on_room()
        if message.held:
            self._held.done(message)
        else:
            ticket.message_done()

    def _count_verdict(self, message: PendingMessage) -> None:
        if message.verdict:
            self._refused += 1
            self._refusals.append(f"{message.kind}: {message.verdict}"[:_REFUSAL_CHARS_MAX])
