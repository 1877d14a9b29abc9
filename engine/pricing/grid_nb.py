"""Kernels of one score: goal distributions, the Dixon-Coles tilt, and the plain axes of a block.

Owns the masses of every axis that is a function of one score; never knows what has been wanted of
them, nor any other stretch of play.
"""

from math import exp
from typing import Any

from engine.jit import kernel
from engine.pricing.layout import (
    AWAY_AT,
    AWAY_PARITY_AT,
    AWAY_TO_NIL_AT,
    CELL_AT,
    CELLS,
    DISTANCE_AT,
    GOALS,
    HIGHER_AT,
    HOME_AT,
    HOME_PARITY_AT,
    HOME_TO_NIL_AT,
    LOWER_AT,
    MARGIN_AT,
    PARITY_AT,
    PLAIN_END,
    SCORERS_AT,
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
def deposit_nb(features: Any, at: int, home: int, away: int, mass: float) -> None:
    """Add mass to one low score (each side at most one goal) on every axis but the distance."""
    features[at + TOTAL_AT + 1 + home + away] += mass
    features[at + MARGIN_AT + GOALS + home - away] += mass
    features[at + HOME_AT + 1 + home] += mass
    features[at + AWAY_AT + 1 + away] += mass
    features[at + LOWER_AT + 1 + min(home, away)] += mass
    features[at + HIGHER_AT + 1 + max(home, away)] += mass
    features[at + CELL_AT + 1 + CELLS * home + away] += mass
    features[at + PARITY_AT + 1 + (home + away) % 2] += mass
    features[at + HOME_PARITY_AT + 1 + home] += mass
    features[at + AWAY_PARITY_AT + 1 + away] += mass
    features[at + HOME_TO_NIL_AT + 1 + (1 if home > away else 0)] += mass
    features[at + AWAY_TO_NIL_AT + 1 + (1 if away > home else 0)] += mass
    features[at + SCORERS_AT + 1 + home + 2 * away] += mass


@kernel()
def sums_nb(features: Any, at: int, size: int, scale: float) -> None:
    """Turn an axis of masses into cumulative chances, scaled."""
    running = 0.0
    features[at] = 0.0
    for k in range(at + 1, at + size + 1):
        running += features[k] * scale
        features[k] = running


@kernel()
def independent_nb(
    features: Any,
    at: int,
    pmf: Any,
    row: int,
    home_from: int,
    home_to: int,
    away_from: int,
    away_to: int,
) -> None:
    """Fill a block's axes with masses of two independent goal counts (distance comes later)."""
    for k in range(at, at + PLAIN_END):
        features[k] = 0.0
    away_row = row + 1
    total = at + TOTAL_AT + 1
    margin = at + MARGIN_AT + GOALS
    for i in range(home_from, home_to):
        mass = pmf[row, i]
        for j in range(away_from, away_to):
            features[total + i + j] += mass * pmf[away_row, j]
    for j in range(away_from, away_to):
        mass = pmf[away_row, j]
        for i in range(home_from, home_to):
            features[margin - j + i] += mass * pmf[row, i]
    inside = 0.0
    for i in range(home_from, min(home_to, CELLS)):
        for j in range(away_from, min(away_to, CELLS)):
            mass = pmf[row, i] * pmf[away_row, j]
            features[at + CELL_AT + 1 + CELLS * i + j] = mass
            inside += mass
    features[at + CELL_AT + 1 + CELLS * CELLS] = max(1.0 - inside, 0.0)
    home_below = 0.0
    away_below = 0.0
    home_even = 0.0
    away_even = 0.0
    for k in range(min(home_from, away_from), max(home_to, away_to)):
        home = pmf[row, k]
        away = pmf[away_row, k]
        features[at + HOME_AT + 1 + k] = home
        features[at + AWAY_AT + 1 + k] = away
        home_below += home
        away_below += away
        features[at + HIGHER_AT + 1 + k] = home * away_below + (home_below - home) * away
        features[at + LOWER_AT + 1 + k] = home * (1.0 - away_below + away) + away * (
            1.0 - home_below
        )
        if k % 2 == 0:
            home_even += home
            away_even += away
    even = home_even * away_even + (1.0 - home_even) * (1.0 - away_even)
    features[at + PARITY_AT + 1] = even
    features[at + PARITY_AT + 2] = 1.0 - even
    features[at + HOME_PARITY_AT + 1] = home_even
    features[at + HOME_PARITY_AT + 2] = 1.0 - home_even
    features[at + AWAY_PARITY_AT + 1] = away_even
    features[at + AWAY_PARITY_AT + 2] = 1.0 - away_even
    home_none = pmf[row, 0]
    away_none = pmf[away_row, 0]
    home_only = (1.0 - home_none) * away_none
    away_only = (1.0 - away_none) * home_none
    features[at + HOME_TO_NIL_AT + 1] = 1.0 - home_only
    features[at + HOME_TO_NIL_AT + 2] = home_only
    features[at + AWAY_TO_NIL_AT + 1] = 1.0 - away_only
    features[at + AWAY_TO_NIL_AT + 2] = away_only
    features[at + SCORERS_AT + 1] = home_none * away_none
    features[at + SCORERS_AT + 2] = home_only
    features[at + SCORERS_AT + 3] = away_only
    features[at + SCORERS_AT + 4] = (1.0 - home_none) * (1.0 - away_none)


@kernel()
def accumulate_nb(features: Any, at: int, scale: float) -> None:
    """Fold the margin into the distance and make every plain axis of a block cumulative."""
    margin = at + MARGIN_AT + GOALS
    features[at + DISTANCE_AT + 1] = features[margin]
    for k in range(1, GOALS):
        features[at + DISTANCE_AT + 1 + k] = features[margin + k] + features[margin - k]
    sums_nb(features, at + TOTAL_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + MARGIN_AT, 2 * GOALS - 1, scale)
    sums_nb(features, at + HOME_AT, GOALS, scale)
    sums_nb(features, at + AWAY_AT, GOALS, scale)
    sums_nb(features, at + LOWER_AT, GOALS, scale)
    sums_nb(features, at + HIGHER_AT, GOALS, scale)
    sums_nb(features, at + DISTANCE_AT, GOALS, scale)
    sums_nb(features, at + CELL_AT, CELLS * CELLS + 1, scale)
    sums_nb(features, at + PARITY_AT, 2, scale)
    sums_nb(features, at + HOME_PARITY_AT, 2, scale)
    sums_nb(features, at + AWAY_PARITY_AT, 2, scale)
    sums_nb(features, at + HOME_TO_NIL_AT, 2, scale)
    sums_nb(features, at + AWAY_TO_NIL_AT, 2, scale)
    sums_nb(features, at + SCORERS_AT, 4, scale)
