"""Kernels of the chain of an account's bets of any state, from the newest back.

Own the chain: `newest` has for each account's slot one more than the slot of its last single or
head, `earlier` for each slip's slot one more than that of the same account's one before it; 0 ends
it. Slips are only appended, so a link never changes. Never allocate and never change a slip.
"""

from typing import Any

from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, SlipKind, SlipState, U32s
from engine.ledger.index_nb import SLIPS, SLOTS

LEG = int(SlipKind.LEG)
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


@kernel(PAIR(SLIPS, SLOTS, types.int64, types.int64, types.int64, SLOTS))
def settled_slots_nb(
    slips: Rows, earlier: U32s, at: int, steps_max: int, parts_max: int, slots: U32s
) -> Any:
    """List the slots of settled slips along a chain, from the one that `at` names.

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
        if slip.state == SETTLED:
            parts += slip.legs + slip.bets
            if count and parts > parts_max:
                break
            slots[count] = at - 1
            count += 1
        last = at
        at = earlier[at - 1]
    return count, last if at else 0
