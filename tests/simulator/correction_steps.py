"""Draw corrections of accepted bets in a story: bets voided, settled at other odds, and restored.

Owns random numbers of its own, so that the other steps of a story are the same without these.
"""

import random
from typing import Any

from msgspec import UNSET

from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectionCommand,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from tests.simulator.processes import BASE_NS
from tests.simulator.story import Command, Layout

_WITH_SHARE = 0.4
"""How many stories have corrections."""
_SHARE = 0.03
"""How many of their operations a correction follows."""
_ODDS = (1_001, 1_300, 2_100, 3_000, 9_000)


class CorrectionSteps:
    """Draws corrections on the markets of a world."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._rng = random.Random(f"corrections of {seed}")
        self._layout = layout
        self._share = _SHARE if self._rng.random() < _WITH_SHARE else 0.0

    def draw(self, at_ms: float) -> list[Command]:
        """Return a correction, or most often none."""
        if self._rng.random() >= self._share:
            return []
        gateway = self._rng.randrange(self._layout.gateways)
        return [Command(at_ms=at_ms, command=self._correction(at_ms), gateway=gateway)]

    def _correction(self, at_ms: float) -> CorrectionCommand:
        rng = self._rng
        market, kind = rng.randint(1, self._layout.markets), rng.random()
        if kind < 0.25:
            return RestoreBets(market_no=market, correction_no=rng.randint(1, 9))
        chosen = self._chosen(at_ms)
        if kind < 0.5:
            return VoidBets(market_no=market, bets=chosen)
        count = len(self._layout.odds)
        quotes = tuple(
            CorrectedQuote(outcome=outcome, odds_milli=rng.choice(_ODDS))
            for outcome in sorted(rng.sample(range(count), rng.randint(1, count)))
        )
        return CorrectOdds(market_no=market, quotes=quotes, bets=chosen)

    def _chosen(self, at_ms: float) -> ChosenBets:
        rng = self._rng
        now_ns = BASE_NS + int(at_ms * 1e6)
        account: Any = rng.randint(1, self._layout.accounts) if rng.random() < 0.4 else UNSET
        until_ns = now_ns - int(rng.choice((0, 5, 50)) * 1e6) if rng.random() < 0.3 else None
        late: Any = now_ns - int(rng.choice((0, 5)) * 1e6) if rng.random() < 0.3 else UNSET
        return ChosenBets(
            account_no=account,
            outcomes=(rng.randrange(len(self._layout.odds)),) if rng.random() < 0.3 else (),
            from_ns=now_ns - int(rng.choice((50, 500, 5_000)) * 1e6),
            until_ns=until_ns,
            accepted_before_ns=late,
        )
