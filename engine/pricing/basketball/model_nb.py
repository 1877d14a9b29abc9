"""Price basketball from a lead that is pulled back, a total, and overtime: the kernels.

With t of the four quarters played, a lead l is ``l - t mu`` from its expected path; the final lead
has mean ``mu + B(t) (l - t mu)`` and variance V(t). B rises to 1 and V falls to 0, so that the mean
is a martingale: every price is the mean of its own future. With B = 1 and V = (1 - t) sigma^2 this
is Brownian motion (Stern 1994, JASA 89). Level scores have more mass than the normal gives: the
chances of the final lead are weighted, and all earlier ones by the expectation of its weight.

The points still to be scored are normal and independent of the lead. All are rounded to whole
points. Owns the arithmetic; never knows a market by name.
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
MODEL_TOTAL: Final = 1
MODEL_TOTAL_VARIANCE: Final = 2
MODEL_OVERTIME: Final = 3
"""The length of an overtime as a share of the four quarters."""
MODEL_LEVEL: Final = 4
"""The factor on the chance of a level score."""
MODEL_KEPT: Final = 5
"""B(t), the share of a lead's deviation that is kept to the end, before and after each quarter."""
MODEL_VARIANCE: Final = 10
"""V(t), the variance of the final lead, before and after each quarter."""
MODEL_COLUMNS: Final = 15

# Columns of a scope's row in the packed state.
HOME_NOW: Final = 0
AWAY_NOW: Final = 1
LEFT: Final = 2
"""The share of the four quarters left to play in the scope, or in its overtime."""
FIRST: Final = 3
LAST: Final = 4
"""The scope's first and last moment as a share of the four quarters."""
STATE_COLUMNS: Final = 5

# Columns of a scope's lead: its mean, its variance, and its covariance with the final lead.
MEAN: Final = 0
VARIANCE: Final = 1
COVARIANCE: Final = 2
LEAD_COLUMNS: Final = 3

# The weights of a final lead: rows, and columns of the excess of weight below each lead near 0.
REGULAR_WEIGHTS: Final = 0
MATCH_WEIGHTS: Final = 1
"""Those at the end of the four quarters, or of the overtime being played."""
OVERTIME_WEIGHTS: Final = 2
"""Those at the end of an overtime still to come."""
WEIGHT_ROWS: Final = 3
NEAR: Final = 3
"""Leads on either side of a level score that give up, in equal parts, what it has in excess."""
NEAR_LEADS: Final = 2 * NEAR + 1
WEIGHT: Final = NEAR_LEADS + 1
"""The expected weight, by which weighted chances are divided."""
LEVEL: Final = NEAR_LEADS + 2
"""The weighted chance of a level score."""
WEIGHT_COLUMNS: Final = NEAR_LEADS + 3

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
_INSTANT: Final = 1e-9


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


# --- the lead ------------------------------------------------------------------------------------


@kernel()
def between_nb(model: Any, column: int, played: float) -> float:
    """Return B or V with a share of the four quarters played, from the quarters round it."""
    quarter = min(int(4.0 * played), 3)
    share = 4.0 * played - quarter
    return float(model[column + quarter] * (1.0 - share) + model[column + quarter + 1] * share)


@kernel()
def scope_lead_nb(model: Any, state: Any, leads: Any) -> None:
    """Fill each scope's lead at its end: mean, variance, and covariance with the final lead.

    For the match the final lead is that of the overtime being played.
    """
    mu = model[MODEL_MARGIN]
    played = 1.0 - state[REGULAR, LEFT]
    away_from_path = state[REGULAR, HOME_NOW] - state[REGULAR, AWAY_NOW] - played * mu
    kept_now = between_nb(model, MODEL_KEPT, played)
    variance_now = between_nb(model, MODEL_VARIANCE, played)
    for scope in range(SCOPES):
        lead = state[scope, HOME_NOW] - state[scope, AWAY_NOW]
        last = state[scope, LAST]
        leads[scope, MEAN] = lead
        leads[scope, VARIANCE] = 0.0
        leads[scope, COVARIANCE] = 0.0
        if last > played + _INSTANT:
            first = max(state[scope, FIRST], played)
            kept, later = between_nb(model, MODEL_KEPT, first), between_nb(model, MODEL_KEPT, last)
            variance = between_nb(model, MODEL_VARIANCE, first)
            after = between_nb(model, MODEL_VARIANCE, last)
            pull = 1.0 - kept / later
            before = (variance_now - variance) / (kept * kept)
            leads[scope, MEAN] += (last - first) * mu - pull * kept_now / kept * away_from_path
            leads[scope, VARIANCE] = pull * pull * before + (variance - after) / (later * later)
            leads[scope, COVARIANCE] = (variance_now - after) / later - before * kept
        elif scope == MATCH:
            left = state[scope, LEFT]
            leads[scope, MEAN] += left * mu
            leads[scope, VARIANCE] = left * overtime_rate_nb(model)
            leads[scope, COVARIANCE] = leads[scope, VARIANCE]


@kernel()
def overtime_rate_nb(model: Any) -> float:
    """Return the variance of a lead that grows over four quarters as in the last of them."""
    return float(4.0 * model[MODEL_VARIANCE + 3])


@kernel()
def fill_weights_nb(model: Any, mean: float, variance: float, weights: Any) -> None:
    """Fill a row of weights for a final lead of this mean and variance.

    A level score has the factor `MODEL_LEVEL`, and each of the leads near it an equal part less
    than 1. So the expected weight is 1 but for the curve of the normal.
    """
    excess = model[MODEL_LEVEL] - 1.0
    before = below_nb(-NEAR, mean, variance)
    weights[0] = 0.0
    for k in range(NEAR_LEADS):
        after = below_nb(k - NEAR + 1, mean, variance)
        factor = excess if k == NEAR else -0.5 * excess / NEAR
        weights[k + 1] = weights[k] + factor * (after - before)
        if k == NEAR:
            weights[LEVEL] = model[MODEL_LEVEL] * (after - before)
        before = after
    weights[WEIGHT] = 1.0 + weights[NEAR_LEADS]
    weights[LEVEL] /= weights[WEIGHT]


@kernel()
def final_below_nb(value: int, mean: float, variance: float, weights: Any) -> float:
    """Return the weighted chance that a final lead is below a value."""
    chance = below_nb(value, mean, variance) + weights[min(max(value + NEAR, 0), NEAR_LEADS)]
    return float(min(max(chance / weights[WEIGHT], 0.0), 1.0))


@kernel()
def part_below_nb(value: int, leads: Any, scope: int, weights: Any) -> float:
    """Return the weighted chance that a scope's lead is below a value, before the last quarter.

    Given the final lead, that of the scope is normal; so each final lead near 0 adds or takes its
    excess of weight.
    """
    mean, variance = leads[scope, MEAN], leads[scope, VARIANCE]
    chance = below_nb(value, mean, variance)
    if not variance > 0.0:
        return chance
    final_mean, covariance = leads[REGULAR, MEAN], leads[scope, COVARIANCE]
    slope = covariance / leads[REGULAR, VARIANCE]
    rest = max(variance - slope * covariance, 0.0)
    for k in range(NEAR_LEADS):
        part = weights[k + 1] - weights[k]
        if part != 0.0:
            chance += part * below_nb(value, mean + slope * (k - NEAR - final_mean), rest)
    return float(min(max(chance / weights[WEIGHT], 0.0), 1.0))


@kernel()
def lead_nb(value: int, model: Any, state: Any, leads: Any, weights: Any, scope: int) -> float:
    """Return the chance that a scope's lead ends below a value.

    In the match overtimes follow a level score until it is not level.
    """
    mean, variance = leads[scope, MEAN], leads[scope, VARIANCE]
    if scope != MATCH:
        played = 1.0 - state[REGULAR, LEFT]
        if state[scope, LAST] < 1.0 or state[scope, FIRST] > played + _INSTANT:
            return part_below_nb(value, leads, scope, weights[REGULAR_WEIGHTS])
        # The scope ends the four quarters and has begun: its lead is the final one but for the
        # points scored before it.
        final_mean = leads[REGULAR, MEAN]
        before = final_mean - mean
        shift = int(before + 0.5) if before >= 0.0 else -int(0.5 - before)
        return final_below_nb(value + shift, final_mean, variance, weights[REGULAR_WEIGHTS])
    chance = final_below_nb(value, mean, variance, weights[MATCH_WEIGHTS])
    level = weights[MATCH_WEIGHTS, LEVEL]
    if level == 0.0:
        return chance
    extra = model[MODEL_OVERTIME]
    still_level = weights[OVERTIME_WEIGHTS, LEVEL]
    later = final_below_nb(
        value,
        extra * model[MODEL_MARGIN],
        extra * overtime_rate_nb(model),
        weights[OVERTIME_WEIGHTS],
    )
    if value >= 1:
        chance -= level
        later -= still_level
    return float(max(chance, 0.0) + level * max(later, 0.0) / (1.0 - still_level))


# --- the points ----------------------------------------------------------------------------------


@kernel()
def total_nb(value: int, model: Any, state: Any, weights: Any, scope: int) -> float:
    """Return the chance that the total of both sides in a scope ends below a value."""
    now, left = state[scope, HOME_NOW] + state[scope, AWAY_NOW], state[scope, LEFT]
    if value <= now:
        return 0.0
    mean, variance = model[MODEL_TOTAL], model[MODEL_TOTAL_VARIANCE]
    chance = below_nb(value, now + left * mean, left * variance)
    if scope != MATCH:
        return chance
    extra = model[MODEL_OVERTIME]
    still_level = weights[OVERTIME_WEIGHTS, LEVEL]
    reached = weights[MATCH_WEIGHTS, LEVEL]
    chance *= 1.0 - reached
    for count in range(1, OVERTIMES + 1):
        weight = reached if count == OVERTIMES else reached * (1.0 - still_level)
        play = left + count * extra
        chance += weight * below_nb(value, now + play * mean, play * variance)
        reached *= still_level
    return float(chance)


@kernel()
def side_nb(
    value: int, model: Any, state: Any, leads: Any, weights: Any, scope: int, sign: float
) -> float:
    """Return the chance that one side's points end below a value; `sign` is -1 for away.

    A side's points are half of the total plus half of its lead. Where overtime follows, the four
    quarters ended level, so each side has half of their total. The excess of level scores comes
    from leads near 0, whose sides have nearly the same points, so it does not move a side's points.
    """
    now = state[scope, HOME_NOW] if sign > 0.0 else state[scope, AWAY_NOW]
    if value <= now:
        return 0.0
    lead, left = state[scope, HOME_NOW] - state[scope, AWAY_NOW], state[scope, LEFT]
    total, spread = model[MODEL_TOTAL], model[MODEL_TOTAL_VARIANCE]
    gain = sign * (leads[scope, MEAN] - lead)
    mean = now + 0.5 * (left * total + gain)
    chance = below_nb(value, mean, 0.25 * (left * spread + leads[scope, VARIANCE]))
    if scope != MATCH:
        return chance
    margin, rate = model[MODEL_MARGIN], overtime_rate_nb(model)
    reached, still_level = weights[MATCH_WEIGHTS, LEVEL], weights[OVERTIME_WEIGHTS, LEVEL]
    half = now - 0.5 * sign * lead + 0.5 * left * total
    half_variance = 0.25 * left * spread
    chance = max(chance - reached * below_nb(value, half, half_variance), 0.0)
    overtime_mean, overtime_variance = 0.5 * (total + sign * margin), 0.25 * (spread + rate)
    for count in range(1, OVERTIMES + 1):
        weight = reached if count == OVERTIMES else reached * (1.0 - still_level)
        play = count * model[MODEL_OVERTIME]
        later = half + play * overtime_mean
        chance += weight * below_nb(value, later, half_variance + play * overtime_variance)
        reached *= still_level
    return float(min(chance, 1.0))


@kernel(
    void(
        float64[::1], float64[:, ::1], int64[:, ::1], int64[:, ::1],
        float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[::1],
    )
)  # fmt: skip
def price_basketball_nb(
    model: Any,
    state: Any,
    points: Any,
    terms: Any,
    leads: Any,
    weights: Any,
    features: Any,
    chances: Any,
    fair: Any,
) -> None:
    """Price every outcome of a board.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        Expected margin, expected total and its variance, an overtime's length, the factor of level
        scores, and B and V before and after each quarter.
    state : float64[SCOPES, STATE_COLUMNS]
        For each scope the points of either side, the share of the four quarters left in it, and
        its first and last moment.
    points : int64[points, POINT_COLUMNS]
        Requested chances: that an axis of a scope ends below a value.
    terms : int64[terms, TERM_COLUMNS]
        Intervals: index of the low and high feature, and of the chance they add to.
    leads : float64[SCOPES, LEAD_COLUMNS]
        Scratch.
    weights : float64[WEIGHT_ROWS, WEIGHT_COLUMNS]
        Scratch.
    features : float64[POINTS_AT + points]
        Scratch.
    chances : float64[CHANCES * outcomes]
        Out: for each outcome the chances to win, half win, push and half lose.
    fair : float64[outcomes]
        Out: the fair probability.
    """
    features[IMPOSSIBLE] = 0.0
    features[CERTAIN] = 1.0
    scope_lead_nb(model, state, leads)
    extra = model[MODEL_OVERTIME]
    for row, mean, variance in (
        (REGULAR_WEIGHTS, leads[REGULAR, MEAN], leads[REGULAR, VARIANCE]),
        (MATCH_WEIGHTS, leads[MATCH, MEAN], leads[MATCH, VARIANCE]),
        (OVERTIME_WEIGHTS, extra * model[MODEL_MARGIN], extra * overtime_rate_nb(model)),
    ):
        fill_weights_nb(model, mean, variance, weights[row])
    for k in range(points.shape[0]):
        scope, axis, value = points[k, POINT_SCOPE], points[k, POINT_AXIS], points[k, POINT_VALUE]
        if axis == MARGIN:
            chance = lead_nb(value, model, state, leads, weights, scope)
        elif axis == TOTAL:
            chance = total_nb(value, model, state, weights, scope)
        elif axis == HOME:
            chance = side_nb(value, model, state, leads, weights, scope, 1.0)
        else:
            chance = side_nb(value, model, state, leads, weights, scope, -1.0)
        features[POINTS_AT + k] = chance
    gather_nb(features, terms, chances, fair)
