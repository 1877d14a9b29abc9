"""Ask accounts which bets they know already, for bets that no market could decide now.

Owns the tickets that wait for the question, one queue for each account shard. It books nothing: a
ref that is not known stays free.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from actors.back_off import BackOff
from actors.peer import PeerError
from actors.routes import Routes, account_shell_name
from gateway.bets.rows import reserve_arguments
from gateway.bets.slip_ticket import SlipTicket
from gateway.bets.ticket import Ticket
from gateway.call_queue import CallQueue
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_RETRY_S: Final = 0.02
"""Delay before a queue whose account shard is gone calls again; a route update ends it."""


class KnownRefs:
    """Find out which bets their accounts have already recorded.

    Parameters
    ----------
    routes, settings
        As of the bet path, which bounds the tickets that wait by `bets_in_flight_max`.
    on_answer : callable
        Called with the tickets of each call and the shard's answer (see `AccountShell.recall`).
    suspect : callable
        Called with the name of a shell whose process seems gone; must not block.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        settings: GatewaySettings,
        on_answer: Callable[[list[Ticket | SlipTicket], bytes], None],
        suspect: Callable[[str], None],
    ) -> None:
        self._routes = routes
        self._timeout_s = settings.call_timeout_ms / 1_000
        self._rows_max = settings.batch_rows_max
        self._on_answer = on_answer
        self._suspect = suspect
        self._queues: dict[int, CallQueue[Ticket | SlipTicket]] = {}

    def ask(self, ticket: Ticket | SlipTicket) -> None:
        """Queue the question for a ticket, whose `shard` is set."""
        queue = self._queues.get(ticket.shard)
        if queue is None:
            clock_s = asyncio.get_running_loop().time
            queue = self._queues[ticket.shard] = CallQueue(
                account_shell_name(ticket.shard),
                start=self._start,
                back_off=BackOff(_RETRY_S, _RETRY_S, clock_s=clock_s),
            )
        queue.add(ticket)

    def queues(self) -> list[CallQueue[Ticket | SlipTicket]]:
        """Return the queues, for their owner to wake and to stop."""
        return list(self._queues.values())

    def _start(self, queue: CallQueue[Ticket | SlipTicket]) -> Coroutine[Any, Any, bool] | None:
        waiting = queue.waiting
        while waiting and waiting[0].answered:
            waiting.popleft()
        if not waiting:
            return None
        peer = self._routes.peer(queue.name)
        if peer is None:
            queue.wake_in(_RETRY_S)
            return None
        batch: list[Ticket | SlipTicket] = []
        rows = 0
        while waiting and (not batch or rows + waiting[0].rows <= self._rows_max):
            ticket = waiting.popleft()
            if not ticket.answered:
                rows += ticket.rows
                batch.append(ticket)
        answer = peer.ask("recall", *reserve_arguments(batch), timeout_s=self._timeout_s)
        return self._recall(queue, batch, answer)

    async def _recall(
        self,
        queue: CallQueue[Ticket | SlipTicket],
        batch: list[Ticket | SlipTicket],
        answer: Awaitable[bytes],
    ) -> bool:
        try:
            self._on_answer(batch, await answer)
        except Exception as error:  # the queue must go on whatever happens
            if not isinstance(error, PeerError):  # a process that is gone is not a defect
                logger.error("%s met a defect", queue.name, exc_info=error)
            queue.put_back(batch)
            self._suspect(queue.name)
            return False
        return True
