"""The order books of an exchange's stream: every ladder of every market, level by level.

Owns the books that images fill and changes move, and the clocks needed to resume the stream. It
judges no price, sends nothing and reads no clock. A message that does not fit the format is refused
and changes nothing. Where only some markets of a message do not fit, those are removed, because
what they missed is unknown, and the others are served. What exceeds a bound is refused and counted.
"""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.feeds.exchange.ladder import Ladder, Places
from gateway.feeds.exchange.messages import (
    MESSAGE_BYTES_MAX,
    RUNNERS_MAX,
    Level,
    MarketChange,
    MarketDefinition,
    Message,
    Number,
    RunnerChange,
    RunnerDefinition,
    decode_loose,
    decode_market_change,
    decode_market_id,
    decode_message,
)

MARKETS_MAX: Final = 10_000
"""Markets kept; past it the first closed one is removed, or, with none, a new one refused."""
HEARTBEAT: Final = "HEARTBEAT"
SUB_IMAGE: Final = "SUB_IMAGE"
RESUB_DELTA: Final = "RESUB_DELTA"
SEG_START: Final = "SEG_START"
SEG_END: Final = "SEG_END"
IMAGE: Final = "image"
"""The kind of a message that holds all of its markets."""
UNHEALTHY: Final = 503
"""The mcm `status` of a stream whose sources are late: its prices cannot be trusted."""

MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for bytes that do not fit the format."""

RunnerId = int | tuple[int, float]
"""A runner's selection id, with its handicap where it has one."""


def runner_id_of(named: RunnerChange | RunnerDefinition) -> RunnerId:
    """Return the runner that a change or a definition names."""
    return (named.id, named.hc) if named.hc else named.id


def kind_of(message: Message) -> str:
    """Return the name of a market change, for counting: a heartbeat, an image or a difference."""
    if message.ct == HEARTBEAT:
        return "heartbeat"
    return IMAGE if message.ct in (SUB_IMAGE, RESUB_DELTA) else "mcm"


class Runner:
    """One runner's ladders and last prices."""

    __slots__ = (
        "atb",
        "atl",
        "batb",
        "batl",
        "bdatb",
        "bdatl",
        "changes",
        "far",
        "last",
        "near",
        "picture",
        "runner_id",
        "trd",
        "volume",
    )

    def __init__(self, runner_id: RunnerId) -> None:
        self.runner_id = runner_id
        self.atb = Ladder(best_is_high=True)
        self.atl = Ladder()
        self.trd = Ladder()
        self.batb: Places | None = None
        self.batl: Places | None = None
        self.bdatb: Places | None = None
        self.bdatl: Places | None = None
        self.last = 0.0
        self.volume = 0.0
        self.near: Number | None = None
        self.far: Number | None = None
        self.picture: RunnerPicture | None = None
        self.changes = 0
        """Messages that changed the runner."""

    def backs(self) -> tuple[Level, ...]:
        """Return the levels to back, best (highest) first: full depth, else best offers."""
        return self.atb.ranked() or _offers(self.bdatb, self.batb)

    def lays(self) -> tuple[Level, ...]:
        """Return the levels to lay, best (lowest) first."""
        return self.atl.ranked() or _offers(self.bdatl, self.batl)

    def best_backs(self, count: int) -> tuple[Level, ...]:
        """Return the best few levels to back, including cross-matching where it is sent."""
        if self.bdatb is None and self.batb is None:
            return self.atb.best(count)
        return (_offers(self.bdatb, self.batb) or self.atb.best(count))[:count]

    def best_lays(self, count: int) -> tuple[Level, ...]:
        """Return the best few levels to lay, including cross-matching where it is sent."""
        if self.bdatl is None and self.batl is None:
            return self.atl.best(count)
        return (_offers(self.bdatl, self.batl) or self.atl.best(count))[:count]

    def take_places(self, change: RunnerChange) -> None:
        """Apply what changed by level index."""
        if change.bdatb is not None:
            self.bdatb = self.bdatb or Places()
            self.bdatb.take(change.bdatb)
        if change.bdatl is not None:
            self.bdatl = self.bdatl or Places()
            self.bdatl.take(change.bdatl)
        if change.batb is not None:
            self.batb = self.batb or Places()
            self.batb.take(change.batb)
        if change.batl is not None:
            self.batl = self.batl or Places()
            self.batl.take(change.batl)


def _offers(shown: Places | None, raw: Places | None) -> tuple[Level, ...]:
    """Prefer the displayed offers, which include cross-matching, to the raw ones."""
    levels = shown.ranked() if shown is not None else ()
    return levels or (raw.ranked() if raw is not None else ())


class RunnerPicture(Struct, frozen=True, gc=False):
    """An immutable copy of a runner at one moment, best levels first."""

    runner_id: RunnerId
    backs: tuple[Level, ...]
    lays: tuple[Level, ...]
    traded: tuple[Level, ...]
    last: float
    volume: float
    near: Number | None
    far: Number | None


class MarketPicture(Struct, frozen=True, gc=False):
    """An immutable copy of a market at one moment."""

    market_id: str
    published_ms: int
    definition: MarketDefinition | None
    volume: float
    runners: tuple[RunnerPicture, ...]


class Market:
    """One market's definition and runners, in the order in which they were first named."""

    __slots__ = ("definition", "market_id", "published_ms", "runners", "volume")

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self.definition: MarketDefinition | None = None
        self.published_ms = 0
        self.volume = 0.0
        self.runners: dict[RunnerId, Runner] = {}

    def picture(self) -> MarketPicture:
        """Return a copy of the market; runners without a change since share theirs."""
        return MarketPicture(
            self.market_id,
            self.published_ms,
            self.definition,
            self.volume,
            tuple([runner.picture or _picture(runner) for runner in self.runners.values()]),
        )


def _picture(runner: Runner) -> RunnerPicture:
    runner.picture = RunnerPicture(
        runner.runner_id,
        runner.backs(),
        runner.lays(),
        runner.trd.ranked(),
        runner.last,
        runner.volume,
        runner.near,
        runner.far,
    )
    return runner.picture


class OrderBookCounts(Struct):
    """Counts of what was refused or removed, for metrics."""

    messages: int = 0
    malformed: int = 0
    markets_refused: int = 0
    runners_refused: int = 0
    ladders_forgotten: int = 0
    older_copies: int = 0


class StreamUpdate(Struct, frozen=True, gc=False):
    """The effect of one message: the message, the markets it changed, or why it was refused.

    `gone` are markets that a complete image of the subscription no longer contains, and markets
    whose change could not be read (then `refused` holds the first reason). `lost`: a change of any
    market may have been lost, because the message, or a market's id in it, could not be read.
    """

    message: Message | None
    touched: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    refused: str = ""
    lost: bool = False


class StreamOrderBooks:
    """The order books of all markets of one stream, and the clocks to resume it.

    Parameters
    ----------
    markets_max : int
        Markets kept (see ``MARKETS_MAX``).
    """

    def __init__(self, *, markets_max: int = MARKETS_MAX) -> None:
        self.markets: dict[str, Market] = {}
        self.counts = OrderBookCounts()
        self.initial_clk = ""
        self.clk = ""
        self.published_ms = 0
        self._markets_max = markets_max
        self._imaging: dict[str, None] | None = None
        self._newest: dict[str, int] = {}
        """The highest version of each market that the image in progress has brought."""

    def receive(self, body: bytes) -> StreamUpdate:
        """Take one message of the stream.

        Parameters
        ----------
        body : bytes
            One JSON message, without or with its line end.

        Returns
        -------
        StreamUpdate
            Never raises: a message that does not fit comes back with `refused` set.
        """
        self.counts.messages += 1
        if len(body) > MESSAGE_BYTES_MAX:
            self.counts.malformed += 1
            why = f"message: at most {MESSAGE_BYTES_MAX} bytes"
            return StreamUpdate(None, refused=why, lost=True)
        try:
            message = decode_message(body)
        except MALFORMED as error:
            self.counts.malformed += 1
            why = f"message: {error}"
            return self._salvage(body) or StreamUpdate(None, refused=why, lost=True)
        if message.op != "mcm":
            return StreamUpdate(message)
        if message.pt is None:
            self.counts.malformed += 1
            why = "pt: a market change has a publish time"
            return StreamUpdate(message, refused=why, lost=True)
        return self._change(message, message.pt)

    def _salvage(self, body: bytes) -> StreamUpdate | None:
        """Apply the markets that can be read, remove the others; None if no market is at fault."""
        try:
            loose = decode_loose(body)
        except MALFORMED:
            return None
        if loose.op != "mcm" or loose.pt is None:
            return None
        sound: list[MarketChange] = []
        lost: dict[str, None] = {}
        why, unnamed = "", False
        for raw in loose.mc or ():
            try:
                sound.append(decode_market_change(raw))
            except MALFORMED as error:
                why = why or f"message: a market: {error}"
                try:
                    lost[decode_market_id(raw).id] = None
                except MALFORMED:
                    unnamed = True
        message: Message = loose
        message.mc = sound
        update = self._change(message, loose.pt)
        for market_id in lost:
            self.markets.pop(market_id, None)
        touched = tuple(name for name in update.touched if name not in lost)
        return StreamUpdate(message, touched, (*update.gone, *lost), why, unnamed)

    def _change(self, message: Message, published_ms: int) -> StreamUpdate:
        if message.clk is not None:
            self.clk = message.clk
        if message.initial_clk is not None:
            self.initial_clk = message.initial_clk
        self.published_ms = published_ms
        changes = message.mc
        if message.ct is None and len(changes or ()) == 1:
            touched = self._take((changes or [])[0], published_ms)
            return StreamUpdate(message, (touched,) if touched else ())
        if message.ct == SUB_IMAGE and message.segment_type in (None, SEG_START):
            self._imaging = {}
        message.mc = self._newest_copies(message)
        touched_all: dict[str, None] = {}
        for change in message.mc:
            if self._imaging is not None and message.ct == SUB_IMAGE:
                if change.id not in self._imaging or change.market_definition is not None:
                    self.markets.pop(change.id, None)
                self._imaging[change.id] = None
            if self._take(change, published_ms):
                touched_all[change.id] = None
        return StreamUpdate(message, tuple(touched_all), self._end_image(message))

    def _newest_copies(self, message: Message) -> list[MarketChange]:
        """Return a message's changes without older copies of markets that its image has twice.

        A market that the exchange moved to another event is in an image twice, and later changes
        are of the copy with the higher version alone. An image may have several messages.
        """
        newest = self._newest if message.ct in (SUB_IMAGE, RESUB_DELTA) else {}
        if message.segment_type in (None, SEG_START):
            newest.clear()
        changes = message.mc or []
        versions = [
            change.market_definition.version
            if change.market_definition is not None and (change.img or message.ct == SUB_IMAGE)
            else None
            for change in changes
        ]
        for change, version in zip(changes, versions, strict=True):
            if version is not None:
                newest[change.id] = max(version, newest.get(change.id, version))
        kept = [
            change
            for change, version in zip(changes, versions, strict=True)
            if version is None or version == newest[change.id]
        ]
        self.counts.older_copies += len(changes) - len(kept)
        return kept

    def _end_image(self, message: Message) -> tuple[str, ...]:
        """Remove the markets that a complete image of the subscription does not contain."""
        if self._imaging is None or message.ct != SUB_IMAGE:
            return ()
        if message.segment_type not in (None, SEG_END):
            return ()
        seen, self._imaging = self._imaging, None
        gone = tuple(market_id for market_id in self.markets if market_id not in seen)
        for market_id in gone:
            del self.markets[market_id]
        return gone

    def _take(self, change: MarketChange, published_ms: int) -> str:
        """Apply one market's change; return its id, or an empty text where there is no room."""
        market_id = change.id
        market = self.markets.get(market_id)
        if market is None or change.img:
            replaced, market = market, self._fresh(market_id, known=market is not None)
            if market is None:
                return ""
            if replaced is not None:
                market.definition = replaced.definition
        market.published_ms = published_ms
        if change.market_definition is not None:
            market.definition = change.market_definition
            self._define(market, change.market_definition)
        if change.tv is not None:
            market.volume = change.tv
        if change.rc is not None:
            runners = market.runners
            for moved in change.rc:
                runner = runners.get(runner_id_of(moved) if moved.hc else moved.id)
                if runner is None:
                    runner = self._runner(market, runner_id_of(moved))
                if runner is not None:
                    self._move(runner, moved)
        return market_id

    def _fresh(self, market_id: str, *, known: bool) -> Market | None:
        if not known and len(self.markets) >= self._markets_max and not self._make_room():
            self.counts.markets_refused += 1
            return None
        market = self.markets[market_id] = Market(market_id)
        return market

    def _make_room(self) -> bool:
        """Remove the first closed market; return whether there was one."""
        for market_id, market in self.markets.items():
            if market.definition is not None and market.definition.status == "CLOSED":
                del self.markets[market_id]
                return True
        return False

    def _define(self, market: Market, definition: MarketDefinition) -> None:
        for defined in definition.runners:
            if runner_id_of(defined) not in market.runners:
                self._runner(market, runner_id_of(defined))

    def _runner(self, market: Market, runner_id: RunnerId) -> Runner | None:
        if len(market.runners) >= RUNNERS_MAX:
            self.counts.runners_refused += 1
            return None
        runner = market.runners[runner_id] = Runner(runner_id)
        return runner

    def _move(self, runner: Runner, change: RunnerChange) -> None:
        runner.picture = None
        runner.changes += 1
        if change.atl is not None and not runner.atl.take(change.atl):
            self.counts.ladders_forgotten += 1
        if change.trd is not None:
            if not change.trd:
                runner.trd.clear()
            if not runner.trd.take(change.trd):
                self.counts.ladders_forgotten += 1
        if change.tv is not None:
            runner.volume = change.tv
        if change.atb is not None and not runner.atb.take(change.atb):
            self.counts.ladders_forgotten += 1
        if change.ltp is not None:
            runner.last = change.ltp
        if change.bdatb or change.bdatl or change.batb or change.batl:
            runner.take_places(change)
        if change.spn is not None:
            runner.near = change.spn
        if change.spf is not None:
            runner.far = change.spf
