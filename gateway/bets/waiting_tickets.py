"""Bets that wait at their markets, out a delay or for a trader, and when each is asked for again.

Owns the times alone. The market decides each bet in its own sequence, also when no gateway asks;
what a gateway that has gone would have carried, the reconciler carries. So nothing here is durable.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Final

from engine.common.rows import DECISION_ROW
from engine.common.units import NS_PER_MS
from gateway.bets.slip_ticket import LegTicket, SlipTicket
from gateway.bets.ticket import BetWait, Ticket
from gateway.call_queue import TIMER_EARLY_S

_ASK_LATER_S: Final = 0.002
"""Seconds by which a bet is asked for after its time has come."""
_ASK_LATE_S: Final = 0.05
"""Seconds after which a bet is asked for again whose shell could not decide it, or not yet."""
_ASK_AGAIN_S: Final = 1.0
"""Seconds between two questions for a bet, of which a trader may decide before its time has come,
and which a stop may have refused."""

_Waiting = Ticket | LegTicket


class WaitingTickets:
    """The tickets of one gateway's bets and legs that wait.

    Parameters
    ----------
    tickets_max : int
        Bound of the tickets; past it a bet is answered `unknown` while it goes on waiting.
    deadline_s : float
        Seconds that a market has for its answer, each time that a bet is asked for.
    ask : callable
        Called with a ticket that is to be sent to its market again.
    give_up : callable
        Called with a ticket whose market has not answered in time.
    """

    def __init__(
        self,
        *,
        tickets_max: int,
        deadline_s: float,
        ask: Callable[[_Waiting], None],
        give_up: Callable[[Ticket | SlipTicket], None],
    ) -> None:
        self._tickets_max = tickets_max
        self._deadline_s = deadline_s
        self._ask = ask
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, _Waiting, bool]] = []
        """When what is due, the number of the wait or question, its ticket, and whether it was
        asked for: then its answer is due."""
        self._numbers = count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._held: set[_Waiting] = set()
        """Tickets that wait and are not asked for."""

    @property
    def waiting(self) -> int:
        """How many tickets wait and are not asked for."""
        return len(self._held)

    def add(self, ticket: _Waiting, verdict: bytes) -> None:
        """Let a ticket wait by a DECISION row that is none; its session is told the first time."""
        _, wait_ms, _, reason, _ = DECISION_ROW.unpack(verdict)
        if ticket.answered:
            return
        bet = ticket.slip if isinstance(ticket, LegTicket) else ticket
        if self.waiting >= self._tickets_max:
            self._give_up(bet)
            return
        if not bet.waits:
            bet.waits = True
            until_ms = time.time_ns() // NS_PER_MS + wait_ms
            bet.session.on_bet_waits(bet.ref, BetWait(bet.bet_id, reason, wait_ms, until_ms))
        self._held.add(ticket)
        wait_s = min(wait_ms / 1_000 + _ASK_LATER_S if wait_ms else _ASK_LATE_S, _ASK_AGAIN_S)
        self._put(self._loop.time() + wait_s, ticket, asked=False)

    def forget(self, tickets: Iterable[_Waiting]) -> None:
        """Let tickets go whose bet is answered, such as the legs of a slip that another ended."""
        for ticket in tickets:
            self._held.discard(ticket)
            ticket.wait_no = 0

    def close(self) -> None:
        """Give up every bet that waits."""
        due, self._due = self._due, []
        if self._timer is not None:
            self._timer.cancel()
        for _, _, ticket, _ in due:
            bet = ticket.slip if isinstance(ticket, LegTicket) else ticket
            if not bet.answered:
                self._give_up(bet)

    def _put(self, due_s: float, ticket: _Waiting, *, asked: bool) -> None:
        ticket.wait_no = next(self._numbers)
        heappush(self._due, (due_s, ticket.wait_no, ticket, asked))
        if self._due[0][1] == ticket.wait_no:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0][0], self._turn) if self._due else None

    def _turn(self) -> None:
        """Ask for the bets whose time has come, and give up those that got no answer."""
        now_s = self._loop.time() + TIMER_EARLY_S
        while self._due and self._due[0][0] <= now_s:
            _, number, ticket, asked = heappop(self._due)
            if ticket.wait_no != number:
                continue
            self._held.discard(ticket)
            bet = ticket.slip if isinstance(ticket, LegTicket) else ticket
            if asked:
                # Of a slip whose legs are decided the account may be silent, or another market.
                if not bet.answered:
                    self._give_up(bet)
            elif not ticket.answered:
                self._put(now_s + self._deadline_s, ticket, asked=True)
                self._ask(ticket)
        self._set_timer()
