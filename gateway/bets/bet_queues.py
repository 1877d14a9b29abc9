"""The queues of a bet path: one for each account shard and one for each market shell.

Owns which queue an item goes to. When a call starts is the path's word, and what it carries.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from actors.back_off import BackOff
from actors.routes import account_shell_name
from engine.common.ids import ShardNo
from gateway.bets.queues import AccountQueue, MarketQueue
from gateway.call_queue import CallQueue

RETRY_S: Final = 0.02
"""Delay before a queue whose target is gone calls again; a route update ends it."""


class BetQueues:
    """One queue for each target, made when it is first needed.

    Parameters
    ----------
    start_exchange, start_decide : callable
        Take a batch of a queue of an account or of a market, and return its call.
    pace : callable
        Seconds by which the next call to an account follows its last one.
    calls_max : int
        Calls in flight to one target.
    clock_s : callable
        Seconds of the event loop.
    """

    def __init__(
        self,
        *,
        start_exchange: Callable[[AccountQueue], Coroutine[Any, Any, bool] | None],
        start_decide: Callable[[MarketQueue], Coroutine[Any, Any, bool] | None],
        pace: Callable[[AccountQueue], float],
        calls_max: int,
        clock_s: Callable[[], float],
    ) -> None:
        self._start_exchange = start_exchange
        self._start_decide = start_decide
        self._pace = pace
        self._calls_max = calls_max
        self._clock_s = clock_s
        self._accounts: dict[int, AccountQueue] = {}
        self._markets: dict[str, MarketQueue] = {}

    def all(self) -> list[CallQueue[Any]]:
        """Return every queue."""
        return [*self._accounts.values(), *self._markets.values()]

    def account(self, shard: ShardNo) -> AccountQueue:
        """Return the queue of an account shard."""
        queue = self._accounts.get(shard)
        if queue is None:
            queue = self._accounts[shard] = AccountQueue(
                account_shell_name(shard),
                start=self._start_exchange,
                back_off=self._back_off(),
                calls_max=self._calls_max,
                pace=self._pace,
            )
        return queue

    def market(self, name: str) -> MarketQueue:
        """Return the queue of a market shell."""
        queue = self._markets.get(name)
        if queue is None:
            queue = self._markets[name] = CallQueue(
                name,
                start=self._start_decide,
                back_off=self._back_off(),
                calls_max=self._calls_max,
            )
        return queue

    def _back_off(self) -> BackOff:
        return BackOff(RETRY_S, RETRY_S, clock_s=self._clock_s)
