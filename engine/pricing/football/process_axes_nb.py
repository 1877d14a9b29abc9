"""Kernels that fill the axes of one scope from a grid of its scores' masses.

Row k, column x of a grid is the mass of k goals to come, x of them home's. Owns the plain, side,
cell, combined and order axes of one score; never knows how the masses came about.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.goal_results_nb import fill_goal_results_grid_nb
from engine.pricing.football.layout import (
    AWAY_AT,
    AWAY_PARITY_AT,
    BLOCK_SIZE,
    BOTH_TOTAL_AT,
    CAPPED_TOTALS,
    CELL_AXIS,
    CELL_END,
    CELL_SIDE,
    COMBINED_AXES,
    COMBINED_END,
    GOAL_NUMBERS,
    GOAL_RESULT_AXES,
    GOALS,
    HOME_AT,
    HOME_PARITY_AT,
    LAST_GOAL_AT,
    MARGIN_AT,
    NTH_GOAL_AT,
    ORDER_AXES,
    ORDER_END,
    PARITY_AT,
    PLAIN_END,
    RESULT_BOTH_AT,
    RESULT_TOTAL_AT,
    SCORE_CELL_AT,
    SCORING_SIDES_AT,
    SIDE_AXES,
    SIDES_END,
    TOTAL_AT,
    WIDE_CELL_AT,
    WIDE_CELL_AXIS,
    WIDE_SIDE,
)


@kernel()
def fill_plain_grid_nb(
    features: Any, at: int, grid: Any, top: int, home_now: int, away_now: int
) -> None:
    """Fill the axes of total, margin and scoring sides."""
    for k in range(at, at + PLAIN_END):
        features[k] = 0.0
    margin = at + MARGIN_AT + GOALS
    sides = at + SCORING_SIDES_AT + 1
    for k in range(top + 1):
        row = 0.0
        for x in range(k + 1):
            mass = grid[k, x]
            row += mass
            d = home_now - away_now + 2 * x - k
            features[margin + min(max(d, 1 - GOALS), GOALS - 1)] += mass
        features[at + TOTAL_AT + 1 + min(home_now + away_now + k, 2 * GOALS - 2)] += row
        home_none = grid[k, 0] if home_now == 0 else 0.0
        away_none = grid[k, k] if away_now == 0 else 0.0
        none = grid[0, 0] if k == 0 and home_now + away_now == 0 else 0.0
        features[sides] += none
        features[sides + 1] += away_none - none
        features[sides + 2] += home_none - none
        features[sides + 3] += row - home_none - away_none + none
    features[sides + 3] = max(features[sides + 3], 0.0)


@kernel()
def fill_sides_grid_nb(
    features: Any, at: int, grid: Any, top: int, home_now: int, away_now: int
) -> None:
    """Fill the axes of each side's goals and of parity."""
    for k in range(at + PLAIN_END, at + SIDES_END):
        features[k] = 0.0
    home = at + HOME_AT + 1
    away = at + AWAY_AT + 1
    for x in range(top + 1):
        by_home, by_away = 0.0, 0.0
        for k in range(x, top + 1):
            by_home += grid[k, x]
            by_away += grid[k, k - x]
        features[home + min(home_now + x, GOALS - 1)] += by_home
        features[away + min(away_now + x, GOALS - 1)] += by_away
    for k in range(GOALS):
        features[at + HOME_PARITY_AT + 1 + k % 2] += features[home + k]
        features[at + AWAY_PARITY_AT + 1 + k % 2] += features[away + k]
    for k in range(2 * GOALS - 1):
        features[at + PARITY_AT + 1 + k % 2] += features[at + TOTAL_AT + 1 + k]


@kernel()
def fill_cells_grid_nb(
    features: Any, at: int, axis: int, side: int, grid: Any, top: int, home_now: int, away_now: int
) -> None:
    """Fill an axis of single scores; all beyond the cells goes to the first value beyond them.

    The axis starts at `axis` and has cells below ``side:side``; the plain axes of the block `at`
    are filled already.
    """
    for k in range(axis, axis + side * side + 4):
        features[k] = 0.0
    cells = axis + 1
    beyond = 0.0
    for k in range(2 * GOALS - 1):
        beyond += features[at + TOTAL_AT + 1 + k]
    for k in range(min(top, 2 * side - 2 - home_now - away_now) + 1):
        lowest = max(away_now + k - side + 1, 0)
        for x in range(lowest, min(k, side - 1 - home_now) + 1):
            beyond -= grid[k, x]
            features[cells + side * (home_now + x) + away_now + k - x] = grid[k, x]
    features[cells + side * side] = max(beyond, 0.0)


@kernel()
def fill_combined_grid_nb(
    features: Any, at: int, grid: Any, top: int, home_now: int, away_now: int
) -> None:
    """Fill the axes that combine the result, both sides to score and the total."""
    for k in range(at + CELL_END, at + COMBINED_END):
        features[k] = 0.0
    results = at + RESULT_BOTH_AT + 1
    for k in range(top + 1):
        row = grid[k, : k + 1]
        total = min(home_now + away_now + k, CAPPED_TOTALS - 1)
        by_both = at + BOTH_TOTAL_AT + 1 + total
        by_result = at + RESULT_TOTAL_AT + 1 + total
        behind = away_now + k - home_now
        home, draw, away = 0.0, 0.0, 0.0
        for x in range(min((behind + 1) >> 1, k + 1)):
            away += row[x]
        for x in range(max((behind >> 1) + 1, 0), k + 1):
            home += row[x]
        if behind % 2 == 0 and 0 <= behind >> 1 <= k:
            draw = row[behind >> 1]
        features[by_result] += home
        features[by_result + CAPPED_TOTALS] += draw
        features[by_result + 2 * CAPPED_TOTALS] += away
        # The scores at which a side has none: one at either end of the row, the same at 0:0.
        for x in range(0, k + 1, max(k, 1)):
            if home_now + x > 0 and away_now + k - x > 0:
                continue
            result = 0 if 2 * x > behind else 1 if 2 * x == behind else 2
            if result == 0:
                home -= row[x]
            elif result == 1:
                draw -= row[x]
            else:
                away -= row[x]
            features[results + 2 * result] += row[x]
            features[by_both] += row[x]
        features[results + 1] += max(home, 0.0)
        features[results + 3] += max(draw, 0.0)
        features[results + 5] += max(away, 0.0)
        features[by_both + CAPPED_TOTALS] += max(home + draw + away, 0.0)


@kernel()
def fill_order_sums_nb(
    features: Any, at: int, scored: int, home_goals: Any, last_home: float
) -> None:
    """Fill home's entries of the order axes: the masses of home's k-th goal to come, and last."""
    for k in range(at + LAST_GOAL_AT, at + ORDER_END):
        features[k] = 0.0
    for k in range(GOAL_NUMBERS - min(scored, GOAL_NUMBERS)):
        features[at + NTH_GOAL_AT + 4 * (scored + k) + 1] = home_goals[k]
    features[at + LAST_GOAL_AT + 1] = last_home


@kernel()
def fill_block_grid_nb(
    features: Any, scope: int, wanted: int, grid: Any, top: int, home_now: int, away_now: int,
    home_goals: Any, last_home: float, home_goals_by_result: Any,
) -> None:  # fmt: skip
    """Fill the wanted axes of a block with masses; they are not cumulative yet.

    Parameters
    ----------
    grid : float64[LEVELS, LEVELS]
        The masses; rows up to `top` are used.
    home_goals : float64[LEVELS]
        The mass of home scoring the first goal to come, the second, ...
    last_home : float
        The mass of a goal to come of which home scores the last.
    home_goals_by_result : float64[3, LEVELS]
        As `home_goals`, for each result of the scope; used where the mask has GOAL_RESULT_AXES.
    """
    at = scope * BLOCK_SIZE
    fill_plain_grid_nb(features, at, grid, top, home_now, away_now)
    if wanted & SIDE_AXES != 0:
        fill_sides_grid_nb(features, at, grid, top, home_now, away_now)
    if wanted & CELL_AXIS != 0:
        fill_cells_grid_nb(
            features, at, at + SCORE_CELL_AT, CELL_SIDE, grid, top, home_now, away_now
        )
    if wanted & WIDE_CELL_AXIS != 0:
        fill_cells_grid_nb(
            features, at, at + WIDE_CELL_AT, WIDE_SIDE, grid, top, home_now, away_now
        )
    if wanted & COMBINED_AXES != 0:
        fill_combined_grid_nb(features, at, grid, top, home_now, away_now)
    if wanted & ORDER_AXES != 0:
        fill_order_sums_nb(features, at, home_now + away_now, home_goals, last_home)
    if wanted & GOAL_RESULT_AXES != 0:
        fill_goal_results_grid_nb(features, at, grid, top, home_now, away_now, home_goals_by_result)
