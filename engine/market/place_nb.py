"""The decision kernels: decide a batch of bets and add the accepted ones to the book.

Own the order of the checks and the alternative stake. Never allocate and never grow an array: the
caller has made room for the whole batch, and a bet past the bound is refused.

A batch takes two passes. The first pass finds or enters every bet id and finds every market. These
reads miss the processor's cache, and none depends on another, so the processor overlaps them. The
second pass decides the bets in their order.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint64

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.ids import SHARD_BITS, SHARD_NO_MAX
from engine.common.index_nb import home_nb, mix_nb, put_nb, row_at_nb, seek_nb
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.lifecycle import BET_REFUSAL, Status
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_LEG,
    I32s,
    Policy,
    Rows,
    U64s,
)
from engine.common.rules import RULES_FIRST
from engine.common.units import (
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    ODDS_MILLI_ONE,
    PAYOUT_MINOR_MAX,
    RATE_MICRO_MAX,
    RATE_MICRO_ONE,
    STAKE_MINOR_MAX,
)
from engine.common.units_nb import (
    base_amount_minor_max_nb,
    base_amount_minor_max_up_nb,
    base_minor_nb,
    base_minor_up_nb,
    payout_minor_nb,
    payout_stake_minor_max_nb,
)
from engine.market.book import BET_RECORD, MARKET, OUTCOME, OUTCOME_ACTIVE, OUTCOME_HELD
from engine.market.figures_nb import book_payout_nb
from engine.market.fixture_grid_nb import GRID_ARRAYS, GridArrays, room_nb, take_bet_nb
from engine.market.lookup_nb import find_record_nb

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
_FIXTURE_LIABILITY: Final = int(Reason.FIXTURE_LIABILITY)
_FENCED: Final = int(Reason.FENCED)
_BET_ID_REUSED: Final = int(Reason.BET_ID_REUSED)
_CAPACITY: Final = int(Reason.CAPACITY)

_POLICY_NONE: Final = int(Policy.NONE)
_POLICY_HIGHER: Final = int(Policy.HIGHER)
_POLICY_ANY: Final = int(Policy.ANY)

_STATUS_MIN: Final = int(min(Status))
_REFUSALS: Final = tuple(
    int(BET_REFUSAL[Status(status)]) for status in range(int(min(Status)), int(max(Status)) + 1)
)
"""The reason that a bet gets in each market status, indexed by status less the lowest status."""

_ID_SHIFT: Final = np.uint64(SHARD_BITS)
_ID_SERIAL: Final = np.uint64((1 << SHARD_BITS) - 1)
_ID_SHARD_MAX: Final = np.uint64(SHARD_NO_MAX)

_OFFER_FLAGS: Final = OUTCOME_ACTIVE | OUTCOME_HELD

BetLimits = tuple[int, int, int, int]
"""The limits of one bet on its market: smallest stake, highest stake, payout, win."""

_NO_BOUND: Final = 1 << 62
"""The room of a bet on a fixture without a limit."""
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
def factored_nb(limit_minor: int, factor_milli: int) -> int:
    """Return a limit of one bet times an account's factor, rounded down; a factor of 0 is 1.000.

    Thousands and the rest are multiplied apart: a product may need more than 64 bits.
    """
    if factor_milli == 0:
        return limit_minor
    rest_minor = limit_minor % FACTOR_MILLI_ONE * factor_milli // FACTOR_MILLI_ONE
    return limit_minor // FACTOR_MILLI_ONE * factor_milli + rest_minor


@kernel()
def limits_of_nb(row: Row, market: Row, room: int) -> BetLimits:
    """Return the limits of one bet: its smallest stake, its highest, its payout, its win.

    The second and the third are the market's by the account's factor. A leg of a slip has no
    smallest stake: it is charged a share of what its slip stakes.
    """
    factor_milli = int(np.int64(row.factor_milli))
    return (
        0 if row.flags & FLAG_LEG else int(market.stake_minor_min),
        factored_nb(market.stake_minor_max, factor_milli),
        factored_nb(market.payout_minor_max, factor_milli),
        room,
    )


@kernel()
def stake_max_nb(
    rate_micro: int,
    odds_milli: int,
    market: Row,
    limits: BetLimits,
    outcome_payout_minor: int,
    rules: int,
) -> int:
    """Return the highest stake that passes every limit of the market at these odds; 0 for none.

    The figure is exact: a payout less its stake is ``floor(stake * (odds - 1000) / 1000)``, so each
    limit gives the largest stake under it. A market that is over its limit on another outcome
    accepts only a stake large enough to bring that liability back under the limit; the highest
    stake must then reach that lower bound too.
    """
    stake_minor_min, stake_minor_max, payout_minor_max, fixture_room_minor = limits
    taken = market.stake_taken_minor
    liability = outcome_payout_minor - taken
    room = min(market.outcome_liability_minor_max, market.market_liability_minor_max) - liability
    if room < 0:
        return 0
    room = min(room, fixture_room_minor, PAYOUT_MINOR_MAX)
    cap = min(payout_minor_max, PAYOUT_MINOR_MAX)
    stake = min(stake_minor_max, STAKE_MINOR_MAX)
    net_odds_milli = odds_milli - ODDS_MILLI_ONE
    if rules > RULES_FIRST:
        stake = base_amount_minor_max_up_nb(stake, rate_micro)
        cap = base_amount_minor_max_up_nb(cap, rate_micro)
        room = base_amount_minor_max_up_nb(room, rate_micro)
    stake = min(stake, payout_stake_minor_max_nb(cap, odds_milli))
    stake = min(stake, payout_stake_minor_max_nb(room, net_odds_milli))
    if rules == RULES_FIRST:
        stake = base_amount_minor_max_nb(stake, rate_micro)
    stake = min(stake, STAKE_MINOR_MAX)
    base = base_minor_nb(stake, rate_micro)
    worst = market.payout_worst_minor - taken - market.market_liability_minor_max
    return stake if base >= max(stake_minor_min, worst) else 0


@kernel()
def check_row_nb(row: Row, base: int, base_up: int, base_min: int) -> int:
    """Return why a row is out of bounds on any market, or `ACCEPTED`."""
    if row.odds_milli < ODDS_MILLI_MIN or row.odds_milli > ODDS_MILLI_MAX:
        return _ODDS_OUT_OF_BOUNDS
    if row.stake_minor < 1 or row.stake_minor > STAKE_MINOR_MAX:
        return _AMOUNT_OUT_OF_BOUNDS
    if row.rate_micro < 1 or row.rate_micro > RATE_MICRO_MAX or row.policy > _POLICY_ANY:
        return _FIELD_OUT_OF_BOUNDS
    if row.bet_id >> _ID_SHIFT > _ID_SHARD_MAX or row.bet_id & _ID_SERIAL == 0:
        return _FIELD_OUT_OF_BOUNDS
    if base_up > STAKE_MINOR_MAX:
        return _AMOUNT_OUT_OF_BOUNDS
    return _STAKE_TOO_SMALL if base < base_min else _ACCEPTED


@kernel()
def check_limits_nb(
    base: int,
    base_up: int,
    payout: int,
    payout_up: int,
    market: Row,
    limits: BetLimits,
    outcome_payout_minor: int,
) -> int:
    """Return the first limit that the book would break with this bet in it, or `ACCEPTED`.

    `base` and `payout` are what the bet adds to the book, `base_up` and `payout_up` its stake and
    its payout rounded up.
    """
    stake_minor_min, stake_minor_max, payout_minor_max, fixture_room_minor = limits
    if base < stake_minor_min:
        return _STAKE_TOO_SMALL
    if base_up > stake_minor_max:
        return _STAKE_OVER_LIMIT
    if payout_up > payout_minor_max:
        return _PAYOUT_OVER_CAP
    taken = market.stake_taken_minor + base
    if outcome_payout_minor + payout - taken > market.outcome_liability_minor_max:
        return _OUTCOME_LIABILITY
    worst = max(market.payout_worst_minor, outcome_payout_minor + payout)
    if worst - taken > market.market_liability_minor_max:
        return _MARKET_LIABILITY
    return _FIXTURE_LIABILITY if payout - base > fixture_room_minor else _ACCEPTED


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

    A leg of a slip has no smallest stake: it is charged a share of what its slip stakes. `room` is
    the largest win that the limit of the market's fixture allows. Returns one more than the record
    number of the market's accepted bet before this one; 0 where there is none or on a refusal.
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
    odds = int(np.int64(outcome.odds_milli))
    record.odds_milli = odds
    if reason == _ACCEPTED and outcome.flags & _OFFER_FLAGS != OUTCOME_ACTIVE:
        reason = _OUTCOME_INACTIVE
    stake, rate_micro = row.stake_minor, int(np.int64(row.rate_micro))
    base = base_minor_nb(stake, rate_micro)
    exact = rate_micro == RATE_MICRO_ONE or rules == RULES_FIRST
    base_up = base if exact else base_minor_up_nb(stake, rate_micro)
    leg = row.flags & FLAG_LEG != 0
    if reason == _ACCEPTED:
        reason = check_row_nb(row, base, base_up, 0 if leg else 1)
    if reason == _ACCEPTED and odds != row.odds_milli:
        if row.policy == _POLICY_NONE:
            reason = _ODDS_CHANGED
        elif row.policy == _POLICY_HIGHER and odds < row.odds_milli:
            reason = _ODDS_WORSE
    if reason != _ACCEPTED:
        record.reason = reason
        return 0
    payout = payout_up = payout_minor_nb(base, odds)
    if not exact:
        payout = book_payout_nb(stake, rate_micro, odds, base, rules)
        payout_up = base_minor_up_nb(payout_minor_nb(stake, odds), rate_micro)
    limits = limits_of_nb(row, market, room)
    reason = check_limits_nb(base, base_up, payout, payout_up, market, limits, outcome.payout_minor)
    if reason != _ACCEPTED:
        record.reason = reason
        if reason != _STAKE_TOO_SMALL:
            record.stake_max_minor = stake_max_nb(
                rate_micro, odds, market, limits, outcome.payout_minor, rules
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


@kernel()
def room_of_nb(row: Row, slot: int, markets: Rows, outcomes: Rows, grids: GridArrays) -> int:
    """Return the largest win that the limit of a bet's fixture allows, if its market has one."""
    market = markets[slot]
    if row.outcome >= market.outcomes or grids[0][slot].fixture_liability_minor_max == 0:
        return _NO_BOUND
    at = int(np.int64(row.outcome))
    payout_minor = outcomes[np.int64(market.first_outcome) + at].payout_minor
    return room_nb(int(np.int64(market.grid)) - 1, slot, at, payout_minor, grids)


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
            room = room_of_nb(row, slot, markets, outcomes, grids) if gridded else _NO_BOUND
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
