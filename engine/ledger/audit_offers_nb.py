"""The kernel of the audit of a ledger's offers: what each offer has given, worked out anew.

Owns the pass over the slips that took an offer. Never changes a row.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows
from engine.ledger.index_nb import SLIP_BETS, SLIPS
from engine.ledger.offers_given_nb import added_nb, earned_nb, is_used_nb
from engine.ledger.offers_nb import OFFER_STORE
from engine.ledger.slip_nb import SCRATCH


@kernel(types.int64(SLIPS, SLIP_BETS, types.int64, SCRATCH, OFFER_STORE))
def offered_fault_nb(slips: Rows, bets: Rows, room: int, scratch: Any, store: Any) -> int:
    """Return the first slip whose offer has not given what follows from what stands, or -1."""
    offers, offered, grants, ends = store
    for at in range(ends[0]):
        row = offered[at]
        head_slot = np.int64(row.head)
        offer = offers[row.offer]
        added_minor = added_nb(slips, head_slot, offer, row, bets, room, scratch)
        if added_minor != row.added_minor:
            return at
        if row.pays and row.uses != is_used_nb(slips[head_slot]):
            return at
        if row.pays or row.grant == 0:
            continue
        if grants[row.grant - 1].amount_minor != earned_nb(slips, head_slot, offer):
            return at
    return -1
