"""Markets' books against accounts', bet by bet: arrays in, differences out.

Owns the comparison and nothing else; who fetches the rows is the reconciler's business. It shares
no code with either machine, so that a mistake in one is not repeated here.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.messages import BooksReport
from engine.common.ids import serial_of_bet, shard_of_bet
from engine.common.rows import Rows, SlipState
from engine.common.views import LedgerTotals

DIFFERENCES_SHOWN_MAX: Final = 20

_Bools = npt.NDArray[np.bool_]
_FIELDS: Final = ("stake_minor", "odds_milli", "outcome", "market_no", "account_no")
_MONEY: Final = (
    "external_minor",
    "available_minor",
    "pending_minor",
    "at_stake_minor",
    "owed_minor",
    "house_minor",
)


class ShardBooks(NamedTuple):
    """One account shard's slips and totals, in SLIP rows; `quiet`: all of one instant."""

    shard: int
    slips: Rows
    totals: Sequence[LedgerTotals]
    quiet: bool


def compare_books(*, bets: Rows, shards: Sequence[ShardBooks]) -> BooksReport:
    """Compare every accepted bet with its slip, and the slips with the money.

    Parameters
    ----------
    bets : Rows
        BET_RECORD rows of all market shells, read after the slips were.
    shards : sequence of ShardBooks
        All account shards.
    """
    found: list[str] = []
    slips = _sorted(np.concatenate([books.slips for books in shards]))
    accepted = _sorted(bets[bets["reason"] == 0])
    twice = accepted["bet_id"][1:][accepted["bet_id"][1:] == accepted["bet_id"][:-1]]
    found += [f"bet {bet_id}: accepted by two shells" for bet_id in twice]
    at = np.searchsorted(slips["bet_id"], accepted["bet_id"])
    at_safe = np.minimum(at, max(len(slips) - 1, 0))
    has_slip: _Bools = np.zeros(len(accepted), np.bool_)
    if len(slips):
        has_slip = slips["bet_id"][at_safe] == accepted["bet_id"]
    in_flight = 0
    reserved = {books.shard: len(books.slips) for books in shards}
    for bet_id in accepted["bet_id"][~has_slip].tolist():
        # A slip made after its shard was read is no difference: its serial says so.
        last_serial = reserved.get(shard_of_bet(bet_id))
        if last_serial is not None and serial_of_bet(bet_id) > last_serial:
            in_flight += 1
        else:
            found.append(f"bet {bet_id}: accepted by its market, unknown to its account")
    pairs, twins = accepted[has_slip], slips[at_safe[has_slip]]
    state = twins["state"]
    in_flight += int((state == SlipState.PENDING).sum())
    for bet_id in pairs["bet_id"][state == SlipState.REFUSED].tolist():
        found.append(f"bet {bet_id}: accepted by its market, refused in its account")
    stands = (state == SlipState.ACCEPTED) | (state == SlipState.SETTLED)
    found += _unlike(pairs[stands], twins[stands])
    standing = (slips["state"] == SlipState.ACCEPTED) | (slips["state"] == SlipState.SETTLED)
    orphans = np.setdiff1d(slips["bet_id"][standing], accepted["bet_id"])
    found += [
        f"bet {bet_id}: stands in its account, not accepted by any market" for bet_id in orphans
    ]
    for books in shards:
        found += _money(books)
    totals = tuple(total for books in shards for total in books.totals)
    return BooksReport(
        market_bets=len(bets),
        slips=len(slips),
        accepted=len(accepted),
        in_flight=in_flight,
        differences=tuple(found[:DIFFERENCES_SHOWN_MAX]),
        differences_found=len(found),
        totals=totals,
        sums_to_zero=all(_sum(total) == 0 for total in totals),
        quiet=all(books.quiet for books in shards),
    )


def _sorted(rows: Rows) -> Rows:
    ordered: Rows = rows[np.argsort(rows["bet_id"], kind="stable")]
    return ordered


def _unlike(bets: Rows, slips: Rows) -> list[str]:
    found = []
    for field in _FIELDS:
        wrong = np.flatnonzero(bets[field].astype(np.int64) != slips[field].astype(np.int64))
        found += [
            f"bet {bets['bet_id'][i]}: {field} is {bets[field][i]} in its market, "
            f"{slips[field][i]} in its account"
            for i in wrong.tolist()
        ]
    return found


def _money(books: ShardBooks) -> list[str]:
    """Hold a shard's sums against its slips; over all currencies, as slips do not name theirs."""
    if not books.quiet:
        return []
    found = []
    for state, field in (
        (SlipState.ACCEPTED, "at_stake_minor"),
        (SlipState.PENDING, "pending_minor"),
    ):
        stakes = int(books.slips["stake_minor"][books.slips["state"] == state].sum())
        booked = sum(getattr(total, field) for total in books.totals)
        if stakes != booked:
            found.append(f"shard {books.shard}: {field} is {booked}, its slips add up to {stakes}")
    return found


def _sum(total: LedgerTotals) -> int:
    figures: list[Any] = [getattr(total, field) for field in _MONEY]
    return sum(figures)
