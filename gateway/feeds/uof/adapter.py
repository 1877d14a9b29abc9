"""The adapter of one Unified Odds Feed: pass each message to the part that owns its kind.

Owns the parts and the adapter protocol, and no rule of its own. Sans-I/O, without a clock. It keeps
no record of which messages markets have obeyed: a repeated message is passed on again, and the
market that knows it refuses it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, assert_never
from zlib import crc32

from msgspec.msgpack import encode
from msgspec.structs import replace

from engine.common.fixtures import FeedDescription
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import Action, KnownMarket, Received
from gateway.feeds.core.clock import FeedClock, LiveClock
from gateway.feeds.core.descriptions import Descriptions
from gateway.feeds.core.said_matches import SaidMatches
from gateway.feeds.uof.about import about, score_of
from gateway.feeds.uof.bet_stops import BetStops
from gateway.feeds.uof.cut_off_watch import CutOffWatch
from gateway.feeds.uof.cut_offs import CutOffs
from gateway.feeds.uof.damaged_messages import LostPart, read_damaged
from gateway.feeds.uof.early_results import EarlyResults
from gateway.feeds.uof.event_recoveries import EventRecoveries
from gateway.feeds.uof.event_states import EventStates
from gateway.feeds.uof.fixture_changes import FixtureChanges
from gateway.feeds.uof.grammar import is_event_id
from gateway.feeds.uof.leads import Leads
from gateway.feeds.uof.lost_parts import LostParts, named_markets
from gateway.feeds.uof.market_registry import MarketRegistry, is_source_of
from gateway.feeds.uof.market_updates import status_update, suspension_of
from gateway.feeds.uof.messages import (
    TIMESTAMP_MS_MAX,
    Alive,
    AnyMessage,
    BetCancel,
    BetSettlement,
    BetStop,
    EventMessage,
    FixtureChange,
    OddsChange,
    ProductDown,
    RollbackBetCancel,
    RollbackBetSettlement,
    SnapshotComplete,
    SubscriptionStarted,
)
from gateway.feeds.uof.odds_changes import OddsChanges
from gateway.feeds.uof.opening import Opening
from gateway.feeds.uof.outcome_names import OutcomeNames
from gateway.feeds.uof.ownership import Ownership
from gateway.feeds.uof.passed_over import PassedOver
from gateway.feeds.uof.producer_watch import ProducerWatch
from gateway.feeds.uof.producers import Producers, State
from gateway.feeds.uof.result_buffer import ResultBuffer
from gateway.feeds.uof.results import Results
from gateway.feeds.uof.settings import UofSettings
from gateway.feeds.uof.types import UofTypes
from gateway.feeds.uof.xml import read
from gateway.feeds.uof.xml_fields import UofMalformedError
from gateway.messages.feed import MarketFacts

if TYPE_CHECKING:
    from gateway.feeds.uof.model_prices import ModelPrices


class _Memory:
    """What the parts of one adapter share: markets, producers, events and times."""

    def __init__(self, settings: UofSettings) -> None:
        self.early: Final = EarlyResults()
        self.registry: Final = MarketRegistry(
            UofTypes(settings.sports),
            prematch=settings.prematch,
            markets_max=settings.markets_max,
            early=self.early,
        )
        self.producers: Final = Producers(settings.producers, watched=settings.watch)
        self.events: Final = EventStates()
        self.cut_offs: Final = CutOffs(before_start_ms=settings.before_start_ms)
        self.ownership: Final = Ownership(
            self.registry, producers=self.producers, events=self.events
        )
        self.opening: Final = Opening(
            self.registry,
            producers=self.producers,
            events=self.events,
            cut_offs=self.cut_offs,
        )


class UofAdapter:
    """One Unified Odds Feed.

    Parameters
    ----------
    feed : str
        The feed's name, which begins the sources of marks.
    settings : UofSettings
        How messages become odds and statuses.
    clock : FeedClock | None
        Converts the feed's timestamps to engine time; None: both are UTC.
    names : OutcomeNames | None
        People's names of outcomes; None: none is known.
    """

    def __init__(
        self,
        feed: str,
        settings: UofSettings | None = None,
        *,
        clock: FeedClock | None = None,
        names: OutcomeNames | None = None,
    ) -> None:
        settings = settings or UofSettings()
        self.feed: Final = feed
        self._names: Final = names or OutcomeNames()
        self._clock: Final[FeedClock] = clock or LiveClock()
        self._ahead_ms_max: Final = settings.ahead_ms_max
        self._passed_over: Final = PassedOver()
        memory = _Memory(settings)
        self._early: Final = memory.early
        self._registry: Final = memory.registry
        self._producers: Final = memory.producers
        self._model_prices: Final = self._make_model_prices(settings, memory)
        self._cut_off_watch: Final = CutOffWatch(
            self._registry,
            cut_offs=memory.cut_offs,
            opening=memory.opening,
            model_prices=self._model_prices,
        )
        self._newest_ms = 0
        self._descriptions: Final = Descriptions(feed)
        buffer = ResultBuffer()
        self._results: Final = Results(
            feed,
            registry=self._registry,
            producers=self._producers,
            buffer=buffer,
            early=memory.early,
            clock=self._clock,
            passed_over=self._passed_over,
        )
        self._odds_changes: Final = self._make_odds_changes(settings, memory)
        self._leads: Final = Leads(self._registry, clock=self._clock, goals=settings.early_lead)
        self._bet_stops: Final = BetStops(
            feed,
            registry=self._registry,
            ownership=memory.ownership,
            model_prices=self._model_prices,
        )
        self._fixture_changes: Final = FixtureChanges(
            feed,
            registry=self._registry,
            events=memory.events,
            cut_off_watch=self._cut_off_watch,
            model_prices=self._model_prices,
            passed_over=self._passed_over,
        )
        self._watch: Final = ProducerWatch(
            self._producers,
            events=EventRecoveries(self._producers, settings.producers.event_rate),
            registry=self._registry,
            opening=memory.opening,
            buffer=buffer,
            model_prices=self._model_prices,
            clock=self._clock,
        )
        self._lost_parts: Final = LostParts(
            self.feed, registry=self._registry, watch=self._watch, model_prices=self._model_prices
        )

    def _make_odds_changes(self, settings: UofSettings, memory: "_Memory") -> OddsChanges:
        return OddsChanges(
            self.feed,
            settings,
            registry=self._registry,
            ownership=memory.ownership,
            events=memory.events,
            cut_offs=memory.cut_offs,
            opening=memory.opening,
            model_prices=self._model_prices,
            passed_over=self._passed_over,
            results=self._results,
            early=memory.early,
        )

    def _make_model_prices(self, settings: UofSettings, memory: "_Memory") -> "ModelPrices | None":
        if not settings.own_prices:
            return None
        # Imported only where it is used: the module imports the model's kernels.
        from gateway.feeds.uof.model_prices import ModelPrices  # noqa: PLC0415

        model_prices = ModelPrices(
            self.feed,
            self._registry,
            ownership=memory.ownership,
            opening=memory.opening,
            passed_over=self._passed_over,
            methods=settings.methods,
            goal_process=settings.goal_process,
        )
        memory.opening.ask_also(model_prices.unpriced)
        return model_prices

    # --- the adapter protocol --------------------------------------------------------------------

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: Nanos) -> Received:
        """Add the markets that exist, and suspend the open ones until a recovery is complete.

        A market of this feed that cannot be followed any more is suspended too.
        """
        if self._model_prices is not None:
            self._model_prices.start(at_ns=at_ns)
        actions: list[Action] = []
        latest_ms = self._latest_ms(at_ns)
        if self._clock.live:
            self._early.start(at_ns // NS_PER_MS)
        for known in markets:
            restored = self._registry.restore(known, feed=self.feed, latest_ms=latest_ms)
            if restored is None:
                self._passed_over.add("market unknown", known.image.key)
                followed = any(is_source_of(self.feed, source) for source in known.positions)
                if followed and known.image.status is Status.ACTIVE:
                    actions.append(suspension_of(known.image.key, "unknown to the feed"))
                continue
            listed, newest_ms_by_producer = restored
            for producer, newest_ms in newest_ms_by_producer.items():
                self._producers.resume(producer, newest_ms=newest_ms)
            if listed.open_when_trusted and not self._producers.is_trusted(listed.owner):
                actions.append(status_update(listed, None, Status.SUSPENDED, "feed restarted"))
        return Received(kind="resume", actions=tuple(actions))

    def receive(self, body: bytes, *, at_ns: Nanos) -> Received:
        """Return the actions of one message; of a malformed one, what stops betting is obeyed."""
        try:
            message = read(body)
        except UofMalformedError as error:
            return self._receive_damaged(body, str(error), at_ns)
        return self._receive_message(message, at_ns)

    def tick(self, *, at_ns: Nanos) -> Received:
        """Return the actions of time: cut-offs, silent producers, recoveries that timed out."""
        stopped = self._cut_off_watch.on_time(self._feed_ms(at_ns))
        return Received(kind="tick", actions=(*stopped, *self._watch.on_tick(at_ns)))

    def uncovered(self) -> dict[str, str]:
        """Return the fixtures whose producer is not trusted, and why."""
        return self._watch.uncovered()

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed: its fixture is an event id of the provider."""
        return is_event_id(key.partition("/")[0])

    def passed_over(self) -> dict[str, int]:
        """Return how often a part of a message was passed over, by reason."""
        return dict(self._passed_over.counts)

    def lost(self) -> dict[str, str]:
        """Return the markets that could not be added or settled, and why."""
        return dict(self._passed_over.losses.whys)

    def descriptions(self) -> list[FeedDescription]:
        """Return the descriptions of events that have changed since the last call."""
        return self._descriptions.changed()

    def said_matches(self) -> SaidMatches:
        """Return what was said of matches."""
        return self._descriptions.matches

    def unopened(self) -> dict[str, str]:
        """Return nothing: a market that the feed names is made at once."""
        return {}

    def facts(self, fixture: str) -> Sequence[MarketFacts]:
        """Return what the feed says of a fixture's markets besides odds and results."""
        return [
            MarketFacts(
                key=listed.market.key,
                favourite=listed.favourite,
                next_betstop_ms=listed.betstop_ms,
                cashout=listed.cashout,
                void_reason=listed.void_reason,
                names=self._names.of_outcomes(listed.market.outcomes),
            )
            for listed in self._registry.event_markets(fixture)
        ]

    # --- figures for people ----------------------------------------------------------------------

    def refusals(self) -> list[str]:
        """Return the last reasons why something was passed over, the oldest first."""
        return list(self._passed_over.refusals)

    def producer_states(self) -> dict[int, State]:
        """Return the state of every known producer."""
        return self._producers.states()

    def certainty(self, key: str) -> int:
        """Return the certainty of a market's last settlement: 1 scouted, 2 confirmed, 0 none."""
        return next((one.certainty for one in self._registry if one.market.key == key), 0)

    # --- inside ----------------------------------------------------------------------------------

    def _feed_ms(self, at_ns: Nanos, timestamp: int = 0) -> int:
        """Return the feed's time: our clock's, or that of a recording's newest message."""
        self._newest_ms = max(self._newest_ms, timestamp)
        return at_ns // NS_PER_MS if self._clock.live else self._newest_ms

    def _latest_ms(self, at_ns: Nanos) -> int:
        """Return the latest timestamp that is taken; a recording's times are past and unbounded."""
        return at_ns // NS_PER_MS + self._ahead_ms_max if self._clock.live else TIMESTAMP_MS_MAX

    def _receive_message(
        self, message: AnyMessage, at_ns: Nanos, lost: LostPart | None = None
    ) -> Received:
        """Return the actions of a message, and of what was lost of it."""
        latest_ms = self._latest_ms(at_ns)
        if message.timestamp > latest_ms:
            return self._refuse_ahead(message, latest_ms, at_ns)
        if message.timestamp:
            self._clock.saw(feed_ms=message.timestamp, at_ns=at_ns)
            self._lost_parts.saw(message.timestamp)
        self._passed_over.last = ""
        unnamed = self._registry.unnamed
        actions: Sequence[Action] = (
            *self._cut_off_watch.on_time(self._feed_ms(at_ns, message.timestamp)),
            *self._dispatch(message, _digest(message), at_ns),
        )
        if self._registry.unnamed > unnamed and isinstance(message, EventMessage):
            lost = _part(message)
        if lost is not None:
            why = "feed message unreadable"
            spared = named_markets(message)
            actions = [
                *actions,
                *self._lost_parts.on_lost(lost, spared=spared, why=why, at_ns=at_ns),
            ]
        refused = "" if actions else self._passed_over.last
        return Received(kind=message.kind, actions=tuple(actions), refused=refused)

    def _receive_damaged(self, body: bytes, why: str, at_ns: Nanos) -> Received:
        """Obey what a malformed body still says, and suspend what it may have stopped besides."""
        damaged = read_damaged(body)
        for name in damaged.dropped:
            self._passed_over.count(f"unreadable {name}")
        self._passed_over.add("malformed", why)
        message, lost = damaged.message, damaged.lost
        if lost is None and message is not None and self._prices_lost(message):
            assert isinstance(message, EventMessage)
            lost = _part(message)
            message = None
        if message is not None:
            received = self._receive_message(message, at_ns, lost)
            return received if received.actions else replace(received, refused=why)
        if lost is None:
            return Received(kind="malformed", refused=why)
        if lost.timestamp > self._latest_ms(at_ns):
            lost = replace(lost, timestamp=0)  # it would outrank every later message
        actions = self._lost_parts.on_lost(lost, why="feed message unreadable", at_ns=at_ns)
        return Received(kind="malformed", actions=tuple(actions), refused=why)

    def _prices_lost(self, message: AnyMessage) -> bool:
        """Say whether a message lost the state of the match, by which our model prices it."""
        return (
            self._model_prices is not None
            and isinstance(message, OddsChange)
            and message.status is not None
            and message.status.is_unreadable
        )

    def _refuse_ahead(self, message: AnyMessage, latest_ms: int, at_ns: Nanos) -> Received:
        """Refuse a message from the future, and suspend the open markets of its event.

        Its timestamp would outrank every later message, and it may have held a bet_stop. A producer
        that says that it sends nothing more is down. Any other alive message is refused as well: a
        producer that sends no other is silent.
        """
        why = (
            f"timestamp {message.timestamp} is over {latest_ms}, our time and what it may be ahead"
        )
        self._passed_over.add("feed time ahead", why)
        actions: Sequence[Action] = ()
        if isinstance(message, EventMessage):
            lost = _part(message, timestamp=0)
            actions = self._lost_parts.on_lost(lost, why="feed time ahead", at_ns=at_ns)
        elif isinstance(message, ProductDown) or (
            isinstance(message, Alive) and not message.subscribed
        ):
            down = ProductDown(product=message.product, timestamp=0)
            actions = self._watch.on_product_down(down)
        return Received(kind=message.kind, actions=tuple(actions), refused=why)

    def _dispatch(self, message: AnyMessage, digest: int, at_ns: Nanos) -> Sequence[Action]:
        if isinstance(message, OddsChange | FixtureChange):
            event_id = message.event_id
            said, score = about(message), score_of(message)
            self._descriptions.take(event_id, event_id, said, message.timestamp, score=score)
        match message:
            case OddsChange():
                updates = self._odds_changes.on_odds_change(message, digest)
                return [*updates, *self._leads.on_odds_change(message)]
            case BetStop():
                return self._bet_stops.on_bet_stop(message, digest)
            case BetSettlement() | BetCancel() | RollbackBetSettlement() | RollbackBetCancel():
                return self._results.on_result(message, digest)
            case FixtureChange():
                return self._fixture_changes.on_fixture_change(message, digest)
            case Alive():
                return self._watch.on_alive(message, at_ns)
            case SnapshotComplete():
                return self._watch.on_snapshot_complete(message)
            case ProductDown():
                return self._watch.on_product_down(message)
            case SubscriptionStarted():
                return self._watch.on_subscription_started()
            case _:
                assert_never(message)


def _digest(message: AnyMessage) -> int:
    """Return the digest of a message, the same when a recovery repeats it with a request id."""
    first = message if message.request_id is None else replace(message, request_id=None)
    return crc32(encode(first))


def _part(message: EventMessage, *, timestamp: int | None = None) -> LostPart:
    """Return the event of a message as lost, but for the markets that the message names."""
    return LostPart(
        event_id=message.event_id,
        product=message.product,
        timestamp=message.timestamp if timestamp is None else timestamp,
    )
