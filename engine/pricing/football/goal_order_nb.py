"""Kernels of the order of goals: who scores the n-th goal of a scope, and who the last.

Both sides' intensities have the same shape over time, so the side that scores next does not depend
on when the goal falls: given the goals still to come, all their orders are equally likely. That
also holds under the Dixon-Coles tilt, which weights final scores and not the orders that lead to
them.

Owns the goal-order axes of a block; never knows a rate, only home's share of both rates.
"""

from typing import Any

from engine.common.jit import kernel
from engine.pricing.football.layout import (
    GOAL_NUMBERS,
    GOALS,
    LAST_GOAL_AT,
    NTH_GOAL_AT,
    ORDER_END,
    TOTAL_AT,
)


@kernel()
def fill_order_nb(features: Any, at: int, scored: int, share: float) -> None:
    """Fill home's entries: the chance that a goal still to come falls, times home's share.

    The total's axis holds the untilted masses, and `scored` goals have fallen. The other entries
    follow from the cumulative total (`accumulate_order_nb`).
    """
    for k in range(at + LAST_GOAL_AT, at + ORDER_END):
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
    """Add the mass of one low final score: home scores each goal to come with equal chance.

    `home_now` and `away_now` are the goals so far; a final score below them gets nothing.
    """
    home_to_come = home - home_now
    to_come = home_to_come + away - away_now
    if home_to_come <= 0 or away < away_now:
        return
    part = mass * home_to_come / to_come
    scored = home_now + away_now
    for n in range(scored, min(scored + to_come, GOAL_NUMBERS)):
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
    """Make the goal-order axes cumulative; the total's axis is cumulative already.

    Bit n of `order` is set when home scored goal n + 1. A negative `order` is not known: every
    outcome on a goal that has fallen then has chance 0.
    """
    total = at + TOTAL_AT
    for n in range(GOAL_NUMBERS):
        axis = at + NTH_GOAL_AT + 4 * n
        if n < scored:
            known = 1.0 if order >= 0 else 0.0
            by_home = known * ((order >> n) & 1)
            fill_scorer_nb(features, axis, by_home, 0.0, known - by_home)
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
