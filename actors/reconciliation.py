"""Compare markets' bets with accounts' slips, bet by bet: arrays in, differences out.

Owns the comparison. Never fetches a row, which the reconciler does, and shares no code with the
market's or the ledger's machine, so that a defect of either is not repeated here.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from actors.messages import ReconciliationReport
from engine.common.ids import BetId, ShardNo, shard_of_bet
from engine.common.rows import (
    FLAG_KNOWN,
    FLAG_LEG_CORRECTED,
    FLAG_PRE_MATCH,
    BetResult,
    Rows,
    SlipKind,
    SlipState,
    U32s,
    U64s,
)
from engine.common.units import STAKE_MINOR_MAX, base_amount_minor_max_up
from engine.common.views import LedgerTotals
from engine.ledger.rows import SLIP

DIFFERENCES_SHOWN_MAX: Final = 20

_Bools = npt.NDArray[np.bool_]
_IN_MARKET: Final = (SlipState.ACCEPTED, SlipState.SETTLED, SlipState.RELEASED)
"""States of slips that their markets have accepted."""
_FIELDS: Final = ("stake_minor", "odds_milli", "outcome", "market_no", "account_no")


class ShardSlips(NamedTuple):
    """One account shard's slips and ledger totals.

    `slips` are SLIP rows, `bets` the bets of those of several legs (SLIP_BET rows), `currencies`
    for each slip the index of its currency in `totals`. `quiet` says that the slips and the totals
    are of one instant.
    """

    shard: ShardNo
    slips: Rows
    bets: Rows
    currencies: U32s
    totals: Sequence[LedgerTotals]
    quiet: bool


def compare_bets_and_slips(
    *,
    bets: Rows,
    shards: Sequence[ShardSlips],
    further: Sequence[str] = (),
    charges_waiting: int = 0,
) -> ReconciliationReport:
    """Compare every accepted bet with its slip, and the slips with the ledger totals.

    A leg is compared as a single is: its market holds it as a bet. A head has no bet; what it was
    paid is compared elsewhere (see slip_payouts).

    Parameters
    ----------
    bets : Rows
        BET_RECORD rows of all market shells, read after the slips were.
    shards : sequence of ShardSlips
        All account shards.
    further : sequence of str
        Differences that were found elsewhere, to be reported with these.
    charges_waiting : int
        Charges of legs that are on the way to the legs' markets.
    """
    slips = _by_bet_id(np.concatenate([np.zeros(0, SLIP), *(shard.slips for shard in shards)]))
    heads = slips["kind"] == SlipKind.HEAD
    slips = slips[~heads]
    accepted = _by_bet_id(bets[bets["reason"] == 0])
    has_slip, slip_at = _match(accepted, slips)
    unknown, late = _without_slip(accepted["bet_id"][~has_slip].tolist(), shards)
    paired, twins = accepted[has_slip], slips[slip_at[has_slip]]
    state = twins["state"]
    refused = paired["bet_id"][state == SlipState.REFUSED].tolist()
    in_force = _in_force(twins)
    orphans = np.setdiff1d(slips["bet_id"][_in_force(slips)], accepted["bet_id"])
    twice = accepted["bet_id"][1:][accepted["bet_id"][1:] == accepted["bet_id"][:-1]]
    differences = [
        *(f"bet {bet_id}: accepted by two shells" for bet_id in twice),
        *(_unknown(bet_id) for bet_id in unknown),
        *(_refused(bet_id) for bet_id in refused),
        *_field_differences(paired[in_force], twins[in_force]),
        *(_orphan(bet_id) for bet_id in orphans),
    ]
    differences += further
    for shard in shards:
        differences += _money_differences(shard)
    totals = tuple(total for shard in shards for total in shard.totals)
    return ReconciliationReport(
        market_bets=len(bets),
        slips=int(heads.sum() + (slips["kind"] == SlipKind.SINGLE).sum()),
        accepted=len(accepted),
        in_flight=late + int((state == SlipState.PENDING).sum()) + charges_waiting,
        differences=tuple(differences[:DIFFERENCES_SHOWN_MAX]),
        differences_found=len(differences),
        totals=totals,
        sums_to_zero=all(_sum_minor(total) == 0 for total in totals),
        quiet=all(shard.quiet for shard in shards),
    )


def slip_differences(slips: Rows, decisions: Rows) -> list[str]:
    """Compare slips with their markets' decisions, row by row; a pending slip waits for one.

    Parameters
    ----------
    slips : Rows
        SLIP rows of singles and legs, read before the decisions were.
    decisions : Rows
        DECISION rows in the same order; without FLAG_KNOWN the market has no record of the bet.
    """
    accepted = (decisions["flags"] & FLAG_KNOWN > 0) & (decisions["reason"] == 0)
    orphans = _in_force(slips) & ~accepted
    refused = (slips["state"] == SlipState.REFUSED) & accepted
    moved = _in_force(slips) & accepted & (slips["odds_milli"] != decisions["odds_milli"])
    return [
        *(_orphan(bet_id) for bet_id in slips["bet_id"][orphans].tolist()),
        *(_refused(bet_id) for bet_id in slips["bet_id"][refused].tolist()),
        *(
            f"bet {slips['bet_id'][i]}: odds_milli is {decisions['odds_milli'][i]} in its market, "
            f"{slips['odds_milli'][i]} in its account"
            for i in np.flatnonzero(moved).tolist()
        ),
    ]


def charge_differences(legs: Rows, charges: Rows) -> list[str]:
    """Compare what accounts know to be charged for legs with what the legs' markets charge.

    A market may have applied a later charge, of which the account does not know yet.

    Parameters
    ----------
    legs : Rows
        SLIP rows of legs, read before the charges were.
    charges : Rows
        CHARGE rows of those of them whose market charges otherwise than at first, in any order.
    """
    legs = _by_bet_id(legs[legs["charge_no"] > 0])
    charges = _by_bet_id(charges)
    known, at = _match(legs, charges)
    numbers = np.zeros(len(legs), np.int64)
    numbers[known] = charges["charge_no"][at[known]]
    stakes = np.zeros(len(legs), np.int64)
    stakes[known] = charges["stake_minor"][at[known]]
    lost = numbers < legs["charge_no"]
    # A market counts no charge above the largest stake in base currency.
    most = [base_amount_minor_max_up(STAKE_MINOR_MAX, rate) for rate in legs["rate_micro"].tolist()]
    charged = np.minimum(legs["charged_minor"], np.array(most, np.int64))
    unlike = (numbers == legs["charge_no"]) & (stakes != charged)
    return [
        *(
            f"bet {legs['bet_id'][i]}: charge {legs['charge_no'][i]} was applied by its market, "
            f"{numbers[i]} is its last one there"
            for i in np.flatnonzero(lost).tolist()
        ),
        *(
            f"bet {legs['bet_id'][i]}: its charge is {stakes[i]} in its market, "
            f"{legs['charged_minor'][i]} in its account"
            for i in np.flatnonzero(unlike).tolist()
        ),
    ]


def settlement_differences(slips: Rows, standing: Rows, waiting: U64s) -> list[str]:
    """Compare what slips were settled with what stands in their markets.

    Parameters
    ----------
    slips : Rows
        SLIP rows of all account shards.
    standing : Rows
        SETTLEMENT rows: what stands for each accepted bet of all markets.
    waiting : U64s
        Ids of bets whose settlements are still on the way to their accounts.
    """
    in_force = np.isin(slips["state"], (SlipState.ACCEPTED, SlipState.SETTLED))
    slips = _by_bet_id(slips[in_force & (slips["kind"] != SlipKind.HEAD)])
    standing = _by_bet_id(standing[~np.isin(standing["bet_id"], waiting)])
    has_slip, slip_at = _match(standing, slips)
    standing, slips = standing[has_slip], slips[slip_at[has_slip]]
    legs = slips["kind"] == SlipKind.LEG
    wrong = (
        (slips["result"] != standing["result"])
        | (slips["payout_minor"] != standing["payout_minor"])
        | (standing["result"] != BetResult.NONE) & (slips["back_den"] != standing["back_den"])
        | legs & ((slips["bets"] & FLAG_LEG_CORRECTED > 0) != (standing["flags"] > 0))
    )
    marks = slips["bets"] & FLAG_PRE_MATCH
    early = (slips["held"] != standing["early_lead"]) | (marks != standing["early_flags"])
    return [
        *(
            f"bet {standing['bet_id'][i]}: {_resolution(standing[i])} in its market, "
            f"{_resolution(slips[i])} in its account"
            for i in np.flatnonzero(wrong).tolist()
        ),
        *(
            f"bet {row['bet_id']}: {_mark(row['early_lead'], row['early_flags'])} in its market, "
            f"{_mark(slip['held'], slip['bets'])} in its account"
            for row, slip in zip(standing[early], slips[early], strict=True)
        ),
    ]


def _mark(lead: int, flags: int) -> str:
    return f"a lead of {lead}, {'pre-match' if flags & FLAG_PRE_MATCH else 'in play'}"


def _resolution(row: Any) -> str:
    if row["back_den"]:
        # A SLIP row has no flags of its own: those of a leg stand in `bets`.
        names = row.dtype.names
        corrected = row["flags"] if "flags" in names else row["bets"] & FLAG_LEG_CORRECTED
        how = f"back{' at corrected odds' if corrected else ''}"
        return f"{BetResult(row['result']).name} with {row['payout_minor']}/{row['back_den']} {how}"
    return f"{BetResult(row['result']).name} with {row['payout_minor']} paid"


def market_differences(never_given: Sequence[int]) -> list[str]:
    """Return the differences of accepted bets whose ids their account never gave."""
    return [_unknown(bet_id) for bet_id in never_given]


def _unknown(bet_id: int) -> str:
    return f"bet {bet_id}: accepted by its market, unknown to its account"


def _refused(bet_id: int) -> str:
    return f"bet {bet_id}: accepted by its market, refused in its account"


def _orphan(bet_id: int) -> str:
    return f"bet {bet_id}: stands in its account, not accepted by any market"


def _by_bet_id(rows: Rows) -> Rows:
    ordered: Rows = rows[np.argsort(rows["bet_id"], kind="stable")]
    return ordered


def _match(accepted: Rows, slips: Rows) -> tuple[_Bools, npt.NDArray[np.intp]]:
    """Return for each bet whether it has a slip, and the slip's index where it has one."""
    index = np.searchsorted(slips["bet_id"], accepted["bet_id"])
    index = np.minimum(index, max(len(slips) - 1, 0))
    has_slip: _Bools = np.zeros(len(accepted), np.bool_)
    if len(slips):
        has_slip = slips["bet_id"][index] == accepted["bet_id"]
    return has_slip, index


def _in_force(slips: Rows) -> _Bools:
    in_force: _Bools = np.isin(slips["state"], _IN_MARKET)
    return in_force


def _without_slip(bet_ids: list[int], shards: Sequence[ShardSlips]) -> tuple[list[int], int]:
    """Split accepted bets that have no slip into the unknown ones, and a count of late ones.

    A slip made after its shard was read is no difference while the shard runs: its bet id is above
    those read.
    """
    last_id = {shard.shard: int(shard.slips["bet_id"].max(initial=0)) for shard in shards}
    unknown: list[int] = []
    for bet_id in map(BetId, bet_ids):
        last = last_id.get(shard_of_bet(bet_id))
        if last is None or bet_id <= last:
            unknown.append(bet_id)
    return unknown, len(bet_ids) - len(unknown)


def _field_differences(bets: Rows, slips: Rows) -> list[str]:
    found = []
    for field in _FIELDS:
        wrong = np.flatnonzero(bets[field].astype(np.int64) != slips[field].astype(np.int64))
        found += [
            f"bet {bets['bet_id'][i]}: {field} is {bets[field][i]} in its market, "
            f"{slips[field][i]} in its account"
            for i in wrong.tolist()
        ]
    return found


def _money_differences(shard: ShardSlips) -> list[str]:
    """Compare a shard's totals with its slips, currency by currency.

    The house's profit is what settled bets staked less what they were paid. Legs have no money of
    their own: their head has it.
    """
    if not shard.quiet:
        return []
    found = []
    has_money = shard.slips["kind"] != SlipKind.LEG
    for number, total in enumerate(shard.totals):
        own = shard.slips[has_money & (shard.currencies == number)]
        settled = own[own["state"] == SlipState.SETTLED]
        sums = {
            "at_stake_minor": _sum_of(own[own["state"] == SlipState.ACCEPTED], "stake_minor"),
            "pending_minor": _sum_of(own[own["state"] == SlipState.PENDING], "stake_minor"),
            "house_minor": _sum_of(settled, "stake_minor") - _sum_of(settled, "payout_minor"),
        }
        found += [
            f"shard {shard.shard}: {field} is {getattr(total, field)} {total.currency}, "
            f"its slips add up to {expected}"
            for field, expected in sums.items()
            if getattr(total, field) != expected
        ]
    return found


def _sum_of(rows: Rows, field: str) -> int:
    """Return an exact sum of 64-bit amounts."""
    amounts = rows[field]
    return (int((amounts >> 32).sum()) << 32) + int((amounts & 0xFFFFFFFF).sum())


def _sum_minor(total: LedgerTotals) -> int:
    return (
        total.external_minor
        + total.available_minor
        + total.pending_minor
        + total.at_stake_minor
        + total.owed_minor
        + total.house_minor
        + total.offers_minor
    )
