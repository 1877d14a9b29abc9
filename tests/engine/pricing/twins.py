"""Plain-Python twins that the tests of several pricing modules share: written from definitions."""

from collections.abc import Callable, Sequence
from math import sqrt


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising or falling function crosses zero."""
    rising = function(high) > function(low)
    for _ in range(300):
        middle = 0.5 * (low + high)
        if (function(middle) > 0.0) == rising:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


def shin_quoted(probabilities: Sequence[float], z: float) -> list[float]:
    """Return quoted probabilities when insiders bet a share z of the money (Shin's model)."""
    roots = [sqrt(z * p + (1.0 - z) * p * p) for p in probabilities]
    return [root * sum(roots) for root in roots]
