"""The path of a bet through a gateway: reserve, decide, answer, and tell the account the verdict.

Owns the saga's progress between the two journals and nothing durable: whatever is lost here, the
reconciler resolves from the shells' own books. It never rejects a bet for a timeout (the answer
is `unknown`) and never lets one target's trouble hold back another's: each account shard and each
market shell has a lane of its own, with its own queue, its own few calls and its own retries.

Bets gather in a lane while a call is out, so batches grow with the load; a lone bet leaves in the
same turn of the event loop. Past `_PACE_FREE` bets in flight the account lanes also space their
calls: a call costs the machine about 0.7 ms of processor time whatever it carries, so under load
fewer, larger calls leave more of the machine for bets. Market lanes need no rhythm of their own:
they are fed by whole batches as they come back from an account.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any, Final

from actors.peer import Peer, PeerError
from actors.routes import Routes, account_shell_name
from engine.common.ids import shard_of_account
from engine.common.reasons import UNRECORDED, Reason
from engine.common.rows import (
    BET_ROW,
    DECISION_ROW,
    FLAG_KNOWN,
    RESERVATION_ROW,
    RESERVED_ROW,
    SlipState,
)
from gateway.bets.stats import BetStats
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_WAVES: Final = 2
"""Parts into which the bets of an account shard fall: while one is with the markets the next one
gathers. More, smaller parts would spend the machine on calls."""
_WAVE_FREE: Final = 16
"""Size up to which a wave never waits: latency comes first while there is room."""
_RETRY_S: Final = 0.02
"""How soon a lane whose target is gone looks for it again; a route update wakes it at once."""
_SWEEP_S: Final = 0.05
"""How often deadlines are looked at, which is how late an `unknown` may be."""

_REASONS: Final = {int(reason): reason for reason in Reason}


class _CallQueue:
    """The way to one shell: what waits, how many calls are out, when the last one left."""

    __slots__ = ("calls", "name", "started_s", "timer", "verdicts", "verdicts_due", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[Ticket] = deque()
        self.verdicts: list[bytes] = []
        self.verdicts_due = False
        self.calls = 0
        self.started_s = 0.0
        self.timer: asyncio.TimerHandle | None = None


def _note(queue: _CallQueue, error: Exception) -> None:
    """Log a shell's defect; that a process is gone is no news to whoever runs the system."""
    if not isinstance(error, PeerError):
        logger.error("%s met a defect", queue.name, exc_info=error)


def _whole(answer: bytes, row: Struct, count: int) -> bytes:
    """Return an answer that has a row for each bet asked; anything else is the shell's defect."""
    if len(answer) != count * row.size:
        message = f"{len(answer)} bytes are not {count} rows of {row.size}"
        raise ValueError(message)
    return answer


class BetPath:
    """All bets of one gateway, from `place` to the account's last word.

    Parameters
    ----------
    routes : Routes
        Where markets and accounts live; the gateway keeps it up to date and calls `wake` after.
    settings : GatewaySettings
        Bounds: bets in flight (past it: BUSY at once), rows a call, calls a target, deadline.
    suspect : callable
        Told the name of a shell whose process seems gone; must not block.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        settings: GatewaySettings,
        suspect: Callable[[str], None] | None = None,
    ) -> None:
        self.stats = BetStats()
        self.in_flight = 0
        self.suspect = suspect
        self._routes = routes
        self._settings = settings
        self._deadline_s = settings.bet_deadline_ms / 1_000
        self._call_timeout_s = settings.call_timeout_ms / 1_000
        self._linger_s = settings.verdict_linger_ms / 1_000
        self._pace_s = settings.batch_pace_ms / 1_000
        self._accounts: dict[int, _CallQueue] = {}
        self._markets: dict[str, _CallQueue] = {}
        self._dirty: list[tuple[_CallQueue, Callable[[_CallQueue], None]]] = []
        self._flushing = False
        self._received: deque[Ticket] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._shared: dict[int, float] = {}
        """Bets that more than one ticket may send, and since when."""
        self._voided: dict[int, tuple[float, BetAnswer]] = {}
        """Refusals no market remembers, whose accounts may not know them yet, and since when."""
        self._loop = asyncio.get_running_loop()
        self._closed = False

    # --- in ------------------------------------------------------------------------------------

    def place(self, ticket: Ticket) -> None:
        """Take a bet on; its session hears the answer exactly once.

        A bet past `bets_in_flight_max`, or on a market nobody hosts, is answered at once and
        touches no account.
        """
        if self.in_flight >= self._settings.bets_in_flight_max or self._closed:
            self._refuse(ticket, Reason.BUSY)
            return
        if self._routes.market_shell(ticket.market_no) is None:
            self._refuse(ticket, Reason.MARKET_UNKNOWN)
            return
        self.in_flight += 1
        ticket.received_s = self._loop.time()
        ticket.shard = shard_of_account(ticket.account_no, shards=self._routes.shards)
        self._received.append(ticket)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        queue = self._account_queue(ticket.shard)
        queue.waiting.append(ticket)
        self._touch(queue, self._flush_account)

    def wake(self) -> None:
        """Try every lane again; called when routes changed."""
        for queue in self._accounts.values():
            self._touch(queue, self._flush_account)
        for queue in self._markets.values():
            self._touch(queue, self._flush_market)

    async def close(self) -> None:
        """Take no more bets, let calls that are out come back, and answer what is left."""
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._call_timeout_s)
        for task in self._calls:
            task.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for queue in (*self._accounts.values(), *self._markets.values()):
            if queue.timer is not None:
                queue.timer.cancel()
        while self._received:
            self._give_up(self._received.popleft())

    # --- lanes ---------------------------------------------------------------------------------

    def _account_queue(self, shard: int) -> _CallQueue:
        queue = self._accounts.get(shard)
        if queue is None:
            queue = self._accounts[shard] = _CallQueue(account_shell_name(shard))
        return queue

    def _touch(self, queue: _CallQueue, flush: Callable[[_CallQueue], None]) -> None:
        """Have a lane looked at once, at the end of this turn of the event loop."""
        self._dirty.append((queue, flush))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        dirty, self._dirty = self._dirty, []
        for queue, flush in dict(dirty).items():
            flush(queue)

    def _may_call(
        self, queue: _CallQueue, flush: Callable[[_CallQueue], None], *, pace_s: float = 0.0
    ) -> Peer | None:
        """Return the lane's peer if a call may leave now; else see that the lane wakes later."""
        if queue.calls >= self._settings.calls_in_flight_max:
            return None
        now = self._loop.time()
        wait = queue.started_s + pace_s - now
        if wait <= 0:
            peer = self._routes.peer(queue.name)
            if peer is not None:
                queue.started_s = now
                queue.calls += 1
                return peer
            wait = _RETRY_S
        self._wake_later(queue, flush, wait)
        return None

    def _wake_later(
        self, queue: _CallQueue, flush: Callable[[_CallQueue], None], delay_s: float
    ) -> None:
        if queue.timer is None:
            queue.timer = self._loop.call_later(delay_s, self._on_timer, queue, flush)

    def _on_timer(self, queue: _CallQueue, flush: Callable[[_CallQueue], None]) -> None:
        queue.timer = None
        flush(queue)

    def _take(self, queue: _CallQueue) -> list[Ticket]:
        """Take up to one batch of tickets that still have someone waiting for them."""
        waiting = queue.waiting
        batch: list[Ticket] = []
        while waiting and len(batch) < self._settings.batch_rows_max:
            ticket = waiting.popleft()
            if not ticket.answered:
                batch.append(ticket)
        return batch

    def _forget_answered(self, queue: _CallQueue) -> None:
        """Drop given-up bets from the head of a queue, which else grew while its target is down."""
        waiting = queue.waiting
        while waiting and waiting[0].answered:
            waiting.popleft()

    def _start(self, call: Any) -> None:
        task = self._loop.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _back(
        self, queue: _CallQueue, flush: Callable[[_CallQueue], None], *, failed: bool
    ) -> None:
        """Note that a call came back; after a failure the lane rests before it tries again."""
        queue.calls -= 1
        if failed:
            if self.suspect is not None:
                self.suspect(queue.name)
            self._wake_later(queue, flush, _RETRY_S)
        else:
            self._touch(queue, flush)

    # --- step 1: reserve the stake (and tell earlier verdicts) ------------------------------------

    def _flush_account(self, queue: _CallQueue) -> None:
        self._forget_answered(queue)
        if not queue.waiting and not queue.verdicts_due:
            if queue.verdicts:
                self._linger(queue)
            return
        peer = self._may_call(queue, self._flush_account, pace_s=self._pace_of(queue))
        if peer is None:
            return
        rows_max = self._settings.batch_rows_max
        verdicts, queue.verdicts = queue.verdicts[:rows_max], queue.verdicts[rows_max:]
        queue.verdicts_due = len(queue.verdicts) > 0
        self._start(self._exchange(queue, peer, self._take(queue), verdicts))

    def _pace_of(self, queue: _CallQueue) -> float:
        """Return how long after its last call an account lane lets the next one wait, in seconds.

        A wave that is large enough leaves at once; a smaller one waits for company.
        """
        wave = self.in_flight // (_WAVES * self._routes.shards)
        return 0.0 if wave <= _WAVE_FREE or len(queue.waiting) >= wave else self._pace_s

    def _linger(self, queue: _CallQueue) -> None:
        """Give verdicts a short while to ride on a reservation before they travel alone."""

        def due(queue: _CallQueue) -> None:
            queue.verdicts_due = len(queue.verdicts) > 0
            self._flush_account(queue)

        self._wake_later(queue, due, self._linger_s)

    async def _exchange(
        self, queue: _CallQueue, peer: Peer, batch: list[Ticket], verdicts: list[bytes]
    ) -> None:
        pack = RESERVATION_ROW.pack
        rows = b"".join(
            [
                pack(
                    t.ref_bytes,
                    t.stake_minor,
                    t.account_no,
                    t.market_no,
                    t.odds_milli,
                    t.outcome,
                    t.policy,
                    0,
                )
                for t in batch
            ]
        )
        self.stats.calls += 1
        try:
            answer: bytes = await peer.ask(
                "exchange", b"".join(verdicts), rows, timeout_s=self._call_timeout_s
            )
            self._reserved(batch, _whole(answer, RESERVED_ROW, len(batch)))
        except Exception as error:  # a lane must come back whatever happened
            _note(queue, error)
            # Both halves are safe to send again: a ref and a verdict each count once.
            queue.waiting.extendleft(reversed(batch))
            queue.verdicts[:0] = verdicts
            queue.verdicts_due = queue.verdicts_due or len(verdicts) > 0
            self._back(queue, self._flush_account, failed=True)
            return
        self._back(queue, self._flush_account, failed=False)

    def _reserved(self, batch: list[Ticket], answer: bytes) -> None:
        answered: list[tuple[Ticket, BetAnswer]] = []
        for ticket, row in zip(batch, RESERVED_ROW.iter_unpack(answer), strict=True):
            bet_id, stake_max_minor, odds_milli, rate_micro, reason, state, flags = row
            if state == SlipState.PENDING and bet_id in self._voided:
                # The account has not read yet that an earlier ticket's bet was refused. Sent now,
                # it might be taken after all, with no stake behind it.
                answered.append((ticket, self._voided[bet_id][1]))
            elif state == SlipState.PENDING:
                ticket.bet_id = bet_id
                ticket.rate_micro = rate_micro
                if flags & FLAG_KNOWN:
                    # Another ticket, here or at another gateway, may have sent it or be about to.
                    ticket.sends = max(ticket.sends, 1)
                    self._shared[bet_id] = self._loop.time()
                self._to_market(ticket)
            else:
                accepted = state in (SlipState.ACCEPTED, SlipState.SETTLED)
                word = "accepted" if accepted else "rejected"
                answered.append(
                    (ticket, BetAnswer(word, bet_id, odds_milli, _REASONS[reason], stake_max_minor))
                )
        self._answer(answered)

    # --- step 2: the market decides --------------------------------------------------------------

    def _to_market(self, ticket: Ticket) -> None:
        name = self._routes.market_shell(ticket.market_no)
        assert name is not None, "a market never leaves the directory"
        queue = self._markets.get(name)
        if queue is None:
            queue = self._markets[name] = _CallQueue(name)
        queue.waiting.append(ticket)
        self._touch(queue, self._flush_market)

    def _flush_market(self, queue: _CallQueue) -> None:
        self._forget_answered(queue)
        if not queue.waiting:
            return
        peer = self._may_call(queue, self._flush_market)
        if peer is None:
            return
        batch = self._take(queue)
        if batch:
            self._start(self._decide(queue, peer, batch))
        else:
            queue.calls -= 1

    async def _decide(self, queue: _CallQueue, peer: Peer, batch: list[Ticket]) -> None:
        pack = BET_ROW.pack
        rows = []
        for t in batch:
            t.sends += 1
            rows.append(
                pack(
                    t.bet_id,
                    t.stake_minor,
                    t.account_no,
                    t.market_no,
                    t.odds_milli,
                    t.rate_micro,
                    t.outcome,
                    t.policy,
                    0,
                )
            )
        self.stats.calls += 1
        self.stats.rows += len(rows)
        try:
            answer: bytes = await peer.ask("place", b"".join(rows), timeout_s=self._call_timeout_s)
            self._decided(batch, _whole(answer, DECISION_ROW, len(batch)))
        except Exception as error:  # a lane must come back whatever happened
            _note(queue, error)
            queue.waiting.extendleft(reversed(batch))
            self._back(queue, self._flush_market, failed=True)
            return
        self._back(queue, self._flush_market, failed=False)

    def _decided(self, batch: list[Ticket], answer: bytes) -> None:
        answered: list[tuple[Ticket, BetAnswer]] = []
        touched: dict[int, _CallQueue] = {}
        at = 0
        for ticket, row in zip(batch, DECISION_ROW.iter_unpack(answer), strict=True):
            bet_id, stake_max_minor, odds_milli, code, _ = row
            reason = _REASONS[code]
            verdict = answer[at : at + DECISION_ROW.size]
            at += DECISION_ROW.size
            word = "accepted" if code == 0 else "rejected"
            told = BetAnswer(word, bet_id, odds_milli, reason, stake_max_minor)
            if reason in UNRECORDED:
                if ticket.sends > 1 or bet_id in self._shared:
                    # Another sending may have been booked; this refusal does not know of it.
                    answered.append((ticket, BetAnswer("unknown", bet_id, 0, Reason.UNKNOWN, 0)))
                    continue
                self._voided[bet_id] = (self._loop.time(), told)
            answered.append((ticket, told))
            queue = touched.get(ticket.shard) or self._account_queue(ticket.shard)
            touched[ticket.shard] = queue
            queue.verdicts.append(verdict)
        for queue in touched.values():
            self._touch(queue, self._flush_account)
        self._answer(answered)

    # --- out -----------------------------------------------------------------------------------

    def _answer(self, answers: Iterable[tuple[Ticket, BetAnswer]]) -> None:
        now = self._loop.time()
        latencies: list[float] = []
        counts = self.stats.answers
        for ticket, answer in answers:
            if ticket.answered:
                continue
            ticket.answered = True
            self.in_flight -= 1
            latencies.append(now - ticket.received_s)
            if answer.state == "unknown":
                self.stats.unknown += 1
            else:
                counts[answer.reason] = counts.get(answer.reason, 0) + 1
            ticket.session.on_bet_answer(ticket, answer)
        if latencies:
            self.stats.observe(latencies)

    def _refuse(self, ticket: Ticket, reason: Reason) -> None:
        self.stats.answers[reason] = self.stats.answers.get(reason, 0) + 1
        ticket.answered = True
        ticket.session.on_bet_answer(ticket, BetAnswer("rejected", 0, 0, reason, 0))

    def _sweep(self) -> None:
        """Answer `unknown` to bets past their deadline; they stand in order of birth."""
        horizon = self._loop.time() - self._deadline_s
        received = self._received
        while received and (received[0].answered or received[0].received_s < horizon):
            self._give_up(received.popleft())
        # By then every ticket of such a bet has been answered and its calls have come back.
        horizon -= 2 * self._call_timeout_s
        while self._shared and next(iter(self._shared.values())) < horizon:
            del self._shared[next(iter(self._shared))]
        while self._voided and next(iter(self._voided.values()))[0] < horizon:
            del self._voided[next(iter(self._voided))]
        waits = received or self._shared or self._voided
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if waits else None

    def _give_up(self, ticket: Ticket) -> None:
        if not ticket.answered:
            self._answer([(ticket, BetAnswer("unknown", ticket.bet_id, 0, Reason.UNKNOWN, 0))])
