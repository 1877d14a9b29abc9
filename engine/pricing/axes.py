"""Axes: the whole-number functions of a score that football markets are written on.

Owns what each axis measures and where a feature block keeps it; never a probability.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from engine.pricing.football_nb import (
    AWAY_AT,
    AWAY_PARITY_AT,
    AWAY_TO_NIL_AT,
    BLOCK,
    CELL_AT,
    CELLS,
    DISTANCE_AT,
    EXTRA_TIME,
    FIRST_HALF,
    GOALS,
    HIGHER_AT,
    HOME_AT,
    HOME_PARITY_AT,
    HOME_TO_NIL_AT,
    LOWER_AT,
    MARGIN_AT,
    PARITY_AT,
    REGULAR,
    SCORERS_AT,
    SECOND_HALF,
    TOTAL_AT,
)


class Scope(IntEnum):
    """The stretch of play whose score a market is settled on."""

    REGULAR = REGULAR
    FIRST_HALF = FIRST_HALF
    SECOND_HALF = SECOND_HALF
    EXTRA_TIME = EXTRA_TIME


class Axis(IntEnum):
    """What is measured of a score."""

    TOTAL = 0
    MARGIN = 1
    """Home goals less away goals."""
    HOME = 2
    AWAY = 3
    LOWER = 4
    """The goals of the side that scored fewer."""
    HIGHER = 5
    DISTANCE = 6
    """The margin without its sign."""
    CELL = 7
    """``8 * home + away`` below 8:8, else 64."""
    PARITY = 8
    HOME_PARITY = 9
    AWAY_PARITY = 10
    HOME_TO_NIL = 11
    AWAY_TO_NIL = 12
    SCORERS = 13
    """0 nobody, 1 home only, 2 away only, 3 both."""


class Place(NamedTuple):
    """Where a block keeps an axis (offset, first value, how many), and what it measures."""

    at: int
    first: int
    size: int
    measure: Callable[[int, int], int]
    """Home and away goals to the axis' value."""


def cell(home: int, away: int) -> int:
    """Return a score's value on the CELL axis."""
    return CELLS * home + away if home < CELLS and away < CELLS else CELLS * CELLS


PLACES: Final[dict[Axis, Place]] = {
    Axis.TOTAL: Place(TOTAL_AT, 0, 2 * GOALS - 1, lambda home, away: home + away),
    Axis.MARGIN: Place(MARGIN_AT, 1 - GOALS, 2 * GOALS - 1, lambda home, away: home - away),
    Axis.HOME: Place(HOME_AT, 0, GOALS, lambda home, _: home),
    Axis.AWAY: Place(AWAY_AT, 0, GOALS, lambda _, away: away),
    Axis.LOWER: Place(LOWER_AT, 0, GOALS, min),
    Axis.HIGHER: Place(HIGHER_AT, 0, GOALS, max),
    Axis.DISTANCE: Place(DISTANCE_AT, 0, GOALS, lambda home, away: abs(home - away)),
    Axis.CELL: Place(CELL_AT, 0, CELLS * CELLS + 1, cell),
    Axis.PARITY: Place(PARITY_AT, 0, 2, lambda home, away: (home + away) % 2),
    Axis.HOME_PARITY: Place(HOME_PARITY_AT, 0, 2, lambda home, _: home % 2),
    Axis.AWAY_PARITY: Place(AWAY_PARITY_AT, 0, 2, lambda _, away: away % 2),
    Axis.HOME_TO_NIL: Place(HOME_TO_NIL_AT, 0, 2, lambda home, away: int(home > away == 0)),
    Axis.AWAY_TO_NIL: Place(AWAY_TO_NIL_AT, 0, 2, lambda home, away: int(away > home == 0)),
    Axis.SCORERS: Place(SCORERS_AT, 0, 4, lambda home, away: (home > 0) + 2 * (away > 0)),
}

assert list(PLACES) == list(Axis), "every axis has a place"
assert [*(place.at for place in PLACES.values()), BLOCK] == [
    0,
    *(place.at + place.size + 1 for place in PLACES.values()),
], "axes lie end to end"


def feature_index(scope: Scope, axis: Axis, value: int) -> int:
    """Return where P(axis < value) stands in a board's features; ends beyond the axis are cut."""
    place = PLACES[axis]
    return scope * BLOCK + place.at + min(max(value - place.first, 0), place.size)
