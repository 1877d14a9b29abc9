"""Draw people who stop markets with others in a story, and start them again.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random

from tests.simulator.story import Layout, StopTogether

_WITH_SHARE = 0.3
"""How many stories have such stops."""
_SHARE = 0.04
"""How many of their operations one follows."""
_FORCE_SHARE = 0.15
_LOST_SHARE = 0.1
"""How many stops nobody undoes who set them: only force does."""
_STOP_MS = (20, 150, 600)
PEOPLE = 3


class StopSteps:
    """Draws stops and their ends, which overlap, on the markets of a world."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._rng = random.Random(f"stops of {seed}")
        self._layout = layout
        self._share = _SHARE if self._rng.random() < _WITH_SHARE else 0.0

    def draw(self, at_ms: float) -> list[StopTogether]:
        """Return a stop and its end, or most often nothing."""
        rng = self._rng
        if rng.random() >= self._share:
            return []
        who, gateways = rng.randint(1, PEOPLE), self._layout.gateways
        stop = StopTogether(
            at_ms=at_ms,
            who=who,
            market=rng.randint(0, self._layout.markets),
            gateway=rng.randrange(gateways),
        )
        if rng.random() < _LOST_SHARE:
            return [stop]
        return [
            stop,
            StopTogether(
                at_ms=round(at_ms + rng.choice(_STOP_MS), 1),
                who=who,
                market=rng.choice((0, stop.market)),
                starts=True,
                force=rng.random() < _FORCE_SHARE,
                gateway=rng.randrange(gateways),
            ),
        ]
