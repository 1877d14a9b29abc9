"""What all sessions of one gateway share: settings, counters, services and background tasks.

Owns the audit line of every denial. Holds no state of a single session.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from gateway.bets.path import BetPath
from gateway.counters import Counters
from gateway.feeds.core.ingress import FeedIngress
from gateway.services.accounts import Accounts
from gateway.services.control import ControlService
from gateway.services.price_fanout import Fanout
from gateway.settings import GatewaySettings

logger = logging.getLogger("overround.gateway")
audit_log = logging.getLogger("overround.audit")


class TaskGroup:
    """Tasks in the background, held until they end; a defect in one is logged, not lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("a background task met a defect", exc_info=task.exception())

    def cancel(self) -> None:
        """Cancel what still runs."""
        for task in list(self._tasks):
            task.cancel()


class Services:
    """What every session of a gateway shares."""

    def __init__(
        self,
        *,
        settings: GatewaySettings,
        counters: Counters,
        bets: BetPath,
        fanout: Fanout,
        accounts: Accounts,
        control: ControlService,
        feeds: FeedIngress,
    ) -> None:
        self.settings = settings
        self.counters = counters
        self.bets = bets
        self.fanout = fanout
        self.accounts = accounts
        self.control = control
        self.feeds = feeds
        self.tasks = TaskGroup()
        self.sessions_by_account: dict[int, int] = {}

    def deny(self, kind: str, *, peer: str, who: str, what: str) -> None:
        """Count a denial and write its audit line."""
        self.counters.deny(kind)
        line = {"event": "denied", "kind": kind, "peer": peer, "who": who, "what": what[:200]}
        audit_log.warning(msgspec.json.encode(line).decode())
