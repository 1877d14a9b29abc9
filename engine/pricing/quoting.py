"""Quoting: from fair probabilities to odds that may be offered, many markets in one pass.

Owns the margin keys (which book a market of a type and a price has), the order of the steps (lean,
margin, ladder, harmony) and what is offered. Never prices a model, never reads a book of its own
accord, and remembers nothing that changes a price.
"""

from collections.abc import Sequence
from enum import IntFlag
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.pricing.fair_cap_nb import cap_at_fair_nb
from engine.pricing.ladder import EXCHANGE, Ladder, Place, Rounding
from engine.pricing.margin import Method
from engine.pricing.margin_nb import ADD, margins_nb
from engine.pricing.quoting_nb import FLOAT_ROWS, INT_ROWS, OUTSIDE, hold_books_nb, targets_nb
from engine.pricing.skew import LinearSkew, OptimalSkew, Skew
from engine.pricing.skew_nb import (
    LINEAR,
    LOG_ODDS,
    floor_nb,
    optimal_nb,
    skew_nb,
    unlean_nb,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FAIR_MIN: Final = 1e-4
"""An outcome less likely than this is not offered."""
BOOK_MILLI_MAX: Final = 2_000

BANDS_MAX: Final = 64
"""Price bands that one margin key may have."""
BOOK_WITHIN_MILLI_MAX: Final = 500

BookField = Annotated[int, Meta(ge=1_000, le=BOOK_MILLI_MAX)]


class MarginBand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A book for markets whose favourite's fair odds are at most `to_milli`."""

    to_milli: Annotated[int, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
    book_milli: BookField


Bands = Annotated[tuple[MarginBand, ...], Meta(max_length=BANDS_MAX)]


class Margin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a board's odds hold above fair: a method and a book sum, in thousandths per winner.

    Shin's method knows markets with one winner only: where two outcomes win, the odds ratio stands
    in for it.

    Parameters
    ----------
    method : Method
        How the excess is spread.
    book_milli : int
        The book of markets that no other key names.
    book_milli_by_type : dict[str, int]
        The book of some market types.
    bands : tuple[MarginBand, ...]
        Books by the fair odds of a market's favourite, for types not in `book_milli_by_type`; the
        first band that reaches them is taken, past the last one `book_milli` is.
    bands_by_type : dict[str, tuple[MarginBand, ...]]
        The same for some types, before `book_milli_by_type`, which holds past the last band.
    rounding : Rounding
        Which neighbour on the ladder odds become.
    book_within_milli : int | None
        How far rounding may take a book from what was asked for, in thousandths per winner; None
        takes every price for itself.
    harmonised : bool
        Whether no odds are longer than fair, whatever leans and rounding ask for: then no stakes on
        related markets win for sure (harmony.py).
    """

    method: Method = Method.ODDS_RATIO
    book_milli: BookField = 1_050
    book_milli_by_type: dict[str, BookField] = {}
    bands: Bands = ()
    bands_by_type: dict[str, Bands] = {}
    rounding: Rounding = Rounding.NEAREST
    book_within_milli: Annotated[int, Meta(ge=0, le=BOOK_WITHIN_MILLI_MAX)] | None = None
    capped: bool = True

    def __post_init__(self) -> None:
        """Refuse a book that pays out more than it takes, or that no market can have."""
        for name, book_milli in (("book_milli", self.book_milli), *self.book_milli_by_type.items()):
            _check(name, book_milli, 1_000, BOOK_MILLI_MAX)
        for name, bands in (("bands", self.bands), *self.bands_by_type.items()):
            _check(f"{name}: bands", len(bands), 0, BANDS_MAX)
            ends = [band.to_milli for band in bands]
            if any(a >= b for a, b in pairwise(ends)):
                raise ValueError(f"{name}: bands must rise")
            for band in bands:
                _check(f"{name}: to_milli", band.to_milli, ODDS_MILLI_MIN, ODDS_MILLI_MAX)
                _check(f"{name}: book_milli", band.book_milli, 1_000, BOOK_MILLI_MAX)
        if self.book_within_milli is not None:
            _check("book_within_milli", self.book_within_milli, 0, BOOK_WITHIN_MILLI_MAX)

    def bands_of(self, market_type: str) -> tuple[MarginBand, ...]:
        """Return the price bands that a market type is looked up in."""
        named = self.bands_by_type.get(market_type)
        if named is not None:
            return named
        return () if market_type in self.book_milli_by_type else self.bands


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: must be from {low} to {high}")


class BookFigures(NamedTuple):
    """What a book has taken and would pay, per outcome, in the base currency's minor units."""

    stake_minor: Ints
    payout_minor: Ints


class Shortfall(IntFlag):
    """What a market's quotes do not hold of what was asked for."""

    NONE = 0
    MARGIN = 1
    """The method has no answer at this book: nothing of the market is offered."""
    SKEW = 2
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
        self._leant: Floats = np.zeros(outcomes)
        self._unbound: Final[Floats] = np.zeros(outcomes)
        self._odds_milli: Ints = np.zeros(outcomes, np.int64)
        self._places: Ints = np.zeros(outcomes, np.int64)
        self._parameters: Floats = np.zeros(markets)
        self._statuses: Ints = np.zeros(markets, np.int64)
        self._skews: Ints = np.zeros(markets, np.int64)
        self._holds: Ints = np.zeros(markets, np.int64)
        self._methods: Ints = np.zeros(markets, np.int64)
        self._targets: Floats = np.zeros(markets)
        self._floats: Floats = np.zeros((FLOAT_ROWS, outcomes + 1))
        self._ints: Ints = np.zeros((INT_ROWS, outcomes + 1), np.int64)
        self._search: Floats = np.zeros((3, outcomes))
        # The margin that came last, as columns.
        self._margin: Margin | None = None
        self._books: Floats = np.zeros(markets)
        self._band_offsets: Ints = np.zeros(markets + 1, np.int64)
        self._band_ends: Floats = np.zeros(0)
        self._band_books: Floats = np.zeros(0)

    def quote(
        self,
        fair: Floats,
        *,
        margin: Margin,
        skew: Skew | None = None,
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

        Raises
        ------
        ValueError
            Unless there are as many probabilities, and payouts, as outcomes.
        """
        self._check_lengths(fair, figures)
        if margin != self._margin:
            self._set_margin(margin)
        targets_nb(
            fair, self._offsets, self._winners, self._band_offsets, self._band_ends,
            self._band_books, self._books, self._targets,
        )  # fmt: skip
        self._skews[:] = 0
        if skew is None or figures is None:
            self._spread(fair, self._quoted)
        else:
            payouts = figures.payout_minor.astype(np.float64)
            self._skew(fair, skew, payouts, least=1.0 if margin.capped else 0.0)
        self._ladder.round_all(
            self._quoted, self._odds_milli, self._places, rounding=margin.rounding
        )
        offered: Bools = (
            ((self._places == Place.ON_LADDER) | (self._places == Place.ABOVE))
            & (fair >= FAIR_MIN)
            & (fair < 1.0)
        )
        self._holds[:] = 0
        if margin.book_within_milli is not None:
            hold_books_nb(
                self._quoted, fair if margin.capped else self._unbound, offered,
                self._offsets, self._winners, self._ladder.prices_milli, int(margin.rounding),
                margin.book_within_milli / 1000.0, self._odds_milli, self._floats, self._ints,
                self._holds,
            )  # fmt: skip
        if margin.capped:
            above = cap_at_fair_nb(
                fair, self._offsets, self._ladder.prices_milli, self._odds_milli, offered
            )
            if above > 0 and margin.book_within_milli is not None:
                self._flag_books(offered, margin.book_within_milli / 1000.0)
        return Quoted(self._odds_milli, offered, self._shortfalls())

    def _spread(self, probabilities: Floats, quoted: Floats) -> None:
        """Put the margin on."""
        margins_nb(
            ADD, self._methods, probabilities, self._offsets, self._targets, quoted,
            self._parameters, self._statuses,
        )  # fmt: skip

    def _skew(self, fair: Floats, skew: Skew, payouts: Floats, *, least: float) -> None:
        """Fill the quoted probabilities with both lean and margin in them.

        With a `least` of 1 none is below fair: a lean then spends the margin and no more.
        """
        if isinstance(skew, OptimalSkew):
            self._spread(fair, self._leant)
            optimal_nb(
                fair, self._leant, payouts, self._offsets, self._winners, float(skew.risk_minor),
                float(skew.bet_payout_minor), skew.elasticity, skew.tilt, least,
                skew.log_odds_milli_max / 1000.0, self._search, self._quoted, self._skews,
            )  # fmt: skip
            return
        if isinstance(skew, LinearSkew):
            form, cap = LINEAR, skew.shift_milli_max / 1000.0
        else:
            form, cap = LOG_ODDS, skew.log_odds_milli_max / 1000.0
        skew_nb(
            form, fair, payouts, self._offsets, float(skew.scale_minor), cap, self._leant,
            self._skews,
        )  # fmt: skip
        self._spread(self._leant, self._quoted)
        # A method that reaches the book from the fair probabilities may not from the leant ones.
        if unlean_nb(fair, self._offsets, self._statuses, self._leant, self._skews):
            self._spread(self._leant, self._quoted)
        if least > 0.0:
            floor_nb(fair, self._offsets, self._statuses, self._quoted)

    def _flag_books(self, offered: Bools, within: float) -> None:
        """Mark markets whose books prices capped at fair have taken past their limits."""
        firsts = self._offsets[:-1]
        held = np.add.reduceat(np.where(offered, 1000.0 / self._odds_milli, self._quoted), firsts)
        asked = np.add.reduceat(self._quoted, firsts)
        self._holds[held > asked + within * self._winners + 1e-9] = OUTSIDE

    def _shortfalls(self) -> Ints:
        shortfalls: Ints = (
            (self._statuses != 0) * int(Shortfall.MARGIN)
            + (self._skews != 0) * int(Shortfall.SKEW)
            + (self._holds != 0) * int(Shortfall.BOOK)
        )
        return shortfalls

    def _check_lengths(self, fair: Floats, figures: BookFigures | None) -> None:
        outcomes = len(self._quoted)
        if len(fair) != outcomes:
            raise ValueError(f"fair: {outcomes} outcomes want as many, not {len(fair)}")
        if figures is not None and len(figures.payout_minor) != outcomes:
            raise ValueError(
                f"payout_minor: {outcomes} outcomes want as many, not {len(figures.payout_minor)}"
            )

    def _set_margin(self, margin: Margin) -> None:
        """Write a margin's keys out by market."""
        ends: list[float] = []
        books: list[float] = []
        for number, market_type in enumerate(self._types):
            book_milli = margin.book_milli_by_type.get(market_type, margin.book_milli)
            single = self._winners[number] == 1.0 or margin.method is not Method.SHIN
            self._books[number] = book_milli / 1000.0
            self._methods[number] = margin.method if single else Method.ODDS_RATIO
            for band in margin.bands_of(market_type):
                ends.append(float(band.to_milli))
                books.append(band.book_milli / 1000.0)
            self._band_offsets[number + 1] = len(ends)
        self._band_ends, self._band_books = np.array(ends), np.array(books)
        self._margin = margin


def quote(
    fair: Floats,
    offsets: Ints,
    winners: Floats,
    market_types: Sequence[str],
    *,
    margin: Margin,
    ladder: Ladder = EXCHANGE,
    skew: Skew | None = None,
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
    return quoter.quote(fair, margin=margin, skew=skew, figures=figures)
