"""Kernels of what slips charge their legs' markets, and of what those markets are known to charge.

Own which legs' markets must be told a charge: those of the open legs of a posted slip, whose
running stake follows from the legs that are settled, and those of released legs, which are charged
nothing. A settled leg keeps its last charge. So does a leg that waits for its verdict: its market
may not have it yet. Never move money.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import CHARGE, FLAG_RELEASED, Rows, SlipKind, SlipState, U8s, U32s
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.index_nb import RANGES, SLIP_BETS, SLIPS, SLOTS, array_of, slot_of_bet_nb
from engine.ledger.slip_nb import SCRATCH, STANDING, charge_nb, gather_nb, parts_nb
from engine.slips.owed_nb import running_nb

ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)
RELEASED = int(SlipState.RELEASED)

FOUR: Any = types.UniTuple(types.int64, 4)  # type: ignore[no-untyped-call]

HEAD = int(SlipKind.HEAD)
LEG = int(SlipKind.LEG)


@kernel()
def work_out_charges_nb(slips: Any, head_slot: Any, bets: Any, scratch: Any) -> None:
    """Write what each leg of a slip must be charged into the scratch's charges."""
    positions, events, nums, dens, _, charges, work = parts_nb(scratch)
    head = slips[head_slot]
    legs, first, count = int(head.legs), int(head.bets_first), int(head.bets)
    for i in range(legs):
        leg = slips[head_slot + 1 + i]
        charges[i] = 0 if leg.state == RELEASED else leg.charged_minor
    if head.state != ACCEPTED and head.state != SETTLED:
        return
    opened, lost = gather_nb(slips, head_slot, STANDING, scratch)
    if opened == 0:
        return
    if lost > 0 and count == 1 and bets[first].lines == 1:
        for i in range(legs):
            if dens[i] == 0:
                charges[i] = 0
        return
    running_nb(positions, events, nums, dens, legs, bets, first, count, charges, work)


@kernel()
def lines_nb(head: Any, bets: Any) -> Any:
    """Return how many lines the bets of a head have."""
    lines = 0
    for at in range(head.bets_first, head.bets_first + head.bets):
        lines += bets[at].lines
    return lines


@kernel()
def is_due_nb(head: Any, leg: Any, charge_minor: Any) -> Any:
    """Return whether a leg's market must be told its charge.

    A charge that was told may have been applied although its acknowledgement is still on the way or
    lost. So an open leg is told again after each change of the slip, also a charge that is back at
    what its market was last known to have, unless nothing can have been told in between. A released
    leg has been told nothing else before.
    """
    if leg.state == RELEASED:
        return leg.charged_minor != 0
    if leg.state != ACCEPTED or (head.state != ACCEPTED and head.state != SETTLED):
        return False
    behind = head.charge_no - leg.charge_no
    return behind > 1 or (behind == 1 and charge_minor != leg.charged_minor)


@kernel()
def write_charge_nb(row: Any, head: Any, leg: Any, charge_minor: Any) -> None:
    """Write what a leg's market must be told."""
    row.bet_id = leg.bet_id
    row.stake_minor = charge_minor
    row.market_no = leg.market_no
    row.charge_no = head.charge_no
    row.flags = FLAG_RELEASED if leg.state == RELEASED else 0
    for i in range(7):
        row.pad[i] = 0


@kernel(
    FOUR(
        SLOTS,
        types.int64,
        types.int64,
        types.uint64,
        types.int64,
        SLIPS,
        SLIP_BETS,
        SCRATCH,
        array_of(CHARGE),
    )
)
def due_charges_nb(
    due: U32s,
    begin: int,
    due_len: int,
    after_bet_id: int,
    lines_max: int,
    slips: Rows,
    bets: Rows,
    scratch: Any,
    rows: Rows,
) -> tuple[int, int, int, int]:
    """Write the charges of queued heads, by rising bet id, and drop heads whose legs need none.

    Parameters
    ----------
    due : Slots
        The queue of heads, rising, from `begin` to `due_len`. Those looked at that stay are moved
        to `begin` on.
    after_bet_id : int
        Only legs with higher bet ids are written.
    lines_max : int
        Lines of the heads worked out after which it ends, as it does when `rows` are full.
    rows : CHARGE rows
        Room for the charges; the last head written may not fit and then stays for the next page.

    Returns
    -------
    tuple of int
        How many rows were written, how many heads of the queue were looked at, how many of these
        stay, and the bet id behind which the next page begins: 0 when nothing is left.
    """
    written = 0
    kept = 0
    lines = 0
    at = begin
    last_bet_id = after_bet_id
    cut = False
    while at < due_len and written < len(rows) and lines < lines_max:
        head_slot = np.int64(due[at])
        head = slips[head_slot]
        last_leg_id = head.bet_id + np.uint64(head.legs)
        if last_leg_id <= after_bet_id:
            due[begin + kept] = head_slot
            kept += 1
            at += 1
            continue
        lines += lines_nb(head, bets)
        work_out_charges_nb(slips, head_slot, bets, scratch)
        last_bet_id = last_leg_id
        stays = False
        for i in range(head.legs):
            leg = slips[head_slot + 1 + i]
            charge_minor = charge_nb(scratch, i)
            if not is_due_nb(head, leg, charge_minor):
                continue
            stays = True
            if leg.bet_id <= after_bet_id:
                continue
            if written < len(rows):
                write_charge_nb(rows[written], head, leg, charge_minor)
                written += 1
            elif not cut:
                cut = True
                last_bet_id = rows[written - 1].bet_id
        if stays:
            due[begin + kept] = head_slot
            kept += 1
        at += 1
    more = cut or at < due_len
    return written, at - begin, kept, int(np.int64(last_bet_id)) if more else 0


@kernel(
    types.int64(
        array_of(CHARGE, frozen=True), types.Array(types.uint8, 1, "C"), SLIPS, types.int64, RANGES
    )
)
def charged_nb(rows: Rows, effects: U8s, slips: Rows, slips_len: int, ranges: Rows) -> int:
    """Note charges that the legs' markets have applied; return how many are new.

    A number not above the leg's, or above its head's, and a bet id of no leg change nothing.
    `effects` receives 1 for each row that is new, else 0.
    """
    count = 0
    for i in range(len(rows)):
        row = rows[i]
        effects[i] = 0
        slot = slot_of_bet_nb(ranges, slips, slips_len, row.bet_id)
        if slot < 0 or slips[slot].kind != LEG:
            continue
        leg = slips[slot]
        if not leg.charge_no < row.charge_no <= slips[slot - leg.legs].charge_no:
            continue
        if not 0 <= row.stake_minor <= STAKE_MINOR_MAX:
            continue
        leg.charge_no = row.charge_no
        leg.charged_minor = row.stake_minor
        effects[i] = 1
        count += 1
    return count


@kernel(types.int64(SLIPS, types.int64, SLIP_BETS, SCRATCH, SLOTS))
def all_due_nb(slips: Rows, slips_len: int, bets: Rows, scratch: Any, due: U32s) -> int:
    """Write the slots of all heads whose legs must be charged otherwise, rising; return how many.

    A head that was never changed since its post, or refusal, has none.
    """
    count = 0
    for slot in range(slips_len):
        head = slips[slot]
        if head.kind != HEAD or head.charge_no == 0:
            continue
        work_out_charges_nb(slips, slot, bets, scratch)
        for i in range(head.legs):
            if is_due_nb(head, slips[slot + 1 + i], charge_nb(scratch, i)):
                due[count] = slot
                count += 1
                break
    return count
