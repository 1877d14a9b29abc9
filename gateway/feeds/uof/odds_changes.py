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
from gateway.feeds.uof.cut_offs import NO_BETSTOP, CutOffs
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.event_states import EventStates
from gateway.feeds.uof.margin_policy import PROBABILITIES, THEIRS, MarginPolicy
from gateway.feeds.uof.market_registry import (
    NO_OWNER,
    ListedMarket,
    MarketRegistry,
    odds_source,
    taken_source,
)
from gateway.feeds.uof.market_updates import status_update
from gateway.feeds.uof.messages import MarketOdds, OddsChange
from gateway.feeds.uof.opening import COVERAGE_LOST, Opening
from gateway.feeds.uof.ownership import Ownership
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.quotes import MarketQuotes, market_quotes
from gateway.feeds.uof.results import Results
from gateway.feeds.uof.settings import UofSettings
from gateway.market_limits import LIVE, PREMATCH

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices

_ACTIVE_CODE: Final = 1
_SETTLED_CODE: Final = -3
_CANCELLED_CODE: Final = -4
_ENDED_SINCE: Final = "ended since"
_CLOSED_AT_START: Final = "sent before the feed started"
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
    ownership : Ownership
        Says which producer a market follows.
    events : EventStates
        Keeps whether a live producer covers a match.
    cut_offs : CutOffs
        Keeps when markets stop by themselves.
    opening : Opening
        Says what keeps markets closed.
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
        ownership: Ownership,
        events: EventStates,
        cut_offs: CutOffs,
        opening: Opening,
        model_prices: "ModelPrices | None",
        passed_over: PassedOver,
        results: Results,
        early: EarlyResults,
    ) -> None:
        self._results: Final = results
        self._early: Final = early
        self._feed: Final = feed
        self._settings: Final = settings
        from_odds = settings.price_from == "odds"
        self._margins: Final = MarginPolicy(
            settings.margins, default=THEIRS if from_odds else PROBABILITIES
        )
        self._registry: Final = registry
        self._ownership: Final = ownership
        self._events: Final = events
        self._cut_offs: Final = cut_offs
        self._opening: Final = opening
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
        changed = self._note_coverage(message)
        updates = self._coverage_updates(message, found, mark) if changed else []
        closed = self._opening.event_closed(message.event_id, message.product)
        for market, listed in found:
            if listed is not None:
                updates += self._update(message, market, listed, mark, closed)
        if self._model_prices is None:
            return [*early, *updates]
        self._model_prices.note_fit(message.event_id)
        lost = changed and not self._events.is_covered(message.event_id, message.product)
        why = COVERAGE_LOST if lost else ""
        if match is None:
            orders = self._model_prices.on_stop(message, digest, why) if changed else []
            return [*early, *orders, *updates]
        # A market must exist before it is priced, and be priced before it is opened.
        new_markets = [
            MarketUpdate(key=listed.market.key, mark=None, new_market=self._new_market(listed))
            for _, listed in found
            if listed is not None and self._model_prices.covers(listed)
        ]
        order = self._model_prices.on_odds_change(message, match, digest, suspend=why)
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
        if self._may_be_outdated(message):
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

    def _may_be_outdated(self, message: OddsChange) -> bool:
        """Say whether something newer than odds may have been forgotten.

        Never of a recovery's odds, which repeat what still holds.
        """
        return message.request_id is None and self._early.may_lack(message.timestamp)

    def _update(
        self,
        message: OddsChange,
        market: MarketOdds,
        listed: ListedMarket,
        mark: Mark,
        closed: str,
    ) -> Sequence[MarketUpdate]:
        """Return a market's update; none when the market does not follow the producer.

        `closed` says why none of the producer's markets of the event may be open.
        """
        status, why = self._message_status(message, market, listed)
        producer, at_ms = message.product, message.timestamp
        if not self._ownership.follows(listed, producer, status, at_ms, message.status):
            self._passed_over.add("handed over", listed.market.key)
            if listed.owner != producer:
                listed.note_former(producer, at_ms)
            return ()
        taken: Sequence[MarketUpdate] = ()
        if listed.owner not in (NO_OWNER, producer):
            taken = self._taken_back(message, listed, mark)
            listed.note_former(listed.owner, max(at_ms, listed.status_ms))
        newest = listed.owner != message.product or message.timestamp >= listed.status_ms
        if why == _ENDED_SINCE and message.timestamp == listed.status_ms:
            newest = False  # most likely a repetition, which the market refuses: it may be ACTIVE
        offered = _NO_QUOTES
        if market.outcomes and status is not Status.CANCELLED and not self._by_model(listed):
            offered = market_quotes(
                listed,
                market,
                rule=self._margins.rule_of(listed.market.key),
                methods=self._settings.methods,
            )
            for reason, outcome in offered.passed_over:
                self._passed_over.add(reason, f"{listed.market.key} {outcome}".rstrip())
        if status is Status.ACTIVE and market.status == _ACTIVE_CODE:
            status, why = self._active_if_priced(market, listed, offered, why)
        if newest:
            if market.next_betstop is not None or listed.owner != producer:
                # What the owner's message does not say stays.
                self._cut_offs.set_betstop(listed, market.next_betstop or NO_BETSTOP)
            listed.favourite = market.favourite
            if market.cashout is not None:
                listed.cashout = market.cashout
            listed.owner, listed.last_status = message.product, status
            listed.status_ms = message.timestamp
            if status is Status.ACTIVE:
                self._results.on_open(listed, message.timestamp)
            listed.has_price = listed.has_price or offered.offers_any
            if offered.odds_milli:
                listed.odds_milli = offered.odds_milli
        step: FeedStep = (
            CancelMarket(market_no=MARKET_NO_LATER, why="cancelled by the feed")
            if market.status == _CANCELLED_CODE
            else self._set_status(listed, status, why, closed)
        )
        quotes = offered.quotes
        odds = (SetOdds(market_no=MARKET_NO_LATER, quotes=quotes),) if quotes else ()
        update = MarketUpdate(
            key=listed.market.key,
            mark=mark,
            steps=(*odds, step),
            fair=offered.fair,
            new_market=self._new_market(listed),
        )
        return (*taken, update) if taken else (update,)

    def _taken_back(
        self, message: OddsChange, listed: ListedMarket, mark: Mark
    ) -> Sequence[MarketUpdate]:
        """Return the update by which a market remembers that a pre-match producer took it back.

        Its position, in a source of its own, tells the owner after a restart.
        """
        if not self._ownership.is_taken_back(listed, message.product):
            return ()
        source = taken_source(self._feed, message.product)
        mark = Mark(source=source, position=mark.position, digest=mark.digest)
        why = f"taken back from producer {listed.owner}"
        return (status_update(listed, mark, Status.SUSPENDED, why),)

    def _note_coverage(self, message: OddsChange) -> bool:
        """Note what a live producer's message says of its coverage; return whether it changed."""
        return bool(self._registry.rank(message.product)) and self._events.note_odds(
            message.event_id, message.product, message.status, message.timestamp
        )

    def _coverage_updates(
        self,
        message: OddsChange,
        found: Sequence[tuple[MarketOdds, ListedMarket | None]],
        mark: Mark,
    ) -> list[MarketUpdate]:
        """Return the updates of the producer's markets that its message does not list."""
        producer = message.product
        covered = self._events.is_covered(message.event_id, producer)
        status = Status.ACTIVE if covered else Status.SUSPENDED
        why = "coverage back" if covered else COVERAGE_LOST
        in_message = {listed.market.key for _, listed in found if listed is not None}
        return [
            status_update(listed, mark, status, why)
            for listed in self._registry.event_markets(message.event_id)
            if listed.owner == producer
            and listed.open_when_trusted
            and listed.market.key not in in_message
            and not (covered and self._opening.market_closed(listed))
        ]

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
            if self._ownership.stopped_since(
                listed, message.event_id, message.product, message.timestamp
            ):
                return Status.SUSPENDED, "bet stop since"
            if message.timestamp < listed.ended_ms:
                return Status.SUSPENDED, _ENDED_SINCE
            if listed.closed_at_start and self._may_be_outdated(message):
                return Status.SUSPENDED, _CLOSED_AT_START
        return status, why

    def _active_if_priced(
        self,
        market: MarketOdds,
        listed: ListedMarket,
        offered: MarketQuotes,
        why: str,
    ) -> tuple[Status, str]:
        """Return ACTIVE for a market that has a price, else SUSPENDED, and the reason."""
        if self._model_prices is not None and self._model_prices.covers(listed):
            unpriced = self._model_prices.unpriced(listed)
            if unpriced:  # the market opens with the model, and keeps the feed's status until then
                self._passed_over.add("no model", f"{listed.market.key}: {unpriced}")
        elif market.outcomes and not offered.offers_any:
            return Status.SUSPENDED, "no price"
        elif not market.outcomes and not listed.has_price:
            return Status.SUSPENDED, "no price yet"
        return Status.ACTIVE, why

    def _set_status(self, listed: ListedMarket, status: Status, why: str, closed: str) -> SetStatus:
        """Return the step to a status; SUSPENDED for ACTIVE where something keeps it closed."""
        if status is Status.ACTIVE:
            closed = closed or self._opening.stopped(listed)
            if closed:
                status, why = Status.SUSPENDED, closed
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
