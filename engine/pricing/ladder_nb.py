"""Round quoted probabilities to the prices of a ladder, in thousandths: the kernels.

Owns the rounding; never allocates, and never decides what is offered.
"""

from typing import Any, Final

from numba import float64, int64

from engine.common.jit import kernel

NEAREST: Final = 0
SHORTER: Final = 1

ON_LADDER: Final = 0
BELOW: Final = 1
ABOVE: Final = 2
NO_PRICE: Final = 3


@kernel()
def rung_nb(prices: Any, odds: float, rounding: int) -> int:
    """Return the index of the price for odds (in thousandths) within the ladder, by bisection.

    NEAREST takes the shorter price on a tie; SHORTER never returns a price above the odds.
    """
    low = 0
    high = len(prices) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if prices[middle] <= odds:
            low = middle
        else:
            high = middle - 1
    if (
        rounding != SHORTER
        and low + 1 < len(prices)
        and prices[low + 1] - odds < odds - prices[low]
    ):
        return low + 1
    return low


@kernel(int64(float64[::1], int64[::1], int64, int64[::1], int64[::1]))
def round_nb(quoted: Any, prices: Any, rounding: int, odds_milli: Any, places: Any) -> int:
    """Round probabilities to prices; return how many fell on the ladder.

    Parameters
    ----------
    quoted : float64[n]
        Probabilities with the margin in them.
    prices : int64[rungs]
        The ladder, rising, in thousandths.
    rounding : int
        NEAREST or SHORTER.
    odds_milli : int64[n]
        Out: the price; the nearer end of the ladder where the odds are beyond it.
    places : int64[n]
        Out: ON_LADDER, BELOW its shortest price, ABOVE its longest, or NO_PRICE (the probability
        is not above 0 and below 1).
    """
    inside = 0
    last = len(prices) - 1
    for k in range(len(quoted)):
        probability = quoted[k]
        if not 0.0 < probability < 1.0:
            odds_milli[k] = prices[0] if probability >= 1.0 else prices[last]
            places[k] = NO_PRICE
            continue
        odds = 1000.0 / probability
        if odds < prices[0] * (1.0 - 1e-12):
            odds_milli[k] = prices[0]
            places[k] = BELOW
        elif odds > prices[last]:
            odds_milli[k] = prices[last]
            places[k] = ABOVE
        else:
            if rounding == SHORTER:
                odds *= 1.0 + 1e-12
            odds_milli[k] = prices[rung_nb(prices, odds, rounding)]
            places[k] = ON_LADDER
            inside += 1
    return inside
