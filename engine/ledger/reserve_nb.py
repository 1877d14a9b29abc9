"""The ledger's kernels that reserve stakes, over fixed-width rows.

Own the order of the checks of a reservation and the answer to each. Never allocate: the caller
makes room in every array for the whole batch. Never refuse by exception: the answers are rows.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.index_nb import put_nb
from engine.common.jit import kernel
from engine.common.reasons import Reason
from engine.common.rows import (
    FLAG_HEAD,
    FLAG_KNOWN,
    FLAG_LEG_OF_SLIP,
    RESERVATION,
    RESERVED,
    Rows,
    SlipKind,
    SlipState,
    U64s,
)
from engine.common.units import PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.common.units_nb import (
    base_amount_minor_max_up_nb,
    payout_stake_minor_max_nb,
)
from engine.ledger.index_nb import (
    ACCOUNTS,
    RATES,
    REF_U64S,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    find_no_nb,
    find_ref_nb,
    ref_hash_nb,
)
from engine.ledger.open_slips_nb import chain_slip_nb, single_payout_nb

NONE = int(SlipState.NONE)
PENDING = int(SlipState.PENDING)

SINGLE = int(SlipKind.SINGLE)
OF_SLIP = FLAG_HEAD | FLAG_LEG_OF_SLIP

PAYOUT_BOUNDS: Any = types.Tuple((SUMS, RATES))  # type: ignore[no-untyped-call]
"""Numba's type of what bounds open payouts: the house's bound and the rate, by currency slot."""

MALFORMED = int(Reason.MALFORMED)
STAKE_TOO_SMALL = int(Reason.STAKE_TOO_SMALL)
AMOUNT_OUT_OF_BOUNDS = int(Reason.AMOUNT_OUT_OF_BOUNDS)
ACCOUNT_UNKNOWN = int(Reason.ACCOUNT_UNKNOWN)
INSUFFICIENT_FUNDS = int(Reason.INSUFFICIENT_FUNDS)
BET_REF_REUSED = int(Reason.BET_REF_REUSED)
CAPACITY = int(Reason.CAPACITY)
ACCOUNT_LIABILITY = int(Reason.ACCOUNT_LIABILITY)
COMBINATION_LIABILITY = int(Reason.COMBINATION_LIABILITY)
ACCOUNT_BLOCKED = int(Reason.ACCOUNT_BLOCKED)


@kernel(inline=True)
def answer_refusal_nb(
    answer: Any, reservation: Any, reason: Any, rate_micro: Any, stake_max_minor: Any
) -> None:
    """Answer a reservation that is refused; `stake_max_minor` is a stake that would have passed."""
    answer.bet_id = 0
    answer.stake_max_minor = stake_max_minor
    answer.odds_milli = reservation.odds_milli
    answer.rate_micro = rate_micro
    answer.reason = reason
    answer.state = NONE
    answer.flags = 0
    answer.factor_milli = 0
    answer.pad = 0


@kernel(inline=True)
def answer_slip_nb(answer: Any, slip: Any, flags: Any, account: Any) -> None:
    """Answer a reservation with its slip, made now or earlier, and its account's present factor."""
    answer.bet_id = slip.bet_id
    answer.stake_max_minor = slip.stake_max_minor
    answer.odds_milli = slip.odds_milli
    answer.rate_micro = slip.rate_micro
    answer.reason = slip.reason
    answer.state = slip.state
    answer.flags = flags
    answer.factor_milli = account.factor_milli
    answer.pad = 0


@kernel(inline=True)
def same_bet_nb(slip: Any, reservation: Any) -> Any:
    """Return whether a reservation has the content of the one that made a slip."""
    return (
        slip.kind == SINGLE
        and slip.stake_minor == reservation.stake_minor
        and slip.market_no == reservation.market_no
        and slip.outcome == reservation.outcome
        and slip.odds_seen_milli == reservation.odds_milli
        and slip.policy == reservation.policy
    )


@kernel(inline=True)
def shut_reason_nb(full: Any, account_slot: Any, accounts: Any) -> Any:
    """Return why nothing at all can be reserved for an account now, or 0."""
    if full:
        return CAPACITY
    if account_slot < 0:
        return ACCOUNT_UNKNOWN
    return ACCOUNT_BLOCKED if accounts[account_slot].blocked else 0


@kernel(inline=True)
def reservation_reason_nb(
    reservation: Any, account: Any, payout_minor: Any, bound_minor: Any
) -> Any:
    """Return why an account refuses a reservation, or 0: the first check that fails."""
    if reservation.ref[0] == 0:
        return MALFORMED
    if reservation.stake_minor < 1:
        return STAKE_TOO_SMALL
    if reservation.stake_minor > STAKE_MINOR_MAX:
        return AMOUNT_OUT_OF_BOUNDS
    if reservation.stake_minor > account.available_minor:
        return INSUFFICIENT_FUNDS
    return ACCOUNT_LIABILITY if account.open_payout_minor + payout_minor > bound_minor else 0


@kernel(inline=True)
def payout_bound_nb(account: Any, payouts_max: Any, rate_micro: Any) -> Any:
    """Return the bound of an account's open payout in its currency: its own, else the house's."""
    if account.open_payout_minor_max > 0:
        return base_amount_minor_max_up_nb(account.open_payout_minor_max, int(np.int64(rate_micro)))
    return payouts_max[account.currency]


@kernel()
def highest_stake_nb(account: Any, odds_milli: Any, bound_minor: Any) -> Any:
    """Return the highest stake of a single that funds and the bound of the open payout allow."""
    highest_minor = min(account.available_minor, STAKE_MINOR_MAX)
    if bound_minor <= PAYOUT_MINOR_MAX and odds_milli > 0:
        room_minor = max(bound_minor - account.open_payout_minor, -1)
        allowed_minor = payout_stake_minor_max_nb(room_minor, int(np.int64(odds_milli)))
        highest_minor = min(highest_minor, max(allowed_minor, 0))
    return highest_minor


@kernel()
def open_slip_nb(
    slips: Any,
    slot: Any,
    account: Any,
    account_slot: Any,
    reservation: Any,
    payout_minor: Any,
) -> None:
    """Write a PENDING single; what only slips of several legs use is 0 in a row never used."""
    slip = slips[slot]
    slip.stake_minor = reservation.stake_minor
    slip.stake_max_minor = 0
    slip.payout_minor = 0
    slip.account = account_slot
    slip.account_no = reservation.account_no
    slip.market_no = reservation.market_no
    slip.settlement_no = 0
    slip.odds_milli = reservation.odds_milli
    slip.odds_seen_milli = reservation.odds_milli
    slip.outcome = reservation.outcome
    slip.reason = 0
    slip.policy = reservation.policy
    slip.state = PENDING
    slip.result = 0
    slip.shared = 0
    for i in range(4):
        slip.ref[i] = reservation.ref[i]
    chain_slip_nb(slips, slot, account, reservation.stake_minor, payout_minor)


@kernel()
def reserve_run_nb(
    reservations: Any,
    begin: Any,
    end: Any,
    answers: Any,
    slips: Any,
    slips_len: Any,
    accounts: Any,
    account_table: Any,
    ref_table: Any,
    ref_seed: Any,
    rates_micro: Any,
    payouts_max: Any,
    pending: Any,
    pending_len: Any,
    bet_id_next: Any,
    slips_max: Any,
    at_ns: Any,
) -> Any:
    """Reserve the stakes of singles `begin` to `end`; return how many slips there are then.

    It takes a run of rows, and not one, since so many arguments cost as much as a reservation.
    """
    for i in range(begin, end):
        reservation = reservations[i]
        answer = answers[i]
        if reservation.flags & OF_SLIP:
            answer_refusal_nb(answer, reservation, MALFORMED, 0, 0)
            continue
        rate_micro = 0
        place = 0
        hashed = ref_hash_nb(ref_seed, reservation.account_no, reservation.ref)
        account_slot = find_no_nb(account_table, accounts, reservation.account_no)
        if account_slot >= 0:
            rate_micro = rates_micro[accounts[account_slot].currency]
            slot = find_ref_nb(ref_table, slips, account_slot, reservation.ref, hashed)
            place = -1 - slot
            if slot >= 0:
                if same_bet_nb(slips[slot], reservation):
                    answer_slip_nb(answer, slips[slot], FLAG_KNOWN, accounts[account_slot])
                    if slips[slot].state == PENDING and slips_max > 0:
                        slips[slot].shared = 1
                else:
                    answer_refusal_nb(answer, reservation, BET_REF_REUSED, rate_micro, 0)
                continue
        reason = shut_reason_nb(slips_len >= slips_max, account_slot, accounts)
        if reason != 0:
            answer_refusal_nb(answer, reservation, reason, rate_micro, 0)
            continue
        account = accounts[account_slot]
        bound_minor = payout_bound_nb(account, payouts_max, rate_micro)
        payout_minor = single_payout_nb(reservation)
        reason = reservation_reason_nb(reservation, account, payout_minor, bound_minor)
        if reason != 0:
            highest_minor = highest_stake_nb(account, reservation.odds_milli, bound_minor)
            stake_max_minor = 0 if reason == MALFORMED else highest_minor
            answer_refusal_nb(answer, reservation, reason, rate_micro, stake_max_minor)
            continue
        slip = slips[slips_len]
        slip.bet_id = bet_id_next
        slip.placed_at_ns = at_ns
        slip.rate_micro = rate_micro
        open_slip_nb(slips, slips_len, account, account_slot, reservation, payout_minor)
        put_nb(ref_table, hashed, place, slips_len)
        pending[pending_len] = slips_len
        pending_len += 1
        slips_len += 1
        bet_id_next += np.uint64(1)
        answer_slip_nb(answer, slip, 0, account)
    return slips_len


@kernel(
    types.int64(
        array_of(RESERVATION, frozen=True),
        array_of(RESERVED),
        SLIPS,
        types.int64,
        ACCOUNTS,
        REF_U64S,
        REF_U64S,
        types.uint64,
        RATES,
        SUMS,
        SLOTS,
        types.int64,
        types.uint64,
        types.int64,
        types.int64,
    )
)
def reserve_nb(
    reservations: Rows,
    answers: Rows,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    account_table: U64s,
    ref_table: U64s,
    ref_seed: np.uint64,
    rates_micro: Any,
    payouts_max: Any,
    pending: Any,
    pending_len: int,
    bet_id_next: Any,
    slips_max: int,
    at_ns: int,
) -> int:
    """Reserve stakes of singles: one answer for each reservation, in order.

    Checks, of which the first that fails refuses: known ref (with the same content the answer is
    its slip, with other content BET_REF_REUSED), capacity, account, block, form of the ref, bounds
    of the stake, funds, the bound of the account's open payout (`payouts_max` by currency slot,
    unless the account has its own). A refusal changes nothing and is not recorded. A PENDING slip
    that is handed out again is marked shared, unless nothing may change (`slips_max` is 0). A head
    or leg is refused with MALFORMED: a batch with slips of several legs is `reserve_slips_nb`'s.

    Returns
    -------
    int
        How many slips there are now. The slots of the new slips are appended to `pending`.
    """
    return int(
        reserve_run_nb(
            reservations,
            0,
            len(reservations),
            answers,
            slips,
            slips_len,
            accounts,
            account_table,
            ref_table,
            ref_seed,
            rates_micro,
            payouts_max,
            pending,
            pending_len,
            bet_id_next,
            slips_max,
            at_ns,
        )
    )
