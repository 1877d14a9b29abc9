"""Which producer's odds, statuses and bet_stops a market follows.

Owns the rules of a hand-over, both ways: from a pre-match producer to a live one, and back. It
never changes a market; `OddsChanges` notes the new owner once a market follows its message.
"""

from typing import Final

from engine.common.lifecycle import Status
from gateway.feeds.uof.event_states import EventStates
from gateway.feeds.uof.market_registry import NO_OWNER, ListedMarket, MarketRegistry
from gateway.feeds.uof.messages import SportEventStatus
from gateway.feeds.uof.producers import Producers


class Ownership:
    """Who may write the markets of one feed.

    Parameters
    ----------
    registry : MarketRegistry
        Says which producers are live.
    producers : Producers
        Says whether a live producer still serves its markets.
    events : EventStates
        Says whether a match has begun, and whether it is covered live.
    """

    def __init__(
        self, registry: MarketRegistry, *, producers: Producers, events: EventStates
    ) -> None:
        self._registry: Final = registry
        self._rank: Final = registry.rank
        self._producers: Final = producers
        self._events: Final = events

    def follows(
        self,
        listed: ListedMarket,
        producer: int,
        status: Status,
        at_ms: int,
        match: SportEventStatus | None = None,
    ) -> bool:
        """Say whether a market follows a producer's odds and status.

        A market belongs to its owner until the owner hands it over or another producer may take it.
        Messages of the former owner are ignored. An owner that handed the market over cannot make
        it ACTIVE or SUSPENDED again: the market waits for its new producer.

        Parameters
        ----------
        status : Status
            The status that the message gives the market.
        at_ms : int
            The message's timestamp.
        match : SportEventStatus | None
            The status of the match in the message.
        """
        if listed.owner in (NO_OWNER, producer):
            handed_over = listed.owner == producer and listed.last_status is Status.HANDED_OVER
            return not (handed_over and status in (Status.ACTIVE, Status.SUSPENDED))
        return status is not Status.HANDED_OVER and self.may_take(listed, producer, at_ms, match)

    def may_take(
        self,
        listed: ListedMarket,
        producer: int,
        at_ms: int,
        match: SportEventStatus | None = None,
    ) -> bool:
        """Say whether a producer that does not own a market may take it with a message.

        A message that is no newer than the producer's last one about the market, or than the
        message with which the producer lost it, takes nothing.
        """
        if at_ms <= listed.former_ms.get(producer, -1):
            return False
        if listed.last_status is Status.HANDED_OVER:
            return True
        ranks = self._rank(producer) - self._rank(listed.owner)
        if ranks > 0:
            return True
        if ranks == 0:
            return at_ms >= listed.status_ms
        return self._may_take_back(listed, at_ms, match)

    def stopped_since(self, listed: ListedMarket, event_id: str, producer: int, at_ms: int) -> bool:
        """Say whether a market obeys a bet_stop that is newer than a producer's message."""
        return self._registry.has_bet_stop(event_id) and self._registry.bet_stopped_since(
            event_id,
            lambda stopping: stopping == producer or self.stops(listed, stopping),
            listed.market_id,
            at_ms,
        )

    def stops(self, listed: ListedMarket, producer: int) -> bool:
        """Say whether a market obeys a producer's bet_stop.

        It obeys its owner, each producer that wrote it before, and any live producer while it
        belongs to a pre-match one: whoever is right about the match, no bet is taken until the
        owner's next odds. One that only our model priced before a restart has no owner and obeys
        every producer.
        """
        return (
            listed.owner in (producer, NO_OWNER)
            or producer in listed.former_ms
            or self._rank(producer) > self._rank(listed.owner)
        )

    def is_taken_back(self, listed: ListedMarket, producer: int) -> bool:
        """Say whether a producer that takes a market is ranked below its owner."""
        return listed.owner != NO_OWNER and self._rank(producer) < self._rank(listed.owner)

    def _may_take_back(
        self, listed: ListedMarket, at_ms: int, match: SportEventStatus | None
    ) -> bool:
        """Say whether a pre-match producer may take a market from a live one unasked.

        Only while the live one is down or covers the match no more, and only in a match that both
        say has not begun: pre-match odds of a match in play are odds of a known score.
        """
        event_id = listed.event_id
        served = self._producers.is_complete(listed.owner) and self._events.is_covered(
            event_id, listed.owner
        )
        return (
            not served
            and at_ms > listed.status_ms
            and self._events.is_not_started(event_id)
            and (match is None or match.status == 0)
        )
