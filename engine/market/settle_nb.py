"""Kernels of settlement: loops over the bets of one market.

Own the arithmetic of a settled bet. Never write to the book: a settlement writes rows for the
outbox.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint8

from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, SETTLEMENT, BetResult, I32s, I64s, Rows, U8s
from engine.common.units import (
    DEAD_HEAT_DEN_MAX,
    ODDS_MILLI_MAX,
    ODDS_MILLI_ONE,
    PAYOUT_MINOR_MAX,
    STAKE_MINOR_MAX,
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
_ODDS_MICRO_ONE: Final = 1_000_000
"""Decimal odds of 1 in millionths, the unit of odds after a deduction."""

BACK_DEN_MAX: Final = 2 * _ODDS_MICRO_ONE * DEAD_HEAT_DEN_MAX
"""The largest denominator of what a bet gives back."""
BACK_NUM_MAX: Final = BACK_DEN_MAX * (ODDS_MILLI_MAX // ODDS_MILLI_ONE)

assert BACK_DEN_MAX < 1 << 32, "a leg's back_den"
assert BACK_NUM_MAX <= PAYOUT_MINOR_MAX, "a leg's numerator stands where a payout does"
assert STAKE_MINOR_MAX * BACK_DEN_MAX < 1 << 63, "a stake or charge, and the rest of its fraction"
assert 2 * ODDS_MILLI_MAX * 1_000 * DEAD_HEAT_DEN_MAX < 1 << 62, "odds and void in back_nb"


@kernel(types.void(types.Array(int32, 1, "C"), int64, types.Array(int32, 1, "C")))
def collect_nb(earlier: I32s, last_bet: int, numbers: I32s) -> None:
    """Write the record numbers of a market's accepted bets, oldest first, from the latest back."""
    at = last_bet
    for place in range(numbers.size - 1, -1, -1):
        numbers[place] = at - 1
        at = int(np.int64(earlier[at - 1]))


@kernel()
def back_nb(
    odds: int,
    odds_one: int,
    won: int,
    void_halves: int,
    dead_heat_num: int,
    dead_heat_den: int,
) -> tuple[int, int]:
    """Return what a settled bet gives back for one unit of stake, as a fraction.

    The Unified Odds Feed's table, ``(1 - void) * won * odds * dead_heat + void``, over the common
    denominator ``2 * odds_one * dead_heat_den``.

    Parameters
    ----------
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
    return back, 2 * odds_one * dead_heat_den


@kernel()
def settled_minor_nb(stake_minor: int, back: int, whole: int) -> int:
    """Return ``back / whole`` of a stake, rounded down once.

    The whole multiples of the stake are added apart, so that no product passes 63 bits, also with
    odds in millionths.
    """
    return stake_minor * (back // whole) + stake_minor * (back % whole) // whole


@kernel()
def write_back_nb(row: Row, bet: Row, back: int, whole: int) -> None:
    """Write into a settlement what its bet gets back: ``back / whole`` of the stake.

    The row of a leg carries the fraction itself, in lowest terms.
    """
    if bet.flags & FLAG_LEG == 0:
        row.payout_minor = settled_minor_nb(bet.stake_minor, back, whole)
        return
    common, rest = whole, back
    while rest:
        common, rest = rest, common % rest
    row.payout_minor = back // common
    row.back_den = whole // common


@kernel()
def deducted_odds_micro_nb(odds_milli: int, keep_milli: int, of_price: int) -> int:
    """Return odds after a deduction, exact in millionths.

    They are ``1 + (odds - 1) * keep`` (Rule 4: of the winnings), or ``odds * keep`` but at least 1
    (`of_price`).
    """
    if of_price:
        return max(odds_milli * keep_milli, _ODDS_MICRO_ONE)
    return _ODDS_MICRO_ONE + (odds_milli - ODDS_MILLI_ONE) * keep_milli


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
    odds_milli: I32s,
    refunded: U8s,
    outcomes: Rows,
    first_outcome: int,
    settlement_no: int,
    results_stand: int,
    rows: Rows,
) -> None:
    """Write one settlement row for each bet in `numbers`, which is settled at its `odds_milli`.

    A bet is refunded where `refunded` is 1. Otherwise, while `results_stand`, it is settled by the
    outcomes' results in the book; without results it is open again. The outbox writes `outbox_seq`,
    since it numbers each shard's rows. The row of a leg carries what one unit of stake gets back.
    """
    for at in range(numbers.size):
        bet = records[numbers[at]]
        row = rows[at]
        row.bet_id = bet.bet_id
        row.settlement_no = settlement_no
        row.odds_milli = bet.odds_milli
        if refunded[at]:
            row.result = _CANCELLED
            write_back_nb(row, bet, 1, 1)
        elif results_stand == 0:
            row.result = _NONE
            row.payout_minor = 0
        else:
            outcome = outcomes[first_outcome + np.int64(bet.outcome)]
            won = int(np.int64(outcome.flags & OUTCOME_WON))
            void_halves = int(np.int64(outcome.void_halves))
            row.result = result_nb(won, void_halves)
            back, whole = back_nb(
                int(np.int64(odds_milli[at])),
                ODDS_MILLI_ONE,
                won,
                void_halves,
                int(np.int64(outcome.dead_heat_num)),
                int(np.int64(outcome.dead_heat_den)),
            )
            write_back_nb(row, bet, back, whole)


@kernel(
    types.void(
        rows_in_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
        rows_in_type(OUTCOME),
        int64,
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(uint8, 1, "C"),
        rows_type(SETTLEMENT),
    )
)
def deduct_nb(
    records: Rows,
    numbers: I32s,
    odds_milli: I32s,
    outcomes: Rows,
    first_outcome: int,
    until_ns: I64s,
    keep_milli: I64s,
    of_price: U8s,
    rows: Rows,
) -> None:
    """Reduce the payouts of winners that were placed before a deduction's time.

    `until_ns`, `keep_milli` and `of_price` are the deductions by rising time; a bet gets the first
    one after its own time. `rows` are what `settle_nb` wrote for the bets in `numbers`, at their
    `odds_milli`.
    """
    for at in range(numbers.size):
        row = rows[at]
        if row.result != _WON and row.result != _HALF_WON:
            continue
        bet = records[numbers[at]]
        for one in range(until_ns.size):
            if bet.at_ns < until_ns[one]:
                outcome = outcomes[first_outcome + np.int64(bet.outcome)]
                odds = int(np.int64(odds_milli[at]))
                back, whole = back_nb(
                    deducted_odds_micro_nb(odds, keep_milli[one], of_price[one]),
                    _ODDS_MICRO_ONE,
                    1,
                    int(np.int64(outcome.void_halves)),
                    int(np.int64(outcome.dead_heat_num)),
                    int(np.int64(outcome.dead_heat_den)),
                )
                write_back_nb(row, bet, back, whole)
                break
