"""Move probabilities to a book sum and back by the margin methods: the kernels.

Owns the arithmetic and its tolerance; never allocates, never answers NaN. A market without an
answer gets a status and zeros (OUT_OF_RANGE keeps the method's finite values).
"""

from math import exp, log, sqrt
from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel

PROPORTIONAL: Final = 0
ADDITIVE: Final = 1
POWER: Final = 2
ODDS_RATIO: Final = 3
SHIN: Final = 4
STANDARD_ERROR: Final = 5
METHODS: Final = 6
SHIN_INVERSE: Final = 6
"""Not a method of its own: the inverse of Shin's, for removing a margin."""

ADD: Final = 0
REMOVE: Final = 1

SOLVED: Final = 0
BAD_INPUT: Final = 1
NO_SOLUTION: Final = 2
OUT_OF_RANGE: Final = 3
NOT_CONVERGED: Final = 4

TOLERANCE: Final = 1e-12
"""A solved market's sum is within this of its target, relative to the target."""
_ITERATIONS_MAX: Final = 200
PROBABILITY_MIN: Final = 1e-150
"""A probability below this is neither taken nor given: its square would underflow to 0."""
SUM_TOLERANCE: Final = 1e-6
"""How far a market's probabilities may be from adding up to its number of winners."""


@kernel()
def moved_by_nb(method: int, value: float, x: float, total: float) -> float:
    """Return one probability moved by a method with parameter `x`.

    `x` is, with the value that changes nothing in parentheses: POWER an exponent (1), ODDS_RATIO a
    ratio of odds (1), SHIN and SHIN_INVERSE the insiders' share of the money (0), STANDARD_ERROR a
    number of standard errors (0). `total` is the market's present sum; SHIN_INVERSE alone uses it.
    """
    if method == POWER:
        return exp(x * log(value))
    if method == ODDS_RATIO:
        return value * x / (1.0 - value + value * x)
    if method == SHIN:
        return sqrt(x * value + (1.0 - x) * value * value)
    if method == STANDARD_ERROR:
        root = 0.5 * (sqrt(x * x + 4.0 * (1.0 - value)) - x)
        return 1.0 - root * root
    inside = sqrt(x * x + 4.0 * (1.0 - x) * value * value / total)
    return 0.5 * (inside - x) / (1.0 - x)


@kernel()
def moved_by_slope_nb(method: int, value: float, x: float, total: float) -> float:
    """Return the derivative of `moved_by_nb` by the parameter `x`."""
    if method == POWER:
        return log(value) * exp(x * log(value))
    if method == ODDS_RATIO:
        below = 1.0 - value + value * x
        return value * (1.0 - value) / (below * below)
    if method == SHIN:
        return 0.5 * (value - value * value) / sqrt(x * value + (1.0 - x) * value * value)
    if method == STANDARD_ERROR:
        under = sqrt(x * x + 4.0 * (1.0 - value))
        if under <= 0.0:
            return 0.0
        root = 0.5 * (under - x)
        return root * (1.0 - x / under)
    square = value * value / total
    inside = sqrt(x * x + 4.0 * (1.0 - x) * square)
    rise = (x - 2.0 * square) / inside - 1.0
    return 0.5 * (rise * (1.0 - x) + inside - x) / ((1.0 - x) * (1.0 - x))


@kernel()
def solve_nb(
    method: int,
    values: Any,
    first: int,
    last: int,
    total: float,
    target: float,
    start: float,
    low: float,
    high: float,
) -> float:
    """Return the parameter at which the moved values add up to `target`; NaN where not found.

    Newton's steps from `start`, within a bracket that shrinks with every step. Each method's sum
    rises or falls strictly with its parameter, so the bracket always contains the root. Callers
    turn NaN into a status.
    """
    x = start
    for _ in range(_ITERATIONS_MAX):
        reached = 0.0
        slope = 0.0
        for k in range(first, last):
            if values[k] > 0.0:
                reached += moved_by_nb(method, values[k], x, total)
                slope += moved_by_slope_nb(method, values[k], x, total)
        gap = reached - target
        if abs(gap) <= TOLERANCE * target:
            return x
        if (gap > 0.0) == (slope > 0.0):
            high = x
        else:
            low = x
        next_x = x - gap / slope if slope != 0.0 else 0.5 * (low + high)
        if not low < next_x < high:
            next_x = 0.5 * (low + high) if high < 1e12 else 2.0 * x + 1.0
        if next_x == x:
            return x if abs(gap) <= 1e3 * TOLERANCE * target else float("nan")
        x = next_x
    return float("nan")


@kernel()
def clear_nb(moved: Any, first: int, last: int) -> None:
    """Set a market's values to 0."""
    for k in range(first, last):
        moved[k] = 0.0


@kernel()
def closed_form_nb(
    method: int,
    values: Any,
    moved: Any,
    first: int,
    last: int,
    total: float,
    target: float,
) -> float:
    """Apply a method that has a closed form; return its parameter, NaN where it has no answer."""
    if method == PROPORTIONAL:
        factor = target / total
        for k in range(first, last):
            moved[k] = values[k] * factor
        return factor
    weights = 0.0
    for k in range(first, last):
        if values[k] > 0.0:
            weights += 1.0 if method == ADDITIVE else sqrt(1.0 - values[k])
    if not weights > 0.0:
        return float("nan")
    step = (target - total) / weights
    for k in range(first, last):
        if values[k] > 0.0:
            weight = 1.0 if method == ADDITIVE else sqrt(1.0 - values[k])
            moved[k] = values[k] + step * weight
        else:
            moved[k] = 0.0
    return step if method == ADDITIVE else -step


@kernel()
def reachable_nb(
    method: int,
    direction: int,
    values: Any,
    first: int,
    last: int,
    total: float,
    target: float,
    positive: int,
) -> int:
    """Return SOLVED if a method can reach the target sum, else NO_SOLUTION."""
    certain = 0
    roots = 0.0
    squares = 0.0
    for k in range(first, last):
        if values[k] >= 1.0:
            certain += 1
        roots += sqrt(values[k])
        squares += values[k] * values[k]
    if method == SHIN:
        if direction == ADD:
            reachable = total * (1.0 - 1e-9) <= target <= roots * roots
        else:
            # If insiders held all the money, each probability would be its square over the sum.
            lowest = squares / total * (1.0 + 1e-9)
            reachable = lowest < target <= total * (1.0 + 1e-9) and certain == 0
        return SOLVED if reachable else NO_SOLUTION
    return SOLVED if certain < target < positive else NO_SOLUTION


@kernel()
def move_market_nb(
    method: int,
    direction: int,
    values: Any,
    moved: Any,
    parameter: Any,
    market: int,
    first: int,
    last: int,
    target: float,
) -> int:
    """Move one market's probabilities to a target sum; return a status.

    `moved` receives the values of outcomes `first` to `last`; `parameter[market]` the parameter.
    """
    parameter[market] = 0.0
    clear_nb(moved, first, last)
    total = 0.0
    positive = 0
    for k in range(first, last):
        if not 0.0 <= values[k] <= 1.0:
            return BAD_INPUT
        if values[k] > 0.0:
            if values[k] < PROBABILITY_MIN:
                return BAD_INPUT
            positive += 1
        total += values[k]
    if positive == 0 or not 0.0 < target < 1e6 or method < 0 or method >= METHODS:
        return BAD_INPUT
    if method == SHIN:
        # Shin's model has one winner: the true probabilities add up to 1.
        one = abs(target - 1.0) if direction == REMOVE else total - 1.0
        if one > SUM_TOLERANCE:
            return BAD_INPUT
    if method in (PROPORTIONAL, ADDITIVE) or (method == STANDARD_ERROR and direction == REMOVE):
        x = closed_form_nb(method, values, moved, first, last, total, target)
        if not abs(x) < 1e12:
            clear_nb(moved, first, last)
            return NO_SOLUTION
    else:
        if abs(total - target) <= TOLERANCE * target:
            for k in range(first, last):
                moved[k] = values[k]
            x = 1.0 if method in (POWER, ODDS_RATIO) else 0.0
        else:
            status = reachable_nb(method, direction, values, first, last, total, target, positive)
            if status != SOLVED:
                return status
            x = solve_method_nb(method, direction, values, moved, first, last, total, target)
            if not abs(x) < 1e300:
                clear_nb(moved, first, last)
                return NOT_CONVERGED
    parameter[market] = x
    for k in range(first, last):
        if values[k] > 0.0 and not PROBABILITY_MIN <= moved[k] < 1.0:
            return OUT_OF_RANGE
    return SOLVED


@kernel()
def solve_method_nb(
    method: int,
    direction: int,
    values: Any,
    moved: Any,
    first: int,
    last: int,
    total: float,
    target: float,
) -> float:
    """Solve for a method's parameter, fill `moved`, and return the parameter (NaN: not found)."""
    form = method
    low = 0.0
    high = 1e300
    start = 1.0
    sum_target = target
    if method == SHIN:
        start = 0.0
        low = -1e-12
        high = 1.0
        if direction == REMOVE:
            form = SHIN_INVERSE
        else:
            high = 1.0 + 1e-12
            sum_target = sqrt(target)
    if method == STANDARD_ERROR:
        start = 0.0
        low = -1e15
    x = solve_nb(form, values, first, last, total, sum_target, start, low, high)
    if not abs(x) < 1e300:
        return x
    scale = sqrt(target) if method == SHIN and direction == ADD else 1.0
    for k in range(first, last):
        moved[k] = scale * moved_by_nb(form, values[k], x, total) if values[k] > 0.0 else 0.0
    return x


@kernel(
    int64(
        int64,
        int64[::1],
        float64[::1],
        int64[::1],
        float64[::1],
        float64[::1],
        float64[::1],
        int64[::1],
    )
)
def margins_nb(
    direction: int,
    methods: Any,
    values: Any,
    offsets: Any,
    targets: Any,
    moved: Any,
    parameters: Any,
    statuses: Any,
) -> int:
    """Move many markets to their target sums.

    Parameters
    ----------
    direction : int
        ADD (true probabilities to quoted ones) or REMOVE (quoted ones to true ones).
    methods : int64[markets]
        The method of each market (PROPORTIONAL to STANDARD_ERROR).
    values : float64[outcomes]
        Probabilities of all markets, market after market; a zero stays a zero.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    targets : float64[markets]
        The target sum of each market.
    moved : float64[outcomes]
        Out: the moved probabilities; zeros where there is no answer.
    parameters : float64[markets]
        Out: the method's parameter.
    statuses : int64[markets]
        Out: SOLVED, or why there is no answer. With OUT_OF_RANGE `moved` holds the method's finite
        values, at least one of which is not from PROBABILITY_MIN to below 1.

    Returns
    -------
    int
        Markets without an answer.
    """
    refused = 0
    for market in range(len(methods)):
        first, last = offsets[market], offsets[market + 1]
        status = move_market_nb(
            methods[market], direction, values, moved, parameters, market, first, last,
            targets[market],
        )  # fmt: skip
        statuses[market] = status
        if status != SOLVED:
            refused += 1
    return refused
