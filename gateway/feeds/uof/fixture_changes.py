"""Turn fixture_change messages into suspensions, or count them.

Owns what a change type means. It never voids a bet: a bet_cancel or a trader does.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Action, Mark
from gateway.feeds.uof.bet_stop_groups import ALL
from gateway.feeds.uof.cut_off_watch import CutOffWatch
from gateway.feeds.uof.event_states import EventStates
from gateway.feeds.uof.market_registry import MarketRegistry, odds_source
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import FixtureChange
from gateway.feeds.uof.passed_over import PassedOver

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices

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
    events : EventStates
        Keeps which live producers cover a match.
    cut_off_watch : CutOffWatch
        Takes the starts of events.
    model_prices : ModelPrices | None
        Suspends the markets that our model prices, where it is used.
    passed_over : PassedOver
        Counts fixture changes by type.
    """

    def __init__(
        self,
        feed: str,
        *,
        registry: MarketRegistry,
        events: EventStates,
        cut_off_watch: CutOffWatch,
        model_prices: "ModelPrices | None",
        passed_over: PassedOver,
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._events: Final = events
        self._cut_off_watch: Final = cut_off_watch
        self._model_prices: Final = model_prices
        self._passed_over: Final = passed_over

    def on_fixture_change(self, message: FixtureChange, digest: int) -> Sequence[Action]:
        """Return the suspensions that a cancelled fixture or a change of coverage causes.

        A cancelled fixture suspends all markets of the event. A coverage change of a live producer
        suspends the markets of that producer: whether the match is covered from now on or no more
        is told by what follows, so that each market waits for odds that are newer. A start time
        moves the cut-off of the event's pre-match markets. Every other change is only counted.
        """
        self._passed_over.count(f"fixture change {message.change_type or 0}")
        moved = self._cut_off_watch.on_start(message)
        cancelled = message.change_type == _CANCELLED
        is_live = self._registry.rank(message.product) > 0
        if not cancelled and not (message.change_type == _COVERAGE and is_live):
            return moved
        why = "fixture cancelled" if cancelled else "coverage ended"
        listed_markets = self._registry.event_markets(message.event_id)
        if not cancelled:
            self._events.note_lost(message.event_id, message.product, message.timestamp)
            listed_markets = [one for one in listed_markets if one.owner == message.product]
        for producer in dict.fromkeys([message.product, *(one.owner for one in listed_markets)]):
            # Odds from before the change that come late must not open a market again.
            self._registry.record_bet_stop(message.event_id, producer, (ALL,), message.timestamp)
        updates: list[Action] = [*moved]
        if self._model_prices is not None:
            updates += self._model_prices.on_stop(message, digest, why)
        for listed in listed_markets:
            if not listed.open_when_trusted or listed.status_ms > message.timestamp > 0:
                continue  # the market is not open, or has a newer status
            mark = None
            if message.timestamp:  # a fixture_change may come without one
                listed.status_ms = message.timestamp
                source = odds_source(self._feed, listed.owner)
                mark = Mark(source=source, position=message.timestamp, digest=digest)
            listed.last_status = Status.SUSPENDED
            updates.append(status_update(listed, mark, Status.SUSPENDED, why))
        return updates
