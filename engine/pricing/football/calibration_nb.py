"""Kernels that fit a model to a board: from fair probabilities to rates and dependence.

Least squares over the kernel that prices a board, so that a market means the same when it is fitted
as when it is priced. The search is Newton's where the markets determine the model exactly, and
Gauss and Newton's damped by Levenberg and Marquardt where they determine more.

Owns the search and its tolerances. Allocates nothing, returns a code, and never returns a number
that did not converge.
"""

from math import exp, log, sqrt
from typing import Any, Final

from numba import float64, int64, types

from engine.common.jit import kernel
from engine.pricing.football.goal_process_nb import PRICED
from engine.pricing.football.least_squares_nb import (
    cholesky_nb,
    determined_nb,
    largest_residual_nb,
    normal_equations_nb,
    solve_step_nb,
    stationary_nb,
)
from engine.pricing.football.model_nb import PRICER

CONVERGED: Final = 0
UNDERDETERMINED: Final = 1
RATE_OUT_OF_BOUNDS: Final = 2
DEPENDENCE_TOO_STRONG: Final = 3
NOT_CONVERGED: Final = 4

TOLERANCE: Final = 1e-12
"""Each probability of an exact answer is this near to its target."""
COSINE_MAX: Final = 1e-7
"""Largest cosine between the residuals of a least-squares answer and any slope ..."""
_COSINE_AT_REST_MAX: Final = 1e-5
"""... and at a point where no step reduces the sum of squares by a digit that it has."""
_ROUNDING: Final = 1.6e-14
"""Residuals are this exact, so that where they are small their sum of squares tells no cosine below
the root of this over their length."""
_SQUARED_SLOPE_MIN: Final = 1e-18
"""A parameter with a smaller sum of squared slopes changes nothing: its slopes are rounding."""

# How the dependence is set: held, fitted, or equal to one of the limits that the rates allow.
HELD: Final = 0
FITTED: Final = 1
LOWEST: Final = 2
HIGHEST: Final = 3
HOME_RATE_LIMIT: Final = 4
AWAY_RATE_LIMIT: Final = 5
BOTH_RATES_LIMIT: Final = 6

# Columns of `point` (where the search is) and of `answer`.
HOME_LOG: Final = 0
AWAY_LOG: Final = 1
DEPENDENCE: Final = 2
PARAMETERS: Final = 3
ANSWER_HOME: Final = 0
ANSWER_AWAY: Final = 1
ANSWER_DEPENDENCE: Final = 2
ANSWER_ERROR: Final = 3
ANSWER_MODE: Final = 4
ANSWER_COLUMNS: Final = 5
SCRATCH: Final = 32

_DIFFERENCE: Final = 6e-6
_ROUNDS_MAX: Final = 100
_TRIES_MAX: Final = 24
_LOG_STEP_MAX: Final = 1.0
_DEPENDENCE_STEP_MAX: Final = 0.25
_RATE_MIN: Final = 1e-6
_WITHIN_LIMIT: Final = 1.0 - 1e-12


@kernel()
def set_model_nb(model: Any, point: Any, mode: int, dependence_max: float) -> None:
    """Write the rates of a point, and the dependence of its mode, into a packed model."""
    model[0] = exp(point[HOME_LOG])
    model[1] = exp(point[AWAY_LOG])
    if mode == FITTED:
        model[2] = point[DEPENDENCE]
    elif mode == LOWEST:
        model[2] = -dependence_max
    elif mode == HIGHEST:
        model[2] = dependence_max
    elif mode == HOME_RATE_LIMIT:
        model[2] = -_WITHIN_LIMIT / model[0]
    elif mode == AWAY_RATE_LIMIT:
        model[2] = -_WITHIN_LIMIT / model[1]
    elif mode == BOTH_RATES_LIMIT:
        model[2] = _WITHIN_LIMIT / (model[0] * model[1])


@kernel()
def dependence_allowed_nb(model: Any, dependence_max: float) -> bool:
    """Say whether a model's dependence leaves every score a chance of at least zero."""
    home_rate, away_rate, dependence = model[0], model[1], model[2]
    lowest = max(-dependence_max, -1.0 / max(home_rate, away_rate))
    highest = min(dependence_max, 1.0 / (home_rate * away_rate))
    return bool(lowest <= dependence <= highest)


@kernel()
def residuals_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, residuals: Any,
) -> float:  # fmt: skip
    """Fill each fair probability less its target; return half the sum of their squares."""
    if price(model, state, wanted, terms, pmf, features, chances, fair) != PRICED:
        return float("inf")
    cost = 0.0
    for k in range(len(target)):
        residuals[k] = fair[k] - target[k]
        cost += 0.5 * residuals[k] * residuals[k]
    return cost


@kernel()
def jacobian_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, point: Any, mode: int, dependence_max: float, jacobian: Any,
    count: int,
) -> None:  # fmt: skip
    """Fill the slopes of every fair probability by each parameter, as central differences."""
    for p in range(count):
        at = point[p]
        for side in range(2):
            point[p] = at + _DIFFERENCE if side == 0 else at - _DIFFERENCE
            set_model_nb(model, point, mode, dependence_max)
            price(model, state, wanted, terms, pmf, features, chances, fair)
            for k in range(len(fair)):
                if side == 0:
                    jacobian[p, k] = fair[k]
                else:
                    jacobian[p, k] = (jacobian[p, k] - fair[k]) / (2.0 * _DIFFERENCE)
        point[p] = at
    set_model_nb(model, point, mode, dependence_max)


@kernel()
def shorten_step_nb(step: Any, count: int) -> None:
    """Scale a step down until no parameter's part of it is longer than its limit."""
    scale = 1.0
    for p in range(count):
        longest = _DEPENDENCE_STEP_MAX if p == DEPENDENCE else _LOG_STEP_MAX
        if abs(step[p]) > longest:
            scale = min(scale, longest / abs(step[p]))
    for p in range(count):
        step[p] *= scale


@kernel()
def outside_nb(point: Any, mode: int, rate_max: float) -> bool:
    """Say whether a point is outside the region that the search may enter."""
    return bool(
        max(point[HOME_LOG], point[AWAY_LOG]) > log(rate_max) + 0.5
        or min(point[HOME_LOG], point[AWAY_LOG]) < log(_RATE_MIN)
        or (mode == FITTED and abs(point[DEPENDENCE]) > 1.0)
    )


@kernel()
def classify_nb(model: Any, normal: Any, count: int, factor: Any, rate_max: float) -> int:
    """Return the status of the point at which a search stopped, and cap its rates."""
    if max(model[0], model[1]) > rate_max * (1.0 + 1e-9):
        return RATE_OUT_OF_BOUNDS
    model[0] = min(model[0], rate_max)
    model[1] = min(model[1], rate_max)
    return CONVERGED if determined_nb(normal, count, factor) else UNDERDETERMINED


@kernel()
def search_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, mode: int, rate_max: float, dependence_max: float,
    jacobian: Any, residuals: Any, scratch: Any,
) -> int:  # fmt: skip
    """Search from the point in `scratch` for the least squares; leave the answer in `model`.

    Returns
    -------
    int
        CONVERGED, UNDERDETERMINED, RATE_OUT_OF_BOUNDS or NOT_CONVERGED.
    """
    count = PARAMETERS if mode == FITTED else DEPENDENCE
    point, step, gradient = scratch[0:3], scratch[3:6], scratch[6:9]
    normal, factor, previous = scratch[9:18], scratch[18:27], scratch[27:30]
    damping = 1e-3
    set_model_nb(model, point, mode, dependence_max)
    cost = residuals_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, target, residuals
    )
    for _ in range(_ROUNDS_MAX):
        jacobian_nb(
            price, model, state, wanted, terms, pmf, features, chances, fair, point, mode,
            dependence_max, jacobian, count,
        )  # fmt: skip
        normal_equations_nb(jacobian, residuals, count, normal, gradient)
        exact = largest_residual_nb(residuals) <= TOLERANCE
        if exact or stationary_nb(normal, gradient, count, cost, COSINE_MAX):
            return classify_nb(model, normal, count, factor, rate_max)
        for p in range(count):
            if not normal[4 * p] > _SQUARED_SLOPE_MIN:
                return UNDERDETERMINED
            previous[p] = point[p]
        improved = False
        left_region = False
        for _ in range(_TRIES_MAX):
            if cholesky_nb(normal, count, damping, factor) > 0.0:
                solve_step_nb(normal, factor, gradient, count, step)
                shorten_step_nb(step, count)
                for p in range(count):
                    point[p] = previous[p] + step[p]
                outside = outside_nb(point, mode, rate_max)
                left_region = left_region or outside
                if not outside:
                    set_model_nb(model, point, mode, dependence_max)
                    next_cost = residuals_nb(
                        price, model, state, wanted, terms, pmf, features, chances, fair, target,
                        residuals,
                    )  # fmt: skip
                    if next_cost < cost:
                        cost = next_cost
                        damping *= 0.1
                        if damping < 1e-12:
                            damping = 0.0
                        improved = True
                        break
            damping = max(10.0 * damping, 1e-6)
        if not improved:
            for p in range(count):
                point[p] = previous[p]
            set_model_nb(model, point, mode, dependence_max)
            residuals_nb(
                price, model, state, wanted, terms, pmf, features, chances, fair, target, residuals
            )
            least = sqrt(_ROUNDING / max(sqrt(2.0 * cost), _ROUNDING))
            if stationary_nb(normal, gradient, count, cost, max(least, _COSINE_AT_REST_MAX)):
                return classify_nb(model, normal, count, factor, rate_max)
            return RATE_OUT_OF_BOUNDS if left_region else NOT_CONVERGED
    return NOT_CONVERGED


@kernel()
def squares_nb(residuals: Any) -> float:
    """Return the sum of the squared residuals."""
    squares = 0.0
    for k in range(len(residuals)):
        squares += residuals[k] * residuals[k]
    return squares


@kernel()
def store_answer_nb(model: Any, residuals: Any, mode: int, answer: Any) -> None:
    """Fill the columns of an answer."""
    answer[ANSWER_HOME] = model[0]
    answer[ANSWER_AWAY] = model[1]
    answer[ANSWER_DEPENDENCE] = model[2]
    answer[ANSWER_ERROR] = largest_residual_nb(residuals)
    answer[ANSWER_MODE] = mode


@kernel()
def set_point_nb(point: Any, home_rate: float, away_rate: float, dependence: float) -> None:
    """Set the point at which a search starts."""
    point[HOME_LOG] = log(home_rate)
    point[AWAY_LOG] = log(away_rate)
    point[DEPENDENCE] = dependence


@kernel()
def fit_rates_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, rate_max: float, dependence_max: float, jacobian: Any,
    residuals: Any, scratch: Any, starts: Any,
) -> int:  # fmt: skip
    """Fit the rates alone: search from one start after the other until one leads to an answer."""
    status = NOT_CONVERGED
    dependence = model[2]
    for k in range(starts.shape[0]):
        set_point_nb(scratch, starts[k, 0], starts[k, 1], dependence)
        searched = search_nb(
            price, model, state, wanted, terms, pmf, features, chances, fair, target, int(HELD),
            rate_max, dependence_max, jacobian, residuals, scratch,
        )  # fmt: skip
        if searched == CONVERGED:
            return CONVERGED
        if k == 0 or status == NOT_CONVERGED:
            status = searched
    return status


@kernel()
def dependence_determined_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, dependence_max: float, jacobian: Any, residuals: Any, scratch: Any,
    home_rate: float, away_rate: float, dependence: float,
) -> bool:  # fmt: skip
    """Say whether the markets determine the dependence besides the rates at a point."""
    set_point_nb(scratch, home_rate, away_rate, dependence)
    jacobian_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, scratch[0:3], int(FITTED),
        dependence_max, jacobian, int(PARAMETERS),
    )  # fmt: skip
    normal_equations_nb(jacobian, residuals, int(PARAMETERS), scratch[9:18], scratch[6:9])
    return determined_nb(scratch[9:18], int(PARAMETERS), scratch[18:27])


@kernel()
def fit_at_limits_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, rate_max: float, dependence_max: float, jacobian: Any,
    residuals: Any, scratch: Any, answer: Any, home_rate: float, away_rate: float, held_cost: float,
) -> int:  # fmt: skip
    """Fit the rates with the dependence at each of its limits; keep the best allowed answer.

    An answer that is no better than the one with the held dependence is not kept.
    """
    status = DEPENDENCE_TOO_STRONG
    least_cost = held_cost
    for mode in range(LOWEST, BOTH_RATES_LIMIT + 1):
        set_point_nb(scratch, home_rate, away_rate, 0.0)
        searched = search_nb(
            price, model, state, wanted, terms, pmf, features, chances, fair, target, mode,
            rate_max, dependence_max, jacobian, residuals, scratch,
        )  # fmt: skip
        if searched != CONVERGED or not dependence_allowed_nb(model, dependence_max):
            continue
        cost = squares_nb(residuals)
        if cost < least_cost:
            least_cost = cost
            store_answer_nb(model, residuals, mode, answer)
            status = CONVERGED
    return status


@kernel()
def fit_dependence_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, rate_max: float, dependence_max: float, jacobian: Any,
    residuals: Any, scratch: Any, answer: Any, home_rate: float, away_rate: float,
    dependence: float, held_cost: float,
) -> int:  # fmt: skip
    """Fit the dependence with the rates, or at a limit where the rates do not allow the fit."""
    set_point_nb(scratch, home_rate, away_rate, dependence)
    searched = search_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, target, int(FITTED),
        rate_max, dependence_max, jacobian, residuals, scratch,
    )  # fmt: skip
    if searched == CONVERGED and dependence_allowed_nb(model, dependence_max):
        store_answer_nb(model, residuals, int(FITTED), answer)
        return CONVERGED
    at_limits = fit_at_limits_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, target, rate_max,
        dependence_max, jacobian, residuals, scratch, answer, home_rate, away_rate, held_cost,
    )  # fmt: skip
    if CONVERGED in (at_limits, searched):
        return at_limits
    return searched


@kernel(
    int64(
        types.FunctionType(PRICER),
        float64[::1], int64[::1], int64[::1], int64[:, ::1], float64[:, ::1], float64[::1],
        float64[::1], float64[::1], float64[::1], int64, float64, float64, float64[:, ::1],
        float64[:, ::1], float64[::1], float64[::1], float64[::1],
    )
)  # fmt: skip
def calibrate_nb(
    price: Any, model: Any, state: Any, wanted: Any, terms: Any, pmf: Any, features: Any,
    chances: Any, fair: Any, target: Any, fit: int, rate_max: float, dependence_max: float,
    starts: Any, jacobian: Any, residuals: Any, scratch: Any, answer: Any,
) -> int:  # fmt: skip
    """Find the rates, and the dependence if the markets determine it, that fit a board best.

    Parameters
    ----------
    price : function
        `price_board_nb`, called by its address: compiled into each of these kernels it would take
        a minute at the first start.
    model : float64[MODEL_COLUMNS]
        The model as packed for `price_board_nb`, with the dependence to hold; overwritten.
    state, wanted, terms, pmf, features, chances, fair
        As `price_board_nb` takes them.
    target : float64[outcomes]
        The fair probability to fit for each outcome.
    fit : int
        0 to hold the dependence, else to fit it where the markets determine it.
    rate_max, dependence_max : float
        Bounds of an answer's rates and of its dependence (of either sign).
    starts : float64[starts, 2]
        Home and away rates to search from.
    jacobian : float64[PARAMETERS, outcomes]
        Scratch.
    residuals : float64[outcomes]
        Scratch.
    scratch : float64[SCRATCH]
        Scratch.
    answer : float64[ANSWER_COLUMNS]
        Out: home and away rate, dependence, the largest gap to a target, how the dependence was
        set (HELD, FITTED, ...); zeros unless CONVERGED.

    Returns
    -------
    int
        CONVERGED, or why there is no answer.
    """
    for k in range(ANSWER_COLUMNS):
        answer[k] = 0.0
    dependence = model[2]
    held_cost = float("inf")
    home_rate, away_rate = starts[0, 0], starts[0, 1]
    status = fit_rates_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, target, rate_max,
        dependence_max, jacobian, residuals, scratch, starts,
    )  # fmt: skip
    if status == UNDERDETERMINED:
        return status
    if status == CONVERGED:
        home_rate, away_rate = model[0], model[1]
        if dependence_allowed_nb(model, dependence_max):
            store_answer_nb(model, residuals, int(HELD), answer)
            held_cost = squares_nb(residuals)
        else:
            status = DEPENDENCE_TOO_STRONG
    if fit == 0 or not dependence_determined_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, dependence_max, jacobian,
        residuals, scratch, home_rate, away_rate, dependence,
    ):  # fmt: skip
        return status
    fitted = fit_dependence_nb(
        price, model, state, wanted, terms, pmf, features, chances, fair, target, rate_max,
        dependence_max, jacobian, residuals, scratch, answer, home_rate, away_rate, dependence,
        held_cost,
    )  # fmt: skip
    return CONVERGED if status == CONVERGED else fitted
