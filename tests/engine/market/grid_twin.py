"""A fixture's grid in plain Python: every sum is added up anew from the markets' books.

States by itself what each code pays, and searches for the highest stake. Sums are twice what is
lost: in halves of a minor unit.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

CELLS = 64
PAYS = {0: (0, 0), 1: (0, 1), 2: (0, 2), 3: (1, 1), 4: (2, 0)}
"""By code the halves of the payout and of the stake that come back."""


class OpenMarket(NamedTuple):
    """The open bets of a market by outcome, its sheet (-1: no cells), and its codes by outcome."""

    stakes: list[int]
    payouts: list[int]
    sheet: int
    codes: list[list[int]]

    def with_bet(self, outcome: int, stake: int, payout: int) -> "OpenMarket":
        stakes, payouts = list(self.stakes), list(self.payouts)
        stakes[outcome] += stake
        payouts[outcome] += payout
        return self._replace(stakes=stakes, payouts=payouts)


def losses(markets: Iterable[OpenMarket], sheet: int) -> list[int]:
    """Return what the house loses on the markets of a sheet by cell."""
    lost = [0] * CELLS
    for market in markets:
        if market.sheet != sheet:
            continue
        for cell in range(CELLS):
            lost[cell] -= 2 * sum(market.stakes)
            for stake, payout, codes in zip(
                market.stakes, market.payouts, market.codes, strict=True
            ):
                of_payout, of_stake = PAYS[codes[cell]]
                lost[cell] += of_payout * payout + of_stake * stake
    return lost


def beside(markets: Iterable[OpenMarket]) -> int:
    """Return the most that the markets lose that are not on the first sheet."""
    markets = list(markets)
    alone = [
        2 * max(0, max(market.payouts) - sum(market.stakes))
        for market in markets
        if market.sheet < 0
    ]
    return sum(alone) + sum(max(0, *losses(markets, sheet)) for sheet in (1, 2))


def worst(markets: Iterable[OpenMarket]) -> int:
    markets = list(markets)
    return max(losses(markets, 0)) + beside(markets)


def is_over(markets: list[OpenMarket], limit: int, at: int, bet: tuple[int, int, int]) -> bool:
    """Say whether a bet (outcome, stake, payout) on market `at` breaks the limit; 0 is none."""
    after = list(markets)
    after[at] = after[at].with_bet(*bet)
    return 0 < 2 * limit < worst(after) and worst(after) > worst(markets)


def highest_stake(passes: Callable[[int], bool], most: int) -> int:
    """Return the highest stake that passes, where any lower stake passes too; 0 for none."""
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if passes(middle) else (low, middle)
    return low


def up(halves: int) -> int:
    """Return halves of a minor unit in whole ones, rounded up."""
    return (halves + 1) // 2
