"""Turn odds_change messages into market updates: new markets, odds, and statuses.

Owns which status each market takes from an odds_change, and whether the market follows the
message's producer at all. A market becomes ACTIVE only with a price and only while the producer is
trusted. It cancels a market's bets only when the market's status says so, and never settles one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from engine.common.commands import CancelMarket, FeedStep, SetOdds, SetStatus
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MARKET_NO_LATER, Action, Mark, MarketUpdate, NewMarket, Phase
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.market_registry import ListedMarket, MarketRegistry, odds_source
from gateway.feeds.uof.messages import MarketOdds, OddsChange
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producers import Producers
from gateway.feeds.uof.quotes import MarketQuotes, market_quotes
from gateway.feeds.uof.results import Results
from gateway.feeds.uof.settings import UofSettings
from gateway.market_limits import LIVE, PREMATCH

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices

_ACTIVE_CODE: Final = 1
_SETTLED_CODE: Final = -3
_CANCELLED_CODE: Final = -4
_STATUS_BY_CODE: Final = {int(status): status for status in Status}
_NO_QUOTES: Final = MarketQuotes()


class OddsChanges:
    """The odds and statuses of one feed's markets.

    Parameters
    ----------
    feed : str
        The feed's name.
    settings : UofSettings
        How odds and statuses are taken.
    registry : MarketRegistry
        The feed's markets.
    producers : Producers
        Says whether a producer is trusted.
    model_prices : ModelPrices | None
        Prices football markets by our model; None: every market takes the feed's figures.
    passed_over : PassedOver
        Counts markets and outcomes that are refused here.
    results : Results
        Gives a new market what came before its odds.
    early : EarlyResults
        Says what may have been forgotten.
    """

    def __init__(
        self,
        feed: str,
        settings: UofSettings,
        *,
        registry: MarketRegistry,
        producers: Producers,
        model_prices: "ModelPrices | None",
        passed_over: PassedOver,
        results: Results,
        early: EarlyResults,
    ) -> None:
        self._results: Final = results
        self._early: Final = early
        self._feed: Final = feed
        self._settings: Final = settings
        self._registry: Final = registry
        self._producers: Final = producers
        self._model_prices: Final = model_prices
        self._passed_over: Final = passed_over

    def on_odds_change(self, message: OddsChange, digest: int) -> Sequence[Action]:
        """Return the updates of a message's markets, and the order to price its match if any."""
        early: list[Action] = []
        found = [(market, self._find_or_add(message, market, early)) for market in message.markets]
        match = None
        if self._model_prices is not None:
            match = self._model_prices.update(message, found)
        mark = Mark(
            source=odds_source(self._feed, message.product),
            position=message.timestamp,
            digest=digest,
        )
        updates = [
            update
            for market, listed in found
            if listed is not None
            and (update := self._update(message, market, listed, mark)) is not None
        ]
        if self._model_prices is None or match is None:
            return [*early, *updates]
        # A market must exist before it is priced, and be priced before it is opened.
        new_markets = [
            MarketUpdate(key=listed.market.key, mark=None, new_market=self._new_market(listed))
            for _, listed in found
            if listed is not None and self._model_prices.covers(listed)
        ]
        order = self._model_prices.on_odds_change(message, match, digest)
        return [*early, *new_markets, order, *updates]

    def _find_or_add(
        self, message: OddsChange, market: MarketOdds, early: list[Action]
    ) -> ListedMarket | None:
        """Return the registry's market, added if it is new; None when it is refused.

        A new market gets, in `early`, what came before its odds.
        """
        listed = self._registry.find(message.event_id, market.name)
        if listed is not None:
            return listed
        description = message.describe(market.name)
        if not market.outcomes:
            self._passed_over.add("market never seen", description)
            return None
        # A recovery repeats what still holds.
        if message.request_id is None and self._early.may_lack(message.timestamp):
            self._passed_over.add("odds older than what is remembered", description)
            return None
        added = self._registry.add(
            message.event_id, market.name, [outcome.id for outcome in market.outcomes]
        )
        if isinstance(added, str):
            self._passed_over.lose("market refused", description, added)
            return None
        new_market = self._new_market(added)
        early += self._results.on_new_market(message.event_id, market.name, added, new_market)
        return added

    def _update(
        self, message: OddsChange, market: MarketOdds, listed: ListedMarket, mark: Mark
    ) -> MarketUpdate | None:
        """Return a market's update; None when the market does not follow the producer."""
        status, why = self._message_status(message, market, listed)
        if not self._registry.follows(listed, message.product, status, message.timestamp):
            self._passed_over.add("handed over", listed.market.key)
            return None
        newest = listed.owner != message.product or message.timestamp >= listed.status_ms
        offered = _NO_QUOTES
        if market.outcomes and status is not Status.CANCELLED and not self._by_model(listed):
            offered = market_quotes(listed, market, from_odds=self._settings.price_from == "odds")
            for reason in offered.passed_over:
                self._passed_over.add(reason, listed.market.key)
        if status is Status.ACTIVE and market.status == _ACTIVE_CODE:
            status, why = self._active_if_priced(message, market, listed, offered, why)
        if newest:
            listed.owner, listed.last_status = message.product, status
            listed.status_ms = message.timestamp
            listed.has_price = listed.has_price or offered.offers_any
            if offered.odds_milli:
                listed.odds_milli = offered.odds_milli
        step: FeedStep = (
            CancelMarket(market_no=MARKET_NO_LATER, why="cancelled by the feed")
            if market.status == _CANCELLED_CODE
            else self._set_status(message.product, status, why)
        )
        quotes = offered.quotes
        odds = (SetOdds(market_no=MARKET_NO_LATER, quotes=quotes),) if quotes else ()
        return MarketUpdate(
            key=listed.market.key,
            mark=mark,
            steps=(*odds, step),
            fair=offered.fair,
            new_market=self._new_market(listed),
        )

    def _message_status(
        self, message: OddsChange, market: MarketOdds, listed: ListedMarket
    ) -> tuple[Status, str]:
        """Return the status that a message gives a market, and the reason."""
        reason = message.betstop_reason
        why = "" if reason is None else f"bet stop reason {reason}"
        if message.betting_status is not None:
            why = f"betting status {message.betting_status} {why}".strip()
        if market.status == _CANCELLED_CODE:
            return Status.CANCELLED, why
        if market.status == _SETTLED_CODE:
            return Status.SUSPENDED, "settled by the feed, results to come"
        status = _STATUS_BY_CODE[market.status]
        if status is Status.ACTIVE:
            if message.betting_status is not None and not self._settings.early_betting:
                return Status.SUSPENDED, f"early, {why}"
            if self._registry.bet_stopped_since(
                message.event_id, message.product, market.name.id, message.timestamp
            ):
                return Status.SUSPENDED, "bet stop since"
            if message.timestamp < listed.ended_ms:
                return Status.SUSPENDED, "ended since"
        return status, why

    def _active_if_priced(
        self,
        message: OddsChange,
        market: MarketOdds,
        listed: ListedMarket,
        offered: MarketQuotes,
        why: str,
    ) -> tuple[Status, str]:
        """Return ACTIVE for a market that has a price, else SUSPENDED, and the reason."""
        if self._model_prices is not None and self._model_prices.covers(listed):
            if not self._model_prices.has_model(message.event_id):
                self._passed_over.add("no model", listed.market.key)
                return Status.SUSPENDED, "no model yet"
        elif market.outcomes and not offered.offers_any:
            return Status.SUSPENDED, "no price"
        elif not market.outcomes and not listed.has_price:
            return Status.SUSPENDED, "no price yet"
        return Status.ACTIVE, why

    def _set_status(self, producer: int, status: Status, why: str) -> SetStatus:
        """Return the step to a status; ACTIVE becomes SUSPENDED while a producer is not trusted."""
        if status is Status.ACTIVE and not self._producers.is_trusted(producer):
            status, why = Status.SUSPENDED, "feed recovering"
        return SetStatus(market_no=MARKET_NO_LATER, status=status, why=why)

    def _by_model(self, listed: ListedMarket) -> bool:
        return self._model_prices is not None and self._model_prices.covers(listed)

    def _new_market(self, listed: ListedMarket) -> NewMarket:
        """Return what a market is created with; the market keeps it for the next message."""
        phase: Phase = PREMATCH if listed.owner in self._settings.prematch else LIVE
        known = listed.new_market
        if known is None or known.phase != phase:
            sports = self._settings.sports
            known = listed.new_market = NewMarket(
                outcomes=listed.market.outcomes,
                limits=self._settings.limits,
                sport=sports[0] if len(sports) == 1 else "",
                phase=phase,
            )
        return known
