"""Kernels that check a slip of several legs: its form, lines, stake, what it can pay, and funds.

Own the order of these checks, and when two reservations are the same slip. Never write a slip: they
write scratch, and bets behind those in use.
"""

from typing import Any

import numpy as np

from engine.common.jit import kernel
from engine.common.reasons import Reason
from engine.common.rows import FLAG_HEAD, FLAG_LEG_OF_SLIP, Policy, SlipKind
from engine.common.units import (
    LIMIT_MINOR_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    ODDS_MILLI_ONE,
    SLIP_BETS_MAX,
    SLIP_LINE_LEGS_MAX,
    STAKE_MINOR_MAX,
)
from engine.common.units_nb import base_amount_minor_max_up_nb
from engine.ledger.reserve_nb import (
    AMOUNT_OUT_OF_BOUNDS,
    MALFORMED,
    OF_SLIP,
    STAKE_TOO_SMALL,
)
from engine.ledger.slip_nb import OVER_MOST, parts_nb, potential_nb, stake_max_nb
from engine.slips.lines_nb import LEGS_MAX, LINES_MAX, STEPS, STEPS_MAX, count_lines_nb

HEAD = int(SlipKind.HEAD)

ANY = int(Policy.ANY)
POLICY_LAST = int(Policy.COMBINED_HIGHER)

ODDS_OUT_OF_BOUNDS = int(Reason.ODDS_OUT_OF_BOUNDS)
POSITION_UNKNOWN = int(Reason.POSITION_UNKNOWN)
SIZE_OUT_OF_BOUNDS = int(Reason.SIZE_OUT_OF_BOUNDS)
LINES_OVER_BOUND = int(Reason.LINES_OVER_BOUND)
NO_LINE = int(Reason.NO_LINE)
STAKE_MISMATCH = int(Reason.STAKE_MISMATCH)
OFFER_NOT_FOR_BET = int(Reason.OFFER_NOT_FOR_BET)

_BYTE = np.uint64(0xFF)
_EIGHT = np.uint64(8)
_SIXTEEN = np.uint64(16)
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


# --- the form of a batch --------------------------------------------------------------------------


@kernel()
def legs_behind_nb(reservations: Any, at: Any) -> Any:
    """Return how many rows behind one are legs of slips."""
    end = at + 1
    while end < len(reservations) and reservations[end].flags & OF_SLIP == FLAG_LEG_OF_SLIP:
        end += 1
    return end - at - 1


@kernel()
def is_whole_nb(reservations: Any, given: Any) -> Any:
    """Return whether each head of a batch has the legs that it names, and all have all the bets."""
    at = 0
    bets = 0
    while at < len(reservations):
        row = reservations[at]
        flags = row.flags & OF_SLIP
        at += 1
        if flags == 0:
            continue
        legs = legs_behind_nb(reservations, at - 1)
        if flags != FLAG_HEAD or legs != row.outcome or not 1 <= legs <= LEGS_MAX:
            return False
        if not 1 <= row.market_no <= SLIP_BETS_MAX:
            return False
        bets += row.market_no
        at += legs
    return bets == len(given)


@kernel()
def event_nb(leg: Any) -> Any:
    """Return the event of a reservation's leg."""
    return np.int64(leg.ref[0] & _BYTE)


@kernel()
def position_nb(leg: Any) -> Any:
    """Return the position of a reservation's leg."""
    return np.int64(leg.ref[0] >> _EIGHT & _BYTE)


@kernel()
def leg_policy_nb(policy: Any) -> Any:
    """Return the policy of a slip's legs: with one over the combined odds they take any odds."""
    return min(policy, ANY)


@kernel()
def read_legs_nb(reservations: Any, at: Any, scratch: Any) -> Any:
    """Write the legs of the head at a row into the scratch; return whether they are well formed."""
    positions, events, nums, dens, _, _, _ = parts_nb(scratch)
    head = reservations[at]
    for i in range(head.outcome):
        leg = reservations[at + 1 + i]
        event, position = event_nb(leg), position_nb(leg)
        pad = leg.ref[0] >> _SIXTEEN | leg.ref[1] | leg.ref[2] | leg.ref[3]
        if pad != 0 or event >= LEGS_MAX or position >= LEGS_MAX:
            return False
        if leg.account_no != head.account_no or leg.policy != leg_policy_nb(head.policy):
            return False
        positions[i] = position
        events[i] = event
        nums[i] = leg.odds_milli
        dens[i] = ODDS_MILLI_ONE
    return True


# --- checks ---------------------------------------------------------------------------------------


@kernel()
def bet_reason_nb(bet: Any, held: Any) -> Any:
    """Return why a bet of a slip is refused for its form, or 0; `held` are the legs' positions."""
    if bet.stake_minor < 1:
        return STAKE_TOO_SMALL
    if bet.stake_minor > STAKE_MINOR_MAX or bet.payout_minor_max < 0:
        return AMOUNT_OUT_OF_BOUNDS
    if bet.positions & ~held or bet.bankers & ~bet.positions:
        return POSITION_UNKNOWN
    free = 0
    rest = bet.positions & ~bet.bankers
    while rest:
        rest &= rest - _ONE
        free += 1
    most = _ALL >> np.uint64(63 - free)
    least = np.uint64(bet.bankers == 0)
    if bet.sizes == 0 or bet.sizes & ~most or bet.sizes & least:
        return SIZE_OUT_OF_BOUNDS
    return 0


@kernel()
def lines_reason_nb(
    scratch: Any, legs: Any, given: Any, at: Any, bets: Any, first: Any, count: Any
) -> Any:
    """Copy a slip's bets to `first` on with their lines, and work out what each leg is charged.

    Returns
    -------
    tuple of int
        The stake of all lines, and why the bets are refused, or 0.
    """
    positions, events, _, _, with_leg, charges, work = parts_nb(scratch)
    held = np.uint64(0)
    for i in range(legs):
        held |= _ONE << np.uint64(positions[i])
        charges[i] = 0
    stake_minor = np.int64(0)
    all_lines = np.int64(0)
    line_legs = np.int64(0)
    work[STEPS] = STEPS_MAX
    for k in range(count):
        bets[first + k] = given[at + k]
        bet = bets[first + k]
        bet.lines = 0
        bet.pad = 0
        reason = bet_reason_nb(bet, held)
        if reason != 0:
            return stake_minor, reason
        for i in range(legs):
            with_leg[i] = 0
        lines = count_lines_nb(positions, events, legs, bet, with_leg, work)
        all_lines += lines
        if lines < 0 or all_lines > LINES_MAX:
            return stake_minor, LINES_OVER_BOUND
        if lines == 0:
            return stake_minor, NO_LINE
        bet.lines = lines
        stake_minor += bet.stake_minor * lines
        for i in range(legs):
            line_legs += with_leg[i]
            charges[i] += bet.stake_minor * with_leg[i]
        if line_legs > SLIP_LINE_LEGS_MAX:
            return stake_minor, LINES_OVER_BOUND
    for i in range(legs):
        if charges[i] == 0:
            return stake_minor, NO_LINE
    return stake_minor, 0


@kernel()
def convert_bounds_nb(bets: Any, first: Any, count: Any, rate_micro: Any) -> None:
    """Convert what bets may pay from base currency: the largest amount that is worth no more.

    A bound that is worth less than one minor unit becomes 1, since 0 would be no bound.
    """
    for k in range(count):
        bet = bets[first + k]
        if bet.payout_minor_max > 0:
            base_minor = min(bet.payout_minor_max, LIMIT_MINOR_MAX)
            allowed_minor = base_amount_minor_max_up_nb(base_minor, int(np.int64(rate_micro)))
            bet.payout_minor_max = max(allowed_minor, 1)


@kernel()
def slip_reason_nb(
    reservations: Any,
    at: Any,
    given: Any,
    given_at: Any,
    bets: Any,
    first: Any,
    scratch: Any,
    funds_minor: Any,
    offer_stake_minor_max: Any,
    short: Any,
    most_minor: Any,
    over_most: Any,
    rate_micro: Any,
) -> Any:
    """Return why an account refuses a slip, or 0, the highest stake that passes, and its payout.

    Checks, of which the first that fails refuses: form of the rows, bounds of the stake, odds seen,
    bets and lines, stake of all lines, what each bet can pay, funds (`short` is the reason where
    they fall short), the stake that the offer allows, and that all bets together pay `most_minor`
    at most, else the reason is `over_most`. The bounds of the bets are in base currency and are
    converted in the rows that are made.
    """
    head = reservations[at]
    legs, count = int(np.int64(head.outcome)), int(np.int64(head.market_no))
    total_minor = int(np.int64(head.stake_minor))
    limit_minor = min(funds_minor, offer_stake_minor_max)
    if head.ref[0] == 0 or head.policy > POLICY_LAST or not read_legs_nb(reservations, at, scratch):
        return MALFORMED, 0, 0
    if total_minor < 1:
        return STAKE_TOO_SMALL, 0, 0
    for i in range(legs):
        if not ODDS_MILLI_MIN <= reservations[at + 1 + i].odds_milli <= ODDS_MILLI_MAX:
            return ODDS_OUT_OF_BOUNDS, 0, 0
    stake_minor, reason = lines_reason_nb(scratch, legs, given, given_at, bets, first, count)
    if reason != 0:
        return reason, 0, 0
    if stake_minor != total_minor:
        return STAKE_MISMATCH, 0, 0
    convert_bounds_nb(bets, first, count, rate_micro)
    payout_minor, reason, share = potential_nb(scratch, legs, bets, first, count, most_minor)
    if total_minor > STAKE_MINOR_MAX:
        reason = AMOUNT_OUT_OF_BOUNDS
    elif reason <= 0 and total_minor > funds_minor:
        reason = short
    elif reason <= 0 and total_minor > offer_stake_minor_max:
        reason = OFFER_NOT_FOR_BET
    elif reason == OVER_MOST:
        reason = over_most
    if reason == 0:
        return 0, 0, payout_minor
    room = first + count
    stake_max_minor = stake_max_nb(
        scratch, legs, bets, first, count, room, total_minor, limit_minor, most_minor, share
    )
    return reason, stake_max_minor, 0


@kernel()
def same_slip_nb(
    slips: Any, slot: Any, reservations: Any, at: Any, given: Any, given_at: Any, bets: Any
) -> Any:
    """Return whether a reservation has the content that made a slip: head, legs and bets.

    The bound of what a bet may pay is the house's and not the bettor's: a ref that is sent again
    after the bound was changed is the same slip, under its first bound.
    """
    slip, head = slips[slot], reservations[at]
    if (
        slip.kind != HEAD
        or slip.stake_minor != head.stake_minor
        or slip.legs != head.outcome
        or slip.bets != head.market_no
        or slip.policy != head.policy
    ):
        return False
    for i in range(slip.legs):
        leg, asked = slips[slot + 1 + i], reservations[at + 1 + i]
        if (
            leg.market_no != asked.market_no
            or leg.outcome != asked.outcome
            or leg.odds_seen_milli != asked.odds_milli
            or leg.event != event_nb(asked)
            or leg.position != position_nb(asked)
        ):
            return False
    for k in range(slip.bets):
        bet, asked_bet = bets[slip.bets_first + k], given[given_at + k]
        if (
            bet.stake_minor != asked_bet.stake_minor
            or bet.sizes != asked_bet.sizes
            or bet.positions != asked_bet.positions
            or bet.bankers != asked_bet.bankers
        ):
            return False
    return True
