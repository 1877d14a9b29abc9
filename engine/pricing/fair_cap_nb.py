"""Cap odds at fair and keep each market's book sum: the kernel.

Owns the cap; never allocates, never starts to offer an outcome, and knows no market's rules.
"""

from typing import Any, Final

from numba import boolean, float64, int64

from engine.common.jit import kernel
from engine.pricing.ladder_nb import SHORTER, rung_nb

FAIR_SLACK: Final = 1e-12
"""Odds above fair by no more than this share count as fair. The difference is a probability's
rounding and less than one minor unit on any stake."""


@kernel(int64(float64[::1], int64[::1], int64[::1], int64[::1], boolean[::1]))
def cap_at_fair_nb(fair: Any, offsets: Any, prices: Any, odds_milli: Any, offered: Any) -> int:
    """Shorten all offered odds that are longer than fair; return how many were.

    Shortened odds raise a market's book sum. The market's other outcomes give that back, each in
    proportion to its margin: their odds lengthen, never past fair, and the sum never falls.

    Parameters
    ----------
    fair : float64[n]
        Fair probabilities, market after market, all of one probability measure.
    offsets : int64[markets + 1]
        Index of each market's first outcome, and the end.
    prices : int64[rungs]
        The ladder, rising, in thousandths.
    odds_milli : int64[n]
        In and out: the odds.
    offered : boolean[n]
        In and out: which outcomes are offered. An outcome whose fair odds are shorter than the
        ladder's shortest is withdrawn.
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
