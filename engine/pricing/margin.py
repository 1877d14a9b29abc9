"""Add a margin to probabilities, and remove the margin from odds.

Owns the methods' names, their refusals, and the typed calls of their kernels. Never rounds to a
ladder and never handles money: a book here is the sum of a market's implied probabilities.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from math import inf
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from engine.pricing.margin_nb import (
    ADD,
    ADDITIVE,
    BAD_INPUT,
    NO_SOLUTION,
    NOT_CONVERGED,
    ODDS_RATIO,
    OUT_OF_RANGE,
    POWER,
    PROPORTIONAL,
    REMOVE,
    SHIN,
    SOLVED,
    STANDARD_ERROR,
    margins_nb,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_INPUTS_MAX: Final = 256
"""Inputs of single markets that are kept: markets of one feed differ in their outcomes alone."""
SUM_TOLERANCE: Final = 1e-6
"""How far a market's probabilities may be from adding up to its number of winners."""


class Method(IntEnum):
    """How a book's excess over fair is distributed over its outcomes."""

    PROPORTIONAL = PROPORTIONAL
    """Multiply every probability by the same factor."""
    MULTIPLICATIVE = PROPORTIONAL
    """Another name of PROPORTIONAL, common for the removal of margins."""
    ADDITIVE = ADDITIVE
    """Add the same amount to each probability."""
    POWER = POWER
    """Raise every probability to the same power."""
    ODDS_RATIO = ODDS_RATIO
    """Move every log-odds by the same step (Cheung 2015)."""
    SHIN = SHIN
    """Insiders hold a share z of the money (Shin 1992, 1993; Jullien and Salanie 1994)."""
    STANDARD_ERROR = STANDARD_ERROR
    """Fair is ``q - x sqrt(1 - q)``: x standard errors off each quoted q ("goto")."""


class MarginStatus(IntEnum):
    """Whether a market has an answer, or why it has none."""

    SOLVED = SOLVED
    BAD_INPUT = BAD_INPUT
    NO_SOLUTION = NO_SOLUTION
    OUT_OF_RANGE = OUT_OF_RANGE
    NOT_CONVERGED = NOT_CONVERGED


MESSAGES: Final[dict[MarginStatus, str]] = {
    MarginStatus.SOLVED: "",
    MarginStatus.BAD_INPUT: "a value is not a probability, none is above zero, or the sum is wrong",
    MarginStatus.NO_SOLUTION: "the method cannot reach this sum",
    MarginStatus.OUT_OF_RANGE: "the method puts a probability outside 0 to 1",
    MarginStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
}


class MarginSolved(Struct, frozen=True, kw_only=True):
    """One market's decimal odds (`add_margin`) or probabilities (`remove_margin`).

    `parameter` is the method's: a factor (proportional), a step (additive), an exponent (power), a
    ratio of odds (odds ratio), the insiders' share z (Shin), or standard errors (standard error).
    """

    values: tuple[float, ...]
    parameter: float


class MarginRefused(Struct, frozen=True, kw_only=True):
    """The reason why one market has no answer."""

    status: MarginStatus
    message: str


class MarginsMoved(Struct, frozen=True, kw_only=True):
    """The moved probabilities of many markets, market after market.

    `parameters` and `statuses` (of `MarginStatus`) hold one entry for each market.
    """

    values: Floats
    parameters: Floats
    statuses: Ints


def _move(
    direction: int, values: Floats, offsets: Ints, targets: Floats, methods: Ints | Method
) -> MarginsMoved:
    markets = len(offsets) - 1
    if isinstance(methods, Method):
        methods = np.full(markets, methods, np.int64)
    moved = MarginsMoved(
        values=np.zeros(len(values)),
        parameters=np.zeros(markets),
        statuses=np.zeros(markets, np.int64),
    )
    margins_nb(
        direction, methods, values, offsets, targets, moved.values, moved.parameters, moved.statuses
    )
    return moved


def add_margins(
    probabilities: Floats, offsets: Ints, *, targets: Floats, methods: Ints | Method
) -> MarginsMoved:
    """Add margins to many markets.

    Parameters
    ----------
    probabilities : Floats
        Fair probabilities, market after market.
    offsets : Ints
        Index of each market's first outcome, and the end: one more than there are markets.
    targets : Floats
        For each market the target sum of its quoted probabilities: the book sum times the number
        of outcomes that win (2 for double chance).
    methods : Ints | Method
        One method for all markets, or one for each.

    Returns
    -------
    MarginsMoved
        Quoted probabilities; decimal odds are one over them.
    """
    return _move(ADD, probabilities, offsets, targets, methods)


def remove_margins(
    quoted: Floats, offsets: Ints, *, winners: Floats, methods: Ints | Method
) -> MarginsMoved:
    """Remove the margins of many markets: the inverse of `add_margins`, to sums of `winners`."""
    return _move(REMOVE, quoted, offsets, winners, methods)


def _single(direction: int, values: Floats, target: float, method: Method) -> MarginsMoved:
    count = len(values)
    methods, offsets, targets = _inputs(count, target, method)
    moved = MarginsMoved(
        values=np.zeros(count), parameters=np.zeros(1), statuses=np.zeros(1, np.int64)
    )
    margins_nb(
        direction,
        methods,
        values,
        offsets,
        targets,
        moved.values,
        moved.parameters,
        moved.statuses,
    )
    return moved


@lru_cache(_INPUTS_MAX)
def _inputs(count: int, target: float, method: Method) -> tuple[Ints, Ints, Floats]:
    """Return the arrays for one market that the kernel only reads: methods, offsets, targets."""
    return (
        np.array((method,), np.int64),
        np.array((0, count), np.int64),
        np.array((target,), np.float64),
    )


def _refused(status: MarginStatus) -> MarginRefused:
    return MarginRefused(status=status, message=MESSAGES[status])


def add_margin(
    probabilities: Sequence[float], *, book: float, method: Method, winners: int = 1
) -> MarginSolved | MarginRefused:
    """Return the decimal odds of one market at a book sum.

    Parameters
    ----------
    probabilities : Sequence[float]
        Fair probabilities, all above zero, adding up to `winners` within ``SUM_TOLERANCE``.
    book : float
        Sum of the implied probabilities over `winners`: 1.05 for a margin of five per cent.
    method : Method
        How the excess is distributed.
    winners : int
        Outcomes that win: 1, but 2 for double chance. Shin's model has one winner.
    """
    values = np.array(probabilities, np.float64)
    if (
        not abs(float(values.sum()) - winners) <= SUM_TOLERANCE
        or not (values > 0.0).all()
        or (method is Method.SHIN and winners != 1)
    ):
        return _refused(MarginStatus.BAD_INPUT)
    moved = _single(ADD, values, book * winners, method)
    status = MarginStatus(moved.statuses[0])
    if status is not MarginStatus.SOLVED:
        return _refused(status)
    return MarginSolved(
        values=tuple((1.0 / moved.values).tolist()), parameter=float(moved.parameters[0])
    )


def remove_margin(
    odds: Sequence[float], *, method: Method, winners: int = 1
) -> MarginSolved | MarginRefused:
    """Return one market's fair probabilities from its decimal odds (each above 1)."""
    if not all(1.0 < each < inf for each in odds):
        return _refused(MarginStatus.BAD_INPUT)
    quoted = np.array([1.0 / each for each in odds], np.float64)
    moved = _single(REMOVE, quoted, float(winners), method)
    status = int(moved.statuses[0])
    if status != MarginStatus.SOLVED:
        return _refused(MarginStatus(status))
    return MarginSolved(values=tuple(moved.values.tolist()), parameter=float(moved.parameters[0]))
