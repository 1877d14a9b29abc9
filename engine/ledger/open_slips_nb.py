"""Kernels of an account's balance and of its chain of open slips.

Own how a balance changes, the most that an open single can pay, and how the chain is linked:
singles and heads that are PENDING or ACCEPTED, by rising bet id. Never decide that a slip opens or
closes.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, SlipKind, SlipState
from engine.common.units_nb import payout_minor_nb
from engine.ledger.index_nb import ACCOUNTS, SLIPS, SLOTS

PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
LEG = int(SlipKind.LEG)


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


@kernel(inline=True)
def single_payout_nb(slip: Any) -> Any:
    """Return the most that a single, open or asked for, can pay: its payout at its odds."""
    return payout_minor_nb(slip.stake_minor, int(np.int64(slip.odds_milli)))


@kernel()
def chain_slip_nb(slips: Any, slot: Any, account: Any, stake_minor: Any, payout_minor: Any) -> None:
    """Append a slip to its account's chain of open slips and move its stake to pending.

    `payout_minor` is the most that it can pay.
    """
    slip = slips[slot]
    slip.open_next = 0
    slip.open_prev = account.open_last
    if account.open_last:
        slips[account.open_last - 1].open_next = slot + 1
    else:
        account.open_first = slot + 1
    account.open_last = slot + 1
    account.available_minor -= stake_minor
    account.pending_minor += stake_minor
    account.open_payout_minor += payout_minor


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
            and slips[near - 1].kind != LEG
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
