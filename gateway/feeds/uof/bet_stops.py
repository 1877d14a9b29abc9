"""Turn bet_stop messages into suspensions.

Owns which markets a bet_stop suspends. It never opens a market.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.common.commands import WHY_CHARS_MAX
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Action, Mark
from gateway.feeds.uof.bet_stop_groups import stopped_by
from gateway.feeds.uof.market_registry import MarketRegistry, odds_source
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import BetStop
from gateway.feeds.uof.ownership import Ownership

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices


_INACTIVE_CODE: Final = 0
_OPEN_OR_NOT_SURE: Final = (Status.ACTIVE, Status.SUSPENDED)


class BetStops:
    """The bet_stops of one feed.

    Parameters
    ----------
    feed : str
        The feed's name.
    registry : MarketRegistry
        The feed's markets; it also keeps the bet_stops.
    ownership : Ownership
        Says which markets obey a producer's bet_stop.
    model_prices : ModelPrices | None
        Suspends the markets that our model prices, where it is used.
    """

    def __init__(
        self,
        feed: str,
        *,
        registry: MarketRegistry,
        ownership: Ownership,
        model_prices: "ModelPrices | None",
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._ownership: Final = ownership
        self._model_prices: Final = model_prices

    def on_bet_stop(self, message: BetStop, digest: int) -> Sequence[Action]:
        """Return the suspensions of the ACTIVE markets in the groups that obey the producer.

        The markets become INACTIVE instead when the message's `market_status` is 0. Those that
        should be SUSPENDED already are suspended again: what stops betting relies on no market
        having obeyed an earlier message.
        """
        self._registry.record_bet_stop(
            message.event_id, message.product, message.groups, message.timestamp
        )
        inactive = message.market_status == _INACTIVE_CODE
        status = Status.INACTIVE if inactive else Status.SUSPENDED
        why = f"bet stop: {'|'.join(message.groups)}"[:WHY_CHARS_MAX]
        updates: list[Action] = []
        for listed in self._registry.event_markets(message.event_id):
            if (
                self._ownership.stops(listed, message.product)
                and listed.last_status in _OPEN_OR_NOT_SURE
                and listed.status_ms <= message.timestamp
                and stopped_by(listed.market_id, message.groups)
            ):
                after = status if listed.last_status is Status.ACTIVE else Status.SUSPENDED
                listed.last_status, listed.status_ms = after, message.timestamp
                # The owner's source: a stop tells nothing of who owns the market.
                source = odds_source(self._feed, listed.owner)
                mark = Mark(source=source, position=message.timestamp, digest=digest)
                updates.append(status_update(listed, mark, after, why))
        if self._model_prices is None:
            return updates
        return [*self._model_prices.on_stop(message, digest, why), *updates]
