"""The figures of one market's book, counted from its bets and from what became of them.

Owns which sums make up the figures. The kernel of a batch adds an accepted bet to them; whatever
refunds, settles or reopens bets counts them again. Never decides which bets are refunded.
"""

from typing import NamedTuple

import numpy as np

from engine.common.rows import I64s, Rows
from engine.market.book import RETURNED, Book
from engine.market.figures_nb import count_nb
from engine.market.settlement import Standing


class Figures(NamedTuple):
    """The figures of a market by outcome, in base currency."""

    stake_minor: I64s
    payout_minor: I64s
    returned: Rows


def count(book: Book, slot: int, standing: Standing, *, rules: int) -> Figures:
    """Count what bets of a market bring into its figures; of all its bets: the figures.

    Parameters
    ----------
    book : Book
        Read only.
    slot : int
        The market's slot.
    standing : Standing
        The bets, and what stands for them.
    rules : int
        Version of the rules.
    """
    outcomes = int(book.markets[slot]["outcomes"])
    figures = Figures(
        np.zeros(outcomes, np.int64), np.zeros(outcomes, np.int64), np.zeros(outcomes, RETURNED)
    )
    count_nb(
        book.records,
        standing.numbers,
        standing.odds_milli,
        standing.refunded,
        standing.rows,
        *figures,
        book.charges,
        book.charge_table,
        rules,
    )
    return figures


def write_figures(book: Book, slot: int, figures: Figures) -> None:
    """Write a market's figures into the book."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    outcomes["stake_minor"] = figures.stake_minor
    outcomes["payout_minor"] = figures.payout_minor
    book.returned_of(slot)[:] = figures.returned
    market["stake_taken_minor"] = figures.stake_minor.sum()
    market["payout_worst_minor"] = figures.payout_minor.max()


def move_figures(book: Book, slot: int, *, before: Figures, after: Figures) -> None:
    """Replace in a market's figures what some of its bets brought before by what they bring now."""
    returned = book.returned_of(slot)
    for name in RETURNED.names or ():
        returned[name] += after.returned[name] - before.returned[name]
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    outcomes["stake_minor"] += after.stake_minor - before.stake_minor
    outcomes["payout_minor"] += after.payout_minor - before.payout_minor
    market["stake_taken_minor"] += after.stake_minor.sum() - before.stake_minor.sum()
    market["payout_worst_minor"] = outcomes["payout_minor"].max()
