"""Kernels that count how often each account has taken each offer that bounds it.

Own how a count is found: by account slot and offer number, neither of which a bettor chooses. Never
allocate and never refuse: the caller makes room and compares the count with the offer's bound.
"""

from typing import Any, Final

import numpy as np
from numba import types

from engine.common.index_nb import home_nb, mix_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import kernel
from engine.common.row_layout import row_dtype
from engine.common.rows import Rows
from engine.ledger.index_nb import REF_U64S, array_of

OFFER_USE: Final = row_dtype(16, ("count", "<i8"), ("account", "<u4"), ("offer", "<u4"))
"""How many slips of an account, by its slot, count as uses of an offer, by its number. The rows
follow from those of the slips that took an offer, and are in no dump."""

USES_LEN: Final = 2
"""Place, among the ends of the offers, of how many rows are in use."""

USE_STORE: Any = types.Tuple(  # type: ignore[no-untyped-call]
    (REF_U64S, array_of(OFFER_USE), types.Array(types.int64, 1, "C"))
)
"""Numba's type of the uses as kernels get them: the hash table, the rows, the ends of the offers.
"""


@kernel()
def find_use_nb(account: Any, offer: Any, store: Any) -> Any:
    """Return the row of an account's uses of an offer, or ``-1 - place`` for it, and its hash."""
    table, uses, _ = store
    hashed = mix_nb(np.uint64(account) << np.uint64(32) | np.uint64(offer))
    place = seek_nb(table, hashed, home_nb(table, hashed))
    while place >= 0:
        found = row_at_nb(table, place)
        if uses[found].account == account and uses[found].offer == offer:
            return found, hashed
        place = seek_nb(table, hashed, place + 1)
    return place, hashed


@kernel(types.int64(types.int64, types.int64, USE_STORE))
def uses_nb(account: int, offer: int, store: Any) -> int:
    """Return how often an account has taken an offer, by its slips that count."""
    found, _ = find_use_nb(account, offer, store)
    return int(store[1][found].count) if found >= 0 else 0


@kernel()
def add_use_nb(account: Any, offer: Any, change: Any, store: Any) -> None:
    """Count one use more or less; the first enters its row."""
    table, uses, ends = store
    found, hashed = find_use_nb(account, offer, store)
    if found < 0:
        place = -1 - found
        found = ends[USES_LEN]
        uses[found].count = 0
        uses[found].account = account
        uses[found].offer = offer
        put_nb(table, hashed, place, found)
        ends[USES_LEN] += 1
    uses[found].count += change


@kernel(
    types.void(
        types.Array(types.uint32, 1, "C", readonly=True),
        types.Array(types.uint16, 1, "C", readonly=True),
        USE_STORE,
    )
)
def count_uses_nb(accounts: Rows, offers: Rows, store: Any) -> None:
    """Count a use for each account and offer of two columns, into uses that have room."""
    for i in range(len(accounts)):
        add_use_nb(np.int64(accounts[i]), np.int64(offers[i]), 1, store)
