"""Kernels that find a ledger's rows: accounts by number, slips and transfers by account and ref.

Own the keys of rows and their hashes; the hash table is that of engine.common.index_nb. A search
always compares the row's key, so two keys with one hash cost time and are never confused. Also name
numba's types of the ledger's arrays, which all its kernels share. Never change a row.
"""

from typing import Any

import numpy as np
from numba import from_dtype, types

from engine.common.index_nb import home_nb, mix_nb, mix_on_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import kernel
from engine.common.rows import SLIP_BET, I64s, Rows, U64s
from engine.ledger.offer_rows import GRANT
from engine.ledger.rows import ACCOUNT, RANGE, SLIP, TRANSFER


def array_of(dtype: np.dtype[Any], *, frozen: bool = False) -> Any:
    """Return numba's type of rows of a dtype; `frozen` rows may be a message's read-only bytes."""
    return types.Array(from_dtype(dtype), 1, "C", readonly=frozen)


ACCOUNTS = array_of(ACCOUNT)
SLIPS = array_of(SLIP)
TRANSFERS = array_of(TRANSFER)
GRANTS = array_of(GRANT)
REF_U64S = types.Array(types.uint64, 1, "C")
SLOTS = types.Array(types.uint32, 1, "C")
SLIP_BETS = array_of(SLIP_BET)
RANGES = array_of(RANGE)
RATES = types.Array(types.int32, 1, "C")
SUMS = types.Array(types.int64, 1, "C")
REF = types.Array(types.uint64, 1, "C", readonly=True)


@kernel()
def ref_hash_nb(seed: Any, account_no: Any, ref: Any) -> Any:
    """Hash an account's number and a 32-byte ref with a seed that no bettor knows.

    Bettors choose their refs. Without a seed a bettor could prepare thousands of refs with one
    hash, and every search among them would compare them all.
    """
    hashed = mix_nb(np.uint64(account_no) ^ seed)
    for i in range(4):
        hashed = mix_on_nb(hashed, ref[i])
    return hashed


@kernel()
def find_ref_nb(table: Any, rows: Any, account: Any, ref: Any, hashed: Any) -> Any:
    """Return the slot of the row with this account slot and ref, or ``-1 - place`` for it."""
    place = seek_nb(table, hashed, home_nb(table, hashed))
    while place >= 0:
        slot = row_at_nb(table, place)
        row = rows[slot]
        if (
            row.account == account
            and row.ref[0] == ref[0]
            and row.ref[1] == ref[1]
            and row.ref[2] == ref[2]
            and row.ref[3] == ref[3]
        ):
            return slot
        place = seek_nb(table, hashed, place + 1)
    return place


@kernel()
def find_no_nb(table: Any, accounts: Any, account_no: Any) -> Any:
    """Return the slot of an account's number, or ``-1 - place`` for it."""
    hashed = mix_nb(np.uint64(account_no))
    place = seek_nb(table, hashed, home_nb(table, hashed))
    while place >= 0:
        slot = row_at_nb(table, place)
        if accounts[slot].account_no == account_no:
            return slot
        place = seek_nb(table, hashed, place + 1)
    return place


@kernel(types.int64(RANGES, SLIPS, types.int64, types.uint64))
def slot_of_bet_nb(ranges: Rows, slips: Rows, slips_len: int, bet_id: int) -> int:
    """Return the slot of a bet id, or -1 when the shard never gave it.

    The ranges of bet ids are searched from the last one back: most bets are of the present epoch.
    """
    for at in range(len(ranges) - 1, -1, -1):
        first = ranges[at].bet_id
        if bet_id >= first:
            slot = np.int64(bet_id - first) + ranges[at].slot
            known = 0 <= slot < slips_len and slips[slot].bet_id == bet_id
            return int(slot) if known else -1
    return -1


@kernel(
    types.void(
        types.Array(types.uint64, 1, "C", readonly=True),
        RANGES,
        SLIPS,
        types.int64,
        types.Array(types.int64, 1, "C"),
    )
)
def slots_of_bets_nb(bet_ids: U64s, ranges: Rows, slips: Rows, slips_len: int, slots: I64s) -> None:
    """Write the slot of each bet id into `slots`, -1 for an id that the shard never gave."""
    for at in range(len(bet_ids)):
        slots[at] = slot_of_bet_nb(ranges, slips, slips_len, bet_ids[at])


@kernel(types.int64(REF_U64S, ACCOUNTS, types.uint64))
def find_account_nb(table: U64s, accounts: Rows, account_no: int) -> int:
    """Return an account's slot, or a negative number."""
    return int(find_no_nb(table, accounts, account_no))


@kernel(types.int64(REF_U64S, ACCOUNTS, types.int64, types.int64))
def index_accounts_nb(table: U64s, accounts: Rows, begin: int, end: int) -> int:
    """Enter accounts `begin` to `end`; return the first whose number is in the table, or -1."""
    for slot in range(begin, end):
        found = find_no_nb(table, accounts, accounts[slot].account_no)
        if found >= 0:
            return slot
        put_nb(table, mix_nb(np.uint64(accounts[slot].account_no)), -1 - found, slot)
    return -1


@kernel(
    [
        types.int64(REF_U64S, types.uint64, SLIPS, types.int64, types.uint64, REF),
        types.int64(REF_U64S, types.uint64, TRANSFERS, types.int64, types.uint64, REF),
        types.int64(REF_U64S, types.uint64, GRANTS, types.int64, types.uint64, REF),
    ]
)
def find_by_ref_nb(
    table: U64s, seed: np.uint64, rows: Rows, account: int, account_no: int, ref: U64s
) -> int:
    """Return the slot of an account's slip, transfer or free bet of a ref, or a negative number."""
    return int(find_ref_nb(table, rows, account, ref, ref_hash_nb(seed, account_no, ref)))


@kernel(
    [
        types.int64(REF_U64S, types.uint64, SLIPS, types.int64, types.int64, ACCOUNTS),
        types.int64(REF_U64S, types.uint64, TRANSFERS, types.int64, types.int64, ACCOUNTS),
        types.int64(REF_U64S, types.uint64, GRANTS, types.int64, types.int64, ACCOUNTS),
    ]
)
def index_refs_nb(
    table: U64s, seed: np.uint64, rows: Rows, begin: int, end: int, accounts: Rows
) -> int:
    """Enter slips, transfers or free bets from `begin` to `end`; return the first known key, or -1.

    Legs of slips, and free bets that slips earned, have no ref and are not entered.
    """
    for slot in range(begin, end):
        row = rows[slot]
        if row.ref[0] == 0:
            continue
        hashed = ref_hash_nb(seed, accounts[row.account].account_no, row.ref)
        found = find_ref_nb(table, rows, row.account, row.ref, hashed)
        if found >= 0:
            return slot
        put_nb(table, hashed, -1 - found, slot)
    return -1
