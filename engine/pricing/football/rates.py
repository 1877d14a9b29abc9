"""Pre-match rates: the expected goals of each side, found from 1x2 probabilities or a supremacy.

Owns the typed interface of the solver and its refusals. Never keeps a model and never guesses: an
input without an answer gets a refusal with its reason.
"""

from enum import IntEnum
from math import exp
from typing import Final

import numpy as np
from msgspec import Struct

from engine.pricing.football.model import DEPENDENCE_MAX, RATE_MAX
from engine.pricing.football.rates_nb import (
    CONVERGED,
    DEPENDENCE_TOO_STRONG,
    NOT_CONVERGED,
    NOT_PROBABILITIES,
    RATE_OUT_OF_BOUNDS,
    SCRATCH,
    rates_from_1x2_nb,
)

FEED_DRAW_FACTOR: Final = 1.1415
"""The factor on draws that a real Unified Odds Feed's board held: its `expected_totals` and
`expected_supremacy` are means after that factor, not sums of rates."""
DRAW_FACTOR_MIN: Final = 0.5
DRAW_FACTOR_MAX: Final = 2.0
TOLERANCE: Final = 1e-12
"""Each mean at the rates of a supremacy is this near to the one given."""
_ROUNDS_MAX: Final = 200
_DRAW_GOALS_MAX: Final = 64
"""Goals of either side in a draw that are counted: beyond lies no mass at the largest rates."""
SUM_TOLERANCE: Final = 1e-6
"""Largest distance of the sum of home, draw and away from 1."""


class RatesStatus(IntEnum):
    """Whether rates were found, or why not."""

    CONVERGED = CONVERGED
    NOT_PROBABILITIES = NOT_PROBABILITIES
    RATE_OUT_OF_BOUNDS = RATE_OUT_OF_BOUNDS
    DEPENDENCE_TOO_STRONG = DEPENDENCE_TOO_STRONG
    NOT_CONVERGED = NOT_CONVERGED
    DRAW_FACTOR = 100
    """The factor on draws is out of bounds."""


_MESSAGES: Final[dict[RatesStatus, str]] = {
    RatesStatus.CONVERGED: "",
    RatesStatus.NOT_PROBABILITIES: "home, draw and away must be above 0 and add up to 1",
    RatesStatus.RATE_OUT_OF_BOUNDS: f"a rate would have to be 0 or above {RATE_MAX:g}",
    RatesStatus.DEPENDENCE_TOO_STRONG: "the dependence makes a score's chance negative",
    RatesStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
    RatesStatus.DRAW_FACTOR: f"draw_factor: from {DRAW_FACTOR_MIN:g} to {DRAW_FACTOR_MAX:g}",
}


class Rates(Struct, frozen=True, kw_only=True):
    """The goals that each side is expected to score in ninety minutes."""

    home: float
    away: float


class RatesRefused(Struct, frozen=True, kw_only=True):
    """Why there are no rates."""

    status: RatesStatus
    message: str


def _refused(status: RatesStatus) -> RatesRefused:
    return RatesRefused(status=status, message=_MESSAGES[status])


def rates_from_supremacy(
    *, total: float, supremacy: float, draw_factor: float = 1.0
) -> Rates | RatesRefused:
    """Return the rates at which the expected total and supremacy are those given.

    Parameters
    ----------
    total, supremacy : float
        Goals expected of both sides together, and of home less those of away.
    draw_factor : float
        What the chance of every draw is multiplied by before all chances are scaled to 1, 1 for two
        independent counts. The figures are means after that: at 1 the rates are half their sum and
        half their difference, else not (`FEED_DRAW_FACTOR` for a Unified Odds Feed's figures).
    """
    means = 0.5 * (total + supremacy), 0.5 * (total - supremacy)
    if not all(0.0 < mean <= RATE_MAX for mean in means):
        return _refused(RatesStatus.RATE_OUT_OF_BOUNDS)
    if not DRAW_FACTOR_MIN <= draw_factor <= DRAW_FACTOR_MAX:
        return _refused(RatesStatus.DRAW_FACTOR)
    home, away = means
    for _ in range(_ROUNDS_MAX):
        found = _means(home, away, draw_factor)
        gap = max(abs(found[0] - means[0]), abs(found[1] - means[1]))
        if gap <= TOLERANCE:
            if max(home, away) > RATE_MAX:
                return _refused(RatesStatus.RATE_OUT_OF_BOUNDS)
            return Rates(home=home, away=away)
        home, away = home * means[0] / found[0], away * means[1] / found[1]
    return _refused(RatesStatus.NOT_CONVERGED)


def _means(home: float, away: float, draw_factor: float) -> tuple[float, float]:
    """Return the mean goals of each side when every draw's chance has a factor."""
    level = exp(-home - away)
    draws, drawn_goals = 0.0, 0.0
    for goals in range(_DRAW_GOALS_MAX):
        draws += level
        drawn_goals += goals * level
        level *= home * away / ((goals + 1) * (goals + 1))
    scale = 1.0 + (draw_factor - 1.0) * draws
    more = (draw_factor - 1.0) * drawn_goals
    return (home + more) / scale, (away + more) / scale


def rates_from_1x2(
    *, home: float, draw: float, away: float, dependence: float = 0.0
) -> Rates | RatesRefused:
    """Return the rates at which the model gives three probabilities.

    Parameters
    ----------
    home, draw, away : float
        Probabilities without margin (see `margin.remove_margin`), adding up to one within
        ``SUM_TOLERANCE``.
    dependence : float
        Dixon and Coles' rho, held fixed.

    Returns
    -------
    Rates | RatesRefused
        Rates whose home and away probabilities are within ``rates_nb.TOLERANCE`` of the given
        ones, or why there are none.
    """
    total = home + draw + away
    if not (abs(total - 1.0) <= SUM_TOLERANCE and min(home, draw, away) > 0.0):
        return _refused(RatesStatus.NOT_PROBABILITIES)
    if not abs(dependence) <= DEPENDENCE_MAX:
        return _refused(RatesStatus.DEPENDENCE_TOO_STRONG)
    rates = np.zeros(2)
    status = RatesStatus(
        rates_from_1x2_nb(
            home / total, away / total, dependence, RATE_MAX, np.zeros(SCRATCH), rates
        )
    )
    if status is not RatesStatus.CONVERGED:
        return _refused(status)
    return Rates(home=float(rates[0]), away=float(rates[1]))
