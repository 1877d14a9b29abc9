"""The kernel of what slips could be paid at most, whatever stands for their legs by now.

Owns no rounding of its own. Never changes a row.
"""

from typing import Any

from numba import types

from engine.common.jit import kernel
from engine.common.rows import I64s, Rows, SlipKind, SlipState
from engine.common.units import BALANCE_MINOR_MAX, ODDS_MILLI_ONE
from engine.common.units_nb import base_minor_up_nb
from engine.ledger.index_nb import SLIP_BETS, SLIPS
from engine.ledger.offers_nb import OFFERS
from engine.ledger.slip_nb import SCRATCH, STANDING, gather_nb, parts_nb
from engine.slips.owed_nb import owed_nb

LEG = int(SlipKind.LEG)
REFUSED = int(SlipState.REFUSED)


@kernel(
    types.void(
        SLIPS, types.Array(types.int64, 1, "C"), SLIP_BETS, OFFERS, SCRATCH,
        types.Array(types.int64, 1, "C"),
    )
)  # fmt: skip
def most_nb(
    slips: Rows, slots: I64s, bets: Rows, offers: Rows, scratch: Any, most_minor: I64s
) -> None:
    """Write what the slip of each leg pays if every leg of it wins, in base currency, rounded up.

    A leg counts at its odds, or by what it gives back where that is more; the cap of the offer that
    the slip took is added. So it does not fall when legs are lost or settled anew.

    Parameters
    ----------
    slips, bets, offers
        The rows of a ledger.
    slots : int64[:]
        The slots of legs; -1, and one that is no leg, has the highest balance.
    scratch
        See slip_nb.
    most_minor : int64[slots]
        Receives the amounts; 0 for a leg of a refused slip.
    """
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    for at in range(slots.size):
        most_minor[at] = BALANCE_MINOR_MAX
        slot = slots[at]
        if slot < 0 or slips[slot].kind != LEG:
            continue
        head_slot = slot - slips[slot].legs
        head = slips[head_slot]
        if head.state == REFUSED:
            most_minor[at] = 0
            continue
        gather_nb(slips, head_slot, STANDING, scratch)
        legs, first, count = int(head.legs), int(head.bets_first), int(head.bets)
        for i in range(legs):
            odds_milli = int(slips[head_slot + 1 + i].odds_milli)
            if nums[i] * ODDS_MILLI_ONE <= dens[i] * odds_milli:
                nums[i] = odds_milli
                dens[i] = ODDS_MILLI_ONE
        paid = owed_nb(positions, events, nums, dens, legs, bets, first, count, work)
        if 0 < head.offer < offers.size:
            paid += offers[head.offer].cap_minor
        most = base_minor_up_nb(paid, int(head.rate_micro))
        most_minor[at] = min(most, BALANCE_MINOR_MAX)
