"""Kernels of the chain of an account's bets of any state, from the newest back.

Own the chain: `newest` has for each account's slot one more than the slot of its last single or
head, `earlier` for each slip's slot one more than that of the same account's one before it; 0 ends
it. Slips are only appended, so a link never changes. Never allocate and never change a slip.
"""

from typing import Any

from numba import types

from engine.common.jit import kernel
from engine.common.rows import I64s, Rows, SlipKind, SlipState, U32s
from engine.ledger.index_nb import SLIPS, SLOTS, SUMS, array_of
from engine.ledger.offer_rows import OFFERED

LEG = int(SlipKind.LEG)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)
PAIR: Any = types.UniTuple(types.int64, 2)  # type: ignore[no-untyped-call]


@kernel(types.void(SLIPS, types.int64, types.int64, SLOTS, SLOTS))
def link_slips_nb(slips: Rows, begin: int, end: int, newest: U32s, earlier: U32s) -> None:
    """Append slips from `begin` to `end` to their accounts' chains; legs are in none."""
    for slot in range(begin, end):
        if slips[slot].kind == LEG:
            earlier[slot] = 0
            continue
        account = slips[slot].account
        earlier[slot] = newest[account]
        newest[account] = slot + 1


@kernel(PAIR(SLIPS, SLOTS, types.int64, types.int64, types.int64, types.int64, SLOTS))
def slots_in_states_nb(
    slips: Rows, earlier: U32s, at: int, states: int, steps_max: int, parts_max: int, slots: U32s
) -> Any:
    """List the slots of slips in some states (bits) along a chain, from the one that `at` names.

    Returns
    -------
    tuple of int
        How many slots were written, and one more than the slot of the last slip that was looked at,
        0 when no further one follows. The loop ends when `slots` is full, after `steps_max` slips
        of any state, and before a slip, but the first listed, with which the listed ones have more
        than `parts_max` legs and bets.
    """
    count = parts = last = 0
    for _ in range(steps_max):
        if not at or count == len(slots):
            break
        slip = slips[at - 1]
        if states >> slip.state & 1:
            parts += slip.legs + slip.bets
            if count and parts > parts_max:
                break
            slots[count] = at - 1
            count += 1
        last = at
        at = earlier[at - 1]
    return count, last if at else 0


SETTLED_BETS, TURNOVER, PAID, GIVEN, OPEN_BETS, PENDING_BETS, REFUSED_BETS = range(7)
"""Places of an account's totals."""
TOTALS_LEN = 7


@kernel()
def given_nb(head: Any, offered: Any, offered_len: Any) -> Any:
    """Return what its offer has given to the slip of a head's slot."""
    low, high = 0, offered_len
    while low < high:
        middle = (low + high) // 2
        if offered[middle].head < head:
            low = middle + 1
        else:
            high = middle
    return offered[low].added_minor if low < offered_len and offered[low].head == head else 0


@kernel(
    types.int64(
        SLIPS, SLOTS, types.int64, types.int64, types.int64, array_of(OFFERED), types.int64, SUMS
    )
)
def add_totals_nb(
    slips: Rows,
    earlier: U32s,
    at: int,
    steps_max: int,
    since_ns: int,
    offered: Rows,
    offered_len: int,
    totals: I64s,
) -> int:
    """Add up slips along a chain, from the one that `at` names back to a time, into `totals`.

    Returns
    -------
    int
        One more than the slot of the last slip that was added, 0 when no further one counts. The
        loop ends after `steps_max` slips, and before one that was placed before `since_ns`.
    """
    last = 0
    for _ in range(steps_max):
        if not at:
            return 0
        slip = slips[at - 1]
        if slip.placed_at_ns < since_ns:
            return 0
        if slip.state == SETTLED:
            totals[SETTLED_BETS] += 1
            totals[TURNOVER] += slip.stake_minor
            totals[PAID] += slip.payout_minor
            if slip.offer > 0:
                totals[GIVEN] += given_nb(at - 1, offered, offered_len)
        elif slip.state == ACCEPTED:
            totals[OPEN_BETS] += 1
        elif slip.state == REFUSED:
            totals[REFUSED_BETS] += 1
        else:
            totals[PENDING_BETS] += 1
        last = at
        at = earlier[at - 1]
    return last if at else 0
