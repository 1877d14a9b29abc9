"""Every way in which the two halves of a football match can end, as arrays over all of them.

Owns the cells (goals of either side in either half), where each axis stands in them, and which of
them a match can still come to. Never a probability and never an amount of money.
"""

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from engine.pricing.football.axes import PLACES, Axis, Play, Scope
from engine.pricing.football.market_types import PERIOD_GOALS_MAX
from engine.pricing.football.model import Ints, MatchState

HALF_SIDE: Final = PERIOD_GOALS_MAX + 1
"""Length of a side's goals in one half: 0 to 15, as many as a match state can hold."""
FULL_SIDE: Final = 2 * PERIOD_GOALS_MAX + 1
"""Length of a side's goals in both halves together. No axis is cut short of them, so there is no
tail to be treated."""

Indices = npt.NDArray[np.intp]
Goals = tuple[int, int]
"""Home and away."""


class Box(NamedTuple):
    """The cells that can still come to be: a range for each side's goals in each half."""

    first_home: slice
    first_away: slice
    second_home: slice
    second_away: slice

    @property
    def first(self) -> tuple[slice, slice]:
        """The first half's part."""
        return self[:2]

    @property
    def second(self) -> tuple[slice, slice]:
        """The second half's part."""
        return self[2:]


def box(state: MatchState) -> Box:
    """Return what a match can still come to: no half loses a goal, and one that is over gains none.

    The clock is not consulted.
    """
    first_over, second_over = state.over(Scope.FIRST_HALF), state.over(Scope.SECOND_HALF)
    return Box(
        _from(state.first_half.home, over=first_over),
        _from(state.first_half.away, over=first_over),
        _from(state.second_half.home, over=second_over),
        _from(state.second_half.away, over=second_over),
    )


def _from(goals: int, *, over: bool) -> slice:
    return slice(goals, goals + 1 if over else HALF_SIDE)


def over_halves(by_final: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of what stands by final score (31 x 31) by the goals of both halves instead."""
    home, away = by_final.strides
    return as_strided(by_final, (HALF_SIDE,) * 4, strides=(home, away, home, away), writeable=False)


@cache
def axis_values(scope: Scope, axis: Axis) -> Indices:
    """Return where each cell of a scope stands on an axis, counted from the axis's first value.

    Returns
    -------
    Indices
        By home and away goals of the scope, 31 x 31 or 16 x 16; for ``Scope.HALVES`` by the goals
        of both halves, 16 x 16 x 16 x 16.
    """
    if scope is Scope.HALVES:
        return _halves_values()[axis]
    place = PLACES[axis]
    side = FULL_SIDE if scope is Scope.REGULAR else HALF_SIDE
    values = [
        [place.measure(Play(home, away)) - place.first for away in range(side)]
        for home in range(side)
    ]
    return np.array(values, np.intp)


@cache
def _halves_values() -> dict[Axis, Indices]:
    """Measure all cells at once, as axes.py measures one: a call for each would take a second."""
    first_home, first_away, second_home, second_away = np.indices((HALF_SIDE,) * 4)
    first, second = first_home + first_away, second_home + second_away
    capped = PLACES[Axis.POORER_TOTAL].size - 1
    at_break = _result(first_home, first_away)
    return {
        Axis.HALF_FULL: 3 * at_break + _result(first_home + second_home, first_away + second_away),
        Axis.HALF_HALF: 3 * at_break + _result(second_home, second_away),
        Axis.RICHER_HALF: _result(first, second),
        Axis.HOME_RICHER_HALF: _result(first_home, second_home),
        Axis.AWAY_RICHER_HALF: _result(first_away, second_away),
        Axis.BOTH_IN_HALVES: _both(first_home, first_away) + 2 * _both(second_home, second_away),
        Axis.HOME_IN_HALVES: (first_home > 0) + 2 * (second_home > 0),
        Axis.AWAY_IN_HALVES: (first_away > 0) + 2 * (second_away > 0),
        Axis.POORER_TOTAL: np.minimum(np.minimum(first, second), capped),
        Axis.RICHER_TOTAL: np.minimum(np.maximum(first, second), capped),
    }


def _result(home: Indices, away: Indices) -> Indices:
    values: Indices = 1 - np.sign(home - away)
    return values


def _both(home: Indices, away: Indices) -> Indices:
    return np.asarray((home > 0) & (away > 0), np.intp)


@cache
def plainness() -> Ints:
    """Return a number for each cell that tells equals apart: the fewest goals come first.

    Fewer goals, then fewer of the home side's, then fewer before the break, then fewer of the home
    side's there: no two cells have the same.
    """
    first_home, first_away, second_home, second_away = np.indices((HALF_SIDE,) * 4)
    first, home = first_home + first_away, first_home + second_home
    goals = first + second_home + second_away
    return np.asarray(((goals << 8 | home) << 8 | first) << 8 | first_home, np.int64)
