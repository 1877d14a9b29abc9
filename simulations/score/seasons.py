"""Read seasons of football: closing odds and results, or the minute of every goal.

Owns the two layouts of comma-separated files and names every row that it passes over. The first is
that of football-data.co.uk (FTHG, HTHG, PSCH, BbAv>2.5, ...); the second has a column of minutes
for each side (``12 45+1 90+4``). Never prices anything.
"""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from engine.pricing.football.model import MatchState, Period, Score

ROWS_MAX: Final = 1_000_000
"""Most rows read from one file."""
_HALF_S: Final = 2_700
_CLOSING: Final = ("PSCH", "PSCD", "PSCA")
_TOTAL: Final = ("BbAv>2.5", "BbAv<2.5")
_MINUTES_1X2: Final = ("odds_home", "odds_draw", "odds_away")
RowT = TypeVar("RowT")


class Goal(NamedTuple):
    """A goal: its half, 1 or 2, the match clock at the end of its minute, and its side."""

    half: int
    clock_s: int
    side: str


class ScoredMatch(NamedTuple):
    """A match with the odds before its start; `odds` holds market and decimal odds.

    `goals` is empty where the minutes are not known, and then `order_known` is False.
    """

    name: str
    odds: Mapping[str, tuple[float, ...]]
    first_half: Score
    second_half: Score
    goals: tuple[Goal, ...]
    order_known: bool

    def final_state(self) -> MatchState:
        """Return the state after ninety minutes."""
        return MatchState(
            period=Period.FULL_TIME,
            clock_s=2 * _HALF_S,
            first_half=self.first_half,
            second_half=self.second_half,
            order=_order(self.goals) if self.order_known else "",
        )

    def state_at(self, minute: int) -> MatchState:
        """Return the state at the end of a minute, from 1 to 90; at 45 it is half-time.

        A match whose goals have no minutes has only its final state.
        """
        half = 1 if minute <= _HALF_S // 60 else 2
        fallen = [
            goal
            for goal in self.goals
            if goal.half < half or (goal.half == half and goal.clock_s <= 60 * minute)
        ]
        period = Period.FIRST_HALF if half == 1 else Period.SECOND_HALF
        if minute == _HALF_S // 60:
            period, fallen = Period.HALF_TIME, [goal for goal in self.goals if goal.half == 1]
        return MatchState(
            period=period,
            clock_s=60 * minute,
            first_half=_score(fallen, 1),
            second_half=_score(fallen, 2),
            order=_order(fallen) if self.order_known else "",
        )


def _score(goals: Iterable[Goal], half: int) -> Score:
    sides = [goal.side for goal in goals if goal.half == half]
    return Score(home=sides.count("home"), away=sides.count("away"))


def _order(goals: Iterable[Goal]) -> str:
    return "".join(goal.side[0] for goal in goals)


class Season(NamedTuple):
    """The matches of a file, and why each other row was passed over."""

    matches: list[ScoredMatch]
    passed_over: list[str]


class SeasonError(ValueError):
    """A file of matches cannot be read; the message names the file and the column or line."""


def read_season(path: Path) -> Season:
    """Read a season in the layout of football-data.co.uk.

    Raises
    ------
    SeasonError
        The file cannot be read, has more rows than ``ROWS_MAX``, or lacks a column.
    """
    needed = ("HomeTeam", "AwayTeam", "FTHG", "FTAG", "HTHG", "HTAG", *_CLOSING)
    return _read(path, needed, _season_match)


def read_minutes(path: Path) -> Season:
    """Read matches with the minute of every goal.

    Raises
    ------
    SeasonError
        As `read_season` raises it.
    """
    needed = (
        "home", "away", "home_goals", "away_goals", "half_time_home", "half_time_away",
        "home_minutes", "away_minutes", *_MINUTES_1X2,
    )  # fmt: skip
    return _read(path, needed, _minutes_match)


def _read(
    path: Path, needed: Iterable[str], convert: Callable[[Mapping[str, str]], ScoredMatch]
) -> Season:
    season = Season([], [])
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in needed if column not in (rows.fieldnames or ())]
            if missing:
                raise SeasonError(f"{path.name}: column {missing[0]} is missing")
            for number, row in enumerate(rows, start=2):
                if number > ROWS_MAX:
                    raise SeasonError(f"{path.name}: more than {ROWS_MAX} rows")
                try:
                    match = convert(row)
                    match.final_state()  # goals of no match are refused here
                    season.matches.append(match)
                except (ValueError, TypeError) as error:
                    season.passed_over.append(f"{path.name}: line {number}: {error}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SeasonError(f"{path.name}: {error}") from error
    return season


def _season_match(row: Mapping[str, str]) -> ScoredMatch:
    odds = {"1x2": _odds(row, _CLOSING)}
    if all(row.get(column) for column in _TOTAL):
        odds["total?total=2.5"] = _odds(row, _TOTAL)
    first, second = _halves(row, ("FTHG", "FTAG"), ("HTHG", "HTAG"))
    name = f"{row['HomeTeam']} - {row['AwayTeam']}"
    return ScoredMatch(name, odds, first, second, goals=(), order_known=False)


def _minutes_match(row: Mapping[str, str]) -> ScoredMatch:
    odds = {"1x2": _odds(row, _MINUTES_1X2)}
    first, second = _halves(row, ("home_goals", "away_goals"), ("half_time_home", "half_time_away"))
    goals = sorted(
        (_goal(text, side) for side in ("home", "away") for text in row[f"{side}_minutes"].split()),
        key=lambda goal: (goal.half, goal.clock_s),
    )
    for half, score in ((1, first), (2, second)):
        for side, scored in (("home", score.home), ("away", score.away)):
            listed = sum(goal.half == half and goal.side == side for goal in goals)
            if listed != scored:
                raise ValueError(f"{side}_minutes: {listed} goals in half {half}, not {scored}")
    # Within a minute nobody knows who scored first.
    sides = {(goal.half, goal.clock_s): goal.side for goal in goals}
    known = all(sides[goal.half, goal.clock_s] == goal.side for goal in goals)
    name = f"{row['home']} - {row['away']}"
    return ScoredMatch(name, odds, first, second, goals=tuple(goals), order_known=known)


def _goal(text: str, side: str) -> Goal:
    """Return the goal of a minute such as ``12``, ``45+1`` or ``90+4``."""
    minute, _, added = text.partition("+")
    half = 1 if int(minute) <= _HALF_S // 60 else 2
    return Goal(half, 60 * (int(minute) + int(added or 0)), side)


def _halves(
    row: Mapping[str, str], full: tuple[str, str], half: tuple[str, str]
) -> tuple[Score, Score]:
    first = [int(row[column]) for column in half]
    second = [int(row[column]) - goals for column, goals in zip(full, first, strict=True)]
    if min(*first, *second) < 0:
        raise ValueError(f"{full[0]}, {half[0]}: more goals at half-time than at the end")
    return Score(home=first[0], away=first[1]), Score(home=second[0], away=second[1])


def _odds(row: Mapping[str, str], columns: Iterable[str]) -> tuple[float, ...]:
    odds = tuple(float(row[column] or 0) for column in columns)
    if min(odds) <= 1.0:
        raise ValueError(f"{', '.join(columns)}: no odds")
    return odds
