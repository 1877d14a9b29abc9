"""The kernel of previews: what each bet of a market is worth by what stands for it.

Owns no rounding of its own: amounts are those of the book's figures (see figures_nb). Never writes
to the book.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint8, uint64

from engine.common.jit import kernel, rows_in_type
from engine.common.rows import FLAG_LEG, SETTLEMENT, BetResult, I32s, I64s, Rows, U8s, U64s
from engine.common.units_nb import base_minor_nb, base_minor_up_nb
from engine.market.book import BET_RECORD, CHARGED
from engine.market.charges_nb import charged_minor_nb
from engine.market.figures_nb import book_payout_nb
from engine.market.settle_nb import settled_minor_nb

_NONE: Final = int(BetResult.NONE)
_REFUNDED: Final = int(BetResult.REFUNDED)


@kernel(
    types.void(
        rows_in_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
        types.Array(uint8, 1, "C"),
        rows_in_type(SETTLEMENT),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        int64,
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
    )
)
def worth_nb(
    records: Rows,
    numbers: I32s,
    odds_milli: I32s,
    refunded: U8s,
    settlements: Rows,
    charges: Rows,
    charge_table: U64s,
    rules: int,
    stake_minor: I64s,
    returned_minor: I64s,
    open_minor: I64s,
) -> None:
    """Write what each bet has staked, what it was given back, and what it pays if it wins.

    Parameters
    ----------
    records : BET_RECORD[:]
        Every decision.
    numbers : int32[:]
        The bets' record numbers.
    odds_milli : int32[:]
        The odds at which each of them is settled.
    refunded : uint8[:]
        For each of them, 1 when its stake is refunded.
    settlements : SETTLEMENT[:]
        For each of them, what stands.
    charges, charge_table : CHARGED[:], uint64[:]
        The present charges of legs and their index.
    rules : int
        Version of the rules.
    stake_minor, returned_minor, open_minor : int64[:]
        Receive the three amounts in base currency; the last one is 0 for a bet that is not open.
    """
    for at in range(numbers.size):
        bet, row = records[numbers[at]], settlements[at]
        rate_micro = int(np.int64(bet.rate_micro))
        stake = bet.stake_minor
        if bet.flags & FLAG_LEG:
            stake = charged_minor_nb(bet, int(np.int64(numbers[at])), charges, charge_table)
        base = base_minor_nb(stake, rate_micro)
        stake_minor[at] = base
        returned_minor[at] = open_minor[at] = 0
        if refunded[at] or row.result == _REFUNDED:
            returned_minor[at] = base
        elif row.result == _NONE:
            odds = int(np.int64(odds_milli[at]))
            open_minor[at] = book_payout_nb(stake, rate_micro, odds, base, rules)
        else:
            paid = row.payout_minor
            if row.back_den:
                paid = settled_minor_nb(stake, paid, int(np.int64(row.back_den)))
            returned_minor[at] = base_minor_up_nb(paid, rate_micro)
