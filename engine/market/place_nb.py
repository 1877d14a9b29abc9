"""The decision kernel: a batch of bets in, their decisions out, the book changed by those accepted.

Owns the ladder of checks and the alternative stake. Never allocates and never grows anything: the
caller has made room for the whole batch, and what does not fit under the bound is refused.

It works in two passes. The first finds or enters every bet id and finds every market, which are the
reads that miss the cache; nothing in it waits for anything, so the processor has many of them in
flight. The second decides, in the order in which the bets came.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint64

from engine.common.ids import SHARD_BITS, SHARD_NO_MAX
from engine.common.index_nb import home_nb, mix_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.lifecycle import BET_REFUSAL, Status
from engine.common.reasons import Reason
from engine.common.rows import BET, DECISION, FLAG_FENCE, FLAG_KNOWN, I32s, Policy, Rows, U64s
from engine.common.units import (
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    PAYOUT_MINOR_MAX,
    RATE_MICRO_MAX,
    RATE_MICRO_ONE,
    STAKE_MINOR_MAX,
)
from engine.market.book import BET_RECORD, MARKET, OUTCOME, OUTCOME_ACTIVE

_ACCEPTED: Final = int(Reason.ACCEPTED)
_FIELD_OUT_OF_BOUNDS: Final = int(Reason.FIELD_OUT_OF_BOUNDS)
_STAKE_TOO_SMALL: Final = int(Reason.STAKE_TOO_SMALL)
_STAKE_OVER_LIMIT: Final = int(Reason.STAKE_OVER_LIMIT)
_ODDS_OUT_OF_BOUNDS: Final = int(Reason.ODDS_OUT_OF_BOUNDS)
_AMOUNT_OUT_OF_BOUNDS: Final = int(Reason.AMOUNT_OUT_OF_BOUNDS)
_MARKET_UNKNOWN: Final = int(Reason.MARKET_UNKNOWN)
_OUTCOME_UNKNOWN: Final = int(Reason.OUTCOME_UNKNOWN)
_OUTCOME_INACTIVE: Final = int(Reason.OUTCOME_INACTIVE)
_ODDS_CHANGED: Final = int(Reason.ODDS_CHANGED)
_ODDS_WORSE: Final = int(Reason.ODDS_WORSE)
_PAYOUT_OVER_CAP: Final = int(Reason.PAYOUT_OVER_CAP)
_MARKET_LIABILITY: Final = int(Reason.MARKET_LIABILITY)
_OUTCOME_LIABILITY: Final = int(Reason.OUTCOME_LIABILITY)
_FENCED: Final = int(Reason.FENCED)
_CAPACITY: Final = int(Reason.CAPACITY)

_POLICY_NONE: Final = int(Policy.NONE)
_POLICY_HIGHER: Final = int(Policy.HIGHER)
_POLICY_ANY: Final = int(Policy.ANY)

_STATUS_MIN: Final = int(min(Status))
_REFUSALS: Final = tuple(
    int(BET_REFUSAL[Status(status)]) for status in range(int(min(Status)), int(max(Status)) + 1)
)
"""What a bet hears in each state, by status less the lowest."""

_ID_SHIFT: Final = np.uint64(SHARD_BITS)
_ID_SERIAL: Final = np.uint64((1 << SHARD_BITS) - 1)
_ID_SHARD_MAX: Final = np.uint64(SHARD_NO_MAX)

_NO_ROOM: Final = -1
_KNOWN: Final = -2
"""A place of ``_KNOWN - record`` marks a bet that is remembered; any other place is a new record's
number, and `_NO_ROOM` a bet that nobody will remember."""


@kernel(
    int64(
        rows_in_type(BET),
        rows_in_type(MARKET),
        types.Array(uint64, 1, "C"),
        rows_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        int64,
        int64,
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
    )
)
def look_up_nb(
    rows: Rows,
    markets: Rows,
    market_table: U64s,
    records: Rows,
    bet_table: U64s,
    bets: int,
    bets_max: int,
    places: I32s,
    slots: I32s,
) -> int:
    """Find or enter each bet id, find each market; return how many bets are remembered now.

    `places` receives each row's record (new, known or none), `slots` its market or -1.
    """
    for at in range(rows.size):
        row = rows[at]
        hashed = mix_nb(row.bet_id)
        place = home_nb(bet_table, hashed)
        while True:
            place = seek_nb(bet_table, hashed, place)
            if place < 0:
                if bets < bets_max:
                    put_nb(bet_table, hashed, -1 - place, bets)
                    records[bets].bet_id = row.bet_id
                    places[at] = bets
                    bets += 1
                else:
                    places[at] = _NO_ROOM
                break
            known = row_at_nb(bet_table, place)
            if records[known].bet_id == row.bet_id:
                places[at] = _KNOWN - known
                break
            place += 1
        market_hashed = mix_nb(np.uint64(row.market_no))
        place = home_nb(market_table, market_hashed)
        while True:
            place = seek_nb(market_table, market_hashed, place)
            if place < 0:
                slots[at] = -1
                break
            slot = row_at_nb(market_table, place)
            if markets[slot].market_no == row.market_no:
                slots[at] = slot
                break
            place += 1
    return bets


@kernel()
def stake_max_nb(rate_micro: int, odds_milli: int, market: Row, outcome_payout_minor: int) -> int:
    """Return the highest stake that passes every limit of the market at these odds; 0 for none.

    Exact: a payout less its stake is ``floor(stake * (odds - 1000) / 1000)``, so each limit turns
    into the largest base stake under it. A market over its limit because of another outcome may ask
    for a stake large enough to bring it back: then the highest must also reach that.
    """
    taken = market.stake_taken_minor
    liability = outcome_payout_minor - taken
    room = min(market.outcome_liability_minor_max, market.market_liability_minor_max) - liability
    if room < 0:
        return 0
    room = min(room, PAYOUT_MINOR_MAX)
    base = min(market.stake_minor_max, STAKE_MINOR_MAX)
    base = min(base, ((market.payout_minor_max + 1) * 1_000 - 1) // odds_milli)
    base = min(base, ((room + 1) * 1_000 - 1) // (odds_milli - 1_000))
    stake = min(((base + 1) * RATE_MICRO_ONE - 1) // rate_micro, STAKE_MINOR_MAX)
    base = stake * rate_micro // RATE_MICRO_ONE
    worst = market.payout_worst_minor - taken - market.market_liability_minor_max
    return stake if base >= max(market.stake_minor_min, worst) else 0


@kernel()
def check_row_nb(row: Row) -> int:
    """Return why a row is out of bounds whatever its market says, or `ACCEPTED`."""
    if row.odds_milli < ODDS_MILLI_MIN or row.odds_milli > ODDS_MILLI_MAX:
        return _ODDS_OUT_OF_BOUNDS
    if row.stake_minor < 1 or row.stake_minor > STAKE_MINOR_MAX:
        return _AMOUNT_OUT_OF_BOUNDS
    if row.rate_micro < 1 or row.rate_micro > RATE_MICRO_MAX or row.policy > _POLICY_ANY:
        return _FIELD_OUT_OF_BOUNDS
    if row.bet_id >> _ID_SHIFT > _ID_SHARD_MAX or row.bet_id & _ID_SERIAL == 0:
        return _FIELD_OUT_OF_BOUNDS
    base = row.stake_minor * row.rate_micro // RATE_MICRO_ONE
    if base > STAKE_MINOR_MAX:
        return _AMOUNT_OUT_OF_BOUNDS
    return _STAKE_TOO_SMALL if base < 1 else _ACCEPTED


@kernel()
def check_limits_nb(base: int, payout: int, market: Row, outcome_payout_minor: int) -> int:
    """Return the first limit that the book with this bet in it would break, or `ACCEPTED`."""
    if base < market.stake_minor_min:
        return _STAKE_TOO_SMALL
    if base > market.stake_minor_max:
        return _STAKE_OVER_LIMIT
    if payout > market.payout_minor_max:
        return _PAYOUT_OVER_CAP
    taken = market.stake_taken_minor + base
    if outcome_payout_minor + payout - taken > market.outcome_liability_minor_max:
        return _OUTCOME_LIABILITY
    worst = max(market.payout_worst_minor, outcome_payout_minor + payout)
    if worst - taken > market.market_liability_minor_max:
        return _MARKET_LIABILITY
    return _ACCEPTED


@kernel()
def decide_nb(row: Row, slot: int, markets: Rows, outcomes: Rows, record: Row, number: int) -> int:
    """Decide one new bet: write the verdict into its record, and the bet into the book if taken.

    Returns one more than the record of the market's accepted bet before it, 0 where there is none
    or this one is refused.
    """
    if row.flags & FLAG_FENCE:
        record.reason = _FENCED
        return 0
    if slot < 0:
        record.reason = _MARKET_UNKNOWN
        return 0
    market = markets[slot]
    reason = _REFUSALS[market.status - _STATUS_MIN]
    if row.outcome >= market.outcomes:
        record.reason = reason if reason != _ACCEPTED else _OUTCOME_UNKNOWN
        return 0
    outcome = outcomes[np.int64(market.first_outcome) + np.int64(row.outcome)]
    odds = outcome.odds_milli
    record.odds_milli = odds
    if reason == _ACCEPTED and outcome.flags & OUTCOME_ACTIVE == 0:
        reason = _OUTCOME_INACTIVE
    if reason == _ACCEPTED:
        reason = check_row_nb(row)
    if reason == _ACCEPTED and odds != row.odds_milli:
        if row.policy == _POLICY_NONE:
            reason = _ODDS_CHANGED
        elif row.policy == _POLICY_HIGHER and odds < row.odds_milli:
            reason = _ODDS_WORSE
    if reason != _ACCEPTED:
        record.reason = reason
        return 0
    base = row.stake_minor * row.rate_micro // RATE_MICRO_ONE
    payout = base * odds // 1_000
    reason = check_limits_nb(base, payout, market, outcome.payout_minor)
    if reason != _ACCEPTED:
        record.reason = reason
        if reason != _STAKE_TOO_SMALL:
            record.stake_max_minor = stake_max_nb(
                int(np.int64(row.rate_micro)), int(np.int64(odds)), market, outcome.payout_minor
            )
        return 0
    market.stake_taken_minor += base
    market.bets += 1
    outcome.payout_minor += payout
    outcome.stake_minor += base
    market.payout_worst_minor = max(market.payout_worst_minor, outcome.payout_minor)
    before = market.last_bet
    market.last_bet = number + 1
    return int(np.int64(before))


@kernel(
    types.void(
        rows_in_type(BET),
        int64,
        rows_type(MARKET),
        rows_type(OUTCOME),
        rows_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
        rows_type(DECISION),
    )
)
def decide_all_nb(
    rows: Rows,
    at_ns: int,
    markets: Rows,
    outcomes: Rows,
    records: Rows,
    earlier: I32s,
    places: I32s,
    slots: I32s,
    decisions: Rows,
) -> None:
    """Decide a batch in order; repeat what was decided for ids that are remembered."""
    for at in range(rows.size):
        row = rows[at]
        decision = decisions[at]
        decision.bet_id = row.bet_id
        place = places[at]
        if place == _NO_ROOM:
            decision.stake_max_minor = 0
            decision.odds_milli = 0
            decision.reason = _CAPACITY
            decision.flags = 0
            continue
        number = place if place >= 0 else _KNOWN - place
        record = records[number]
        if place >= 0:
            record.stake_minor = row.stake_minor
            record.stake_max_minor = 0
            record.at_ns = at_ns
            record.account_no = row.account_no
            record.market_no = row.market_no
            record.odds_milli = 0
            record.odds_seen_milli = row.odds_milli
            record.rate_micro = row.rate_micro
            record.outcome = row.outcome
            record.reason = _ACCEPTED
            record.policy = row.policy
            record.flags = row.flags
            earlier[number] = decide_nb(row, slots[at], markets, outcomes, record, number)
        decision.stake_max_minor = record.stake_max_minor
        decision.odds_milli = record.odds_milli
        decision.reason = record.reason
        decision.flags = 0 if place >= 0 else FLAG_KNOWN
