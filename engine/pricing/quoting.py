"""Quoting: from fair probabilities to odds that may be offered, many markets in one pass.

Owns the margin keys (which book a market of a type and a price has), the order of the steps (lean,
margin, ladder) and what is offered. Never prices a model, never reads a book of its own accord, and
remembers nothing that changes a price.
"""

from collections.abc import Sequence
from enum import IntFlag
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from engine.pricing.ladder import EXCHANGE, Ladder, Place, Rounding
from engine.pricing.lean import Lean
from engine.pricing.margin import Method
from engine.pricing.margin_nb import ADD, margins_nb

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FAIR_MIN: Final = 1e-4
"""An outcome less likely than this is not offered."""
BOOK_MILLI_MAX: Final = 2_000

BookField = Annotated[int, Meta(ge=1_000, le=BOOK_MILLI_MAX)]


class Margin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a board's odds hold above fair: a method and a book sum, in thousandths per winner.

    `book_milli_by_type` overrides the book for some market types. Shin's method knows markets with
    one winner only: where two outcomes win, the odds ratio stands in for it.
    """

    method: Method = Method.ODDS_RATIO
    book_milli: BookField = 1_050
    book_milli_by_type: dict[str, BookField] = {}
    rounding: Rounding = Rounding.NEAREST

    def __post_init__(self) -> None:
        """Refuse a book that pays out more than it takes, or that no market can have."""
        for name, book_milli in (("book_milli", self.book_milli), *self.book_milli_by_type.items()):
            if not 1_000 <= book_milli <= BOOK_MILLI_MAX:
                raise ValueError(f"{name}: must be from 1000 to {BOOK_MILLI_MAX}")


class BookFigures(NamedTuple):
    """What a book has taken and would pay, per outcome, in the base currency's minor units."""

    stake_minor: Ints
    payout_minor: Ints


class Shortfall(IntFlag):
    """What a market's quotes do not hold of what was asked for."""

    NONE = 0
    MARGIN = 1
    """The method has no answer at this book: nothing of the market is offered."""
    LEAN = 2
    """The lean has no answer: the market is quoted without one."""
    BOOK = 4
    """No choice of prices keeps the book within its limits: it is the nearest above."""


class Quoted(NamedTuple):
    """Odds for every outcome, which of them are offered, and each market's `Shortfall`."""

    odds_milli: Ints
    offered: Bools
    shortfalls: Ints


class Quoter:
    """Some markets whose shape is known, quoted together as often as their prices move.

    Not to be shared between threads: the arrays it works in and answers with are its own, and are
    overwritten by the next call.

    Parameters
    ----------
    offsets : Ints
        Where each market begins among the outcomes, and the end: one more than there are markets.
    winners : Floats
        For each market how many outcomes win.
    market_types : Sequence[str]
        For each market its type, by which margins are looked up.
    ladder : Ladder
        The odds that may be quoted.
    """

    def __init__(
        self,
        offsets: Ints,
        winners: Floats,
        market_types: Sequence[str],
        *,
        ladder: Ladder = EXCHANGE,
    ) -> None:
        markets, outcomes = len(offsets) - 1, int(offsets[-1])
        if len(winners) != markets or len(market_types) != markets:
            raise ValueError(f"quoting: {markets} markets want as many winners and types")
        self._offsets: Final = np.ascontiguousarray(offsets, np.int64)
        self._winners: Final = np.ascontiguousarray(winners, np.float64)
        self._types: Final = tuple(market_types)
        self._ladder: Final = ladder
        self._quoted: Floats = np.zeros(outcomes)
        self._odds_milli: Ints = np.zeros(outcomes, np.int64)
        self._places: Ints = np.zeros(outcomes, np.int64)
        self._parameters: Floats = np.zeros(markets)
        self._statuses: Ints = np.zeros(markets, np.int64)
        self._methods: Ints = np.zeros(markets, np.int64)
        self._targets: Floats = np.zeros(markets)
        self._margin: Margin | None = None

    def quote(
        self,
        fair: Floats,
        *,
        margin: Margin,
        lean: Lean | None = None,
        figures: BookFigures | None = None,
    ) -> Quoted:
        """Quote every outcome of every market.

        Parameters
        ----------
        fair : Floats
            Fair probabilities, market after market.
        margin : Margin
            What the odds hold above fair.
        lean : Lean | None
            How odds follow the book; None: not at all.
        figures : BookFigures | None
            The book, per outcome; None: nothing is leaned on.
        """
        self._set_margin(margin)
        margins_nb(
            ADD,
            self._methods,
            fair,
            self._offsets,
            self._targets,
            self._quoted,
            self._parameters,
            self._statuses,
        )
        self._ladder.round_all(
            self._quoted, self._odds_milli, self._places, rounding=margin.rounding
        )
        offered: Any = (
            ((self._places == Place.ON_LADDER) | (self._places == Place.ABOVE))
            & (fair >= FAIR_MIN)
            & (fair < 1.0)
        )
        return Quoted(
            self._odds_milli, offered, (self._statuses != 0).astype(np.int64) * Shortfall.MARGIN
        )

    def _set_margin(self, margin: Margin) -> None:
        if margin == self._margin:
            return
        for number, market_type in enumerate(self._types):
            book_milli = margin.book_milli_by_type.get(market_type, margin.book_milli)
            winners = float(self._winners[number])
            single = winners == 1.0 or margin.method is not Method.SHIN
            self._targets[number] = winners * book_milli / 1000.0
            self._methods[number] = margin.method if single else Method.ODDS_RATIO
        self._margin = margin


def quote(
    fair: Floats,
    offsets: Ints,
    winners: Floats,
    market_types: Sequence[str],
    *,
    margin: Margin,
    ladder: Ladder = EXCHANGE,
    lean: Lean | None = None,
    figures: BookFigures | None = None,
) -> Quoted:
    """Quote many markets once: `Quoter` for markets that will be quoted again.

    Parameters
    ----------
    fair : Floats
        Fair probabilities, market after market.
    offsets : Ints
        Where each market begins, and the end.
    winners : Floats
        For each market how many outcomes win.
    market_types : Sequence[str]
        For each market its type, by which margins are looked up.
    margin : Margin
        What the odds hold above fair.
    ladder : Ladder
        The odds that may be quoted.
    lean : Lean | None
        How odds follow the book; None: not at all.
    figures : BookFigures | None
        The book, per outcome; None: nothing is leaned on.
    """
    quoter = Quoter(offsets, winners, market_types, ladder=ladder)
    return quoter.quote(fair, margin=margin, lean=lean, figures=figures)
