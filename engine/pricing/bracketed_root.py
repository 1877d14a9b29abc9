"""Find the root of a function within a bracket, for calibrations.

Owns the search alone; never knows what the function prices.
"""

from collections.abc import Callable
from typing import Final

ROOT_TOLERANCE: Final = 1e-14
"""A root's value, or the bracket round it, is within this."""
_ROUNDS_MAX: Final = 80


def root_within(gap: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a rising function, or the end of the bracket nearest to it.

    Regula falsi with the Illinois rule: the value at an end kept twice is halved. Every eighth step
    is a bisection, so that the bracket shrinks.
    """
    at_low, at_high = gap(low), gap(high)
    if at_low >= 0.0:
        return low
    if at_high <= 0.0:
        return high
    side, middle = 0, low
    for count in range(_ROUNDS_MAX):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        if count % 8 == 7 or not low < middle < high:
            middle = (low + high) / 2.0
        found = gap(middle)
        if abs(found) <= ROOT_TOLERANCE or high - low <= ROOT_TOLERANCE:
            break
        if found < 0.0:
            low, at_low = middle, found
            at_high = at_high / 2.0 if side < 0 else at_high
            side = -1
        else:
            high, at_high = middle, found
            at_low = at_low / 2.0 if side > 0 else at_low
            side = 1
    return middle
