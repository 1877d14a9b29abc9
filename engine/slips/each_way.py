"""Write each-way bets: every bet of a slip once to win and once to be placed.

Owns the structure only. The terms (which places are paid, at which fraction of the odds) and the
odds of a place are in engine/pricing/race/terms, and make a market of their own.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.slips.structure import Leg, SlipBet


def each_way(
    win: Sequence[Leg], place: Sequence[Leg], bets: Sequence[SlipBet]
) -> tuple[tuple[Leg, ...], tuple[SlipBet, ...]]:
    """Return the legs and bets of an each-way slip: win to win, place to place.

    Each bet stands twice with the same stake: over the win legs, and over the place legs at
    positions of their own behind them. Both are settled separately; no line mixes them.

    Parameters
    ----------
    win, place : sequence of Leg
        The selections to win, and in the same order the same ones to be placed. A place leg's
        position is not read.
    bets : sequence of SlipBet
        The bets over the win legs; `payout_minor_max` is the bound of each part.

    Raises
    ------
    ValueError
        When there are not as many place legs as win legs.
    """
    if len(place) != len(win):
        raise ValueError(f"place: {len(place)} legs for {len(win)} to win")
    behind = 1 + max((leg.position for leg in win), default=-1)
    placed = [
        replace(leg, position=of.position + behind) for leg, of in zip(place, win, strict=True)
    ]
    parts = [
        replace(
            bet,
            positions=tuple(position + behind for position in bet.positions),
            bankers=tuple(position + behind for position in bet.bankers),
        )
        for bet in bets
    ]
    return (*win, *placed), (*bets, *parts)
