"""Arrays over all pairs of half scores of a football match.

A cell is the goals of each side in each half. Owns the cells, the value of each axis in them, and
which cells a match can still reach. Never a probability and never an amount of money.
"""

from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from engine.pricing.football.axes import AXIS_SPECS, Axis, Play, Scope
from engine.pricing.football.layout import CAPPED_TOTALS, FEW_GOALS, FEW_SCORES, FEW_SCORES_SIZE
from engine.pricing.football.market_types import PERIOD_GOALS_MAX
from engine.pricing.football.model import Ints, MatchState

HALF_SIDE: Final = PERIOD_GOALS_MAX + 1
"""Numbers of goals of one side in one half: 0 to 15, the most that a match state can hold."""
FULL_SIDE: Final = 2 * PERIOD_GOALS_MAX + 1
"""Numbers of goals of one side in both halves together. Every axis is at least as long, so no tail
needs treatment."""

Indices = npt.NDArray[np.intp]
Goals = tuple[int, int]
"""Home and away goals."""


class ReachableCells(NamedTuple):
    """The cells that a match can still reach: a range of each side's goals in each half."""

    first_home: slice
    first_away: slice
    second_home: slice
    second_away: slice

    @property
    def first(self) -> tuple[slice, slice]:
        """The ranges of the first half."""
        return self[:2]

    @property
    def second(self) -> tuple[slice, slice]:
        """The ranges of the second half."""
        return self[2:]


def reachable_cells(state: MatchState) -> ReachableCells:
    """Return the cells that a match can still reach.

    No half loses a goal, and a half that is over gains none. The clock is not used.
    """
    first_over, second_over = state.over(Scope.FIRST_HALF), state.over(Scope.SECOND_HALF)
    return ReachableCells(
        _range(state.first_half.home, over=first_over),
        _range(state.first_half.away, over=first_over),
        _range(state.second_half.home, over=second_over),
        _range(state.second_half.away, over=second_over),
    )


def _range(goals: int, *, over: bool) -> slice:
    return slice(goals, goals + 1 if over else HALF_SIDE)


def by_half_goals(by_final: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view of an array by final score, indexed by the goals of both halves.

    Parameters
    ----------
    by_final : ndarray of shape (31, 31)
        Values by home and away goals of the ninety minutes.

    Returns
    -------
    ndarray of shape (16, 16, 16, 16)
        The same values by first-half home, first-half away, second-half home and second-half away
        goals.
    """
    home, away = by_final.strides
    return as_strided(by_final, (HALF_SIDE,) * 4, strides=(home, away, home, away), writeable=False)


@cache
def axis_values(scope: Scope, axis: Axis) -> Indices:
    """Return the value of each cell of a scope on an axis, counted from the axis's first value.

    Returns
    -------
    Indices
        By home and away goals of the scope, 31 x 31 or 16 x 16; for ``Scope.HALVES`` by the goals
        of both halves, 16 x 16 x 16 x 16.
    """
    if scope is Scope.HALVES:
        return _halves_values()[axis]
    spec = AXIS_SPECS[axis]
    side = FULL_SIDE if scope is Scope.REGULAR else HALF_SIDE
    values = [
        [spec.measure(Play(home, away)) - spec.first for away in range(side)]
        for home in range(side)
    ]
    return np.array(values, np.intp)


@cache
def _halves_values() -> dict[Axis, Indices]:
    """Measure all cells at once as axes.py measures one; calls cell by cell would take a second."""
    first_home, first_away, second_home, second_away = np.indices((HALF_SIDE,) * 4)
    first, second = first_home + first_away, second_home + second_away
    capped = CAPPED_TOTALS - 1
    first_result = _result(first_home, first_away)
    result = _result(first_home + second_home, first_away + second_away)
    both_first, both_second = _both(first_home, first_away), _both(second_home, second_away)
    results = 3 * first_result + result
    return {
        Axis.HALF_TIME_FULL_TIME: results,
        Axis.HALF_RESULTS: 3 * first_result + _result(second_home, second_away),
        Axis.HIGHEST_HALF: _result(first, second),
        Axis.HOME_HIGHEST_HALF: _result(first_home, second_home),
        Axis.AWAY_HIGHEST_HALF: _result(first_away, second_away),
        Axis.BOTH_SCORE_IN_HALVES: both_first + 2 * both_second,
        Axis.HOME_SCORES_IN_HALVES: (first_home > 0) + 2 * (second_home > 0),
        Axis.AWAY_SCORES_IN_HALVES: (first_away > 0) + 2 * (second_away > 0),
        Axis.MIN_HALF_TOTAL: np.minimum(np.minimum(first, second), capped),
        Axis.MAX_HALF_TOTAL: np.minimum(np.maximum(first, second), capped),
        Axis.RESULT_BOTH_FIRST: 2 * result + both_first,
        Axis.RESULT_BOTH_SECOND: 2 * result + both_second,
        Axis.RESULTS_TOTAL: CAPPED_TOTALS * results + np.minimum(first + second, capped),
        Axis.RESULTS_FIRST_TOTAL: CAPPED_TOTALS * results + np.minimum(first, capped),
        Axis.FEW_SCORES: np.where(
            first <= FEW_GOALS,
            (FEW_SCORES + 1) * _few_score(first_home, first)
            + _few_score(first_home + second_home, first + second),
            FEW_SCORES_SIZE - 1,
        ),
    }


def _result(home: Indices, away: Indices) -> Indices:
    values: Indices = 1 - np.sign(home - away)
    return values


def _few_score(home: Indices, goals: Indices) -> Indices:
    return np.where(goals <= FEW_GOALS, goals * (goals + 1) // 2 + home, FEW_SCORES)


def _both(home: Indices, away: Indices) -> Indices:
    return np.asarray((home > 0) & (away > 0), np.intp)


@cache
def tie_break_order() -> Ints:
    """Return a number for each cell, all different, by which the first of equal cells is chosen.

    Cells are ordered by all goals, then by home's goals, then by the goals of the first half, then
    by home's goals of the first half; fewer come first.
    """
    first_home, first_away, second_home, second_away = np.indices((HALF_SIDE,) * 4)
    first, home = first_home + first_away, first_home + second_home
    goals = first + second_home + second_away
    return np.asarray(((goals << 8 | home) << 8 | first) << 8 | first_home, np.int64)
