"""Pre-match rates: the expected goals of each side, found from 1x2 probabilities or a supremacy.

Owns the typed interface of the solver and its refusals. Never keeps a model and never guesses: an
input without an answer gets a refusal with its reason.
"""

from enum import IntEnum
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

SUM_TOLERANCE: Final = 1e-6
"""Largest distance of the sum of home, draw and away from 1."""


class RatesStatus(IntEnum):
    """Whether rates were found, or why not."""

    CONVERGED = CONVERGED
    NOT_PROBABILITIES = NOT_PROBABILITIES
    RATE_OUT_OF_BOUNDS = RATE_OUT_OF_BOUNDS
    DEPENDENCE_TOO_STRONG = DEPENDENCE_TOO_STRONG
    NOT_CONVERGED = NOT_CONVERGED


_MESSAGES: Final[dict[RatesStatus, str]] = {
    RatesStatus.CONVERGED: "",
    RatesStatus.NOT_PROBABILITIES: "home, draw and away must be above 0 and add up to 1",
    RatesStatus.RATE_OUT_OF_BOUNDS: f"a rate would have to be 0 or above {RATE_MAX:g}",
    RatesStatus.DEPENDENCE_TOO_STRONG: "the dependence makes a score's chance negative",
    RatesStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
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


def rates_from_supremacy(*, total: float, supremacy: float) -> Rates | RatesRefused:
    """Return the rates whose sum is the expected total and whose difference is the supremacy."""
    home, away = 0.5 * (total + supremacy), 0.5 * (total - supremacy)
    if not (0.0 < home <= RATE_MAX and 0.0 < away <= RATE_MAX):
        return _refused(RatesStatus.RATE_OUT_OF_BOUNDS)
    return Rates(home=home, away=away)


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
