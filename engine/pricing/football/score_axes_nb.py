"""Kernels of one score: goal distributions, the Dixon-Coles tilt, and a block's own axes.

Owns the masses of total, margin, scorers, either side's goals and single scores; never knows what
has been wanted of them, nor any other stretch of play.
"""

from math import exp
from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    AWAY_AT,
    AWAY_PARITY_AT,
    CELL_AT,
    CELLED_END,
    CELLS,
    GOALS,
    HOME_AT,
    HOME_PARITY_AT,
    MARGIN_AT,
    PARITY_AT,
    PLAIN_END,
    SCORERS_AT,
    SIDES_END,
    TAIL,
    TOTAL_AT,
)


@kernel()
def goals_nb(pmf: Any, row: int, rate: float, start: int) -> int:
    """Fill a row with P(start + Poisson(rate) = k); return one past its last used place."""
    for k in range(GOALS):
        pmf[row, k] = 0.0
    term = exp(-rate)
    left = 1.0
    more = 0
    k = start
    while k < GOALS - 1 and left > TAIL:
        pmf[row, k] = term
        left -= term
        more += 1
        k += 1
        term *= rate / more
    pmf[row, k] = max(left, 0.0)
    return k + 1


@kernel()
def totals_nb(features: Any, first: int, rate: float, start: int) -> None:
    """Fill the total's masses: two independent Poisson counts add up to one."""
    term = exp(-rate)
    left = 1.0
    more = 0
    k = start
    while k < 2 * GOALS - 2 and left > TAIL:
        features[first + k] = term
        left -= term
        more += 1
        k += 1
        term *= rate / more
    features[first + k] = max(left, 0.0)


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
def tilt_given_nb(
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
def sums_nb(features: Any, at: int, size: int, scale: float) -> None:
    """Turn an axis of masses into cumulative chances, scaled."""
    running = 0.0
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        running += features[k] * scale
        features[k] = running


# --- total, margin, scorers ----------------------------------------------------------------------


@kernel()
def plain_nb(
    features: Any,
    at: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_to: int,
    away_from: int,
    away_to: int,
    rate: float,
) -> None:
    """Fill a block's plain axes with masses of two independent goal counts.

    `rate` is that of both sides' goals still to come.
    """
    for k in range(at, at + PLAIN_END):
        features[k] = 0.0
    totals_nb(features, at + TOTAL_AT + 1, rate, home_from + away_from)
    margin = at + MARGIN_AT + GOALS
    for j in range(away_from, away_to):
        mass = pmf[row + 1, j]
        for i in range(home_from, home_to):
            features[margin - j + i] += mass * pmf[row, i]
    home_none = pmf[row, 0]
    away_none = pmf[row + 1, 0]
    scorers = at + SCORERS_AT + 1
    features[scorers] = home_none * away_none
    features[scorers + 1] = (1.0 - home_none) * away_none
    features[scorers + 2] = (1.0 - away_none) * home_none
    features[scorers + 3] = (1.0 - home_none) * (1.0 - away_none)


@kernel()
def deposit_plain_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on the plain axes."""
    features[at + TOTAL_AT + 1 + home + away] += mass
    features[at + MARGIN_AT + GOALS + home - away] += mass
    features[at + SCORERS_AT + 1 + home + 2 * away] += mass


@kernel()
def accumulate_plain_nb(features: Any, at: int, scale: float) -> None:
    """Make the plain axes cumulative."""
    sums_nb(features, at + TOTAL_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + MARGIN_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + SCORERS_AT, 4, scale)


# --- either side's goals -------------------------------------------------------------------------


@kernel()
def sides_nb(features: Any, at: int, pmf: Any, row: int) -> None:
    """Fill the axes of either side's goals and of what is odd or even."""
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
    """Add mass to one low score on the sides' axes."""
    features[at + HOME_AT + 1 + home] += mass
    features[at + AWAY_AT + 1 + away] += mass
    features[at + PARITY_AT + 1 + (home + away) % 2] += mass
    features[at + HOME_PARITY_AT + 1 + home] += mass
    features[at + AWAY_PARITY_AT + 1 + away] += mass


@kernel()
def accumulate_sides_nb(features: Any, at: int, scale: float) -> None:
    """Make the sides' axes cumulative."""
    sums_nb(features, at + HOME_AT, GOALS, scale)
    sums_nb(features, at + AWAY_AT, GOALS, scale)
    sums_nb(features, at + PARITY_AT, 2, scale)
    sums_nb(features, at + HOME_PARITY_AT, 2, scale)
    sums_nb(features, at + AWAY_PARITY_AT, 2, scale)


# --- scores one by one ---------------------------------------------------------------------------


@kernel()
def cells_nb(
    features: Any,
    at: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_to: int,
    away_from: int,
    away_to: int,
) -> None:
    """Fill the axis of single scores; those beyond the cells share the last place."""
    for k in range(at + SIDES_END, at + CELLED_END):
        features[k] = 0.0
    inside = 0.0
    for i in range(home_from, min(home_to, CELLS)):
        for j in range(away_from, min(away_to, CELLS)):
            mass = pmf[row, i] * pmf[row + 1, j]
            features[at + CELL_AT + 1 + CELLS * i + j] = mass
            inside += mass
    features[at + CELL_AT + 1 + CELLS * CELLS] = max(1.0 - inside, 0.0)


@kernel()
def deposit_cell_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score's own cell."""
    features[at + CELL_AT + 1 + CELLS * home + away] += mass


@kernel()
def accumulate_cells_nb(features: Any, at: int, scale: float) -> None:
    """Make the axis of single scores cumulative."""
    sums_nb(features, at + CELL_AT, CELLS * CELLS + 1, scale)
