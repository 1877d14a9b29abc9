"""The ledger's kernels that reserve the stakes of slips of several legs, among singles.

Own the answers to a head and its legs, and the rows of a slip that is reserved. A slip is reserved
as a whole or refused as a whole: all is checked before a row is written. Never allocate and never
refuse by exception, as reserve_nb.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.index_nb import put_nb
from engine.common.jit import kernel
from engine.common.rows import (
    FLAG_KNOWN,
    RESERVATION,
    RESERVED,
    SLIP_BET,
    Rows,
    SlipKind,
    U64s,
)
from engine.common.units import ODDS_MILLI_MIN
from engine.ledger.combinations_nb import (
    COMBINATION_STORE,
    combination_room_nb,
    count_slip_nb,
)
from engine.ledger.index_nb import (
    ACCOUNTS,
    RATES,
    REF_U64S,
    SLIP_BETS,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    find_no_nb,
    find_ref_nb,
    ref_hash_nb,
)
from engine.ledger.offers_nb import (
    FREE_BET,
    FREE_BET_USED,
    INSURANCE,
    OFFER_STORE,
    legs_placed_nb,
    named_offer_nb,
    offer_reason_nb,
    same_offer_nb,
    take_offer_nb,
)
from engine.ledger.open_slips_nb import chain_slip_nb
from engine.ledger.reserve_nb import (
    ACCOUNT_LIABILITY,
    BET_REF_REUSED,
    COMBINATION_LIABILITY,
    INSUFFICIENT_FUNDS,
    MALFORMED,
    OF_SLIP,
    PENDING,
    answer_refusal_nb,
    answer_slip_nb,
    payout_bound_nb,
    reserve_run_nb,
    shut_reason_nb,
)
from engine.ledger.rows import ALL_SLIP_BETS_MAX
from engine.ledger.slip_checks_nb import (
    event_nb,
    is_whole_nb,
    position_nb,
    same_slip_nb,
    slip_reason_nb,
)
from engine.ledger.slip_nb import COUNT, SCRATCH, parts_nb

HEAD = int(SlipKind.HEAD)
LEG = int(SlipKind.LEG)


# --- answers --------------------------------------------------------------------------------------


@kernel()
def refuse_all_nb(
    answers: Any, reservations: Any, at: Any, end: Any, reason: Any, rate: Any, stake_max: Any
) -> None:
    """Answer a head and its legs with one refusal; the head is given the stake that would pass."""
    for i in range(at, end):
        answer_refusal_nb(answers[i], reservations[i], reason, rate, stake_max if i == at else 0)


@kernel()
def answer_all_nb(answers: Any, at: Any, slips: Any, slot: Any, flags: Any, account: Any) -> None:
    """Answer a head and its legs with their slip; a PENDING leg is given what it is charged."""
    for i in range(slips[slot].legs + 1):
        answer_slip_nb(answers[at + i], slips[slot + i], flags, account)
        if i > 0 and slips[slot + i].state == PENDING:
            answers[at + i].stake_max_minor = slips[slot + i].stake_minor


# --- reserving ------------------------------------------------------------------------------------


@kernel()
def write_legs_nb(slips: Any, slot: Any, reservations: Any, at: Any, charges: Any) -> None:
    """Write the PENDING legs of the head at a slot."""
    head = slips[slot]
    for i in range(head.legs):
        leg, asked = slips[slot + 1 + i], reservations[at + 1 + i]
        leg.bet_id = head.bet_id + np.uint64(1 + i)
        leg.stake_minor = charges[i]
        leg.charged_minor = charges[i]
        leg.placed_at_ns = head.placed_at_ns
        leg.account = head.account
        leg.account_no = head.account_no
        leg.market_no = asked.market_no
        leg.odds_milli = asked.odds_milli
        leg.odds_seen_milli = asked.odds_milli
        leg.rate_micro = head.rate_micro
        leg.outcome = asked.outcome
        leg.policy = asked.policy
        leg.state = PENDING
        leg.kind = LEG
        leg.legs = 1 + i
        leg.event = event_nb(asked)
        leg.position = position_nb(asked)


@kernel()
def write_head_nb(
    slips: Any, slot: Any, reservation: Any, bet_id: Any, first: Any, rate_micro: Any, at_ns: Any
) -> None:
    """Write a PENDING head; its account is written by the caller. Rows never used are zero."""
    head = slips[slot]
    head.bet_id = bet_id
    head.stake_minor = reservation.stake_minor
    head.placed_at_ns = at_ns
    head.account_no = reservation.account_no
    head.rate_micro = rate_micro
    head.policy = reservation.policy
    head.state = PENDING
    head.kind = HEAD
    head.legs = reservation.outcome
    head.bets_first = first
    head.bets = reservation.market_no
    for i in range(4):
        head.ref[i] = reservation.ref[i]


@kernel()
def lowest_odds_nb(offer: Any, grant_no: Any) -> Any:
    """Return the odds at which an offer asks each leg to be taken, 0 for none in particular.

    A boost and an early payout say leg by leg what counts, by the odds taken.
    """
    asks = offer.kind == FREE_BET or (offer.kind == INSURANCE and grant_no == 0)
    return offer.odds_milli_min if asks and offer.odds_milli_min > ODDS_MILLI_MIN else 0


@kernel()
def checked_nb(
    reservations: Any,
    at: Any,
    given: Any,
    given_at: Any,
    account_slot: Any,
    account: Any,
    at_ns: Any,
    first: Any,
    room: Any,
    bound: Any,
) -> Any:
    """Check a new slip and the offer that it names.

    `bound` is what all its bets may pay, the reason when they pay more, and the account's rate.

    Returns
    -------
    tuple of int
        The numbers of the offer and of the free bet that pays (0: none), the reason of a refusal or
        0, the highest stake that would have passed, and what the slip can pay.
    """
    bets, scratch, _, offer_store, _ = room
    most_minor, over_most, rate_micro = bound
    number, grant_no, funds_minor, offer_max_minor, reason = named_offer_nb(
        reservations[at], account_slot, account, at_ns, offer_store
    )
    if reason != 0:
        return number, grant_no, reason, 0, 0
    short = FREE_BET_USED if grant_no > 0 else INSUFFICIENT_FUNDS
    reason, stake_max_minor, payout_minor = slip_reason_nb(
        reservations,
        at,
        given,
        given_at,
        bets,
        first,
        scratch,
        funds_minor,
        offer_max_minor,
        short,
        most_minor,
        over_most,
        rate_micro,
    )
    if reason == 0 and number > 0:
        offer = offer_store[0][number]
        reason = offer_reason_nb(reservations, at, bets, first, scratch, offer, grant_no)
    return number, grant_no, reason, stake_max_minor, payout_minor


@kernel()
def reserve_slip_nb(
    reservations: Any,
    at: Any,
    given: Any,
    given_at: Any,
    answers: Any,
    store: Any,
    room: Any,
    bet_id: Any,
) -> None:
    """Answer the reservation of a slip; one that is made is written behind all others."""
    bets, scratch, ends, offer_store, combinations = room
    tables, rates_micro, payouts_max, slips_max, at_ns = store
    slips, accounts, account_table, ref_table, ref_seed = tables
    head = reservations[at]
    end = at + 1 + head.outcome
    slot, first = ends[0], ends[2]
    rate_micro = 0
    place = 0
    hashed = ref_hash_nb(ref_seed, head.account_no, head.ref)
    account_slot = find_no_nb(account_table, accounts, head.account_no)
    if account_slot >= 0:
        rate_micro = rates_micro[accounts[account_slot].currency]
        known = find_ref_nb(ref_table, slips, account_slot, head.ref, hashed)
        place = -1 - known
        if known >= 0:
            if same_slip_nb(
                slips, known, reservations, at, given, given_at, bets
            ) and same_offer_nb(slips, known, head, offer_store):
                answer_all_nb(answers, at, slips, known, FLAG_KNOWN, accounts[account_slot])
                if slips[known].state == PENDING and slips_max > 0:
                    slips[known].shared = 1
            else:
                refuse_all_nb(answers, reservations, at, end, BET_REF_REUSED, rate_micro, 0)
            return
    full = slot + end - at > slips_max or first + head.market_no > ALL_SLIP_BETS_MAX
    reason = shut_reason_nb(full, account_slot, accounts)
    if reason != 0:
        refuse_all_nb(answers, reservations, at, end, reason, rate_micro, 0)
        return
    account = accounts[account_slot]
    room_minor = payout_bound_nb(account, payouts_max, rate_micro) - account.open_payout_minor
    legs = np.int64(head.outcome)
    most_minor = combination_room_nb(
        reservations, at + 1, legs, 0, rate_micro, slips, combinations, room_minor
    )
    reason = COMBINATION_LIABILITY if most_minor < room_minor else ACCOUNT_LIABILITY
    bound = (min(most_minor, room_minor), reason, rate_micro)
    number, grant_no, reason, stake_max_minor, payout_minor = checked_nb(
        reservations, at, given, given_at, account_slot, account, at_ns, first, room, bound
    )
    if reason != 0:
        refuse_all_nb(answers, reservations, at, end, reason, rate_micro, stake_max_minor)
        return
    write_head_nb(slips, slot, head, bet_id, first, rate_micro, at_ns)
    slips[slot].account = account_slot
    slips[slot].charged_minor = payout_minor
    write_legs_nb(slips, slot, reservations, at, parts_nb(scratch)[5])
    chain_slip_nb(slips, slot, account, head.stake_minor, payout_minor)
    count_slip_nb(slips, slot, 0, payout_minor, combinations)
    if number > 0:
        take_offer_nb(slips, slot, account, number, grant_no, at_ns, offer_store)
        lowest_milli = lowest_odds_nb(offer_store[0][number], grant_no)
        slips[slot].odds_seen_milli = lowest_milli
        slips[slot].position = legs_placed_nb(head) if lowest_milli > 0 else 0
    put_nb(ref_table, hashed, place, slot)
    answer_all_nb(answers, at, slips, slot, 0, account)
    ends[0] += end - at
    ends[2] += head.market_no


@kernel()
def run_end_nb(reservations: Any, at: Any) -> Any:
    """Return where the run of singles ends that begins at a row."""
    end = at + 1
    while end < len(reservations) and reservations[end].flags & OF_SLIP == 0:
        end += 1
    return end


@kernel(
    types.void(
        array_of(RESERVATION, frozen=True),
        array_of(SLIP_BET, frozen=True),
        array_of(RESERVED),
        SLIPS,
        ACCOUNTS,
        REF_U64S,
        REF_U64S,
        types.uint64,
        RATES,
        SUMS,
        SLOTS,
        SLIP_BETS,
        SCRATCH,
        COUNT,
        OFFER_STORE,
        COMBINATION_STORE,
        types.uint64,
        types.int64,
        types.int64,
    )
)
def reserve_slips_nb(
    reservations: Rows,
    given: Rows,
    answers: Rows,
    slips: Rows,
    accounts: Rows,
    account_table: U64s,
    ref_table: U64s,
    ref_seed: np.uint64,
    rates_micro: Any,
    payouts_max: Any,
    pending: Any,
    bets: Rows,
    scratch: Any,
    ends: Any,
    offer_store: Any,
    combinations: Any,
    bet_id_next: Any,
    slips_max: int,
    at_ns: int,
) -> None:
    """Reserve stakes of slips and singles: one answer for each row, in order.

    A head is answered with its legs; `given` are the SLIP_BET rows of the heads in order. Where
    they, or the legs, do not fit the heads, every head and leg of the batch is MALFORMED. `ends`
    are how many slips, queued pending slots and bets of slips there are, and become the new ones,
    as do those of the offers. Singles and legs enter `pending`. The rest is as in `reserve_nb`.
    """
    tables = (slips, accounts, account_table, ref_table, ref_seed)
    store = (tables, rates_micro, payouts_max, slips_max, at_ns)
    room = (bets, scratch, ends, offer_store, combinations)
    whole = is_whole_nb(reservations, given)
    at = given_at = 0
    while at < len(reservations):
        row = reservations[at]
        made = ends[0]
        if row.flags & OF_SLIP == 0:
            end = run_end_nb(reservations, at)
            ends[0] = reserve_run_nb(
                reservations,
                at,
                end,
                answers,
                slips,
                made,
                accounts,
                account_table,
                ref_table,
                ref_seed,
                rates_micro,
                payouts_max,
                pending,
                ends[1],
                bet_id_next,
                slips_max,
                at_ns,
            )
            ends[1] += ends[0] - made
            at = end
        elif whole:
            reserve_slip_nb(reservations, at, given, given_at, answers, store, room, bet_id_next)
            for slot in range(made + 1, ends[0]):
                pending[ends[1]] = slot
                ends[1] += 1
            given_at += row.market_no
            at += 1 + row.outcome
        else:
            answer_refusal_nb(answers[at], row, MALFORMED, 0, 0)
            at += 1
        bet_id_next += np.uint64(ends[0] - made)
