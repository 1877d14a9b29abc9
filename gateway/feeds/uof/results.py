"""Turn bet_settlement, bet_cancel and their roll-backs into market updates.

Owns what the registry keeps of a market's results, and which results are held while their
producer is recovered. It never decides whether a market obeys: the market knows its own results.
"""

from typing import Final

from engine.common.commands import FeedStep
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Action, Mark, MarketUpdate
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.market_registry import ListedMarket, MarketRegistry, result_source
from gateway.feeds.uof.messages import (
    NO_PRODUCT,
    BetCancel,
    BetSettlement,
    EventMessage,
    MarketName,
    RollbackBetCancel,
    RollbackBetSettlement,
)
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import Producers
from gateway.feeds.uof.result_buffer import ResultBuffer
from gateway.feeds.uof.result_commands import (
    cancel_bets,
    roll_back_cancel,
    roll_back_settlement,
    settle_market,
)


class Results:
    """The results of one feed.

    Parameters
    ----------
    feed : str
        The feed's name.
    registry : MarketRegistry
        The feed's markets.
    producers : Producers
        Says whether a producer's results arrive in order.
    buffer : ResultBuffer
        Holds messages while their producer is recovered.
    clock : FeedClock
        Converts the timestamps of windows to engine time.
    passed_over : PassedOver
        Counts results that are refused here.
    """

    def __init__(
        self,
        feed: str,
        *,
        registry: MarketRegistry,
        producers: Producers,
        buffer: ResultBuffer,
        clock: FeedClock,
        passed_over: PassedOver,
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._producers: Final = producers
        self._buffer: Final = buffer
        self._clock: Final = clock
        self._passed_over: Final = passed_over

    def on_bet_settlement(self, message: BetSettlement, digest: int) -> list[Action]:
        """Return the settlements of a message's markets.

        A settlement that leaves an outcome of its market open is refused and counted.
        """
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is None:
                continue
            step = settle_market(listed, market)
            if isinstance(step, str):
                self._passed_over.add("settlement refused", f"{listed.market.key}: {step}")
                continue
            if self._is_newest(listed, message):
                listed.settled, listed.certainty = True, message.certainty
            updates.append(self._update(message, listed, step, digest))
        return self._deliver(message, updates)

    def on_bet_cancel(self, message: BetCancel, digest: int) -> list[Action]:
        """Return the cancellations of bets on a message's markets."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is not None:
                step = cancel_bets(message, market, self._clock)
                updates.append(self._update(message, listed, step, digest))
        return self._deliver(message, updates)

    def on_rollback_bet_settlement(
        self, message: RollbackBetSettlement, digest: int
    ) -> list[Action]:
        """Return the roll-backs of settlements; the markets stay suspended until an odds_change."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is None:
                continue
            if self._is_newest(listed, message):
                listed.settled, listed.certainty = False, 0
                listed.last_status = Status.SUSPENDED
            updates.append(self._update(message, listed, roll_back_settlement(), digest))
        return self._deliver(message, updates)

    def on_rollback_bet_cancel(self, message: RollbackBetCancel, digest: int) -> list[Action]:
        """Return the roll-backs of cancellations."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is None:
                continue
            if listed.last_status is Status.CANCELLED:
                listed.last_status = Status.SUSPENDED
            updates.append(
                self._update(message, listed, roll_back_cancel(message, self._clock), digest)
            )
        return self._deliver(message, updates)

    def _find(self, message: EventMessage, name: MarketName) -> ListedMarket | None:
        listed = self._registry.find(message.event_id, name)
        if listed is None:
            self._passed_over.add("result of a market never seen", message.describe(name))
        return listed

    def _is_newest(self, listed: ListedMarket, message: EventMessage) -> bool:
        """Say whether no newer result of a market was seen, and note the message's timestamp."""
        newest = message.timestamp >= listed.result_ms
        listed.result_ms = max(listed.result_ms, message.timestamp)
        return newest

    def _update(
        self, message: EventMessage, listed: ListedMarket, step: FeedStep, digest: int
    ) -> MarketUpdate:
        source = result_source(self._feed, message.product)
        mark = Mark(source=source, position=message.timestamp, digest=digest)
        return MarketUpdate(key=listed.market.key, mark=mark, steps=(step,))

    def _deliver(self, message: EventMessage, updates: list[MarketUpdate]) -> list[Action]:
        """Return the updates of a message, or hold it where its producer's may be missing."""
        if (
            not updates
            or message.product == NO_PRODUCT
            or self._producers.is_complete(message.product)
        ):
            return [*updates]
        early = self._buffer.released_early
        actions = self._buffer.hold(message.product, tuple(updates))
        if self._buffer.released_early > early:
            self._passed_over.add("result released early", f"over {len(self._buffer)} are held")
        return actions
