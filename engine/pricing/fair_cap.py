"""Cap odds at fair, so that no stakes on related markets win whatever happens.

Owns the cap. The certificate is a measure: bets that each return at most their stake on average
under one probability measure return at most their stake together. Fair probabilities of a fixture
are of one measure, so it is enough that no odds exceed the fair ones.
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
    """Shorten what is longer than fair, in place, and return how many outcomes were.

    Parameters
    ----------
    fair : Floats
        Fair probabilities, market after market: one over the odds that return the stake. All of
        one measure, as a board's are.
    offsets : Ints
        Where each market begins, and the end.
    odds_milli : Ints
        The odds. What a shortened price adds to its market's book, the market's other outcomes get
        back, as far as the ladder goes and never past fair; so no book is less than it was.
    offered : Bools
        Which outcomes are offered; one whose fair odds are below the ladder no longer is.
    ladder : Ladder
        The odds that may be quoted, among them all `odds_milli` that are offered.
    """
    return cap_at_fair_nb(fair, offsets, ladder.prices_milli, odds_milli, offered)
