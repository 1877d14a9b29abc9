"""The kernel that counts the lines of the slips among some bets. Never changes a row."""

from typing import Final

from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, SlipKind, U64s
from engine.ledger.charges_nb import lines_nb
from engine.ledger.index_nb import RANGES, SLIP_BETS, SLIPS, slot_of_bet_nb

_LEG: Final = int(SlipKind.LEG)


@kernel(
    types.int64(
        types.Array(types.uint64, 1, "C", readonly=True),
        types.int64,
        types.int64,
        SLIPS,
        types.int64,
        SLIP_BETS,
        RANGES,
    )
)
def at_once_nb(
    bet_ids: U64s,
    each_leg: int,
    lines_max: int,
    slips: Rows,
    slips_len: int,
    bets: Rows,
    ranges: Rows,
) -> int:
    """Return how many bets, from the first on, are taken until their slips have `lines_max` lines.

    A leg counts all lines of its slip with `each_leg`, else its share of them.
    """
    lines = 0
    for at in range(len(bet_ids)):
        slot = slot_of_bet_nb(ranges, slips, slips_len, bet_ids[at])
        if slot >= 0 and slips[slot].kind == _LEG:
            if lines >= lines_max:
                return at
            head = slips[slot - slips[slot].legs]
            own = lines_nb(head, bets)
            lines += own if each_leg else own // head.legs
    return len(bet_ids)
