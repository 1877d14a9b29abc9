"""Kernels of who scores the n-th goal of a scope together with the scope's result.

Where both sides score independently all orders of the goals to come are equally likely
(goal_order_nb.py), so that of k goals, x of them home's, each is home's with chance x / k. Where
scoring depends on the score, home's part comes from the passes of the goal process.

Owns the axes of a goal with the result; never knows a rate.
"""

from typing import Any, Final

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    GOAL_NUMBERS,
    GOAL_RESULTS_AT,
    GOALS,
    MARGIN_AT,
    TOTAL_AT,
)
from engine.pricing.football.score_axes_nb import accumulate_nb

HOME: Final = 1
"""The first of an axis's three entries of a home goal, then of an away goal."""
AWAY: Final = 5


@kernel(inline=True)
def result_nb(margin: int) -> int:
    """Return 0 for a home win, 1 for a draw, 2 for an away win."""
    return 1 - min(max(margin, -1), 1)


@kernel()
def add_later_goals_nb(features: Any, axes: int, scored: int) -> None:
    """Add to each goal's masses those of the goals after it: a goal of k comes before the k-th."""
    for n in range(GOAL_NUMBERS - 2, scored - 1, -1):
        axis = axes + 8 * n
        for k in range(axis + 1, axis + 8):
            features[k] += features[k + 8]


@kernel()
def fill_goal_results_nb(
    features: Any, at: int, pmf: Any, row: int, home_now: int, home_end: int, away_now: int,
    away_end: int,
) -> None:  # fmt: skip
    """Fill the masses of two independent goal counts; the parameters are `fill_block_nb`'s."""
    axes = at + GOAL_RESULTS_AT
    for k in range(axes, axes + 8 * GOAL_NUMBERS):
        features[k] = 0.0
    scored = home_now + away_now
    if scored >= GOAL_NUMBERS:
        return
    for i in range(home_now, home_end):
        for j in range(away_now, away_end):
            to_come = i + j - scored
            if to_come == 0:
                continue
            part = pmf[row, i] * pmf[row + 1, j] / to_come
            to = axes + 8 * (min(i + j, GOAL_NUMBERS) - 1) + result_nb(i - j)
            features[to + HOME] += part * (i - home_now)
            features[to + AWAY] += part * (j - away_now)
    add_later_goals_nb(features, axes, scored)


@kernel()
def deposit_goal_results_nb(
    features: Any, at: int, home_now: int, away_now: int, home: int, away: int, mass: float
) -> None:
    """Add the mass of one low final score, as `deposit_order_nb` does."""
    home_to_come, away_to_come = home - home_now, away - away_now
    to_come = home_to_come + away_to_come
    if home_to_come < 0 or away_to_come < 0 or to_come == 0:
        return
    for n in range(home_now + away_now, home + away):
        to = at + GOAL_RESULTS_AT + 8 * n + result_nb(home - away)
        features[to + HOME] += mass * home_to_come / to_come
        features[to + AWAY] += mass * away_to_come / to_come


@kernel()
def fill_goal_results_grid_nb(
    features: Any, at: int, grid: Any, top: int, home_now: int, away_now: int, home_goals: Any
) -> None:
    """Fill the masses of a grid of scores (row k, column x: k goals to come, x of them home's).

    Row r of `home_goals` has the masses of home scoring the first goal to come, the second, ...
    where the result is r.
    """
    axes = at + GOAL_RESULTS_AT
    for k in range(axes, axes + 8 * GOAL_NUMBERS):
        features[k] = 0.0
    scored = home_now + away_now
    if scored >= GOAL_NUMBERS:
        return
    for k in range(1, top + 1):
        to = axes + 8 * (min(scored + k, GOAL_NUMBERS) - 1) + AWAY
        for x in range(k + 1):
            features[to + result_nb(home_now - away_now + 2 * x - k)] += grid[k, x]
    add_later_goals_nb(features, axes, scored)
    for n in range(scored, GOAL_NUMBERS):
        axis = axes + 8 * n
        for result in range(3):
            home = home_goals[result, n - scored]
            features[axis + HOME + result] = home
            features[axis + AWAY + result] = max(features[axis + AWAY + result] - home, 0.0)


@kernel()
def accumulate_goal_results_nb(
    features: Any, at: int, scale: float, scored: int, order: int
) -> None:
    """Make the axes cumulative; those of the total and the margin are so already.

    `order` is as `accumulate_order_nb` takes it: where it is not known, every outcome on a goal
    that has fallen has chance 0.
    """
    margin, total = at + MARGIN_AT, at + TOTAL_AT
    for n in range(GOAL_NUMBERS):
        axis = at + GOAL_RESULTS_AT + 8 * n
        if n >= scored:
            features[axis + 4] = features[total + n + 1] / scale
            accumulate_nb(features, axis, 7, scale)
            continue
        for k in range(axis, axis + 8):
            features[k] = 0.0
        if order >= 0:
            to = axis + (HOME if (order >> n) & 1 == 1 else AWAY)
            away, level = features[margin + GOALS - 1], features[margin + GOALS]
            features[to] = features[margin + 2 * GOALS - 1] - level
            features[to + 1] = level - away
            features[to + 2] = away
            accumulate_nb(features, axis, 7, 1.0)
