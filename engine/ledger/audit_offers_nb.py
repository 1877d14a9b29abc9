"""The kernel of the audit of a ledger's offers: what each offer has given, worked out anew.

Owns the pass over the slips that took an offer. Never changes a row.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, U32s
from engine.ledger.index_nb import SLIP_BETS, SLIPS, SLOTS
from engine.ledger.offers_given_nb import added_nb, earned_nb, is_used_nb
from engine.ledger.offers_nb import OFFER_STORE, counts_uses_nb
from engine.ledger.slip_chains_nb import PAIR
from engine.ledger.slip_nb import SCRATCH


@kernel(
    PAIR(
        SLIPS,
        SLIP_BETS,
        types.int64,
        SCRATCH,
        OFFER_STORE,
        types.int64,
        types.int64,
        types.int64,
        SLOTS,
    )
)
def offered_faults_nb(
    slips: Rows,
    bets: Rows,
    room: int,
    scratch: Any,
    store: Any,
    begin: int,
    end: int,
    steps_max: int,
    faults: U32s,
) -> Any:
    """List the slips whose offer has not given what follows from what stands.

    They are rows `begin` to `end` of the slips that took an offer.

    Returns
    -------
    tuple of int
        How many rows were written to `faults`, and the row at which the loop ended: when `faults`
        is full, or before a slip, but the first, with which more than `steps_max` legs of lines
        would have been looked at.
    """
    offers, offered, grants, _, _, _ = store
    count, steps, at = 0, np.int64(0), np.int64(begin)
    while at < end and count < len(faults):
        row = offered[at]
        head_slot = np.int64(row.head)
        head = slips[head_slot]
        for i in range(head.bets):
            steps += np.int64(bets[head.bets_first + i].lines) * head.legs
        if at > begin and steps > steps_max:
            break
        offer = offers[row.offer]
        wrong = added_nb(slips, head_slot, offer, row, bets, room, scratch) != row.added_minor
        if counts_uses_nb(row, offer):
            wrong |= row.uses != is_used_nb(head)
        if row.grant > 0 and not row.pays:
            earned_minor = earned_nb(slips, head_slot, offer)
            wrong |= grants[row.grant - 1].amount_minor != earned_minor
        if wrong:
            faults[count] = at
            count += 1
        at += 1
    return count, at
