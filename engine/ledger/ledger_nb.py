"""The ledger's kernels: reserve, post or void, and settle, over fixed-width rows.

Own the arithmetic of the account shard's ledger. Never allocate: the caller makes room in every
array for the whole batch. Never refuse by exception: the answers are rows and counts.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.index_nb import put_nb
from engine.common.jit import kernel
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    RESERVATION,
    RESERVED,
    SETTLEMENT,
    BetResult,
    I64s,
    Rows,
    SlipState,
    U64s,
)
from engine.common.units import PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.ledger.index_nb import (
    ACCOUNTS,
    RATES,
    REF_U64S,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    find_no_nb,
    find_ref_nb,
    ref_hash_nb,
)
from engine.ledger.rows import HOLDING_MINOR_MAX

NONE = int(SlipState.NONE)
PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)

REOPENED = int(BetResult.NONE)
RESULT_LAST = int(BetResult.CANCELLED)

MALFORMED = int(Reason.MALFORMED)
STAKE_TOO_SMALL = int(Reason.STAKE_TOO_SMALL)
AMOUNT_OUT_OF_BOUNDS = int(Reason.AMOUNT_OUT_OF_BOUNDS)
ACCOUNT_UNKNOWN = int(Reason.ACCOUNT_UNKNOWN)
INSUFFICIENT_FUNDS = int(Reason.INSUFFICIENT_FUNDS)
BET_REF_REUSED = int(Reason.BET_REF_REUSED)
CAPACITY = int(Reason.CAPACITY)


# --- money and open slips --------------------------------------------------------------------


@kernel(inline=True)
def shift_balance_nb(account: Any, change_minor: Any) -> None:
    """Change an account's balance: a credit pays the debt first, a debit past zero is owed.

    The balance is one signed figure kept as two, of which one is always zero: `available` is the
    positive part and `owed` the negative part.
    """
    net_minor = account.available_minor - account.owed_minor + change_minor
    account.available_minor = max(net_minor, 0)
    account.owed_minor = max(-net_minor, 0)


@kernel(types.void(ACCOUNTS, types.int64, types.int64))
def transfer_nb(accounts: Rows, account: int, change_minor: int) -> None:
    """Change one account's balance by a deposit (positive) or a withdrawal (negative)."""
    shift_balance_nb(accounts[account], change_minor)


@kernel()
def close_slip_nb(slips: Any, account: Any, slip: Any) -> None:
    """Remove a slip from its account's chain of open slips."""
    if slip.open_prev:
        slips[slip.open_prev - 1].open_next = slip.open_next
    else:
        account.open_first = slip.open_next
    if slip.open_next:
        slips[slip.open_next - 1].open_prev = slip.open_prev
    else:
        account.open_last = slip.open_prev
    slip.open_prev = 0
    slip.open_next = 0


@kernel()
def reopen_slip_nb(slips: Any, account: Any, slip: Any, slot: Any) -> None:
    """Put a slip back into its account's chain of open slips, at its place by bet id.

    Two searches for the place run in turns: back along the chain from its newest slip, and back
    over all slips from this slip. The cost is that of the shorter search: an account with few open
    slips has a short chain, and one with many has another open slip nearby.
    """
    before = np.int64(account.open_last)
    near = np.int64(slot)
    while before > slot:
        if near == 0 or (
            slips[near - 1].account == slip.account
            and (slips[near - 1].state == PENDING or slips[near - 1].state == ACCEPTED)
        ):
            before = near
            break
        near -= 1
        before = np.int64(slips[before - 1].open_prev)
    slip.open_prev = before
    if before:
        slip.open_next = slips[before - 1].open_next
        slips[before - 1].open_next = slot + 1
    else:
        slip.open_next = account.open_first
        account.open_first = slot + 1
    if slip.open_next:
        slips[slip.open_next - 1].open_prev = slot + 1
    else:
        account.open_last = slot + 1


# --- reserve ---------------------------------------------------------------------------------


@kernel(inline=True)
def answer_refusal_nb(
    answer: Any, reservation: Any, reason: Any, rate_micro: Any, stake_max_minor: Any
) -> None:
    """Answer a reservation that is refused; `stake_max_minor` is a stake that would have passed."""
    answer.bet_id = 0
    answer.stake_max_minor = stake_max_minor
    answer.odds_milli = reservation.odds_milli
    answer.rate_micro = rate_micro
    answer.reason = reason
    answer.state = NONE
    answer.flags = 0
    answer.pad = 0


@kernel(inline=True)
def answer_slip_nb(answer: Any, slip: Any, flags: Any) -> None:
    """Answer a reservation with its slip, made now or earlier."""
    answer.bet_id = slip.bet_id
    answer.stake_max_minor = slip.stake_max_minor
    answer.odds_milli = slip.odds_milli
    answer.rate_micro = slip.rate_micro
    answer.reason = slip.reason
    answer.state = slip.state
    answer.flags = flags
    answer.pad = 0


@kernel(inline=True)
def same_bet_nb(slip: Any, reservation: Any) -> Any:
    """Return whether a reservation has the content of the one that made a slip."""
    return (
        slip.stake_minor == reservation.stake_minor
        and slip.market_no == reservation.market_no
        and slip.outcome == reservation.outcome
        and slip.odds_seen_milli == reservation.odds_milli
        and slip.policy == reservation.policy
    )


@kernel(inline=True)
def reservation_reason_nb(reservation: Any, available_minor: Any) -> Any:
    """Return why an account refuses a reservation, or 0: the first check that fails."""
    if reservation.ref[0] == 0:
        return MALFORMED
    if reservation.stake_minor < 1:
        return STAKE_TOO_SMALL
    if reservation.stake_minor > STAKE_MINOR_MAX:
        return AMOUNT_OUT_OF_BOUNDS
    return INSUFFICIENT_FUNDS if reservation.stake_minor > available_minor else 0


@kernel()
def open_slip_nb(slips: Any, slot: Any, account: Any, account_slot: Any, reservation: Any) -> None:
    """Write a PENDING slip, append it to its account's chain and move its stake to pending."""
    slip = slips[slot]
    slip.stake_minor = reservation.stake_minor
    slip.stake_max_minor = 0
    slip.payout_minor = 0
    slip.account = account_slot
    slip.account_no = reservation.account_no
    slip.market_no = reservation.market_no
    slip.settlement_no = 0
    slip.odds_milli = reservation.odds_milli
    slip.odds_seen_milli = reservation.odds_milli
    slip.outcome = reservation.outcome
    slip.reason = 0
    slip.policy = reservation.policy
    slip.state = PENDING
    slip.result = 0
    for i in range(5):
        slip.pad[i] = 0
    for i in range(4):
        slip.ref[i] = reservation.ref[i]
    slip.open_next = 0
    slip.open_prev = account.open_last
    if account.open_last:
        slips[account.open_last - 1].open_next = slot + 1
    else:
        account.open_first = slot + 1
    account.open_last = slot + 1
    account.available_minor -= reservation.stake_minor
    account.pending_minor += reservation.stake_minor


@kernel(
    types.int64(
        array_of(RESERVATION, frozen=True),
        array_of(RESERVED),
        SLIPS,
        types.int64,
        ACCOUNTS,
        REF_U64S,
        REF_U64S,
        types.uint64,
        RATES,
        SLOTS,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    )
)
def reserve_nb(
    reservations: Rows,
    answers: Rows,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    account_table: U64s,
    ref_table: U64s,
    ref_seed: np.uint64,
    rates_micro: Any,
    pending: Any,
    pending_len: int,
    bet_id_first: int,
    slips_max: int,
    at_ns: int,
) -> int:
    """Reserve stakes: one answer for each reservation, in order; the first failed check refuses.

    Checks: known ref (with the same content the answer is its slip, with other content
    BET_REF_REUSED), capacity, account, form of the ref, bounds of the stake, funds. A refusal
    changes nothing and is not recorded.

    Returns
    -------
    int
        How many slips there are now. The slots of the new slips are appended to `pending`.
    """
    for i in range(len(reservations)):
        reservation = reservations[i]
        answer = answers[i]
        rate_micro = 0
        place = 0
        hashed = ref_hash_nb(ref_seed, reservation.account_no, reservation.ref)
        account_slot = find_no_nb(account_table, accounts, reservation.account_no)
        if account_slot >= 0:
            rate_micro = rates_micro[accounts[account_slot].currency]
            slot = find_ref_nb(ref_table, slips, account_slot, reservation.ref, hashed)
            place = -1 - slot
            if slot >= 0:
                if same_bet_nb(slips[slot], reservation):
                    answer_slip_nb(answer, slips[slot], FLAG_KNOWN)
                else:
                    answer_refusal_nb(answer, reservation, BET_REF_REUSED, rate_micro, 0)
                continue
        if slips_len >= slips_max:
            answer_refusal_nb(answer, reservation, CAPACITY, rate_micro, 0)
            continue
        if account_slot < 0:
            answer_refusal_nb(answer, reservation, ACCOUNT_UNKNOWN, 0, 0)
            continue
        account = accounts[account_slot]
        reason = reservation_reason_nb(reservation, account.available_minor)
        if reason != 0:
            highest_minor = min(account.available_minor, STAKE_MINOR_MAX)
            stake_max_minor = 0 if reason == MALFORMED else highest_minor
            answer_refusal_nb(answer, reservation, reason, rate_micro, stake_max_minor)
            continue
        slip = slips[slips_len]
        slip.bet_id = bet_id_first + slips_len
        slip.placed_at_ns = at_ns
        slip.rate_micro = rate_micro
        open_slip_nb(slips, slips_len, account, account_slot, reservation)
        put_nb(ref_table, hashed, place, slips_len)
        pending[pending_len] = slips_len
        pending_len += 1
        slips_len += 1
        answer_slip_nb(answer, slip, 0)
    return slips_len


# --- post, void, settle ------------------------------------------------------------------------


@kernel(types.int64(array_of(DECISION, frozen=True), SLIPS, types.int64, ACCOUNTS, types.int64))
def resolve_nb(
    verdicts: Rows, slips: Rows, slips_len: int, accounts: Rows, bet_id_first: int
) -> int:
    """Post (reason 0) or void (any other reason) the PENDING slips that the verdicts name.

    A verdict on a slip that is no longer PENDING, or on a bet id that this shard never gave,
    changes nothing.

    Returns
    -------
    int
        How many slips were posted or voided.
    """
    resolved = 0
    for i in range(len(verdicts)):
        verdict = verdicts[i]
        slot = np.int64(verdict.bet_id) - bet_id_first
        if slot < 0 or slot >= slips_len or slips[slot].state != PENDING:
            continue
        slip = slips[slot]
        account = accounts[slip.account]
        slip.reason = verdict.reason
        slip.odds_milli = verdict.odds_milli
        slip.stake_max_minor = verdict.stake_max_minor
        account.pending_minor -= slip.stake_minor
        if verdict.reason == 0:
            slip.state = ACCEPTED
            account.at_stake_minor += slip.stake_minor
        else:
            slip.state = REFUSED
            shift_balance_nb(account, slip.stake_minor)
            close_slip_nb(slips, account, slip)
        resolved += 1
    return resolved


@kernel(types.int64(array_of(SETTLEMENT, frozen=True), SLIPS, types.int64, ACCOUNTS, types.int64))
def impossible_settlement_nb(
    rows: Rows, slips: Rows, slips_len: int, accounts: Rows, bet_id_first: int
) -> int:
    """Return the first row that no market can have sent, or -1; called before any is applied.

    Impossible are a payout outside 0 to PAYOUT_MINOR_MAX, a result outside BetResult, a payout of a
    bet that is opened again, and a change of an account that already holds or owes more than
    HOLDING_MINOR_MAX.
    """
    for i in range(len(rows)):
        row = rows[i]
        if row.payout_minor < 0 or row.payout_minor > PAYOUT_MINOR_MAX:
            return i
        if row.result > RESULT_LAST or (row.result == REOPENED and row.payout_minor != 0):
            return i
        slot = np.int64(row.bet_id) - bet_id_first
        if 0 <= slot < slips_len:
            account = accounts[slips[slot].account]
            if max(account.available_minor, account.owed_minor) > HOLDING_MINOR_MAX:
                return i
    return -1


@kernel(
    types.int64(
        array_of(SETTLEMENT, frozen=True),
        array_of(SETTLEMENT),
        SLIPS,
        types.int64,
        ACCOUNTS,
        types.int64,
        SUMS,
    )
)
def settle_nb(
    rows: Rows,
    applied: Rows,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    bet_id_first: int,
    house_minor: I64s,
) -> int:
    """Settle slips; a higher settlement number reverses the earlier payout and replaces it.

    A row without a result opens the bet again: the payout is reversed, the house returns the stake,
    and the stake is at stake as before the settlement; only the settlement number stays.

    Skipped are a bet id that this shard never gave, a refused slip (its stake was returned) and a
    settlement number not above the slip's. A PENDING slip is posted first: a market settles only
    bets that it accepted, so the settlement proves the acceptance whose verdict was lost.

    Returns
    -------
    int
        How many rows were applied. They are copied to `applied`, and the house's profit or loss is
        added to `house_minor` by currency slot.
    """
    count = 0
    for i in range(len(rows)):
        row = rows[i]
        slot = np.int64(row.bet_id) - bet_id_first
        if slot < 0 or slot >= slips_len:
            continue
        slip = slips[slot]
        if slip.state == REFUSED or row.settlement_no <= slip.settlement_no:
            continue
        account = accounts[slip.account]
        if slip.state == PENDING:
            account.pending_minor -= slip.stake_minor
            account.at_stake_minor += slip.stake_minor
            slip.state = ACCEPTED
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
        applied[count] = row
        count += 1
    return count


# --- reading ---------------------------------------------------------------------------------


@kernel(types.int64(SLOTS, types.int64, SLIPS))
def drop_resolved_nb(pending: Any, pending_len: int, slips: Rows) -> int:
    """Drop the slots that are no longer PENDING from a queue, in order; return how many stay."""
    kept = 0
    for i in range(pending_len):
        if slips[pending[i]].state == PENDING:
            pending[kept] = pending[i]
            kept += 1
    return kept


@kernel(types.int64(SLOTS, types.int64, SLIPS, types.int64, array_of(BET)))
def pending_bets_nb(pending: Any, pending_len: int, slips: Rows, at_ns: int, bets: Rows) -> int:
    """Write fences for the oldest slips PENDING since before `at_ns`; return how many."""
    count = 0
    for i in range(pending_len):
        if count == len(bets):
            break
        slip = slips[pending[i]]
        if slip.placed_at_ns >= at_ns:
            continue
        bet = bets[count]
        bet.bet_id = slip.bet_id
        bet.stake_minor = slip.stake_minor
        bet.account_no = slip.account_no
        bet.market_no = slip.market_no
        bet.odds_milli = slip.odds_seen_milli
        bet.rate_micro = slip.rate_micro
        bet.outcome = slip.outcome
        bet.policy = slip.policy
        bet.flags = FLAG_FENCE
        bet.pad = 0
        count += 1
    return count


@kernel(types.int64(SLIPS, types.int64, types.uint64, SLOTS))
def open_slots_nb(slips: Rows, first: int, after_bet_id: int, slots: Any) -> int:
    """List the slots of an account's open slips after a bet id, oldest first; return how many.

    `first` is the account's `open_first`. The loop follows the chain of open slips, so its cost
    depends on the open slips and not on all slips of the account.
    """
    count = 0
    at = first
    while at and count < len(slots):
        if slips[at - 1].bet_id > after_bet_id:
            slots[count] = at - 1
            count += 1
        at = slips[at - 1].open_next
    return count
