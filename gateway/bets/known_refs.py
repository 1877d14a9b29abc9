"""Ask accounts whether they know the refs of bets that no market could decide now.

Owns the questions that wait, one queue for each account shard. It books nothing: a ref that is not
known stays free.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Final

import msgspec

from actors.back_off import BackOff
from actors.messages import StatusQuery, encode
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.routes import Routes, account_shell_name
from engine.common.views import Slip
from gateway.bets.ticket import Ticket
from gateway.call_queue import CallQueue
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")

_RETRY_S: Final = 0.02
"""Delay before a queue whose account shard is gone calls again; a route update ends it."""

_decode_slip: Final = msgspec.msgpack.Decoder(Slip | None).decode


class RefState(Enum):
    """What an account says of a ref."""

    FREE = "free"
    KNOWN = "known"
    UNSURE = "unsure"
    """The account is in quarantine, and an earlier sending may lie behind the damage."""


class KnownRefs:
    """Find out which bets their accounts have already recorded.

    Parameters
    ----------
    routes, settings
        As of the bet path, which bounds the tickets that wait by `bets_in_flight_max`.
    on_answer : callable
        Called once with each ticket and its account's answer. A ticket that has had its own answer
        meanwhile is dropped.
    suspect : callable
        Called with the name of a shell whose process seems gone; must not block.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        settings: GatewaySettings,
        on_answer: Callable[[Ticket, RefState], None],
        suspect: Callable[[str], None],
    ) -> None:
        self._routes = routes
        self._timeout_s = settings.call_timeout_ms / 1_000
        self._calls_max = settings.calls_in_flight_max
        self._on_answer = on_answer
        self._suspect = suspect
        self._queues: dict[int, CallQueue[Ticket]] = {}

    def ask(self, ticket: Ticket) -> None:
        """Queue the question for a ticket, whose `shard` is set."""
        queue = self._queues.get(ticket.shard)
        if queue is None:
            clock_s = asyncio.get_running_loop().time
            queue = self._queues[ticket.shard] = CallQueue(
                account_shell_name(ticket.shard),
                start=self._start,
                back_off=BackOff(_RETRY_S, _RETRY_S, clock_s=clock_s),
                calls_max=self._calls_max,
            )
        queue.add(ticket)

    def queues(self) -> list[CallQueue[Ticket]]:
        """Return the queues, for their owner to wake and to stop."""
        return list(self._queues.values())

    def _start(self, queue: CallQueue[Ticket]) -> Coroutine[Any, Any, bool] | None:
        while queue.waiting and queue.waiting[0].answered:
            queue.waiting.popleft()
        if not queue.waiting:
            return None
        peer = self._routes.peer(queue.name)
        if peer is None:
            queue.wake_in(_RETRY_S)
            return None
        return self._query(queue, peer, queue.waiting.popleft())

    async def _query(self, queue: CallQueue[Ticket], peer: Peer, ticket: Ticket) -> bool:
        question = encode(StatusQuery(account_no=ticket.account_no, ref=ticket.ref))
        try:
            raw = await peer.ask("query", question, timeout_s=self._timeout_s)
            state = RefState.FREE if _decode_slip(raw) is None else RefState.KNOWN
        except PeerRefusedError:
            state = RefState.UNSURE
        except Exception as error:  # the queue must go on whatever happens
            if not isinstance(error, PeerError):  # a process that is gone is not a defect
                logger.error("%s met a defect", queue.name, exc_info=error)
            queue.put_back([ticket])
            self._suspect(queue.name)
            return False
        if not ticket.answered:
            self._on_answer(ticket, state)
        return True
