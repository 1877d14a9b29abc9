"""Kernels of the book's figures: what one bet adds to them, and their count from the bets.

Own the roundings of the book. Amounts of a bet in another currency are converted bet by bet: a
stake is rounded down, a payout so that the liability of the bet's outcome is rounded up. So no
liability is ever stated below its true value. Never decide which bets are refunded.
"""

from typing import Final

import numpy as np
from numba import int32, int64, types, uint8, uint32, uint64

from engine.common.index_nb import find_nb
from engine.common.jit import Row, kernel, rows_in_type, rows_type
from engine.common.reasons import Reason
from engine.common.rows import FLAG_LEG, SETTLEMENT, BetResult, I32s, I64s, Rows, U8s, U32s, U64s
from engine.common.rules import RULES_FIRST
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN, RATE_MICRO_MAX, STAKE_MINOR_MAX
from engine.common.units_nb import base_minor_nb, base_minor_up_nb, payout_minor_nb
from engine.market.book import BET_RECORD, CHARGED, MARKET, OUTCOME, RETURNED
from engine.market.charges_nb import charged_minor_nb
from engine.market.settle_nb import settled_minor_nb

_ACCEPTED: Final = int(Reason.ACCEPTED)
_REFUNDED: Final = int(BetResult.REFUNDED)


@kernel()
def book_payout_nb(
    stake_minor: int, rate_micro: int, odds_milli: int, base_minor: int, rules: int
) -> int:
    """Return what a bet adds to its outcome's payout, given its stake in base currency.

    The stake as the book counts it, plus what the bettor would win rounded up. Under the first
    rules all was rounded down.
    """
    if rules == RULES_FIRST:
        return payout_minor_nb(base_minor, odds_milli)
    won_minor = payout_minor_nb(stake_minor, odds_milli) - stake_minor
    return base_minor + base_minor_up_nb(won_minor, rate_micro)


@kernel()
def impossible_nb(bet: Row) -> bool:
    """Return whether a record says accepted although a field is out of bounds."""
    if bet.stake_minor < 1 or bet.stake_minor > STAKE_MINOR_MAX:
        return True
    if bet.odds_milli < ODDS_MILLI_MIN or bet.odds_milli > ODDS_MILLI_MAX:
        return True
    if bet.rate_micro < 1 or bet.rate_micro > RATE_MICRO_MAX:
        return True
    base = base_minor_nb(bet.stake_minor, bet.rate_micro)
    base_min = 0 if bet.flags & FLAG_LEG else 1
    return bool(base < base_min or base > STAKE_MINOR_MAX)


@kernel(
    int64(
        rows_in_type(BET_RECORD),
        rows_in_type(MARKET),
        types.Array(uint64, 1, "C"),
        types.Array(uint64, 1, "C"),
        types.Array(int32, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(uint32, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        int64,
    )
)
def audit_nb(
    records: Rows,
    markets: Rows,
    market_table: U64s,
    market_keys: U64s,
    earlier: I32s,
    bets: I64s,
    last_bet: U32s,
    payout_minor: I64s,
    stake_minor: I64s,
    charges: Rows,
    charge_table: U64s,
    rules: int,
) -> int:
    """Recompute the book from its accepted bets; return the first impossible record, or -1.

    Parameters
    ----------
    records : BET_RECORD[:]
        Every decision.
    markets : MARKET[:]
        Read for the position of each market's outcomes only.
    market_table, market_keys : uint64[:]
        The index of markets and the markets' numbers.
    earlier, bets, last_bet, payout_minor, stake_minor
        Receive the chain of accepted bets, the figures of each market and those of each outcome, as
        if no bet were refunded.
    charges, charge_table : CHARGED[:], uint64[:]
        The present charges of legs and their index.
    rules : int
        Version of the rules.
    """
    for number in range(records.size):
        bet = records[number]
        earlier[number] = 0
        if bet.reason != _ACCEPTED:
            continue
        slot = find_nb(market_table, market_keys, np.uint64(bet.market_no))
        if slot < 0 or bet.outcome >= markets[slot].outcomes or impossible_nb(bet):
            return number
        rate_micro, odds_milli = int(np.int64(bet.rate_micro)), int(np.int64(bet.odds_milli))
        stake = bet.stake_minor
        if bet.flags & FLAG_LEG:
            stake = charged_minor_nb(bet, number, charges, charge_table)
        base = base_minor_nb(stake, rate_micro)
        outcome = np.int64(markets[slot].first_outcome) + np.int64(bet.outcome)
        payout_minor[outcome] += book_payout_nb(stake, rate_micro, odds_milli, base, rules)
        stake_minor[outcome] += base
        bets[slot] += 1
        earlier[number] = last_bet[slot]
        last_bet[slot] = number + 1
    return -1


@kernel(
    types.void(
        rows_in_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(int32, 1, "C"),
        types.Array(uint8, 1, "C"),
        rows_in_type(SETTLEMENT),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        rows_type(RETURNED),
        rows_in_type(CHARGED),
        types.Array(uint64, 1, "C"),
        int64,
    )
)
def count_nb(
    records: Rows,
    numbers: I32s,
    odds_milli: I32s,
    refunded: U8s,
    settlements: Rows,
    stake_minor: I64s,
    payout_minor: I64s,
    returned: Rows,
    charges: Rows,
    charge_table: U64s,
    rules: int,
) -> None:
    """Add up the figures, by outcome, of accepted bets of one market.

    Parameters
    ----------
    records : BET_RECORD[:]
        Every decision.
    numbers : int32[:]
        The bets' record numbers.
    odds_milli : int32[:]
        The odds at which each of them is settled.
    refunded : uint8[:]
        For each of them, 1 when its stake is refunded. From rules 2 on such a bet counts in no
        stake and no payout.
    settlements : SETTLEMENT[:]
        For each of them, what it is paid; an open bet is paid 0. A leg is counted as if its charge
        were paid by its fraction alone, although its account pays slips line by line.
    stake_minor, payout_minor, returned : int64[:], int64[:], RETURNED[:]
        Receive the sums, in base currency; zero at first. What is paid is rounded up.
    charges, charge_table : CHARGED[:], uint64[:]
        The present charges of legs and their index.
    rules : int
        Version of the rules.
    """
    for at in range(numbers.size):
        bet, row = records[numbers[at]], settlements[at]
        rate_micro, odds = int(np.int64(bet.rate_micro)), int(np.int64(odds_milli[at]))
        stake = bet.stake_minor
        if bet.flags & FLAG_LEG:
            stake = charged_minor_nb(bet, int(np.int64(numbers[at])), charges, charge_table)
        base = base_minor_nb(stake, rate_micro)
        back = returned[bet.outcome]
        if refunded[at]:
            back.cancelled_minor += base
        elif row.result == _REFUNDED:
            back.voided_minor += base
        else:
            paid = row.payout_minor
            if row.back_den:
                paid = settled_minor_nb(stake, paid, int(np.int64(row.back_den)))
            back.paid_minor += base_minor_up_nb(paid, rate_micro)
        if refunded[at] == 0 or rules == RULES_FIRST:
            stake_minor[bet.outcome] += base
            payout_minor[bet.outcome] += book_payout_nb(stake, rate_micro, odds, base, rules)


@kernel(
    types.void(
        rows_in_type(BET_RECORD),
        types.Array(int32, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        types.Array(int64, 1, "C"),
        rows_type(MARKET),
        rows_type(OUTCOME),
        int64,
    )
)
def move_open_nb(
    records: Rows,
    numbers: I32s,
    slots: I64s,
    before_minor: I64s,
    after_minor: I64s,
    markets: Rows,
    outcomes: Rows,
    rules: int,
) -> None:
    """Replace in the figures the stakes of open bets, of any markets, by other stakes.

    Parameters
    ----------
    records : BET_RECORD[:]
        Every decision.
    numbers, slots : int32[:], int64[:]
        The bets' record numbers and the slots of their markets.
    before_minor, after_minor : int64[:]
        The stake with which each bet counts in the figures, and the one with which it is to count.
    markets, outcomes : MARKET[:], OUTCOME[:]
        Their figures are changed.
    rules : int
        Version of the rules.
    """
    for at in range(numbers.size):
        bet, market = records[numbers[at]], markets[slots[at]]
        outcome = outcomes[np.int64(market.first_outcome) + np.int64(bet.outcome)]
        rate_micro, odds_milli = int(np.int64(bet.rate_micro)), int(np.int64(bet.odds_milli))
        for sign, stake in ((-1, before_minor[at]), (1, after_minor[at])):
            base = base_minor_nb(stake, rate_micro)
            payout = book_payout_nb(stake, rate_micro, odds_milli, base, rules)
            outcome.stake_minor += sign * base
            outcome.payout_minor += sign * payout
            market.stake_taken_minor += sign * base
    for at in range(numbers.size):
        market = markets[slots[at]]
        first = np.int64(market.first_outcome)
        worst = np.int64(0)
        for place in range(first, first + np.int64(market.outcomes)):
            worst = max(worst, outcomes[place].payout_minor)
        market.payout_worst_minor = worst
