"""The figures of a market as a trader reads them: book sum, fair odds, worst case, expected profit.

Owns the arithmetic, on integers of the protocol. It has no model of a sport: a fair probability is
what is left of the odds without their margin, and pages say so.
"""

from collections.abc import Sequence
from typing import Final

WINNERS: Final[dict[str, int]] = {"double_chance": 2, "first_half_double_chance": 2}
"""Outcomes that win together, by market type, where it is not one."""
NO_FAIR_TYPES: Final = frozenset({"place", "each_way"})
"""Types whose number of winners the odds do not tell."""


def fair_probabilities(
    odds_milli: Sequence[int], active: Sequence[bool], *, winners: int
) -> list[float]:
    """Return each outcome's probability: the share of its inverse odds, times the winners.

    The margin is taken off in proportion. An outcome without odds, or not offered, has 0.
    """
    inverse = [
        1_000 / odds if odds > 1_000 and offered else 0.0
        for odds, offered in zip(odds_milli, active, strict=True)
    ]
    total = sum(inverse)
    return [0.0] * len(inverse) if not total else [winners * one / total for one in inverse]


def book_sum_milli(odds_milli: Sequence[int], active: Sequence[bool], *, winners: int) -> int:
    """Return the sum of inverse odds for each winner, in thousandths: 1050 is a margin of 5%."""
    total = sum(
        1_000 / odds
        for odds, offered in zip(odds_milli, active, strict=True)
        if offered and odds > 1_000
    )
    return round(1_000 * total / winners)


def expected_profit_minor(
    payout_minor: Sequence[int], stake_minor: int, fair: Sequence[float]
) -> int:
    """Return what the house expects to keep: stakes less each payout times its probability."""
    return stake_minor - round(
        sum(chance * payout for chance, payout in zip(fair, payout_minor, strict=True))
    )


def worst_minor(liability_minor: Sequence[int]) -> int:
    """Return the largest loss of any outcome as a negative profit, or the least profit."""
    return -max(liability_minor, default=0)


def known_sum(values: Sequence[int | None]) -> int | None:
    """Return the sum of what is known; None where nothing is."""
    known = [one for one in values if one is not None]
    return sum(known) if known else None
