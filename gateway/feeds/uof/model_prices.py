"""Orders to price football fixtures by our own model, instead of by the feed's odds.

Owns when such an order is given: the model or the match state changed, a bet_stop arrived, or a
producer lost or regained trust. An order prices every market of the fixture that the model knows,
including markets that the feed does not have. So the order suspends those markets when the feed
suspends, and resumes them only when none of the fixture's markets is suspended by the feed. This
module never computes a price; the market shell does.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from msgspec.structs import replace

from engine.common.commands import WHY_CHARS_MAX
from engine.common.lifecycle import Status
from engine.common.units import Nanos
from engine.pricing.margin import removal_by
from gateway.feeds.core.adapter import Mark, PriceFixture
from gateway.feeds.core.settings import GoalProcess
from gateway.feeds.uof.damaged_messages import LostPart
from gateway.feeds.uof.market_registry import NO_OWNER, ListedMarket, MarketRegistry, price_source
from gateway.feeds.uof.match_models import FITTED_IDS, SPORT, MatchModels, ModelledMatch
from gateway.feeds.uof.messages import EventMessage, MarketOdds, OddsChange
from gateway.feeds.uof.opening import Opening
from gateway.feeds.uof.ownership import Ownership
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import TrustChange


class ModelPrices:
    """Order model prices for the football matches of one feed.

    Parameters
    ----------
    feed : str
        The feed's name.
    registry : MarketRegistry
        The feed's markets.
    ownership : Ownership
        Says which producer's messages a match follows.
    opening : Opening
        Says what keeps markets closed.
    passed_over : PassedOver
        Counts the messages to which no model could be fitted, and keeps their events.
    methods : tuple[str, ...]
        How the margin of some market types is removed before a model is fitted, as the settings
        say it; of others by the measured defaults.
    goal_process : GoalProcess
        As `MatchModels` takes it.
    """

    def __init__(
        self,
        feed: str,
        registry: MarketRegistry,
        *,
        ownership: Ownership,
        opening: Opening,
        passed_over: PassedOver,
        goal_process: GoalProcess,
        methods: tuple[str, ...] = (),
    ) -> None:
        self._feed: Final = feed
        self._registry: Final = registry
        self._ownership: Final = ownership
        self._opening: Final = opening
        self._passed_over: Final = passed_over
        self._models: Final = MatchModels(goal_process=goal_process, removal=removal_by(methods))
        self._process_started_ns = 0
        self._own_orders = 0

    def start(self, *, at_ns: Nanos) -> None:
        """Note when this process started, which distinguishes its orders from an earlier one's."""
        self._process_started_ns = at_ns

    def covers(self, listed: ListedMarket) -> bool:
        """Say whether a market takes the model's price and not the feed's odds."""
        return listed.market.sport == SPORT

    def unpriced(self, listed: ListedMarket) -> str:
        """Return why a market that takes the model's price has none to open with."""
        return self._models.why_unfitted(listed.event_id) if self.covers(listed) else ""

    def update(
        self, message: OddsChange, found: Sequence[tuple[MarketOdds, ListedMarket | None]]
    ) -> ModelledMatch | None:
        """Update a match from a message; return it when its prices must change.

        A pre-match producer's message is ignored while a live producer owns a market of the match
        that the pre-match one may not take.

        Parameters
        ----------
        found : sequence
            The message's markets, each with the registry's market or None.
        """
        rank = self._registry.rank(message.product)
        of_match = self._registry.event_markets(message.event_id)
        if any(
            listed.owner
            and self._registry.rank(listed.owner) > rank
            and not self._ownership.may_take(
                listed, message.product, message.timestamp, message.status
            )
            for listed in of_match
        ):
            return None
        listed_by_id = {id(market): listed for market, listed in found}
        return self._models.update(message, lambda market: listed_by_id[id(market)])

    def note_fit(self, event_id: str) -> None:
        """Count a message that leaves open markets of the feed without a model; keep the event."""
        why = self._models.why_unfitted(event_id)
        if why and any(
            listed.open_when_trusted and self.covers(listed)
            for listed in self._registry.event_markets(event_id)
        ):
            self._passed_over.lose("no fit", event_id, why)
        else:
            self._passed_over.losses.clear(event_id)

    def on_odds_change(
        self, message: OddsChange, match: ModelledMatch, digest: int, *, suspend: str = ""
    ) -> PriceFixture:
        """Return the order to price a match; a changed score suspends its markets first.

        Parameters
        ----------
        suspend : str
            Why the message itself suspends the match's markets; empty if it does not.
        """
        return self._order(
            message.event_id,
            message.product,
            match,
            at_ms=message.timestamp,
            digest=digest,
            suspend=suspend or ("goal" if match.score_changed else ""),
        )

    def on_stop(self, message: EventMessage, digest: int, why: str) -> list[PriceFixture]:
        """Return the order to suspend a match's markets; none when the match has no model.

        An empty `why` prices the markets and resumes them where nothing suspends them any more.
        """
        match = self._models.latest(message.event_id)
        if match is None:
            return []
        order = self._order(
            message.event_id,
            message.product,
            match,
            at_ms=message.timestamp or self._models.newest_ms(message.event_id),
            digest=digest,
            suspend=why,
        )
        return [order]

    def on_lost_part(
        self, lost: LostPart, producers: Sequence[int], why: str
    ) -> list[PriceFixture]:
        """Return the orders to suspend a match of which a message could not be read.

        None where only markets are lost that no model is fitted to.
        """
        if lost.markets is not None and not any(name.id in FITTED_IDS for name in lost.markets):
            return []
        event_id = lost.event_id
        self._models.on_lost_part(event_id)
        match = self._models.latest(event_id)
        if match is None:
            return []
        orders: list[PriceFixture] = []
        for producer in producers:
            order = self._order(
                event_id,
                producer,
                match,
                at_ms=self._models.newest_ms(event_id),
                digest=self._own_digest(),
                suspend=why,
            )
            orders.append(replace(order, resume=False))
        return orders

    def on_trust_change(self, change: TrustChange) -> list[PriceFixture]:
        """Return the orders to suspend or resume the matches of a producer.

        No message causes these orders. Their position is the match's newest message.
        """
        events = {
            listed.market.key.partition("/")[0]: None
            for listed in self._registry
            if listed.owner == change.producer and self.covers(listed) and not listed.finished
        }
        return [
            order
            for event_id in events
            for order in self.on_time(event_id, change.producer, change.why)
        ]

    def on_time(self, event_id: str, producer: int, why: str) -> list[PriceFixture]:
        """Return the order to suspend a match that no message suspends, or to resume it."""
        match = self._models.latest(event_id)
        if match is None:
            return []
        order = self._order(
            event_id,
            producer,
            match,
            at_ms=self._models.newest_ms(event_id),
            digest=self._own_digest(),
            suspend=why,
        )
        return [order]

    def _own_digest(self) -> int:
        """Return a digest of an order that stands for no message: no two of them are equal."""
        self._own_orders += 1
        return crc32(f"{self._process_started_ns}/{self._own_orders}".encode())

    def _order(
        self,
        event_id: str,
        producer: int,
        match: ModelledMatch,
        *,
        at_ms: int,
        digest: int,
        suspend: str,
    ) -> PriceFixture:
        """Return an order; without a model of the feed's present odds it suspends.

        It resumes nothing while a market of the match is suspended by the feed, or is open there by
        the word of a producer that is recovered: an order of another one would open it too. Markets
        that the feed does not have, which a restart lists too, hold back none.
        """
        suspended_by_feed = any(
            listed.last_status is Status.SUSPENDED
            or (listed.open_when_trusted and not self._opening.is_followed(listed))
            for listed in self._registry.event_markets(event_id)
            if listed.owner != NO_OWNER and self.covers(listed) and not listed.finished
        )
        return PriceFixture(
            fixture=event_id,
            mark=Mark(source=price_source(self._feed, producer), position=at_ms, digest=digest),
            sport=SPORT,
            model=match.model,
            state=match.state,
            suspend=(suspend or match.why)[:WHY_CHARS_MAX],
            resume=not (
                match.why or suspended_by_feed or self._opening.event_closed(event_id, producer)
            ),
        )
