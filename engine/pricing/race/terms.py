"""Compute each-way terms by the size of the field, and deductions for non-runners.

Owns the tables, which differ between bookmakers and are configuration, and the arithmetic on them.
Never settles a bet: the results go into markets' odds and `SettleMarket.withdrawals`.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct, ValidationError, convert

from engine.common.commands import OddsField, StakeField
from engine.common.ids import EACH_WAY, FRACTION, MarketKey
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from engine.common.withdrawals import DEDUCTION_MILLI_MAX
from engine.pricing.race.field import RUNNERS_MAX

WIN: Final = "win"
PLACES: Final = "places"
_FRACTION: Final = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})", re.ASCII)
ROWS_MAX: Final = 64
"""The most rows of a table."""


class EachWayTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The places that win an each-way bet's place part, and the fraction of the odds it pays."""

    places: Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]
    odds_num: Annotated[int, Meta(ge=1, le=100)] = 1
    odds_den: Annotated[int, Meta(ge=1, le=100)] = 5


class EachWayRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms for fields of `runners` and more, up to the next row's; None: win only."""

    runners: Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]
    terms: EachWayTerms | None = None


EachWayTable = Annotated[tuple[EachWayRow, ...], Meta(min_length=1, max_length=ROWS_MAX)]


def _row(runners: int, places: int, odds_den: int) -> EachWayRow:
    return EachWayRow(runners=runners, terms=EachWayTerms(places=places, odds_den=odds_den))


STANDARD: Final[EachWayTable] = (EachWayRow(runners=1), _row(5, 2, 4), _row(8, 3, 5))
"""The terms of most bookmakers for horses: a quarter of the odds for two places from five runners,
a fifth for three places from eight. Published at racing-systems.co.uk/betting-guide, and in the
rules of a bet calculator at http2-desktop-akamai.gaming-assets.com/bet-calculator."""
HANDICAP: Final[EachWayTable] = (*STANDARD, _row(12, 3, 4), _row(16, 4, 4))
"""The same for handicaps: a quarter for three places from twelve runners, for four from sixteen.
From the same pages."""


def each_way_terms(table: Sequence[EachWayRow], *, runners: int) -> EachWayTerms | None:
    """Return the terms for a number of runners left; None where no terms apply."""
    rows = [row for row in table if row.runners <= runners]
    return max(rows, key=lambda row: row.runners).terms if rows else None


def place_odds_milli(*, odds_milli: int, terms: EachWayTerms) -> int:
    """Return the odds of an each-way bet's place part, rounded down to a thousandth.

    They are ``1 + (odds - 1) * fraction``, and at least `ODDS_MILLI_MIN`.
    """
    return max(1_000 + (odds_milli - 1_000) * terms.odds_num // terms.odds_den, ODDS_MILLI_MIN)


class EachWayPart(NamedTuple):
    """One of the two bets of an each-way bet: its market type, specifiers, odds and stake."""

    market_type: str
    specifiers: tuple[tuple[str, str], ...]
    odds_milli: int
    stake_minor: int


class EachWayBet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An each-way bet: a stake to win and the same stake to be placed."""

    stake_minor: StakeField
    """The stake of each part; the bettor pays twice this amount."""
    odds_milli: OddsField
    terms: EachWayTerms

    def parts(self) -> tuple[EachWayPart, EachWayPart]:
        """Return the two bets, to win and to be placed; each is settled separately."""
        odds = place_odds_milli(odds_milli=self.odds_milli, terms=self.terms)
        places = (("places", str(self.terms.places)),)
        return (
            EachWayPart("win", (), self.odds_milli, self.stake_minor),
            EachWayPart("each_way", places, odds, self.stake_minor),
        )


# --- the house's place markets -----------------------------------------------------------------

_NAMED: Final = {"standard": STANDARD, "handicap": HANDICAP}
_ROW: Final = re.compile(r"(\d{1,2}):(?:(\d{1,2}):(\d{1,3})/(\d{1,3})|0)", re.ASCII)


def read_table(text: str) -> EachWayTable:
    """Return a table by its name, or from rows ``RUNNERS:PLACES:NUM/DEN``, joined by commas.

    ``5:0`` is a row without each-way betting.

    Raises
    ------
    ValueError
        When the text is neither, or a figure is out of its bounds; the message names the row.
    """
    if text in _NAMED:
        return _NAMED[text]
    rows: list[EachWayRow] = []
    for part in text.split(","):
        match = _ROW.fullmatch(part)
        if match is None:
            names = ", ".join(_NAMED)
            raise ValueError(f"{part!r} is not RUNNERS:PLACES:NUM/DEN, nor one of {names}")
        terms = None
        if match[2] is not None:
            terms = {"places": int(match[2]), "odds_num": int(match[3]), "odds_den": int(match[4])}
        try:
            rows.append(convert({"runners": int(match[1]), "terms": terms}, EachWayRow))
        except ValidationError as error:
            raise ValueError(f"{part!r}: {error}") from error
    if len(rows) > ROWS_MAX or len({row.runners for row in rows}) < len(rows):
        raise ValueError(f"{text!r}: at most {ROWS_MAX} rows, one for a number of runners")
    return tuple(rows)


def place_key(win: MarketKey, terms: EachWayTerms) -> MarketKey:
    """Return the key of the place market that pays these terms beside a win market."""
    own = ((PLACES, str(terms.places)), (FRACTION, f"{terms.odds_num}/{terms.odds_den}"))
    return MarketKey(win.fixture, EACH_WAY, tuple(sorted((*win.specifiers, *own))))


def terms_of(key: MarketKey) -> tuple[MarketKey, EachWayTerms] | None:
    """Return the win market that a place market follows, and its terms; None for another market."""
    given = dict(key.specifiers)
    match = _FRACTION.fullmatch(given.pop(FRACTION, ""))
    places = given.pop(PLACES, "")
    if key.type != EACH_WAY or match is None or not places.isdecimal():
        return None
    try:
        terms = convert(
            {"places": int(places), "odds_num": int(match[1]), "odds_den": int(match[2])},
            EachWayTerms,
        )
    except ValidationError:
        return None
    return MarketKey(key.fixture, WIN, tuple(sorted(given.items()))), terms


# --- non-runners ---------------------------------------------------------------------------------


class DeductionRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The deduction from winnings, in thousandths, for runners withdrawn at odds to `to_milli`."""

    to_milli: OddsField
    deduct_milli: Annotated[int, Meta(ge=0, le=DEDUCTION_MILLI_MAX)]


DeductionTable = Annotated[tuple[DeductionRow, ...], Meta(min_length=1, max_length=ROWS_MAX)]

RULE_4: Final[DeductionTable] = tuple(
    DeductionRow(to_milli=OddsMilli(to_milli), deduct_milli=deduct_milli)
    for to_milli, deduct_milli in (
        (1_112, 900), (1_182, 850), (1_250, 800), (1_300, 750), (1_400, 700), (1_534, 650),
        (1_616, 600), (1_800, 550), (1_953, 500), (2_200, 450), (2_500, 400), (2_750, 350),
        (3_250, 300), (4_000, 250), (5_000, 200), (6_500, 150), (10_000, 100), (15_000, 50),
    )
)  # fmt: skip
"""The usual scale of Tattersalls' Rule 4(c): 90p in the pound at 1/9 and shorter, down to 5p
at 14/1, and no deduction at longer odds. Fractional odds are rounded up to thousandths. Published
at winnersodds.com/understanding-rule-4-deductions, and its short end (80p to 90p) in the rules for
horse racing at unibet.co.uk/help."""


def deduction_milli(table: Sequence[DeductionRow], *, odds_milli: int) -> int:
    """Return the deduction for a runner withdrawn at these odds; 0 past the table's end."""
    rows = [row for row in table if odds_milli <= row.to_milli]
    return min(rows, key=lambda row: row.to_milli).deduct_milli if rows else 0


_NAMED_DEDUCTIONS: Final[dict[str, DeductionTable | None]] = {"tattersalls": RULE_4, "none": None}
_DEDUCTION: Final = re.compile(r"(\d{1,8}):(\d{1,3})", re.ASCII)


def read_deductions(text: str) -> DeductionTable | None:
    """Return a table of deductions by its name, or from rows ``TO_MILLI:DEDUCT_MILLI`` by commas.

    None is no deduction at any odds. A place market has the deductions of its win market.

    Raises
    ------
    ValueError
        When the text is neither, or a figure is out of its bounds; the message names the row.
    """
    if text in _NAMED_DEDUCTIONS:
        return _NAMED_DEDUCTIONS[text]
    rows: list[DeductionRow] = []
    for part in text.split(","):
        match = _DEDUCTION.fullmatch(part)
        if match is None:
            names = ", ".join(_NAMED_DEDUCTIONS)
            raise ValueError(f"{part!r} is not TO_MILLI:DEDUCT_MILLI, nor one of {names}")
        figures = {"to_milli": int(match[1]), "deduct_milli": int(match[2])}
        try:
            rows.append(convert(figures, DeductionRow))
        except ValidationError as error:
            raise ValueError(f"{part!r}: {error}") from error
    if len(rows) > ROWS_MAX or len({row.to_milli for row in rows}) < len(rows):
        raise ValueError(f"{text!r}: at most {ROWS_MAX} rows, one up to an odds")
    return tuple(rows)
