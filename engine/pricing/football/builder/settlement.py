"""Settle a builder by the results of its legs.

Owns the rules for void legs. Never knows a market or a score, and never an amount of money.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from engine.common.commands import OutcomeResult


class VoidRule(StrEnum):
    """What a void leg does to its builder; docs/decisions/0029-bet-builder.md has the sources."""

    VOID_ALL = "void_all"
    """The builder is void, whatever becomes of its other legs."""
    LOST_FIRST = "lost_first"
    """The builder is void unless another leg is lost."""
    DROP = "drop"
    """The leg drops out, and the builder is one of the legs left, at their odds when it was
    placed."""


VOID_RULES: Final = (VoidRule.VOID_ALL, VoidRule.LOST_FIRST)
"""The rules by which a market can pay: its result is one for all of its bets, and `DROP` needs the
odds of the legs left at the time of each."""


class BuilderResult(NamedTuple):
    """A builder's result, None while it is open, and the legs (by index) whose odds it pays.

    The legs are all but where one dropped out.
    """

    result: OutcomeResult | None
    legs: tuple[int, ...]


_WON = OutcomeResult(won=True)
_LOST = OutcomeResult(won=False)
_VOID = OutcomeResult(won=False, void_halves=2)


def settle(
    results: Sequence[OutcomeResult | None], *, rule: VoidRule = VoidRule.VOID_ALL
) -> BuilderResult:
    """Return a builder's result: won when all legs are won, lost as soon as one is lost.

    Parameters
    ----------
    results : Sequence[OutcomeResult | None]
        What stands for each leg, None while it is open. In any order, and after any correction, the
        same results give the same.
    rule : VoidRule
        What a void leg does.

    Raises
    ------
    ValueError
        When a leg is half won, half lost or shares a dead heat: no builder has such a leg.
    """
    whole = (_WON, _LOST, _VOID, None)
    if any(result not in whole for result in results):
        raise ValueError("builder: a leg is won, lost or void, never in part")
    every = tuple(range(len(results)))
    left = tuple(leg for leg in every if results[leg] != _VOID)
    void = len(left) < len(every)
    if void and rule is VoidRule.VOID_ALL:
        return BuilderResult(_VOID, every)
    if _LOST in results:
        return BuilderResult(_LOST, every)
    if None in results:
        return BuilderResult(None, every)
    if not left or (void and rule is VoidRule.LOST_FIRST):
        return BuilderResult(_VOID, every)
    return BuilderResult(_WON, left)
