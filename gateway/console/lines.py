"""What the console holds of a market and of a fixture, with the figures that pages show.

Owns the sums of a fixture, which follow each change of a market in a few steps, however many
markets the fixture has: twenty screens read them ten times a second.
"""

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from engine.common.ids import MarketNo
from gateway.console.figures import (
    NO_FAIR_TYPES,
    WINNERS,
    book_sum_milli,
    expected_profit_minor,
    fair_probabilities,
    worst_minor,
)
from gateway.messages.fixtures import FixtureLine
from gateway.messages.market import Market
from gateway.messages.trader import Book

POINTS_MAX: Final = 600
"""Points of a chart that are kept for a market; past it the oldest go."""
OPEN: Final = frozenset({"active", "suspended", "handed_over", "inactive", "closed"})
DECIDED: Final = frozenset({"settled", "cancelled"})
OVER: Final = frozenset({"ended", "cancelled"})
"""States of a fixture that is not played any more."""
_MAIN_TYPES: Final = ("1x2", "winner", "win")
_STATES: Final = (
    "quarantined", "suspended", "active", "handed_over", "closed", "inactive",
)  # fmt: skip
_PACE_S: Final = 60


class OddsHistory:
    """Times in seconds and a market's odds, whenever they changed, in arrays.

    As tuples the points of 40,000 markets would be ten times as large.
    """

    __slots__ = ("_odds", "_outcomes", "_times")

    def __init__(self, outcomes: int) -> None:
        self._outcomes = outcomes
        self._times = array("d")
        self._odds = array("i")

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[tuple[float, tuple[int, ...]]]:
        count = self._outcomes
        for place, at_s in enumerate(self._times):
            yield at_s, tuple(self._odds[place * count : (place + 1) * count])

    def add(self, at_s: float, odds_milli: tuple[int, ...], *, points_max: int) -> None:
        """Add a point where the odds are others than the last; past the bound the oldest go."""
        count = self._outcomes
        if not self._times or tuple(self._odds[len(self._odds) - count :]) != odds_milli:
            self._times.append(at_s)
            self._odds.extend(odds_milli)
        past = len(self._times) - points_max
        if past > 0:
            del self._times[:past]
            del self._odds[: past * count]


class Counted(NamedTuple):
    """What a market adds to the sums of its fixture."""

    shown: str
    """Why it is stale, or its status."""
    status: str
    bets: int
    bets_since: int
    stake_minor: int
    worst_minor: int
    expected_minor: int | None
    unread: bool
    """Whether its book has not arrived: its bets and its worst case are not known."""


@dataclass(slots=True)
class Line:
    """One market: its last image, its last book, and its figures."""

    number: MarketNo
    key: str
    fixture: str
    type: str
    name: str
    image: Market
    odds_history: OddsHistory
    book: Book | None = None
    changed: int = 0
    fair: list[float] = field(default_factory=list)
    sum_milli: int = 0
    expected_minor: int | None = None
    worst_minor: int = 0
    bets_first: int = 0
    counted: Counted | None = None
    """What the sums of its fixture have of it."""

    @property
    def has_fair(self) -> bool:
        """Whether the odds tell fair probabilities."""
        return self.type not in NO_FAIR_TYPES

    @property
    def held(self) -> bool:
        """Whether only a trader can resume it."""
        return self.book is not None and self.book.held

    @property
    def held_by(self) -> str:
        """The people who stopped it with others, without their roles."""
        names = () if self.book is None else self.book.stopped_by
        return ", ".join(name.partition(":")[2] or name for name in names)

    @property
    def stake_minor(self) -> int:
        """Stakes taken that no cancellation gave back."""
        return 0 if self.book is None else self.book.stake_taken_minor

    @property
    def bets(self) -> int:
        """Bets accepted."""
        return 0 if self.book is None else self.book.bets

    @property
    def bets_since(self) -> int:
        """Bets accepted since its first book, which has those of all time before."""
        return self.bets - self.bets_first

    def work_out(self) -> None:
        """Bring the figures up to date."""
        winners = WINNERS.get(self.type, 1)
        image = self.image
        book = self.book
        if self.has_fair:
            # An outcome that a trader holds is not offered and has its odds all the same.
            held = () if book is None else book.outcome_held
            priced = [
                active or any(held[number : number + 1])
                for number, active in enumerate(image.active)
            ]
            # With an outcome left out the rest is no whole book, and says nothing of chances.
            whole = all(priced)
            self.fair = (
                fair_probabilities(image.odds_milli, priced, winners=winners) if whole else []
            )
            self.sum_milli = (
                book_sum_milli(image.odds_milli, priced, winners=winners) if whole else 0
            )
        if book is None:
            return
        self.worst_minor = worst_minor(book.liability_minor)
        self.expected_minor = None
        if self.fair and sum(self.fair) > 0:
            self.expected_minor = expected_profit_minor(
                book.payout_minor, book.stake_taken_minor, self.fair
            )

    def figures(self) -> Counted:
        """Return what it adds to the sums of its fixture."""
        return Counted(
            shown=self.image.stale or self.image.status,
            status=self.image.status,
            bets=self.bets,
            bets_since=self.bets_since,
            stake_minor=self.stake_minor,
            worst_minor=self.worst_minor,
            expected_minor=self.expected_minor,
            unread=self.book is None,
        )


@dataclass
class FixtureView:
    """One fixture: its markets, and sums of their figures."""

    id: str
    lines: dict[int, Line] = field(default_factory=dict)
    main: Line | None = None
    """The market that a trader looks at first."""
    changed: int = 0
    changed_s: float = 0.0
    """When it changed last."""
    history: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=POINTS_MAX))
    """Time in seconds, worst case and expected profit, whenever they changed."""
    marks: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=200))
    """Times at which the fixture was suspended or resumed, or a goal scored, and then the score."""
    suspended: bool = False
    about: FixtureLine | None = None
    """What the directory knows of it."""
    score_minor: int | None = None
    """Profit at its worst score, as the newest book tells it; None where no book does."""
    bets: int = 0
    bets_since: int = 0
    turnover_minor: int = 0
    running: int = 0
    """Markets without results; the sums below are of these."""
    running_bets: int = 0
    running_stake_minor: int = 0
    worst_minor: int = 0
    known_minor: int = 0
    unknown: int = 0
    """Expected profit of those whose odds tell it, and how many do not."""
    unread: int = 0
    """Of these, how many books have not arrived: they count as 0 in the sums."""
    _shown: dict[str, int] = field(default_factory=dict)
    _statuses: dict[str, int] = field(default_factory=dict)
    _pace: deque[tuple[int, int]] = field(default_factory=lambda: deque([(0, 0)]))
    """By second: bets since the first book, as they were at its end."""

    @property
    def name(self) -> str:
        """What it is called, its id where nobody has described it."""
        return self.about.name if self.about is not None and self.about.name else self.id

    @property
    def score_text(self) -> str:
        """Both sides' goals in a match; empty where nobody states them."""
        return "" if self.about is None else ":".join(map(str, self.about.score))

    def add(self, line: Line) -> None:
        """Take a market that is new."""
        self.lines[line.number] = line
        if self.main is None or _rank(line) < _rank(self.main):
            self.main = line

    def count(self, line: Line) -> None:
        """Bring the sums up to date with one of its markets."""
        if line.book is not None and line.book.fixture_worst_minor is not None:
            self.score_minor = -line.book.fixture_worst_minor
        before, now = line.counted, line.figures()
        if before == now:
            return
        line.counted = now
        if before is not None:
            self._sum(before, -1)
        self._sum(now, 1)

    def _sum(self, one: Counted, sign: int) -> None:
        self._shown[one.shown] = self._shown.get(one.shown, 0) + sign
        self._statuses[one.status] = self._statuses.get(one.status, 0) + sign
        self.bets += sign * one.bets
        self.bets_since += sign * one.bets_since
        self.turnover_minor += sign * one.stake_minor
        if one.status in DECIDED:
            return
        self.running += sign
        self.running_bets += sign * one.bets
        self.running_stake_minor += sign * one.stake_minor
        self.worst_minor += sign * one.worst_minor
        self.unread += sign * one.unread
        if one.expected_minor is None:
            self.unknown += sign
        else:
            self.known_minor += sign * one.expected_minor

    @property
    def expected_minor(self) -> int | None:
        """Expected profit of the markets whose odds tell it; None where none does."""
        return self.known_minor if self.unknown < self.running else None

    def status_count(self, status: str) -> int:
        """Return how many of its markets have a status."""
        return self._statuses.get(status, 0)

    def note_pace(self, now_s: float) -> None:
        """Keep how many bets there were at the end of this second."""
        second = int(now_s)
        if self._pace[-1][1] == self.bets_since:
            return
        if self._pace[-1][0] == second:
            self._pace[-1] = second, self.bets_since
        else:
            self._pace.append((second, self.bets_since))
        self._drop_old(now_s)

    def bets_a_minute(self, now_s: float) -> int:
        """Return the bets accepted in the last minute."""
        self._drop_old(now_s)
        return self.bets_since - self._pace[0][1]

    def _drop_old(self, now_s: float) -> None:
        """Keep one count that is a minute old, and those after it."""
        while len(self._pace) > 1 and self._pace[1][0] <= now_s - _PACE_S:
            self._pace.popleft()

    def state(self) -> str:
        """Return the state of its markets in one word."""
        count = self._shown
        for status in _STATES:
            if status == "suspended" and count.get("active", 0) > count.get("suspended", 0):
                continue
            if count.get(status):
                return status
        return "settled" if self.lines else "empty"

    @property
    def open_markets(self) -> int:
        """Markets that have no results and can get them."""
        return sum(self._statuses.get(status, 0) for status in OPEN)

    @property
    def over(self) -> bool:
        """Whether it is said to be played no more."""
        return self.about is not None and self.about.state in OVER

    @property
    def needs_settlement(self) -> bool:
        """Whether betting on it is over, and a market of it has no results."""
        left = self.open_markets
        ended = self.about is not None and self.about.state == "ended"
        return bool(left) and (ended or self.status_count("closed") == left)

    def is_done(self, now_s: float) -> bool:
        """Whether all its markets have results, and it is not one that begins later."""
        if self.open_markets or not (self.lines or self.over):
            return False
        later = self.about is not None and self.about.start_ms / 1_000 > now_s
        return self.over or not later


def _rank(line: Line) -> int:
    return _MAIN_TYPES.index(line.type) if line.type in _MAIN_TYPES else len(_MAIN_TYPES)
