"""The Unified Odds Feed's adapter: messages in, what markets are to do out.

Owns what each message means for which market, and the watch over producers: a market is open only
while the producer that has it can be trusted. Sans-I/O, and no clock of its own. It keeps no
record of what was obeyed: what comes twice is passed on, and refused by the market that knows it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from re import ASCII
from re import compile as pattern
from typing import TYPE_CHECKING, Annotated, Final, Literal
from zlib import crc32

from msgspec import Meta, Struct
from msgspec.msgpack import encode
from msgspec.structs import replace

from engine.common.commands import CancelMarket, FeedStep, Limits, SetOdds, SetStatus
from engine.common.lifecycle import Status
from engine.common.units import MARKETS_MAX, NS_PER_MS
from gateway.feeds.core.adapter import (
    MARKET_NO_LATER,
    REFUSALS_KEPT,
    Action,
    KnownMarket,
    Mark,
    MarketUpdate,
    NewMarket,
    Received,
)
from gateway.feeds.core.clock import FeedClock, LiveClock
from gateway.feeds.uof.market_registry import (
    Listed,
    UofBook,
    odds_source,
    result_source,
)
from gateway.feeds.uof.messages import (
    NO_PRODUCT,
    Alive,
    AnyMessage,
    BetCancel,
    BetSettlement,
    BetStop,
    EventMessage,
    FixtureChange,
    MarketName,
    MarketOdds,
    OddsChange,
    ProductDown,
    RollbackBetCancel,
    RollbackBetSettlement,
    SnapshotComplete,
    SourceBegan,
)
from gateway.feeds.uof.producers import Producers, ProducerUpdate, State, WatchSettings
from gateway.feeds.uof.quotes import Priced, price
from gateway.feeds.uof.results import (
    HeldResults,
    cancel,
    roll_back_cancel,
    roll_back_settlement,
    settlement,
)
from gateway.feeds.uof.types import UofTypes, stopped_by
from gateway.feeds.uof.xml import UofMalformedError, read

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import OwnPrices

_URN: Final = pattern(r"[a-z]{1,16}:[a-z_]{1,32}:\d{1,20}", ASCII)
_CANCELLED: Final = 3
_COVERAGE: Final = 5
_SETTLED_CODE: Final = -3
_CANCELLED_CODE: Final = -4


class UofSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a feed is understood.

    `price_from` says whether the feed's odds are taken as they are, or made here from its
    probabilities where it gives them. With `own_prices` neither is: football markets that our model
    knows are priced by the model, which is fitted to the feed's odds.
    """

    sports: Annotated[tuple[str, ...], Meta(max_length=16)] = ("football",)
    """The sport that the source binds (see UofTypes); none where it binds many."""
    price_from: Literal["odds", "probabilities"] = "odds"
    own_prices: bool = False
    early_betting: bool = True
    """Open as soon as the feed does after a bet stop, though it says that it is still early."""
    prematch: Annotated[tuple[int, ...], Meta(max_length=16)] = (3,)
    """Producers that hand over to live ones."""
    watch: bool = True
    """Trust producers by their heartbeats; without it (a recording that has none) all are."""
    producers: WatchSettings = WatchSettings()
    markets_max: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = MARKETS_MAX
    limits: Limits | None = None


class UofAdapter:
    """One Unified Odds Feed.

    Parameters
    ----------
    feed : str
        Its name, which begins the sources that markets remember.
    settings : UofSettings
        How it is understood.
    clock : FeedClock | None
        What its times are in engine time; None: both are UTC.
    """

    def __init__(
        self, feed: str, settings: UofSettings | None = None, *, clock: FeedClock | None = None
    ) -> None:
        self.feed: Final = feed
        self.counts: dict[str, int] = {}
        """What was passed over and why it was, for gauges."""
        self.refusals: deque[str] = deque(maxlen=REFUSALS_KEPT)
        self._settings: Final = settings or UofSettings()
        self._clock: Final[FeedClock] = clock or LiveClock()
        self._types: Final = UofTypes(self._settings.sports)
        self._book: Final = UofBook(
            self._types,
            prematch=self._settings.prematch,
            markets_max=self._settings.markets_max,
        )
        self._producers: Final = Producers(self._settings.producers)
        self._held: Final = HeldResults()
        self._own: Final = self._own_prices()
        self._digest = 0
        self._why = ""

    # --- the adapter's four words ----------------------------------------------------------------

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: int) -> Received:
        """Begin with the markets that exist; those that take bets wait for a recovery."""
        if self._own is not None:
            self._own.begin(at_ns=at_ns)
        actions: list[Action] = []
        for known in markets:
            found = self._book.know(known, feed=self.feed)
            if found is None:
                self._pass_over("market unknown", known.image.key)
                continue
            listed, heard = found
            for producer, newest_ms in heard.items():
                self._producers.resume(producer, newest_ms=newest_ms)
            if listed.open and not self._trusted(listed.owner):
                actions.append(_status(listed, None, Status.SUSPENDED, "feed restarted"))
        return Received(kind="resume", actions=tuple(actions))

    def receive(self, body: bytes, *, at_ns: int) -> Received:
        """Take one message; a body that is none is refused and changes nothing."""
        try:
            message = read(body)
        except UofMalformedError as error:
            self._pass_over("malformed", str(error))
            return Received(kind="malformed", refused=str(error))
        if message.timestamp:
            self._clock.saw(feed_ms=message.timestamp, at_ns=at_ns)
        # A message that is repeated by a recovery says so, and is the same message all the same.
        self._digest = crc32(encode(replace(message, request_id=None)))
        kind, obey = self._words[type(message)]
        self._why = ""
        actions = tuple(obey(self, message, at_ns))
        return Received(kind=kind, actions=actions, refused="" if actions else self._why)

    def tick(self, *, at_ns: int) -> Received:
        """Take the time: producers fall silent, recoveries are asked for again."""
        if not self._settings.watch:
            return Received(kind="tick")
        return Received(kind="tick", actions=tuple(self._follow(self._producers.tick(at_ns=at_ns))))

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed: its fixture is one of the provider's urns."""
        return _URN.fullmatch(key.partition("/")[0]) is not None

    # --- for people ------------------------------------------------------------------------------

    def passed_over(self) -> dict[str, int]:
        """Return how often a part of a message was passed over, by why."""
        return dict(self.counts)

    def producer_states(self) -> dict[int, State]:
        """Return how every producer stands."""
        return self._producers.states()

    def certainty(self, key: str) -> int:
        """Return how sure a market's last settlement was: 1 scouted, 2 confirmed, 0 none known."""
        return next((row.certainty for row in self._book if row.market.key == key), 0)

    # --- odds ------------------------------------------------------------------------------------

    def _odds_change(self, message: OddsChange, _: int) -> Iterable[Action]:
        found = [(market, self._listed(message, market)) for market in message.markets]
        seen = self._own.see(message, found) if self._own is not None else None
        tells = [
            notify
            for market, listed in found
            if listed is not None
            for notify in self._tell_odds(message, market, listed)
        ]
        if self._own is None or seen is None:
            return tells
        # Markets must be there before they are priced, and priced before they are opened.
        new_markets = [
            MarketUpdate(key=listed.market.key, mark=None, new_market=self._new_market(listed))
            for _, listed in found
            if listed is not None and self._own.prices(listed)
        ]
        return [*new_markets, self._own.price(message, seen, self._digest), *tells]

    def _listed(self, message: OddsChange, market: MarketOdds) -> Listed | None:
        """Return the market that is meant, kept from now on if it is new."""
        listed = self._book.find(message.event_id, market.name)
        if listed is not None:
            return listed
        if not market.outcomes:
            self._pass_over("market never seen", message.called(market.name))
            return None
        added = self._book.add(
            message.event_id, market.name, [outcome.id for outcome in market.outcomes]
        )
        if isinstance(added, str):
            self._pass_over("market refused", f"{message.called(market.name)}: {added}")
            return None
        return added

    def _tell_odds(
        self, message: OddsChange, market: MarketOdds, listed: Listed
    ) -> tuple[MarketUpdate, ...]:
        """Return what a market is to do: nothing where the message has no say in it."""
        wanted, why = self._wanted(message, market)
        if not self._book.speaks_for(listed, message.product, wanted, message.timestamp):
            self._pass_over("handed over", listed.market.key)
            return ()
        fresh = listed.owner != message.product or message.timestamp >= listed.sent_ms
        priced = Priced()
        if market.outcomes and wanted is not Status.CANCELLED and not self._own_price(listed):
            priced = price(listed, market, from_odds=self._settings.price_from == "odds")
            for reason in priced.passed_over:
                self._pass_over(reason, listed.market.key)
        if wanted is Status.ACTIVE and market.status == 1:
            wanted, why = self._priced_status(message, market, listed, priced, why)
        if fresh:
            listed.owner, listed.told, listed.sent_ms = message.product, wanted, message.timestamp
            listed.priced = listed.priced or priced.done
            if priced.odds_milli:
                listed.odds_milli = priced.odds_milli
        step: FeedStep = (
            CancelMarket(market_no=MARKET_NO_LATER, why="cancelled by the feed")
            if market.status == _CANCELLED_CODE
            else self._set_status(message.product, wanted, why)
        )
        odds = (SetOdds(market_no=MARKET_NO_LATER, quotes=priced.quotes),) if priced.quotes else ()
        notify = MarketUpdate(
            key=listed.market.key,
            mark=self._mark(odds_source(self.feed, message.product), message.timestamp),
            steps=(*odds, step),
            fair=priced.fair,
            new_market=self._new_market(listed),
        )
        return (notify,)

    def _wanted(self, message: OddsChange, market: MarketOdds) -> tuple[Status, str]:
        """Return the status that a message gives a market, and why."""
        reason = message.betstop_reason
        why = "" if reason is None else f"bet stop reason {reason}"
        if message.betting_status is not None:
            why = f"betting status {message.betting_status} {why}".strip()
        if market.status == _CANCELLED_CODE:
            return Status.CANCELLED, why
        if market.status == _SETTLED_CODE:
            return Status.SUSPENDED, "settled by the feed, results to come"
        status = Status(market.status)
        if status is Status.ACTIVE:
            if message.betting_status is not None and not self._settings.early_betting:
                return Status.SUSPENDED, f"early, {why}"
            if self._book.stopped_since(
                message.event_id, message.product, market.name.id, message.timestamp
            ):
                return Status.SUSPENDED, "bet stop since"
        return status, why

    def _priced_status(
        self, message: OddsChange, market: MarketOdds, listed: Listed, priced: Priced, why: str
    ) -> tuple[Status, str]:
        """Open a market only at a price."""
        if self._own is not None and self._own.prices(listed):
            if not self._own.has_model(message.event_id):
                self._pass_over("no model", listed.market.key)
                return Status.SUSPENDED, "no model yet"
        elif market.outcomes and not priced.done:
            return Status.SUSPENDED, "no price"
        elif not market.outcomes and not listed.priced:
            return Status.SUSPENDED, "no price yet"
        return Status.ACTIVE, why

    def _set_status(self, producer: int, status: Status, why: str) -> SetStatus:
        """Return a step to a status; nothing opens by a producer that is not trusted."""
        if status is Status.ACTIVE and not self._trusted(producer):
            status, why = Status.SUSPENDED, "feed recovering"
        return SetStatus(market_no=MARKET_NO_LATER, status=status, why=why)

    def _bet_stop(self, message: BetStop, _: int) -> Iterable[Action]:
        self._book.stop(message.event_id, message.product, message.groups, message.timestamp)
        status = Status.INACTIVE if message.market_status == 0 else Status.SUSPENDED
        why = f"bet stop: {'|'.join(message.groups)}"[:80]
        mark = self._mark(odds_source(self.feed, message.product), message.timestamp)
        tells: list[Action] = []
        for listed in self._book.of_event(message.event_id):
            if (
                listed.owner == message.product
                and listed.told is Status.ACTIVE
                and listed.sent_ms <= message.timestamp
                and stopped_by(listed.number, message.groups)
            ):
                listed.told, listed.sent_ms = status, message.timestamp
                tells.append(_status(listed, mark, status, why))
        if self._own is None:
            return tells
        stops = self._own.stop(
            message.event_id, message.product, message.timestamp, self._digest, why
        )
        return [*stops, *tells]

    def _fixture_change(self, message: FixtureChange, _: int) -> Iterable[Action]:
        kind = f"fixture change {message.change_type or 0}"
        self.counts[kind] = self.counts.get(kind, 0) + 1
        lost = message.change_type == _COVERAGE and self._book.rank(message.product) > 0
        if message.change_type != _CANCELLED and not lost:
            return []
        why = "fixture cancelled" if message.change_type == _CANCELLED else "coverage ended"
        tells: list[Action] = []
        for listed in self._book.of_event(message.event_id):
            mine = listed.owner == message.product or message.change_type == _CANCELLED
            if not mine or not listed.open or listed.sent_ms > message.timestamp > 0:
                continue
            mark = None
            if message.timestamp:
                listed.sent_ms = message.timestamp
                mark = self._mark(odds_source(self.feed, listed.owner), message.timestamp)
            listed.told = Status.SUSPENDED
            tells.append(_status(listed, mark, Status.SUSPENDED, why))
        return tells

    # --- results ---------------------------------------------------------------------------------

    def _bet_settlement(self, message: BetSettlement, _: int) -> Iterable[Action]:
        for market in message.markets:
            listed = self._of_result(message, market.name)
            if listed is None:
                continue
            step = settlement(listed, market)
            if isinstance(step, str):
                self._pass_over("settlement refused", f"{listed.market.key}: {step}")
                continue
            if self._newer_result(listed, message):
                listed.settled, listed.certainty = True, message.certainty
            yield from self._result(message, listed, step)

    def _bet_cancel(self, message: BetCancel, _: int) -> Iterable[Action]:
        for market in message.markets:
            listed = self._of_result(message, market.name)
            if listed is not None:
                yield from self._result(message, listed, cancel(message, market, self._clock))

    def _rollback_bet_settlement(self, message: RollbackBetSettlement, _: int) -> Iterable[Action]:
        for market in message.markets:
            listed = self._of_result(message, market.name)
            if listed is None:
                continue
            if self._newer_result(listed, message):
                # The market is suspended by it, until the feed speaks of it again.
                listed.settled, listed.certainty = False, 0
                listed.told = Status.SUSPENDED
            yield from self._result(message, listed, roll_back_settlement())

    def _rollback_bet_cancel(self, message: RollbackBetCancel, _: int) -> Iterable[Action]:
        for market in message.markets:
            listed = self._of_result(message, market.name)
            if listed is not None:
                if listed.told is Status.CANCELLED:
                    listed.told = Status.SUSPENDED
                yield from self._result(message, listed, roll_back_cancel(message, self._clock))

    def _of_result(self, message: EventMessage, name: MarketName) -> Listed | None:
        listed = self._book.find(message.event_id, name)
        if listed is None:
            self._pass_over("result of a market never seen", message.called(name))
        return listed

    def _newer_result(self, listed: Listed, message: EventMessage) -> bool:
        newer = message.timestamp >= listed.result_ms
        listed.result_ms = max(listed.result_ms, message.timestamp)
        return newer

    def _result(self, message: EventMessage, listed: Listed, step: FeedStep) -> list[MarketUpdate]:
        """Return what goes out now: nothing while the producer's results may be out of order."""
        mark = self._mark(result_source(self.feed, message.product), message.timestamp)
        notify = MarketUpdate(key=listed.market.key, mark=mark, steps=(step,))
        product = message.product
        complete = self._producers.state(product) in (State.UP, State.LATE)
        if product == NO_PRODUCT or complete or not self._settings.watch:
            return [notify]
        return self._held.hold(product, notify)

    # --- producers -------------------------------------------------------------------------------

    def _alive(self, message: Alive, at_ns: int) -> Iterable[Action]:
        if not self._settings.watch:
            return []
        late_ns = at_ns - self._clock.engine_ns(message.timestamp)
        return self._follow(
            self._producers.alive(
                message.product,
                timestamp_ms=message.timestamp,
                subscribed=message.subscribed,
                late_ms=max(late_ns // NS_PER_MS, 0),
                at_ns=at_ns,
            )
        )

    def _snapshot_complete(self, message: SnapshotComplete, _: int) -> Iterable[Action]:
        actions = self._follow(self._producers.complete(message.product, message.request_id))
        if self._producers.state(message.product) is State.LATE:
            actions = [*self._held.release(message.product), *actions]
        return actions

    def _product_down(self, message: ProductDown, _: int) -> Iterable[Action]:
        if not self._settings.watch:
            return []
        return self._follow(self._producers.product_down(message.product))

    def _follow(self, news: ProducerUpdate) -> list[Action]:
        """Return what a producer's turn means for its markets, and theirs only."""
        actions: list[Action] = []
        for turn in news.turns:
            if turn.up:
                actions += self._held.release(turn.producer)
            status = Status.ACTIVE if turn.up else Status.SUSPENDED
            why = turn.why or "feed back"
            actions += [
                _status(listed, None, status, why)
                for listed in self._book
                if listed.owner == turn.producer and listed.open
            ]
            if self._own is not None:
                actions += self._own.turn(turn.producer, turn.why)
        return [*actions, *news.recovers]

    def _trusted(self, producer: int) -> bool:
        return not self._settings.watch or self._producers.is_up(producer)

    # --- prices of our own -----------------------------------------------------------------------

    def _own_prices(self) -> "OwnPrices | None":
        if not self._settings.own_prices:
            return None
        # Loaded only where it is wanted: the model brings its kernels along.
        from gateway.feeds.uof.model_prices import OwnPrices  # noqa: PLC0415

        return OwnPrices(self.feed, self._book, self._trusted)

    def _own_price(self, listed: Listed) -> bool:
        return self._own is not None and self._own.prices(listed)

    # --- inside ----------------------------------------------------------------------------------

    def _mark(self, source: str, position_ms: int) -> Mark:
        return Mark(source=source, position=position_ms, digest=self._digest)

    def _new_market(self, listed: Listed) -> NewMarket:
        return NewMarket(outcomes=listed.market.outcomes, limits=self._settings.limits)

    def _pass_over(self, reason: str, what: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self._why = f"{reason}: {what}"[:300]
        self.refusals.append(self._why)

    _words: Final[dict[type[AnyMessage], tuple[str, Callable[..., Iterable[Action]]]]] = {
        OddsChange: ("odds_change", _odds_change),
        BetStop: ("bet_stop", _bet_stop),
        BetSettlement: ("bet_settlement", _bet_settlement),
        BetCancel: ("bet_cancel", _bet_cancel),
        RollbackBetSettlement: ("rollback_bet_settlement", _rollback_bet_settlement),
        RollbackBetCancel: ("rollback_bet_cancel", _rollback_bet_cancel),
        FixtureChange: ("fixture_change", _fixture_change),
        Alive: ("alive", _alive),
        SnapshotComplete: ("snapshot_complete", _snapshot_complete),
        ProductDown: ("product_down", _product_down),
        SourceBegan: ("source_began", _product_down),
    }


def _status(listed: Listed, mark: Mark | None, status: Status, why: str) -> MarketUpdate:
    step = SetStatus(market_no=MARKET_NO_LATER, status=status, why=why)
    return MarketUpdate(key=listed.market.key, mark=mark, steps=(step,))
