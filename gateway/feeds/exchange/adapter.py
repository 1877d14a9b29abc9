"""The exchange adapter: a stream's messages in, actions for our markets out.

Owns which of the exchange's markets are followed, and the difference between the state that each
market should have and the state that it was last sent. It does no I/O and reads no clock. After a
restart its memory is rebuilt from the stream's image and the markets that exist; when a withdrawal
was first seen cannot be known again and is taken from the exchange's own date.

A market is sent nothing until it has a fair price. From then on every message compares status,
prices and results with what was sent. A silent, broken or late stream makes all prices doubtful and
holds every market suspended until the stream has caught up.

A message can be delivered twice when its acknowledgement is lost. Replaying it rewinds the order
books and restores them; no market update is sent meanwhile. After a restart a market is sent
nothing that it may have applied before, because it would refuse that; it waits for a newer message.
"""

from collections.abc import Iterator, Sequence
from typing import Final
from zlib import crc32

from msgspec.structs import asdict

from engine.common.commands import SetStatus
from engine.common.fixtures import FeedDescription
from engine.common.ids import MalformedIdError, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS, Nanos
from gateway.feeds.core.adapter import (
    ALL_FIXTURES,
    MARKET_NO_LATER,
    Action,
    Fair,
    KnownMarket,
    Mark,
    MarketUpdate,
    Received,
    RecoveryRequest,
)
from gateway.feeds.core.descriptions import Descriptions
from gateway.feeds.core.losses import Losses
from gateway.feeds.core.said_matches import SaidMatches
from gateway.feeds.exchange.about import about
from gateway.feeds.exchange.fair_price import is_lowered, moved_by
from gateway.feeds.exchange.followed_market import (
    CLOSED,
    DesiredStatus,
    Follower,
    incomplete,
    market_key,
    unsupported,
)
from gateway.feeds.exchange.messages import MarketChange, Message
from gateway.feeds.exchange.order_book import (
    HEARTBEAT,
    IMAGE,
    SEG_END,
    UNHEALTHY,
    StreamOrderBooks,
    StreamUpdate,
    kind_of,
)
from gateway.feeds.exchange.result_updates import ExchangeCounts, ResultUpdates
from gateway.feeds.exchange.sent_state import SentState
from gateway.feeds.exchange.settings import ExchangeSettings
from gateway.feeds.exchange.steps import delay_steps, status_steps

HEARTBEAT_MS: Final = 5_000
"""The exchange's heartbeat period when the subscription names none."""
IMAGE_RETRY_MS: Final = 10_000
"""Shortest time between two requests for the image while a market without one changes."""
CONNECTIONS_KEPT_MAX: Final = 64
"""Connections remembered, so that a repeated greeting does not suspend the markets again."""
LATE: Final = "the exchange says its stream is late"
SILENT: Final = "the exchange is silent"
GONE: Final = "no longer in the stream"
BROKEN: Final = "the stream broke off"
NO_IMAGE: Final = "nothing has come since the feed restarted"
_OPEN: Final = (Status.ACTIVE, Status.SUSPENDED, Status.INACTIVE)


class ExchangeAdapter:
    """Follow one exchange stream (see gateway.feeds.core.adapter.Adapter).

    Parameters
    ----------
    feed : str
        The feed's name, which begins its markets' keys and its marks' sources.
    settings : ExchangeSettings
        How the stream is followed.
    """

    def __init__(self, *, feed: str = "exchange", settings: ExchangeSettings | None = None) -> None:
        self.feed = feed
        self._odds_source: Final = f"{feed}/odds"
        self.counts = ExchangeCounts()
        self._settings = settings or ExchangeSettings()
        self._results = ResultUpdates(feed, self._settings.result, self.counts)
        self._order_books = StreamOrderBooks(markets_max=self._settings.markets_max)
        self._followers: dict[str, Follower] = {}
        self._sent: dict[str, SentState] = {}
        self._refused: dict[str, str] = {}
        self._losses = Losses()
        self._descriptions = Descriptions(feed)
        self._known: dict[str, KnownMarket] = {}
        self._holds: dict[str, None] = {}
        self._heartbeat_ms = 0
        self._received_at_ns = 0
        self._requested_at_ns: Nanos | None = None
        self._requests = 0
        self._connections: dict[str, None] = {}

    # --- the adapter interface --------------------------------------------------------------------

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed, by its key."""
        return key.startswith(f"{self.feed}.")

    def passed_over(self) -> dict[str, int]:
        """Return counts of what was not followed, not settled or not kept, by kind."""
        counts = {**asdict(self._order_books.counts), **asdict(self.counts)}
        counts["markets_refused"] = (
            self._order_books.counts.markets_refused + self.counts.markets_refused
        )
        return {
            name.replace("_", " "): count for name, count in counts.items() if name != "messages"
        }

    def lost(self) -> dict[str, str]:
        """Return the markets that cannot be offered or settled, by key or by id, and why."""
        return dict(self._losses.whys)

    def descriptions(self) -> list[FeedDescription]:
        """Return the descriptions of fixtures that have changed since the last call."""
        return self._descriptions.changed()

    def said_matches(self) -> SaidMatches:
        """Return what was said of matches."""
        return self._descriptions.matches

    def unopened(self) -> dict[str, str]:
        """Return the markets that never had what it takes to be made, by key or by id, and why."""
        unmade = {
            follower.key: self._desired(market_id, follower, self._sent[market_id], moved=False)
            for market_id, follower in self._followers.items()
            if not self._sent[market_id].exists
        }
        whys = {key: one.why or one.status.name.lower() for key, one in unmade.items()}
        return self._refused | whys

    def uncovered(self) -> dict[str, str]:
        """Return why all fixtures are lost, or those of which the stream has said nothing yet."""
        if self._holds:
            return {ALL_FIXTURES: next(iter(self._holds))}
        return {
            known.image.key.partition("/")[0]: NO_IMAGE
            for known in self._known.values()
            if known.image.status in _OPEN
        }

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: Nanos) -> Received:
        """Begin with the markets that exist; suspend active ones until the stream's image comes."""
        self._received_at_ns = at_ns
        actions: list[Action] = []
        unsettled = False
        for known in markets:
            if not self.owns(known.image.key):
                continue
            market_id = dict(parse_market_key(known.image.key).specifiers).get("market")
            if market_id is None:
                continue
            self._known[market_id] = known
            unsettled = unsettled or known.image.status not in (Status.SETTLED, Status.CANCELLED)
            if known.image.status == Status.ACTIVE:
                step = SetStatus(
                    market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why="the feed restarted"
                )
                actions.append(MarketUpdate(key=known.image.key, mark=None, steps=(step,)))
        if unsettled:  # a suspended market's results may have been missed
            actions.append(self._request_image(at_ns))
        return Received(kind="resume", actions=tuple(actions))

    def receive(self, body: bytes, *, at_ns: Nanos) -> Received:
        """Take one message of the stream; never raises, whatever the bytes."""
        update = self._order_books.receive(body)
        message = update.message
        if message is None or (message.op == "mcm" and message.pt is None):
            return self._lost(update.refused, "unknown", at_ns)
        if message.op == "mcm":
            return self._change(update, message, body, at_ns)
        if message.op == "connection":
            return self._connected(message, at_ns)
        if message.op == "status":
            failed = message.status_code == "FAILURE"
            why = f"{message.error_code}: {message.error_message}" if failed else ""
            return Received(kind="status", refused=why)
        return Received(kind="unknown", refused=f"op {message.op!r} is not followed")

    def tick(self, *, at_ns: Nanos) -> Received:
        """Detect a silent stream, and send prices that waited for `every_ms`."""
        silence_ms = self._settings.silence_heartbeats * self._heartbeat_ms
        actions: list[Action] = []
        if silence_ms and at_ns - self._received_at_ns > silence_ms * NS_PER_MS and self._followers:
            actions += self._hold({SILENT: True}, at_ns)
        for market_id, sent in self._sent.items():
            if sent.rewound:
                continue
            if (
                sent.pending is not None
                and at_ns - sent.fair_at_ns >= self._settings.every_ms * NS_PER_MS
            ):
                actions += self._compare(market_id, mark=sent.pending, repriced=False, at_ns=at_ns)
        return Received(kind="tick", actions=tuple(actions))

    # --- one message ------------------------------------------------------------------------------

    def _connected(self, message: Message, at_ns: Nanos) -> Received:
        """Hold every market suspended until the stream has sent what was missed."""
        self._received_at_ns = at_ns
        name = message.connection_id
        if name in self._connections:
            return Received(kind="connection")
        if name:
            self._connections[name] = None
            if len(self._connections) > CONNECTIONS_KEPT_MAX:
                del self._connections[next(iter(self._connections))]
        actions = self._hold({BROKEN: True}, at_ns) if self._followers else []
        return Received(kind="connection", actions=tuple(actions))

    def _change(
        self, update: StreamUpdate, message: Message, body: bytes, at_ns: Nanos
    ) -> Received:
        self._received_at_ns = at_ns
        if (message.pt or 0) > self._latest_ms(at_ns):
            return self._refuse_ahead(message, at_ns)
        if message.heartbeat_ms:
            self._heartbeat_ms = message.heartbeat_ms
        elif message.ct == HEARTBEAT and not self._heartbeat_ms:
            self._heartbeat_ms = HEARTBEAT_MS
        mark = Mark(source=self._odds_source, position=message.pt or 0, digest=crc32(body.strip()))
        kind = kind_of(message)
        repeated = self._repeated(message, mark)
        if repeated and len(repeated) == len(message.mc or ()):
            return Received(kind=kind)
        changes = [change for change in message.mc or () if change.id not in repeated]
        refused = ""
        for change in changes:
            if change.market_definition is not None:
                refused = self._define(change, message.pt or 0, at_ns) or refused
            sent = self._sent.get(change.id)
            if sent is not None:
                sent.note(mark)
        moved = {change.id for change in changes if change.rc}
        ended = kind == IMAGE and message.segment_type in (None, SEG_END)
        # Markets that the message names are sent its mark, the others none.
        before = tuple(self._holds)
        late = message.status == UNHEALTHY
        if late or before or kind == IMAGE:
            # A later part of an image may replace a market that an earlier part brought.
            whole = {BROKEN: not ended} if kind == IMAGE else {}
            self._set_holds({LATE: late, SILENT: False} | whole)
        actions: list[Action] = []
        for market_id in (*update.touched, *update.gone):
            if market_id in repeated:
                continue
            actions += self._compare(market_id, mark=mark, repriced=market_id in moved, at_ns=at_ns)
        if before != tuple(self._holds):
            actions += self._compare_all(at_ns)
        if update.lost:
            actions += self._on_lost(at_ns)
        elif self._lacks_image(update):
            actions += self._image_if_due(at_ns)
        return Received(
            kind=kind,
            actions=tuple(actions),
            refused=update.refused or ("" if actions else refused),
        )

    def _latest_ms(self, at_ns: Nanos) -> int:
        return at_ns // NS_PER_MS + self._settings.ahead_ms_max

    def _refuse_ahead(self, message: Message, at_ns: Nanos) -> Received:
        """Refuse a message from the future; what it changed is missing until the next image."""
        why = f"pt: {message.pt} is over {self._latest_ms(at_ns)}, our time and what may be ahead"
        return self._lost(why, kind_of(message), at_ns)

    def _lost(self, why: str, kind: str, at_ns: Nanos) -> Received:
        return Received(kind=kind, actions=self._on_lost(at_ns), refused=why)

    def _on_lost(self, at_ns: Nanos) -> tuple[Action, ...]:
        """Hold every market suspended until an image shows what a message may have changed."""
        if not self._followers:
            return ()
        return (*self._hold({BROKEN: True}, at_ns), *self._image_if_due(at_ns))

    def _repeated(self, message: Message, mark: Mark) -> dict[str, None]:
        """Return the markets of a message that had the message before."""
        repeated: dict[str, None] = {}
        for change in message.mc or ():
            sent = self._sent.get(change.id)
            if sent is not None and sent.is_repeated(mark):
                repeated[change.id] = None
        return repeated

    def _lacks_image(self, update: StreamUpdate) -> bool:
        """Say whether a market changed whose definition or last change is missing."""
        for market_id in update.touched:
            market = self._order_books.markets.get(market_id)
            if market is not None and market.definition is None:
                return True
        return bool(update.refused) and any(name in self._sent for name in update.gone)

    def _image_if_due(self, at_ns: Nanos) -> Iterator[Action]:
        last_ns = self._requested_at_ns
        if last_ns is None or at_ns - last_ns >= IMAGE_RETRY_MS * NS_PER_MS:
            yield self._request_image(at_ns)

    def _request_image(self, at_ns: Nanos) -> RecoveryRequest:
        self._requested_at_ns = at_ns
        # A request id must not repeat after a restart: a bridge answers each id once.
        self._requests = max(self._requests + 1, at_ns // NS_PER_MS)
        return RecoveryRequest(producer=0, after_ms=0, request_id=self._requests)

    def _define(self, change: MarketChange, published_ms: int, at_ns: Nanos) -> str:
        """Take a market's definition; return why it is not followed, the first time."""
        definition = change.market_definition
        assert definition is not None
        follower = self._followers.get(change.id)
        if follower is None:
            if why := unsupported(definition):
                return self._refuse(change.id, why)
            why = incomplete(definition)
            try:
                key = market_key(definition, change.id, feed=self.feed)
            except MalformedIdError as error:
                key, why = "", why or str(error)
            if change.id not in self._order_books.markets:
                why = why or "no room for another market"
            if why:
                self._losses.note(change.id, f"market refused: {why}")
                return self._refuse(change.id, why)
            self._refused.pop(change.id, None)
            self._losses.clear(change.id)
            follower = self._follow(change.id, key, change, at_ns)
        fixture = follower.key.partition("/")[0]
        event_id = definition.event_id
        self._descriptions.take(fixture, event_id, about(definition), published_ms)
        made = self._sent[change.id].exists
        follower.define(definition, made=made, published_ms=published_ms, at_ns=at_ns)
        return ""

    def _refuse(self, market_id: str, why: str) -> str:
        if self._refused.get(market_id) == why:
            return ""
        if len(self._refused) >= self._settings.markets_max:
            self._refused.clear()
        self._refused[market_id] = why
        self.counts.markets_refused += 1
        return f"market {market_id}: {why}"

    def _follow(self, market_id: str, key: str, change: MarketChange, at_ns: Nanos) -> Follower:
        assert change.market_definition is not None
        if len(self._followers) >= 2 * self._settings.markets_max:
            for gone in [name for name in self._followers if name not in self._order_books.markets]:
                del self._followers[gone], self._sent[gone]
        known = self._known.pop(market_id, None)
        sent = self._sent[market_id] = SentState()
        if known is not None:
            key = known.image.key  # the exchange may have moved the market to another event since
            sent.exists, sent.stands, sent.delay_ms = True, known.results_stand, None
            # A position ahead of our clock would outrank every message.
            known_ms = known.positions.get(f"{self.feed}/odds", -1)
            sent.known_ms = min(known_ms, self._latest_ms(at_ns))
            takes_bets = known.image.status == Status.ACTIVE or known.results_stand
            sent.status = Status.SUSPENDED if takes_bets else known.image.status
        follower = Follower(key, change.market_definition, known=known)
        self._followers[market_id] = follower
        return follower

    # --- holds on all markets ---------------------------------------------------------------------

    def _set_holds(self, holds: dict[str, bool]) -> None:
        for why, holding in holds.items():
            if holding:
                self._holds[why] = None
            else:
                self._holds.pop(why, None)

    def _hold(self, holds: dict[str, bool], at_ns: Nanos) -> list[Action]:
        before = tuple(self._holds)
        self._set_holds(holds)
        return [] if before == tuple(self._holds) else list(self._compare_all(at_ns))

    def _compare_all(self, at_ns: Nanos) -> Iterator[Action]:
        for market_id in self._followers:
            yield from self._compare(market_id, mark=None, repriced=False, at_ns=at_ns)

    # --- one market -------------------------------------------------------------------------------

    def _desired(
        self, market_id: str, follower: Follower, sent: SentState, *, moved: bool
    ) -> DesiredStatus:
        market = self._order_books.markets.get(market_id)
        if market is None or market.definition is None:
            follower.forget_prices()
            return DesiredStatus(Status.SUSPENDED, GONE)
        # A step is sent with the latest prices, without one the prices that were sent may stand.
        stepping = sent.status != Status.ACTIVE or market.definition.version > sent.version
        desired = follower.desired(
            market,
            moved=moved,
            fair_rules=self._settings.fair,
            result_rules=self._settings.result,
            before=None if stepping else sent.fair,
            move_min=self._settings.move_min,
        )
        if desired.status == Status.ACTIVE and self._holds:
            return DesiredStatus(Status.SUSPENDED, next(iter(self._holds)))
        return desired

    def _compare(
        self, market_id: str, *, mark: Mark | None, repriced: bool, at_ns: Nanos
    ) -> Iterator[Action]:
        """Yield the updates that bring a market from what it was sent to what it should be."""
        follower = self._followers.get(market_id)
        if follower is None:
            return
        sent = self._sent[market_id]
        desired = self._desired(market_id, follower, sent, moved=repriced)
        if not sent.exists and desired.status != Status.ACTIVE:
            return
        sent.exists = True
        self._note_loss(follower, sent, desired)
        market = self._order_books.markets.get(market_id)
        if desired.status == Status.ACTIVE and (sent.rewound or sent.applied_before(market)):
            return
        definition = market.definition if market is not None else None
        if definition is not None and definition.status != CLOSED:
            yield from self._results.roll_back(follower, sent, mark)
        version = definition.version if definition is not None else sent.version
        steps = status_steps(sent, desired, version=version)
        sent.status, sent.version = desired.status, version
        moved = desired.fair is not None and (
            moved_by(sent.fair, desired.fair) >= self._settings.move_min
        )
        fair = self._fair(sent, desired, at_ns=at_ns, now=bool(steps), moved=moved)
        over = follower.blocked or desired.closed or desired.results is not None
        if not (over or sent.rewound or sent.applied_before(market)):
            steps = (*delay_steps(sent, follower.delay_ms), *steps)
        if fair is not None or steps:
            sent.pending = None
            new_market = follower.new_market(self._settings.limits)
            yield MarketUpdate(
                key=follower.key, mark=mark, steps=steps, fair=fair, new_market=new_market
            )
        elif moved and mark is not None:
            sent.pending = mark
        if definition is not None and definition.status == CLOSED:
            yield from self._results.settle(
                follower, sent, desired, mark, market_type=definition.market_type
            )

    def _note_loss(self, follower: Follower, sent: SentState, desired: DesiredStatus) -> None:
        """Note a market that cannot be offered or settled any more, or that can again."""
        has_results = sent.stands or sent.results is not None or desired.results is not None
        if desired.closed:
            self._losses.note(follower.key, f"results refused: {desired.why}")
        elif not has_results and (follower.blocked or desired.why == GONE):
            self._losses.note(follower.key, f"market lost: {follower.blocked or GONE}")
        else:
            self._losses.clear(follower.key)

    def _fair(
        self, sent: SentState, desired: DesiredStatus, *, at_ns: Nanos, now: bool, moved: bool
    ) -> Fair | None:
        """Return the prices to send, if they moved and `every_ms` has passed.

        Highest odds that fell, and a runner that was added or removed, do not wait.
        """
        fair = desired.fair
        if fair is None:
            return None
        now = now or is_lowered(sent.fair, fair)
        if not (now or moved):
            return None
        same = sent.fair is not None and sent.fair.offered == fair.offered
        if not now and same and at_ns - sent.fair_at_ns < self._settings.every_ms * NS_PER_MS:
            return None
        sent.fair, sent.fair_at_ns = fair, at_ns
        return Fair(
            probabilities=fair.probabilities,
            active=fair.offered,
            winners=desired.winners,
            odds_milli_max=fair.odds_milli_max,
        )
