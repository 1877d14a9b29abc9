"""Suspend what a message may have stopped in a part that could not be read, and have it repeated.

Owns which markets a lost part suspends. They stay suspended until a message that is newer than the
lost part gives them odds, or the provider repeats the event. It never opens a market.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.common.lifecycle import Status
from engine.common.units import Nanos
from gateway.feeds.core.adapter import Action, Mark
from gateway.feeds.uof.bet_stop_groups import ALL
from gateway.feeds.uof.damaged_messages import LostPart
from gateway.feeds.uof.market_registry import ListedMarket, MarketRegistry, odds_source
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import (
    AnyMessage,
    BetCancel,
    BetSettlement,
    MarketName,
    OddsChange,
    RollbackBetCancel,
    RollbackBetSettlement,
)
from gateway.feeds.uof.producer_watch import ProducerWatch

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices


class LostParts:
    """The lost parts of one feed's messages.

    Parameters
    ----------
    feed : str
        The feed's name, for marks.
    registry : MarketRegistry
        The feed's markets; it also keeps the stops.
    watch : ProducerWatch
        Requests the recovery of an event.
    model_prices : ModelPrices | None
        Suspends the markets that our model prices, where it is used.
    """

    def __init__(
        self,
        feed: str,
        *,
        registry: MarketRegistry,
        watch: ProducerWatch,
        model_prices: "ModelPrices | None",
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._watch: Final = watch
        self._model_prices: Final = model_prices
        self._newest_ms = 0

    def saw(self, timestamp_ms: int) -> None:
        """Note the timestamp of a message: a lost part without one counts as the newest."""
        self._newest_ms = max(self._newest_ms, timestamp_ms)

    def on_lost(
        self, lost: LostPart, *, spared: Sequence[MarketName] = (), why: str, at_ns: Nanos
    ) -> list[Action]:
        """Return the suspensions that a lost part causes, and the recoveries of its event.

        Parameters
        ----------
        lost : LostPart
            What could not be read.
        spared : sequence of MarketName
            Markets that the rest of the message names: not among those lost without a name.
        why : str
            The reason that the markets show.
        """
        of_event = self._registry.event_markets(lost.event_id)
        at_ms = lost.timestamp or self._newest_ms
        self._registry.record_bet_stop(lost.event_id, lost.product, (ALL,), at_ms)
        actions: list[Action] = []
        producers: dict[int, None] = {lost.product: None} if lost.product and of_event else {}
        for listed in self._concerned(lost, of_event, spared):
            producers.setdefault(listed.owner)
            listed.has_price = False  # newer odds may have been lost
            if listed.may_be_open:
                listed.last_status = Status.SUSPENDED
                listed.status_ms = max(listed.status_ms, lost.timestamp)
                if lost.timestamp:
                    # So that the market remembers the stop over a restart of the feed.
                    source = odds_source(self._feed, listed.owner)
                    mark = Mark(source=source, position=lost.timestamp)
                    actions.append(status_update(listed, mark, Status.SUSPENDED, why))
                actions.append(status_update(listed, None, Status.SUSPENDED, why))
        if self._model_prices is not None:
            actions += self._model_prices.on_lost_part(lost, tuple(producers), why)
        for producer in producers:
            actions += self._watch.recover_event(producer, lost.event_id, at_ns)
        return actions

    def _concerned(
        self, lost: LostPart, of_event: Sequence[ListedMarket], spared: Sequence[MarketName]
    ) -> list[ListedMarket]:
        names = spared if lost.markets is None else lost.markets
        found = [self._registry.find(lost.event_id, name) for name in names]
        named = [listed for listed in found if listed is not None]
        if lost.markets is not None:
            return named
        return [listed for listed in of_event if listed not in named]


def named_markets(message: AnyMessage) -> list[MarketName]:
    """Return the markets that a message names."""
    if isinstance(message, OddsChange | BetSettlement | BetCancel):
        return [market.name for market in message.markets]
    if isinstance(message, RollbackBetSettlement | RollbackBetCancel):
        return [market.name for market in message.markets]
    return []
