"""Terms of races: each-way terms by the size of the field, and deductions for non-runners.

Owns the tables, which differ by house and are configuration, and the arithmetic on them. Never
settles a bet: what is worked out here goes into markets' odds and into `SettleMarket.deductions`.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from engine.common.commands import DEDUCTIONS_MAX, Deduction, OddsField, StakeField, TimeField
from engine.common.units import ODDS_MILLI_MIN
from engine.pricing.race.model import RUNNERS_MAX

DEDUCTION_MILLI_MAX: Final = 900
"""Most that is deducted from winnings, however many are withdrawn: 90p in the pound."""
ROWS_MAX: Final = 64


class EachWayTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many places an each-way bet's second half has, and the fraction of the odds it pays."""

    places: Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]
    odds_num: Annotated[int, Meta(ge=1, le=100)] = 1
    odds_den: Annotated[int, Meta(ge=1, le=100)] = 5


class EachWayRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Terms for fields from a number of runners on, up to the next row's; None: win only."""

    runners: Annotated[int, Meta(ge=1, le=RUNNERS_MAX)]
    terms: EachWayTerms | None = None


EachWayTable = Annotated[tuple[EachWayRow, ...], Meta(min_length=1, max_length=ROWS_MAX)]


def _row(runners: int, places: int, odds_den: int) -> EachWayRow:
    return EachWayRow(runners=runners, terms=EachWayTerms(places=places, odds_den=odds_den))


STANDARD: Final[EachWayTable] = (EachWayRow(runners=1), _row(5, 2, 4), _row(8, 3, 5))
"""What most houses pay on horses: a quarter for two places from five runners, a fifth for three
from eight."""
HANDICAP: Final[EachWayTable] = (*STANDARD, _row(12, 3, 4), _row(16, 4, 4))
"""Handicaps: a quarter from twelve runners, for four places from sixteen."""


def each_way_terms(table: Sequence[EachWayRow], *, runners: int) -> EachWayTerms | None:
    """Return the terms for a field of as many runners as are left; None where there are none."""
    rows = [row for row in table if row.runners <= runners]
    return max(rows, key=lambda row: row.runners).terms if rows else None


def place_odds_milli(*, odds_milli: int, terms: EachWayTerms) -> int:
    """Return the odds of an each-way bet's place part, rounded down to a thousandth.

    They are ``1 + (odds - 1) * fraction``, and at least the shortest odds there are.
    """
    return max(1_000 + (odds_milli - 1_000) * terms.odds_num // terms.odds_den, ODDS_MILLI_MIN)


class EachWayPart(NamedTuple):
    """One of the two bets: which market type takes it, at which odds."""

    market_type: str
    specifiers: tuple[tuple[str, str], ...]
    odds_milli: int
    stake_minor: int


class EachWayBet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An each-way bet: a stake to win and as much again to be placed."""

    stake_minor: StakeField
    """Of each part: the bettor pays twice as much."""
    odds_milli: OddsField
    terms: EachWayTerms

    def parts(self) -> tuple[EachWayPart, EachWayPart]:
        """Return the two bets, which stand and are settled each on its own."""
        odds = place_odds_milli(odds_milli=self.odds_milli, terms=self.terms)
        places = (("places", str(self.terms.places)),)
        return (
            EachWayPart("win", (), self.odds_milli, self.stake_minor),
            EachWayPart("each_way", places, odds, self.stake_minor),
        )


# --- non-runners ---------------------------------------------------------------------------------


class DeductionRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a runner withdrawn at odds up to `to_milli` takes off winnings, in thousandths."""

    to_milli: OddsField
    deduct_milli: Annotated[int, Meta(ge=0, le=DEDUCTION_MILLI_MAX)]


DeductionTable = Annotated[tuple[DeductionRow, ...], Meta(min_length=1, max_length=ROWS_MAX)]

RULE_4: Final[DeductionTable] = tuple(
    DeductionRow(to_milli=to_milli, deduct_milli=deduct_milli)
    for to_milli, deduct_milli in (
        (1_112, 900), (1_182, 850), (1_250, 800), (1_300, 750), (1_400, 700), (1_534, 650),
        (1_616, 600), (1_800, 550), (1_953, 500), (2_200, 450), (2_500, 400), (2_750, 350),
        (3_250, 300), (4_000, 250), (5_000, 200), (6_500, 150), (10_000, 100), (15_000, 50),
    )
)  # fmt: skip
"""The usual scale of Tattersalls' Rule 4(c): 90p in the pound at 1/9 and shorter, down to 5p
at 14/1 and nothing beyond. Fractional prices stand as the thousandths they are rounded up to."""


def deduction_milli(table: Sequence[DeductionRow], *, odds_milli: int) -> int:
    """Return what a runner withdrawn at these odds takes off winnings; 0 past the table's end."""
    rows = [row for row in table if odds_milli <= row.to_milli]
    return min(rows, key=lambda row: row.to_milli).deduct_milli if rows else 0


class Withdrawal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A runner taken out, when, and at which odds it stood then."""

    at_ns: TimeField
    odds_milli: OddsField


def deductions(
    withdrawals: Sequence[Withdrawal], *, table: Sequence[DeductionRow] = RULE_4
) -> tuple[Deduction, ...]:
    """Return what a settlement deducts from winners, as `SettleMarket` takes it.

    A bet bears what was withdrawn after it was placed, added up, and never more than
    `DEDUCTION_MILLI_MAX`.

    Raises
    ------
    ValueError
        When more than `DEDUCTIONS_MAX` different deductions come of it.
    """
    total = 0
    by_time: dict[int, int] = {}
    for withdrawal in sorted(withdrawals, key=lambda one: one.at_ns, reverse=True):
        total += deduction_milli(table, odds_milli=withdrawal.odds_milli)
        by_time[withdrawal.at_ns] = min(total, DEDUCTION_MILLI_MAX)
    latest: dict[int, int] = {}
    for at_ns, deducted in by_time.items():
        latest.setdefault(deducted, at_ns)
    stands = [
        Deduction(until_ns=at_ns, keep_milli=1_000 - deducted)
        for deducted, at_ns in reversed(latest.items())
        if deducted > 0
    ]
    if len(stands) > DEDUCTIONS_MAX:
        raise ValueError(f"deductions: at most {DEDUCTIONS_MAX} different ones")
    return tuple(stands)
