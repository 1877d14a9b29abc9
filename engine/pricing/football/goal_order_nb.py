"""Kernels of the order of goals: who scores the n-th goal of a stretch of play, and who the last.

Both sides' intensities have the same shape over time, so whose goal is next does not depend on
when it falls: given what is still to be scored, every order of it is equally likely. That holds
under the Dixon-Coles tilt too, which weighs final scores and not the ways to them.
Owns the axes of scorers in a block; never knows a rate but as a share.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    BLOCK,
    GOAL_NUMBERS,
    GOALS,
    LAST_GOAL_AT,
    NTH_GOAL_AT,
    TOTAL_AT,
)


@kernel()
def order_nb(features: Any, at: int, scored: int, share: float) -> None:
    """Start the axes: the chance that a goal still to come falls, times home's share of goals.

    The total's axis holds the untilted masses; `scored` goals have fallen. The place of home's
    chance is filled alone, the others follow from the total once it is cumulative.
    """
    for k in range(at + LAST_GOAL_AT, at + BLOCK):
        features[k] = 0.0
    total = at + TOTAL_AT + 1
    beyond = 0.0
    for k in range(2 * GOALS - 2, scored, -1):
        beyond += features[total + k]
        if k <= GOAL_NUMBERS:
            features[at + NTH_GOAL_AT + 4 * (k - 1) + 1] = beyond * share
    features[at + LAST_GOAL_AT + 1] = beyond * share


@kernel()
def deposit_order_nb(
    features: Any, at: int, home_now: int, away_now: int, home: int, away: int, mass: float
) -> None:
    """Add mass to one low score: its goals to come are home's in equal parts at every place."""
    home_more = home - home_now
    more = home_more + away - away_now
    if home_more <= 0 or away < away_now:
        return
    part = mass * home_more / more
    scored = home_now + away_now
    for n in range(scored, min(scored + more, GOAL_NUMBERS)):
        features[at + NTH_GOAL_AT + 4 * n + 1] += part
    features[at + LAST_GOAL_AT + 1] += part


@kernel()
def fill_scorer_nb(features: Any, axis: int, home: float, nobody: float, away: float) -> None:
    """Write one cumulative axis of three values."""
    features[axis] = 0.0
    features[axis + 1] = home
    features[axis + 2] = home + nobody
    features[axis + 3] = home + nobody + away


@kernel()
def accumulate_order_nb(features: Any, at: int, scale: float, scored: int, order: int) -> None:
    """Make the axes cumulative, the total's being so already.

    Bit n of `order` is set when goal n + 1 was home's; below zero it is not known who scored, and
    then nobody has a chance at a goal that has fallen.
    """
    total = at + TOTAL_AT
    for n in range(GOAL_NUMBERS):
        axis = at + NTH_GOAL_AT + 4 * n
        if n < scored:
            known = 1.0 if order >= 0 else 0.0
            was_home = known * ((order >> n) & 1)
            fill_scorer_nb(features, axis, was_home, 0.0, known - was_home)
        else:
            home = features[axis + 1] * scale
            nobody = features[total + n + 1]
            fill_scorer_nb(features, axis, home, nobody, 1.0 - home - nobody)
    axis = at + LAST_GOAL_AT
    home = features[axis + 1] * scale
    nobody = features[total + scored + 1]
    away = 1.0 - home - nobody
    if scored == 0:
        fill_scorer_nb(features, axis, home, nobody, away)
    elif order < 0:
        fill_scorer_nb(features, axis, 0.0, 0.0, 0.0)
    elif (order >> (scored - 1)) & 1 == 1:
        fill_scorer_nb(features, axis, home + nobody, 0.0, away)
    else:
        fill_scorer_nb(features, axis, home, 0.0, away + nobody)
