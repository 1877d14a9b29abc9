"""Kernel of the harmoniser: caps odds at fair, and keeps the book they were quoted at.

Owns the caps; never allocates, never offers an outcome, and knows no market's rules.
"""

from typing import Any, Final

from numba import boolean, float64, int64

from engine.common.jit import kernel
from engine.pricing.ladder_nb import SHORTER, rung_nb

FAIR_SLACK: Final = 1e-12
"""Odds over fair by less than this share are fair: it is the rounding of a probability, and less
than a minor unit on any stake."""


@kernel(int64(float64[::1], int64[::1], int64[::1], int64[::1], boolean[::1]))
def cap_at_fair_nb(fair: Any, offsets: Any, prices: Any, odds_milli: Any, offered: Any) -> int:
    """Bring every offered price down to fair; return how many were above it.

    What that adds to a market's book its other outcomes get back, in proportion to the margin that
    each has: their odds lengthen, never past fair, and the book is never less than it was.

    Parameters
    ----------
    fair : float64[n]
        Fair probabilities, market after market, all of one measure.
    offsets : int64[markets + 1]
        Where each market begins, and the end.
    prices : int64[rungs]
        The ladder, rising, in thousandths.
    odds_milli : int64[n]
        In and out: the odds.
    offered : boolean[n]
        In and out: what is offered; an outcome that has no price as short as fair no longer is.
    """
    capped = 0
    shortest = prices[0]
    for market in range(len(offsets) - 1):
        first = offsets[market]
        last = offsets[market + 1]
        excess = 0.0
        for k in range(first, last):
            if not offered[k] or odds_milli[k] * fair[k] <= 1000.0 * (1.0 + FAIR_SLACK):
                continue
            capped += 1
            odds = 1000.0 * (1.0 + FAIR_SLACK) / fair[k]
            if odds < shortest:
                odds_milli[k] = shortest
                offered[k] = False
                continue
            price = prices[rung_nb(prices, odds, SHORTER)]
            excess += 1000.0 / price - 1000.0 / odds_milli[k]
            odds_milli[k] = price
        if excess <= 0.0:
            continue
        margin = 0.0
        for k in range(first, last):
            if offered[k]:
                margin += max(1000.0 / odds_milli[k] - fair[k], 0.0)
        if margin <= 0.0:
            continue
        kept = max(1.0 - excess / margin, 0.0)
        for k in range(first, last):
            if not offered[k] or 1000.0 / odds_milli[k] <= fair[k]:
                continue
            quoted = fair[k] + (1000.0 / odds_milli[k] - fair[k]) * kept
            odds = 1000.0 * (1.0 + FAIR_SLACK) / quoted
            odds_milli[k] = max(odds_milli[k], prices[rung_nb(prices, odds, SHORTER)])
    return capped
