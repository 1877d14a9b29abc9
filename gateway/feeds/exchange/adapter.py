"""The exchange's stream as a feed: what its messages want done to our markets.

Owns which of the exchange's markets are followed and the difference between what each should be and
what was last told of it. Never does I/O and reads no clock: bytes and time in, intents out. Its
memory is rebuilt from the stream's image and the markets that exist; what a restart cannot know
again (the moment a withdrawal was seen) is taken from the exchange's own date.

A market is told nothing until it has a fair price; from then on every message leads to one
comparison of status, prices and results with what was said. What makes all prices doubtful (a
silent, broken or late stream) holds every market suspended until the stream is whole again.

What comes again, its answer lost on the way, takes the books back and then to where they were, and
nobody is told. Nor is a market told what an earlier life of this adapter may have told it: it would
refuse that, and waits for something newer.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final
from zlib import crc32

from msgspec import Meta, Struct
from msgspec.structs import asdict

from engine.common.commands import (
    FeedStep,
    Limits,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
)
from engine.common.ids import MalformedIdError, parse_market_key
from engine.common.lifecycle import Status
from engine.common.units import NS_PER_MS
from gateway.feeds.core.adapter import (
    MARKET_NO_LATER,
    Action,
    Fair,
    KnownMarket,
    Mark,
    MarketUpdate,
    NewMarket,
    Received,
    RecoveryRequest,
)
from gateway.feeds.exchange.fair_price import FairMarket, FairRules, moved_by
from gateway.feeds.exchange.followed_market import (
    CLOSED,
    DesiredStatus,
    Follower,
    market_key,
    unsupported,
)
from gateway.feeds.exchange.messages import MarketChange, Message
from gateway.feeds.exchange.order_book import (
    HEARTBEAT,
    MARKETS_MAX,
    RESUB_DELTA,
    SEG_END,
    SUB_IMAGE,
    UNHEALTHY,
    Market,
    StreamBook,
    StreamUpdate,
)
from gateway.feeds.exchange.results import ResultRules, deductions
from gateway.feeds.exchange.sent_state import SentState

HEARTBEAT_MS: Final = 5_000
"""The rate at which the exchange sends heartbeats when the subscription named none."""
IMAGE_AGAIN_MS: Final = 10_000
"""How often the image is asked for while differences come of a market that has none."""
CONNECTIONS_KEPT_MAX: Final = 64
"""Connections of the stream remembered, so that a greeting that comes again breaks nothing off."""
LATE: Final = "the exchange says its stream is late"
SILENT: Final = "the exchange is silent"
BROKEN: Final = "the stream broke off"


class ExchangeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an exchange is followed.

    New prices are told when some runner's log-odds moved by `move_min` (0.01 is about 1% of the
    odds), and at most every `every_ms`; the last is never lost. A stream that sends heartbeats and
    is silent for `silence_heartbeats` of them is not believed; a recording has none and is.
    """

    fair: FairRules = FairRules()
    result: ResultRules = ResultRules()
    limits: Limits | None = None
    move_min: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.01
    every_ms: Annotated[int, Meta(ge=0, le=60_000)] = 100
    silence_heartbeats: Annotated[int, Meta(ge=2, le=100)] = 3
    markets_max: Annotated[int, Meta(ge=1, le=MARKETS_MAX)] = MARKETS_MAX


class ExchangeCounts(Struct):
    """What was not followed or not settled, for the gauges."""

    markets_refused: int = 0
    results_refused: int = 0
    deductions_unsure: int = 0


class ExchangeAdapter:
    """One exchange stream followed, as an Adapter (see intents).

    Parameters
    ----------
    feed : str
        The feed's name: the start of its markets' keys and of its marks' sources.
    settings : ExchangeSettings
        How it is followed.
    """

    def __init__(self, *, feed: str = "exchange", settings: ExchangeSettings | None = None) -> None:
        self.feed = feed
        self.counts = ExchangeCounts()
        self._settings = settings or ExchangeSettings()
        self._book = StreamBook(markets_max=self._settings.markets_max)
        self._followers: dict[str, Follower] = {}
        self._sent: dict[str, SentState] = {}
        self._refused: dict[str, str] = {}
        self._known: dict[str, KnownMarket] = {}
        self._holds: dict[str, None] = {}
        self._heartbeat_ms = 0
        self._received_at_ns = 0
        self._asked_at_ns: int | None = None
        self._requests = 0
        self._connections: dict[str, None] = {}

    # --- the adapter's four words -----------------------------------------------------------------

    def owns(self, key: str) -> bool:
        """Say whether a market belongs to this feed, by its key."""
        return key.startswith(f"{self.feed}.")

    def passed_over(self) -> dict[str, int]:
        """Return how often something was not followed, settled or kept, by what it was."""
        counts = {**asdict(self._book.counts), **asdict(self.counts)}
        counts["markets_refused"] = self._book.counts.markets_refused + self.counts.markets_refused
        return {
            name.replace("_", " "): count for name, count in counts.items() if name != "messages"
        }

    def resume(self, markets: Sequence[KnownMarket], *, at_ns: int) -> Received:
        """Begin with the markets that exist; those that take bets wait for the stream's image."""
        self._received_at_ns = at_ns
        actions: list[Action] = []
        for known in markets:
            if not self.owns(known.image.key):
                continue
            market_id = dict(parse_market_key(known.image.key).specifiers).get("market")
            if market_id is None:
                continue
            self._known[market_id] = known
            if known.image.status == Status.ACTIVE:
                step = SetStatus(
                    market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why="the feed began again"
                )
                actions.append(MarketUpdate(key=known.image.key, mark=None, steps=(step,)))
        if actions:
            actions.append(self._image_again(at_ns))
        return Received(kind="resume", actions=tuple(actions))

    def receive(self, body: bytes, *, at_ns: int) -> Received:
        """Take one message of the stream; whatever the bytes, it is refused rather than raised."""
        heard = self._book.receive(body)
        message = heard.message
        if message is None or (message.op == "mcm" and message.pt is None):
            return Received(kind="unknown", refused=heard.refused)
        if message.op == "mcm":
            return self._change(heard, message, body, at_ns)
        if message.op == "connection":
            return self._connected(message, at_ns)
        if message.op == "status":
            failed = message.status_code == "FAILURE"
            why = f"{message.error_code}: {message.error_message}" if failed else ""
            return Received(kind="status", refused=why)
        return Received(kind="unknown", refused=f"op {message.op!r} is not followed")

    def tick(self, *, at_ns: int) -> Received:
        """Notice a silent stream, and tell prices that waited their turn."""
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
                actions += self._compare(market_id, mark=sent.pending, moved=False, at_ns=at_ns)
        return Received(kind="tick", actions=tuple(actions))

    def bet_delay_s(self, market_id: str) -> int:
        """Return how long the exchange itself holds bets on a market: 0, or seconds in play."""
        follower = self._followers.get(market_id)
        return follower.bet_delay_s if follower is not None else 0

    # --- one message ------------------------------------------------------------------------------

    def _connected(self, message: Message, at_ns: int) -> Received:
        """Believe no price until the stream says that all is told which went by meanwhile."""
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

    def _change(self, heard: StreamUpdate, message: Message, body: bytes, at_ns: int) -> Received:
        self._received_at_ns = at_ns
        if message.heartbeat_ms:
            self._heartbeat_ms = message.heartbeat_ms
        elif message.ct == HEARTBEAT and not self._heartbeat_ms:
            self._heartbeat_ms = HEARTBEAT_MS
        mark = Mark(
            source=f"{self.feed}/odds", position=message.pt or 0, digest=crc32(body.strip())
        )
        kind = _kind(message)
        again = self._again(message, mark)
        if again and len(again) == len(message.mc or ()):
            return Received(kind=kind)
        changes = [change for change in message.mc or () if change.id not in again]
        refused = ""
        for change in changes:
            if change.market_definition is not None:
                refused = self._define(change, message.pt or 0, at_ns) or refused
        for change in changes:
            if change.id in self._sent:
                self._sent[change.id].hear(mark)
        moved = {change.id for change in changes if change.rc}
        whole = message.ct in (SUB_IMAGE, RESUB_DELTA)
        ended = whole and message.segment_type in (None, SEG_END)
        # What the message itself touches is told with its mark, the others without one.
        before = tuple(self._holds)
        self._set_holds(
            {LATE: message.status == UNHEALTHY, SILENT: False} | ({BROKEN: False} if ended else {})
        )
        actions: list[Action] = []
        for market_id in (*heard.touched, *heard.gone):
            if market_id in again:
                continue
            actions += self._compare(market_id, mark=mark, moved=market_id in moved, at_ns=at_ns)
        if before != tuple(self._holds):
            actions += self._compare_all(at_ns)
        actions += self._missing(heard, at_ns)
        return Received(
            kind=kind, actions=tuple(actions), refused=heard.refused or ("" if actions else refused)
        )

    def _again(self, message: Message, mark: Mark) -> dict[str, None]:
        """Return the markets that heard a message before."""
        return {
            change.id: None
            for change in message.mc or ()
            if change.id in self._sent and self._sent[change.id].is_repeated(mark)
        }

    def _missing(self, heard: StreamUpdate, at_ns: int) -> Iterator[Action]:
        """Ask for the image when a market moves whose definition, or last change, did not come."""
        markets = self._book.markets
        bare = any(
            market is not None and market.definition is None
            for market in map(markets.get, heard.touched)
        )
        bare = bare or (bool(heard.refused) and any(name in self._sent for name in heard.gone))
        asked = self._asked_at_ns
        if bare and (asked is None or at_ns - asked >= IMAGE_AGAIN_MS * NS_PER_MS):
            yield self._image_again(at_ns)

    def _image_again(self, at_ns: int) -> RecoveryRequest:
        self._asked_at_ns = at_ns
        # Numbers of an earlier life must not come again: who granted those would grant no more.
        self._requests = max(self._requests + 1, at_ns // NS_PER_MS)
        return RecoveryRequest(producer=0, after_ms=0, request_id=self._requests)

    def _define(self, change: MarketChange, published_ms: int, at_ns: int) -> str:
        """Take a market's definition in; return why it is not followed, the first time."""
        definition = change.market_definition
        assert definition is not None
        follower = self._followers.get(change.id)
        if follower is None:
            why = unsupported(definition)
            try:
                key = market_key(definition, change.id, feed=self.feed)
            except MalformedIdError as error:
                key, why = "", why or str(error)
            if why or change.id not in self._book.markets:
                return self._refuse(change.id, why or "no room for another market")
            follower = self._follow(change.id, key, change)
        follower.define(definition, published_ms=published_ms, at_ns=at_ns)
        return ""

    def _refuse(self, market_id: str, why: str) -> str:
        if market_id in self._refused:
            return ""
        if len(self._refused) >= self._settings.markets_max:
            self._refused.clear()
        self._refused[market_id] = why
        self.counts.markets_refused += 1
        return f"market {market_id}: {why}"

    def _follow(self, market_id: str, key: str, change: MarketChange) -> Follower:
        assert change.market_definition is not None
        if len(self._followers) >= 2 * self._settings.markets_max:
            for gone in [name for name in self._followers if name not in self._book.markets]:
                del self._followers[gone], self._sent[gone]
        known = self._known.pop(market_id, None)
        sent = self._sent[market_id] = SentState()
        if known is not None:
            sent.exists, sent.stands = True, known.results_stand
            sent.known_ms = known.positions.get(f"{self.feed}/odds", -1)
            takes_bets = known.image.status == Status.ACTIVE or known.results_stand
            sent.status = Status.SUSPENDED if takes_bets else known.image.status
        follower = Follower(key, change.market_definition, known=known)
        self._followers[market_id] = follower
        return follower

    # --- what all markets share -------------------------------------------------------------------

    def _set_holds(self, holds: dict[str, bool]) -> None:
        for why, holding in holds.items():
            if holding:
                self._holds[why] = None
            else:
                self._holds.pop(why, None)

    def _hold(self, holds: dict[str, bool], at_ns: int) -> list[Action]:
        before = tuple(self._holds)
        self._set_holds(holds)
        return [] if before == tuple(self._holds) else list(self._compare_all(at_ns))

    def _compare_all(self, at_ns: int) -> Iterator[Action]:
        for market_id in self._followers:
            yield from self._compare(market_id, mark=None, moved=False, at_ns=at_ns)

    # --- one market -------------------------------------------------------------------------------

    def _desired(self, market_id: str, follower: Follower, *, moved: bool) -> DesiredStatus:
        market = self._book.markets.get(market_id)
        if market is None or market.definition is None:
            return DesiredStatus(Status.SUSPENDED, "no longer in the stream")
        desired = follower.desired(
            market, moved=moved, fair_rules=self._settings.fair, result_rules=self._settings.result
        )
        if desired.status == Status.ACTIVE and self._holds:
            return DesiredStatus(Status.SUSPENDED, next(iter(self._holds)))
        return desired

    def _compare(
        self, market_id: str, *, mark: Mark | None, moved: bool, at_ns: int
    ) -> Iterator[Action]:
        """Say what a market should be that it was not told yet."""
        follower = self._followers.get(market_id)
        if follower is None:
            return
        sent = self._sent[market_id]
        desired = self._desired(market_id, follower, moved=moved)
        if not sent.exists and desired.status != Status.ACTIVE:
            return
        sent.exists = True
        market = self._book.markets.get(market_id)
        if desired.status == Status.ACTIVE and (sent.rewound or _refused(market, sent)):
            return
        definition = market.definition if market is not None else None
        if definition is not None and definition.status != CLOSED:
            yield from self._unsettle(follower, sent, mark)
        version = definition.version if definition is not None else sent.version
        steps = _steps(sent, desired, version=version)
        sent.status, sent.version = desired.status, version
        fair = self._fair(sent, desired, at_ns=at_ns, now=bool(steps))
        if fair is not None or steps:
            sent.pending = None
            new_market = NewMarket(outcomes=follower.outcomes, limits=self._settings.limits)
            yield MarketUpdate(
                key=follower.key, mark=mark, steps=steps, fair=fair, new_market=new_market
            )
        elif desired.fair is not None and mark is not None and self._moved(sent, desired.fair):
            sent.pending = mark
        if definition is not None and definition.status == CLOSED:
            yield from self._settle(follower, sent, desired, mark, place=definition.market_type)

    def _moved(self, sent: SentState, fair: FairMarket) -> bool:
        return moved_by(sent.fair, fair) >= self._settings.move_min

    def _fair(
        self, sent: SentState, desired: DesiredStatus, *, at_ns: int, now: bool
    ) -> Fair | None:
        """Return the prices to tell, if they moved and it is their turn.

        A runner that came or went does not wait for the turn.
        """
        fair = desired.fair
        if fair is None or not (now or self._moved(sent, fair)):
            return None
        same = sent.fair is not None and sent.fair.offered == fair.offered
        if not now and same and at_ns - sent.fair_at_ns < self._settings.every_ms * NS_PER_MS:
            return None
        sent.fair, sent.fair_at_ns = fair, at_ns
        return Fair(probabilities=fair.probabilities, active=fair.offered, winners=desired.winners)

    def _unsettle(self, follower: Follower, sent: SentState, mark: Mark | None) -> Iterator[Action]:
        """Take results back when the exchange opens again what it had closed."""
        if sent.results is None and not sent.stands:
            return
        sent.results, sent.stands, sent.status = None, False, Status.SUSPENDED
        step = RollBackSettlement(market_no=MARKET_NO_LATER, why="the exchange opened it again")
        yield MarketUpdate(key=follower.key, mark=self._result_mark(mark), steps=(step,))

    def _settle(
        self,
        follower: Follower,
        sent: SentState,
        desired: DesiredStatus,
        mark: Mark | None,
        *,
        place: str,
    ) -> Iterator[Action]:
        """Tell results that are new, in their own lane."""
        if desired.results is None:
            self.counts.results_refused += mark is not None
            return
        lost = deductions(
            follower.removals,
            place=place in self._settings.result.place_types,
            rules=self._settings.result,
        )
        if sent.results == (desired.results, lost):
            return
        sent.results = (desired.results, lost)
        if sent.stands and lost:
            # Paid before a restart, by moments that cannot be known again: let it stand.
            sent.stands = False
            self.counts.deductions_unsure += 1
            return
        sent.stands = False
        step = SettleMarket(market_no=MARKET_NO_LATER, results=desired.results, deductions=lost)
        yield MarketUpdate(key=follower.key, mark=self._result_mark(mark), steps=(step,))

    def _result_mark(self, mark: Mark | None) -> Mark | None:
        if mark is None:
            return None
        return Mark(source=f"{self.feed}/result", position=mark.position, digest=mark.digest)


def _kind(message: Message) -> str:
    if message.ct == HEARTBEAT:
        return "heartbeat"
    return "image" if message.ct in (SUB_IMAGE, RESUB_DELTA) else "mcm"


def _refused(market: Market | None, sent: SentState) -> bool:
    """Say whether a market has obeyed, in an earlier life of ours, what is as new as its book."""
    return market is not None and market.published_ms <= sent.known_ms


def _steps(sent: SentState, desired: DesiredStatus, *, version: int) -> tuple[FeedStep, ...]:
    """Return the steps from what was told to what should be.

    The exchange's version rises with every suspension: one that rose between two messages that
    both say OPEN tells of a suspension nobody saw, and a bet that waits must not outlive it.
    """
    step = SetStatus(market_no=MARKET_NO_LATER, status=desired.status, why=desired.why)
    if sent.status != desired.status:
        return (step,)
    if desired.status == Status.ACTIVE and version > sent.version:
        between = SetStatus(
            market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why="the exchange's version rose"
        )
        return (between, step)
    return ()
