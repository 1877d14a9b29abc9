"""Cap odds at fair, so that no combination of stakes on related markets wins for certain.

Owns the typed call of the cap's kernel; never prices an outcome. Why the cap is enough: under one
probability measure, bets that each return at most their stake on average return at most their total
stake on average, so some result loses or breaks even. A fixture's fair probabilities belong to one
measure, so it is enough that no odds exceed the fair odds.
"""

import numpy as np
import numpy.typing as npt

from engine.pricing.fair_cap_nb import cap_at_fair_nb
from engine.pricing.ladder import EXCHANGE, Ladder

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def cap_at_fair(
    fair: Floats,
    offsets: Ints,
    odds_milli: Ints,
    offered: Bools,
    *,
    ladder: Ladder = EXCHANGE,
) -> int:
    """Shorten odds that are longer than fair, in place; return how many were.

    Parameters
    ----------
    fair : Floats
        Fair probabilities, market after market: one over the odds that return the stake on average.
        All belong to one probability measure, as a board's do.
    offsets : Ints
        Index of each market's first outcome, and the end.
    odds_milli : Ints
        In and out: the odds. Shortened odds raise their market's book sum; the market's other
        outcomes are lengthened to give that back, as far as the ladder goes and never past fair. So
        no market's book sum falls.
    offered : Bools
        In and out: which outcomes are offered. An outcome whose fair odds are shorter than the
        ladder's shortest is withdrawn.
    ladder : Ladder
        The odds that may be quoted. Every offered value of `odds_milli` is one of them.
    """
    return cap_at_fair_nb(fair, offsets, ladder.prices_milli, odds_milli, offered)
