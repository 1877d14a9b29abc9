"""Open and suspend the markets of producers that gain and lose trust.

Owns the reaction to alive, snapshot_complete and product_down messages and to time: status updates
of the producer's markets only, recovery requests, model price orders, and the release of results
that were held. `Producers` decides who is trusted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import Action
from gateway.feeds.core.clock import FeedClock
from gateway.feeds.uof.event_recoveries import EventRecoveries
from gateway.feeds.uof.market_registry import MarketRegistry
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import Alive, ProductDown, SnapshotComplete
from gateway.feeds.uof.opening import Opening
from gateway.feeds.uof.producers import Producers, State, WatchUpdate
from gateway.feeds.uof.result_buffer import ResultBuffer

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices


class ProducerWatch:
    """The watch over one feed's producers.

    Parameters
    ----------
    producers : Producers
        The producers' states.
    events : EventRecoveries
        The recoveries of single events.
    registry : MarketRegistry
        The feed's markets.
    opening : Opening
        Says what keeps markets closed besides their producer.
    buffer : ResultBuffer
        Messages with results held while their producer is recovered.
    model_prices : ModelPrices | None
        Suspends and resumes the markets that our model prices, where it is used.
    clock : FeedClock
        Converts an alive message's timestamp to engine time, which gives its age.
    """

    def __init__(
        self,
        producers: Producers,
        *,
        events: EventRecoveries,
        registry: MarketRegistry,
        opening: Opening,
        buffer: ResultBuffer,
        model_prices: "ModelPrices | None",
        clock: FeedClock,
    ) -> None:
        self._producers: Final = producers
        self._events: Final = events
        self._registry: Final = registry
        self._opening: Final = opening
        self._buffer: Final = buffer
        self._model_prices: Final = model_prices
        self._clock: Final = clock

    def on_alive(self, message: Alive, at_ns: Nanos) -> Sequence[Action]:
        """Return what follows from a heartbeat."""
        if not self._producers.watched:
            return []  # nor is the clock asked: a recorded clock keeps every answer it gives
        late_ns = at_ns - self._clock.engine_ns(message.timestamp)
        update = self._producers.alive(
            message.product,
            timestamp_ms=message.timestamp,
            subscribed=message.subscribed,
            late_ms=max(late_ns // NS_PER_MS, 0),
            at_ns=at_ns,
        )
        return self._actions(update)

    def on_snapshot_complete(self, message: SnapshotComplete) -> Sequence[Action]:
        """Return what follows from the end of a recovery; results go out though odds are late."""
        update = self._producers.snapshot_complete(message.product, message.request_id)
        actions = self._actions(update)
        if self._producers.state(message.product) is State.LATE:
            actions = [*self._buffer.release(message.product), *actions]
        return actions

    def on_product_down(self, message: ProductDown) -> Sequence[Action]:
        """Return the suspensions of a producer that reports itself down."""
        return self._actions(self._producers.product_down(message.product))

    def on_subscription_started(self) -> Sequence[Action]:
        """Return the suspensions of all producers, whose messages may have been lost."""
        return self._actions(self._producers.subscription_started())

    def recover_event(self, producer: int, event_id: str, at_ns: Nanos) -> Sequence[Action]:
        """Return the request that repeats an event's messages, now or at a later tick."""
        actions = self._actions(self._events.want(producer, event_id))
        return [*actions, *self._events.requests(at_ns=at_ns)]

    def on_tick(self, at_ns: Nanos) -> Sequence[Action]:
        """Return what follows from time: silent producers, recoveries that timed out."""
        actions = self._actions(self._producers.tick(at_ns=at_ns))
        return [*actions, *self._events.requests(at_ns=at_ns)]

    def uncovered(self) -> dict[str, str]:
        """Return the fixtures with markets that would be open if their producer were trusted."""
        producers = self._producers
        if not producers.watched or all(one is State.UP for one in producers.states().values()):
            return {}
        whys = {
            number: f"producer {number} is {state.value}"
            for number, state in producers.states().items()
            if state is not State.UP
        }
        return {
            listed.event_id: whys[listed.owner]
            for listed in self._registry
            if listed.open_when_trusted and listed.owner in whys
        }

    def _actions(self, update: WatchUpdate) -> list[Action]:
        """Return the updates of the markets of producers that changed, and the requests."""
        actions: list[Action] = []
        for change in update.trust_changes:
            if change.trusted:
                actions += self._buffer.release(change.producer)
            status = Status.ACTIVE if change.trusted else Status.SUSPENDED
            why = change.why or "feed back"
            actions += [
                status_update(listed, None, status, why)
                for listed in self._registry
                if listed.owner == change.producer
                and listed.open_when_trusted
                and not (change.trusted and self._opening.market_closed(listed))
            ]
            if self._model_prices is not None:
                actions += self._model_prices.on_trust_change(change)
        return [*actions, *update.requests]
