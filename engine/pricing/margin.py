"""Margin: from probabilities to the odds of a book, and from a book's odds back to probabilities.

Owns the methods' names, what each can and cannot do, and the typed door to their kernels. Never
rounds to a ladder and never looks at money: a book here is a sum of implied probabilities.
"""

from collections.abc import Sequence
from enum import IntEnum
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

SUM_TOLERANCE: Final = 1e-6
"""How far a market's probabilities may be from adding up to its number of winners."""


class Method(IntEnum):
    """How a book's excess is spread over its outcomes."""

    PROPORTIONAL = PROPORTIONAL
    """Every probability times the same factor; "multiplicative" where margins are taken off."""
    MULTIPLICATIVE = PROPORTIONAL
    """The same method by its other name."""
    ADDITIVE = ADDITIVE
    """The same amount on each."""
    POWER = POWER
    """Every probability to the same power."""
    ODDS_RATIO = ODDS_RATIO
    """The same step on each log-odds (Cheung 2015)."""
    SHIN = SHIN
    """Insiders hold a share z of the money (Shin 1992, 1993; Jullien and Salanie 1994)."""
    STANDARD_ERROR = STANDARD_ERROR
    """The same number of standard errors off each quoted probability ("goto")."""


class MarginStatus(IntEnum):
    """Whether a market has an answer, and why not."""

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
    """One market's answer: decimal odds or probabilities, and the method's own parameter.

    The parameter is a factor (proportional), a step (additive), an exponent (power), a ratio of
    odds (odds ratio), the insiders' share z (Shin), or standard errors (standard error).
    """

    values: tuple[float, ...]
    parameter: float


class MarginRefused(Struct, frozen=True, kw_only=True):
    """No answer, and why."""

    status: MarginStatus
    message: str


class Moved(Struct, frozen=True, kw_only=True):
    """Many markets' answers, ragged as they came: `statuses` holds a MarginStatus for each."""

    values: Floats
    parameters: Floats
    statuses: Ints


def _move(
    direction: int, values: Floats, offsets: Ints, targets: Floats, methods: Ints | Method
) -> Moved:
    markets = len(offsets) - 1
    if isinstance(methods, Method):
        methods = np.full(markets, methods, np.int64)
    moved = Moved(
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
) -> Moved:
    """Spread margins over many markets.

    Parameters
    ----------
    probabilities : Floats
        True probabilities, market after market.
    offsets : Ints
        Where each market begins, and the end: one more than there are markets.
    targets : Floats
        For each market the sum its quoted probabilities are to have: the book, times the number
        of outcomes that win (2 for double chance).
    methods : Ints | Method
        One method for all, or one for each.

    Returns
    -------
    Moved
        Quoted probabilities; decimal odds are one over them.
    """
    return _move(ADD, probabilities, offsets, targets, methods)


def remove_margins(
    quoted: Floats, offsets: Ints, *, winners: Floats, methods: Ints | Method
) -> Moved:
    """Take margins off many markets: the mirror of `add_margins`, to sums of `winners`."""
    return _move(REMOVE, quoted, offsets, winners, methods)


def _single(direction: int, values: Floats, target: float, method: Method) -> Moved:
    return _move(
        direction, values, np.array((0, len(values)), np.int64), np.array((target,)), method
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
        True probabilities, all above zero, adding up to `winners` within ``SUM_TOLERANCE``.
    book : float
        Sum of the implied probabilities over the winners: 1.05 for a margin of five per cent.
    method : Method
        How the excess is spread.
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
    """Return the probabilities behind one market's decimal odds (each above 1)."""
    quoted = np.array(odds, np.float64)
    if not (quoted > 1.0).all() or not np.isfinite(quoted).all():
        return _refused(MarginStatus.BAD_INPUT)
    moved = _single(REMOVE, 1.0 / quoted, float(winners), method)
    status = MarginStatus(moved.statuses[0])
    if status is not MarginStatus.SOLVED:
        return _refused(status)
    return MarginSolved(values=tuple(moved.values.tolist()), parameter=float(moved.parameters[0]))
