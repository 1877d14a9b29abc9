"""State which sums of a market's implied probabilities are the book of somebody's odds.

Owns the bounds by which calibrations refuse what are no decimal odds, such as odds in thousandths,
probabilities, or the odds of another market's outcomes. Never removes a margin.
"""

from collections.abc import Sequence
from typing import Final

ODDS_MAX: Final = 1e6
"""Largest decimal odds from which a model is fitted."""
BOOK_MIN: Final = 0.9
"""The least book: odds of an exchange, or the best of several houses, are somewhat below 1."""
BOOK_MAX: Final = 1.5
"""The largest book: markets of many outcomes have up to 1.4."""


def book_of(odds: Sequence[float], *, winners: int = 1) -> float | None:
    """Return the sum of one over each of a market's odds, by the number of its winners.

    None where one of the odds is not above 1 and at most `ODDS_MAX`, or there are none.
    """
    if not odds or not all(1.0 < each <= ODDS_MAX for each in odds):
        return None
    return sum(1.0 / each for each in odds) / winners
