"""A played match: its goals on the match clock, its periods, and its score at any second.

Owns the clock's arithmetic and the reading of the 2022 World Cup from `worldcup2022.csv`. Never
prices or settles a market.

Times are `played_s`, seconds of play since kick-off: stoppage time counts and breaks do not, so
45+2 is two minutes before 47. Football markets settle at `regular_s`, the whistle after ninety
minutes and stoppage.
"""

import bisect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from itertools import accumulate, groupby, pairwise
from typing import Final, NamedTuple, NoReturn

from engine.pricing.football.model import MatchState, Period
from engine.pricing.football.model import Score as PeriodScore

COLUMNS: Final = (
    "match",
    "kick_off",
    "stage",
    "home",
    "away",
    "goals",
    "half_time",
    "full_time",
    "extra_time",
    "shoot_out",
)
MATCHES_MAX: Final = 10_000
"""Most rows of a file of matches."""
GOALS_MAX: Final = 40
"""Most goals of a match."""
ADDED_MINUTES_MIN: Final = (2, 5, 1, 1)
"""Stoppage of each period in minutes, unless a goal fell later: the source does not state it."""
PERIOD_MINUTES: Final = (45, 45, 15, 15)
REGULAR_PERIODS: Final = 2
PLAYED: Final = (
    Period.FIRST_HALF,
    Period.SECOND_HALF,
    Period.EXTRA_FIRST,
    Period.EXTRA_SECOND,
)

_GOAL: Final = re.compile(
    r"(?P<minute>\d{1,3})(?:\+(?P<stoppage>\d{1,2}))?(?P<side>[ha])(?P<kind>[po]?)"
)
_SCORE: Final = re.compile(r"(\d{1,2})-(\d{1,2})")
_AFTER: Final = {2: Period.FULL_TIME, 4: Period.AFTER_EXTRA_TIME}
_STARTS: Final = tuple(accumulate(PERIOD_MINUTES, initial=0))


class TimelineError(ValueError):
    """A file of matches is invalid; the message names the line and the column."""

    def __init__(self, *, line: int, column: str, message: str) -> None:
        super().__init__(f"line {line}, {column}: {message}")
        self.line = line
        self.column = column


class UnknownMatchError(LookupError):
    """The file of matches has no match of this id."""


class Side(StrEnum):
    """The team that a goal counts for."""

    HOME = "h"
    AWAY = "a"


class GoalKind(StrEnum):
    """How a goal was scored."""

    PLAY = ""
    PENALTY = "p"
    OWN_GOAL = "o"


class EventKind(StrEnum):
    """Kind of event on the match clock."""

    KICK_OFF = "kick-off"
    GOAL = "goal"
    HALF_TIME = "half-time"
    FULL_TIME = "full-time"
    EXTRA_TIME = "extra time"
    EXTRA_HALF_TIME = "half-time of extra time"
    END = "end"


class Score(NamedTuple):
    """Goals of home and away."""

    home: int
    away: int

    def __str__(self) -> str:
        """Return ``2-1``."""
        return f"{self.home}-{self.away}"


class Moment(NamedTuple):
    """A minute as on a scoreboard: 23, or 45+2. The 23rd minute begins at 22:00."""

    minute: int
    stoppage: int = 0

    def __str__(self) -> str:
        """Return ``23'`` or ``45+2'``."""
        return f"{self.minute}+{self.stoppage}'" if self.stoppage else f"{self.minute}'"


class Goal(NamedTuple):
    """One goal: its scoreboard minute, team, kind, and second of play."""

    at: Moment
    side: Side
    kind: GoalKind
    played_s: int


class Event(NamedTuple):
    """One event; `score` is the score after it."""

    kind: EventKind
    played_s: int
    score: Score
    goal: Goal | None = None


class Clock(NamedTuple):
    """A match clock. `period` counts from 0; after its regular end `stoppage_s` counts seconds."""

    period: int
    minute: int
    second: int
    stoppage_s: int

    def __str__(self) -> str:
        """Return ``22:30``, or ``45:00 +1:30`` in stoppage time."""
        text = f"{self.minute:02d}:{self.second:02d}"
        if self.stoppage_s:
            text += f" +{self.stoppage_s // 60}:{self.stoppage_s % 60:02d}"
        return text


@dataclass(frozen=True, kw_only=True)
class MatchTimeline:
    """One match from kick-off to its end; `load_matches` constructs it.

    `full_time` is the score after ninety minutes and stoppage, on which football markets settle;
    `extra_time` and `shoot_out` are None if they were not played.
    """

    match: str
    kick_off: datetime
    stage: str
    home: str
    away: str
    goals: tuple[Goal, ...]
    half_time: Score
    full_time: Score
    extra_time: Score | None
    shoot_out: Score | None
    added_min: tuple[int, ...]

    @property
    def title(self) -> str:
        """The two teams as ``home - away``."""
        return f"{self.home} - {self.away}"

    @cached_property
    def ends_s(self) -> tuple[int, ...]:
        """Second of play at which each period ends."""
        minutes = (
            regular + added for regular, added in zip(PERIOD_MINUTES, self.added_min, strict=False)
        )
        return tuple(60 * end for end in accumulate(minutes))

    @property
    def regular_s(self) -> int:
        """Seconds of play in ninety minutes and their stoppage."""
        return self.ends_s[REGULAR_PERIODS - 1]

    @cached_property
    def regular_goals(self) -> tuple[Goal, ...]:
        """Goals in the ninety minutes and their stoppage."""
        return tuple(goal for goal in self.goals if goal.at.minute <= _STARTS[REGULAR_PERIODS])

    def score_at(self, played_s: float) -> Score:
        """Return the score after all goals up to and including this second of play."""
        return _score(self.goals[: bisect.bisect_right(self.goals, played_s, key=_played_s)])

    def clock_at(self, played_s: float) -> Clock:
        """Return the match clock at a second of play."""
        second = min(max(int(played_s), 0), self.ends_s[-1])
        period = min(bisect.bisect_right(self.ends_s, second), len(self.ends_s) - 1)
        into_s = second - (self.ends_s[period - 1] if period else 0)
        regular_s = min(into_s, PERIOD_MINUTES[period] * 60)
        minute, rest = divmod(_STARTS[period] * 60 + regular_s, 60)
        return Clock(period, minute, rest, into_s - regular_s)

    def played_at_minute(self, minute: int) -> int:
        """Return the second of play at which the clock first shows a minute of regular time."""
        added_s = 60 * self.added_min[0] if minute > PERIOD_MINUTES[0] else 0
        return min(60 * minute + added_s, self.regular_s)

    def state_at(self, played_s: float) -> MatchState:
        """Return the pricing model's state at a second of play; before 0 it is pre-match.

        Breaks take no seconds of play, so at the second of a whistle the next period has begun;
        after the last whistle the match is over.
        """
        if played_s < 0:
            return MatchState()
        over = played_s >= self.ends_s[-1]
        clock = self.clock_at(played_s)
        periods = (*PLAYED, _AFTER[len(self.ends_s)])
        tallies = [
            _score(
                [goal for goal in self.goals if goal.played_s <= played_s and _period(goal.at) == n]
            )
            for n in range(len(PLAYED))
        ]
        first, second, extra_first, extra_second = (
            PeriodScore(home=tally.home, away=tally.away) for tally in tallies
        )
        return MatchState(
            period=periods[-1] if over else periods[clock.period],
            clock_s=60 * clock.minute + clock.second + clock.stoppage_s,
            first_half=first,
            second_half=second,
            extra_first=extra_first,
            extra_second=extra_second,
            order="".join(goal.side.value for goal in self.goals if goal.played_s <= played_s),
        )

    def regular_state_at(self, played_s: float) -> MatchState:
        """Return `state_at` for the ninety minutes alone, which end at `regular_s`."""
        if played_s < self.regular_s:
            return self.state_at(played_s)
        state = self.state_at(self.regular_s)
        return state.at(period=Period.FULL_TIME, clock_s=60 * _STARTS[REGULAR_PERIODS])

    def events(self) -> tuple[Event, ...]:
        """Return all events in order; a goal comes before a whistle in the same second."""
        kinds = (
            EventKind.HALF_TIME,
            EventKind.FULL_TIME,
            EventKind.EXTRA_HALF_TIME,
            EventKind.END,
        )
        found = [Event(EventKind.KICK_OFF, 0, Score(0, 0))]
        for period, end_s in enumerate(self.ends_s):
            begin_s = found[-1].played_s
            if period == REGULAR_PERIODS:
                found.append(Event(EventKind.EXTRA_TIME, begin_s, self.full_time))
            found += [
                Event(EventKind.GOAL, goal.played_s, self.score_at(goal.played_s), goal)
                for goal in self.goals
                if begin_s < goal.played_s <= end_s
            ]
            found.append(Event(kinds[period], end_s, self.score_at(end_s)))
        return tuple(found)


def _played_s(goal: Goal) -> int:
    return goal.played_s


def _score(goals: Sequence[Goal]) -> Score:
    home = sum(goal.side is Side.HOME for goal in goals)
    return Score(home, len(goals) - home)


# --- reading -----------------------------------------------------------------------------------


class _Row:
    """One line of the file with its line number, for error messages."""

    def __init__(self, line: int, cells: Sequence[str]) -> None:
        self.line = line
        self.cells = dict(zip(COLUMNS, cells, strict=True))

    def fail(self, column: str, message: str) -> NoReturn:
        raise TimelineError(line=self.line, column=column, message=message)

    def text(self, column: str) -> str:
        text = self.cells[column]
        if not 1 <= len(text) <= 40 or not text.isprintable():
            self.fail(column, f"1 to 40 printable characters, not {text[:50]!r}")
        return text

    def score(self, column: str) -> Score | None:
        text = self.cells[column]
        found = _SCORE.fullmatch(text)
        if text and found is None:
            self.fail(column, f"a score is like 2-1, not {text[:50]!r}")
        return Score(int(found[1]), int(found[2])) if found else None

    def kick_off(self) -> datetime:
        try:
            kick_off = datetime.fromisoformat(self.cells["kick_off"])
        except ValueError as error:
            self.fail("kick_off", f"not an ISO 8601 time: {error}")
        if kick_off.tzinfo is None:
            self.fail("kick_off", "the time needs an offset from UTC, like +03:00")
        return kick_off

    def goals(self) -> list[tuple[Moment, Side, GoalKind]]:
        """Parse goals like ``23hp 45+2a``, oldest first."""
        texts = self.cells["goals"].split(" ") if self.cells["goals"] else []
        if len(texts) > GOALS_MAX:
            self.fail("goals", f"at most {GOALS_MAX} goals")
        found = []
        for text in texts:
            match = _GOAL.fullmatch(text)
            if match is None:
                self.fail("goals", f"a goal is like 23h, 45+2a or 80hp, not {text[:50]!r}")
            at = Moment(int(match["minute"]), int(match["stoppage"] or 0))
            if not 1 <= at.minute <= _STARTS[-1]:
                self.fail("goals", f"minute 1 to {_STARTS[-1]}, not {at.minute}")
            if at.stoppage and at.minute not in _STARTS[1:]:
                self.fail("goals", f"stoppage follows a period's last minute, not {at}")
            found.append((at, Side(match["side"]), GoalKind(match["kind"])))
        if any(later[0] < earlier[0] for earlier, later in pairwise(found)):
            self.fail("goals", "goals must be in order, oldest first")
        return found


def load_matches(text: str) -> dict[str, MatchTimeline]:
    """Read matches in the layout of `worldcup2022.csv`; return them by id in the file's order.

    Parameters
    ----------
    text : str
        Comment lines (``#``), a header of `COLUMNS`, then one line for each match; fields have no
        commas.

    Raises
    ------
    TimelineError
        At the first line of another layout, or whose goals do not add up to its scores.
    """
    matches: dict[str, MatchTimeline] = {}
    lines = _lines(text)
    header_no, header = next(lines, (1, []))
    if tuple(header) != COLUMNS:
        raise TimelineError(line=header_no, column="header", message=f"must be {','.join(COLUMNS)}")
    for line, cells in lines:
        if len(cells) != len(COLUMNS):
            raise TimelineError(
                line=line, column="match", message=f"{len(COLUMNS)} fields, not {len(cells)}"
            )
        row = _Row(line, cells)
        match = _match(row)
        if match.match in matches:
            row.fail("match", f"{match.match} is given twice")
        if len(matches) == MATCHES_MAX:
            row.fail("match", f"at most {MATCHES_MAX} matches")
        matches[match.match] = match
    return matches


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.split(",")


def _match(row: _Row) -> MatchTimeline:
    half_time, full_time = row.score("half_time"), row.score("full_time")
    if half_time is None or full_time is None:
        row.fail("full_time" if half_time else "half_time", "a score is required")
    extra_time, shoot_out = row.score("extra_time"), row.score("shoot_out")
    found = row.goals()
    periods = len(PERIOD_MINUTES) if extra_time is not None else REGULAR_PERIODS
    if found and found[-1][0].minute > _STARTS[periods]:
        row.fail("goals", "a goal after minute 90 needs a score after extra time")
    added = tuple(
        max([ADDED_MINUTES_MIN[n], *(at.stoppage for at, _, _ in found if _period(at) == n)])
        for n in range(periods)
    )
    match = MatchTimeline(
        match=row.text("match"),
        kick_off=row.kick_off(),
        stage=row.text("stage"),
        home=row.text("home"),
        away=row.text("away"),
        goals=_on_the_clock(found, added),
        half_time=half_time,
        full_time=full_time,
        extra_time=extra_time,
        shoot_out=shoot_out,
        added_min=added,
    )
    _check_scores(row, match)
    return match


def _period(at: Moment) -> int:
    return bisect.bisect_left(_STARTS, at.minute) - 1


def _on_the_clock(
    found: Sequence[tuple[Moment, Side, GoalKind]], added_min: Sequence[int]
) -> tuple[Goal, ...]:
    """Return goals with their seconds of play; goals of one minute are spread evenly over it."""
    goals = []
    for at, grouped in groupby(found, key=lambda goal: goal[0]):
        group = list(grouped)
        begin_s = 60 * (at.minute - 1 + at.stoppage + sum(added_min[: _period(at)]))
        for n, (_, side, kind) in enumerate(group, start=1):
            goals.append(Goal(at, side, kind, begin_s + 60 * n // (len(group) + 1)))
    return tuple(goals)


def _check_scores(row: _Row, match: MatchTimeline) -> None:
    ends = (("half_time", match.half_time), ("full_time", match.full_time))
    for period, (column, score) in enumerate(ends):
        counted = match.score_at(match.ends_s[period])
        if counted != score:
            row.fail(column, f"the goals until then add up to {counted}, not {score}")
    if match.extra_time is not None and _score(match.goals) != match.extra_time:
        row.fail("extra_time", f"all goals add up to {_score(match.goals)}, not {match.extra_time}")
    if match.shoot_out is not None and match.extra_time is None:
        row.fail("shoot_out", "a shoot-out follows extra time")


@cache
def world_cup_2022() -> dict[str, MatchTimeline]:
    """Return the 64 matches of the 2022 World Cup by id, ``wc22-01`` to the final ``wc22-64``."""
    file = resources.files("simulations").joinpath("worldcup2022.csv")
    return load_matches(file.read_text(encoding="utf-8"))


def match_by_id(match: str) -> MatchTimeline:
    """Return a match of the 2022 World Cup.

    Raises
    ------
    UnknownMatchError
        If no match has this id; the message names the first and the last id.
    """
    matches = world_cup_2022()
    if match not in matches:
        first, *_, last = matches
        raise UnknownMatchError(f"no match {match[:40]!r}: the file has {first} to {last}")
    return matches[match]
