"""Kernels that fit a model to a board: from fair probabilities to rates and dependence.

Least squares over the very kernel that prices a board, so that whatever a market means when it is
priced it means when it is fitted. Newton where the markets determine the model exactly, Gauss and
Newton's method damped by Levenberg and Marquardt where they say more than that.
Owns the arithmetic and its tolerances; allocates nothing, answers a code, and never passes on a
number that did not converge.
"""

from math import exp, log, sqrt
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel
from engine.pricing.football.model_nb import PRICED, price_board_nb

CONVERGED: Final = 0
UNDERDETERMINED: Final = 1
RATE_OUT_OF_BOUNDS: Final = 2
DEPENDENCE_TOO_STRONG: Final = 3
NOT_CONVERGED: Final = 4

TOLERANCE: Final = 1e-12
"""An exact answer's probabilities are each this near to those asked for."""
ANGLE: Final = 1e-7
"""A least-squares answer's gaps stand this square on every slope (the cosine between them)."""
_ANGLE_AT_REST: Final = 1e-5
"""... and this square where no step brings the sum of squares down by a digit that it has."""
_NO_SLOPE: Final = 1e-18
"""A parameter whose slopes are this short, squared, moves nothing: they are rounding."""
RANK_MIN: Final = 1e-5
"""A parameter counts as determined when this part of its squared slopes is its own."""
SLOPE_MIN: Final = 1e-5
"""... and when its slopes are at least this long."""

# How the dependence is set: held, fitted, or tied to one of the ends of what rates allow it.
HELD: Final = 0
FITTED: Final = 1
AT_LOWEST: Final = 2
AT_HIGHEST: Final = 3
AT_HOME: Final = 4
AT_AWAY: Final = 5
AT_BOTH: Final = 6

# Columns of `point` (where the search stands) and of `found`.
HOME_LOG: Final = 0
AWAY_LOG: Final = 1
DEPENDENCE: Final = 2
PARAMETERS: Final = 3
FOUND_HOME: Final = 0
FOUND_AWAY: Final = 1
FOUND_DEPENDENCE: Final = 2
FOUND_ERROR: Final = 3
FOUND_HOW: Final = 4
FOUND_COLUMNS: Final = 5
SCRATCH: Final = 32

_STEP: Final = 6e-6
_ROUNDS_MAX: Final = 100
_TRIES_MAX: Final = 24
_LOG_STEP_MAX: Final = 1.0
_DEPENDENCE_STEP_MAX: Final = 0.25
_RATE_LOW: Final = 1e-6
_INSIDE: Final = 1.0 - 1e-12


@kernel()
def set_model_nb(model: Any, point: Any, how: int, most: float) -> None:
    """Write the rates of a point and the dependence that goes with them into a packed model."""
    model[0] = exp(point[HOME_LOG])
    model[1] = exp(point[AWAY_LOG])
    if how == FITTED:
        model[2] = point[DEPENDENCE]
    elif how == AT_LOWEST:
        model[2] = -most
    elif how == AT_HIGHEST:
        model[2] = most
    elif how == AT_HOME:
        model[2] = -_INSIDE / model[0]
    elif how == AT_AWAY:
        model[2] = -_INSIDE / model[1]
    elif how == AT_BOTH:
        model[2] = _INSIDE / (model[0] * model[1])


@kernel()
def allowed_nb(model: Any, most: float) -> bool:
    """Say whether a model's dependence leaves every score a chance of at least zero."""
    home_rate, away_rate, dependence = model[0], model[1], model[2]
    lowest = max(-most, -1.0 / max(home_rate, away_rate))
    highest = min(most, 1.0 / (home_rate * away_rate))
    return bool(lowest <= dependence <= highest)


@kernel()
def gaps_nb(
    model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any, chances: Any,
    fair: Any, asked: Any, gaps: Any,
) -> float:  # fmt: skip
    """Fill how far each fair probability is from the one asked for; return half their squares."""
    if price_board_nb(model, state, wanted, terms, pmf, features, chances, fair) != PRICED:
        return float("inf")
    cost = 0.0
    for k in range(len(asked)):
        gaps[k] = fair[k] - asked[k]
        cost += 0.5 * gaps[k] * gaps[k]
    return cost


@kernel()
def slopes_nb(
    model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any, chances: Any,
    fair: Any, point: Any, how: int, most: float, slopes: Any, columns: int,
) -> None:  # fmt: skip
    """Fill the slopes of every fair probability by each parameter, as central differences."""
    for p in range(columns):
        at = point[p]
        for side in range(2):
            point[p] = at + _STEP if side == 0 else at - _STEP
            set_model_nb(model, point, how, most)
            price_board_nb(model, state, wanted, terms, pmf, features, chances, fair)
            for k in range(len(fair)):
                if side == 0:
                    slopes[p, k] = fair[k]
                else:
                    slopes[p, k] = (slopes[p, k] - fair[k]) / (2.0 * _STEP)
        point[p] = at
    set_model_nb(model, point, how, most)


@kernel()
def normal_nb(slopes: Any, gaps: Any, columns: int, normal: Any, gradient: Any) -> None:
    """Fill the normal equations: slopes times slopes (3 x 3, flat), and slopes times gaps."""
    for p in range(columns):
        gradient[p] = 0.0
        for k in range(len(gaps)):
            gradient[p] += slopes[p, k] * gaps[k]
        for q in range(p + 1):
            dot = 0.0
            for k in range(len(gaps)):
                dot += slopes[p, k] * slopes[q, k]
            normal[3 * p + q] = dot
            normal[3 * q + p] = dot


@kernel()
def factor_nb(normal: Any, columns: int, damping: float, factor: Any) -> float:
    """Fill the Cholesky factor of the damped normal equations, scaled to ones on the diagonal.

    Returns
    -------
    float
        The smallest square on the factor's diagonal: the part of a parameter's slopes that those
        before it do not explain. Zero or less means there is no factor.
    """
    smallest = 1.0
    for p in range(columns):
        for q in range(p + 1):
            scale = sqrt(normal[4 * p] * normal[4 * q])
            if not scale > 0.0:
                return 0.0
            rest = normal[3 * p + q] / scale
            if p == q:
                rest = 1.0 + damping
            for k in range(q):
                rest -= factor[3 * p + k] * factor[3 * q + k]
            if p == q:
                smallest = min(smallest, rest)
                if not rest > 0.0:
                    return 0.0
                factor[4 * p] = sqrt(rest)
            else:
                factor[3 * p + q] = rest / factor[4 * q]
    return smallest


@kernel()
def step_nb(normal: Any, factor: Any, gradient: Any, columns: int, step: Any) -> None:
    """Solve for the step, no parameter's being longer than it may be."""
    for p in range(columns):
        rest = -gradient[p] / sqrt(normal[4 * p])
        for k in range(p):
            rest -= factor[3 * p + k] * step[k]
        step[p] = rest / factor[4 * p]
    for p in range(columns - 1, -1, -1):
        rest = step[p]
        for k in range(p + 1, columns):
            rest -= factor[3 * k + p] * step[k]
        step[p] = rest / factor[4 * p]
    part = 1.0
    for p in range(columns):
        step[p] /= sqrt(normal[4 * p])
        longest = _DEPENDENCE_STEP_MAX if p == DEPENDENCE else _LOG_STEP_MAX
        if abs(step[p]) > longest:
            part = min(part, longest / abs(step[p]))
    for p in range(columns):
        step[p] *= part


@kernel()
def worst_nb(gaps: Any) -> float:
    """Return the widest gap."""
    worst = 0.0
    for k in range(len(gaps)):
        worst = max(worst, abs(gaps[k]))
    return worst


@kernel()
def determined_nb(normal: Any, columns: int, factor: Any) -> bool:
    """Say whether the slopes tell all parameters apart."""
    for p in range(columns):
        if not normal[4 * p] > SLOPE_MIN * SLOPE_MIN:
            return False
    return factor_nb(normal, columns, 0.0, factor) > RANK_MIN


@kernel()
def settled_nb(normal: Any, gradient: Any, columns: int, cost: float, angle: float) -> bool:
    """Say whether the gaps stand square on all slopes, so that no step makes them smaller."""
    length = sqrt(2.0 * cost)
    square = True
    for p in range(columns):
        square = square and abs(gradient[p]) <= angle * sqrt(normal[4 * p]) * length
    return square


@kernel()
def answer_nb(model: Any, normal: Any, columns: int, factor: Any, rate_max: float) -> int:
    """Say whether the point where a search came to rest is an answer."""
    if max(model[0], model[1]) > rate_max * (1.0 + 1e-9):
        return RATE_OUT_OF_BOUNDS
    model[0] = min(model[0], rate_max)
    model[1] = min(model[1], rate_max)
    return CONVERGED if determined_nb(normal, columns, factor) else UNDERDETERMINED


@kernel()
def search_nb(
    model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any, chances: Any,
    fair: Any, asked: Any, how: int, rate_max: float, most: float, slopes: Any, gaps: Any,
    scratch: Any,
) -> int:  # fmt: skip
    """Search from the point in `scratch` for the least squares; leave the answer in `model`.

    Returns
    -------
    int
        CONVERGED, UNDERDETERMINED, RATE_OUT_OF_BOUNDS or NOT_CONVERGED.
    """
    columns = PARAMETERS if how == FITTED else DEPENDENCE
    point, step, gradient = scratch[0:3], scratch[3:6], scratch[6:9]
    normal, factor, before = scratch[9:18], scratch[18:27], scratch[27:30]
    highest = log(rate_max)
    damping = 1e-3
    set_model_nb(model, point, how, most)
    cost = gaps_nb(model, state, wanted, terms, pmf, features, chances, fair, asked, gaps)
    for _ in range(_ROUNDS_MAX):
        slopes_nb(
            model, state, wanted, terms, pmf, features, chances, fair, point, how, most, slopes,
            columns,
        )  # fmt: skip
        normal_nb(slopes, gaps, columns, normal, gradient)
        worst = worst_nb(gaps)
        if worst <= TOLERANCE or settled_nb(normal, gradient, columns, cost, ANGLE):
            return answer_nb(model, normal, columns, factor, rate_max)
        for p in range(columns):
            if not normal[4 * p] > _NO_SLOPE:
                return UNDERDETERMINED
            before[p] = point[p]
        nearer = False
        walled = False
        for _ in range(_TRIES_MAX):
            if factor_nb(normal, columns, damping, factor) > 0.0:
                step_nb(normal, factor, gradient, columns, step)
                for p in range(columns):
                    point[p] = before[p] + step[p]
                outside = (
                    max(point[HOME_LOG], point[AWAY_LOG]) > highest + 0.5
                    or min(point[HOME_LOG], point[AWAY_LOG]) < log(_RATE_LOW)
                    or (how == FITTED and abs(point[DEPENDENCE]) > 1.0)
                )
                walled = walled or outside
                if not outside:
                    set_model_nb(model, point, how, most)
                    next_cost = gaps_nb(
                        model, state, wanted, terms, pmf, features, chances, fair, asked, gaps
                    )
                    if next_cost < cost:
                        cost = next_cost
                        damping *= 0.1
                        if damping < 1e-12:
                            damping = 0.0
                        nearer = True
                        break
            damping = max(10.0 * damping, 1e-6)
        if not nearer:
            for p in range(columns):
                point[p] = before[p]
            set_model_nb(model, point, how, most)
            gaps_nb(model, state, wanted, terms, pmf, features, chances, fair, asked, gaps)
            if settled_nb(normal, gradient, columns, cost, _ANGLE_AT_REST):
                return answer_nb(model, normal, columns, factor, rate_max)
            return RATE_OUT_OF_BOUNDS if walled else NOT_CONVERGED
    return NOT_CONVERGED


@kernel()
def keep_nb(model: Any, gaps: Any, how: int, found: Any) -> None:
    """Write an answer down."""
    found[FOUND_HOME] = model[0]
    found[FOUND_AWAY] = model[1]
    found[FOUND_DEPENDENCE] = model[2]
    found[FOUND_ERROR] = worst_nb(gaps)
    found[FOUND_HOW] = how


@kernel()
def from_nb(point: Any, home_rate: float, away_rate: float, dependence: float) -> None:
    """Put the search somewhere."""
    point[HOME_LOG] = log(home_rate)
    point[AWAY_LOG] = log(away_rate)
    point[DEPENDENCE] = dependence


@kernel()
def held_nb(
    model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any, chances: Any,
    fair: Any, asked: Any, rate_max: float, most: float, slopes: Any, gaps: Any, scratch: Any,
    starts: Any,
) -> int:  # fmt: skip
    """Search for the rates alone, from one start after the other until one leads to an answer."""
    status = NOT_CONVERGED
    dependence = model[2]
    for k in range(starts.shape[0]):
        from_nb(scratch, starts[k, 0], starts[k, 1], dependence)
        tried = search_nb(
            model, state, wanted, terms, pmf, features, chances, fair, asked, HELD, rate_max, most,
            slopes, gaps, scratch,
        )  # fmt: skip
        if tried == CONVERGED:
            return CONVERGED
        if k == 0 or status == NOT_CONVERGED:
            status = tried
    return status


@kernel()
def ends_nb(
    model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any, chances: Any,
    fair: Any, asked: Any, rate_max: float, most: float, slopes: Any, gaps: Any, scratch: Any,
    found: Any, home_rate: float, away_rate: float,
) -> int:  # fmt: skip
    """Fit with the dependence at each end of what rates allow; keep the best that is allowed."""
    status = DEPENDENCE_TOO_STRONG
    best = float("inf")
    for how in range(AT_LOWEST, AT_BOTH + 1):
        from_nb(scratch, home_rate, away_rate, 0.0)
        tried = search_nb(
            model, state, wanted, terms, pmf, features, chances, fair, asked, how, rate_max, most,
            slopes, gaps, scratch,
        )  # fmt: skip
        if tried != CONVERGED or not allowed_nb(model, most):
            continue
        cost = 0.0
        for k in range(len(gaps)):
            cost += gaps[k] * gaps[k]
        if cost < best:
            best = cost
            keep_nb(model, gaps, how, found)
            status = CONVERGED
    return status


@kernel(
    int64(
        float64[::1], int64[::1], int64[::1], int64[:, ::1], float64[:, ::1], float64[::1],
        float64[::1], float64[::1], float64[::1], int64, float64, float64, float64[:, ::1],
        float64[:, ::1], float64[::1], float64[::1], float64[::1],
    )
)  # fmt: skip
def calibrate_nb(
    model: Any,
    state: Any,
    wanted: Any,
    terms: Any,
    pmf: Any,
    features: Any,
    chances: Any,
    fair: Any,
    asked: Any,
    fit: int,
    rate_max: float,
    most: float,
    starts: Any,
    slopes: Any,
    gaps: Any,
    scratch: Any,
    found: Any,
) -> int:
    """Find the rates, and the dependence where it can be told, that fit probabilities best.

    Parameters
    ----------
    model : float64[MODEL_COLUMNS]
        The model as packed for `price_board_nb`, with the dependence to hold; overwritten.
    state, wanted, terms, pmf, features, chances, fair
        As `price_board_nb` takes them.
    asked : float64[outcomes]
        The fair probability of each outcome.
    fit : int
        0 to hold the dependence, else to fit it where the markets determine it.
    rate_max, most : float
        No rate and no dependence (of either sign) above these is an answer.
    starts : float64[starts, 2]
        Home and away rates to search from.
    slopes : float64[PARAMETERS, outcomes]
        Scratch.
    gaps : float64[outcomes]
        Scratch.
    scratch : float64[SCRATCH]
        Scratch.
    found : float64[FOUND_COLUMNS]
        Out: home and away rate, dependence, the widest gap to what was asked, how the dependence
        was set; zeros unless CONVERGED.

    Returns
    -------
    int
        CONVERGED, or why not.
    """
    for k in range(FOUND_COLUMNS):
        found[k] = 0.0
    dependence = model[2]
    status = held_nb(
        model, state, wanted, terms, pmf, features, chances, fair, asked, rate_max, most, slopes,
        gaps, scratch, starts,
    )  # fmt: skip
    if status == UNDERDETERMINED:
        return status
    held = status == CONVERGED and allowed_nb(model, most)
    if status == CONVERGED:
        home_rate, away_rate = model[0], model[1]
        if held:
            keep_nb(model, gaps, HELD, found)
    else:
        home_rate, away_rate = starts[0, 0], starts[0, 1]
    if fit == 0:
        return DEPENDENCE_TOO_STRONG if status == CONVERGED and not held else status
    from_nb(scratch, home_rate, away_rate, dependence)
    slopes_nb(
        model, state, wanted, terms, pmf, features, chances, fair, scratch[0:3], FITTED, most,
        slopes, PARAMETERS,
    )  # fmt: skip
    normal_nb(slopes, gaps, PARAMETERS, scratch[9:18], scratch[6:9])
    if not determined_nb(scratch[9:18], PARAMETERS, scratch[18:27]):
        return DEPENDENCE_TOO_STRONG if status == CONVERGED and not held else status
    tried = search_nb(
        model, state, wanted, terms, pmf, features, chances, fair, asked, FITTED, rate_max, most,
        slopes, gaps, scratch,
    )  # fmt: skip
    if tried == CONVERGED and allowed_nb(model, most):
        keep_nb(model, gaps, FITTED, found)
        return CONVERGED
    ended = ends_nb(
        model, state, wanted, terms, pmf, features, chances, fair, asked, rate_max, most, slopes,
        gaps, scratch, found, home_rate, away_rate,
    )  # fmt: skip
    if ended == CONVERGED or held:
        return CONVERGED
    return ended if tried == CONVERGED else tried
