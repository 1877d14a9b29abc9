"""What keeps a market closed although its producer says that it is open.

Owns one question: may a market that its producer has ACTIVE take bets now. It never changes one.
"""

from collections.abc import Callable
from typing import Final

from gateway.feeds.uof.cut_offs import CutOffs
from gateway.feeds.uof.event_states import EventStates
from gateway.feeds.uof.market_registry import ListedMarket, MarketRegistry
from gateway.feeds.uof.producers import Producers

COVERAGE_LOST: Final = "live coverage lost"
STARTED: Final = "the event has started"
BETSTOP_DUE: Final = "the time of the next bet stop has come"


class Opening:
    """What keeps the markets of one feed closed.

    Parameters
    ----------
    registry : MarketRegistry
        Says which producers are live.
    producers : Producers
        Says whether a producer is trusted.
    events : EventStates
        Says whether a live producer covers an event.
    cut_offs : CutOffs
        Says whether the time of an event or a market has come.
    """

    def __init__(
        self,
        registry: MarketRegistry,
        *,
        producers: Producers,
        events: EventStates,
        cut_offs: CutOffs,
    ) -> None:
        self._registry: Final = registry
        self._producers: Final = producers
        self._events: Final = events
        self._cut_offs: Final = cut_offs
        self._unpriced: Callable[[ListedMarket], str] = _never

    def ask_also(self, unpriced: Callable[[ListedMarket], str]) -> None:
        """Ask also what says why a market has no price to open with; empty: it has one."""
        self._unpriced = unpriced

    def is_followed(self, listed: ListedMarket) -> bool:
        """Say whether a market's owner is trusted, so that no stop of it can have been missed."""
        return self._producers.is_trusted(listed.owner)

    def event_closed(self, event_id: str, producer: int) -> str:
        """Return why none of a producer's markets of an event may be open; empty: they may."""
        if not self._producers.is_trusted(producer):
            return "feed recovering"
        if not self._events.is_covered(event_id, producer):
            return COVERAGE_LOST
        if not self._registry.rank(producer) and self._cut_offs.has_started(event_id):
            return STARTED
        return ""

    def market_closed(self, listed: ListedMarket) -> str:
        """Return why a market may not be open; empty: it may."""
        return self.event_closed(listed.event_id, listed.owner) or self.stopped(listed)

    def stopped(self, listed: ListedMarket) -> str:
        """Return why a market alone may not be open; empty: it may."""
        if listed.betstop_ms and self._cut_offs.is_stopped(listed):
            return BETSTOP_DUE
        return self._unpriced(listed)


def _never(listed: ListedMarket) -> str:
    del listed
    return ""
