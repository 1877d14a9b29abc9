"""The ledger's kernels: post or void, settle, and list open bets, over fixed-width rows.

Own the arithmetic of the account shard's ledger. Never allocate: the caller makes room in every
array for the whole batch. Never refuse by exception: the answers are rows and counts.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.reasons import UNRECORDED
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    SETTLEMENT,
    BetResult,
    I64s,
    Rows,
    SlipState,
    U8s,
    U32s,
    U64s,
)
from engine.common.rules import RULES_FIRST
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, PAYOUT_MINOR_MAX
from engine.ledger.index_nb import (
    ACCOUNTS,
    RANGES,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    slot_of_bet_nb,
)
from engine.ledger.rows import HOLDING_MINOR_MAX

NONE = int(SlipState.NONE)
PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)

REOPENED = int(BetResult.NONE)
RESULT_LAST = int(BetResult.CANCELLED)

UNRECORDED_REASONS = tuple(sorted(int(reason) for reason in UNRECORDED))

SKIPPED, APPLIED, DISPUTED = 0, 1, 2
"""What a settlement row did: it was known, it changed its slip, or no slip can take it."""


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


# --- post, void, settle ------------------------------------------------------------------------


@kernel(
    types.int64(array_of(DECISION, frozen=True), SLIPS, types.int64, ACCOUNTS, RANGES, types.int64)
)
def resolve_nb(
    verdicts: Rows, slips: Rows, slips_len: int, accounts: Rows, ranges: Rows, rules: int
) -> int:
    """Post (reason 0) or void (any other reason) the PENDING slips that the verdicts name.

    A verdict on a slip that is no longer PENDING, or on a bet id that this shard never gave,
    changes nothing. From rules 2 on, a refusal that no market recorded does not void a shared slip:
    the other sender's bet may be in the market's record.

    Returns
    -------
    int
        How many slips were posted or voided.
    """
    resolved = 0
    for i in range(len(verdicts)):
        verdict = verdicts[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, verdict.bet_id)
        if slot < 0 or slips[slot].state != PENDING:
            continue
        slip = slips[slot]
        if rules > RULES_FIRST and slip.shared and verdict.reason in UNRECORDED_REASONS:
            continue
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


@kernel()
def is_impossible_nb(row: Any) -> Any:
    """Return whether no market can have sent a settlement.

    Impossible are a payout or odds outside their bounds (odds of 0: an old layout's row has none),
    a result outside BetResult, and a payout of a bet that is opened again.
    """
    return (
        row.payout_minor < 0
        or row.payout_minor > PAYOUT_MINOR_MAX
        or (row.odds_milli != 0 and row.odds_milli < ODDS_MILLI_MIN)
        or row.odds_milli > ODDS_MILLI_MAX
        or row.result > RESULT_LAST
        or (row.result == REOPENED and row.payout_minor != 0)
    )


@kernel(
    types.void(
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
) -> None:
    """Settle slips; a higher settlement number reverses the earlier payout and replaces it.

    A row without a result opens the bet again: the payout is reversed, the house returns the stake,
    and the stake is at stake as before the settlement; only the settlement number stays.

    A settlement number not above the slip's is skipped. Disputed are a bet id that this shard never
    gave and a refused slip (its stake was returned), because the market says that the bet was
    accepted; a row that no market can have sent; and one for an account that holds or owes more
    than HOLDING_MINOR_MAX, which no real account does. A PENDING slip is posted first, at the row's
    odds: a market settles only bets that it accepted, so the settlement proves the acceptance whose
    verdict has not arrived.

    `effects` receives for each row SKIPPED, APPLIED or DISPUTED. The house's profit or loss is
    added to `house_minor` by currency slot.
    """
    for i in range(len(rows)):
        row = rows[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, row.bet_id)
        if slot < 0 or slips[slot].state == REFUSED or is_impossible_nb(row):
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


@kernel(
    types.int64(
        SLIPS,
        types.int64,
        types.int64,
        types.Array(types.uint32, 1, "C", readonly=True),
        types.Array(types.uint64, 1, "C"),
    )
)
def in_force_nb(slips: Rows, begin: int, slips_len: int, market_nos: U32s, bet_ids: U64s) -> int:
    """Write the bet ids of ACCEPTED and SETTLED slips of some markets, rising; return how many.

    `market_nos` rise. The loop begins at a slot and ends when `bet_ids` is full, so that the pages
    of all slips together cost one pass.
    """
    count = 0
    for slot in range(begin, slips_len):
        if count == len(bet_ids):
            break
        slip = slips[slot]
        if slip.state != ACCEPTED and slip.state != SETTLED:
            continue
        at = np.searchsorted(market_nos, slip.market_no)
        if at < len(market_nos) and market_nos[at] == slip.market_no:
            bet_ids[count] = slip.bet_id
            count += 1
    return count
