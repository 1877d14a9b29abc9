"""Kernels of the combined axes: result, both sides to score and total of the same score.

Owns the masses of the combined axes of one score, read off the plain axes where possible; never
knows another scope.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    BOTH_TOTAL_AT,
    CAPPED_TOTALS,
    CELL_END,
    COMBINED_END,
    GOALS,
    MARGIN_AT,
    RESULT_BOTH_AT,
    RESULT_TOTAL_AT,
    SCORING_SIDES_AT,
    TOTAL_AT,
)
from engine.pricing.football.score_axes_nb import accumulate_nb


@kernel()
def add_home_win_totals_nb(
    features: Any, to: int, pmf: Any, row: int, home_end: int, away_from: int, away_end: int
) -> None:
    """Add the masses of home wins by their capped total, at index `to` and after."""
    for j in range(away_from, away_end):
        mass = pmf[row + 1, j]
        for i in range(j + 1, min(home_end, CAPPED_TOTALS - 1 - j)):
            features[to + i + j] += mass * pmf[row, i]
        for i in range(max(j + 1, CAPPED_TOTALS - 1 - j), home_end):
            features[to + CAPPED_TOTALS - 1] += mass * pmf[row, i]


@kernel()
def fill_combined_nb(
    features: Any, at: int, pmf: Any, row: int, home_end: int, away_from: int, away_end: int
) -> None:
    """Fill the combined axes with masses of two independent goal counts.

    The plain axes are filled already. The mass of a total less that of its home wins and draws is
    that of its away wins.
    """
    for k in range(at + CELL_END, at + COMBINED_END):
        features[k] = 0.0
    margin = at + MARGIN_AT + GOALS
    home_win = 0.0
    away_win = 0.0
    for k in range(1, GOALS):
        home_win += features[margin + k]
        away_win += features[margin - k]
    sides = at + SCORING_SIDES_AT + 1
    results = at + RESULT_BOTH_AT + 1
    features[results] = features[sides + 1]
    features[results + 1] = max(home_win - features[sides + 1], 0.0)
    features[results + 2] = features[sides]
    features[results + 3] = max(features[margin] - features[sides], 0.0)
    features[results + 4] = features[sides + 2]
    features[results + 5] = max(away_win - features[sides + 2], 0.0)
    away_row = row + 1
    total = at + TOTAL_AT + 1
    home = at + RESULT_TOTAL_AT + 1
    draw = home + CAPPED_TOTALS
    away = draw + CAPPED_TOTALS
    not_both = at + BOTH_TOTAL_AT + 1
    both = not_both + CAPPED_TOTALS
    add_home_win_totals_nb(features, home, pmf, row, home_end, away_from, away_end)
    for k in range(2 * GOALS - 1):
        capped = min(k, CAPPED_TOTALS - 1)
        features[away + capped] += features[total + k]
        features[both + capped] += features[total + k]
        if k < GOALS:
            features[draw + min(2 * k, CAPPED_TOTALS - 1)] += pmf[row, k] * pmf[away_row, k]
            home_only = pmf[row, k] * pmf[away_row, 0]
            features[not_both + capped] += (
                home_only if k == 0 else home_only + pmf[row, 0] * pmf[away_row, k]
            )
    for k in range(CAPPED_TOTALS):
        features[away + k] = max(features[away + k] - features[home + k] - features[draw + k], 0.0)
        features[both + k] = max(features[both + k] - features[not_both + k], 0.0)


@kernel()
def deposit_combined_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on the combined axes."""
    result = 1 + (away - home)
    both = 1 if home > 0 and away > 0 else 0
    features[at + RESULT_BOTH_AT + 1 + 2 * result + both] += mass
    features[at + BOTH_TOTAL_AT + 1 + CAPPED_TOTALS * both + home + away] += mass
    features[at + RESULT_TOTAL_AT + 1 + CAPPED_TOTALS * result + home + away] += mass


@kernel()
def accumulate_combined_nb(features: Any, at: int, scale: float) -> None:
    """Make the combined axes of a block cumulative."""
    accumulate_nb(features, at + RESULT_BOTH_AT, 6, scale)
    accumulate_nb(features, at + BOTH_TOTAL_AT, 2 * CAPPED_TOTALS, scale)
    accumulate_nb(features, at + RESULT_TOTAL_AT, 3 * CAPPED_TOTALS, scale)
