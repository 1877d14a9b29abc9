"""Slips that bettors place: accumulators, systems and each-way bets on the selections of a board.

Owns the shapes of slips by profile, and how selections, stakes and policies are drawn for one. Pure
and seeded as simulations.crowd is. Never sends a slip and never counts its lines.
"""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np

from engine.common.ids import MarketNo
from engine.common.rows import Policy
from engine.common.units import STAKE_MINOR_MAX, Minor, OddsMilli
from engine.slips.structure import Leg, SlipBet
from simulations.crowd import BEHAVIOURS, ROUND_MINOR, Board, Floats, Profile, Random

LINE_ROUND_MINOR: Final = 10
"""Stakes on a line of at least this amount are rounded to its multiples."""
TRIES_MAX: Final = 8
"""Draws for a leg that may fall on an event which the slip has, before such events are left out."""
COMBINED_CHANCE: Final = 0.25
"""Chance that a bettor who does not take any odds compares those of the slip as a whole."""


_COMBINED: Final = {
    Policy.NONE: Policy.COMBINED_NONE,
    Policy.HIGHER: Policy.COMBINED_HIGHER,
}


class Shape(NamedTuple):
    """What a slip consists of: a bet over legs of different events.

    Attributes
    ----------
    chance : float
        Weight among the shapes of a profile that a board can serve.
    legs : int
        Positions of the bet, each with a leg of an event of its own.
    sizes : tuple of int
        How many of the positions that are no bankers a line has.
    lines : int
        Lines of the bet, without alternatives.
    bankers : int
        How many positions, from the first on, are in every line.
    ways : bool
        Whether the last position has a second outcome of its market as an alternative.
    each_way : bool
        Whether all of it is bet twice: to win and, on the same runners, to be placed.
    """

    chance: float
    legs: int
    sizes: tuple[int, ...]
    lines: int = 1
    bankers: int = 0
    ways: bool = False
    each_way: bool = False


SHAPES: Final[dict[Profile, tuple[Shape, ...]]] = {
    Profile.ACCUMULATOR_BACKER: (
        Shape(0.30, 2, (2,)),
        Shape(0.30, 3, (3,)),
        Shape(0.22, 4, (4,)),
        Shape(0.18, 5, (5,)),
    ),
    Profile.SYSTEM_PLAYER: (
        Shape(0.22, 3, (2, 3), lines=4),  # Trixie
        Shape(0.10, 3, (1, 2, 3), lines=7),  # Patent
        Shape(0.16, 4, (2, 3, 4), lines=11),  # Yankee
        Shape(0.16, 4, (1, 2, 3, 4), lines=15),  # Lucky 15
        Shape(0.10, 4, (3,), lines=4),  # 3 of 4
        Shape(0.08, 5, (3,), lines=10),  # 3 of 5
        Shape(0.10, 4, (2,), lines=3, bankers=1),  # 2 of 3 with a banker
        Shape(0.08, 3, (2,), lines=5, ways=True),  # 2 of 3, one with an alternative
    ),
    Profile.EACH_WAY_BACKER: (
        Shape(0.50, 1, (1,), lines=2, each_way=True),
        Shape(0.25, 2, (2,), lines=2, each_way=True),
        Shape(0.15, 3, (2, 3), lines=8, each_way=True),
        Shape(0.10, 2, (2,)),
    ),
}
LEGS_MAX: Final = max(
    shape.legs * (2 if shape.each_way else 1) + shape.ways
    for shapes in SHAPES.values()
    for shape in shapes
)
"""Most legs of one slip."""


class SlipOrder(NamedTuple):
    """A slip to be placed; the odds of its legs are those that the bettor saw."""

    legs: tuple[Leg, ...]
    bets: tuple[SlipBet, ...]
    policy: Policy


def draw_slip(profile: Profile, board: Board, *, rng: Random) -> SlipOrder | None:
    """Draw a slip of a bettor with a profile from a board.

    Parameters
    ----------
    profile : Profile
        It decides shapes, and by its behaviour selections, stakes and policies.
    board : Board
        The selections and odds that the bettor sees.
    rng : Generator
        Used in a fixed order, so that a seed gives the same slip.

    Returns
    -------
    SlipOrder or None
        None for a profile that places no slips, and where the board has too few events for any of
        its shapes.
    """
    shapes = [
        shape
        for shape in SHAPES.get(profile, ())
        if shape.legs <= board.events(profile, each_way=shape.each_way)
    ]
    if not shapes:
        return None
    shape = shapes[_drawn([shape.chance for shape in shapes], rng)]
    chosen = _choose(board, board.attraction(profile, each_way=shape.each_way), shape.legs, rng)
    legs = [_leg(board, at, event=n, position=n) for n, at in enumerate(chosen)]
    if shape.ways:
        legs += _alternative(board, chosen[-1], position=shape.legs - 1, rng=rng)
    bet = SlipBet(
        stake_minor=_line_stake_minor(profile, shape, rng),
        sizes=shape.sizes,
        positions=tuple(range(shape.legs)),
        bankers=tuple(range(shape.bankers)),
    )
    bets = [bet]
    if shape.each_way:
        places = [board.place_of[at] for at in chosen]
        legs += [_leg(board, at, event=n, position=shape.legs + n) for n, at in enumerate(places)]
        positions = tuple(range(shape.legs, 2 * shape.legs))
        bets.append(SlipBet(stake_minor=bet.stake_minor, sizes=shape.sizes, positions=positions))
    return SlipOrder(tuple(legs), tuple(bets), _policy(profile, rng))


def _choose(board: Board, attraction: Floats, count: int, rng: Random) -> list[int]:
    """Return selections of different events, each by its appeal, as places in the board."""
    chosen: list[int] = []
    events: list[int] = []
    while len(chosen) < count:
        for _ in range(TRIES_MAX):
            at = int(np.searchsorted(attraction, rng.random() * attraction[-1], side="right"))
            at = min(at, len(attraction) - 1)  # the product may round up to the sum
            if int(board.event[at]) not in events:
                chosen.append(at)
                events.append(int(board.event[at]))
                break
        else:
            appeal = np.diff(attraction, prepend=0.0)
            appeal[np.isin(board.event, events)] = 0.0
            attraction = np.cumsum(appeal)
    return chosen


def _leg(board: Board, at: int, *, event: int, position: int) -> Leg:
    return Leg(
        market_no=MarketNo(int(board.market_no[at])),
        outcome=int(board.outcome[at]),
        odds_milli=OddsMilli(int(board.odds_milli[at])),
        event=event,
        position=position,
    )


def _alternative(board: Board, at: int, *, position: int, rng: Random) -> list[Leg]:
    """Return another outcome of a selection's market in the same position, if one is offered."""
    others = np.flatnonzero(
        (board.market_no == board.market_no[at]) & (board.outcome != board.outcome[at])
    )
    if not len(others):
        return []
    return [_leg(board, int(rng.choice(others)), event=position, position=position)]


def _line_stake_minor(profile: Profile, shape: Shape, rng: Random) -> Minor:
    """Draw a stake on all lines, and return that on each of them."""
    behaviour = BEHAVIOURS[profile]
    total = behaviour.stake_minor * np.exp(behaviour.stake_spread * rng.standard_normal())
    line = total / shape.lines
    grain = ROUND_MINOR if line >= 10 * ROUND_MINOR else LINE_ROUND_MINOR
    rounded = grain * max(1, int(np.rint(line / grain)))
    return Minor(min(rounded, STAKE_MINOR_MAX // shape.lines))


def _policy(profile: Profile, rng: Random) -> Policy:
    drawn = Policy(_drawn(BEHAVIOURS[profile].policies, rng))
    if rng.random() >= COMBINED_CHANCE:
        return drawn
    return _COMBINED.get(drawn, drawn)


def _drawn(weights: Sequence[float], rng: Random) -> int:
    """Return a number from 0 on, drawn by its weight."""
    sums = list(accumulate(weights))
    return min(bisect(sums, rng.random() * sums[-1]), len(sums) - 1)
