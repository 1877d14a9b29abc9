"""The figures of one market's book, counted from its bets and from what became of them.

Owns which sums make up the figures. The kernel of a batch adds an accepted bet to them; whatever
refunds, settles or reopens bets counts them again. Never decides which bets are refunded.
"""

from typing import NamedTuple

import numpy as np

from engine.common.rows import I32s, I64s, Rows, U8s
from engine.market.book import RETURNED, Book
from engine.market.figures_nb import count_nb


class Figures(NamedTuple):
    """The figures of a market by outcome, in base currency."""

    stake_minor: I64s
    payout_minor: I64s
    returned: Rows


def count(
    book: Book, slot: int, numbers: I32s, refunded: U8s, settlements: Rows, *, rules: int
) -> Figures:
    """Count a market's figures.

    Parameters
    ----------
    book : Book
        Read only.
    slot : int
        The market's slot.
    numbers : I32s
        The record numbers of its accepted bets.
    refunded : U8s
        For each bet, 1 when a cancellation refunds it.
    settlements : Rows
        For each bet, the SETTLEMENT row of what stands.
    rules : int
        Version of the rules.
    """
    outcomes = int(book.markets[slot]["outcomes"])
    figures = Figures(
        np.zeros(outcomes, np.int64), np.zeros(outcomes, np.int64), np.zeros(outcomes, RETURNED)
    )
    count_nb(book.records, numbers, refunded, settlements, *figures, rules)
    return figures


def write_figures(book: Book, slot: int, figures: Figures) -> None:
    """Write a market's figures into the book."""
    market, outcomes = book.markets[slot], book.outcomes_of(slot)
    outcomes["stake_minor"] = figures.stake_minor
    outcomes["payout_minor"] = figures.payout_minor
    book.returned_of(slot)[:] = figures.returned
    market["stake_taken_minor"] = figures.stake_minor.sum()
    market["payout_worst_minor"] = figures.payout_minor.max()
