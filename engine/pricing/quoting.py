"""Quote odds from fair probabilities, for many markets in one pass.

Owns the margin keys (which book sum a market has, by its type and its favourite's odds), the order
of the steps (skew, margin, ladder, cap at fair) and which outcomes are offered. Never evaluates a
model and never reads a liability book; quotes do not depend on earlier calls.
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
from engine.pricing.lines import WINNERS_VARY
from engine.pricing.margin import Method
from engine.pricing.margin_nb import ADD, margins_nb
from engine.pricing.quoting_nb import FLOAT_ROWS, INT_ROWS, OUTSIDE, hold_books_nb, targets_nb
from engine.pricing.skew import LinearSkew, OptimalSkew, Skew
from engine.pricing.skew_nb import LINEAR, LOG_ODDS, drop_skew_nb, floor_at_fair_nb, skew_nb
from engine.pricing.skew_optimal_nb import optimal_nb

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FAIR_MIN: Final = 1e-4
"""An outcome less likely than this is not offered."""
BOOK_MILLI_MAX: Final = 2_000
"""The largest book sum per winner, in thousandths."""

BANDS_MAX: Final = 64
"""Bands that one margin key may have."""
LEG_MILLI_MAX: Final = 200
"""The most that each leg of a bet builder after the first may add to its book sum."""
BOOK_WITHIN_MILLI_MAX: Final = 500
"""The largest allowed deviation of a book sum per winner, in thousandths."""

BookField = Annotated[int, Meta(ge=1_000, le=BOOK_MILLI_MAX)]


class MarginBand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The book sum of markets whose favourite's fair odds are at most `to_milli`."""

    to_milli: Annotated[int, Meta(ge=ODDS_MILLI_MIN, le=ODDS_MILLI_MAX)]
    book_milli: BookField


Bands = Annotated[tuple[MarginBand, ...], Meta(max_length=BANDS_MAX)]


class Margin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The margin of a board: a method, and book sums in thousandths per winner.

    A market's book sum is the sum of one over its odds. Shin's method is defined for markets with
    one winner; where more outcomes win, the odds ratio method replaces it.

    Parameters
    ----------
    method : Method
        How the excess over fair is distributed over a market's outcomes.
    method_by_type : dict[str, Method]
        The method of some market types.
    book_milli : int
        The book sum of markets that no other key covers.
    book_milli_by_type : dict[str, int]
        The book sum of some market types.
    bands : tuple[MarginBand, ...]
        Book sums by the fair odds of a market's favourite, for types not in `book_milli_by_type`.
        The first band that reaches these odds applies; past the last band `book_milli` does.
    bands_by_type : dict[str, tuple[MarginBand, ...]]
        The same for some types. They take precedence over `book_milli_by_type`, which applies past
        the last band.
    leg_milli : int
        What each leg of a bet builder after the first adds to its book sum; the sum ends at
        `BOOK_MILLI_MAX`. The default makes 1,170 of 1,050 with five legs.
    rounding : Rounding
        To which neighbour on the ladder odds are rounded.
    book_within_milli : int | None
        How far rounding may move a book sum from its target, in thousandths per winner. None rounds
        each outcome's odds separately.
    capped : bool
        Whether odds are capped at fair, whatever skew and rounding give; then no combination of
        stakes on related markets wins for certain (see `engine.pricing.fair_cap`).
    """

    method: Method = Method.ODDS_RATIO
    method_by_type: dict[str, Method] = {}
    book_milli: BookField = 1_050
    book_milli_by_type: dict[str, BookField] = {}
    bands: Bands = ()
    bands_by_type: dict[str, Bands] = {}
    leg_milli: Annotated[int, Meta(ge=0, le=LEG_MILLI_MAX)] = 30
    rounding: Rounding = Rounding.NEAREST
    book_within_milli: Annotated[int, Meta(ge=0, le=BOOK_WITHIN_MILLI_MAX)] | None = None
    capped: bool = True

    def __post_init__(self) -> None:
        """Refuse book sums, bands and deviations out of bounds; no book sum is below 1."""
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
        _check("leg_milli", self.leg_milli, 0, LEG_MILLI_MAX)
        if self.book_within_milli is not None:
            _check("book_within_milli", self.book_within_milli, 0, BOOK_WITHIN_MILLI_MAX)

    def bands_of(self, market_type: str) -> tuple[MarginBand, ...]:
        """Return the bands that apply to a market type."""
        named = self.bands_by_type.get(market_type)
        if named is not None:
            return named
        return () if market_type in self.book_milli_by_type else self.bands


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: must be from {low} to {high}")


def _book(book_milli: int) -> float:
    return min(book_milli, BOOK_MILLI_MAX) / 1000.0


class BookFigures(NamedTuple):
    """Stakes taken and payouts due per outcome, in the base currency's minor units."""

    stake_minor: Ints
    payout_minor: Ints


class Shortfall(IntFlag):
    """Which parts of a margin and a skew a market's quotes do not have."""

    NONE = 0
    MARGIN = 1
    """The method has no answer at this book sum: no outcome of the market is offered."""
    SKEW = 2
    """The skew has no answer: the market is quoted without it."""
    BOOK = 4
    """No choice of odds keeps the book sum within its limits: it is the nearest found above."""


class Quoted(NamedTuple):
    """Odds for every outcome, which of them are offered, and each market's `Shortfall`."""

    odds_milli: Ints
    offered: Bools
    shortfalls: Ints


class Quoter:
    """Markets of fixed outcomes, quoted together at every change of their probabilities.

    Not to be shared between threads: calls use the quoter's own arrays and return some of them, and
    the next call overwrites them.

    Parameters
    ----------
    offsets : Ints
        Index of each market's first outcome, and the end: one more than there are markets.
    winners : Floats
        For each market how many outcomes win; ``WINNERS_VARY``: as many as its fair
        probabilities add up to, at each call.
    market_types : Sequence[str]
        For each market its type, by which the margin's keys are chosen.
    ladder : Ladder
        The odds that may be quoted.
    legs : Sequence[int] | None
        For each market the legs that must all win (a bet builder's); None for one each.

    Raises
    ------
    ValueError
        When winners, types and legs are not one for each market.
    """

    def __init__(
        self,
        offsets: Ints,
        winners: Floats,
        market_types: Sequence[str],
        *,
        ladder: Ladder = EXCHANGE,
        legs: Sequence[int] | None = None,
    ) -> None:
        markets, outcomes = len(offsets) - 1, int(offsets[-1])
        legs = [1] * markets if legs is None else legs
        if not len(winners) == len(market_types) == len(legs) == markets:
            raise ValueError(f"quoting: {markets} markets need as many winners, types and legs")
        self._offsets: Final = np.ascontiguousarray(offsets, np.int64)
        self._winners: Final = np.array(winners, np.float64)
        self._single: Final[Bools] = self._winners == 1.0
        self._varying: Final = np.flatnonzero(self._winners == WINNERS_VARY)
        self._types: Final = tuple(market_types)
        self._legs: Final = tuple(legs)
        self._ladder: Final = ladder
        self._quoted: Floats = np.zeros(outcomes)
        self._skewed: Floats = np.zeros(outcomes)
        self._uncapped: Final[Floats] = np.zeros(outcomes)
        self._odds_milli: Ints = np.zeros(outcomes, np.int64)
        self._places: Ints = np.zeros(outcomes, np.int64)
        self._parameters: Floats = np.zeros(markets)
        self._margin_statuses: Ints = np.zeros(markets, np.int64)
        self._skew_statuses: Ints = np.zeros(markets, np.int64)
        self._book_statuses: Ints = np.zeros(markets, np.int64)
        self._methods: Ints = np.zeros(markets, np.int64)
        self._targets: Floats = np.zeros(markets)
        self._float_scratch: Floats = np.zeros((FLOAT_ROWS, outcomes + 1))
        self._int_scratch: Ints = np.zeros((INT_ROWS, outcomes + 1), np.int64)
        self._skew_scratch: Floats = np.zeros((3, outcomes))
        # The margin of the last call, as columns.
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
            The margin to add.
        skew : Skew | None
            How odds follow the book; None: not at all.
        figures : BookFigures | None
            The books, per outcome; None: no skew is applied.

        Raises
        ------
        ValueError
            When there are not as many probabilities, or payouts, as outcomes.
        """
        self._check_lengths(fair, figures)
        if margin != self._margin:
            self._compile_margin(margin)
        if len(self._varying):
            sums = np.add.reduceat(fair, self._offsets[:-1])
            self._winners[self._varying] = sums[self._varying]
        targets_nb(
            fair, self._offsets, self._winners, self._band_offsets, self._band_ends,
            self._band_books, self._books, self._targets,
        )  # fmt: skip
        self._skew_statuses[:] = 0
        if skew is None or figures is None:
            self._add_margin(fair, self._quoted)
        else:
            payouts = figures.payout_minor.astype(np.float64)
            self._skew(fair, skew, payouts, floor_share=1.0 if margin.capped else 0.0)
        self._ladder.round_all(
            self._quoted, self._odds_milli, self._places, rounding=margin.rounding
        )
        offered: Bools = (
            ((self._places == Place.ON_LADDER) | (self._places == Place.ABOVE))
            & (fair >= FAIR_MIN)
            & (fair < 1.0)
        )
        self._book_statuses[:] = 0
        if margin.book_within_milli is not None:
            hold_books_nb(
                self._quoted, fair if margin.capped else self._uncapped, offered,
                self._offsets, self._winners, self._ladder.prices_milli, int(margin.rounding),
                margin.book_within_milli / 1000.0, self._odds_milli, self._float_scratch,
                self._int_scratch, self._book_statuses,
            )  # fmt: skip
        if margin.capped:
            above = cap_at_fair_nb(
                fair, self._offsets, self._ladder.prices_milli, self._odds_milli, offered
            )
            if above > 0 and margin.book_within_milli is not None:
                self._flag_books(offered, margin.book_within_milli / 1000.0)
        return Quoted(self._odds_milli, offered, self._shortfalls())

    def _add_margin(self, probabilities: Floats, quoted: Floats) -> None:
        """Fill quoted probabilities by adding the margin to `probabilities`."""
        margins_nb(
            ADD, self._methods, probabilities, self._offsets, self._targets, quoted,
            self._parameters, self._margin_statuses,
        )  # fmt: skip

    def _skew(self, fair: Floats, skew: Skew, payouts: Floats, *, floor_share: float) -> None:
        """Fill the quoted probabilities, with skew and margin in them.

        With a `floor_share` of 1 none is below fair: the skew then uses up the margin at most.
        """
        if isinstance(skew, OptimalSkew):
            self._add_margin(fair, self._skewed)
            optimal_nb(
                fair, self._skewed, payouts, self._offsets, self._winners, float(skew.risk_minor),
                float(skew.bet_payout_minor), skew.elasticity, skew.tilt, floor_share,
                skew.log_odds_milli_max / 1000.0, self._skew_scratch, self._quoted,
                self._skew_statuses,
            )  # fmt: skip
            return
        if isinstance(skew, LinearSkew):
            form, cap = LINEAR, skew.shift_milli_max / 1000.0
        else:
            form, cap = LOG_ODDS, skew.log_odds_milli_max / 1000.0
        skew_nb(
            form, fair, payouts, self._offsets, float(skew.scale_minor), cap, self._skewed,
            self._skew_statuses,
        )  # fmt: skip
        self._add_margin(self._skewed, self._quoted)
        # A method may reach the book sum from the fair probabilities and not from the skewed ones.
        if drop_skew_nb(
            fair, self._offsets, self._margin_statuses, self._skewed, self._skew_statuses
        ):
            self._add_margin(self._skewed, self._quoted)
        if floor_share > 0.0:
            floor_at_fair_nb(fair, self._offsets, self._margin_statuses, self._quoted)

    def _flag_books(self, offered: Bools, within: float) -> None:
        """Flag the markets whose book sum the cap at fair has moved above its limit."""
        firsts = self._offsets[:-1]
        sums = np.add.reduceat(np.where(offered, 1000.0 / self._odds_milli, self._quoted), firsts)
        targets = np.add.reduceat(self._quoted, firsts)
        self._book_statuses[sums > targets + within * self._winners + 1e-9] = OUTSIDE

    def _shortfalls(self) -> Ints:
        shortfalls: Ints = (
            (self._margin_statuses != 0) * int(Shortfall.MARGIN)
            + (self._skew_statuses != 0) * int(Shortfall.SKEW)
            + (self._book_statuses != 0) * int(Shortfall.BOOK)
        )
        return shortfalls

    def _check_lengths(self, fair: Floats, figures: BookFigures | None) -> None:
        outcomes = len(self._quoted)
        if len(fair) != outcomes:
            raise ValueError(f"fair: {outcomes} outcomes need as many, not {len(fair)}")
        if figures is not None and len(figures.payout_minor) != outcomes:
            raise ValueError(
                f"payout_minor: {outcomes} outcomes need as many, not {len(figures.payout_minor)}"
            )

    def _compile_margin(self, margin: Margin) -> None:
        """Resolve a margin's keys to columns: method, book sum and bands of each market."""
        ends: list[float] = []
        books: list[float] = []
        for number, market_type in enumerate(self._types):
            book_milli = margin.book_milli_by_type.get(market_type, margin.book_milli)
            method = margin.method_by_type.get(market_type, margin.method)
            single = self._single[number] or method is not Method.SHIN
            added = margin.leg_milli * (self._legs[number] - 1)
            self._books[number] = _book(book_milli + added)
            self._methods[number] = method if single else Method.ODDS_RATIO
            for band in margin.bands_of(market_type):
                ends.append(float(band.to_milli))
                books.append(_book(band.book_milli + added))
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
    """Quote many markets once; use a `Quoter` for markets that are quoted repeatedly.

    Parameters
    ----------
    fair : Floats
        Fair probabilities, market after market.
    offsets : Ints
        Index of each market's first outcome, and the end.
    winners : Floats
        For each market how many outcomes win.
    market_types : Sequence[str]
        For each market its type, by which the margin's keys are chosen.
    margin : Margin
        The margin to add.
    ladder : Ladder
        The odds that may be quoted.
    skew : Skew | None
        How odds follow the book; None: not at all.
    figures : BookFigures | None
        The books, per outcome; None: no skew is applied.

    Raises
    ------
    ValueError
        When arrays do not have one entry for each market or outcome.
    """
    quoter = Quoter(offsets, winners, market_types, ladder=ladder)
    return quoter.quote(fair, margin=margin, skew=skew, figures=figures)
