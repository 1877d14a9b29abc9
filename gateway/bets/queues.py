"""Queue tickets for account shards and market shells, and cut them into batches.

Owns when a call to an account shard is due, and how many tickets one call carries. It never makes a
call; the bet path does.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Protocol, TypeVar

from actors.back_off import BackOff
from engine.common.ids import ShardNo
from gateway.bets.slip_ticket import LegTicket, SlipTicket
from gateway.bets.ticket import Ticket
from gateway.call_queue import TIMER_EARLY_S, CallQueue

WAVES: Final = 2
"""Parts into which the bets of an account shard fall: while one is with the markets the next one
gathers. More, smaller parts would cost more calls."""
WAVE_FREE: Final = 16
"""Size up to which a wave never waits: latency comes first while there is room."""

MarketQueue = CallQueue[Ticket | LegTicket]


class Waits(Protocol):
    """What waits in a queue of an account or of a market."""

    answered: bool

    @property
    def shard(self) -> ShardNo:
        """Its account's shard."""
        ...

    @property
    def weight(self) -> int:
        """Its share of a call's bound: its rows, and more if they cost its account more."""
        ...

    @property
    def verdict(self) -> bytes:
        """DECISION rows that its account is to take with it, or alone if it is answered."""
        ...


T = TypeVar("T", bound=Waits)
KeepVerdict = Callable[[ShardNo, bytes], None]
"""Called with an account shard and the verdict of a ticket that is answered already, which the
account is to take none the less: else the stake would wait until the reconciler fences the bet."""


class AccountQueue(CallQueue[Ticket | SlipTicket]):
    """Tickets for one account shard, and verdicts that the shard has not been sent."""

    __slots__ = ("verdicts", "verdicts_due_s")

    def __init__(
        self,
        name: str,
        *,
        start: Callable[["AccountQueue"], Coroutine[Any, Any, bool] | None],
        back_off: BackOff,
        calls_max: int,
        pace: Callable[["AccountQueue"], float],
    ) -> None:
        super().__init__(name, start=start, back_off=back_off, calls_max=calls_max, pace=pace)
        self.verdicts: list[bytes] = []
        self.verdicts_due_s = 0.0
        """When the verdicts travel even without a reservation."""

    def due(self, now_s: float) -> bool:
        """Say whether there is a ticket or a verdict that waits for no reservation any longer."""
        return bool(self.waiting) or (
            bool(self.verdicts) and self.verdicts_due_s <= now_s + TIMER_EARLY_S
        )

    def add_verdicts(self, verdicts: Iterable[bytes], due_s: float) -> None:
        """Keep DECISION rows for the next call, which starts for them at `due_s` at the latest."""
        if not self.verdicts:
            self.verdicts_due_s = due_s
        self.verdicts.extend(verdicts)


def leaves_at_once(waiting: int, *, tickets: int, rows: int, shards: int, rows_max: int) -> bool:
    """Say whether a call to an account shard need not wait for more bets.

    It leaves at once with a whole wave, as many tickets as fill a call, or a wave so small that
    latency comes first.

    Parameters
    ----------
    waiting : int
        Tickets in the shard's queue.
    tickets, rows : int
        Bets and slips of the gateway that are not answered, and the rows that they take: a slip
        takes one and one for each leg.
    shards : int
        Account shards.
    rows_max : int
        Rows of a call.
    """
    wave = tickets // (WAVES * shards)
    return wave <= WAVE_FREE or waiting >= min(wave, rows_max * tickets // rows)


def take_batch(
    queue: CallQueue[T], *, rows_max: int, mixed: bool, keep_verdict: KeepVerdict
) -> list[T]:
    """Take up to one batch of tickets that are not answered yet; a slip is never cut.

    `mixed` says that the queue may hold slips, which weigh more than a row.
    """
    waiting = queue.waiting
    if mixed:
        weight = 0
        taken: list[T] = []
        while waiting:
            weight += waiting[0].weight
            if weight > rows_max and taken:
                break
            taken.append(waiting.popleft())
    elif len(waiting) <= rows_max:
        taken = list(waiting)
        waiting.clear()
    else:
        taken = [waiting.popleft() for _ in range(rows_max)]
    batch = [ticket for ticket in taken if not ticket.answered]
    if len(batch) < len(taken):
        for ticket in taken:
            if ticket.answered and ticket.verdict:
                keep_verdict(ticket.shard, ticket.verdict)
    return batch


def drop_answered(queue: CallQueue[T], *, keep_verdict: KeepVerdict) -> None:
    """Drop answered tickets from the head of a queue, or it grows while its target is down."""
    waiting = queue.waiting
    while waiting and waiting[0].answered:
        ticket = waiting.popleft()
        if ticket.verdict:
            keep_verdict(ticket.shard, ticket.verdict)
