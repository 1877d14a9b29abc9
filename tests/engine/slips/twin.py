"""Plain-Python twin of the slip kernels: lines by itertools, money by Fraction."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from engine.common.rows import SLIP_BET, Rows


class TwinLeg(NamedTuple):
    """A leg: where it stands, its event, and the fraction of the stake it gives (None: open)."""

    position: int
    event: int
    back: tuple[int, int] | None = None


class TwinBet(NamedTuple):
    """A bet of a slip, in sets of numbers."""

    stake_minor: int
    sizes: frozenset[int]
    positions: frozenset[int]
    bankers: frozenset[int] = frozenset()


def lines_of(legs: list[TwinLeg], bet: TwinBet) -> Iterator[tuple[int, ...]]:
    """Yield each line of a bet as the numbers of its legs."""
    ways = {at: [i for i, leg in enumerate(legs) if leg.position == at] for at in bet.positions}
    if not bet.bankers <= bet.positions:
        return
    for size in bet.sizes:
        for free in combinations(sorted(bet.positions - bet.bankers), size):
            for line in product(*(ways[at] for at in (*sorted(bet.bankers), *free))):
                if line and len({legs[i].event for i in line}) == len(line):
                    yield line


def owed(legs: list[TwinLeg], bets: list[TwinBet]) -> int | None:
    """Return what a slip is owed, or None while an open leg can change it."""
    total = 0
    for bet in bets:
        for line in lines_of(legs, bet):
            backs = [legs[i].back for i in line]
            if any(back is not None and back[0] == 0 for back in backs):
                continue
            if None in backs:
                return None
            total += int(running_of(legs, bet, line))
    return total


def running_of(legs: list[TwinLeg], bet: TwinBet, line: tuple[int, ...]) -> Fraction:
    """Return a line's stake times the fractions of its resolved legs."""
    amount = Fraction(bet.stake_minor)
    for i in line:
        back = legs[i].back
        if back is not None:
            amount *= Fraction(*back)
    return amount


def charges(legs: list[TwinLeg], bets: list[TwinBet], charge_max: int) -> dict[int, int]:
    """Return the charge of each open leg."""
    found = {i: 0 for i, leg in enumerate(legs) if leg.back is None}
    for bet in bets:
        for line in lines_of(legs, bet):
            if any(back is not None and back[0] == 0 for i in line if (back := legs[i].back)):
                continue
            for i in line:
                if i in found:
                    found[i] += int(running_of(legs, bet, line))
    return {i: min(charge, charge_max) for i, charge in found.items()}


def rows_of(bets: list[TwinBet]) -> Rows:
    """Return the SLIP_BET rows of bets."""
    rows: Rows = np.zeros(len(bets), SLIP_BET)
    for row, bet in zip(rows, bets, strict=True):
        row["stake_minor"] = bet.stake_minor
        for name in ("sizes", "positions", "bankers"):
            row[name] = sum(1 << bit for bit in getattr(bet, name))
    return rows


class Columns(NamedTuple):
    """The legs as the kernels take them."""

    positions: np.ndarray
    events: np.ndarray
    nums: np.ndarray
    dens: np.ndarray


def columns_of(legs: list[TwinLeg]) -> Columns:
    """Return legs as arrays; an open leg has a numerator that must not be read as a factor."""
    backs = [leg.back or (7, 0) for leg in legs]
    return Columns(
        np.array([leg.position for leg in legs], np.uint8),
        np.array([leg.event for leg in legs], np.uint8),
        np.array([num for num, _ in backs], np.int64),
        np.array([den for _, den in backs], np.int64),
    )
