"""Kernels of one score: goal distributions, the Dixon-Coles tilt and the axes of a single score.

Owns the masses of total, margin, scoring sides, each side's goals and single scores; never knows
which of them are wanted, nor another scope.
"""

from math import exp
from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    AWAY_AT,
    AWAY_PARITY_AT,
    GOALS,
    HOME_AT,
    HOME_PARITY_AT,
    MARGIN_AT,
    PARITY_AT,
    PLAIN_END,
    SCORING_SIDES_AT,
    SIDES_END,
    TAIL,
    TOTAL_AT,
)


@kernel()
def fill_goals_nb(goals: Any, rate: float, start: int) -> int:
    """Fill goals[k] with P(start + Poisson(rate) = k); return the end of the used entries."""
    for k in range(GOALS):
        goals[k] = 0.0
    term = exp(-rate)
    remaining = 1.0
    count = 0
    k = start
    while k < GOALS - 1 and remaining > TAIL:
        goals[k] = term
        remaining -= term
        count += 1
        k += 1
        term *= rate / count
    goals[k] = max(remaining, 0.0)
    return k + 1


@kernel()
def fill_totals_nb(features: Any, first: int, rate: float, start: int) -> None:
    """Fill the total's masses: the sum of two independent Poisson counts is a Poisson count."""
    term = exp(-rate)
    remaining = 1.0
    count = 0
    k = start
    while k < 2 * GOALS - 2 and remaining > TAIL:
        features[first + k] = term
        remaining -= term
        count += 1
        k += 1
        term *= rate / count
    features[first + k] = max(remaining, 0.0)


@kernel()
def tilt_nb(home: int, away: int, home_rate: float, away_rate: float, dependence: float) -> float:
    """Return the Dixon-Coles factor of a final score less one (Dixon and Coles 1997, eq. 4.3)."""
    if home > 1 or away > 1:
        return 0.0
    if home == 0:
        return -home_rate * away_rate * dependence if away == 0 else home_rate * dependence
    return away_rate * dependence if away == 0 else -dependence


@kernel()
def tilted_mass_nb(model: Any, pmf: Any) -> float:
    """Return the sum of all tilted chances of the final score: one at kick-off."""
    mass = 1.0
    for i in range(2):
        for j in range(2):
            mass += pmf[0, i] * pmf[1, j] * tilt_nb(i, j, model[0], model[1], model[2])
    return mass


@kernel()
def expected_tilt_nb(
    home: int,
    away: int,
    pmf: Any,
    other: int,
    home_rate: float,
    away_rate: float,
    dependence: float,
) -> float:
    """Return the expected tilt of a half's score over the goals of the other half (`other` row)."""
    total = 0.0
    for i in range(2 - min(home, 2)):
        for j in range(2 - min(away, 2)):
            chance = pmf[other, i] * pmf[other + 1, j]
            total += chance * tilt_nb(home + i, away + j, home_rate, away_rate, dependence)
    return total


@kernel()
def accumulate_nb(features: Any, at: int, size: int, scale: float) -> None:
    """Turn an axis of masses into cumulative chances, scaled."""
    running = 0.0
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        running += features[k] * scale
        features[k] = running


# --- total, margin, scoring sides ----------------------------------------------------------------


@kernel()
def fill_plain_nb(
    features: Any,
    at: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_end: int,
    away_from: int,
    away_end: int,
    rate: float,
) -> None:
    """Fill a block's plain axes with masses of two independent goal counts.

    `home_from` to `home_end` are home's used entries in `pmf` (the end not included), the same for
    away; `rate` is the number of goals that both sides together are expected to add.
    """
    for k in range(at, at + PLAIN_END):
        features[k] = 0.0
    fill_totals_nb(features, at + TOTAL_AT + 1, rate, home_from + away_from)
    margin = at + MARGIN_AT + GOALS
    for j in range(away_from, away_end):
        mass = pmf[row + 1, j]
        for i in range(home_from, home_end):
            features[margin - j + i] += mass * pmf[row, i]
    home_none = pmf[row, 0]
    away_none = pmf[row + 1, 0]
    sides = at + SCORING_SIDES_AT + 1
    features[sides] = home_none * away_none
    features[sides + 1] = (1.0 - home_none) * away_none
    features[sides + 2] = (1.0 - away_none) * home_none
    features[sides + 3] = (1.0 - home_none) * (1.0 - away_none)


@kernel()
def deposit_plain_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on the plain axes."""
    features[at + TOTAL_AT + 1 + home + away] += mass
    features[at + MARGIN_AT + GOALS + home - away] += mass
    features[at + SCORING_SIDES_AT + 1 + home + 2 * away] += mass


@kernel()
def accumulate_plain_nb(features: Any, at: int, scale: float) -> None:
    """Make the plain axes cumulative."""
    accumulate_nb(features, at + TOTAL_AT, 2 * GOALS - 1, scale)
    accumulate_nb(features, at + MARGIN_AT, 2 * GOALS - 1, scale)
    accumulate_nb(features, at + SCORING_SIDES_AT, 4, scale)


# --- each side's goals ---------------------------------------------------------------------------


@kernel()
def fill_sides_nb(features: Any, at: int, pmf: Any, row: int) -> None:
    """Fill the axes of each side's goals and of parity."""
    for k in range(at + PLAIN_END, at + SIDES_END):
        features[k] = 0.0
    home_odd = 0.0
    away_odd = 0.0
    for k in range(GOALS):
        home = pmf[row, k]
        away = pmf[row + 1, k]
        features[at + HOME_AT + 1 + k] = home
        features[at + AWAY_AT + 1 + k] = away
        if k % 2 == 1:
            home_odd += home
            away_odd += away
    odd = home_odd * (1.0 - away_odd) + (1.0 - home_odd) * away_odd
    features[at + PARITY_AT + 1] = 1.0 - odd
    features[at + PARITY_AT + 2] = odd
    features[at + HOME_PARITY_AT + 1] = 1.0 - home_odd
    features[at + HOME_PARITY_AT + 2] = home_odd
    features[at + AWAY_PARITY_AT + 1] = 1.0 - away_odd
    features[at + AWAY_PARITY_AT + 2] = away_odd


@kernel()
def deposit_sides_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score on the axes of each side's goals and of parity."""
    features[at + HOME_AT + 1 + home] += mass
    features[at + AWAY_AT + 1 + away] += mass
    features[at + PARITY_AT + 1 + (home + away) % 2] += mass
    features[at + HOME_PARITY_AT + 1 + home] += mass
    features[at + AWAY_PARITY_AT + 1 + away] += mass


@kernel()
def accumulate_sides_nb(features: Any, at: int, scale: float) -> None:
    """Make the axes of each side's goals and of parity cumulative."""
    accumulate_nb(features, at + HOME_AT, GOALS, scale)
    accumulate_nb(features, at + AWAY_AT, GOALS, scale)
    accumulate_nb(features, at + PARITY_AT, 2, scale)
    accumulate_nb(features, at + HOME_PARITY_AT, 2, scale)
    accumulate_nb(features, at + AWAY_PARITY_AT, 2, scale)


# --- single scores -------------------------------------------------------------------------------


@kernel()
def fill_cells_nb(
    features: Any,
    axis: int,
    side: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_end: int,
    away_from: int,
    away_end: int,
) -> None:
    """Fill an axis of single scores; all beyond the cells goes to the first value beyond them.

    The axis starts at `axis` and has cells below ``side:side``, here and in what follows.
    """
    for k in range(axis, axis + side * side + 4):
        features[k] = 0.0
    inside = 0.0
    for i in range(home_from, min(home_end, side)):
        for j in range(away_from, min(away_end, side)):
            mass = pmf[row, i] * pmf[row + 1, j]
            features[axis + 1 + side * i + j] = mass
            inside += mass
    features[axis + 1 + side * side] = max(1.0 - inside, 0.0)


@kernel()
def deposit_cell_nb(features: Any, axis: int, side: int, home: int, away: int, mass: float) -> None:
    """Add mass to the cell of one low score."""
    features[axis + 1 + side * home + away] += mass


@kernel()
def accumulate_cells_nb(features: Any, at: int, axis: int, side: int, scale: float) -> None:
    """Share what is beyond the cells by result, and make an axis of single scores cumulative.

    The margin's axis of the block `at` is cumulative already: a win beyond the cells is one that is
    not in them.
    """
    cells = axis + 1
    home = 0.0
    away = 0.0
    for i in range(side):
        for j in range(i):
            home += features[cells + side * i + j]
            away += features[cells + side * j + i]
    margin = at + MARGIN_AT
    rest = features[cells + side * side]
    home_wins = features[margin + 2 * GOALS - 1] - features[margin + GOALS]
    home = min(max(home_wins / scale - home, 0.0), rest)
    away = min(max(features[margin + GOALS - 1] / scale - away, 0.0), rest - home)
    features[cells + side * side] = home
    features[cells + side * side + 1] = rest - home - away
    features[cells + side * side + 2] = away
    accumulate_nb(features, axis, side * side + 3, scale)
