"""Kernels of offers: which slip may take one.

Own the conditions of every kind of offer, and the row of a slip that took one. Never decide what an
offer gives (see offers_given_nb), and never refuse by exception.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.offers import OfferKind
from engine.common.reasons import Reason
from engine.common.rows import FLAG_EACH_WAY, FLAG_FREE_BET
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.index_nb import (
    GRANTS,
    REF_U64S,
    array_of,
)
from engine.ledger.offer_rows import GRANTS_MAX, OFFER, OFFERED
from engine.ledger.offer_uses_nb import OFFER_USE, add_use_nb, uses_nb
from engine.ledger.slip_nb import parts_nb

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
OFFER_USED = int(Reason.OFFER_USED)
FREE_BET_UNKNOWN = int(Reason.FREE_BET_UNKNOWN)
FREE_BET_EXPIRED = int(Reason.FREE_BET_EXPIRED)
FREE_BET_USED = int(Reason.FREE_BET_USED)

ONE = np.uint64(1)
MILLI = 1_000

OFFERS = array_of(OFFER)
OFFERED_ROWS = array_of(OFFERED)
OFFER_ENDS = types.Array(types.int64, 1, "C")
OFFER_STORE: Any = types.Tuple(  # type: ignore[no-untyped-call]
    (OFFERS, OFFERED_ROWS, GRANTS, OFFER_ENDS, REF_U64S, array_of(OFFER_USE))
)
"""Numba's type of the offers as kernels get them: three arrays, and in the fourth how many slips
have taken an offer, how many free bets there are and how many rows of uses; the hash table and the
rows of uses."""


@kernel(inline=True)
def use_store_nb(store: Any) -> Any:
    """Return the uses among the offers."""
    return store[4], store[5], store[3]


@kernel()
def named_offer_nb(head: Any, account_slot: Any, account: Any, at_ns: Any, store: Any) -> Any:
    """Return what a head's reservation names, and why that cannot be had.

    Returns
    -------
    tuple of int
        The number of the offer and of the free bet that pays (0: none), what can be staked, the
        offer's highest stake, and the reason of a refusal, or 0.
    """
    offers, _, grants, ends, _, _ = store
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
    elif 0 < offer.uses_max <= uses_nb(account_slot, number, use_store_nb(store)):
        reason = OFFER_USED
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
        count += np.int64((bet.positions >> np.uint64(positions[i])) & ONE)
    sizes = (ONE << np.uint64(count + 1)) - np.uint64(2)
    if count == 0 or count > 31 or bet.sizes != sizes:
        return 0
    return count if np.int64(bet.lines) == (np.int64(1) << count) - 1 else 0


@kernel()
def legs_placed_nb(head: Any) -> Any:
    """Return how many legs of a head's reservation are to be placed: the last ones."""
    return np.int64(head.outcome) // 2 if head.flags & FLAG_EACH_WAY else 0


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
        to_win = legs - legs_placed_nb(head)
        low = 0
        for i in range(to_win):
            low += reservations[at + 1 + i].odds_milli < offer.odds_milli_min
        fits = low == 0 and to_win >= offer.legs_min
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
        fits = covered >= offer.legs_min and (
            offer.one_winner_milli > MILLI or offer.ladder_milli[covered] > 0
        )
    return 0 if fits else OFFER_NOT_FOR_BET


@kernel()
def counts_uses_nb(row: Any, offer: Any) -> Any:
    """Return whether a slip that took an offer may count: by a free bet, or by a bound of uses."""
    return row.pays > 0 or offer.uses_max > 0


@kernel()
def take_offer_nb(
    slips: Any, slot: Any, account: Any, number: Any, grant_no: Any, at_ns: Any, store: Any
) -> None:
    """Note that a reserved slip has taken an offer; a free bet then pays its stake.

    The stake was moved from the account's available balance, which gets it back from the offer's
    account.
    """
    offers, offered, grants, ends, _, _ = store
    head = slips[slot]
    head.offer = number
    row = offered[ends[0]]
    row.head = slot
    row.offer = number
    row.grant = grant_no
    row.added_minor = 0
    row.pays = grant_no > 0
    row.uses = counts_uses_nb(row, offers[number])
    if row.uses > row.pays:
        add_use_nb(np.int64(head.account), number, 1, use_store_nb(store))
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
    _, offered, _, ends, _, _ = store
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
