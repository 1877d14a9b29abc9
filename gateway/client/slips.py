"""Make the legs and bets of the usual kinds of slips.

Owns what the names of bets mean in legs and lines, as a client says it; the gateway checks it and
counts the lines. It sends nothing.

    legs = [
        Leg(market=1, outcome=0, odds_milli=2_500),
        Leg(market=3, outcome=1, odds_milli=3_200),
    ]
    answer = await client.place_slip(ref="d1", legs=legs, bets=[accumulator(500)])
"""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.common.units import Minor
from gateway.messages.bettor import NamedBet
from gateway.messages.slips import BetLines, Leg


def accumulator(stake_minor: int, *, positions: Sequence[int] = ()) -> BetLines:
    """Return a bet with one line of all legs: a double, a treble and so on.

    With `positions` it is over those only. Each of several alternatives for a position (legs with
    the same `position`) makes a line of its own.
    """
    return BetLines(stake_minor=Minor(stake_minor), positions=tuple(positions))


def named_bet(name: NamedBet, stake_minor: int, *, bankers: Sequence[int] = ()) -> BetLines:
    """Return a bet by its name, with `stake_minor` on each line; `bankers` are in every line."""
    return BetLines(stake_minor=Minor(stake_minor), name=name, bankers=tuple(bankers))


def system(
    size: int, stake_minor: int, *, bankers: Sequence[int] = (), positions: Sequence[int] = ()
) -> BetLines:
    """Return a bet with one line for each choice of `size` positions.

    Parameters
    ----------
    size : int
        How many positions a line has, beside the bankers.
    stake_minor : int
        The stake on each line.
    bankers : sequence of int, optional
        Positions that are in every line.
    positions : sequence of int, optional
        The positions that it is over, bankers included; all of the slip if not given.
    """
    return BetLines(
        stake_minor=Minor(stake_minor),
        sizes=(size,),
        bankers=tuple(bankers),
        positions=tuple(positions),
    )


def each_way(
    win: Sequence[Leg], place: Sequence[Leg], bets: Sequence[BetLines]
) -> tuple[list[Leg], list[BetLines]]:
    """Return the legs and bets of an each-way slip: every bet once to win and once to place.

    Parameters
    ----------
    win : sequence of Leg
        The selections in their races' winner markets.
    place : sequence of Leg
        The same selections in the place markets, in the same order, at the place odds.
    bets : sequence of BetLines
        Bets over the selections; each stakes its `stake_minor` on a line twice.

    Raises
    ------
    ValueError
        There are not as many place legs as win legs, or legs have positions of their own.
    """
    if len(win) != len(place):
        raise ValueError(f"{len(place)} place legs for {len(win)} win legs")
    legs = [*win, *place]
    if any(leg.position is not None for leg in legs):
        raise ValueError("each-way: legs without positions of their own")
    count = len(win)
    win_bets = [replace(bet, positions=bet.positions or tuple(range(count))) for bet in bets]
    place_bets = [
        replace(
            bet,
            positions=tuple(position + count for position in bet.positions),
            bankers=tuple(position + count for position in bet.bankers),
        )
        for bet in win_bets
    ]
    return legs, [part for pair in zip(win_bets, place_bets, strict=True) for part in pair]
