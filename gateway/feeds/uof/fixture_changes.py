"""Turn fixture_change messages into suspensions, or count them.

Owns what a change type means. It never voids a bet: a bet_cancel or a trader does.
"""

from collections.abc import Sequence
from typing import Final

from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Action, Mark
from gateway.feeds.uof.market_registry import MarketRegistry, odds_source
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import FixtureChange
from gateway.feeds.uof.passed_over import PassedOver

_CANCELLED: Final = 3
_COVERAGE: Final = 5


class FixtureChanges:
    """The fixture changes of one feed.

    Parameters
    ----------
    feed : str
        The feed's name.
    registry : MarketRegistry
        The feed's markets.
    passed_over : PassedOver
        Counts fixture changes by type.
    """

    def __init__(self, feed: str, *, registry: MarketRegistry, passed_over: PassedOver) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._passed_over: Final = passed_over

    def on_fixture_change(self, message: FixtureChange, digest: int) -> Sequence[Action]:
        """Return the suspensions that a cancelled fixture or the end of coverage causes.

        A cancelled fixture suspends all markets of the event. A coverage change of a live producer
        suspends the markets of that producer. Every other change is only counted.
        """
        self._passed_over.count(f"fixture change {message.change_type or 0}")
        cancelled = message.change_type == _CANCELLED
        is_live = self._registry.rank(message.product) > 0
        if not cancelled and not (message.change_type == _COVERAGE and is_live):
            return []
        why = "fixture cancelled" if cancelled else "coverage ended"
        updates: list[Action] = []
        for listed in self._registry.event_markets(message.event_id):
            concerned = cancelled or listed.owner == message.product
            if not concerned or not listed.open_when_trusted:
                continue
            if listed.status_ms > message.timestamp > 0:
                continue  # the market has a newer status
            mark = None
            if message.timestamp:  # a fixture_change may come without one
                listed.status_ms = message.timestamp
                source = odds_source(self._feed, listed.owner)
                mark = Mark(source=source, position=message.timestamp, digest=digest)
            listed.last_status = Status.SUSPENDED
            updates.append(status_update(listed, mark, Status.SUSPENDED, why))
        return updates
