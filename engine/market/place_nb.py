"""The decision kernels: decide a batch of bets and add the accepted ones to the book.

Own the records and what an accepted bet changes; judge_nb.py has the checks. Never allocate and
never grow an array: the caller has made room for the whole batch, and a bet past the bound is
refused.

A batch takes two passes. The first pass finds or enters every bet id and finds every market. These
reads miss the processor's cache, and none depends on another, so the processor overlaps them. The
second pass decides the bets in their order.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint64

from engine.common.index_nb import home_nb, mix_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_LEG,
    I32s,
    Rows,
    U64s,
)
from engine.common.rules import RULES_FIRST
from engine.common.units_nb import (
    base_minor_nb,
)
from engine.market.book import BET_RECORD, MARKET, OUTCOME
from engine.market.figures_nb import book_payout_nb
from engine.market.fixture_grid_nb import GRID_ARRAYS, GridArrays, take_bet_nb
from engine.market.judge_nb import NO_BOUND, judge_nb, room_of_nb
from engine.market.lookup_nb import find_record_nb

_ACCEPTED: Final = int(Reason.ACCEPTED)
_MARKET_UNKNOWN: Final = int(Reason.MARKET_UNKNOWN)
_FENCED: Final = int(Reason.FENCED)
_BET_ID_REUSED: Final = int(Reason.BET_ID_REUSED)
_CAPACITY: Final = int(Reason.CAPACITY)

_NO_ROOM: Final = -1
_KNOWN: Final = -2
"""A record number of 0 and above is a new record. ``_KNOWN - record`` is a record that exists: the
bet was decided before. `_NO_ROOM` is a bet past the bound, which gets no record."""


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
def find_rows_nb(
    rows: Rows,
    markets: Rows,
    market_table: U64s,
    records: Rows,
    bet_table: U64s,
    bets_len: int,
    bets_max: int,
    numbers: I32s,
    slots: I32s,
) -> int:
    """Find or enter each bet id and find each market; return how many records there are now.

    `numbers` receives each row's record number (see `_KNOWN`), `slots` its market's slot or -1.
    """
    for at in range(rows.size):
        row = rows[at]
        hashed = mix_nb(row.bet_id)
        found = find_record_nb(bet_table, records, row.bet_id, hashed)
        if found >= 0:
            numbers[at] = _KNOWN - found
        elif bets_len < bets_max:
            put_nb(bet_table, hashed, -1 - found, bets_len)
            records[bets_len].bet_id = row.bet_id
            numbers[at] = bets_len
            bets_len += 1
        else:
            numbers[at] = _NO_ROOM
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
    return bets_len


@kernel()
def decide_nb(
    row: Row,
    slot: int,
    markets: Rows,
    outcomes: Rows,
    record: Row,
    number: int,
    room: int,
    rules: int,
) -> int:
    """Decide one new bet: write the verdict into its record, and an accepted bet into the book.

    `room` is as in `judge_nb`. Returns one more than the record number of the market's accepted bet
    before this one; 0 where there is none or on a refusal.
    """
    if row.flags & FLAG_FENCE:
        record.reason = _FENCED
        return 0
    if slot < 0:
        record.reason = _MARKET_UNKNOWN
        return 0
    market = markets[slot]
    reason, odds, stake_max, base, payout = judge_nb(row, market, outcomes, room, rules)
    record.odds_milli = odds
    if reason != _ACCEPTED:
        record.reason = reason
        record.stake_max_minor = stake_max
        return 0
    outcome = outcomes[np.int64(market.first_outcome) + np.int64(row.outcome)]
    market.stake_taken_minor += base
    market.bets += 1
    outcome.payout_minor += payout
    outcome.stake_minor += base
    market.payout_worst_minor = max(market.payout_worst_minor, outcome.payout_minor)
    before = market.last_bet
    market.last_bet = number + 1
    return int(np.int64(before))


@kernel()
def add_to_grid_nb(
    row: Row,
    record: Row,
    slot: int,
    markets: Rows,
    outcomes: Rows,
    grids: GridArrays,
    rules: int,
) -> None:
    """Add an accepted bet, which the book has already, to its fixture's grid."""
    market, at = markets[slot], int(np.int64(row.outcome))
    rate_micro, odds_milli = int(np.int64(row.rate_micro)), int(np.int64(record.odds_milli))
    base = base_minor_nb(row.stake_minor, rate_micro)
    payout = book_payout_nb(row.stake_minor, rate_micro, odds_milli, base, rules)
    worst = outcomes[np.int64(market.first_outcome) + at].payout_minor
    take_bet_nb(int(np.int64(market.grid)) - 1, slot, at, base, payout, worst, grids)


@kernel()
def same_bet_nb(row: Row, record: Row) -> bool:
    """Return whether a bet has the content of the bet that a record decided.

    A fence may leave open whether the bet is a leg.
    """
    if (row.flags ^ record.flags) & FLAG_LEG and (row.flags | record.flags) & FLAG_FENCE == 0:
        return False
    return bool(
        row.stake_minor == record.stake_minor
        and row.account_no == record.account_no
        and row.market_no == record.market_no
        and row.outcome == record.outcome
        and row.odds_milli == record.odds_seen_milli
        and row.rate_micro == record.rate_micro
        and row.policy == record.policy
    )


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
        GRID_ARRAYS,
        int64,
    )
)
def decide_all_nb(
    rows: Rows,
    at_ns: int,
    markets: Rows,
    outcomes: Rows,
    records: Rows,
    earlier: I32s,
    numbers: I32s,
    slots: I32s,
    decisions: Rows,
    grids: GridArrays,
    rules: int,
) -> None:
    """Decide a batch in order; repeat the decision for bet ids that have a record.

    From rules 2 on, a bet id that has a record of another bet is refused and changes nothing.
    """
    for at in range(rows.size):
        row = rows[at]
        decision = decisions[at]
        decision.bet_id = row.bet_id
        number = numbers[at]
        if number == _NO_ROOM:
            decision.stake_max_minor = 0
            decision.odds_milli = 0
            decision.reason = _CAPACITY
            decision.flags = 0
            continue
        fresh = number >= 0
        record = records[number if fresh else _KNOWN - number]
        if fresh:
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
            record.factor_milli = row.factor_milli
            slot = int(np.int64(slots[at]))
            gridded = slot >= 0 and markets[slot].grid > 0
            room = room_of_nb(row, slot, markets, outcomes, grids) if gridded else NO_BOUND
            earlier[number] = decide_nb(row, slot, markets, outcomes, record, number, room, rules)
            if gridded and record.reason == _ACCEPTED:
                add_to_grid_nb(row, record, slot, markets, outcomes, grids, rules)
        elif rules > RULES_FIRST and not same_bet_nb(row, record):
            decision.stake_max_minor = 0
            decision.odds_milli = row.odds_milli
            decision.reason = _BET_ID_REUSED
            decision.flags = 0
            continue
        decision.stake_max_minor = record.stake_max_minor
        decision.odds_milli = record.odds_milli
        decision.reason = record.reason
        decision.flags = 0 if fresh else FLAG_KNOWN


@kernel(
    types.void(
        rows_in_type(BET),
        rows_in_type(BET_RECORD),
        types.Array(uint64, 1, "C"),
        rows_type(DECISION),
    )
)
def repeat_nb(rows: Rows, records: Rows, bet_table: U64s, decisions: Rows) -> None:
    """Repeat the decisions on the bets that are recorded; leave the other decisions as they are."""
    for at in range(rows.size):
        row = rows[at]
        number = find_record_nb(bet_table, records, row.bet_id, mix_nb(row.bet_id))
        if number >= 0 and same_bet_nb(row, records[number]):
            decision = decisions[at]
            decision.stake_max_minor = records[number].stake_max_minor
            decision.odds_milli = records[number].odds_milli
            decision.reason = records[number].reason
            decision.flags = FLAG_KNOWN
