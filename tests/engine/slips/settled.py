"""Legs as published settlements state them: odds in either notation, and how they ended."""

from fractions import Fraction
from typing import NamedTuple

from tests.engine.slips.twin import TwinBet, TwinLeg

Back = tuple[int, int]


def odds_milli(text: str) -> int:
    """Return decimal odds in thousandths; ``7/2`` is 7 to 2 against, so 4.500."""
    if "/" in text:
        num, den = text.split("/")
        odds = 1 + Fraction(int(num), int(den))
    else:
        odds = Fraction(text)
    assert (odds * 1_000).denominator == 1, f"{text}: not exact in thousandths"
    return int(odds * 1_000)


def won(text: str) -> Back:
    """Return what a winner gives back."""
    return odds_milli(text), 1_000


LOST: Back = (0, 1)
VOID: Back = (1, 1)


def half_won(text: str) -> Back:
    """Return what a quarter line gives back of which half won and half was refunded."""
    return odds_milli(text) + 1_000, 2_000


HALF_LOST: Back = (1_000, 2_000)


def tied(text: str, *, places: int, of: int) -> Back:
    """Return what a dead heat of several for some places gives back."""
    return odds_milli(text) * places, 1_000 * of


def deducted(text: str, *, pence: int) -> Back:
    """Return what a winner gives back when pence in the pound are taken off its winnings."""
    return 1_000_000 + (odds_milli(text) - 1_000) * (1_000 - 10 * pence), 1_000_000


class Published(NamedTuple):
    """One settlement that a public page works out.

    `stake` is that of each line and `paid` what the slip is paid, in units of money with two
    decimals. `bankers` are the first so many legs. An each-way bet has as many legs to be placed
    behind those to win, and each of its sizes twice.
    """

    what: str
    source: str
    stake: str
    sizes: tuple[int, ...]
    legs: tuple[Back, ...]
    paid: str
    bankers: int = 0
    each_way: bool = False

    def twin_legs(self) -> list[TwinLeg]:
        count = self._count()
        return [TwinLeg(at, at % count, back) for at, back in enumerate(self.legs)]

    def twin_bets(self) -> list[TwinBet]:
        count = self._count()
        return [
            TwinBet(
                minor(self.stake),
                frozenset(self.sizes),
                frozenset(range(first, first + count)),
                frozenset(range(first, first + self.bankers)),
            )
            for first in range(0, len(self.legs), count)
        ]

    def _count(self) -> int:
        return len(self.legs) // (2 if self.each_way else 1)


def minor(text: str) -> int:
    """Return an amount in minor units."""
    amount = Fraction(text) * 100
    assert amount.denominator == 1
    return int(amount)
