"""Kernels that post a slip: its last leg held, its account decides it at the odds held.

Own why a slip is refused although every market holds its leg. A slip held at the odds seen never
is: it was reserved at them, and gateways answer it before its account has the verdicts.
"""

from typing import Any

import numpy as np

from engine.common.jit import kernel
from engine.common.reasons import Reason
from engine.common.rows import Policy
from engine.ledger.combinations_nb import combination_room_nb
from engine.ledger.reserve_nb import ACCOUNT_LIABILITY, COMBINATION_LIABILITY, payout_bound_nb
from engine.ledger.slip_nb import (
    ACCEPTED,
    NO_BOUND,
    OFFER_NOT_FOR_BET,
    OVER_MOST,
    PAYOUT_OVER_CAP,
    REFUSED,
    SEEN,
    TAKEN,
    change_payable_nb,
    gather_nb,
    note_due_nb,
    potential_nb,
    refuse_slip_nb,
    release_leg_nb,
    stake_max_nb,
)

COMBINED_NONE = int(Policy.COMBINED_NONE)
COMBINED_HIGHER = int(Policy.COMBINED_HIGHER)

ODDS_CHANGED = int(Reason.ODDS_CHANGED)
ODDS_WORSE = int(Reason.ODDS_WORSE)


@kernel()
def post_room_nb(slips: Any, head_slot: Any, account: Any, bounds: Any, store: Any) -> Any:
    """Return what a PENDING slip may pay, beside what other open bets can, and whose bound it is.

    The lower of the bounds of its account and of its combination, as at a reservation.
    """
    head = slips[head_slot]
    payouts_max, rates_micro = bounds
    bound_minor = payout_bound_nb(account, payouts_max, rates_micro[account.currency])
    room_minor = bound_minor - (account.open_payout_minor - head.charged_minor)
    left_minor = combination_room_nb(
        slips,
        head_slot + 1,
        np.int64(head.legs),
        head.charged_minor,
        head.rate_micro,
        slips,
        store,
        room_minor,
    )
    if left_minor < room_minor:
        return left_minor, COMBINATION_LIABILITY
    return room_minor, ACCOUNT_LIABILITY


@kernel()
def post_reason_nb(
    slips: Any,
    head_slot: Any,
    account: Any,
    bets: Any,
    room: Any,
    scratch: Any,
    bounds: Any,
    store: Any,
) -> Any:
    """Return why a slip whose legs are all held is refused nevertheless, or 0, and what it can pay.

    A leg taken below the odds that the slip's offer asks refuses it: the odds seen are what the
    bettor says they were. With a policy over the combined odds, what the slip pays if all its legs
    win is compared with what it would have paid at the odds that the bettor saw. At odds that rose
    a bet, the account or the combination may come over its bound: then the head is given the
    highest stake that would have passed. A slip that pays no more than at the odds seen, for which
    it was reserved, is within its bounds whatever they are by now.
    """
    head = slips[head_slot]
    legs = int(np.int64(head.legs))
    first, count = int(np.int64(head.bets_first)), int(np.int64(head.bets))
    moved = low = False
    for i in range(legs):
        leg = slips[head_slot + 1 + i]
        moved |= leg.odds_milli != leg.odds_seen_milli
        low |= i < legs - head.position and leg.odds_milli < head.odds_seen_milli
    if low:
        return OFFER_NOT_FOR_BET, 0
    if not moved:
        return 0, head.charged_minor
    gather_nb(slips, head_slot, SEEN, scratch)
    seen_minor, _, _ = potential_nb(scratch, legs, bets, first, count, NO_BOUND)
    gather_nb(slips, head_slot, TAKEN, scratch)
    most_minor, over_most = post_room_nb(slips, head_slot, account, bounds, store)
    allowed_minor = max(most_minor, seen_minor)
    taken_minor, over, share = potential_nb(scratch, legs, bets, first, count, allowed_minor)
    if head.policy == COMBINED_NONE and taken_minor != seen_minor:
        return ODDS_CHANGED, 0
    if head.policy == COMBINED_HIGHER and taken_minor < seen_minor:
        return ODDS_WORSE, 0
    if over == 0:
        return 0, taken_minor
    stake_minor = head.stake_minor
    head.stake_max_minor = stake_max_nb(
        scratch, legs, bets, first, count, room, stake_minor, stake_minor, most_minor, share
    )
    return over_most if over == OVER_MOST else PAYOUT_OVER_CAP, 0


@kernel()
def hold_leg_nb(
    slips: Any,
    slot: Any,
    accounts: Any,
    bets: Any,
    room: Any,
    scratch: Any,
    due: Any,
    due_len: Any,
    bounds: Any,
    store: Any,
) -> None:
    """Note that a PENDING leg's market accepted it; the last leg held posts the slip.

    The leg of a slip that is refused already is released.
    """
    leg = slips[slot]
    head_slot = slot - leg.legs
    head = slips[head_slot]
    leg.state = ACCEPTED
    head.held += 1
    if head.state == REFUSED:
        release_leg_nb(leg)
        head.charge_no += 1
        note_due_nb(due, due_len, head_slot)
        return
    if head.held < head.legs:
        return
    account = accounts[head.account]
    reason, payable_minor = post_reason_nb(
        slips, head_slot, account, bets, room, scratch, bounds, store
    )
    if reason != 0:
        refuse_slip_nb(slips, head_slot, account, reason, due, due_len, store)
        return
    head.state = ACCEPTED
    account.pending_minor -= head.stake_minor
    account.at_stake_minor += head.stake_minor
    change_payable_nb(slips, head_slot, account, payable_minor, store)
