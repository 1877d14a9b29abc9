"""Add a margin to probabilities, and remove the margin from odds.

Owns the methods' names, their refusals, and the typed calls of their kernels. Never rounds to a
ladder and never handles money: a book here is the sum of a market's implied probabilities.
"""

from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from engine.pricing.margin_nb import (
    ADD,
    ADDITIVE,
    BAD_INPUT,
    NO_SOLUTION,
    NOT_CONVERGED,
    ODDS_RATIO,
    OUT_OF_RANGE,
    POWER,
    PROBABILITY_MIN,
    PROPORTIONAL,
    REMOVE,
    SHIN,
    SOLVED,
    STANDARD_ERROR,
    SUM_TOLERANCE,
    margins_nb,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WINNERS_MAX: Final = 1_000
"""Outcomes of one market that may win."""
BOOK_SUM_MAX: Final = 1_000.0
"""Least sum of implied probabilities over the winners that no method is asked to reach."""
ODDS_MAX: Final = 1.0 / PROBABILITY_MIN
"""Longest decimal odds from which a margin is removed."""
_INPUTS_MAX: Final = 256
"""Inputs of single markets that are kept: markets of one feed differ in their outcomes alone."""


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
    MarginStatus.BAD_INPUT: (
        "a value is not a probability, none is above zero, the sum is wrong, or the method is "
        "Shin's and the number of winners is not 1"
    ),
    MarginStatus.NO_SOLUTION: "the method cannot reach this sum",
    MarginStatus.OUT_OF_RANGE: (f"the method puts a probability outside {PROBABILITY_MIN:g} to 1"),
    MarginStatus.NOT_CONVERGED: "the solver did not reach its tolerance",
}


LOPSIDED_MILLI: Final = 1_200
"""Two-way markets whose favourite stands at these odds or shorter are lopsided (see `Removal`)."""


class Removal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which method removes a margin, by market type and by how lopsided the market is.

    By the defaults additive removes the margin of lopsided two-way lines, where it was measured to
    beat the odds ratio, and the odds ratio all others, where it was not (docs/pricing.md).

    Parameters
    ----------
    method : Method
        The method of markets that no other field covers.
    method_by_type : dict[str, Method]
        The method of some market types, lopsided or not.
    lopsided : Method
        The method of lopsided two-way markets. Additive has an answer for any two odds above 1.
    lopsided_to_milli : int
        The favourite's highest quoted odds, in thousandths, at which a two-way market is lopsided.
    """

    method: Method = Method.ODDS_RATIO
    method_by_type: dict[str, Method] = {}
    lopsided: Method = Method.ADDITIVE
    lopsided_to_milli: Annotated[int, Meta(ge=1_000, le=2_000)] = LOPSIDED_MILLI

    def __post_init__(self) -> None:
        """Refuse a bound outside 1.000 to 2.000: no favourite of two is longer than evens."""
        if not 1_000 <= self.lopsided_to_milli <= 2_000:
            raise ValueError("lopsided_to_milli: must be from 1000 to 2000")

    def method_of(self, market_type: str, odds: Sequence[float], *, winners: int = 1) -> Method:
        """Return the method for a market's odds: the odds ratio for Shin's where several win."""
        two_way = len(odds) == 2 and winners == 1
        lopsided = two_way and 1_000 * min(odds) <= self.lopsided_to_milli
        method = self.method_by_type.get(market_type, self.lopsided if lopsided else self.method)
        applies = winners == 1 or method is not Method.SHIN
        return method if applies else Method.ODDS_RATIO


_MEASURED: Final = Removal()


def methods_by_type(texts: Sequence[str]) -> dict[str, Method]:
    """Read methods written as ``TYPE=METHOD``, such as ``total=additive``; a type's last holds.

    Raises
    ------
    ValueError
        When a text has no type or names no method.
    """
    methods = {}
    for text in texts:
        market_type, _, name = text.partition("=")
        if not market_type or name.upper() not in Method.__members__:
            names = ", ".join(method.name.lower() for method in Method)
            raise ValueError(f"methods: must be TYPE=METHOD, a method one of {names}: {text!r}")
        methods[market_type] = Method[name.upper()]
    return methods


@lru_cache(_INPUTS_MAX)
def removal_by(texts: tuple[str, ...]) -> Removal:
    """Return the defaults of removal with methods of some types, as `methods_by_type` reads."""
    return Removal(method_by_type=methods_by_type(texts))


def removal_of(method: Method | Removal | None) -> Removal:
    """Return how margins are removed: by one method, by market type, or None: as measured."""
    if isinstance(method, Method):
        return Removal(method=method, lopsided=method)
    return method or _MEASURED


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
    """Remove the margins of many markets: the inverse of `add_margins`, to sums of `winners`.

    Shin's method has no answer for a market whose `winners` is not 1.
    """
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


def _bad_input(message: str) -> MarginRefused:
    return MarginRefused(status=MarginStatus.BAD_INPUT, message=message)


def _bad_winners(method: Method, winners: int) -> str:
    """Return what is wrong with the number of winners, or an empty text."""
    if not 1 <= winners <= WINNERS_MAX:
        return f"winners: must be from 1 to {WINNERS_MAX}"
    if method is Method.SHIN and winners != 1:
        return "winners: must be 1 for Shin's method"
    return ""


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
    if not all(PROBABILITY_MIN <= each <= 1.0 for each in probabilities):
        return _bad_input(f"probabilities: each must be from {PROBABILITY_MIN:g} to 1")
    wrong = _bad_winners(method, winners)
    if wrong:
        return _bad_input(wrong)
    values = np.array(probabilities, np.float64)
    total = float(values.sum())
    if not abs(total - winners) <= SUM_TOLERANCE:
        return _bad_input(
            f"probabilities: must add up to {winners} within {SUM_TOLERANCE:g}, not {total:.9g}"
        )
    if not 0.0 < book < BOOK_SUM_MAX:
        return _bad_input(f"book: must be above 0 and below {BOOK_SUM_MAX:g}")
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
    """Return one market's fair probabilities from its decimal odds (each above 1).

    Shin's method is refused unless one outcome wins.
    """
    if len(odds) < 1 or not all(1.0 < each <= ODDS_MAX for each in odds):
        return _bad_input(f"odds: each must be above 1 and at most {ODDS_MAX:g}")
    wrong = _bad_winners(method, winners)
    if wrong:
        return _bad_input(wrong)
    quoted = np.array([1.0 / each for each in odds], np.float64)
    moved = _single(REMOVE, quoted, float(winners), method)
    status = int(moved.statuses[0])
    if status != MarginStatus.SOLVED:
        return _refused(MarginStatus(status))
    return MarginSolved(values=tuple(moved.values.tolist()), parameter=float(moved.parameters[0]))


def remove_by_type(
    odds: Sequence[float],
    *,
    market_type: str,
    removal: Removal | None = None,
    winners: int = 1,
) -> MarginSolved | MarginRefused:
    """Return one market's fair probabilities by its type's method; None: the measured defaults."""
    method = removal_of(removal).method_of(market_type, odds, winners=winners)
    return remove_margin(odds, method=method, winners=winners)
