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
from engine.common.rows import FLAG_KNOWN, SlipState
from gateway.bets.stats import BetStats
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

RESERVATION_ROW: Final = Struct("<32sqIIiHBB")
RESERVED_ROW: Final = Struct("<QqiiHBBI")
BET_ROW: Final = Struct("<QqIIiiHBBI")
DECISION_ROW: Final = Struct("<QqiHH")
"""The rows of engine.rows as `struct` sees them; a test holds them to the dtypes byte by byte."""

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


class _Lane:
    """The way to one shell: what waits, how many calls are out, when the last one left."""

    __slots__ = ("calls", "name", "queue", "started_s", "timer", "verdicts", "verdicts_due")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[Ticket] = deque()
        self.verdicts: list[bytes] = []
        self.verdicts_due = False
        self.calls = 0
        self.started_s = 0.0
        self.timer: asyncio.TimerHandle | None = None


def _note(lane: _Lane, error: Exception) -> None:
    """Log a shell's defect; that a process is gone is no news to whoever runs the system."""
    if not isinstance(error, PeerError):
        logger.error("%s met a defect", lane.name, exc_info=error)


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
        self._accounts: dict[int, _Lane] = {}
        self._markets: dict[str, _Lane] = {}
        self._dirty: list[tuple[_Lane, Callable[[_Lane], None]]] = []
        self._flushing = False
        self._born: deque[Ticket] = deque()
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
        ticket.born_s = self._loop.time()
        ticket.shard = shard_of_account(ticket.account_no, shards=self._routes.shards)
        self._born.append(ticket)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        lane = self._account_lane(ticket.shard)
        lane.queue.append(ticket)
        self._touch(lane, self._flush_account)

    def wake(self) -> None:
        """Try every lane again; called when routes changed."""
        for lane in self._accounts.values():
            self._touch(lane, self._flush_account)
        for lane in self._markets.values():
            self._touch(lane, self._flush_market)

    async def close(self) -> None:
        """Take no more bets, let calls that are out come back, and answer what is left."""
        self._closed = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=self._call_timeout_s)
        for task in self._calls:
            task.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in (*self._accounts.values(), *self._markets.values()):
            if lane.timer is not None:
                lane.timer.cancel()
        while self._born:
            self._give_up(self._born.popleft())

    # --- lanes ---------------------------------------------------------------------------------

    def _account_lane(self, shard: int) -> _Lane:
        lane = self._accounts.get(shard)
        if lane is None:
            lane = self._accounts[shard] = _Lane(account_shell_name(shard))
        return lane

    def _touch(self, lane: _Lane, flush: Callable[[_Lane], None]) -> None:
        """Have a lane looked at once, at the end of this turn of the event loop."""
        self._dirty.append((lane, flush))
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        dirty, self._dirty = self._dirty, []
        for lane, flush in dict(dirty).items():
            flush(lane)

    def _may_call(
        self, lane: _Lane, flush: Callable[[_Lane], None], *, pace_s: float = 0.0
    ) -> Peer | None:
        """Return the lane's peer if a call may leave now; else see that the lane wakes later."""
        if lane.calls >= self._settings.calls_in_flight_max:
            return None
        now = self._loop.time()
        wait = lane.started_s + pace_s - now
        if wait <= 0:
            peer = self._routes.peer(lane.name)
            if peer is not None:
                lane.started_s = now
                lane.calls += 1
                return peer
            wait = _RETRY_S
        self._wake_later(lane, flush, wait)
        return None

    def _wake_later(self, lane: _Lane, flush: Callable[[_Lane], None], delay_s: float) -> None:
        if lane.timer is None:
            lane.timer = self._loop.call_later(delay_s, self._on_timer, lane, flush)

    def _on_timer(self, lane: _Lane, flush: Callable[[_Lane], None]) -> None:
        lane.timer = None
        flush(lane)

    def _take(self, lane: _Lane) -> list[Ticket]:
        """Take up to one batch of tickets that still have someone waiting for them."""
        queue = lane.queue
        batch: list[Ticket] = []
        while queue and len(batch) < self._settings.batch_rows_max:
            ticket = queue.popleft()
            if not ticket.answered:
                batch.append(ticket)
        return batch

    def _forget_answered(self, lane: _Lane) -> None:
        """Drop given-up bets from the head of a queue, which else grew while its target is down."""
        queue = lane.queue
        while queue and queue[0].answered:
            queue.popleft()

    def _start(self, call: Any) -> None:
        task = self._loop.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def _back(self, lane: _Lane, flush: Callable[[_Lane], None], *, failed: bool) -> None:
        """Note that a call came back; after a failure the lane rests before it tries again."""
        lane.calls -= 1
        if failed:
            if self.suspect is not None:
                self.suspect(lane.name)
            self._wake_later(lane, flush, _RETRY_S)
        else:
            self._touch(lane, flush)

    # --- step 1: reserve the stake (and tell earlier verdicts) ------------------------------------

    def _flush_account(self, lane: _Lane) -> None:
        self._forget_answered(lane)
        if not lane.queue and not lane.verdicts_due:
            if lane.verdicts:
                self._linger(lane)
            return
        peer = self._may_call(lane, self._flush_account, pace_s=self._pace_of(lane))
        if peer is None:
            return
        rows_max = self._settings.batch_rows_max
        verdicts, lane.verdicts = lane.verdicts[:rows_max], lane.verdicts[rows_max:]
        lane.verdicts_due = len(lane.verdicts) > 0
        self._start(self._exchange(lane, peer, self._take(lane), verdicts))

    def _pace_of(self, lane: _Lane) -> float:
        """Return how long after its last call an account lane lets the next one wait, in seconds.

        A wave that is large enough leaves at once; a smaller one waits for company.
        """
        wave = self.in_flight // (_WAVES * self._routes.shards)
        return 0.0 if wave <= _WAVE_FREE or len(lane.queue) >= wave else self._pace_s

    def _linger(self, lane: _Lane) -> None:
        """Give verdicts a short while to ride on a reservation before they travel alone."""

        def due(lane: _Lane) -> None:
            lane.verdicts_due = len(lane.verdicts) > 0
            self._flush_account(lane)

        self._wake_later(lane, due, self._linger_s)

    async def _exchange(
        self, lane: _Lane, peer: Peer, batch: list[Ticket], verdicts: list[bytes]
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
            _note(lane, error)
            # Both halves are safe to send again: a ref and a verdict each count once.
            lane.queue.extendleft(reversed(batch))
            lane.verdicts[:0] = verdicts
            lane.verdicts_due = lane.verdicts_due or len(verdicts) > 0
            self._back(lane, self._flush_account, failed=True)
            return
        self._back(lane, self._flush_account, failed=False)

    def _reserved(self, batch: list[Ticket], answer: bytes) -> None:
        answered: list[tuple[Ticket, BetAnswer]] = []
        for ticket, row in zip(batch, RESERVED_ROW.iter_unpack(answer), strict=True):
            bet_id, stake_max_minor, odds_milli, rate_micro, reason, state, flags, _ = row
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
        lane = self._markets.get(name)
        if lane is None:
            lane = self._markets[name] = _Lane(name)
        lane.queue.append(ticket)
        self._touch(lane, self._flush_market)

    def _flush_market(self, lane: _Lane) -> None:
        self._forget_answered(lane)
        if not lane.queue:
            return
        peer = self._may_call(lane, self._flush_market)
        if peer is None:
            return
        batch = self._take(lane)
        if batch:
            self._start(self._decide(lane, peer, batch))
        else:
            lane.calls -= 1

    async def _decide(self, lane: _Lane, peer: Peer, batch: list[Ticket]) -> None:
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
                    0,
                )
            )
        self.stats.calls += 1
        self.stats.rows += len(rows)
        try:
            answer: bytes = await peer.ask("place", b"".join(rows), timeout_s=self._call_timeout_s)
            self._decided(batch, _whole(answer, DECISION_ROW, len(batch)))
        except Exception as error:  # a lane must come back whatever happened
            _note(lane, error)
            lane.queue.extendleft(reversed(batch))
            self._back(lane, self._flush_market, failed=True)
            return
        self._back(lane, self._flush_market, failed=False)

    def _decided(self, batch: list[Ticket], answer: bytes) -> None:
        answered: list[tuple[Ticket, BetAnswer]] = []
        touched: dict[int, _Lane] = {}
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
            lane = touched.get(ticket.shard) or self._account_lane(ticket.shard)
            touched[ticket.shard] = lane
            lane.verdicts.append(verdict)
        for lane in touched.values():
            self._touch(lane, self._flush_account)
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
            latencies.append(now - ticket.born_s)
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
        born = self._born
        while born and (born[0].answered or born[0].born_s < horizon):
            self._give_up(born.popleft())
        # By then every ticket of such a bet has been answered and its calls have come back.
        horizon -= 2 * self._call_timeout_s
        while self._shared and next(iter(self._shared.values())) < horizon:
            del self._shared[next(iter(self._shared))]
        while self._voided and next(iter(self._voided.values()))[0] < horizon:
            del self._voided[next(iter(self._voided))]
        waits = born or self._shared or self._voided
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if waits else None

    def _give_up(self, ticket: Ticket) -> None:
        if not ticket.answered:
            self._answer([(ticket, BetAnswer("unknown", ticket.bet_id, 0, Reason.UNKNOWN, 0))])
