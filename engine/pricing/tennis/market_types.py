"""Define tennis's market types: names, feed numbers, and the values that win each outcome.

Owns the table of types. A market is defined once, as lines on axes of the kernel's features; its
price and its settlement both follow from that definition. Never computes a probability.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from engine.pricing.lines import (
    Interval,
    Line,
    MarketTypeError,
    above,
    below,
    line_quarters,
    one,
    over,
    under,
)
from engine.pricing.sport import Specifiers
from engine.pricing.tennis import layout

GAMES_LINE_MAX: Final = 99
SETS_LINE_MAX: Final = 5

_NUMBER: Final = re.compile(r"[1-9]\d?", re.ASCII)
_BEST_OF: Final = re.compile(r"sr:[a-z_]+:bestof:([35])", re.ASCII)


class Span(NamedTuple):
    """An axis in the features: offset, first value, number of values.

    With `idle` the axis belongs to a set or a game and has one further value: not played.
    """

    at: int
    first: int
    size: int
    idle: bool = False

    def place(self, value: int) -> int:
        """Return the index of the chance of all values below one, clipped to the axis."""
        return self.at + min(max(value - self.first, 0), self.size)


class TennisRules(NamedTuple):
    """A market: its axis, a line for each outcome, and what else its price depends on.

    `best_of` is the match format that the market is defined for (0: any). `game_no` is the game in
    set `set_no` that the market is about; both count from 1, and 0 stands for none.
    """

    span: Span
    names: tuple[str, ...]
    lines: tuple[Line, ...]
    best_of: int = 0
    set_no: int = 0
    game_no: int = 0


class TennisType(NamedTuple):
    """A row of the table; `uof_id` is the Unified Odds Feed's number, or None."""

    name: str
    uof_id: int | None
    specifiers: tuple[str, ...]
    build: Callable[[Mapping[str, str]], TennisRules]


_TOTAL: Final = Span(layout.TOTAL_AT, 0, layout.TOTAL_SIZE)
_MARGIN: Final = Span(layout.MARGIN_AT, layout.MARGIN_FIRST, layout.MARGIN_SIZE)
_HOME: Final = Span(layout.HOME_AT, 0, layout.SIDE_SIZE)
_AWAY: Final = Span(layout.AWAY_AT, 0, layout.SIDE_SIZE)
_PARITY: Final = Span(layout.PARITY_AT, 0, 2)
_SETS: Final = Span(layout.SETS_AT, 0, layout.SET_CELLS**2)
_SET_MARGIN: Final = Span(layout.SET_MARGIN_AT, -3, 7)
_SET_TOTAL: Final = Span(layout.SET_TOTAL_AT, 0, layout.SETS + 1)

_SET_SCORES: Final = (*((6, lost) for lost in range(5)), (7, 5), (7, 6))

# --- reading specifiers --------------------------------------------------------------------------


def _line(text: str, most: int, unit: str) -> int:
    quarters = line_quarters(text, most=most, unit=unit)
    if quarters % 2:
        raise MarketTypeError(f"line: {unit} have half and whole lines only: {text!r}")
    return quarters


def _total_line(text: str, most: int, unit: str) -> int:
    quarters = _line(text, most, unit)
    if quarters < 1:
        raise MarketTypeError(f"total: the line must be above 0: {text!r}")
    return quarters


def _number(given: Mapping[str, str], name: str, most: int) -> int:
    text = given[name]
    if _NUMBER.fullmatch(text) is None or int(text) > most:
        raise MarketTypeError(f"{name}: must be from 1 to {most}: {text!r}")
    return int(text)


def _best_of(given: Mapping[str, str]) -> int:
    match = _BEST_OF.fullmatch(given["variant"])
    if match is None:
        raise MarketTypeError(f"variant: not of the form sr:name:bestof:3: {given['variant']!r}")
    return int(match[1])


# --- kinds of market -----------------------------------------------------------------------------


def _winner(_: Mapping[str, str]) -> TennisRules:
    return TennisRules(_SET_MARGIN, ("home", "away"), (Line(above(1)), Line(below(0))))


def _handicap(span: Span, most: int, unit: str) -> Callable[[Mapping[str, str]], TennisRules]:
    def build(given: Mapping[str, str]) -> TennisRules:
        line = -_line(given["hcp"], most, unit)
        return TennisRules(span, ("home", "away"), (over(line), under(line)))

    return build


def _total(span: Span, most: int, unit: str) -> Callable[[Mapping[str, str]], TennisRules]:
    def build(given: Mapping[str, str]) -> TennisRules:
        line = _total_line(given["total"], most, unit)
        return TennisRules(span, ("over", "under"), (over(line), under(line)))

    return build


def _parity(span: Span) -> TennisRules:
    return TennisRules(span, ("odd", "even"), (Line(one(1)), Line(one(0))))


def _sets_score(given: Mapping[str, str]) -> TennisRules:
    best_of = _best_of(given)
    to_win = best_of // 2 + 1
    scores = [(to_win, lost) for lost in range(to_win)]
    scores += [(lost, to_win) for lost in reversed(range(to_win))]
    return TennisRules(
        _SETS,
        tuple(f"{home}:{away}" for home, away in scores),
        tuple(Line(one(layout.SET_CELLS * home + away)) for home, away in scores),
        best_of,
    )


def _exact_sets(given: Mapping[str, str]) -> TennisRules:
    best_of = _best_of(given)
    counts = range(best_of // 2 + 1, best_of + 1)
    return TennisRules(
        _SET_TOTAL,
        tuple(str(count) for count in counts),
        tuple(Line(one(count)) for count in counts),
        best_of,
    )


def _wins_a_set(*, home: bool) -> Callable[[Mapping[str, str]], TennisRules]:
    """Yes when the side wins at least one set, no when it loses all sets."""
    cells = layout.SET_CELLS
    without_a_set = [(0, won) if home else (won, 0) for won in range(cells)]
    no = sorted(cells * home_sets + away_sets for home_sets, away_sets in without_a_set)
    yes = [value for value in range(cells * cells) if value not in no]

    def line(values: list[int]) -> Line:
        first, *others = (one(value) for value in values)
        return Line(first, also=tuple(others))

    rules = TennisRules(_SETS, ("yes", "no"), (line(yes), line(no)))
    return lambda _: rules


def _in_set(given: Mapping[str, str], axis: int, first: int, size: int) -> tuple[Span, int]:
    number = _number(given, "setnr", layout.SETS)
    at = layout.MATCH_BLOCK + layout.SET_BLOCK * (number - 1) + axis
    return Span(at, first, size, idle=True), number


def _set_winner(given: Mapping[str, str]) -> TennisRules:
    span, number = _in_set(given, layout.IN_SET_WINNER, 0, 2)
    return TennisRules(span, ("home", "away"), (Line(one(0)), Line(one(1))), set_no=number)


def _set_handicap(given: Mapping[str, str]) -> TennisRules:
    span, number = _in_set(given, layout.IN_SET_MARGIN, layout.MARGIN_FIRST, layout.MARGIN_SIZE)
    line = -_line(given["hcp"], 6, "games of a set")
    return TennisRules(span, ("home", "away"), (over(line), under(line)), set_no=number)


def _set_total(given: Mapping[str, str]) -> TennisRules:
    span, number = _in_set(given, layout.IN_SET_TOTAL, 0, layout.TOTAL_SIZE)
    line = _total_line(given["total"], GAMES_LINE_MAX, "games")
    return TennisRules(span, ("over", "under"), (over(line), under(line)), set_no=number)


def _set_score(given: Mapping[str, str]) -> TennisRules:
    """Each score of a set up to 7:6, and "other", which only an advantage set can end with."""
    cells = layout.CELLS
    span, number = _in_set(given, layout.IN_SET_CELL, 0, cells * cells + 1)
    scores = [*_SET_SCORES, *((away, home) for home, away in _SET_SCORES)]
    names = [f"{home}:{away}" for home, away in scores]
    lines = [Line(one(cells * home + away)) for home, away in scores]
    return TennisRules(span, (*names, "other"), (*lines, Line(one(cells * cells))), set_no=number)


def _set_parity(given: Mapping[str, str]) -> TennisRules:
    span, number = _in_set(given, layout.IN_SET_PARITY, 0, 2)
    return _parity(span)._replace(set_no=number)


def _set_tiebreak(given: Mapping[str, str]) -> TennisRules:
    span, number = _in_set(given, layout.IN_SET_TIEBREAK, 0, 2)
    return TennisRules(span, ("yes", "no"), (Line(one(1)), Line(one(0))), set_no=number)


def _game_winner(given: Mapping[str, str]) -> TennisRules:
    game = _number(given, "gamenr", layout.GAMES)
    span, number = _in_set(given, layout.IN_SET_GAMES + 4 * (game - 1), 0, 2)
    return TennisRules(
        span, ("home", "away"), (Line(one(0)), Line(one(1))), set_no=number, game_no=game
    )


# --- the table -----------------------------------------------------------------------------------

_GAMES: Final = (GAMES_LINE_MAX, "games")

TENNIS_TYPES: Final[dict[str, TennisType]] = {
    row.name: row
    for row in (
        TennisType("winner", 186, (), _winner),
        TennisType("game_handicap", 187, ("hcp",), _handicap(_MARGIN, 30, "games")),
        TennisType("set_handicap", 188, ("hcp",), _handicap(_SET_MARGIN, 3, "sets")),
        TennisType("total_games", 189, ("total",), _total(_TOTAL, *_GAMES)),
        TennisType("home_total_games", 190, ("total",), _total(_HOME, *_GAMES)),
        TennisType("away_total_games", 191, ("total",), _total(_AWAY, *_GAMES)),
        TennisType("home_to_win_a_set", 192, (), _wins_a_set(home=True)),
        TennisType("away_to_win_a_set", 193, (), _wins_a_set(home=False)),
        TennisType("exact_sets", 196, ("variant",), _exact_sets),
        TennisType("odd_even_games", 198, (), lambda _: _parity(_PARITY)),
        TennisType("correct_score", 199, ("variant",), _sets_score),
        TennisType("total_sets", None, ("total",), _total(_SET_TOTAL, SETS_LINE_MAX, "sets")),
        TennisType("set_winner", 202, ("setnr",), _set_winner),
        TennisType("set_game_handicap", 203, ("hcp", "setnr"), _set_handicap),
        TennisType("set_total_games", 204, ("setnr", "total"), _set_total),
        TennisType("set_odd_even_games", 205, ("setnr",), _set_parity),
        TennisType("set_tiebreak", 206, ("setnr",), _set_tiebreak),
        TennisType("set_correct_score", 207, ("setnr",), _set_score),
        TennisType("set_game_winner", 210, ("gamenr", "setnr"), _game_winner),
    )
}


@lru_cache(maxsize=1 << 12)
def tennis_rules(market_type: str, specifiers: Specifiers) -> TennisRules:
    """Return the rules of one market.

    Raises
    ------
    MarketTypeError
        When the type is not in the table or the specifiers are not those it takes.
    """
    row = TENNIS_TYPES.get(market_type)
    if row is None:
        raise MarketTypeError(f"market type: not in the table: {market_type!r}")
    if tuple(name for name, _ in specifiers) != row.specifiers:
        wanted = ", ".join(row.specifiers) or "none"
        raise MarketTypeError(f"{market_type}: specifiers must be: {wanted}")
    return row.build(dict(specifiers))


def idle_line(span: Span) -> Interval:
    """Return the feature indices whose difference is the chance of a set or game not played."""
    end = span.at + span.size
    return Interval(end, end + 1) if span.idle else Interval(end, end)
