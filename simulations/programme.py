"""A match and the matches that are played beside it, so that slips have several events to be on.

Owns which matches are played beside another, how far ahead of it each is, and which markets it
offers. Never prices a market and never moves a clock.
"""

from typing import Final, NamedTuple

from simulations.timeline import MatchTimeline, world_cup_2022
from simulations.trader import CATALOGUE, RESULT, market_keys

BESIDE_MAX: Final = 4
"""Most matches beside another: with it they are the events of a five-fold."""
BESIDE_TYPES: Final = (RESULT, "total?total=2.5")
"""Markets of each match beside another."""
AHEAD_S: Final = 8 * 60
"""Seconds of play by which each match beside another is ahead of the one before it, so that their
results come in one after another while slips run."""
BESIDE_LIABILITY_FACTOR: Final = 6
"""Factor on the limits of liability in those markets: they are few for all the slips on them."""


class Fixture(NamedTuple):
    """A match of a programme: the markets it offers, and how far it is ahead of the main match."""

    match: MatchTimeline
    keys: tuple[str, ...]
    ahead_s: int = 0
    liability_factor: int = 1

    def played_s(self, main_s: float) -> float:
        """Return the second of its play at a second of the main match, up to its end."""
        return min(main_s + self.ahead_s, float(self.match.regular_s))

    def is_over(self, main_s: float) -> bool:
        """Say whether its ninety minutes are over at a second of the main match."""
        return main_s + self.ahead_s >= self.match.regular_s


def programme(
    match: MatchTimeline, *, markets: int = len(CATALOGUE), beside: int = BESIDE_MAX
) -> tuple[Fixture, ...]:
    """Return a match and those beside it, the main one first.

    Beside it are matches that were played before it at the World Cup, the latest first and around
    to the last, of teams that play in none of the others.

    Parameters
    ----------
    match : MatchTimeline
        The main match, one of the World Cup's.
    markets : int
        Markets of the main match.
    beside : int
        How many matches are beside it, 0 to `BESIDE_MAX`.

    Raises
    ------
    ValueError
        If `markets` or `beside` is outside its bounds.
    """
    if not 0 <= beside <= BESIDE_MAX:
        raise ValueError(f"beside: 0 to {BESIDE_MAX}, not {beside}")
    fixtures = [Fixture(match, market_keys(match, markets=markets))]
    matches = list(world_cup_2022().values())
    at = next(n for n, other in enumerate(matches) if other.match == match.match)
    teams = [match.home, match.away]
    for other in [*reversed(matches[:at]), *reversed(matches[at:])]:
        if len(fixtures) > beside:
            break
        if other.home in teams or other.away in teams:
            continue
        teams += [other.home, other.away]
        keys = tuple(f"{other.match}/{name}" for name in BESIDE_TYPES)
        fixtures.append(Fixture(other, keys, AHEAD_S * len(fixtures), BESIDE_LIABILITY_FACTOR))
    return tuple(fixtures)
