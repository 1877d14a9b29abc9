"""Kernels of the ledger's audit: walks and look-ups that would be slow one by one in Python.

Owns no rule of its own: each says where the books first differ from what ledger_nb keeps.
"""

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, U64s
from engine.ledger.index_nb import (
    ACCOUNTS,
    REF_U64S,
    SLIPS,
    TRANSFERS,
    find_no_nb,
    find_ref_nb,
    ref_hash_nb,
)
from engine.ledger.ledger_nb import ACCEPTED, PENDING


@kernel(types.int64(ACCOUNTS, SLIPS, types.int64))
def chain_fault_nb(accounts: Rows, slips: Rows, opened: int) -> int:
    """Walk every account's chain of open slips from end to end.

    Parameters
    ----------
    accounts, slips : Rows
        The accounts there are; the slips, whose links stay within them.
    opened : int
        How many slips are open: no walk is longer, so a ring is seen for one.

    Returns
    -------
    int
        How many slips were met, or ``-1 - slot`` of an account whose chain breaks: a slip of
        another account or no longer open, ids that do not rise, a link back that does not match.
    """
    met = 0
    for i in range(len(accounts)):
        before = np.int64(0)
        at = np.int64(accounts[i].open_first)
        while at:
            slip = slips[at - 1]
            met += 1
            if met > opened or slip.account != i or slip.open_prev != before or at <= before:
                return -1 - i
            if slip.state != PENDING and slip.state != ACCEPTED:
                return -1 - i
            before = at
            at = np.int64(slip.open_next)
        if accounts[i].open_last != before:
            return -1 - i
    return met


@kernel(types.int64(REF_U64S, ACCOUNTS, types.int64))
def unfound_account_nb(table: U64s, accounts: Rows, count: int) -> int:
    """Return the first account that its number does not lead to, or -1."""
    for slot in range(count):
        if find_no_nb(table, accounts, accounts[slot].account_no) != slot:
            return slot
    return -1


@kernel(
    [
        types.int64(REF_U64S, types.uint64, SLIPS, types.int64, ACCOUNTS),
        types.int64(REF_U64S, types.uint64, TRANSFERS, types.int64, ACCOUNTS),
    ]
)
def unfound_ref_nb(table: U64s, seed: np.uint64, rows: Rows, count: int, accounts: Rows) -> int:
    """Return the first slip or transfer that its account and ref do not lead to, or -1."""
    for slot in range(count):
        row = rows[slot]
        hashed = ref_hash_nb(seed, accounts[row.account].account_no, row.ref)
        if find_ref_nb(table, rows, row.account, row.ref, hashed) != slot:
            return slot
    return -1
