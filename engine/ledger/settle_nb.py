"""The ledger's kernels that settle: singles by their payouts, slips by the fractions of their legs.

Own what a settlement row does. Never allocate: the caller makes room in every array for the whole
batch. Never refuse by exception: the answers are effects.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import (
    FLAG_CORRECTED,
    FLAG_LEG_CORRECTED,
    FLAG_PRE_MATCH,
    SETTLEMENT,
    BetResult,
    I64s,
    Rows,
    SlipKind,
    SlipState,
    U8s,
)
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, ODDS_MILLI_ONE, PAYOUT_MINOR_MAX
from engine.ledger.combinations_nb import COMBINATION_STORE
from engine.ledger.index_nb import (
    ACCOUNTS,
    RANGES,
    SLIP_BETS,
    SLIPS,
    SUMS,
    array_of,
    slot_of_bet_nb,
)
from engine.ledger.open_slips_nb import (
    close_slip_nb,
    reopen_slip_nb,
    shift_balance_nb,
    single_payout_nb,
)
from engine.ledger.post_nb import hold_leg_nb
from engine.ledger.reserve_nb import PAYOUT_BOUNDS
from engine.ledger.rows import HOLDING_MINOR_MAX
from engine.ledger.slip_nb import COUNT, DUE, SCRATCH, settle_head_nb
from engine.slips.owed_nb import BACK_NUM_MAX

PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)
RELEASED = int(SlipState.RELEASED)

HEAD = int(SlipKind.HEAD)
LEG = int(SlipKind.LEG)

REOPENED = int(BetResult.NONE)
RESULT_LAST = int(BetResult.CANCELLED)

SKIPPED, APPLIED, DISPUTED, OF_LEG = 0, 1, 2, 3
"""What a settlement row did: it was known, it changed its slip, or no slip can take it. OF_LEG is
left to the kernel for legs."""


@kernel()
def is_impossible_nb(row: Any) -> Any:
    """Return whether no market can have sent a settlement.

    Impossible are a payout or odds outside their bounds (odds of 0: an old layout's row has none),
    a result outside BetResult, an unknown flag, and a payout or corrected odds of a bet that is
    opened again.
    """
    return (
        row.payout_minor < 0
        or row.payout_minor > PAYOUT_MINOR_MAX
        or (row.odds_milli != 0 and row.odds_milli < ODDS_MILLI_MIN)
        or row.odds_milli > ODDS_MILLI_MAX
        or row.result > RESULT_LAST
        or row.flags > FLAG_CORRECTED
        or (row.result == REOPENED and (row.payout_minor != 0 or row.flags != 0))
    )


@kernel()
def is_impossible_fraction_nb(row: Any, leg: Any) -> Any:
    """Return whether no leg can have a settlement's fraction (more than its odds, say) or mark.

    A leg that won at corrected odds may give back more than those at which it was accepted. A leg
    that is opened again gives nothing back, over any denominator.
    """
    odds_milli = leg.odds_milli
    if leg.state == PENDING and row.odds_milli > 0:
        odds_milli = row.odds_milli
    if row.flags & FLAG_CORRECTED:
        odds_milli = np.int32(ODDS_MILLI_MAX)
    back_den = np.int64(row.back_den)
    if row.early_flags > (FLAG_PRE_MATCH if row.early_lead > 0 else 0):
        return True
    return row.result != REOPENED and (
        back_den == 0
        or row.payout_minor > BACK_NUM_MAX
        or row.payout_minor * ODDS_MILLI_ONE > back_den * odds_milli
    )


@kernel(inline=True)
def mark_leg_nb(leg: Any, row: Any) -> None:
    """Keep the largest lead that a leg's side has reached, and whether its odds are corrected.

    No row takes back a lead.
    """
    if row.early_lead > leg.held:
        leg.held = row.early_lead
        leg.bets |= row.early_flags
    leg.bets &= FLAG_PRE_MATCH
    if row.flags & FLAG_CORRECTED:
        leg.bets |= FLAG_LEG_CORRECTED


@kernel(inline=True)
def post_single_nb(slip: Any, account: Any, odds_milli: Any) -> None:
    """Post a PENDING single that a settlement proves accepted, at the odds of the settlement."""
    account.pending_minor -= slip.stake_minor
    account.at_stake_minor += slip.stake_minor
    slip.state = ACCEPTED
    if odds_milli > 0:
        account.open_payout_minor -= single_payout_nb(slip)
        slip.odds_milli = odds_milli
        account.open_payout_minor += single_payout_nb(slip)


@kernel()
def reopen_single_nb(slips: Any, slot: Any, slip: Any, account: Any, house_minor: Any) -> None:
    """Return a settled single's stake from the house and open the single again."""
    account.at_stake_minor += slip.stake_minor
    house_minor[account.currency] -= slip.stake_minor
    account.open_payout_minor += single_payout_nb(slip)
    reopen_slip_nb(slips, account, slip, slot)
    slip.state = ACCEPTED


@kernel(inline=True)
def pay_single_nb(slip: Any, account: Any, row: Any, house_minor: Any) -> None:
    """Replace what a single was paid by what its settlement says."""
    change_minor = row.payout_minor - slip.payout_minor
    shift_balance_nb(account, change_minor)
    house_minor[account.currency] -= change_minor
    slip.payout_minor = row.payout_minor
    slip.settlement_no = row.settlement_no
    slip.result = row.result


@kernel(
    types.int64(
        array_of(SETTLEMENT, frozen=True),
        types.Array(types.uint8, 1, "C"),
        SLIPS,
        types.int64,
        ACCOUNTS,
        RANGES,
        SUMS,
    )
)
def settle_nb(
    rows: Rows,
    effects: U8s,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    ranges: Rows,
    house_minor: I64s,
) -> int:
    """Settle singles; a higher settlement number reverses the earlier payout and replaces it.

    A row without a result opens the bet again: the payout is reversed, the house returns the stake,
    and the stake is at stake as before the settlement; only the settlement number stays.

    A settlement number not above the slip's is skipped. Disputed are a bet id that this shard never
    gave, a head and a refused slip (its stake was returned), because the market says that the bet
    was accepted; a row that no market can have sent; and one for an account that holds or owes more
    than HOLDING_MINOR_MAX, which no real account does. A PENDING slip is posted first, at the row's
    odds: a market settles only bets that it accepted, so the settlement proves the acceptance whose
    verdict has not arrived.

    `effects` receives for each row SKIPPED, APPLIED, DISPUTED or OF_LEG. The house's profit or loss
    is added to `house_minor` by currency slot.

    Returns
    -------
    int
        How many rows are of legs: `settle_legs_nb` settles them.
    """
    legs = 0
    for i in range(len(rows)):
        row = rows[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, row.bet_id)
        if slot >= 0 and slips[slot].kind == LEG:
            effects[i] = OF_LEG
            legs += 1
            continue
        if (
            slot < 0
            or slips[slot].state == REFUSED
            or slips[slot].kind == HEAD
            or row.back_den != 0
            or is_impossible_nb(row)
        ):
            effects[i] = DISPUTED
            continue
        slip = slips[slot]
        if row.settlement_no <= slip.settlement_no:
            effects[i] = SKIPPED
            continue
        account = accounts[slip.account]
        if max(account.available_minor, account.owed_minor) > HOLDING_MINOR_MAX:
            effects[i] = DISPUTED
            continue
        effects[i] = APPLIED
        if slip.state == PENDING:
            post_single_nb(slip, account, row.odds_milli)
        if row.result == REOPENED:
            if slip.state == SETTLED:
                reopen_single_nb(slips, slot, slip, account, house_minor)
        elif slip.state == ACCEPTED:
            account.at_stake_minor -= slip.stake_minor
            house_minor[account.currency] += slip.stake_minor
            account.open_payout_minor -= single_payout_nb(slip)
            close_slip_nb(slips, account, slip)
            slip.state = SETTLED
        pay_single_nb(slip, account, row, house_minor)
    return legs


@kernel(
    types.void(
        array_of(SETTLEMENT, frozen=True),
        types.Array(types.uint8, 1, "C"),
        SLIPS,
        types.int64,
        ACCOUNTS,
        RANGES,
        SUMS,
        SLIP_BETS,
        types.int64,
        SCRATCH,
        DUE,
        COUNT,
        PAYOUT_BOUNDS,
        COMBINATION_STORE,
    )
)
def settle_legs_nb(
    rows: Rows,
    effects: U8s,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    ranges: Rows,
    house_minor: I64s,
    bets: Rows,
    room: int,
    scratch: Any,
    due: Any,
    due_len: Any,
    bounds: Any,
    store: Any,
) -> None:
    """Settle the legs whose rows `settle_nb` left, and after each row the slip of its leg.

    A leg takes the fraction that its row gives, or is open again. Then its slip is paid what now
    stands, unless it waits for a verdict on another leg: that one is settled when it is posted. A
    PENDING leg is held first, at the row's odds. When that releases it, because its slip is
    refused, the settlement counts no more, as any of a RELEASED leg. The rest is as in `settle_nb`.
    """
    for i in range(len(rows)):
        if effects[i] != OF_LEG:
            continue
        row = rows[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, row.bet_id)
        leg = slips[slot]
        if leg.state == REFUSED or is_impossible_nb(row) or is_impossible_fraction_nb(row, leg):
            effects[i] = DISPUTED
            continue
        if leg.state == RELEASED or row.settlement_no <= leg.settlement_no:
            effects[i] = SKIPPED
            continue
        account = accounts[leg.account]
        if max(account.available_minor, account.owed_minor) > HOLDING_MINOR_MAX:
            effects[i] = DISPUTED
            continue
        effects[i] = APPLIED
        moves = leg.state != ACCEPTED
        if leg.state == PENDING:
            if row.odds_milli > 0:
                leg.odds_milli = row.odds_milli
            hold_leg_nb(slips, slot, accounts, bets, room, scratch, due, due_len, bounds, store)
        if leg.state == RELEASED:
            continue
        leg.state = ACCEPTED if row.result == REOPENED else SETTLED
        leg.payout_minor = row.payout_minor
        leg.back_den = 0 if row.result == REOPENED else row.back_den
        leg.settlement_no = row.settlement_no
        leg.result = row.result
        mark_leg_nb(leg, row)
        moves |= leg.payout_minor * ODDS_MILLI_ONE != np.int64(leg.back_den) * leg.odds_milli
        head_slot = slot - leg.legs
        settle_head_nb(
            slips, head_slot, accounts, bets, scratch, house_minor, due, due_len, moves, store
        )
