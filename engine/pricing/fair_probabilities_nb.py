"""Kernels from chances to fair probabilities, for every sport.

Owns the reading of intervals off cumulative features and what a push or a half line makes of a fair
price. Never knows what a feature measures.
"""

from typing import Any

from numba import float64, void

from engine.common.jit import kernel
from engine.pricing.chances import (
    CHANCES,
    DUST,
    HALF_LOSE,
    HALF_WIN,
    PUSH,
    TERM_CHANCE,
    TERM_HIGH,
    TERM_LOW,
    WIN,
)


@kernel()
def even_nb(chances: Any, fair: Any) -> None:
    """Reduce every outcome's chances to one fair probability.

    With chances w, h, p, l of winning, half winning, a push and half losing, odds o return one
    for one staked when ``(w + h/2) o = 1 - p - h/2 - l/2``; the fair probability is ``1 / o``.
    """
    for outcome in range(len(fair)):
        at = CHANCES * outcome
        half_win = chances[at + HALF_WIN]
        push = chances[at + PUSH]
        half_lose = chances[at + HALF_LOSE]
        even = chances[at + WIN]
        if half_win + push + half_lose > 0.0:
            paid = even + 0.5 * half_win
            at_risk = 1.0 - push - 0.5 * (half_win + half_lose)
            even = paid / at_risk if at_risk > DUST else 0.0
        if even < DUST:
            even = 0.0
        fair[outcome] = 1.0 if even > 1.0 - DUST else even


@kernel()
def gather_nb(features: Any, terms: Any, chances: Any, fair: Any) -> None:
    """Read every outcome's chances off the features and reduce them to one fair probability."""
    for k in range(len(chances)):
        chances[k] = 0.0
    for k in range(terms.shape[0]):
        chance = features[terms[k, TERM_HIGH]] - features[terms[k, TERM_LOW]]
        chances[terms[k, TERM_CHANCE]] += max(chance, 0.0)
    even_nb(chances, fair)


@kernel(void(float64[::1], float64[::1]))
def fair_nb(chances: Any, fair: Any) -> None:
    """Fill `fair` (outcomes) from `chances` (CHANCES for each outcome, one after the other)."""
    even_nb(chances, fair)
