"""Kernels of combinations: a result, both to score and a total, asked of the same score.

Owns the masses of the joint axes of one score, read off the plain ones where that is possible;
never knows another stretch of play.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    BOTH_TOTAL_AT,
    CAPPED,
    CELLED_END,
    COMBINED_END,
    GOALS,
    MARGIN_AT,
    RESULT_BOTH_AT,
    RESULT_TOTAL_AT,
    SCORERS_AT,
    TOTAL_AT,
)
from engine.pricing.football.score_axes_nb import sums_nb


@kernel()
def home_totals_nb(
    features: Any, to: int, pmf: Any, row: int, home_to: int, away_from: int, away_to: int
) -> None:
    """Add the masses of home wins by their capped total, from `to` on."""
    for j in range(away_from, away_to):
        mass = pmf[row + 1, j]
        for i in range(j + 1, min(home_to, CAPPED - 1 - j)):
            features[to + i + j] += mass * pmf[row, i]
        for i in range(max(j + 1, CAPPED - 1 - j), home_to):
            features[to + CAPPED - 1] += mass * pmf[row, i]


@kernel()
def combine_nb(
    features: Any, at: int, pmf: Any, row: int, home_to: int, away_from: int, away_to: int
) -> None:
    """Fill the joint axes with masses of two independent goal counts, the plain axes' being there.

    What is left of a total once home wins and draws are taken off it is the away wins'.
    """
    for k in range(at + CELLED_END, at + COMBINED_END):
        features[k] = 0.0
    margin = at + MARGIN_AT + GOALS
    home_win = 0.0
    away_win = 0.0
    for k in range(1, GOALS):
        home_win += features[margin + k]
        away_win += features[margin - k]
    scorers = at + SCORERS_AT + 1
    results = at + RESULT_BOTH_AT + 1
    features[results] = features[scorers + 1]
    features[results + 1] = max(home_win - features[scorers + 1], 0.0)
    features[results + 2] = features[scorers]
    features[results + 3] = max(features[margin] - features[scorers], 0.0)
    features[results + 4] = features[scorers + 2]
    features[results + 5] = max(away_win - features[scorers + 2], 0.0)
    away_row = row + 1
    total = at + TOTAL_AT + 1
    home = at + RESULT_TOTAL_AT + 1
    draw = home + CAPPED
    away = draw + CAPPED
    neither = at + BOTH_TOTAL_AT + 1
    both = neither + CAPPED
    home_totals_nb(features, home, pmf, row, home_to, away_from, away_to)
    for k in range(2 * GOALS - 1):
        here = min(k, CAPPED - 1)
        features[away + here] += features[total + k]
        features[both + here] += features[total + k]
        if k < GOALS:
            features[draw + min(2 * k, CAPPED - 1)] += pmf[row, k] * pmf[away_row, k]
            alone = pmf[row, k] * pmf[away_row, 0]
            features[neither + here] += alone if k == 0 else alone + pmf[row, 0] * pmf[away_row, k]
    for k in range(CAPPED):
        features[away + k] = max(features[away + k] - features[home + k] - features[draw + k], 0.0)
        features[both + k] = max(features[both + k] - features[neither + k], 0.0)


@kernel()
def deposit_combined_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on the joint axes."""
    result = 1 + (away - home)
    both = 1 if home > 0 and away > 0 else 0
    features[at + RESULT_BOTH_AT + 1 + 2 * result + both] += mass
    features[at + BOTH_TOTAL_AT + 1 + CAPPED * both + home + away] += mass
    features[at + RESULT_TOTAL_AT + 1 + CAPPED * result + home + away] += mass


@kernel()
def accumulate_combined_nb(features: Any, at: int, scale: float) -> None:
    """Make the joint axes of a block cumulative."""
    sums_nb(features, at + RESULT_BOTH_AT, 6, scale)
    sums_nb(features, at + BOTH_TOTAL_AT, 2 * CAPPED, scale)
    sums_nb(features, at + RESULT_TOTAL_AT, 3 * CAPPED, scale)
