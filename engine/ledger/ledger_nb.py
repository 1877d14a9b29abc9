"""The ledger's kernels for verdicts: post or void singles, and hold or refuse the legs of slips.

Own what a market's verdict does to a slip, and which bets wait for one. Never allocate: the caller
makes room in every array for the whole batch. Never refuse by exception: the answers are rows and
counts.
"""

from typing import Any

import numpy as np
from numba import types

from engine.common.jit import kernel
from engine.common.reasons import UNRECORDED
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_LEG,
    Rows,
    SlipKind,
    SlipState,
    U32s,
    U64s,
)
from engine.common.rules import RULES_FIRST
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.ledger.combinations_nb import COMBINATION_STORE
from engine.ledger.index_nb import (
    ACCOUNTS,
    RANGES,
    SLIP_BETS,
    SLIPS,
    SLOTS,
    SUMS,
    array_of,
    slot_of_bet_nb,
)
from engine.ledger.open_slips_nb import close_slip_nb, shift_balance_nb, single_payout_nb
from engine.ledger.post_nb import hold_leg_nb
from engine.ledger.reserve_nb import PAYOUT_BOUNDS
from engine.ledger.slip_nb import (
    ANY_CHANGE,
    COUNT,
    DUE,
    LEG_REFUSED,
    SCRATCH,
    refuse_slip_nb,
    settle_head_nb,
)

PENDING = int(SlipState.PENDING)
ACCEPTED = int(SlipState.ACCEPTED)
REFUSED = int(SlipState.REFUSED)
SETTLED = int(SlipState.SETTLED)

HEAD = int(SlipKind.HEAD)
LEG = int(SlipKind.LEG)

UNRECORDED_REASONS = tuple(sorted(int(reason) for reason in UNRECORDED))


# --- verdicts ----------------------------------------------------------------------------------


@kernel(
    types.int64(array_of(DECISION, frozen=True), SLIPS, types.int64, ACCOUNTS, RANGES, types.int64)
)
def resolve_nb(
    verdicts: Rows, slips: Rows, slips_len: int, accounts: Rows, ranges: Rows, rules: int
) -> int:
    """Post (reason 0) or void (any other reason) the PENDING singles that the verdicts name.

    A verdict on a slip that is no longer PENDING, on a head, or on a bet id that this shard never
    gave, changes nothing. From rules 2 on, a refusal that no market recorded does not void a shared
    slip: the other sender's bet may be in the market's record.

    Returns
    -------
    int
        How many verdicts name PENDING legs of slips: they are left to `resolve_legs_nb`.
    """
    legs = 0
    for i in range(len(verdicts)):
        verdict = verdicts[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, verdict.bet_id)
        if slot < 0 or slips[slot].state != PENDING:
            continue
        slip = slips[slot]
        if slip.kind != 0:
            legs += slip.kind == LEG
            continue
        if rules > RULES_FIRST and slip.shared and verdict.reason in UNRECORDED_REASONS:
            continue
        account = accounts[slip.account]
        if verdict.reason != 0 or verdict.odds_milli != slip.odds_milli:
            account.open_payout_minor -= single_payout_nb(slip)
            slip.odds_milli = verdict.odds_milli
            if verdict.reason == 0:
                account.open_payout_minor += single_payout_nb(slip)
        slip.reason = verdict.reason
        slip.stake_max_minor = verdict.stake_max_minor
        account.pending_minor -= slip.stake_minor
        if verdict.reason == 0:
            slip.state = ACCEPTED
            account.at_stake_minor += slip.stake_minor
        else:
            slip.state = REFUSED
            shift_balance_nb(account, slip.stake_minor)
            close_slip_nb(slips, account, slip)
    return legs


@kernel()
def has_settled_leg_nb(slips: Any, head_slot: Any) -> Any:
    """Return whether a leg of a slip was settled before the slip was posted."""
    settled = 0
    for i in range(slips[head_slot].legs):
        settled += slips[head_slot + 1 + i].state == SETTLED
    return settled > 0


@kernel(
    types.void(
        array_of(DECISION, frozen=True),
        SLIPS,
        types.int64,
        ACCOUNTS,
        RANGES,
        SLIP_BETS,
        types.int64,
        SCRATCH,
        SUMS,
        DUE,
        COUNT,
        PAYOUT_BOUNDS,
        COMBINATION_STORE,
    )
)
def resolve_legs_nb(
    verdicts: Rows,
    slips: Rows,
    slips_len: int,
    accounts: Rows,
    ranges: Rows,
    bets: Rows,
    room: int,
    scratch: Any,
    house_minor: Any,
    due: Any,
    due_len: Any,
    bounds: Any,
    store: Any,
) -> None:
    """Hold (reason 0) or refuse (any other reason) the PENDING legs that the verdicts name.

    The last leg held posts its slip, which may be settled at once by the legs that were settled
    before. The first leg refused refuses it: the legs held so far are released, and those that
    still wait for their verdict keep waiting. A refusal that no market recorded changes nothing
    where the slip was handed out twice. Odds that no market has accepted change nothing either.
    """
    for i in range(len(verdicts)):
        verdict = verdicts[i]
        slot = slot_of_bet_nb(ranges, slips, slips_len, verdict.bet_id)
        if slot < 0 or slips[slot].kind != LEG or slips[slot].state != PENDING:
            continue
        leg = slips[slot]
        head_slot = slot - leg.legs
        head = slips[head_slot]
        if verdict.reason == 0:
            if not ODDS_MILLI_MIN <= verdict.odds_milli <= ODDS_MILLI_MAX:
                continue
            leg.odds_milli = verdict.odds_milli
            leg.stake_max_minor = verdict.stake_max_minor
            hold_leg_nb(slips, slot, accounts, bets, room, scratch, due, due_len, bounds, store)
            if head.state == ACCEPTED and has_settled_leg_nb(slips, head_slot):
                settle_head_nb(
                    slips,
                    head_slot,
                    accounts,
                    bets,
                    scratch,
                    house_minor,
                    due,
                    due_len,
                    ANY_CHANGE,
                    store,
                )
            continue
        if head.shared and verdict.reason in UNRECORDED_REASONS:
            continue
        leg.state = REFUSED
        leg.reason = verdict.reason
        leg.odds_milli = verdict.odds_milli
        leg.stake_max_minor = verdict.stake_max_minor
        if head.state == PENDING:
            account = accounts[head.account]
            refuse_slip_nb(slips, head_slot, account, LEG_REFUSED, due, due_len, store)


# --- reading ---------------------------------------------------------------------------------


@kernel(types.int64(SLOTS, types.int64, SLIPS))
def drop_resolved_nb(pending: Any, pending_len: int, slips: Rows) -> int:
    """Drop the slots that are no longer PENDING from a queue, in order; return how many stay."""
    kept = 0
    for i in range(pending_len):
        if slips[pending[i]].state == PENDING:
            pending[kept] = pending[i]
            kept += 1
    return kept


@kernel(types.int64(SLOTS, types.int64, SLIPS, types.int64, array_of(BET)))
def pending_bets_nb(pending: Any, pending_len: int, slips: Rows, at_ns: int, bets: Rows) -> int:
    """Write fences for the oldest slips PENDING since before `at_ns`; return how many.

    They are singles and legs. A leg's stake is what its market is charged with the bet.
    """
    count = 0
    for i in range(pending_len):
        if count == len(bets):
            break
        slip = slips[pending[i]]
        if slip.placed_at_ns >= at_ns:
            continue
        bet = bets[count]
        bet.bet_id = slip.bet_id
        bet.stake_minor = slip.stake_minor
        bet.account_no = slip.account_no
        bet.market_no = slip.market_no
        bet.odds_milli = slip.odds_seen_milli
        bet.rate_micro = slip.rate_micro
        bet.outcome = slip.outcome
        bet.policy = slip.policy
        bet.flags = FLAG_FENCE | FLAG_LEG if slip.kind == LEG else FLAG_FENCE
        bet.factor_milli = 0
        bet.pad = 0
        count += 1
    return count


@kernel(
    types.int64(
        SLIPS,
        types.int64,
        types.int64,
        types.Array(types.uint32, 1, "C", readonly=True),
        types.Array(types.uint64, 1, "C"),
    )
)
def in_force_nb(slips: Rows, begin: int, slips_len: int, market_nos: U32s, bet_ids: U64s) -> int:
    """Write the ids of bets that some markets have accepted, rising; return how many.

    They are singles and legs, ACCEPTED, SETTLED or RELEASED: a head is in no market.
    `market_nos` rise. The loop begins at a slot and ends when `bet_ids` is full, so that the pages
    of all slips together cost one pass.
    """
    count = 0
    for slot in range(begin, slips_len):
        if count == len(bet_ids):
            break
        slip = slips[slot]
        if slip.kind == HEAD or slip.state == PENDING or slip.state == REFUSED:
            continue
        at = np.searchsorted(market_nos, slip.market_no)
        if at < len(market_nos) and market_nos[at] == slip.market_no:
            bet_ids[count] = slip.bet_id
            count += 1
    return count
