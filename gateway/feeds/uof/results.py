"""Turn bet_settlement, bet_cancel and their roll-backs into market updates.

Owns what the registry keeps of a market's results, and which results are kept back while their
producer is recovered. It never decides whether a market obeys: the market knows its own results.
"""

from typing import Final

from engine.common.commands import FeedStep
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Mark, MarketUpdate
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
        Keeps results back while their producer is recovered.
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

    def on_bet_settlement(self, message: BetSettlement, digest: int) -> list[MarketUpdate]:
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
            updates += self._send(message, listed, step, digest)
        return updates

    def on_bet_cancel(self, message: BetCancel, digest: int) -> list[MarketUpdate]:
        """Return the cancellations of bets on a message's markets."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is not None:
                step = cancel_bets(message, market, self._clock)
                updates += self._send(message, listed, step, digest)
        return updates

    def on_rollback_bet_settlement(
        self, message: RollbackBetSettlement, digest: int
    ) -> list[MarketUpdate]:
        """Return the roll-backs of settlements; the markets stay suspended until an odds_change."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is None:
                continue
            if self._is_newest(listed, message):
                listed.settled, listed.certainty = False, 0
                listed.last_status = Status.SUSPENDED
            updates += self._send(message, listed, roll_back_settlement(), digest)
        return updates

    def on_rollback_bet_cancel(self, message: RollbackBetCancel, digest: int) -> list[MarketUpdate]:
        """Return the roll-backs of cancellations."""
        updates: list[MarketUpdate] = []
        for market in message.markets:
            listed = self._find(message, market.name)
            if listed is None:
                continue
            if listed.last_status is Status.CANCELLED:
                listed.last_status = Status.SUSPENDED
            updates += self._send(message, listed, roll_back_cancel(message, self._clock), digest)
        return updates

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

    def _send(
        self, message: EventMessage, listed: ListedMarket, step: FeedStep, digest: int
    ) -> list[MarketUpdate]:
        """Return the updates to send now: none while results of the producer may be missing."""
        source = result_source(self._feed, message.product)
        mark = Mark(source=source, position=message.timestamp, digest=digest)
        update = MarketUpdate(key=listed.market.key, mark=mark, steps=(step,))
        if message.product == NO_PRODUCT or self._producers.is_complete(message.product):
            return [update]
        return self._buffer.keep(message.product, update)
