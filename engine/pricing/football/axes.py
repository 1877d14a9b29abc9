"""Axes: the whole-number functions of what was played that football markets are written on.

Owns what each axis measures and where a feature block keeps it; never a probability.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from engine.pricing.football import layout
from engine.pricing.football.layout import BLOCK, CAPPED, CELLS, GOAL_NUMBERS, GOALS, HALVES_AT


class Scope(IntEnum):
    """The stretch of play whose score a market is settled on."""

    REGULAR = layout.REGULAR
    FIRST_HALF = layout.FIRST_HALF
    SECOND_HALF = layout.SECOND_HALF
    EXTRA_TIME = layout.EXTRA_TIME
    HALVES = layout.HALVES
    """The ninety minutes as their two halves."""


class Play(NamedTuple):
    """What a market is settled on: the score of its scope and how it came about.

    `first_home` and `first_away` are the goals of the first half, for a market on both halves;
    `order` has an ``h`` or ``a`` for each goal of the scope, and is None when it is not known.
    """

    home: int
    away: int
    first_home: int = 0
    first_away: int = 0
    order: str | None = None


class Axis(IntEnum):
    """What is measured."""

    TOTAL = 0
    MARGIN = 1
    """Home goals less away goals."""
    SCORERS = 2
    """0 nobody, 1 home only, 2 away only, 3 both."""
    HOME = 3
    AWAY = 4
    PARITY = 5
    HOME_PARITY = 6
    AWAY_PARITY = 7
    CELL = 8
    """``8 * home + away`` below 8:8, else 64."""
    RESULT_BOTH = 9
    """Twice the result (0 home, 1 draw, 2 away), and one more when both scored."""
    BOTH_TOTAL = 10
    """The capped total, and ``CAPPED`` more when both scored."""
    RESULT_TOTAL = 11
    """The capped total, and ``CAPPED`` more for each step of the result."""
    LAST_GOAL = 12
    """0 home, 1 nobody, 2 away; so are the next twelve."""
    GOAL_1 = 13
    GOAL_2 = 14
    GOAL_3 = 15
    GOAL_4 = 16
    GOAL_5 = 17
    GOAL_6 = 18
    GOAL_7 = 19
    GOAL_8 = 20
    GOAL_9 = 21
    GOAL_10 = 22
    GOAL_11 = 23
    GOAL_12 = 24
    HALF_FULL = 25
    """Three times the first half's result, and the full-time result."""
    HALF_HALF = 26
    """Three times the first half's result, and the second half's."""
    RICHER_HALF = 27
    """0 more goals in the first half, 1 as many, 2 fewer."""
    HOME_RICHER_HALF = 28
    AWAY_RICHER_HALF = 29
    BOTH_IN_HALVES = 30
    """1 when both scored in the first half, and 2 more when they did in the second."""
    HOME_IN_HALVES = 31
    AWAY_IN_HALVES = 32
    POORER_TOTAL = 33
    """The capped total of the half with fewer goals."""
    RICHER_TOTAL = 34


class Place(NamedTuple):
    """Where a block keeps an axis (offset, first value, how many), and what it measures."""

    at: int
    first: int
    size: int
    measure: Callable[[Play], int]


def cell(home: int, away: int) -> int:
    """Return a score's value on the CELL axis."""
    return CELLS * home + away if home < CELLS and away < CELLS else CELLS * CELLS


def capped(total: int) -> int:
    """Return a total's value on a joint axis."""
    return min(total, CAPPED - 1)


def _of_score(measure: Callable[[int, int], int]) -> Callable[[Play], int]:
    return lambda play: measure(play.home, play.away)


def _result(home: int, away: int) -> int:
    return 0 if home > away else 1 if home == away else 2


def _both(home: int, away: int) -> int:
    return int(home > 0 and away > 0)


def _scorer(goal: int) -> Callable[[Play], int]:
    """Return a measure of who scored a goal, counted from 0, or from the end below 0."""

    def measure(play: Play) -> int:
        if play.order is None:
            raise ValueError("order of goals: not known")
        count = len(play.order)
        if not -count <= goal < count:
            return 1
        return 0 if play.order[goal] == "h" else 2

    return measure


def _of_halves(measure: Callable[[int, int, int, int], int]) -> Callable[[Play], int]:
    """Return a measure of home and away goals of the first half, then of the second."""
    return lambda play: measure(
        play.first_home,
        play.first_away,
        play.home - play.first_home,
        play.away - play.first_away,
    )


_PLAIN: Final[dict[Axis, Place]] = {
    Axis.TOTAL: Place(layout.TOTAL_AT, 0, 2 * GOALS - 1, _of_score(lambda h, a: h + a)),
    Axis.MARGIN: Place(layout.MARGIN_AT, 1 - GOALS, 2 * GOALS - 1, _of_score(lambda h, a: h - a)),
    Axis.SCORERS: Place(layout.SCORERS_AT, 0, 4, _of_score(lambda h, a: (h > 0) + 2 * (a > 0))),
}

_SIDES: Final[dict[Axis, Place]] = {
    Axis.HOME: Place(layout.HOME_AT, 0, GOALS, _of_score(lambda h, _: h)),
    Axis.AWAY: Place(layout.AWAY_AT, 0, GOALS, _of_score(lambda _, a: a)),
    Axis.PARITY: Place(layout.PARITY_AT, 0, 2, _of_score(lambda h, a: (h + a) % 2)),
    Axis.HOME_PARITY: Place(layout.HOME_PARITY_AT, 0, 2, _of_score(lambda h, _: h % 2)),
    Axis.AWAY_PARITY: Place(layout.AWAY_PARITY_AT, 0, 2, _of_score(lambda _, a: a % 2)),
}

_CELLED: Final[dict[Axis, Place]] = {
    Axis.CELL: Place(layout.CELL_AT, 0, CELLS * CELLS + 1, _of_score(cell)),
}

_COMBINED: Final[dict[Axis, Place]] = {
    Axis.RESULT_BOTH: Place(
        layout.RESULT_BOTH_AT, 0, 6, _of_score(lambda h, a: 2 * _result(h, a) + _both(h, a))
    ),
    Axis.BOTH_TOTAL: Place(
        layout.BOTH_TOTAL_AT,
        0,
        2 * CAPPED,
        _of_score(lambda h, a: CAPPED * _both(h, a) + capped(h + a)),
    ),
    Axis.RESULT_TOTAL: Place(
        layout.RESULT_TOTAL_AT,
        0,
        3 * CAPPED,
        _of_score(lambda h, a: CAPPED * _result(h, a) + capped(h + a)),
    ),
}

_ORDERED: Final[dict[Axis, Place]] = {
    Axis.LAST_GOAL: Place(layout.LAST_GOAL_AT, 0, 3, _scorer(-1)),
    **{
        Axis(Axis.GOAL_1 + goal): Place(layout.NTH_GOAL_AT + 4 * goal, 0, 3, _scorer(goal))
        for goal in range(GOAL_NUMBERS)
    },
}

_HALVES: Final[dict[Axis, Place]] = {
    Axis.HALF_FULL: Place(
        layout.HALF_FULL_AT,
        0,
        9,
        _of_halves(
            lambda h, a, later_h, later_a: 3 * _result(h, a) + _result(h + later_h, a + later_a)
        ),
    ),
    Axis.HALF_HALF: Place(
        layout.HALF_HALF_AT,
        0,
        9,
        _of_halves(lambda h, a, later_h, later_a: 3 * _result(h, a) + _result(later_h, later_a)),
    ),
    Axis.RICHER_HALF: Place(
        layout.RICHER_AT,
        0,
        3,
        _of_halves(lambda h, a, later_h, later_a: _result(h + a, later_h + later_a)),
    ),
    Axis.HOME_RICHER_HALF: Place(
        layout.HOME_RICHER_AT, 0, 3, _of_halves(lambda h, _, later_h, __: _result(h, later_h))
    ),
    Axis.AWAY_RICHER_HALF: Place(
        layout.AWAY_RICHER_AT, 0, 3, _of_halves(lambda _, a, __, later_a: _result(a, later_a))
    ),
    Axis.BOTH_IN_HALVES: Place(
        layout.BOTH_HALVES_AT,
        0,
        4,
        _of_halves(lambda h, a, later_h, later_a: _both(h, a) + 2 * _both(later_h, later_a)),
    ),
    Axis.HOME_IN_HALVES: Place(
        layout.HOME_HALVES_AT,
        0,
        4,
        _of_halves(lambda h, _, later_h, __: (h > 0) + 2 * (later_h > 0)),
    ),
    Axis.AWAY_IN_HALVES: Place(
        layout.AWAY_HALVES_AT,
        0,
        4,
        _of_halves(lambda _, a, __, later_a: (a > 0) + 2 * (later_a > 0)),
    ),
    Axis.POORER_TOTAL: Place(
        layout.POORER_TOTAL_AT,
        0,
        CAPPED,
        _of_halves(lambda h, a, later_h, later_a: capped(min(h + a, later_h + later_a))),
    ),
    Axis.RICHER_TOTAL: Place(
        layout.RICHER_TOTAL_AT,
        0,
        CAPPED,
        _of_halves(lambda h, a, later_h, later_a: capped(max(h + a, later_h + later_a))),
    ),
}

_GROUPS: Final = {
    layout.PLAIN: _PLAIN,
    layout.SIDES: _SIDES,
    layout.CELLED: _CELLED,
    layout.COMBINED: _COMBINED,
    layout.ORDERED: _ORDERED,
}
_OF_A_BLOCK: Final = {axis: place for group in _GROUPS.values() for axis, place in group.items()}
PLACES: Final[dict[Axis, Place]] = {**_OF_A_BLOCK, **_HALVES}


def _end_to_end(places: Mapping[Axis, Place], end: int) -> bool:
    starts = [place.at for place in places.values()]
    ends = [place.at + place.size + 1 for place in places.values()]
    return [*starts, end] == [0, *ends]


assert list(PLACES) == list(Axis), "every axis has a place"
assert _end_to_end(_OF_A_BLOCK, BLOCK), "axes lie end to end"
assert _end_to_end(_HALVES, layout.HALVES_BLOCK), "axes of both halves lie end to end"


def wanted_for(axis: Axis) -> int:
    """Return the bits of a scope's mask that make the kernel fill an axis."""
    for bit, group in _GROUPS.items():
        if axis in group:
            return layout.PLAIN | bit
    return layout.PLAIN


def needs_order(axis: Axis) -> bool:
    """Say whether an axis is about who scored which goal."""
    return axis in _ORDERED


def feature_index(scope: Scope, axis: Axis, value: int) -> int:
    """Return where P(axis < value) stands in a board's features; ends beyond the axis are cut."""
    place = PLACES[axis]
    at = HALVES_AT if scope is Scope.HALVES else scope * BLOCK
    return at + place.at + min(max(value - place.first, 0), place.size)
