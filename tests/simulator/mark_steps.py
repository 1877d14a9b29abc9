"""Draw a trader's marks on outcomes in a story: held, resumed, overridden and released.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random

from engine.common.outcome_marks import (
    OutcomeCommand,
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from tests.simulator.story import Command, Layout

_WITH_SHARE = 0.4
"""How many stories have marks."""
_SHARE = 0.04
"""How many of their operations a mark follows."""
_ODDS = (1_500, 2_000, 3_000, 6_000)


class MarkSteps:
    """Draws marks on the markets of a world."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._rng = random.Random(f"marks of {seed}")
        self._layout = layout
        self._share = _SHARE if self._rng.random() < _WITH_SHARE else 0.0

    def draw(self, at_ms: float) -> list[Command]:
        """Return a mark, or most often none."""
        if self._rng.random() >= self._share:
            return []
        gateway = self._rng.randrange(self._layout.gateways)
        return [Command(at_ms=at_ms, command=self._mark(), gateway=gateway)]

    def _mark(self) -> OutcomeCommand:
        rng = self._rng
        market, kind = rng.randint(1, self._layout.markets), rng.random()
        outcome = rng.randrange(len(self._layout.odds))
        if kind < 0.3:
            return SuspendOutcomes(market_no=market, outcomes=(outcome,))
        if kind < 0.5:
            return ResumeOutcomes(market_no=market)
        if kind < 0.8:
            quotes = (StandingOdds(outcome=outcome, odds_milli=rng.choice(_ODDS)),)
            return OverrideOdds(market_no=market, quotes=quotes)
        return ReleaseOdds(market_no=market)
