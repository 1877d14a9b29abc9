"""Describe slips: legs, the bets on their combinations, and bets that have names.

Owns the typed form of a slip and how it becomes rows. Never checks a slip (checks does) and never
lists its lines (lines_nb does).
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from engine.common.ids import MarketNo
from engine.common.rows import SLIP_BET, Rows
from engine.common.units import Minor, OddsMilli


class Leg(Struct, frozen=True, kw_only=True, gc=False):
    """One selection of a slip, at the odds that the bettor saw.

    `event` is the number of its fixture within the slip: no line holds two legs of one event.
    `position` is the place that it can take in lines; legs of one position are alternatives (ways).
    """

    market_no: MarketNo
    outcome: int
    odds_milli: OddsMilli
    event: int
    position: int


class SlipBet(Struct, frozen=True, kw_only=True, gc=False):
    """One bet of a slip, with the same stake on each of its lines.

    A line has a leg in every position of `bankers` and in k others of `positions`, for a k of
    `sizes`. `payout_minor_max` is the most that the bet may pay; 0 is no bound.
    """

    stake_minor: Minor
    sizes: tuple[int, ...]
    positions: tuple[int, ...]
    bankers: tuple[int, ...] = ()
    payout_minor_max: Minor = Minor(0)


class NamedBet(NamedTuple):
    """A bet that has a name: how many positions it needs, and the smallest of its sizes.

    Its other sizes are all larger ones, up to its positions.
    """

    positions: int
    size_min: int


FULL_COVERS: Final[dict[str, NamedBet]] = {
    "trixie": NamedBet(3, 2),
    "patent": NamedBet(3, 1),
    "yankee": NamedBet(4, 2),
    "lucky15": NamedBet(4, 1),
    "canadian": NamedBet(5, 2),
    "lucky31": NamedBet(5, 1),
    "heinz": NamedBet(6, 2),
    "lucky63": NamedBet(6, 1),
    "super_heinz": NamedBet(7, 2),
    "goliath": NamedBet(8, 2),
}
"""Bets on all combinations of a number of selections, with the singles or without."""
EQUAL_SIZES: Final[dict[str, int]] = {"singles": 1, "doubles": 2, "trebles": 3}
"""Systems on any number of positions: all combinations of one size."""
ACCUMULATOR: Final = "accumulator"
"""One line with all positions, however many."""


def named_sizes(name: str, positions: int) -> tuple[int, ...]:
    """Return the sizes of a named bet over a number of positions that are no bankers.

    Empty when the name needs another number of positions.

    Raises
    ------
    KeyError
        When no bet has the name.
    """
    if name == ACCUMULATOR:
        return (positions,)
    if name in EQUAL_SIZES:
        size = EQUAL_SIZES[name]
        return (size,) if size <= positions else ()
    bet = FULL_COVERS[name]
    return tuple(range(bet.size_min, positions + 1)) if positions == bet.positions else ()


def event_numbers(fixtures: Iterable[Hashable]) -> tuple[int, ...]:
    """Return numbers for the fixtures of a slip's legs: from 0, by first appearance."""
    numbers: dict[Hashable, int] = {}
    return tuple([numbers.setdefault(fixture, len(numbers)) for fixture in fixtures])


def bits(numbers: Iterable[int]) -> int:
    """Return a word that has the bits of these numbers."""
    word = 0
    for number in numbers:
        word |= 1 << number
    return word


def bet_rows(bets: Sequence[SlipBet]) -> Rows:
    """Return bets as SLIP_BET rows; the account works out their lines.

    The numbers of positions and sizes are 0 to 63.
    """
    rows: Rows = np.zeros(len(bets), SLIP_BET)
    for at, bet in enumerate(bets):
        rows[at] = (
            bet.stake_minor,
            bet.payout_minor_max,
            bits(bet.sizes),
            bits(bet.positions),
            bits(bet.bankers),
            0,
            0,
        )
    return rows
