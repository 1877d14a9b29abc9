"""The exchange's markets as its stream tells them: every ladder, kept level by level.

Owns the caches that images fill and differences move, and the words needed to resume a stream.
Never judges what a price means, never sends anything, reads no clock. A message that does not fit
is refused and changes nothing; where only some of its markets do not fit, those are forgotten,
since what they missed is unknown, and the others are served. What cannot be kept within a bound is
refused and counted.

Ladders are dictionaries by price, as the stream's own text spells it: exact, and put in order only
when somebody looks and a price has come that was not there before. Thousandths are made on reading.
"""

from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from gateway.feeds.exchange.messages import (
    MESSAGE_BYTES_MAX,
    RUNNERS_MAX,
    Level,
    MarketChange,
    MarketDefinition,
    Message,
    Number,
    Place,
    RunnerChange,
    RunnerDefinition,
    decode_loose,
    decode_market_change,
    decode_market_id,
    decode_message,
)

MARKETS_MAX: Final = 10_000
"""Markets kept; past it the longest closed goes, and with none closed a new one is refused."""
LEVELS_MAX: Final = 2_048
"""Levels of one ladder, of which the exchange's own has 350; past it the ladder is forgotten and
counted, which leaves the runner without a price on that side."""
PLACES_MAX: Final = 64
"""Levels by index of one side, of which the exchange sends 10; past it they are forgotten."""
HEARTBEAT: Final = "HEARTBEAT"
SUB_IMAGE: Final = "SUB_IMAGE"
RESUB_DELTA: Final = "RESUB_DELTA"
SEG_START: Final = "SEG_START"
SEG_END: Final = "SEG_END"
UNHEALTHY: Final = 503
"""The mcm `status` of a stream whose own sources are late: prices are not to be trusted."""

MALFORMED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises at bytes that do not fit."""

RunnerId = int | tuple[int, float]
"""A runner's selection id, with its handicap where it has one."""


def runner_id_of(heard: RunnerChange | RunnerDefinition) -> RunnerId:
    """Return who a change or a definition speaks of."""
    return (heard.id, heard.hc) if heard.hc else heard.id


class PricePoint(NamedTuple):
    """One level of a ladder, in the house's units: odds in thousandths, size in currency."""

    odds_milli: int
    size: float


class Ladder:
    """One side of one runner, or the volume traded at each price.

    `ranked_levels` is the order as it was last asked for, and `ordered` says whether the dictionary
    itself still stands in that order: a level that only changes its size does not disturb it.

    Parameters
    ----------
    best_is_high : bool
        Whether the best price is the highest: what is available to back.
    """

    __slots__ = ("_best_is_high", "levels", "ordered", "ranked_levels")

    def __init__(self, *, best_is_high: bool = False) -> None:
        self._best_is_high = best_is_high
        self.levels: dict[float, float] = {}
        self.ordered = True
        self.ranked_levels: tuple[Level, ...] | None = ()

    def take(self, changes: list[Level]) -> bool:
        """Put changed levels in; a size of 0 takes one away. Return whether all found room."""
        self.ranked_levels = None
        levels = self.levels
        for price, size in changes:
            if not size:
                levels.pop(price, None)
            elif price in levels:
                levels[price] = size
            else:
                levels[price] = size
                self.ordered = False
        if len(levels) > LEVELS_MAX:
            levels.clear()
            return False
        return True

    def ranked(self) -> tuple[Level, ...]:
        """Return the levels, best first."""
        if self.ranked_levels is None:
            self._order()
            self.ranked_levels = tuple(self.levels.items())
        return self.ranked_levels

    def best(self, count: int) -> tuple[Level, ...]:
        """Return the best few levels, best first."""
        self._order()
        return tuple(islice(self.levels.items(), count))

    def _order(self) -> None:
        if not self.ordered:
            self.levels = dict(sorted(self.levels.items(), reverse=self._best_is_high))
            self.ordered = True


class Places:
    """One side of one runner by level index: what a subscription to best offers sends."""

    __slots__ = ("levels", "ranked_levels")

    def __init__(self) -> None:
        self.levels: dict[float, Place] = {}
        self.ranked_levels: tuple[Level, ...] | None = None

    def take(self, changes: list[Place]) -> None:
        """Put changed levels in; a size of 0 takes one away."""
        self.ranked_levels = None
        for place in changes:
            if place[2] > 0.0:
                self.levels[place[0]] = place
            else:
                self.levels.pop(place[0], None)
        if len(self.levels) > PLACES_MAX:
            self.levels.clear()

    def ranked(self) -> tuple[Level, ...]:
        """Return the levels in the order of their index, best first."""
        if self.ranked_levels is None:
            places = sorted(self.levels.values())
            self.ranked_levels = tuple((price, size) for _, price, size in places)
        return self.ranked_levels


class Runner:
    """One runner's ladders and last prices."""

    __slots__ = (
        "atb",
        "atl",
        "batb",
        "batl",
        "bdatb",
        "bdatl",
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

    def backs(self) -> tuple[Level, ...]:
        """Return what is available to back, best (highest) first: full depth, else best offers."""
        return self.atb.ranked() or _offers(self.bdatb, self.batb)

    def lays(self) -> tuple[Level, ...]:
        """Return what is available to lay, best (lowest) first."""
        return self.atl.ranked() or _offers(self.bdatl, self.batl)

    def best_backs(self, count: int) -> tuple[Level, ...]:
        """Return the best few prices to back, those of cross-matching included where sent."""
        return (_offers(self.bdatb, self.batb) or self.atb.best(count))[:count]

    def best_lays(self, count: int) -> tuple[Level, ...]:
        """Return the best few prices to lay, those of cross-matching included where sent."""
        return (_offers(self.bdatl, self.batl) or self.atl.best(count))[:count]

    def take_places(self, change: RunnerChange) -> None:
        """Put in what changed by level index."""
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
    """Prefer offers as the exchange displays them, which count cross-matching, to raw ones."""
    levels = shown.ranked() if shown is not None else ()
    return levels or (raw.ranked() if raw is not None else ())


class RunnerPicture(Struct, frozen=True, gc=False):
    """A runner at one moment, best levels first; it never changes again."""

    runner_id: RunnerId
    backs: tuple[Level, ...]
    lays: tuple[Level, ...]
    traded: tuple[Level, ...]
    last: float
    volume: float
    near: Number | None
    far: Number | None


class MarketPicture(Struct, frozen=True, gc=False):
    """A market at one moment; it never changes again."""

    market_id: str
    published_ms: int
    definition: MarketDefinition | None
    volume: float
    runners: tuple[RunnerPicture, ...]


class Market:
    """One market's definition and runners, in the order they were first heard of."""

    __slots__ = ("definition", "market_id", "published_ms", "runners", "volume")

    def __init__(self, market_id: str) -> None:
        self.market_id = market_id
        self.definition: MarketDefinition | None = None
        self.published_ms = 0
        self.volume = 0.0
        self.runners: dict[RunnerId, Runner] = {}

    def picture(self) -> MarketPicture:
        """Return the market as it stands; runners that did not move share their picture."""
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


def price_points(levels: tuple[Level, ...]) -> tuple[PricePoint, ...]:
    """Return levels with their prices as whole thousandths: the nearest to what the text said."""
    return tuple(PricePoint(round(price * 1_000), size) for price, size in levels)


class BookCounts(Struct):
    """What was refused or thrown away, for the gauges."""

    messages: int = 0
    malformed: int = 0
    markets_refused: int = 0
    runners_refused: int = 0
    ladders_forgotten: int = 0


class StreamUpdate(Struct, frozen=True, gc=False):
    """What one message did: what it was, which markets it touched, which it left out, or a refusal.

    `gone` are the markets that a whole image of the subscription no longer has, and those whose
    change could not be read (then `refused` says why of the first).
    """

    message: Message | None
    touched: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    refused: str = ""


class StreamBook:
    """Every market of one stream, and where the stream stands.

    Parameters
    ----------
    markets_max : int
        Markets kept (see ``MARKETS_MAX``).
    """

    def __init__(self, *, markets_max: int = MARKETS_MAX) -> None:
        self.markets: dict[str, Market] = {}
        self.counts = BookCounts()
        self.initial_clk = ""
        self.clk = ""
        self.published_ms = 0
        self._markets_max = markets_max
        self._imaging: dict[str, None] | None = None

    def receive(self, body: bytes) -> StreamUpdate:
        """Take one message of the stream.

        Parameters
        ----------
        body : bytes
            One JSON message, without or with its line end.

        Returns
        -------
        Heard
            Never raises: what does not fit comes back with `refused` set.
        """
        self.counts.messages += 1
        if len(body) > MESSAGE_BYTES_MAX:
            self.counts.malformed += 1
            return StreamUpdate(None, refused=f"message: at most {MESSAGE_BYTES_MAX} bytes")
        try:
            message = decode_message(body)
        except MALFORMED as error:
            self.counts.malformed += 1
            return self._salvage(body) or StreamUpdate(None, refused=f"message: {error}")
        if message.op != "mcm":
            return StreamUpdate(message)
        if message.pt is None:
            self.counts.malformed += 1
            return StreamUpdate(message, refused="pt: a market change has a publish time")
        return self._change(message, message.pt)

    def _salvage(self, body: bytes) -> StreamUpdate | None:
        """Serve the markets that can be read, forget the others; None if no market is at fault."""
        try:
            loose = decode_loose(body)
        except MALFORMED:
            return None
        if loose.op != "mcm" or loose.pt is None:
            return None
        sound: list[MarketChange] = []
        lost: dict[str, None] = {}
        why = ""
        for raw in loose.mc or ():
            try:
                sound.append(decode_market_change(raw))
            except MALFORMED as error:
                why = why or f"message: a market: {error}"
                with suppress(*MALFORMED):
                    lost[decode_market_id(raw).id] = None
        message: Message = loose
        message.mc = sound
        heard = self._change(message, loose.pt)
        for market_id in lost:
            self.markets.pop(market_id, None)
        touched = tuple(name for name in heard.touched if name not in lost)
        return StreamUpdate(message, touched, (*heard.gone, *lost), why)

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
        touched_all: dict[str, None] = {}
        for change in changes or ():
            if self._imaging is not None and message.ct == SUB_IMAGE:
                if change.id not in self._imaging:
                    self.markets.pop(change.id, None)
                self._imaging[change.id] = None
            if self._take(change, published_ms):
                touched_all[change.id] = None
        return StreamUpdate(message, tuple(touched_all), self._end_image(message))

    def _end_image(self, message: Message) -> tuple[str, ...]:
        """Forget what a whole image of the subscription left out, when its last part is here."""
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
        """Put one market's change in; return its id, or nothing where there is no room."""
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
        """Forget the closed market that was heard of first; say whether there was one."""
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
        if change.atl is not None and not runner.atl.take(change.atl):
            self.counts.ladders_forgotten += 1
        if change.trd is not None:
            if not change.trd:
                runner.trd.levels.clear()
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
