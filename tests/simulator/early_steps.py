"""Draw what is said of early payouts in a story: when play began, and that a side has led.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random
from typing import Any

from msgspec import UNSET

from engine.common.early import BeginPlay, EarlyCommand, PayEarly
from tests.simulator.processes import BASE_NS
from tests.simulator.story import Layout

_SHARE = 0.07
"""How many operations one of these commands follows."""
_BEGIN_SHARE = 0.12
_TIMED_SHARE = 0.35
"""How many name a time instead of now."""
_BEGUN_FIRST_SHARE = 0.9
"""How often play has begun when a lead is told; else the market refuses it."""
_FEED_SHARE = 0.5
_AGO_MS = (-100, 0, 5, 50, 500)


class EarlySteps:
    """Draws commands of early payouts on the markets of a world."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._rng = random.Random(f"early payouts of {seed}")
        self._layout = layout
        self._begun: set[int] = set()

    def draw(self, at_ms: float) -> EarlyCommand | None:
        """Return a command, or most often none."""
        rng = self._rng
        if rng.random() >= _SHARE:
            return None
        market = rng.randint(1, self._layout.markets)
        time_ns: Any = UNSET
        if rng.random() < _TIMED_SHARE:
            time_ns = BASE_NS + int((at_ms - rng.choice(_AGO_MS)) * 1e6)
        first = market not in self._begun and rng.random() < _BEGUN_FIRST_SHARE
        if first or rng.random() < _BEGIN_SHARE:
            self._begun.add(market)
            return BeginPlay(market_no=market, from_ns=time_ns)
        return PayEarly(
            market_no=market,
            outcome=rng.randrange(len(self._layout.odds)),
            lead=rng.choice((1, 2, 2, 3)),
            until_ns=time_ns,
        )

    def from_feed(self) -> bool:
        """Return whether a feed says it and no trader."""
        return self._rng.random() < _FEED_SHARE

    def gateway(self) -> int:
        """Return the gateway through which a trader says it."""
        return self._rng.randrange(self._layout.gateways)
