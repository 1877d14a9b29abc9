"""Kernels that find a match's rates from 1x2 probabilities: Newton's method to a stated tolerance.

Owns the arithmetic. Allocates nothing, returns a code, and never returns a number that did not
converge.
"""

from math import exp, log
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel

CONVERGED: Final = 0
NOT_PROBABILITIES: Final = 1
RATE_OUT_OF_BOUNDS: Final = 2
DEPENDENCE_TOO_STRONG: Final = 3
NOT_CONVERGED: Final = 4

TOLERANCE: Final = 1e-12
"""The answer's home and away probabilities are each this near to the given ones."""
SCRATCH: Final = 11
_ITERATIONS_MAX: Final = 60
_HALVINGS_MAX: Final = 40
_STEP_MAX: Final = 1.0
_TERMS: Final = 64
_RATE_MIN: Final = 1e-6


@kernel(int64(float64, float64, float64, float64[::1]))
def result_chances_nb(home_rate: float, away_rate: float, dependence: float, out: Any) -> int:
    """Fill the chances of a home win, a draw and an away win, and their slopes by the rates.

    With X and Y Poisson, ``d P(X > Y) / d home_rate = P(X = Y)`` and
    ``d P(X > Y) / d away_rate = -P(X = Y + 1)``, so three diagonals of the score grid give the
    whole Jacobian. The Dixon-Coles factors add one amount each to the wins 1:0 and 0:1, and take it
    from each of the draws 0:0 and 1:1.

    Parameters
    ----------
    home_rate, away_rate : float
        Goals expected in the match, above 0.
    dependence : float
        Dixon and Coles' rho.
    out : float64[7]
        Out: home, draw, away; d home / d home_rate, d home / d away_rate, d away / d home_rate,
        d away / d away_rate.

    Returns
    -------
    int
        The number of terms summed.
    """
    home_term = exp(-home_rate)
    away_term = exp(-away_rate)
    home_below = 0.0
    away_below = 0.0
    home_win = draw = away_win = home_by_one = away_by_one = 0.0
    home_before = 0.0
    away_before = 0.0
    terms = 0
    for k in range(_TERMS):
        draw += home_term * away_term
        home_win += home_term * away_below
        away_win += away_term * home_below
        home_by_one += home_term * away_before
        away_by_one += away_term * home_before
        home_below += home_term
        away_below += away_term
        home_before = home_term
        away_before = away_term
        home_term *= home_rate / (k + 1)
        away_term *= away_rate / (k + 1)
        terms = k + 1
        if k > home_rate and k > away_rate and max(home_term, away_term) < 1e-18:
            break
    tilt = dependence * home_rate * away_rate * exp(-home_rate - away_rate)
    by_home = tilt * (1.0 / home_rate - 1.0)
    by_away = tilt * (1.0 / away_rate - 1.0)
    out[0] = home_win + tilt
    out[1] = draw - 2.0 * tilt
    out[2] = away_win + tilt
    out[3] = draw + by_home
    out[4] = by_away - home_by_one
    out[5] = by_home - away_by_one
    out[6] = draw + by_away
    return terms


@kernel()
def newton_step_nb(home: float, away: float, work: Any, logs: Any) -> bool:
    """Write Newton's step to `logs[2:4]`; return False when the Jacobian is singular.

    `work` is filled by `result_chances_nb`, `logs[0:2]` are the logarithms of the rates.
    """
    home_rate, away_rate = exp(logs[0]), exp(logs[1])
    hh, ha = work[3] * home_rate, work[4] * away_rate
    ah, aa = work[5] * home_rate, work[6] * away_rate
    determinant = hh * aa - ha * ah
    if not abs(determinant) > 1e-300:
        return False
    home_gap, away_gap = home - work[0], away - work[2]
    logs[2] = (home_gap * aa - away_gap * ha) / determinant
    logs[3] = (hh * away_gap - ah * home_gap) / determinant
    return True


@kernel()
def check_rates_nb(
    home_rate: float, away_rate: float, dependence: float, rate_max: float, rates: Any
) -> int:
    """Fill `rates` when a model may have these; return CONVERGED or the bound that they break."""
    if max(home_rate, away_rate) > rate_max * (1.0 + 1e-9):
        return RATE_OUT_OF_BOUNDS
    if (
        home_rate * away_rate * dependence > 1.0
        or home_rate * dependence < -1.0
        or away_rate * dependence < -1.0
    ):
        return DEPENDENCE_TOO_STRONG
    rates[0] = min(home_rate, rate_max)
    rates[1] = min(away_rate, rate_max)
    return CONVERGED


@kernel()
def search_nb(
    home: float, away: float, dependence: float, rate_max: float, work: Any, logs: Any, rates: Any
) -> int:
    """Search from the logarithms in `logs`; other parameters are those of `rates_from_1x2_nb`."""
    result_chances_nb(exp(logs[0]), exp(logs[1]), dependence, work)
    error = max(abs(work[0] - home), abs(work[2] - away))
    high = log(rate_max) + 1e-9
    for _ in range(_ITERATIONS_MAX):
        if error <= TOLERANCE:
            return check_rates_nb(exp(logs[0]), exp(logs[1]), dependence, rate_max, rates)
        if not newton_step_nb(home, away, work, logs):
            return NOT_CONVERGED
        longest = max(abs(logs[2]), abs(logs[3]))
        scale = min(1.0, _STEP_MAX / longest) if longest > 0.0 else 1.0
        improved = False
        for _ in range(_HALVINGS_MAX):
            home_next = logs[0] + scale * logs[2]
            away_next = logs[1] + scale * logs[3]
            if max(home_next, away_next) < high + _STEP_MAX:
                result_chances_nb(exp(home_next), exp(away_next), dependence, work)
                error_next = max(abs(work[0] - home), abs(work[2] - away))
                if error_next < error:
                    improved = True
                    break
            scale *= 0.5
        if not improved:
            return RATE_OUT_OF_BOUNDS if max(logs[0], logs[1]) > high - 0.1 else NOT_CONVERGED
        logs[0], logs[1], error = home_next, away_next, error_next
        if min(logs[0], logs[1]) < log(_RATE_MIN):
            return RATE_OUT_OF_BOUNDS
    return NOT_CONVERGED


@kernel(int64(float64, float64, float64, float64, float64[::1], float64[::1]))
def rates_from_1x2_nb(
    home: float, away: float, dependence: float, rate_max: float, scratch: Any, rates: Any
) -> int:
    """Find the two rates at which the model gives these home and away probabilities.

    Newton's method in the logarithms of the rates. A step changes a rate by at most a factor of e,
    and is halved until it brings the probabilities nearer. When the search fails from the rates of
    a typical match, it starts again from a mismatch either way, from many goals and from few.

    Parameters
    ----------
    home, away : float
        Probabilities without margin; the draw's is the rest up to 1.
    dependence : float
        Dixon and Coles' rho, held fixed.
    rate_max : float
        No rate above this is an answer.
    scratch : float64[SCRATCH]
        Scratch.
    rates : float64[2]
        Out: home and away rate; zeros unless CONVERGED.

    Returns
    -------
    int
        CONVERGED, or why there is no answer.
    """
    rates[0] = 0.0
    rates[1] = 0.0
    if not (home > 0.0 and away > 0.0 and home + away < 1.0 and abs(dependence) <= 1.0):
        return NOT_PROBABILITIES
    work, logs = scratch[:7], scratch[7:]
    first = CONVERGED
    for start in range(5):
        logs[0] = log(1.3 if start == 0 else 5.0 if start in (1, 3) else 0.3)
        logs[1] = log(1.1 if start == 0 else 5.0 if start in (2, 3) else 0.3)
        status = search_nb(home, away, dependence, rate_max, work, logs, rates)
        if status in (CONVERGED, DEPENDENCE_TOO_STRONG):
            return status
        if start == 0:
            first = status
    return first
