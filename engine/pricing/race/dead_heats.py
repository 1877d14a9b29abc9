"""Settle a runner's win or place by an order of finish with dead heats.

Owns the share of a stake that wins. Never knows a market, and loads no kernel.
"""

from collections.abc import Sequence
from fractions import Fraction

from engine.common.commands import OutcomeResult


def placed_share(positions: Sequence[int], runner: int, *, places: int) -> Fraction:
    """Return the share of a stake on a runner to be placed that wins.

    The n runners of a dead heat share the n places from their position on: the share is the number
    of these that win, over n.

    Parameters
    ----------
    positions : Sequence[int]
        Each runner's position, equal in a dead heat; 0 for one that did not finish.
    runner : int
        The runner, from 0.
    places : int
        How many places win.
    """
    position = positions[runner]
    if position == 0:
        return Fraction(0)
    tied = positions.count(position)
    return Fraction(min(max(places - position + 1, 0), tied), tied)


def result_of(share: Fraction) -> OutcomeResult:
    """Return the result of an outcome of which a share of the stake wins."""
    if share == 0:
        return OutcomeResult(won=False)
    return OutcomeResult(won=True, dead_heat_num=share.numerator, dead_heat_den=share.denominator)
