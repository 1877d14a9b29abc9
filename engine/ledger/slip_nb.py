"""Kernels over one slip of several legs: what its legs give back, what it pays, and its end.

Own how a head's state follows from its legs. A head and its legs are named by the head's slot: the
legs are the rows behind it. Never look a bet id up and never read a message's rows.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.reasons import Reason
from engine.common.rows import BetResult, SlipState
from engine.common.units import ODDS_MILLI_ONE, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.ledger.combinations_nb import count_slip_nb
from engine.ledger.open_slips_nb import close_slip_nb, reopen_slip_nb, shift_balance_nb
from engine.slips.lines_nb import LEGS_MAX
from engine.slips.owed_nb import OPEN, PAYOUT_OVER, WORK_I64S, owed_nb

PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)
RELEASED = int(SlipState.RELEASED)

NO_RESULT = int(BetResult.NONE)
WON = int(BetResult.WON)
LOST = int(BetResult.LOST)
REFUNDED = int(BetResult.REFUNDED)
HALF_LOST = int(BetResult.HALF_LOST)
CANCELLED = int(BetResult.CANCELLED)

ANY_CHANGE = True
"""Given to `settle_head_nb` where any of a slip's legs may have changed."""

OVER_MOST = -1
"""No reason yet: all bets together could pay more than their account or the house allows."""
NO_BOUND = (1 << 63) - 1

LEG_REFUSED = int(Reason.LEG_REFUSED)
OFFER_NOT_FOR_BET = int(Reason.OFFER_NOT_FOR_BET)
PAYOUT_OVER_CAP = int(Reason.PAYOUT_OVER_CAP)
AMOUNT_OUT_OF_BOUNDS = int(Reason.AMOUNT_OUT_OF_BOUNDS)

STANDING, SEEN, TAKEN = 0, 1, 2
"""Which fractions of the legs are read: those of their settlements, the odds that the bettor saw,
the odds at which their markets accepted them."""

LINE_LEGS_TRIED_MAX = 1 << 17
"""Lines times legs that the search for the highest stake works out before its last try: a slip of
very many lines is offered a stake that passes and is near the highest."""
_SHARE_BITS = 30
"""Bits of a share of the stake: `STAKE_MINOR_MAX` times as many fit a word."""

_PLACES = LEGS_MAX + 1
_SMALL = types.Array(types.uint8, 1, "C")
_LARGE = types.Array(types.int64, 1, "C")
SCRATCH: Any = types.Tuple((_SMALL, _LARGE))  # type: ignore[no-untyped-call]
"""Numba's type of the scratch. It is two arrays, which `parts_nb` cuts: to pass many to a kernel
for each slip costs more than most of its work."""
DUE = types.Array(types.uint32, 1, "C")
COUNT = types.Array(types.int64, 1, "C")


def new_scratch() -> tuple[Any, Any]:
    """Return the arrays that these kernels write to and never read before."""
    return np.zeros(2 * _PLACES, np.uint8), np.zeros(4 * _PLACES + WORK_I64S, np.int64)


@kernel(inline=True)
def parts_nb(scratch: Any) -> Any:
    """Return the parts of the scratch.

    Returns
    -------
    tuple of arrays
        By leg its position, event, numerator, denominator, lines and charge; the room of
        engine.slips.
    """
    small, large = scratch
    return (
        small[:_PLACES],
        small[_PLACES:],
        large[:_PLACES],
        large[_PLACES : 2 * _PLACES],
        large[2 * _PLACES : 3 * _PLACES],
        large[3 * _PLACES : 4 * _PLACES],
        large[4 * _PLACES :],
    )


@kernel(inline=True)
def charge_nb(scratch: Any, leg: Any) -> Any:
    """Return the charge of a leg that is in the scratch."""
    return scratch[1][3 * _PLACES + leg]


@kernel()
def gather_nb(slips: Any, head_slot: Any, of: Any, scratch: Any) -> Any:
    """Write position, event and fraction of each leg into the scratch.

    Returns
    -------
    tuple of int
        How many legs are open, and how many are lost.
    """
    positions, events, nums, dens, _, _, _ = parts_nb(scratch)
    opened = 0
    lost = 0
    for i in range(slips[head_slot].legs):
        leg = slips[head_slot + 1 + i]
        positions[i] = leg.position
        events[i] = leg.event
        if of == STANDING:
            settled = leg.state == SETTLED
            nums[i] = leg.payout_minor if settled else 0
            dens[i] = leg.back_den if settled else 0
            opened += not settled
            lost += settled and leg.payout_minor == 0
        else:
            nums[i] = leg.odds_seen_milli if of == SEEN else leg.odds_milli
            dens[i] = ODDS_MILLI_ONE
    return opened, lost


@kernel()
def owed_of_nb(head: Any, opened: Any, lost: Any, bets: Any, scratch: Any) -> Any:
    """Return what a head is owed for the fractions in the scratch, as `owed_nb` does.

    Most answers need no arithmetic: each leg is in some line, so that an open leg among none that
    is lost can change the slip, and a lost one ends a slip of one line.
    """
    if opened > 0 and lost == 0:
        return OPEN
    if lost > 0 and head.bets == 1 and bets[head.bets_first].lines == 1:
        return 0
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    legs, first, count = int(head.legs), int(head.bets_first), int(head.bets)
    return owed_nb(positions, events, nums, dens, legs, bets, first, count, work)


@kernel()
def still_payable_nb(slips: Any, head_slot: Any, bets: Any, scratch: Any) -> Any:
    """Return the most that a posted slip can still pay; its standing fractions are in the scratch.

    Open legs count as won, at the odds accepted.
    """
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    head = slips[head_slot]
    legs, first, count = int(head.legs), int(head.bets_first), int(head.bets)
    for i in range(legs):
        if dens[i] == 0:
            nums[i] = slips[head_slot + 1 + i].odds_milli
            dens[i] = ODDS_MILLI_ONE
    return owed_nb(positions, events, nums, dens, legs, bets, first, count, work)


@kernel()
def share_nb(allowed_minor: Any, paid_minor: Any) -> Any:
    """Return which share of a payout is allowed, rounded down to `_SHARE_BITS` binary places."""
    while paid_minor >> (62 - _SHARE_BITS):
        paid_minor = (paid_minor + 1) >> 1
        allowed_minor >>= 1
    return (allowed_minor << _SHARE_BITS) // paid_minor


@kernel()
def potential_nb(
    scratch: Any, legs: Any, bets: Any, first: Any, count: Any, most_minor: Any
) -> Any:
    """Return what bets pay with the fractions in the scratch, and why that is too much, or 0.

    Too much are a bet over its own bound (PAYOUT_OVER_CAP), and a slip over PAYOUT_MINOR_MAX
    (AMOUNT_OUT_OF_BOUNDS) or over `most_minor` (OVER_MOST).

    Returns
    -------
    tuple of int
        The payout (PAYOUT_OVER past the first two bounds), the reason, and about which share of the
        stake would pass, in `_SHARE_BITS` binary places.
    """
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    total_minor = 0
    for at in range(first, first + count):
        paid_minor = owed_nb(positions, events, nums, dens, legs, bets, at, 1, work)
        if 0 < bets[at].payout_minor_max < paid_minor:
            return PAYOUT_OVER, PAYOUT_OVER_CAP, share_nb(bets[at].payout_minor_max, paid_minor)
        total_minor = min(total_minor + paid_minor, PAYOUT_OVER)
    if total_minor > PAYOUT_MINOR_MAX:
        return PAYOUT_OVER, AMOUNT_OUT_OF_BOUNDS, 1 << (_SHARE_BITS - 1)
    if total_minor > most_minor:
        return total_minor, OVER_MOST, share_nb(most_minor, total_minor)
    return total_minor, 0, 1 << _SHARE_BITS


@kernel()
def scale_nb(
    bets: Any, first: Any, count: Any, room: Any, part_minor: Any, total_minor: Any
) -> Any:
    """Copy bets to `room` on with stakes of `part_minor / total_minor`; return what they stake."""
    scaled_minor = 0
    for i in range(count):
        bets[room + i] = bets[first + i]
        line_minor = bets[first + i].stake_minor * part_minor // total_minor
        bets[room + i].stake_minor = line_minor
        scaled_minor += line_minor * bets[room + i].lines
    return scaled_minor


@kernel()
def stake_max_nb(
    scratch: Any,
    legs: Any,
    bets: Any,
    first: Any,
    count: Any,
    room: Any,
    total_minor: Any,
    limit_minor: Any,
    most_minor: Any,
    share: Any,
) -> Any:
    """Return the highest total stake up to a limit with which the bets do not pay too much, or 0.

    The stakes of the bets keep their proportions, each rounded down and none to 0. A payout never
    falls when the stake rises, so the search halves the range between a stake that passes and one
    that does not. It begins at `share` of the stake (see `potential_nb`), which is nearly the
    highest: a payout is nearly proportional to the stake. The rows of `bets` from `room` on are
    overwritten.
    """
    lines = 0
    lowest = np.int64(1)
    for at in range(first, first + count):
        lines += bets[at].lines
        lowest = max(lowest, (total_minor - 1) // bets[at].stake_minor + 1)
    low = lowest - 1
    high = min(total_minor, limit_minor)
    passing_minor = np.int64(0)
    middle = high
    if total_minor <= STAKE_MINOR_MAX:
        middle = min(max((total_minor * share) >> _SHARE_BITS, lowest), high)
    tried = 0
    while low < high:
        if tried > LINE_LEGS_TRIED_MAX:
            if passing_minor > 0:
                break
            middle = lowest
        scaled_minor = scale_nb(bets, first, count, room, middle, total_minor)
        _, reason, _ = potential_nb(scratch, legs, bets, room, count, most_minor)
        tried += lines * legs
        if reason == 0:
            low = middle
            passing_minor = scaled_minor
        else:
            high = middle - 1
        middle = low + (high - low + 1) // 2
    return passing_minor


# --- hold, release, refuse ----------------------------------------------------------------------


@kernel()
def note_due_nb(due: Any, due_len: Any, head_slot: Any) -> None:
    """Append a head to the queue of those whose legs may have to be charged otherwise."""
    if due_len[0] == 0 or due[due_len[0] - 1] != head_slot:
        due[due_len[0]] = head_slot
        due_len[0] += 1


@kernel()
def release_leg_nb(leg: Any) -> None:
    """Release a leg that its market holds: the slip is refused, whatever that market settles."""
    leg.state = RELEASED
    leg.settlement_no = 0
    leg.payout_minor = 0
    leg.back_den = 0
    leg.result = NO_RESULT
    leg.held = 0
    leg.bets = 0


@kernel()
def change_payable_nb(
    slips: Any, head_slot: Any, account: Any, payable_minor: Any, store: Any
) -> None:
    """Note the most that a slip can still pay: in its head, its account and its combination."""
    head = slips[head_slot]
    account.open_payout_minor += payable_minor - head.charged_minor
    count_slip_nb(slips, head_slot, head.charged_minor, payable_minor, store)
    head.charged_minor = payable_minor


@kernel()
def refuse_slip_nb(
    slips: Any, head_slot: Any, account: Any, reason: Any, due: Any, due_len: Any, store: Any
) -> None:
    """Refuse a PENDING slip: its stake goes back, and the legs that markets hold are released."""
    head = slips[head_slot]
    head.state = REFUSED
    head.reason = reason
    account.pending_minor -= head.stake_minor
    change_payable_nb(slips, head_slot, account, 0, store)
    shift_balance_nb(account, head.stake_minor)
    close_slip_nb(slips, account, head)
    if head.held == 0:
        return
    for i in range(head.legs):
        leg = slips[head_slot + 1 + i]
        if leg.state == ACCEPTED or leg.state == SETTLED:
            release_leg_nb(leg)
    head.charge_no += 1
    note_due_nb(due, due_len, head_slot)


# --- settle -------------------------------------------------------------------------------------


@kernel()
def result_nb(slips: Any, head_slot: Any, owed_minor: Any) -> Any:
    """Return how a slip that is owed an amount ended: REFUNDED only if every leg was.

    One that is owed less than its stake is HALF_LOST if a leg is, as a single on that leg is.
    """
    if owed_minor == 0:
        return LOST
    refunded, half_lost = True, False
    for i in range(slips[head_slot].legs):
        result = slips[head_slot + 1 + i].result
        if result != REFUNDED and result != CANCELLED:
            refunded = False
        half_lost = half_lost or result == HALF_LOST
    if refunded:
        return REFUNDED
    if half_lost and owed_minor < slips[head_slot].stake_minor:
        return HALF_LOST
    return WON


@kernel()
def settle_head_nb(
    slips: Any,
    head_slot: Any,
    accounts: Any,
    bets: Any,
    scratch: Any,
    house_minor: Any,
    due: Any,
    due_len: Any,
    moves: Any,
    store: Any,
) -> None:
    """Pay a posted slip what it is owed for what stands for its legs, or open it again.

    A slip that is not posted, because it waits for a leg or is refused, stays as it is. It is paid
    as soon as no open leg can change what it is owed. A payout that differs from the one before
    moves the difference only. Without `moves` the change cannot have changed what an open slip can
    still pay: a leg won at its odds.
    """
    head = slips[head_slot]
    if head.state != ACCEPTED and head.state != SETTLED:
        return
    account = accounts[head.account]
    opened, lost = gather_nb(slips, head_slot, STANDING, scratch)
    if opened:
        head.charge_no += 1
        note_due_nb(due, due_len, head_slot)
    owed_minor = owed_of_nb(head, opened, lost, bets, scratch)
    paid_minor = 0
    payable_minor = np.int64(0)
    result = NO_RESULT
    if owed_minor < 0:
        payable_minor = head.charged_minor
        if moves or head.state == SETTLED:
            payable_minor = still_payable_nb(slips, head_slot, bets, scratch)
    else:
        paid_minor = owed_minor
        result = result_nb(slips, head_slot, owed_minor)
    change_payable_nb(slips, head_slot, account, payable_minor, store)
    if result == head.result and paid_minor == head.payout_minor:
        return
    if head.state == ACCEPTED:
        account.at_stake_minor -= head.stake_minor
        house_minor[account.currency] += head.stake_minor
        close_slip_nb(slips, account, head)
        head.state = SETTLED
    elif result == NO_RESULT:
        account.at_stake_minor += head.stake_minor
        house_minor[account.currency] -= head.stake_minor
        reopen_slip_nb(slips, account, head, head_slot)
        head.state = ACCEPTED
    change_minor = paid_minor - head.payout_minor
    shift_balance_nb(account, change_minor)
    house_minor[account.currency] -= change_minor
    head.payout_minor = paid_minor
    head.result = result
    head.settlement_no += 1
