"""What a market says of a bet: the checks of a decision, in their order, which change nothing.

Own the order of the checks and the alternative stake.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types

from engine.common.account_changes import FACTOR_MILLI_ONE
from engine.common.ids import SHARD_BITS, SHARD_NO_MAX
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.lifecycle import BET_REFUSAL, Status
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_LEG,
    FLAG_PERMITTED,
    I32s,
    Policy,
    Rows,
)
from engine.common.rules import RULES_FIRST
from engine.common.units import (
    LIMIT_MINOR_MAX,
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
from engine.market.book import MARKET, OUTCOME, OUTCOME_ACTIVE, OUTCOME_HELD
from engine.market.figures_nb import book_payout_nb
from engine.market.fixture_grid_nb import GRID_ARRAYS, GridArrays, room_nb

_ACCEPTED: Final = int(Reason.ACCEPTED)
_FIELD_OUT_OF_BOUNDS: Final = int(Reason.FIELD_OUT_OF_BOUNDS)
_STAKE_TOO_SMALL: Final = int(Reason.STAKE_TOO_SMALL)
_STAKE_OVER_LIMIT: Final = int(Reason.STAKE_OVER_LIMIT)
_ODDS_OUT_OF_BOUNDS: Final = int(Reason.ODDS_OUT_OF_BOUNDS)
_AMOUNT_OUT_OF_BOUNDS: Final = int(Reason.AMOUNT_OUT_OF_BOUNDS)
_OUTCOME_UNKNOWN: Final = int(Reason.OUTCOME_UNKNOWN)
_OUTCOME_INACTIVE: Final = int(Reason.OUTCOME_INACTIVE)
_ODDS_CHANGED: Final = int(Reason.ODDS_CHANGED)
_ODDS_WORSE: Final = int(Reason.ODDS_WORSE)
_PAYOUT_OVER_CAP: Final = int(Reason.PAYOUT_OVER_CAP)
_MARKET_LIABILITY: Final = int(Reason.MARKET_LIABILITY)
_OUTCOME_LIABILITY: Final = int(Reason.OUTCOME_LIABILITY)
_FIXTURE_LIABILITY: Final = int(Reason.FIXTURE_LIABILITY)

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

NO_BOUND: Final = 1 << 62
"""The room of a bet on a fixture without a limit."""


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
def judge_nb(
    row: Row, market: Row, outcomes: Rows, room: int, rules: int
) -> tuple[int, int, int, int, int]:
    """Return what a market says of a bet now, and change nothing.

    A leg of a slip has no smallest stake: it is charged a share of what its slip stakes. `room` is
    the largest win that the limit of the market's fixture allows. A bet that a trader took keeps
    its own odds, and no limit of the market holds for it.

    Returns the reason, the odds, the highest stake that would pass (of a limit's refusal), and what
    the bet adds to the stake and to the payout of its outcome (of an accepted bet).
    """
    reason = int(_REFUSALS[market.status - _STATUS_MIN])
    if row.outcome >= market.outcomes:
        return reason if reason != _ACCEPTED else _OUTCOME_UNKNOWN, 0, 0, 0, 0
    outcome = outcomes[np.int64(market.first_outcome) + np.int64(row.outcome)]
    permitted = row.flags & FLAG_PERMITTED != 0
    odds = int(np.int64(row.odds_milli if permitted else outcome.odds_milli))
    if reason == _ACCEPTED and outcome.flags & _OFFER_FLAGS != OUTCOME_ACTIVE:
        reason = _OUTCOME_INACTIVE
    stake, rate_micro = int(row.stake_minor), int(np.int64(row.rate_micro))
    base = base_minor_nb(stake, rate_micro)
    exact = rate_micro == RATE_MICRO_ONE or rules == RULES_FIRST
    base_up = base if exact else base_minor_up_nb(stake, rate_micro)
    leg = row.flags & FLAG_LEG != 0
    if reason == _ACCEPTED:
        reason = int(check_row_nb(row, base, base_up, 0 if leg else 1))
    if reason == _ACCEPTED and odds != row.odds_milli:
        if row.policy == _POLICY_NONE:
            reason = _ODDS_CHANGED
        elif row.policy == _POLICY_HIGHER and odds < row.odds_milli:
            reason = _ODDS_WORSE
    if reason != _ACCEPTED:
        return reason, odds, 0, 0, 0
    payout = payout_up = payout_minor_nb(base, odds)
    if not exact:
        payout = book_payout_nb(stake, rate_micro, odds, base, rules)
        payout_up = base_minor_up_nb(payout_minor_nb(stake, odds), rate_micro)
    if permitted:
        if payout_up > PAYOUT_MINOR_MAX:
            return _PAYOUT_OVER_CAP, odds, 0, 0, 0
        if outcome.payout_minor + payout - market.stake_taken_minor > LIMIT_MINOR_MAX:
            return _OUTCOME_LIABILITY, odds, 0, 0, 0
        return _ACCEPTED, odds, 0, base, payout
    limits = limits_of_nb(row, market, room)
    reason = int(
        check_limits_nb(base, base_up, payout, payout_up, market, limits, outcome.payout_minor)
    )
    if reason == _ACCEPTED:
        return _ACCEPTED, odds, 0, base, payout
    stake_max = 0
    if reason != _STAKE_TOO_SMALL:
        stake_max = int(stake_max_nb(rate_micro, odds, market, limits, outcome.payout_minor, rules))
    return reason, odds, stake_max, 0, 0


@kernel()
def room_of_nb(row: Row, slot: int, markets: Rows, outcomes: Rows, grids: GridArrays) -> int:
    """Return the largest win that the limit of a bet's fixture allows, if its market has one."""
    market = markets[slot]
    if row.outcome >= market.outcomes or grids[0][slot].fixture_liability_minor_max == 0:
        return NO_BOUND
    at = int(np.int64(row.outcome))
    payout_minor = outcomes[np.int64(market.first_outcome) + at].payout_minor
    return room_nb(int(np.int64(market.grid)) - 1, slot, at, payout_minor, grids)


@kernel(
    types.void(
        rows_in_type(BET),
        types.Array(int32, 1, "C"),
        rows_in_type(MARKET),
        rows_in_type(OUTCOME),
        rows_type(DECISION),
        GRID_ARRAYS,
        int64,
    )
)
def judge_all_nb(
    rows: Rows,
    slots: I32s,
    markets: Rows,
    outcomes: Rows,
    decisions: Rows,
    grids: GridArrays,
    rules: int,
) -> None:
    """Write what markets say of bets now, each as if it were the next one; decide none."""
    for at in range(rows.size):
        row, slot, decision = rows[at], int(np.int64(slots[at])), decisions[at]
        gridded = markets[slot].grid > 0
        room = room_of_nb(row, slot, markets, outcomes, grids) if gridded else NO_BOUND
        reason, odds, stake_max, _, _ = judge_nb(row, markets[slot], outcomes, room, rules)
        decision.bet_id = row.bet_id
        decision.stake_max_minor = stake_max
        decision.odds_milli = odds
        decision.reason = reason
        decision.flags = 0
