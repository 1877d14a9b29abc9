"""Kernels of offers: what an offer gives for what stands for the slip that took it.

Own the arithmetic of every kind of offer. What an offer has given is a pure function of its rule,
of the slip's lines and of what stands for its legs, so that a correction moves the difference in
whatever order it comes. Never change what a slip is paid for its lines.

The trading books see each bet as if it were paid in cash: the house takes the stake and owes the
payout. The offer's own account carries the difference between that and what the bettor pays or
receives.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.rows import FLAG_PRE_MATCH, BetResult, Rows, SlipKind, SlipState, U64s
from engine.common.units import ODDS_MILLI_ONE
from engine.ledger.index_nb import ACCOUNTS, RANGES, SLIP_BETS, SLIPS, SUMS, slot_of_bet_nb
from engine.ledger.offer_uses_nb import add_use_nb
from engine.ledger.offers_nb import (
    BOOST,
    EARLY_PAYOUT,
    FULL_COVER,
    MILLI,
    ODDS_BOOST,
    OFFER_STORE,
    ONE,
    counts_uses_nb,
    offered_row_nb,
    use_store_nb,
)
from engine.ledger.open_slips_nb import shift_balance_nb
from engine.ledger.slip_nb import SCRATCH, STANDING, gather_nb, owed_of_nb, parts_nb
from engine.slips.owed_nb import owed_nb, returned_nb

REFUSED = int(SlipState.REFUSED)
ACCEPTED = int(SlipState.ACCEPTED)
SETTLED = int(SlipState.SETTLED)

LEG = int(SlipKind.LEG)

WON = int(BetResult.WON)
REFUNDED = int(BetResult.REFUNDED)
HALF_WON = int(BetResult.HALF_WON)
CANCELLED = int(BetResult.CANCELLED)


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
    return winnings_minor * np.int64(offer.ladder_milli[counting]) // MILLI


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
def stake_given_nb(slips: Any, head_slot: Any, bets: Any, scratch: Any) -> Any:
    """Return what an offer has given for a slip that its free bet pays: the stake, less its return.

    The stake is not returned line by line: a line that wins pays its winnings, whatever other lines
    have lost.
    """
    head = slips[head_slot]
    if head.state == REFUSED:
        return 0
    if head.payout_minor == 0:
        return head.stake_minor
    gather_nb(slips, head_slot, STANDING, scratch)
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    legs, first, count = int(head.legs), int(head.bets_first), int(head.bets)
    return head.stake_minor - returned_nb(
        positions, events, nums, dens, legs, bets, first, count, work
    )


@kernel()
def full_cover_nb(
    slips: Any, head_slot: Any, offer: Any, bets: Any, room: Any, scratch: Any
) -> Any:
    """Return what a full cover that was paid is given for one winner, or for winners alone.

    A winner is a leg that has won or half won; a leg that is half lost counts as lost.
    """
    head = slips[head_slot]
    first = int(np.int64(head.bets_first))
    legs = int(np.int64(head.legs))
    bet = bets[first]
    winners = winner = others = voids = 0
    for i in range(legs):
        leg = slips[head_slot + 1 + i]
        if (bet.positions >> np.uint64(leg.position)) & ONE == 0:
            continue
        if is_void_nb(leg):
            voids += 1
        elif leg.result == WON or leg.result == HALF_WON:
            winners += 1
            winner = i
        else:
            others += 1
    if voids > 0 and offer.void_excludes:
        return 0
    gather_nb(slips, head_slot, STANDING, scratch)
    positions, events, nums, dens, _, _, work = parts_nb(scratch)
    if winners == 1 and offer.one_winner_milli > MILLI:
        single = bets[room]
        single.stake_minor = bet.stake_minor
        single.positions = ONE << np.uint64(positions[winner])
        single.sizes = np.uint64(2)
        single.bankers = np.uint64(0)
        paid_minor = owed_nb(positions, events, nums, dens, legs, bets, room, 1, work)
        more_milli = np.int64(offer.one_winner_milli) - MILLI
        return max(paid_minor - bet.stake_minor, 0) * more_milli // MILLI
    if others == 0 and voids == 0:
        paid_minor = owed_nb(positions, events, nums, dens, legs, bets, first, 1, work)
        winnings_minor = paid_minor - bet.stake_minor * np.int64(bet.lines)
        return max(winnings_minor, 0) * np.int64(offer.ladder_milli[winners]) // MILLI
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

    A further kind of offer is one more branch here and in `offer_reason_nb`.
    """
    head = slips[head_slot]
    if row.pays:
        return stake_given_nb(slips, head_slot, bets, scratch)
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
    offers, offered, grants, _, _, _ = store
    row = offered[at]
    head_slot = np.int64(row.head)
    head = slips[head_slot]
    offer = offers[row.offer]
    change_minor = added_nb(slips, head_slot, offer, row, bets, room, scratch) - row.added_minor
    if change_minor != 0:
        shift_balance_nb(accounts[head.account], change_minor)
        given[row.offer] += change_minor
        row.added_minor += change_minor
    more_uses: Any = 0
    if counts_uses_nb(row, offer):
        uses = is_used_nb(head)
        more_uses = np.int64(uses) - np.int64(row.uses)
        row.uses = uses
        if more_uses != 0 and not row.pays:
            number = np.int64(row.offer)
            add_use_nb(np.int64(head.account), number, more_uses, use_store_nb(store))
    if row.grant == 0:
        return
    grant = grants[row.grant - 1]
    if row.pays:
        grant.used_minor += head.stake_minor * more_uses
        return
    earned_minor = earned_nb(slips, head_slot, offer)
    if earned_minor != grant.amount_minor:
        grant.amount_minor = earned_minor
        grant.expires_at_ns = at_ns + offer.expires_after_ns if earned_minor > 0 else 0


@kernel()
def is_used_nb(head: Any) -> Any:
    """Return whether a slip uses what it took: not if refused, nor if it was wholly void."""
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
    _, offered, _, ends, _, _ = store
    for i in range(len(bet_ids)):
        slot = slot_of_bet_nb(ranges, slips, slips_len, bet_ids[i])
        if slot < 0 or slips[slot].kind != LEG:
            continue
        head_slot = slot - slips[slot].legs
        if slips[head_slot].offer == 0:
            continue
        at = offered_row_nb(offered, ends[0], head_slot)
        bring_offer_nb(slips, at, accounts, bets, room, scratch, store, given, at_ns)
