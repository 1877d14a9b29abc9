"""The ledger's kernels that settle: singles by their payouts, slips by the fractions of their legs.

Own what a settlement row does. Never allocate: the caller makes room in every array for the whole
batch. Never refuse by exception: the answers are effects.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import SETTLEMENT, BetResult, I64s, Rows, SlipKind, SlipState, U8s, U32s
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, ODDS_MILLI_ONE, PAYOUT_MINOR_MAX
from engine.ledger.index_nb import (
    ACCOUNTS,
    RANGES,
    SLIP_BETS,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    slot_of_bet_nb,
)
from engine.ledger.open_slips_nb import close_slip_nb, reopen_slip_nb, shift_balance_nb
from engine.ledger.rows import HOLDING_MINOR_MAX
from engine.ledger.slip_nb import COUNT, DUE, SCRATCH, hold_leg_nb, settle_head_nb
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

SKIPPED, APPLIED, DISPUTED = 0, 1, 2
"""What a settlement row did: it was known, it changed its slip, or no slip can take it."""


@kernel()
def is_impossible_nb(row: Any, slip: Any) -> Any:
    """Return whether no market can have sent a settlement of this slip.

    Impossible are a payout or odds outside their bounds (odds of 0: an old layout's row has none),
    a result outside BetResult, and a payout of a bet that is opened again. A single is paid an
    amount and a leg gives back a fraction, which is at most its odds; a head is in no market.
    """
    if (
        row.payout_minor < 0
        or (row.odds_milli != 0 and row.odds_milli < ODDS_MILLI_MIN)
        or row.odds_milli > ODDS_MILLI_MAX
        or row.result > RESULT_LAST
        or (row.result == REOPENED and row.payout_minor != 0)
        or slip.kind == HEAD
    ):
        return True
    if slip.kind != LEG:
        return row.payout_minor > PAYOUT_MINOR_MAX or row.back_den != 0
    if row.result == REOPENED:
        return False
    odds_milli = slip.odds_milli
    if slip.state == PENDING and row.odds_milli > 0:
        odds_milli = row.odds_milli
    back_den = np.int64(row.back_den)
    return (
        back_den == 0
        or row.payout_minor > BACK_NUM_MAX
        or row.payout_minor * ODDS_MILLI_ONE > back_den * odds_milli
    )


@kernel()
def settle_single_nb(row: Any, slips: Any, slot: Any, account: Any, house_minor: Any) -> None:
    """Settle a single, or open it again; a PENDING one is posted first, at the row's odds."""
    slip = slips[slot]
    if slip.state == PENDING:
        account.pending_minor -= slip.stake_minor
        account.at_stake_minor += slip.stake_minor
        slip.state = ACCEPTED
        if row.odds_milli > 0:
            slip.odds_milli = row.odds_milli
    if row.result == REOPENED:
        if slip.state == SETTLED:
            account.at_stake_minor += slip.stake_minor
            house_minor[account.currency] -= slip.stake_minor
            reopen_slip_nb(slips, account, slip, slot)
            slip.state = ACCEPTED
    elif slip.state == ACCEPTED:
        account.at_stake_minor -= slip.stake_minor
        house_minor[account.currency] += slip.stake_minor
        close_slip_nb(slips, account, slip)
        slip.state = SETTLED
    change_minor = row.payout_minor - slip.payout_minor
    shift_balance_nb(account, change_minor)
    house_minor[account.currency] -= change_minor
    slip.payout_minor = row.payout_minor
    slip.settlement_no = row.settlement_no
    slip.result = row.result


@kernel()
def settle_leg_nb(
    row: Any,
    slips: Any,
    slot: Any,
    accounts: Any,
    bets: Any,
    room: Any,
    scratch: Any,
    due: Any,
    due_len: Any,
) -> Any:
    """Give a leg the fraction of its settlement, or open it again; return whether it took it.

    A PENDING leg is held first, at the row's odds. When that releases it, because the slip is
    refused, the settlement counts no more.
    """
    leg = slips[slot]
    if leg.state == PENDING:
        if row.odds_milli > 0:
            leg.odds_milli = row.odds_milli
        hold_leg_nb(slips, slot, accounts, bets, room, scratch, due, due_len)
        if leg.state == RELEASED:
            return False
    leg.state = ACCEPTED if row.result == REOPENED else SETTLED
    leg.payout_minor = row.payout_minor
    leg.back_den = 0 if row.result == REOPENED else row.back_den
    leg.settlement_no = row.settlement_no
    leg.result = row.result
    return True


@kernel(
    types.int64(
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
        SLOTS,
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
    bets: Rows,
    room: int,
    scratch: Any,
    due: Any,
    due_len: Any,
    heads: U32s,
) -> int:
    """Settle singles and legs; a higher settlement number reverses the earlier one and replaces it.

    A row without a result opens the bet again: the payout is reversed, the house returns the stake,
    and the stake is at stake as before the settlement; only the settlement number stays.

    A settlement number not above the slip's is skipped, and so is any of a RELEASED leg. Disputed
    are a bet id that this shard never gave and a refused slip (its stake was returned), because the
    market says that the bet was accepted; a row that no market can have sent; and one for an
    account that holds or owes more than HOLDING_MINOR_MAX, which no real account does. A PENDING
    slip is posted first, and a PENDING leg held: a market settles only bets that it accepted, so
    the settlement proves the acceptance whose verdict has not arrived.

    `effects` receives for each row SKIPPED, APPLIED or DISPUTED. The house's profit or loss on
    singles is added to `house_minor` by currency slot.

    Returns
    -------
    int
        How many slots were written to `heads`: the heads of settled legs, in no order and perhaps
        repeated, which `settle_heads_nb` has to settle.
    """
    touched = 0
    for i in range(len(rows)):
        row = rows[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, row.bet_id)
        if slot < 0 or slips[slot].state == REFUSED or is_impossible_nb(row, slips[slot]):
            effects[i] = DISPUTED
            continue
        slip = slips[slot]
        if slip.state == RELEASED or row.settlement_no <= slip.settlement_no:
            effects[i] = SKIPPED
            continue
        account = accounts[slip.account]
        if max(account.available_minor, account.owed_minor) > HOLDING_MINOR_MAX:
            effects[i] = DISPUTED
            continue
        effects[i] = APPLIED
        if slip.kind != LEG:
            settle_single_nb(row, slips, slot, account, house_minor)
        elif settle_leg_nb(row, slips, slot, accounts, bets, room, scratch, due, due_len):
            heads[touched] = slot - slip.legs
            touched += 1
    return touched


@kernel(types.void(SLOTS, SLIPS, ACCOUNTS, SLIP_BETS, SCRATCH, SUMS, DUE, COUNT))
def settle_heads_nb(
    heads: U32s,
    slips: Rows,
    accounts: Rows,
    bets: Rows,
    scratch: Any,
    house_minor: I64s,
    due: Any,
    due_len: Any,
) -> None:
    """Settle the posted slips at these slots by what stands for their legs.

    A slip that still waits for a leg's verdict is settled when it is posted.
    """
    for i in range(len(heads)):
        state = slips[heads[i]].state
        if state in (ACCEPTED, SETTLED):
            head_slot = np.int64(heads[i])
            settle_head_nb(slips, head_slot, accounts, bets, scratch, house_minor, due, due_len)
