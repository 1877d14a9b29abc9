"""Settlement of a market: write results into the book, and one row for each bet to settle.

Owns which results are valid and which two results are equal. Never decides which bets are settled
(bet_resolution does) and never moves money: the rows go to the outbox and the account shards apply
them.
"""

from collections.abc import Mapping
from math import gcd
from typing import Final, NamedTuple

import numpy as np

from engine.common.commands import Deduction, OutcomeResult
from engine.common.rows import SETTLEMENT, BetResult, Bools, I32s, Rows, U8s
from engine.common.units import DEAD_HEAT_DEN_MAX
from engine.market.book import MARKET_RESULTS, OUTCOME_WON, Book
from engine.market.charges_nb import released_nb
from engine.market.settle_nb import collect_nb, deduct_nb, settle_nb

_CHECK_FIGURE_MASK: Final = (1 << 63) - 1


class Sent(NamedTuple):
    """The settlements that a command sent: their number, how many, and their check figure."""

    settlement_no: int
    bets: int
    payouts_check: int


class Standing(NamedTuple):
    """What stands for some bets of a market, one element of each array for each bet."""

    numbers: I32s
    """The numbers of their records."""
    odds_milli: I32s
    """The odds at which they are settled."""
    refunded: U8s
    """1 when a cancellation refunds the bet."""
    released: Bools
    """Whether the bet is a leg whose slip was refused: it is never settled again."""
    rows: Rows
    """SETTLEMENT rows, without outbox numbers; a released leg is as an open bet."""


def result_fault(result: OutcomeResult) -> tuple[str, str]:
    """Return the field of a result that is out of bounds and its bound, or two empty strings."""
    if not 0 <= result.void_halves <= 2:
        return "void_halves", "0 to 2"
    if not 1 <= result.dead_heat_den <= DEAD_HEAT_DEN_MAX:
        return "dead_heat_den", f"1 to {DEAD_HEAT_DEN_MAX}"
    if not 0 <= result.dead_heat_num <= result.dead_heat_den:
        return "dead_heat_num", f"0 to {result.dead_heat_den}, the dead_heat_den"
    return "", ""


def canonical_result(result: OutcomeResult) -> OutcomeResult:
    """Return the simplest result that pays the same at every stake and odds.

    A dead-heat factor of zero is a loss, a full void needs no winner, a loser has no dead heat, and
    fractions are in lowest terms. Two sources may state one result differently; their canonical
    results are equal.
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
    """Return the results in the book of a settled market, in canonical form."""
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
    """Write canonical results into a market's outcomes and flag that results stand."""
    _write(book.outcomes_of(slot), dict(enumerate(results)))
    book.set_flag(slot, MARKET_RESULTS, on=True)


def _write(outcomes: Rows, results: Mapping[int, OutcomeResult]) -> None:
    """Write canonical results into rows of outcomes."""
    for at, result in results.items():
        outcome = outcomes[at]
        kept = int(outcome["flags"]) & ~OUTCOME_WON
        outcome["flags"] = kept | (OUTCOME_WON if result.won else 0)
        outcome["void_halves"] = result.void_halves
        outcome["dead_heat_num"] = result.dead_heat_num
        outcome["dead_heat_den"] = result.dead_heat_den


def erase_results(book: Book, slot: int) -> None:
    """Reset a market's outcomes to no result and flag that none stands."""
    no_result = OutcomeResult(won=False)
    write_results(book, slot, (no_result,) * len(book.outcomes_of(slot)))
    book.set_flag(slot, MARKET_RESULTS, on=False)


def bets_of(book: Book, slot: int) -> I32s:
    """Return the record numbers of a market's accepted bets, in the order of acceptance."""
    market = book.markets[slot]
    numbers = np.empty(int(market["bets"]), np.int32)
    collect_nb(book.earlier, int(market["last_bet"]), numbers)
    return numbers


def settle_bets(
    book: Book,
    slot: int,
    numbers: I32s,
    *,
    odds_milli: I32s,
    refunded: Bools,
    deductions: tuple[Deduction, ...],
    partial: Mapping[int, OutcomeResult],
) -> Standing:
    """Settle bets of a market by the results and the settlement number in the book.

    Parameters
    ----------
    book : Book
        Read only.
    slot : int
        The market's slot.
    numbers : I32s
        The bets' record numbers.
    odds_milli : I32s
        For each bet, the odds at which it is settled.
    refunded : Bools
        For each bet, whether its stake is refunded, with or without results.
    deductions : tuple of Deduction
        The deductions from winning bets, by the time of the bet.
    partial : mapping of int to OutcomeResult
        The results of some outcomes where the others have none; empty where the book has all
        results or none. Bets on the others are open.

    Returns
    -------
    Standing
        In the order of `numbers`.
    """
    market = book.markets[slot]
    rows = np.zeros(len(numbers), SETTLEMENT)
    back = refunded.astype(np.uint8)
    outcomes, first_outcome = book.outcomes, int(market["first_outcome"])
    if partial:
        outcomes, first_outcome = book.outcomes_of(slot).copy(), 0
        _write(outcomes, partial)
    settle_nb(
        book.records,
        numbers,
        odds_milli,
        back,
        outcomes,
        first_outcome,
        int(market["settlement_no"]),
        int(bool(partial) or book.has_flag(slot, MARKET_RESULTS)),
        rows,
    )
    if partial:
        _reopen(rows, ~np.isin(book.records["outcome"][numbers], list(partial)) & ~refunded)
    if deductions:
        deduct_nb(
            book.records,
            numbers,
            odds_milli,
            outcomes,
            first_outcome,
            np.array([one.until_ns for one in deductions], np.int64),
            np.array([one.keep_milli for one in deductions], np.int64),
            np.array([one.of_price for one in deductions], np.uint8),
            rows,
        )
    released = released_legs(book, numbers)
    _reopen(rows, released)
    return Standing(numbers, odds_milli, back, released, rows)


def _reopen(rows: Rows, bets: Bools) -> None:
    """Write into the rows of some bets that they are open."""
    rows["result"][bets] = BetResult.NONE
    rows["payout_minor"][bets] = 0
    rows["back_den"][bets] = 0


def released_legs(book: Book, numbers: I32s) -> Bools:
    """Return for each bet, by its record's number, whether it is a released leg."""
    released = np.zeros(len(numbers), np.bool_)
    if book.charges_len:
        released_nb(numbers, book.records, book.charges, book.charge_table, released)
    return released


def check_figure(rows: Rows) -> int:
    """Return the sum of settlements' payouts modulo 2^63; it adds up different currencies."""
    return int(rows["payout_minor"].sum(dtype=np.int64)) & _CHECK_FIGURE_MASK
