"""The path of a bet through a gateway: reserve, decide, answer, and send the account the verdict.

A slip of several legs takes the same path: its account reserves the stake of all lines once, each
leg is decided by its market among that market's other bets, and the account decides the slip by the
decisions on all legs (slip_gathering.py).

Owns the progress of each bet between the two journals and nothing durable: what is lost here the
reconciler resolves from the shells' own records. Only the account's journal says that a bet is
dead: the path concludes it neither from a refusal that no market recorded nor from its own memory.
It never rejects a bet for a timeout (the answer is `unknown`) and never lets one shell delay bets
of another: each account shard and each market shell has its own queue with its own calls and
retries.

Bets gather in a queue while a call is in flight, so batches grow with the load; a lone bet leaves
in the same turn of the event loop. Past `WAVE_FREE` bets a wave, account queues also space their
calls: a call costs the machine about 0.25 ms of processor time whatever it carries (its sync alone
takes 0.05), so under load fewer, larger calls leave more of the machine for bets. Market queues
need no pace: whole batches reach them as they come back from an account.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from actors.peer import PeerError
from actors.routes import Routes
from engine.common.ids import BetId, ShardNo, shard_of_account
from engine.common.reasons import UNRECORDED, WAITING, Reason
from engine.common.rows import (
    DECISION_ROW,
    FLAG_KNOWN,
    FLAG_UNMARKED,
    RESERVATION_ROW,
    RESERVED_ROW,
    SlipState,
)
from engine.common.units import OddsMilli
from gateway.bets.bet_queues import RETRY_S, BetQueues
from gateway.bets.known_refs import KnownRefs
from gateway.bets.offers_left import OffersLeft
from gateway.bets.queues import (
    AccountQueue,
    MarketQueue,
    T,
    drop_answered,
    leaves_at_once,
    take_batch,
)
from gateway.bets.rows import bet_rows, checked_rows, decision_rows, reserve_arguments
from gateway.bets.slip_gathering import SlipGathering
from gateway.bets.slip_ticket import LegTicket, SlipBetAnswer, SlipTicket
from gateway.bets.stats import BetStats
from gateway.bets.ticket import BetAnswer, Ticket, without_figures
from gateway.bets.waiting_tickets import WaitingTickets
from gateway.call_queue import CallQueue
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_SWEEP_S: Final = 0.05
"""Seconds between two checks of deadlines, which is how late an `unknown` may be."""

_REASONS: Final = {int(reason): reason for reason in Reason}

# Members of an enum cost more to look up than the rest of what is done with a row.
_NONE: Final = int(SlipState.NONE)
_PENDING: Final = int(SlipState.PENDING)
_BOOKED: Final = frozenset({int(SlipState.ACCEPTED), int(SlipState.SETTLED)})


class BetPath:
    """All bets of one gateway, from `place` until their accounts have the verdicts.

    Parameters
    ----------
    routes : Routes
        Where markets and accounts are; the gateway keeps it up to date and then calls `wake`.
    settings : GatewaySettings
        Bounds: bets in flight (a bet past it is BUSY at once), rows a call, calls a target,
        deadline.
    suspect : callable
        Called with the name of a shell whose process seems gone; must not block.
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
        """Bets and legs that are not answered."""
        self.suspect = suspect
        self._routes = routes
        self._settings = settings
        self._deadline_s = settings.bet_deadline_ms / 1_000
        self._call_timeout_s = settings.call_timeout_ms / 1_000
        self._linger_s = settings.verdict_linger_ms / 1_000
        self._pace_s = settings.batch_pace_ms / 1_000
        self._slips_in_flight = 0
        self._legs_in_flight = 0
        self._known_refs = KnownRefs(
            routes=routes, settings=settings, on_answer=self._recalled, suspect=self._report
        )
        self._received: deque[Ticket | SlipTicket] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._queues = BetQueues(
            start_exchange=self._start_exchange,
            start_decide=self._start_decide,
            pace=self._pace_of,
            calls_max=settings.calls_in_flight_max,
            clock_s=self._loop.time,
        )
        self._slips = SlipGathering(
            deadline_s=self._deadline_s,
            clock_s=self._loop.time,
            ask=self._ask_account,
            keep=self._keep_verdicts,
            answer=self._answer_slip,
        )
        self._waiting = WaitingTickets(
            tickets_max=settings.bets_waiting_max,
            deadline_s=self._deadline_s,
            ask=self._ask_market,
            give_up=self._end_unknown,
        )
        self._offers = OffersLeft(
            routes=routes, timeout_s=self._deadline_s / 2, answer=self._answer
        )
        self._closed = False

    @property
    def bets_waiting(self) -> int:
        """Bets and legs that wait at their markets; `in_flight` counts them too."""
        return self._waiting.waiting

    # --- in ------------------------------------------------------------------------------------

    def place(self, ticket: Ticket) -> None:
        """Take a bet; its session receives the answer exactly once.

        A bet past `bets_in_flight_max`, or on a market that no shell hosts, is answered at once and
        touches no account. A bet on a market whose shell is in quarantine is refused without being
        booked, unless its account knows the ref: then the account's answer is the bettor's.
        """
        moving = self.in_flight - self._waiting.waiting
        if moving >= self._settings.bets_in_flight_max or self._closed:
            self._refuse(ticket, Reason.BUSY)
            return
        shell = self._routes.market_shell(ticket.market_no)
        if shell is None:
            self._refuse(ticket, Reason.MARKET_UNKNOWN)
            return
        if ticket.market_no in self._routes.place_markets:
            self._refuse(ticket, Reason.NO_PLACE_TERMS)
            return
        self.in_flight += 1
        ticket.shell = shell
        self._receive(ticket, quarantined=shell in self._routes.quarantined)

    def place_slip(self, slip: SlipTicket) -> None:
        """Take a slip, whose legs know their markets' shells; its session receives one answer.

        It counts as a bet in flight for each leg, and as for bets the answer is BUSY past their
        bound. With one leg on a market in quarantine none is booked.
        """
        legs = len(slip.legs)
        moving = self.in_flight - self._waiting.waiting
        if moving + legs > self._settings.bets_in_flight_max or self._closed:
            self.stats.count("rejected", Reason.BUSY)
            slip.answered = True
            slip.session.on_slip_answer(slip, SlipBetAnswer(state="rejected", reason=Reason.BUSY))
            return
        self.in_flight += legs
        self._legs_in_flight += legs
        self._slips_in_flight += 1
        sound = self._routes.quarantined.isdisjoint([leg.shell for leg in slip.legs])
        self._receive(slip, quarantined=not sound)

    def _receive(self, ticket: Ticket | SlipTicket, *, quarantined: bool) -> None:
        ticket.received_s = self._loop.time()
        ticket.shard = shard_of_account(ticket.account_no, shards=self._routes.shards)
        self._received.append(ticket)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep)
        if quarantined:
            self._known_refs.ask(ticket)
        else:
            self._queues.account(ticket.shard).add(ticket)

    def _recalled(self, batch: list[Ticket | SlipTicket], answer: bytes) -> None:
        """Answer bets on markets in quarantine with what their accounts know of their refs."""
        rows = sum([ticket.rows for ticket in batch])
        self._reserved(batch, checked_rows(answer, RESERVED_ROW, rows))

    def wake(self) -> None:
        """Let every queue call again at once; the gateway calls this when routes changed."""
        for queue in self._all_queues():
            queue.retry()

    async def close(self) -> None:
        """Take no more bets, wait for calls in flight, and answer the bets that are left."""
        self._closed = True
        calls = [task for queue in self._all_queues() for task in queue.tasks]
        if calls:
            await asyncio.wait(calls, timeout=self._call_timeout_s)
        await self._offers.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for queue in self._all_queues():
            queue.stop()
        while self._received:
            self._give_up(self._received.popleft())
        self._waiting.close()

    # --- queues --------------------------------------------------------------------------------

    def _all_queues(self) -> list[CallQueue[Any]]:
        return [*self._queues.all(), *self._known_refs.queues()]

    def _take(self, queue: CallQueue[T]) -> list[T]:
        """Take up to one batch of tickets that are not answered yet."""
        return take_batch(
            queue,
            rows_max=self._settings.batch_rows_max,
            mixed=self._slips_in_flight > 0,
            keep_verdict=self._keep_verdict,
        )

    def _keep_verdict(self, shard: ShardNo, verdict: bytes) -> None:
        self._keep_verdicts(shard, decision_rows(verdict))

    def _keep_verdicts(self, shard: ShardNo, verdicts: Sequence[bytes]) -> None:
        """Let the next call to an account carry DECISION rows for which no ticket waits."""
        queue = self._queues.account(shard)
        queue.add_verdicts(verdicts, self._loop.time() + self._linger_s)
        queue.wake()

    def _failed(self, queue: CallQueue[T], batch: list[T], error: Exception) -> None:
        """Put the tickets of a failed call back, and report the shell."""
        if not isinstance(error, PeerError):  # a process that is gone is not a defect
            logger.error("%s met a defect", queue.name, exc_info=error)
        queue.put_back(batch)
        self._report(queue.name)

    def _report(self, name: str) -> None:
        if self.suspect is not None:
            self.suspect(name)

    # --- step 1: reserve the stake (and send earlier verdicts) ------------------------------------

    def _pace_of(self, queue: AccountQueue) -> float:
        """Return the seconds by which the next call to an account shard follows its last one."""
        moving = max(1, self.in_flight - self._waiting.waiting)
        leaves = leaves_at_once(
            len(queue.waiting),
            tickets=max(0, moving - self._legs_in_flight) + self._slips_in_flight,
            rows=moving + self._slips_in_flight,
            shards=self._routes.shards,
            rows_max=self._settings.batch_rows_max,
        )
        return 0.0 if leaves or not queue.due(self._loop.time()) else self._pace_s

    def _start_exchange(self, queue: AccountQueue) -> Coroutine[Any, Any, bool] | None:
        drop_answered(queue, keep_verdict=self._keep_verdict)
        now_s = self._loop.time()
        if not queue.due(now_s):
            if queue.verdicts:  # a reservation may still carry them
                queue.wake_in(queue.verdicts_due_s - now_s)
            return None
        peer = self._routes.peer(queue.name)
        if peer is None:
            queue.wake_in(RETRY_S)
            return None
        batch = self._take(queue)
        asked = b"".join([ticket.verdict for ticket in batch if ticket.verdict])
        room = max(0, self._settings.batch_rows_max - len(asked) // DECISION_ROW.size)
        verdicts, queue.verdicts = queue.verdicts[:room], queue.verdicts[room:]
        queue.verdicts_due_s = now_s
        rows = reserve_arguments(batch)
        answer = peer.ask(
            "exchange", b"".join([*verdicts, asked]), *rows, timeout_s=self._call_timeout_s
        )
        self.stats.calls += 1
        count = len(rows[0]) // RESERVATION_ROW.size
        return self._exchange(queue, batch, verdicts, answer, count)

    async def _exchange(
        self,
        queue: AccountQueue,
        batch: list[Ticket | SlipTicket],
        verdicts: list[bytes],
        answer: Awaitable[bytes],
        count: int,
    ) -> bool:
        try:
            self._reserved(batch, checked_rows(await answer, RESERVED_ROW, count))
        except Exception as error:  # the queue must go on whatever happens
            # Both halves are safe to send again: a ref and a verdict each count once.
            self._failed(queue, batch, error)
            if verdicts:
                queue.verdicts[:0] = verdicts
                queue.verdicts_due_s = self._loop.time()
            return False
        return True

    def _reserved(self, batch: list[Ticket | SlipTicket], answer: bytes) -> None:
        answered: list[tuple[Ticket, BetAnswer]] = []
        queues: dict[str, MarketQueue] = {}
        rows = RESERVED_ROW.iter_unpack(answer)
        for ticket, row in zip(batch, rows, strict=True):
            if type(ticket) is SlipTicket:
                for leg in self._slips.reserved(ticket, row, list(islice(rows, ticket.rows - 1))):
                    queue = queues.get(leg.shell)
                    if queue is None:
                        queue = queues[leg.shell] = self._queues.market(leg.shell)
                    queue.waiting.append(leg)
                continue
            bet_id, stake_max_minor, odds_milli, rate_micro, reason, state, flags, factor = row
            if state == _PENDING and (ticket.verdict or flags & FLAG_UNMARKED):
                # The account did not void it: another ticket may have been accepted. Or it cannot
                # note that it hands the slip out again, and another gateway's void may take it.
                answered.append((ticket, without_figures("unknown", bet_id, Reason.UNKNOWN)))
            elif state == _PENDING:
                ticket.bet_id = bet_id
                ticket.rate_micro = rate_micro
                ticket.factor_milli = factor
                if flags & FLAG_KNOWN:
                    # Another ticket, here or at another gateway, may have sent it or be about to.
                    ticket.sends = max(ticket.sends, 1)
                queue = queues.get(ticket.shell)
                if queue is None:
                    queue = queues[ticket.shell] = self._queues.market(ticket.shell)
                queue.waiting.append(ticket)
            elif state == _NONE and reason == Reason.QUARANTINED:
                # The account cannot say whether an earlier sending of the ref was booked.
                answered.append((ticket, without_figures("unknown", bet_id, Reason.UNKNOWN)))
            elif state == _NONE and reason == Reason.BET_UNKNOWN:
                # The market is in quarantine, and no earlier sending of the ref was booked.
                answered.append((ticket, without_figures("rejected", bet_id, Reason.QUARANTINED)))
            else:
                name = "accepted" if state in _BOOKED else "rejected"
                answered.append(
                    (ticket, BetAnswer(name, bet_id, odds_milli, _REASONS[reason], stake_max_minor))
                )
        for queue in queues.values():
            queue.start_due()
        self._answer(self._offers.take(answered))

    # --- step 2: the market decides --------------------------------------------------------------

    def _start_decide(self, queue: MarketQueue) -> Coroutine[Any, Any, bool] | None:
        drop_answered(queue, keep_verdict=self._keep_verdict)
        if not queue.waiting:
            return None
        peer = self._routes.peer(queue.name)
        if peer is None:
            queue.wake_in(RETRY_S)
            return None
        batch = self._take(queue)
        if not batch:
            return None
        answer = peer.ask("place", bet_rows(batch), timeout_s=self._call_timeout_s)
        self.stats.calls += 1
        self.stats.rows += len(batch)
        return self._decide(queue, batch, answer)

    async def _decide(
        self, queue: MarketQueue, batch: list[Ticket | LegTicket], answer: Awaitable[bytes]
    ) -> bool:
        try:
            self._decided(batch, checked_rows(await answer, DECISION_ROW, len(batch)))
        except Exception as error:  # the queue must go on whatever happens
            self._failed(queue, batch, error)
            return False
        return True

    def _decided(self, batch: list[Ticket | LegTicket], answer: bytes) -> None:
        """Answer what was accepted, and send every verdict to its account.

        The ticket of a refusal asks the account again, in the call that carries the void, and the
        account's answer is the bettor's: so the stake is back when the bettor receives it, the slip
        says what was answered, and a refusal that no market recorded counts only if the account
        took it. Such a refusal is no verdict at all if the bet was sent twice.
        """
        answered: list[tuple[Ticket, BetAnswer]] = []
        queues: dict[int, AccountQueue] = {}
        due_s = self._loop.time() + self._linger_s
        at = 0
        for ticket, row in zip(batch, DECISION_ROW.iter_unpack(answer), strict=True):
            bet_id, stake_max_minor, odds_milli, code, _ = row
            reason = _REASONS[code]
            verdict = answer[at : at + DECISION_ROW.size]
            at += DECISION_ROW.size
            if reason in WAITING:
                if type(ticket) is Ticket or not self._slips.is_over(ticket):
                    self._waiting.add(ticket, verdict)
                continue
            if type(ticket) is LegTicket:
                self._slips.decided(ticket, reason, OddsMilli(odds_milli), verdict)
                continue
            if reason in UNRECORDED and ticket.sends > 1:
                # Another sending may have been booked; this refusal does not know of it.
                answered.append((ticket, without_figures("unknown", bet_id, Reason.UNKNOWN)))
                continue
            queue = queues.get(ticket.shard)
            if queue is None:
                queue = queues[ticket.shard] = self._queues.account(ticket.shard)
            if code:
                ticket.verdict = verdict
                queue.waiting.append(ticket)
                continue
            if not queue.verdicts:
                queue.verdicts_due_s = due_s
            queue.verdicts.append(verdict)
            accepted = BetAnswer("accepted", bet_id, odds_milli, reason, stake_max_minor)
            answered.append((ticket, accepted))
        for queue in queues.values():
            queue.wake()
        self._answer(answered)

    def _ask_market(self, ticket: Ticket | LegTicket) -> None:
        """Ask a market again for a bet that waits there."""
        queue = self._queues.market(ticket.shell)
        queue.waiting.append(ticket)
        queue.wake()

    def _ask_account(self, slip: SlipTicket) -> None:
        """Send an account the decisions on a slip's legs, and ask it how the slip ends."""
        queue = self._queues.account(slip.shard)
        queue.waiting.append(slip)
        queue.wake()

    # --- out -----------------------------------------------------------------------------------

    def _answer(self, answers: Iterable[tuple[Ticket, BetAnswer]]) -> None:
        now_s = self._loop.time()
        stats = self.stats
        counts = stats.answers
        for ticket, answer in answers:
            if ticket.answered:
                continue
            ticket.answered = True
            self.in_flight -= 1
            if ticket.waits:
                self._waiting.forget([ticket])
            else:  # a wait is no latency
                stats.observe(now_s - ticket.received_s)
            if answer.state == "unknown":
                stats.unknown += 1
            else:
                counts[answer.reason] = counts.get(answer.reason, 0) + 1
            ticket.session.on_bet_answer(ticket, answer)

    def _answer_slip(self, slip: SlipTicket, answer: SlipBetAnswer) -> None:
        if slip.answered:
            return
        slip.answered = True
        self.in_flight -= len(slip.legs)
        self._legs_in_flight -= len(slip.legs)
        self._slips_in_flight -= 1
        if slip.waits:
            self._waiting.forget(slip.legs)
        else:
            self.stats.observe(self._loop.time() - slip.received_s)
        self.stats.count(answer.state, answer.reason)
        slip.session.on_slip_answer(slip, answer)
        slip.let_go()

    def _refuse(self, ticket: Ticket, reason: Reason) -> None:
        self.stats.answers[reason] = self.stats.answers.get(reason, 0) + 1
        ticket.answered = True
        ticket.session.on_bet_answer(ticket, without_figures("rejected", BetId(0), reason))

    def _sweep(self) -> None:
        """Answer `unknown` to bets past their deadline; `_received` is ordered by arrival."""
        horizon = self._loop.time() - self._deadline_s
        self._slips.check()
        received = self._received
        while received and (
            received[0].answered or received[0].waits or received[0].received_s < horizon
        ):
            self._give_up(received.popleft())
        self._sweeper = self._loop.call_later(_SWEEP_S, self._sweep) if received else None

    def _give_up(self, ticket: Ticket | SlipTicket) -> None:
        if not ticket.waits:
            self._end_unknown(ticket)

    def _end_unknown(self, ticket: Ticket | SlipTicket) -> None:
        if isinstance(ticket, SlipTicket):
            self._slips.give_up(ticket)
        elif not ticket.answered:
            self._answer([(ticket, without_figures("unknown", ticket.bet_id, Reason.UNKNOWN))])
