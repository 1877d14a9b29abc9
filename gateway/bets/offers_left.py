"""How long a trader's offer may still be taken, which the answer that makes it tells the bettor.

Owns one question to the market of a bet that was answered with an offer. The market keeps the
offer; the account, which gives the answer, knows nothing of it. An answer waits for no market that
is silent: it then says of no time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.reasons import Reason
from engine.common.units import NS_PER_MS
from gateway.bets.ticket import BetAnswer, Ticket

logger = logging.getLogger("overround.gateway")

_REOFFERED: Final = Reason.REOFFERED
_Answers = Sequence[tuple[Ticket, BetAnswer]]


class OffersLeft:
    """The questions of one gateway; there is one at most for each of its tickets.

    Parameters
    ----------
    routes : Routes
        The market shells, and how to call them.
    timeout_s : float
        Seconds that an answer waits for its market.
    answer : callable
        Takes answers that are whole.
    """

    def __init__(
        self, *, routes: Routes, timeout_s: float, answer: Callable[[_Answers], None]
    ) -> None:
        self._routes = routes
        self._timeout_s = timeout_s
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, answers: _Answers) -> _Answers:
        """Return the answers that make no offer; the others follow by themselves."""
        if all(answer.reason is not _REOFFERED for _, answer in answers):
            return answers
        for ticket, answer in answers:
            if answer.reason is _REOFFERED:
                task = asyncio.get_running_loop().create_task(self._ask(ticket, answer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return [each for each in answers if each[1].reason is not _REOFFERED]

    async def close(self) -> None:
        """Wait for the questions that are asked; each has its bound of time."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _ask(self, ticket: Ticket, answer: BetAnswer) -> None:
        left_ms = 0
        peer = self._routes.peer(ticket.shell)
        try:
            if peer is not None:
                left_ms = await peer.ask(
                    "offer_left_ms", int(answer.bet_id), timeout_s=self._timeout_s
                )
        except (PeerError, PeerRefusedError):
            pass  # the offer stands, and its time is not known
        except Exception:  # the bettor is answered whatever happens
            logger.exception("no time of the offer of bet %d", answer.bet_id)
        if left_ms:
            until_ms = time.time_ns() // NS_PER_MS + left_ms
            answer = msgspec.structs.replace(answer, until_ms=until_ms)
        self._answer([(ticket, answer)])
