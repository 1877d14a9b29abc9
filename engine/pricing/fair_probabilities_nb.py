"""Compute fair probabilities from cumulative features, for every sport: the kernels.

Owns the chance of an interval (a difference of two cumulative features), and the effect of pushes
and half results on a fair probability. Never knows what a feature measures.
"""

from typing import Any

from numba import float64, void

from engine.common.jit import kernel
from engine.pricing.chances import (
    CERTAINTY_SLACK,
    CHANCES,
    HALF_LOSE,
    HALF_WIN,
    PUSH,
    TERM_CHANCE,
    TERM_HIGH,
    TERM_LOW,
    WIN,
)


@kernel()
def break_even_nb(chances: Any, fair: Any) -> None:
    """Reduce every outcome's chances to one fair probability.

    With chances w, h, p, l to win, half win, push and half lose, odds o return the stake on average
    when ``(w + h/2) o = 1 - p - h/2 - l/2``; the fair probability is ``1 / o``.
    """
    for outcome in range(len(fair)):
        at = CHANCES * outcome
        half_win = chances[at + HALF_WIN]
        push = chances[at + PUSH]
        half_lose = chances[at + HALF_LOSE]
        probability = chances[at + WIN]
        if half_win + push + half_lose > 0.0:
            paid = probability + 0.5 * half_win
            at_risk = 1.0 - push - 0.5 * (half_win + half_lose)
            probability = paid / at_risk if at_risk > CERTAINTY_SLACK else 0.0
        if probability < CERTAINTY_SLACK:
            probability = 0.0
        fair[outcome] = 1.0 if probability > 1.0 - CERTAINTY_SLACK else probability


@kernel()
def gather_nb(features: Any, terms: Any, chances: Any, fair: Any) -> None:
    """Sum every outcome's chances from the features and reduce them to one fair probability.

    Parameters
    ----------
    features : float64[features]
        Cumulative chances; the difference of two is the chance of an interval.
    terms : int64[terms, TERM_COLUMNS]
        For each interval the index of its low and high feature, and of the chance it adds to.
    chances : float64[CHANCES * outcomes]
        Out: chances of every outcome, outcome after outcome.
    fair : float64[outcomes]
        Out: fair probabilities.
    """
    for k in range(len(chances)):
        chances[k] = 0.0
    for k in range(terms.shape[0]):
        chance = features[terms[k, TERM_HIGH]] - features[terms[k, TERM_LOW]]
        chances[terms[k, TERM_CHANCE]] += max(chance, 0.0)
    break_even_nb(chances, fair)


@kernel(void(float64[::1], float64[::1]))
def fair_nb(chances: Any, fair: Any) -> None:
    """Fill `fair` (float64[outcomes]) from `chances` (float64[CHANCES * outcomes])."""
    break_even_nb(chances, fair)
