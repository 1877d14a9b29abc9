"""Settlement of a market: results into the book, one row for each accepted bet out of it.

Owns what makes results valid and when two of them are the same. Never pays anyone: the rows go to
the outbox, and the account shards apply them.
"""

from math import gcd

import numpy as np

from engine.book import OUTCOME_ACTIVE, OUTCOME_WON, Book
from engine.commands import OutcomeResult
from engine.rows import SETTLEMENT, Rows
from engine.settle_nb import collect_nb, settle_nb
from engine.units import DEAD_HEAT_DEN_MAX

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
    """Write canonical results into a market's outcomes."""
    for outcome, result in zip(book.outcomes_of(slot), results, strict=True):
        active = int(outcome["flags"]) & OUTCOME_ACTIVE
        outcome["flags"] = active | (OUTCOME_WON if result.won else 0)
        outcome["void_halves"] = result.void_halves
        outcome["dead_heat_num"] = result.dead_heat_num
        outcome["dead_heat_den"] = result.dead_heat_den


def settle_bets(book: Book, slot: int, *, cancelled: bool) -> tuple[Rows, int]:
    """Settle a market's accepted bets under the results and settlement number in the book.

    Parameters
    ----------
    book : Book
        Read only.
    slot : int
        The market.
    cancelled : bool
        Refund every bet, whatever the results.

    Returns
    -------
    tuple[Rows, int]
        SETTLEMENT rows in the order the bets were accepted, not yet numbered for the outbox, and
        the sum of their payouts modulo 2^63: a check figure, since it adds different currencies.
    """
    market = book.markets[slot]
    numbers = np.empty(int(market["bets"]), np.int32)
    collect_nb(book.earlier, int(market["last_bet"]), numbers)
    rows = np.zeros(len(numbers), SETTLEMENT)
    total = settle_nb(
        book.records,
        numbers,
        book.outcomes,
        int(market["first_outcome"]),
        int(market["settlement_no"]),
        int(cancelled),
        rows,
    )
    return rows, int(total) & _CHECK_FIGURE_MASK
