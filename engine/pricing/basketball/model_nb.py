"""Price basketball from a lead and a total in Brownian motion, with overtime: the kernels.

With a share f of the game left, home's final lead is normal with mean ``lead + f mu`` and variance
``f sigma^2`` (Stern 1994, JASA 89). The points still to be scored are normal and independent of the
lead. Both are rounded to whole points. Owns the arithmetic; never knows a market by name.
"""

from math import erfc, sqrt
from typing import Any, Final

from numba import float64, int64, void

from engine.common.jit import kernel
from engine.pricing.fair_probabilities_nb import gather_nb

# Axes of a scope.
MARGIN: Final = 0
TOTAL: Final = 1
HOME: Final = 2
AWAY: Final = 3

# Scopes: four quarters, the first half, the four quarters, and the match with its overtimes.
FIRST_HALF: Final = 4
REGULAR: Final = 5
MATCH: Final = 6
SCOPES: Final = 7

# Columns of the packed model.
MODEL_MARGIN: Final = 0
MODEL_MARGIN_SIGMA: Final = 1
MODEL_TOTAL: Final = 2
MODEL_TOTAL_SIGMA: Final = 3
MODEL_OVERTIME: Final = 4
"""The length of an overtime as a share of the four quarters."""
MODEL_COLUMNS: Final = 5

# Columns of a scope's row in the packed state.
HOME_NOW: Final = 0
AWAY_NOW: Final = 1
LEFT: Final = 2
"""The share of the four quarters left to play in the scope, or in its overtime."""
STATE_COLUMNS: Final = 3

# Columns of a point: a requested value on an axis of a scope.
POINT_SCOPE: Final = 0
POINT_AXIS: Final = 1
POINT_VALUE: Final = 2
POINT_COLUMNS: Final = 3

# Features: the constants 0 and 1, then one for each point.
IMPOSSIBLE: Final = 0
CERTAIN: Final = 1
POINTS_AT: Final = 2

OVERTIMES: Final = 8
"""Overtimes that a total distinguishes; the last one stands for all further ones."""
_ROOT_HALF: Final = sqrt(0.5)


@kernel()
def below_nb(value: int, mean: float, variance: float) -> float:
    """Return the chance that a rounded normal variable is below a whole number."""
    gap = value - 0.5 - mean
    if not variance > 0.0:
        return 1.0 if gap > 0.0 else 0.0
    return 0.5 * erfc(-gap / sqrt(variance) * _ROOT_HALF)


@kernel()
def at_nb(value: int, mean: float, variance: float) -> float:
    """Return the chance that a rounded normal variable equals a whole number."""
    return below_nb(value + 1, mean, variance) - below_nb(value, mean, variance)


@kernel()
def lead_nb(value: int, model: Any, lead: float, left: float, overtime: int) -> float:
    """Return the chance that the final lead is below a value.

    Where `overtime` is 1, overtimes follow a level score until it is not level.
    """
    mean, variance = model[MODEL_MARGIN], model[MODEL_MARGIN_SIGMA] ** 2
    chance = below_nb(value, lead + left * mean, left * variance)
    if overtime == 0:
        return chance
    level = at_nb(0, lead + left * mean, left * variance)
    extra = model[MODEL_OVERTIME]
    still_level = at_nb(0, extra * mean, extra * variance)
    later = below_nb(value, extra * mean, extra * variance)
    if value >= 1:
        chance -= level
        later -= still_level
    return chance + level * later / (1.0 - still_level)


@kernel()
def total_nb(value: int, model: Any, now: float, lead: float, left: float, overtime: int) -> float:
    """Return the chance that the final total of both sides is below a value."""
    if value <= now:
        return 0.0
    mean, variance = model[MODEL_TOTAL], model[MODEL_TOTAL_SIGMA] ** 2
    chance = below_nb(value, now + left * mean, left * variance)
    if overtime == 0:
        return chance
    margin, spread = model[MODEL_MARGIN], model[MODEL_MARGIN_SIGMA] ** 2
    level = at_nb(0, lead + left * margin, left * spread)
    extra = model[MODEL_OVERTIME]
    still_level = at_nb(0, extra * margin, extra * spread)
    chance *= 1.0 - level
    reached = level
    for count in range(1, OVERTIMES + 1):
        weight = reached if count == OVERTIMES else reached * (1.0 - still_level)
        play = left + count * extra
        chance += weight * below_nb(value, now + play * mean, play * variance)
        reached *= still_level
    return chance


@kernel()
def side_nb(
    value: int, model: Any, now: float, lead: float, left: float, sign: float, overtime: int
) -> float:
    """Return the chance that one side's final points are below a value; `sign` is -1 for away.

    A side's points are half of the total plus half of its lead. Where overtime follows, the four
    quarters ended level, so each side has half of their total.
    """
    if value <= now:
        return 0.0
    total, total_spread = model[MODEL_TOTAL], model[MODEL_TOTAL_SIGMA] ** 2
    margin, spread = model[MODEL_MARGIN], model[MODEL_MARGIN_SIGMA] ** 2
    mean = 0.5 * (total + sign * margin)
    variance = 0.25 * (total_spread + spread)
    chance = below_nb(value, now + left * mean, left * variance)
    if overtime == 0:
        return chance
    level = at_nb(0, lead + left * margin, left * spread)
    extra = model[MODEL_OVERTIME]
    still_level = at_nb(0, extra * margin, extra * spread)
    half = now - 0.5 * sign * lead + 0.5 * left * total
    half_variance = 0.25 * left * total_spread
    chance = max(chance - level * below_nb(value, half, half_variance), 0.0)
    reached = level
    for count in range(1, OVERTIMES + 1):
        weight = reached if count == OVERTIMES else reached * (1.0 - still_level)
        play = count * extra
        chance += weight * below_nb(value, half + play * mean, half_variance + play * variance)
        reached *= still_level
    return min(chance, 1.0)


@kernel(
    void(
        float64[::1], float64[:, ::1], int64[:, ::1], int64[:, ::1],
        float64[::1], float64[::1], float64[::1],
    )
)  # fmt: skip
def price_basketball_nb(
    model: Any, state: Any, points: Any, terms: Any, features: Any, chances: Any, fair: Any
) -> None:
    """Price every outcome of a board.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        Expected margin and its sigma, expected total and its sigma, an overtime's length.
    state : float64[SCOPES, STATE_COLUMNS]
        For each scope the points of either side, and the share of the four quarters left in it.
    points : int64[points, POINT_COLUMNS]
        Requested chances: that an axis of a scope ends below a value.
    terms : int64[terms, TERM_COLUMNS]
        Intervals: index of the low and high feature, and of the chance they add to.
    features : float64[POINTS_AT + points]
        Scratch.
    chances : float64[CHANCES * outcomes]
        Out: for each outcome the chances to win, half win, push and half lose.
    fair : float64[outcomes]
        Out: the fair probability.
    """
    features[IMPOSSIBLE] = 0.0
    features[CERTAIN] = 1.0
    for k in range(points.shape[0]):
        scope, axis, value = points[k, POINT_SCOPE], points[k, POINT_AXIS], points[k, POINT_VALUE]
        home, away, left = state[scope, HOME_NOW], state[scope, AWAY_NOW], state[scope, LEFT]
        lead = home - away
        overtime = 1 if scope == MATCH else 0
        if axis == MARGIN:
            chance = lead_nb(value, model, lead, left, overtime)
        elif axis == TOTAL:
            chance = total_nb(value, model, home + away, lead, left, overtime)
        elif axis == HOME:
            chance = side_nb(value, model, home, lead, left, 1.0, overtime)
        else:
            chance = side_nb(value, model, away, lead, left, -1.0, overtime)
        features[POINTS_AT + k] = chance
    gather_nb(features, terms, chances, fair)
