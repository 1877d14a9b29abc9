"""Why a trader cannot have a bet taken past its market's limits: odds that fell, the house cap.

Owns the bounds of what a trader takes or offers. It changes nothing.
"""

import numpy as np
from msgspec import UNSET

from engine.common.acceptance import AcceptReferral, HouseCap, OfferReferral
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.rows import DECISION, Rows
from engine.common.units import OddsMilli
from engine.market.book import Book
from engine.market.fixture_grid import FixtureGrids
from engine.market.judge_nb import judge_all_nb


def offer_fault(command: OfferReferral, bet: Rows, now_milli: OddsMilli) -> Refused | None:
    """Return what is wrong with an offer on a bet that waits, at the odds of now."""
    stake_minor = int(bet["stake_minor"][0])
    if command.stake_minor > stake_minor:
        return _out_of_bounds("stake_minor", f"1 to {stake_minor}, the stake that was asked for")
    most_milli = max(int(bet["odds_milli"][0]), now_milli)
    if command.odds_milli > most_milli:
        return _out_of_bounds("odds_milli", f"at most {most_milli}, as asked for or as now")
    return None


def taking_fault(
    command: AcceptReferral | OfferReferral,
    row: Rows,
    slot: int,
    *,
    book: Book,
    grids: FixtureGrids,
    rules: int,
) -> Refused | None:
    """Return why a bet, an array of one BET row, is not to be taken at its own odds."""
    now_milli = book.odds_milli(slot)[int(row["outcome"][0])]
    least = int(row["odds_milli"][0]) if command.now_milli is UNSET else command.now_milli
    if now_milli < least:
        message = f"the odds are {now_milli} now"
        return Refused(reason=Reason.ODDS_CHANGED, field="now_milli", message=message)
    if command.cap is UNSET:
        return None
    reason = _within(command.cap, row, slot, book=book, grids=grids, rules=rules)
    if reason is Reason.ACCEPTED:
        return None
    message = f"over the house cap: {MESSAGES[reason]}"
    return Refused(reason=Reason.LIMIT_OVER_CAP, field="bet_id", message=message)


def _within(
    cap: HouseCap, row: Rows, slot: int, *, book: Book, grids: FixtureGrids, rules: int
) -> Reason:
    """Return what the market would say of a bet at its own odds, with the cap for its limits.

    The cap has no figure for fixtures, and no account's factor makes it wider.
    """
    market, outcomes = book.markets[slot : slot + 1].copy(), book.outcomes_of(slot).copy()
    for name in cap.__struct_fields__:
        market[name] = getattr(cap, name)
    for name in ("first_outcome", "grid", "stake_minor_min"):
        market[name] = 0
    outcomes["odds_milli"] = row["odds_milli"]
    plain, decisions = row.copy(), np.empty(1, DECISION)
    plain["flags"] = plain["factor_milli"] = 0
    here = np.zeros(1, np.int32)
    judge_all_nb(plain, here, market, outcomes, decisions, grids.arrays(), rules)
    return Reason(int(decisions["reason"][0]))


def _out_of_bounds(field: str, message: str) -> Refused:
    return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field=field, message=message)
