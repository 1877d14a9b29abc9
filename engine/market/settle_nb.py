"""Kernels of settlement: loops over the bets of one market.

Own the arithmetic of a settled bet. Never write to the book: a settlement writes rows for the
outbox.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint8

from engine.common.jit import kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import SETTLEMENT, BetResult, I32s, Rows, U8s
from engine.common.units import (
    ODDS_MILLI_ONE,
)
from engine.market.book import BET_RECORD, OUTCOME, OUTCOME_WON

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
    types.void(
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
) -> None:
    """Write one settlement row for each bet in `numbers`.

    A bet is refunded where `refunded` is 1. Otherwise, while `results_stand`, it is settled by the
    outcomes' results in the book; without results it is open again. The outbox writes `outbox_seq`,
    since it numbers each shard's rows.
    """
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
