"""Kernels of the ledger's audit: loops and searches over all rows.

Own no rule: each returns the first row that breaks an invariant of ledger_nb. Never change a row.
"""

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, U64s
from engine.ledger.index_nb import (
    ACCOUNTS,
    GRANTS,
    REF_U64S,
    SLIPS,
    TRANSFERS,
    find_no_nb,
    find_ref_nb,
    ref_hash_nb,
)
from engine.ledger.ledger_nb import ACCEPTED, LEG, PENDING


@kernel(types.int64(ACCOUNTS, SLIPS, types.int64))
def chain_fault_nb(accounts: Rows, slips: Rows, opened: int) -> int:
    """Follow every account's chain of open slips from end to end.

    Parameters
    ----------
    accounts, slips : Rows
        The accounts in use; the slips, whose links are within the slips in use.
    opened : int
        Number of open slips. No chain is longer, which finds a chain that is a ring.

    Returns
    -------
    int
        How many slips the chains have, or ``-1 - slot`` of an account whose chain is broken: a slip
        of another account or not open, ids that do not rise, or a link back that does not match.
    """
    count = 0
    for i in range(len(accounts)):
        before = np.int64(0)
        at = np.int64(accounts[i].open_first)
        while at:
            slip = slips[at - 1]
            count += 1
            if count > opened or slip.account != i or slip.open_prev != before or at <= before:
                return -1 - i
            if (slip.state != PENDING and slip.state != ACCEPTED) or slip.kind == LEG:
                return -1 - i
            before = at
            at = np.int64(slip.open_next)
        if accounts[i].open_last != before:
            return -1 - i
    return count


@kernel(types.int64(REF_U64S, ACCOUNTS, types.int64))
def unfound_account_nb(table: U64s, accounts: Rows, count: int) -> int:
    """Return the first account that is not found by its number, or -1."""
    for slot in range(count):
        if find_no_nb(table, accounts, accounts[slot].account_no) != slot:
            return slot
    return -1


@kernel(
    [
        types.int64(REF_U64S, types.uint64, SLIPS, types.int64, ACCOUNTS),
        types.int64(REF_U64S, types.uint64, TRANSFERS, types.int64, ACCOUNTS),
        types.int64(REF_U64S, types.uint64, GRANTS, types.int64, ACCOUNTS),
    ]
)
def unfound_ref_nb(table: U64s, seed: np.uint64, rows: Rows, count: int, accounts: Rows) -> int:
    """Return the first slip, transfer or free bet not found by its account and ref, or -1.

    Legs of slips, and free bets that slips earned, have no ref.
    """
    for slot in range(count):
        row = rows[slot]
        if row.ref[0] == 0:
            continue
        hashed = ref_hash_nb(seed, accounts[row.account].account_no, row.ref)
        if find_ref_nb(table, rows, row.account, row.ref, hashed) != slot:
            return slot
    return -1
