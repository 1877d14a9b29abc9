"""Settlement of a market: results into the book, one row for each bet that ends otherwise now.

Owns what makes results valid, when two of them are the same, and what a deduction leaves. Never
decides which bets are settled (that is `resolution`), and never pays anyone: the rows go to the
outbox, and the account shards apply them.
"""

from math import gcd

import numpy as np

from engine.common.commands import Deduction, OutcomeResult
from engine.common.rows import SETTLEMENT, BetResult, I32s, Rows, U8s
from engine.common.units import DEAD_HEAT_DEN_MAX
from engine.market.book import MARKET_RESULTS, OUTCOME_ACTIVE, OUTCOME_WON, Book
from engine.market.settle_nb import collect_nb, settle_nb

_CHECK_FIGURE_MASK = (1 << 63) - 1


def result_fault(result: OutcomeResult) -> tuple[str, str]:
    """Return the field of a result that is out of bounds and the bound, or two empty strings."""
    if not 0 <= result.void_halves <= 2:
        return "void_halves", "0 to 2"
    if not 1 <= result.dead_heat_den <= DEAD_HEAT_DEN_MAX:
        return "dead_heat_den", f"1 to {DEAD_HEAT_DEN_MAX}"
    if not 0 <= result.dead_heat_num <= result.dead_heat_den:
        return "dead_heat_num", f"0 to {result.dead_heat_den}, the dead_heat_den"
    return "", ""


def canonical_result(result: OutcomeResult) -> OutcomeResult:
    """Return the simplest result that pays the same, whatever the stake and odds.

    A dead heat of nothing is a loss, a whole refund asks for no winner, a loser has no dead heat,
    and fractions are in lowest terms: a result that a second source spells differently is the same.
    """
    won = result.won and result.dead_heat_num > 0 and result.void_halves < 2
    if not won:
        return OutcomeResult(won=False, void_halves=result.void_halves)
    common = gcd(result.dead_heat_num, result.dead_heat_den)
    return OutcomeResult(
        won=True,
        void_halves=result.void_halves,
        dead_heat_num=result.dead_heat_num // common,
        dead_heat_den=result.dead_heat_den // common,
    )


def results_of(book: Book, slot: int) -> tuple[OutcomeResult, ...]:
    """Return the results that stand in the book for a settled market, in canonical form."""
    return tuple(
        OutcomeResult(
            won=bool(outcome["flags"] & OUTCOME_WON),
            void_halves=int(outcome["void_halves"]),
            dead_heat_num=int(outcome["dead_heat_num"]),
            dead_heat_den=int(outcome["dead_heat_den"]),
        )
        for outcome in book.outcomes_of(slot)
    )


def write_results(book: Book, slot: int, results: tuple[OutcomeResult, ...]) -> None:
    """Write canonical results into a market's outcomes: they stand."""
    for outcome, result in zip(book.outcomes_of(slot), results, strict=True):
        active = int(outcome["flags"]) & OUTCOME_ACTIVE
        outcome["flags"] = active | (OUTCOME_WON if result.won else 0)
        outcome["void_halves"] = result.void_halves
        outcome["dead_heat_num"] = result.dead_heat_num
        outcome["dead_heat_den"] = result.dead_heat_den
    book.flag(slot, MARKET_RESULTS, on=True)


def erase_results(book: Book, slot: int) -> None:
    """Make a market's outcomes as if they had never had a result: none stands."""
    nothing = OutcomeResult(won=False)
    write_results(book, slot, (nothing,) * len(book.outcomes_of(slot)))
    book.flag(slot, MARKET_RESULTS, on=False)


def bets_of(book: Book, slot: int) -> I32s:
    """Return the records of a market's accepted bets, in the order they were accepted."""
    market = book.markets[slot]
    numbers = np.empty(int(market["bets"]), np.int32)
    collect_nb(book.earlier, int(market["last_bet"]), numbers)
    return numbers


def settle_bets(
    book: Book,
    slot: int,
    numbers: I32s,
    *,
    refunded: U8s,
    deductions: tuple[Deduction, ...],
) -> tuple[Rows, int]:
    """Settle bets of a market under the results and settlement number in the book.

    Parameters
    ----------
    book : Book
        Read only.
    slot : int
        The market.
    numbers : I32s
        The bets' records.
    refunded : U8s
        For each, 1 where the stake goes back whatever the results.
    deductions : tuple of Deduction
        What winners lose, by the time at which they were placed.

    Returns
    -------
    tuple[Rows, int]
        SETTLEMENT rows in the order given, not yet numbered for the outbox, and the sum of their
        payouts modulo 2^63: a check figure, since it adds different currencies.
    """
    market = book.markets[slot]
    rows = np.zeros(len(numbers), SETTLEMENT)
    total = settle_nb(
        book.records,
        numbers,
        refunded,
        book.outcomes,
        int(market["first_outcome"]),
        int(market["settlement_no"]),
        int(book.flagged(slot, MARKET_RESULTS)),
        rows,
    )
    if deductions:
        total = int(total) + _deduct(book, slot, numbers, rows, deductions)
    return rows, int(total) & _CHECK_FIGURE_MASK


def _deduct(
    book: Book, slot: int, numbers: I32s, rows: Rows, deductions: tuple[Deduction, ...]
) -> int:
    """Write again what winners placed before a deduction's time get; return the sum's change.

    In Python's whole numbers and not in a kernel: a stake, its odds, a dead heat and what is kept
    make more than 63 bits together, and the payout is to be rounded once. It is rare: the winners
    of one market, placed before an outcome was withdrawn.
    """
    results = results_of(book, slot)
    records = book.records[numbers]
    won = (rows["result"] == BetResult.WON) | (rows["result"] == BetResult.HALF_WON)
    change = 0
    for at in np.flatnonzero(won & (records["at_ns"] < deductions[-1].until_ns)).tolist():
        record = records[at]
        deduction = next(one for one in deductions if int(record["at_ns"]) < one.until_ns)
        payout = deducted_minor(
            stake_minor=int(record["stake_minor"]),
            odds_milli=int(record["odds_milli"]),
            result=results[int(record["outcome"])],
            deduction=deduction,
        )
        change += payout - int(rows[at]["payout_minor"])
        rows[at]["payout_minor"] = payout
    return change


def deducted_minor(
    *, stake_minor: int, odds_milli: int, result: OutcomeResult, deduction: Deduction
) -> int:
    """Return what a winning bet gets back after a deduction, rounded down once, at its end.

    The feed's table, with the odds reduced to ``1 + (odds - 1) * keep`` (Rule 4: of the winnings)
    or to ``odds * keep`` but at least 1 (`of_price`); in millionths, over the common denominator
    ``2 * 1000000 * dead_heat_den``.
    """
    if deduction.of_price:
        odds_micro = max(odds_milli * deduction.keep_milli, 1_000_000)
    else:
        odds_micro = 1_000_000 + (odds_milli - 1_000) * deduction.keep_milli
    back = (2 - result.void_halves) * odds_micro * result.dead_heat_num
    back += result.void_halves * 1_000_000 * result.dead_heat_den
    return stake_minor * back // (2_000_000 * result.dead_heat_den)
