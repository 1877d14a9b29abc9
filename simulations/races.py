"""Races beside a match, so that bettors have runners to back each way: the runners and the finish.

Owns the field, its odds, which stay as they are, and the order in which it finishes. Never moves a
clock: a race is run when the match ends.
"""

from typing import Final, NamedTuple

import numpy as np

from engine.common.commands import CreateMarket, Limits, OutcomeResult
from engine.common.ids import MarketNo, parse_market_key
from engine.common.units import Minor, OddsMilli
from engine.pricing.race.model import RaceState
from engine.pricing.race.sport import SPORT

RACES: Final = 2
"""Races beside a match: each-way doubles need two."""
ODDS_MILLI: Final = (3_250, 4_500, 5_500, 7_500, 10_000, 13_000, 19_000, 29_000)
"""Odds of the runners to win, a book of 111: eight of them, so that three places pay a fifth."""
LIMITS: Final = Limits(
    stake_minor_min=Minor(10),
    stake_minor_max=Minor(150_000),
    payout_minor_max=Minor(2_500_000),
    outcome_liability_minor_max=Minor(2_000_000),
    market_liability_minor_max=Minor(2_000_000),
)
_SEED: Final = 0x4ACE


class Race(NamedTuple):
    """A race: its fixture, its runners' names, and each one's position at the finish, from 1."""

    fixture: str
    runners: tuple[str, ...]
    positions: tuple[int, ...]

    @property
    def key(self) -> str:
        """Key of the market to win."""
        return f"{self.fixture}/win"

    def create(self) -> CreateMarket:
        """Return the command that creates the market to win; its receiver numbers it."""
        return CreateMarket(
            market_no=MarketNo(0),
            key=self.key,
            outcomes=self.runners,
            odds_milli=tuple(map(OddsMilli, ODDS_MILLI)),
            limits=LIMITS,
        )

    def results(self, key: str) -> tuple[OutcomeResult, ...]:
        """Return the results of a market of the race, to win or to be placed, by the finish."""
        parsed = parse_market_key(key)
        market = SPORT.market(parsed.type, parsed.specifiers, self.runners)
        results = SPORT.results(market, RaceState(positions=self.positions))
        assert results is not None, "every runner has finished, and no two of them together"
        return results

    def finish(self) -> str:
        """Return the first three in one line."""
        order = sorted(zip(self.positions, self.runners, strict=True))
        return f"{self.fixture}: {', '.join(name for _, name in order[:3])}"


def races_beside(seed: int) -> tuple[Race, ...]:
    """Return the races beside a match, whose finish follows from the seed of the run.

    A runner finishes ahead of another with a chance by the odds of both: the order is drawn as by
    exponential times whose rates are the odds' chances.
    """
    runners = tuple(f"runner {number + 1}" for number in range(len(ODDS_MILLI)))
    races = []
    for number in range(1, RACES + 1):
        rng = np.random.default_rng([_SEED, seed, number])
        times = rng.exponential(np.array(ODDS_MILLI, np.float64))
        positions = tuple((1 + np.argsort(np.argsort(times))).tolist())
        races.append(Race(f"race-{number}", runners, positions))
    return tuple(races)
