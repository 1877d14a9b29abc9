"""Compute what a slip of several legs is owed, and what its legs are charged, line by line.

Owns its own arithmetic on purpose: lines are listed one by one, fractions are exact, and no code is
shared with the kernels whose figures are compared with these. Slow where those are fast.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product
from math import floor, prod
from typing import Any, NamedTuple

Line = tuple[int, ...]
"""The legs of one line, as their places in the slip."""


class Leg(NamedTuple):
    """One selection: legs of one position are alternatives, of one event exclude one another."""

    position: int
    event: int
    back: Fraction | None = None
    """What one unit of stake on the leg gives back: its odds when it won, 0 when it lost, 1 when it
    is void. None while it is open."""

    @classmethod
    def of(cls, position: int, event: int, num: int, den: int) -> "Leg":
        """Return a leg that gives back a fraction, or is open by a denominator of 0."""
        return cls(position, event, Fraction(num, den) if den else None)


class SlipBet(NamedTuple):
    """A stake on each line: all bankers, and so many of the other positions as `sizes` name."""

    stake_minor: int
    positions: tuple[int, ...]
    sizes: tuple[int, ...]
    bankers: tuple[int, ...] = ()


def positions_of(mask: int) -> tuple[int, ...]:
    """Return the bits that are set in a mask of positions or of sizes."""
    return tuple(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


def bet_of_row(row: Any) -> SlipBet:
    """Return a SLIP_BET row as a bet."""
    return SlipBet(
        int(row["stake_minor"]),
        positions_of(int(row["positions"])),
        positions_of(int(row["sizes"])),
        positions_of(int(row["bankers"])),
    )


def lines_of(legs: Sequence[Leg], bet: SlipBet) -> Iterator[Line]:
    """Yield the lines of a bet; a line with two legs of one event is none."""
    others = [position for position in bet.positions if position not in bet.bankers]
    for size in bet.sizes:
        for chosen in combinations(others, size):
            ways = [
                [place for place, leg in enumerate(legs) if leg.position == position]
                for position in (*bet.bankers, *chosen)
            ]
            for line in product(*ways):
                if len({legs[place].event for place in line}) == len(line):
                    yield line


def owed_minor(legs: Sequence[Leg], bets: Iterable[SlipBet]) -> int | None:
    """Return what a slip is owed in minor units; None while an open leg can change it.

    Each line pays its stake times what each of its legs gives back, rounded down once. A line with
    a leg that lost pays nothing, whatever is open.
    """
    owed = 0
    for bet in bets:
        for line in lines_of(legs, bet):
            backs = [legs[place].back for place in line]
            if 0 in backs:
                continue
            settled = [back for back in backs if back is not None]
            if len(settled) < len(backs):
                return None
            owed += floor(bet.stake_minor * prod(settled, start=Fraction(1)))
    return owed


def potential_minor(legs: Sequence[Leg], bets: Iterable[SlipBet], odds: Sequence[Fraction]) -> int:
    """Return what a slip pays when each leg wins at its odds."""
    owed = owed_minor([leg._replace(back=each) for leg, each in zip(legs, odds, strict=True)], bets)
    assert owed is not None
    return owed


def stake_minor(legs: Sequence[Leg], bets: Iterable[SlipBet]) -> int:
    """Return the stake of all lines of a slip."""
    return sum(bet.stake_minor * sum(1 for _ in lines_of(legs, bet)) for bet in bets)


def charges_minor(legs: Sequence[Leg], bets: Iterable[SlipBet]) -> list[int | None]:
    """Return for each open leg the stake that runs on it; None for a resolved leg.

    A line without a lost leg charges each of its open legs with its stake times what its resolved
    legs gave back, rounded down.
    """
    sums = [0 if leg.back is None else None for leg in legs]
    for bet in bets:
        for line in lines_of(legs, bet):
            backs = [legs[place].back for place in line]
            if 0 in backs:
                continue
            settled = [back for back in backs if back is not None]
            runs = floor(bet.stake_minor * prod(settled, start=Fraction(1)))
            for place in line:
                so_far = sums[place]
                if so_far is not None:
                    sums[place] = so_far + runs
    return sums
