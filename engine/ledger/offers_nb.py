"""Kernels of offers: which slip may take one, and what it gives for what stands for the slip.

Own the arithmetic of every kind of offer. What an offer has given is a pure function of its rule,
of the slip's lines and of what stands for its legs, so that a correction moves the difference in
whatever order it comes. Never change what a slip is paid for its lines, and never refuse by
exception.

The trading books see each bet as if it were paid in cash: the house takes the stake and owes the
payout. The offer's own account carries the difference between that and what the bettor pays or
receives.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.offers import OfferKind
from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_FREE_BET,
    FLAG_PRE_MATCH,
    BetResult,
    Rows,
    SlipKind,
    SlipState,
    U64s,
)
from engine.common.units import ODDS_MILLI_ONE, STAKE_MINOR_MAX
from engine.ledger.index_nb import (
    ACCOUNTS,
    GRANTS,
    RANGES,
    SLIP_BETS,
    SLIPS,
    SUMS,
    array_of,
    slot_of_bet_nb,
)
from engine.ledger.offer_rows import GRANTS_MAX, OFFER, OFFERED
from engine.ledger.open_slips_nb import shift_balance_nb
from engine.ledger.slip_nb import SCRATCH, STANDING, gather_nb, owed_of_nb, parts_nb
from engine.slips.owed_nb import owed_nb

REFUSED = int(SlipState.REFUSED)
ACCEPTED = int(SlipState.ACCEPTED)
SETTLED = int(SlipState.SETTLED)

SINGLE = int(SlipKind.SINGLE)
LEG = int(SlipKind.LEG)

WON = int(BetResult.WON)
REFUNDED = int(BetResult.REFUNDED)
HALF_WON = int(BetResult.HALF_WON)
CANCELLED = int(BetResult.CANCELLED)

NO_KIND = int(OfferKind.NONE)
FREE_BET = int(OfferKind.FREE_BET)
BOOST = int(OfferKind.BOOST)
ODDS_BOOST = int(OfferKind.ODDS_BOOST)
INSURANCE = int(OfferKind.INSURANCE)
FULL_COVER = int(OfferKind.FULL_COVER)
EARLY_PAYOUT = int(OfferKind.EARLY_PAYOUT)

CAPACITY = int(Reason.CAPACITY)
OFFER_UNKNOWN = int(Reason.OFFER_UNKNOWN)
OFFER_WITHDRAWN = int(Reason.OFFER_WITHDRAWN)
OFFER_NOT_FOR_BET = int(Reason.OFFER_NOT_FOR_BET)
FREE_BET_UNKNOWN = int(Reason.FREE_BET_UNKNOWN)
FREE_BET_EXPIRED = int(Reason.FREE_BET_EXPIRED)
FREE_BET_USED = int(Reason.FREE_BET_USED)

_ONE = np.uint64(1)
_MILLI = 1_000

OFFERS = array_of(OFFER)
OFFERED_ROWS = array_of(OFFERED)
OFFER_ENDS = types.Array(types.int64, 1, "C")
OFFER_STORE: Any = types.Tuple(  # type: ignore[no-untyped-call]
    (OFFERS, OFFERED_ROWS, GRANTS, OFFER_ENDS)
)
"""Numba's type of the offers as kernels get them: three arrays, and in the fourth how many slips
have taken an offer and how many free bets there are."""


# --- taking an offer ------------------------------------------------------------------------------


@kernel()
def named_offer_nb(head: Any, account_slot: Any, account: Any, at_ns: Any, store: Any) -> Any:
    """Return what a head's reservation names, and why that cannot be had.

    Returns
    -------
    tuple of int
        The number of the offer and of the free bet that pays (0: none), what can be staked, the
        offer's highest stake, and the reason of a refusal, or 0.
    """
    offers, _, grants, ends = store
    named = np.int64(head.odds_milli)
    funds_minor: Any = np.int64(account.available_minor)
    stake_max_minor: Any = np.int64(STAKE_MINOR_MAX)
    number: Any = named
    grant_no: Any = np.int64(0)
    if head.flags & FLAG_FREE_BET:
        if not 1 <= named <= ends[1] or grants[named - 1].account != account_slot:
            return number, grant_no, funds_minor, stake_max_minor, FREE_BET_UNKNOWN
        grant = grants[named - 1]
        grant_no = named
        number = np.int64(grant.offer)
        funds_minor = np.int64(max(grant.amount_minor - grant.used_minor, 0))
        if grant.head > 0 and grant.amount_minor == 0:
            return number, grant_no, funds_minor, stake_max_minor, FREE_BET_UNKNOWN
        if grant.expires_at_ns <= at_ns:
            return number, grant_no, funds_minor, stake_max_minor, FREE_BET_EXPIRED
        return number, grant_no, funds_minor, stake_max_minor, 0
    if number == 0:
        return number, grant_no, funds_minor, stake_max_minor, 0
    if not 1 <= number < len(offers) or offers[number].kind == NO_KIND:
        return number, grant_no, funds_minor, stake_max_minor, OFFER_UNKNOWN
    offer = offers[number]
    stake_max_minor = min(offer.stake_minor_max, stake_max_minor)
    reason = 0
    if not offer.active:
        reason = OFFER_WITHDRAWN
    elif offer.currency != account.currency or offer.kind == FREE_BET:
        reason = OFFER_NOT_FOR_BET
    elif offer.kind == INSURANCE and ends[1] >= GRANTS_MAX:
        reason = CAPACITY
    return number, grant_no, funds_minor, stake_max_minor, reason


@kernel()
def is_full_cover_nb(legs: Any, bet: Any, scratch: Any) -> Any:
    """Return over how many positions a bet is a full cover with singles, one leg each; 0: none."""
    positions = parts_nb(scratch)[0]
    if bet.bankers != 0:
        return 0
    count: Any = 0
    for i in range(legs):
        count += np.int64((bet.positions >> np.uint64(positions[i])) & _ONE)
    sizes = (_ONE << np.uint64(count + 1)) - np.uint64(2)
    if count == 0 or count > 31 or bet.sizes != sizes:
        return 0
    return count if np.int64(bet.lines) == (np.int64(1) << count) - 1 else 0


@kernel()
def offer_reason_nb(
    reservations: Any, at: Any, bets: Any, first: Any, scratch: Any, offer: Any, grant_no: Any
) -> Any:
    """Return why a slip that is sound cannot take an offer, or 0.

    The legs are in the scratch with the odds that were seen, and the bets have their lines.
    """
    head = reservations[at]
    legs, count = int(np.int64(head.outcome)), int(np.int64(head.market_no))
    kind = offer.kind
    if grant_no > 0 and kind != FREE_BET:
        return 0  # a free bet that an insurance gave has no conditions
    high = 0
    for i in range(legs):
        high += reservations[at + 1 + i].odds_milli >= offer.odds_milli_min
    single_line = count == 1 and bets[first].lines == 1
    if kind == FREE_BET:
        fits = high == legs and legs >= offer.legs_min
    elif kind == BOOST:
        fits = single_line and offer.ladder_milli[high] > 0
    elif kind == ODDS_BOOST:
        leg = reservations[at + 1]
        named = leg.market_no == offer.market_no and leg.outcome == offer.outcome
        fits = single_line and legs == 1 and named
    elif kind == EARLY_PAYOUT:
        fits = high > 0
    elif kind == INSURANCE:
        fits = single_line and high == legs and legs >= offer.legs_min
    else:
        covered = is_full_cover_nb(legs, bets[first], scratch)
        fits = covered > 0 and (offer.one_winner_milli > _MILLI or offer.ladder_milli[covered] > 0)
    return 0 if fits else OFFER_NOT_FOR_BET


@kernel()
def take_offer_nb(
    slips: Any, slot: Any, account: Any, number: Any, grant_no: Any, at_ns: Any, store: Any
) -> None:
    """Note that a reserved slip has taken an offer; a free bet then pays its stake.

    The stake was moved from the account's available balance, which gets it back from the offer's
    account.
    """
    offers, offered, grants, ends = store
    head = slips[slot]
    head.offer = number
    row = offered[ends[0]]
    row.head = slot
    row.offer = number
    row.grant = grant_no
    row.added_minor = 0
    row.pays = grant_no > 0
    row.uses = row.pays
    if grant_no > 0:
        row.added_minor = head.stake_minor
        grants[grant_no - 1].used_minor += head.stake_minor
        account.available_minor += head.stake_minor
    elif offers[number].kind == INSURANCE:
        promised = grants[ends[1]]
        promised.account = head.account
        promised.head = slot + 1
        promised.offer = number
        promised.granted_at_ns = at_ns
        ends[1] += 1
        row.grant = ends[1]
    ends[0] += 1


@kernel()
def same_offer_nb(slips: Any, slot: Any, head: Any, store: Any) -> Any:
    """Return whether a reservation names what the head at a slot took."""
    _, offered, _, ends = store
    if slips[slot].offer == 0:
        return head.odds_milli == 0 and head.flags & FLAG_FREE_BET == 0
    row = offered[offered_row_nb(offered, ends[0], slot)]
    if head.flags & FLAG_FREE_BET:
        return row.pays == 1 and head.odds_milli == row.grant
    return row.pays == 0 and head.odds_milli == slips[slot].offer


@kernel()
def offered_row_nb(offered: Any, count: Any, head_slot: Any) -> Any:
    """Return the row of a head that took an offer, by bisection."""
    low = np.int64(0)
    high = np.int64(count)
    while low < high:
        middle = (low + high) // 2
        if offered[middle].head < head_slot:
            low = middle + 1
        else:
            high = middle
    return low


# --- what an offer gives --------------------------------------------------------------------------


@kernel(inline=True)
def is_void_nb(leg: Any) -> Any:
    """Return whether a settled leg was void."""
    return leg.result == REFUNDED or leg.result == CANCELLED


@kernel()
def boost_nb(slips: Any, head_slot: Any, offer: Any) -> Any:
    """Return what a boost adds to an accumulator that was paid: thousandths of its winnings."""
    head = slips[head_slot]
    winnings_minor = head.payout_minor - head.stake_minor
    if winnings_minor <= 0:
        return 0
    counting = 0
    for i in range(head.legs):
        leg = slips[head_slot + 1 + i]
        counting += leg.odds_milli >= offer.odds_milli_min and not is_void_nb(leg)
    return winnings_minor * np.int64(offer.ladder_milli[counting]) // _MILLI


@kernel()
def odds_boost_nb(
    slips: Any, head_slot: Any, offer: Any, bets: Any, room: Any, scratch: Any
) -> Any:
    """Return what a bet on one leg wins more at the boosted odds than it won.

    What the leg gives back beyond the stake grows by ``(boosted - 1) / (taken - 1)``: the exact
    winnings at the boosted odds, also after a deduction or half a win. The product is rounded down
    once.
    """
    head, leg = slips[head_slot], slips[head_slot + 1]
    if leg.payout_minor <= np.int64(leg.back_den) or offer.odds_milli <= leg.odds_milli:
        return 0
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    positions[0], positions[1] = 0, 1
    events[0], events[1] = 0, 1
    nums[0], dens[0] = leg.payout_minor - np.int64(leg.back_den), np.int64(leg.back_den)
    nums[1], dens[1] = offer.odds_milli - ODDS_MILLI_ONE, leg.odds_milli - ODDS_MILLI_ONE
    bet = bets[room]
    bet.stake_minor = head.stake_minor
    bet.positions = np.uint64(3)
    bet.sizes = np.uint64(4)
    bet.bankers = np.uint64(0)
    won_minor = owed_nb(positions, events, nums, dens, 2, bets, room, 1, work)
    return won_minor + head.stake_minor - head.payout_minor


@kernel()
def full_cover_nb(
    slips: Any, head_slot: Any, offer: Any, bets: Any, room: Any, scratch: Any
) -> Any:
    """Return what a full cover that was paid is given for one winner, or for winners alone."""
    head = slips[head_slot]
    first = int(np.int64(head.bets_first))
    legs = int(np.int64(head.legs))
    bet = bets[first]
    winners = winner = others = voids = 0
    for i in range(legs):
        leg = slips[head_slot + 1 + i]
        if (bet.positions >> np.uint64(leg.position)) & _ONE == 0:
            continue
        if is_void_nb(leg):
            voids += 1
        elif leg.payout_minor > 0:
            winners += 1
            winner = i
        else:
            others += 1
    if voids > 0 and offer.void_excludes:
        return 0
    gather_nb(slips, head_slot, STANDING, scratch)
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    if winners == 1 and offer.one_winner_milli > _MILLI:
        single = bets[room]
        single.stake_minor = bet.stake_minor
        single.positions = _ONE << np.uint64(positions[winner])
        single.sizes = np.uint64(2)
        single.bankers = np.uint64(0)
        paid_minor = owed_nb(positions, events, nums, dens, legs, bets, room, 1, work)
        more_milli = np.int64(offer.one_winner_milli) - _MILLI
        return max(paid_minor - bet.stake_minor, 0) * more_milli // _MILLI
    if others == 0 and voids == 0:
        paid_minor = owed_nb(positions, events, nums, dens, legs, bets, first, 1, work)
        winnings_minor = paid_minor - bet.stake_minor * np.int64(bet.lines)
        return max(winnings_minor, 0) * np.int64(offer.ladder_milli[winners]) // _MILLI
    return 0


@kernel()
def early_payout_nb(slips: Any, head_slot: Any, offer: Any, bets: Any, scratch: Any) -> Any:
    """Return what a slip is owed with the legs won whose side led, less what results have paid.

    Nothing while an open leg can change what it is owed so.
    """
    head = slips[head_slot]
    if head.state != ACCEPTED and head.state != SETTLED:
        return 0
    opened, lost = gather_nb(slips, head_slot, STANDING, scratch)
    _, _, nums, dens, _, _, _ = parts_nb(scratch)
    marked = 0
    for i in range(head.legs):
        leg = slips[head_slot + 1 + i]
        if leg.held < offer.lead or leg.odds_milli < offer.odds_milli_min:
            continue
        if offer.pre_match and leg.bets & FLAG_PRE_MATCH == 0:
            continue
        marked += 1
        opened -= leg.state != SETTLED
        lost -= leg.state == SETTLED and leg.payout_minor == 0
        nums[i] = leg.odds_milli
        dens[i] = ODDS_MILLI_ONE
    if marked == 0:
        return 0
    owed_minor = owed_of_nb(head, opened, lost, bets, scratch)
    return owed_minor - head.payout_minor if owed_minor >= 0 else 0


@kernel()
def added_nb(
    slips: Any, head_slot: Any, offer: Any, row: Any, bets: Any, room: Any, scratch: Any
) -> Any:
    """Return what an offer has given for a slip as it stands, beside what the slip is paid.

    A free bet gives the stake, and takes back what the payout returns of it. A further kind of
    offer is one more branch here and in `offer_reason_nb`.
    """
    head = slips[head_slot]
    if row.pays:
        if head.state == REFUSED:
            return 0
        return head.stake_minor - min(head.payout_minor, head.stake_minor)
    added_minor = 0
    if offer.kind == EARLY_PAYOUT:
        added_minor = early_payout_nb(slips, head_slot, offer, bets, scratch)
    elif head.state == SETTLED and head.payout_minor > 0:
        if offer.kind == BOOST:
            added_minor = boost_nb(slips, head_slot, offer)
        elif offer.kind == ODDS_BOOST:
            added_minor = odds_boost_nb(slips, head_slot, offer, bets, room, scratch)
        elif offer.kind == FULL_COVER:
            added_minor = full_cover_nb(slips, head_slot, offer, bets, room, scratch)
    return max(min(added_minor, offer.cap_minor), 0)


@kernel()
def earned_nb(slips: Any, head_slot: Any, offer: Any) -> Any:
    """Return the free bet that an insured slip as it stands has earned: the stake, or 0."""
    head = slips[head_slot]
    if head.state != SETTLED:
        return 0
    lost = won = 0
    for i in range(head.legs):
        leg = slips[head_slot + 1 + i]
        if leg.state != SETTLED:
            return 0
        if is_void_nb(leg):
            continue
        if leg.payout_minor == 0:
            lost += 1
        elif leg.result == WON or leg.result == HALF_WON:
            won += 1
        else:
            return 0
    if lost != 1 or lost + won < offer.legs_min:
        return 0
    return min(head.stake_minor, offer.cap_minor)


@kernel()
def bring_offer_nb(
    slips: Any,
    at: Any,
    accounts: Any,
    bets: Any,
    room: Any,
    scratch: Any,
    store: Any,
    given: Any,
    at_ns: Any,
) -> None:
    """Bring what an offer has given for a slip in line with what stands; move the difference."""
    offers, offered, grants, _ = store
    row = offered[at]
    head_slot = np.int64(row.head)
    head = slips[head_slot]
    offer = offers[row.offer]
    change_minor = added_nb(slips, head_slot, offer, row, bets, room, scratch) - row.added_minor
    if change_minor != 0:
        shift_balance_nb(accounts[head.account], change_minor)
        given[row.offer] += change_minor
        row.added_minor += change_minor
    if row.grant == 0:
        return
    grant = grants[row.grant - 1]
    if row.pays:
        uses = is_used_nb(head)
        grant.used_minor += head.stake_minor * (np.int64(uses) - np.int64(row.uses))
        row.uses = uses
        return
    earned_minor = earned_nb(slips, head_slot, offer)
    if earned_minor != grant.amount_minor:
        grant.amount_minor = earned_minor
        grant.expires_at_ns = at_ns + offer.expires_after_ns if earned_minor > 0 else 0


@kernel()
def is_used_nb(head: Any) -> Any:
    """Return whether a slip uses its free bet: not if refused, nor if it was wholly void."""
    return head.state != REFUSED and not (head.state == SETTLED and head.result == REFUNDED)


@kernel(
    types.void(
        types.Array(types.uint64, 1, "C", readonly=True),
        SLIPS,
        types.int64,
        ACCOUNTS,
        RANGES,
        SLIP_BETS,
        types.int64,
        SCRATCH,
        OFFER_STORE,
        SUMS,
        types.int64,
    )
)
def bring_offers_nb(
    bet_ids: U64s,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    ranges: Rows,
    bets: Rows,
    room: int,
    scratch: Any,
    store: Any,
    given: Any,
    at_ns: int,
) -> None:
    """Bring the offers of the slips of some legs in line with what stands for them.

    What the offers' accounts give is added to `given` by the offer's number. The bets from `room`
    on are overwritten.
    """
    _, offered, _, ends = store
    for i in range(len(bet_ids)):
        slot = slot_of_bet_nb(ranges, slips, slips_len, bet_ids[i])
        if slot < 0 or slips[slot].kind != LEG:
            continue
        head_slot = slot - slips[slot].legs
        if slips[head_slot].offer == 0:
            continue
        at = offered_row_nb(offered, ends[0], head_slot)
        bring_offer_nb(slips, at, accounts, bets, room, scratch, store, given, at_ns)
