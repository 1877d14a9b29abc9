"""Kernels of the ledger's audit of slips of several legs: a head against its legs and its bets.

Own the invariants between these rows. Never change a row; the rows in use of the bets are read, and
those behind them are scratch.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import Rows, SlipKind, SlipState
from engine.ledger.index_nb import SLIP_BETS, SLIPS
from engine.ledger.slip_checks_nb import lines_reason_nb
from engine.ledger.slip_nb import (
    LEG_REFUSED,
    NO_BOUND,
    SCRATCH,
    SEEN,
    STANDING,
    charge_nb,
    gather_nb,
    parts_nb,
    potential_nb,
    result_nb,
    still_payable_nb,
)
from engine.slips.owed_nb import owed_nb

PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)
RELEASED = int(SlipState.RELEASED)

HEAD = int(SlipKind.HEAD)
LEG = int(SlipKind.LEG)

FAULTS = (
    "a leg without its head",
    "a head without its legs",
    "a leg that is not its head's",
    "bets that are not behind those of the head before",
    "bets without their lines",
    "the stake is not that of all lines",
    "a leg's stake is not that of its lines",
    "held is not the number of legs held",
    "the state is not that of the legs",
    "the payout is not what the legs are owed",
    "a charge of a number that was never given",
    "the open payout is not the most that the legs can pay",
)
"""What each fault number means."""
(
    LEG_ALONE,
    LEGS_MISSING,
    LEG_OF_OTHER,
    BETS_APART,
    LINES_WRONG,
    STAKE_WRONG,
    CHARGE_WRONG,
    HELD_WRONG,
    STATE_WRONG,
    PAYOUT_WRONG,
    NUMBER_WRONG,
    PAYABLE_WRONG,
) = range(len(FAULTS))


@kernel()
def legs_fault_nb(slips: Any, slips_len: Any, slot: Any) -> Any:
    """Return the fault between a head and its legs, or -1."""
    head = slips[slot]
    if slot + head.legs >= slips_len:
        return LEGS_MISSING
    for i in range(head.legs):
        leg = slips[slot + 1 + i]
        if leg.kind != LEG or leg.legs != 1 + i:
            return LEGS_MISSING
        if (
            leg.bet_id != head.bet_id + np.uint64(1 + i)
            or leg.account != head.account
            or leg.placed_at_ns != head.placed_at_ns
            or leg.rate_micro != head.rate_micro
        ):
            return LEG_OF_OTHER
        if leg.charge_no > head.charge_no:
            return NUMBER_WRONG
    return -1


@kernel()
def state_fault_nb(slips: Any, slot: Any) -> Any:
    """Return the fault between a head's state and its legs' states, or -1."""
    head = slips[slot]
    pending = refused = released = accepted = 0
    for i in range(head.legs):
        state = slips[slot + 1 + i].state
        pending += state == PENDING
        refused += state == REFUSED
        released += state == RELEASED
        accepted += state in (ACCEPTED, SETTLED)
    if head.held != accepted + released:
        return HELD_WRONG
    if head.state == PENDING:
        sound = refused == 0 and released == 0 and pending > 0
    elif head.state == REFUSED:
        sound = accepted == 0 and (refused > 0 if head.reason == LEG_REFUSED else pending == 0)
        sound = sound and (head.reason == LEG_REFUSED or refused == 0)
    else:
        sound = accepted == head.legs
    return -1 if sound else STATE_WRONG


@kernel()
def lines_fault_nb(slips: Any, slot: Any, bets: Any, room: Any, scratch: Any) -> Any:
    """Return the fault between a slip's bets, its stake and the stakes of its legs, or -1."""
    head = slips[slot]
    first, count = int(np.int64(head.bets_first)), int(np.int64(head.bets))
    gather_nb(slips, slot, STANDING, scratch)
    stake_minor, reason = lines_reason_nb(
        scratch, int(np.int64(head.legs)), bets, first, bets, room, count
    )
    if reason != 0:
        return LINES_WRONG
    for k in range(count):
        if bets[first + k].lines != bets[room + k].lines or bets[first + k].pad != 0:
            return LINES_WRONG
    if stake_minor != head.stake_minor:
        return STAKE_WRONG
    for i in range(head.legs):
        if slips[slot + 1 + i].stake_minor != charge_nb(scratch, i):
            return CHARGE_WRONG
    return -1


@kernel()
def payout_fault_nb(slips: Any, slot: Any, bets: Any, scratch: Any) -> Any:
    """Return the fault between a posted slip's payout and what its legs are owed, or -1."""
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    head = slips[slot]
    gather_nb(slips, slot, STANDING, scratch)
    first, count = int(np.int64(head.bets_first)), int(np.int64(head.bets))
    legs = int(np.int64(head.legs))
    owed_minor = owed_nb(positions, events, nums, dens, legs, bets, first, count, work)
    if owed_minor < 0:
        return -1 if head.state == ACCEPTED else STATE_WRONG
    if head.state != SETTLED:
        return STATE_WRONG
    sound = owed_minor == head.payout_minor and head.result == result_nb(slips, slot, owed_minor)
    return -1 if sound else PAYOUT_WRONG


@kernel()
def payable_fault_nb(slips: Any, slot: Any, bets: Any, scratch: Any) -> Any:
    """Return the fault between what a slip adds to the open payout and what it can pay, or -1."""
    head = slips[slot]
    first, count = int(np.int64(head.bets_first)), int(np.int64(head.bets))
    payable_minor = np.int64(0)
    if head.state == PENDING:
        gather_nb(slips, slot, SEEN, scratch)
        payable_minor, _, _ = potential_nb(
            scratch, int(np.int64(head.legs)), bets, first, count, NO_BOUND
        )
    elif head.state == ACCEPTED:
        gather_nb(slips, slot, STANDING, scratch)
        payable_minor = still_payable_nb(slips, slot, bets, scratch)
    return -1 if head.charged_minor == payable_minor else PAYABLE_WRONG


@kernel(types.int64(SLIPS, types.int64, SLIP_BETS, types.int64, SCRATCH))
def slip_fault_nb(slips: Rows, slips_len: int, bets: Rows, bets_len: int, scratch: Any) -> int:
    """Check every slip of several legs.

    Returns
    -------
    int
        -1, or the slot of the first faulty slip times the number of `FAULTS` plus its fault.
    """
    slot = 0
    first = 0
    while slot < slips_len:
        head = slips[slot]
        fault = LEG_ALONE if head.kind == LEG else -1
        if head.kind == HEAD:
            fault = legs_fault_nb(slips, slips_len, slot)
            if fault < 0 and (head.bets_first != first or first + head.bets > bets_len):
                fault = BETS_APART
            if fault < 0:
                fault = lines_fault_nb(slips, slot, bets, bets_len, scratch)
            if fault < 0:
                fault = state_fault_nb(slips, slot)
            if fault < 0 and (head.state == ACCEPTED or head.state == SETTLED):
                fault = payout_fault_nb(slips, slot, bets, scratch)
            if fault < 0:
                fault = payable_fault_nb(slips, slot, bets, scratch)
            first += head.bets
        if fault >= 0:
            return slot * len(FAULTS) + fault
        slot += 1 + head.legs if head.kind == HEAD else 1
    return -1 if first == bets_len else slips_len * len(FAULTS) + BETS_APART
