"""Kernels of settlement and of the audit: loops over the bets of one market, or of all markets.

Own the arithmetic of a settled bet and the recomputation of the book from its bets. Never write to
the book: a settlement writes rows for the outbox, an audit writes figures to compare.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint8, uint32, uint64

from engine.common.index_nb import find_nb
from engine.common.jit import kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import SETTLEMENT, BetResult, I32s, I64s, Rows, U8s, U32s, U64s
from engine.common.units import (
    ODDS_MILLI_MAX,
    ODDS_MILLI_MIN,
    ODDS_MILLI_ONE,
    RATE_MICRO_MAX,
    STAKE_MINOR_MAX,
)
from engine.common.units_nb import base_minor_nb, payout_minor_nb
from engine.market.book import BET_RECORD, MARKET, OUTCOME, OUTCOME_WON

_ACCEPTED: Final = int(Reason.ACCEPTED)
_NONE: Final = int(BetResult.NONE)
_WON: Final = int(BetResult.WON)
_LOST: Final = int(BetResult.LOST)
_REFUNDED: Final = int(BetResult.REFUNDED)
_HALF_WON: Final = int(BetResult.HALF_WON)
_HALF_LOST: Final = int(BetResult.HALF_LOST)
_CANCELLED: Final = int(BetResult.CANCELLED)


@kernel(types.void(types.Array(int32, 1, "C"), int64, types.Array(int32, 1, "C")))
def collect_nb(earlier: I32s, last_bet: int, numbers: I32s) -> None:
    """Write the record numbers of a market's accepted bets, oldest first, from the latest back."""
    at = last_bet
    for place in range(numbers.size - 1, -1, -1):
        numbers[place] = at - 1
        at = int(np.int64(earlier[at - 1]))


def settled_minor(
    stake_minor: int,
    odds: int,
    odds_one: int,
    won: int,
    void_halves: int,
    dead_heat_num: int,
    dead_heat_den: int,
) -> int:
    """Return what a settled bet gets back, rounded down once, at the end.

    The Unified Odds Feed's table as one fraction,
    ``stake * ((1 - void) * won * odds * dead_heat + void)``, over the common denominator
    ``2 * odds_one * dead_heat_den``. Kernels compile this function; Python calls it uncompiled
    where the product needs more than 63 bits.

    Parameters
    ----------
    stake_minor : int
        Stake in minor units.
    odds, odds_one : int
        Decimal odds are ``odds / odds_one``: thousandths, or millionths after a deduction.
    won : int
        Nonzero when the outcome won.
    void_halves : int
        The void factor in halves: 0, 1 or 2.
    dead_heat_num, dead_heat_den : int
        The dead-heat factor as a fraction.
    """
    back = void_halves * odds_one * dead_heat_den
    if won:
        back += (2 - void_halves) * odds * dead_heat_num
    return stake_minor * back // (2 * odds_one * dead_heat_den)


settled_minor_nb = kernel()(settled_minor)


@kernel()
def result_nb(won: int, void_halves: int) -> int:
    """Return how a bet ended: a BetResult."""
    if void_halves == 2:
        return _REFUNDED
    if void_halves == 1:
        return _HALF_WON if won else _HALF_LOST
    return _WON if won else _LOST


@kernel(
    int64(
        rows_in_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(uint8, 1, "C"),
        rows_in_type(OUTCOME),
        int64,
        int64,
        int64,
        rows_type(SETTLEMENT),
    )
)
def settle_nb(
    records: Rows,
    numbers: I32s,
    refunded: U8s,
    outcomes: Rows,
    first_outcome: int,
    settlement_no: int,
    results_stand: int,
    rows: Rows,
) -> int:
    """Write one settlement row for each bet in `numbers`; return the sum of payouts modulo 2^64.

    A bet is refunded where `refunded` is 1. Otherwise, while `results_stand`, it is settled by the
    outcomes' results in the book; without results it is open again. The outbox writes `outbox_seq`,
    since it numbers each shard's rows.
    """
    total = 0
    for at in range(numbers.size):
        bet = records[numbers[at]]
        row = rows[at]
        row.bet_id = bet.bet_id
        row.settlement_no = settlement_no
        row.odds_milli = bet.odds_milli
        if refunded[at]:
            row.result = _CANCELLED
            row.payout_minor = bet.stake_minor
        elif results_stand == 0:
            row.result = _NONE
            row.payout_minor = 0
        else:
            outcome = outcomes[first_outcome + np.int64(bet.outcome)]
            won = int(np.int64(outcome.flags & OUTCOME_WON))
            void_halves = int(np.int64(outcome.void_halves))
            row.result = result_nb(won, void_halves)
            row.payout_minor = settled_minor_nb(
                bet.stake_minor,
                int(np.int64(bet.odds_milli)),
                ODDS_MILLI_ONE,
                won,
                void_halves,
                int(np.int64(outcome.dead_heat_num)),
                int(np.int64(outcome.dead_heat_den)),
            )
        total += row.payout_minor
    return total


@kernel(
    int64(
        rows_in_type(BET_RECORD),
        rows_in_type(MARKET),
        types.Array(uint64, 1, "C"),
        types.Array(uint64, 1, "C"),
        types.Array(int32, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(uint32, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
    )
)
def audit_nb(
    records: Rows,
    markets: Rows,
    market_table: U64s,
    market_keys: U64s,
    earlier: I32s,
    stake_taken_minor: I64s,
    bets: I64s,
    last_bet: U32s,
    payout_minor: I64s,
    stake_minor: I64s,
) -> int:
    """Recompute the book from its bets; return the first impossible record, or -1.

    Parameters
    ----------
    records : BET_RECORD[:]
        Every decision.
    markets : MARKET[:]
        Read for the position of each market's outcomes only.
    market_table, market_keys : uint64[:]
        The index of markets and the markets' numbers.
    earlier, stake_taken_minor, bets, last_bet, payout_minor, stake_minor
        Receive the chain of accepted bets, the figures of each market and those of each outcome.
    """
    for number in range(records.size):
        bet = records[number]
        earlier[number] = 0
        if bet.reason != _ACCEPTED:
            continue
        slot = find_nb(market_table, market_keys, np.uint64(bet.market_no))
        if slot < 0 or bet.outcome >= markets[slot].outcomes:
            return number
        if bet.stake_minor < 1 or bet.stake_minor > STAKE_MINOR_MAX:
            return number
        if bet.odds_milli < ODDS_MILLI_MIN or bet.odds_milli > ODDS_MILLI_MAX:
            return number
        if bet.rate_micro < 1 or bet.rate_micro > RATE_MICRO_MAX:
            return number
        base = base_minor_nb(bet.stake_minor, bet.rate_micro)
        if base < 1 or base > STAKE_MINOR_MAX:
            return number
        outcome = np.int64(markets[slot].first_outcome) + np.int64(bet.outcome)
        stake_taken_minor[slot] += base
        payout_minor[outcome] += payout_minor_nb(base, bet.odds_milli)
        stake_minor[outcome] += base
        bets[slot] += 1
        earlier[number] = last_bet[slot]
        last_bet[slot] = number + 1
    return -1
