"""Draw how markets take bets in a story, and what traders decide of the bets that wait.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random

from msgspec import UNSET

from engine.common.acceptance import AcceptancePatch, SetAcceptance
from tests.simulator.story import Command, DecideReferral, Layout

_WITH_SHARE = 0.4
"""How many stories have markets that delay and refer."""
_AT_FIRST_SHARE = 0.9
"""How many of their markets do from the beginning."""
_CHANGE_SHARE = 0.02
_DECIDE_SHARE = 0.12
"""How many operations a change of it and a trader's decision follow."""
_DELAYS_MS = (0, 200, 200, 600, 1_500, 5_000)
_REFERRALS_MS = (0, 1_000, 2_000, 4_000)
_LARGE_MINOR = (0, 300, 500, 1_000)
_NAMED_SHARE = 0.8
"""How many of the figures a change names."""
_WAYS = ("accept", "accept", "decline", "offer", "offer")


class WaitSteps:
    """Draws acceptance of the markets of a world, and decisions; `waits` forces or forbids them."""

    def __init__(self, seed: int, layout: Layout, *, waits: bool | None) -> None:
        self._rng = random.Random(f"waits of {seed}")
        self._layout = layout
        drawn = self._rng.random() < _WITH_SHARE
        self._waits = drawn if waits is None else waits
        self._begun = False

    def draw(self, at_ms: float) -> list[Command | DecideReferral]:
        """Return at first what markets do from the beginning, later a step or most often none."""
        rng = self._rng
        if not self._waits:
            return []
        if not self._begun:
            self._begun = True
            markets = range(1, self._layout.markets + 1)
            return [self._set(at_ms, no) for no in markets if rng.random() < _AT_FIRST_SHARE]
        drawn = rng.random()
        if drawn < _CHANGE_SHARE:
            return [self._set(at_ms, rng.randint(1, self._layout.markets))]
        return [self._decide(at_ms)] if drawn < _CHANGE_SHARE + _DECIDE_SHARE else []

    def _set(self, at_ms: float, market: int) -> Command:
        rng = self._rng
        named = [rng.random() < _NAMED_SHARE for _ in range(3)]
        patch = AcceptancePatch(
            delay_ms=rng.choice(_DELAYS_MS) if named[0] else UNSET,
            referral_ms=rng.choice(_REFERRALS_MS) if named[1] else UNSET,
            referral_minor_from=rng.choice(_LARGE_MINOR) if named[2] else UNSET,
        )
        command = SetAcceptance(market_no=market, acceptance=patch)
        return Command(at_ms=at_ms, command=command, gateway=self._gateway())

    def _decide(self, at_ms: float) -> DecideReferral:
        rng = self._rng
        return DecideReferral(
            at_ms=at_ms,
            how=rng.choice(_WAYS),
            pick=rng.randrange(8),
            stake_milli=rng.choice((200, 500, 1_000, 1_000, 1_001)),
            odds_milli=rng.choice((800, 950, 1_000, 1_000, 1_200)),
            window_ms=rng.choice((1_000, 5_000, 30_000)),
            gateway=self._gateway(),
        )

    def _gateway(self) -> int:
        return self._rng.randrange(self._layout.gateways)
