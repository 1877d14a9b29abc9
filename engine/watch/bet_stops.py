"""Find changes of the score that no suspension preceded.

Owns which markets of a fixture take bets, and how many bets came in the last seconds.
"""

from collections import deque
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import BetSeen, Fact, Finding, ScoreSeen, StatusSeen

FIXTURES_MAX: Final = 16_384
"""Fixtures that are watched; past it the one without a bet or change for longest is forgotten."""
BETS_MAX: Final = 4_096
"""Last bets counted of a fixture."""


class NoBetStopRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="no_bet_stop"
):
    """Alert when the score changes while `markets_min` markets of the fixture still take bets.

    The bets accepted in the `bets_s` before it are counted.
    """

    markets_min: Annotated[int, Meta(ge=1, le=10_000)] = 1
    bets_s: Annotated[int, Meta(ge=1, le=600)] = 30


class _Fixture:
    __slots__ = ("active", "bets")

    def __init__(self) -> None:
        self.active: dict[MarketNo, None] = {}
        self.bets: deque[tuple[Nanos, MarketNo]] = deque(maxlen=BETS_MAX)


class NoBetStopDetector:
    """Look at each change of a score whether the fixture's markets were suspended before it.

    Parameters
    ----------
    rule : NoBetStopRule
        How many markets count.
    """

    def __init__(self, rule: NoBetStopRule) -> None:
        self._rule = rule
        self._bets_ns = rule.bets_s * 1_000_000_000
        self._fixtures: Recent[str, _Fixture] = Recent(_Fixture, most=FIXTURES_MAX)

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take a status, a bet or a score; a score may show that markets were open at it."""
        if isinstance(fact, StatusSeen):
            active = self._fixtures.use(fact.fixture).active
            if fact.active:
                active[fact.market_no] = None
            else:
                active.pop(fact.market_no, None)
        elif isinstance(fact, BetSeen):
            if fact.accepted:
                self._fixtures.use(fact.fixture).bets.append((fact.at_ns, fact.market_no))
        elif isinstance(fact, ScoreSeen):
            return self._see_score(fact)
        return ()

    def _see_score(self, score: ScoreSeen) -> Iterable[Finding]:
        fixture = self._fixtures.use(score.fixture)
        if score.stopped:
            return ()
        if len(fixture.active) < self._rule.markets_min:
            return ()
        begin_ns = score.at_ns - self._bets_ns
        bets = sum(
            at_ns >= begin_ns and market_no in fixture.active for at_ns, market_no in fixture.bets
        )
        return (
            Finding(
                subject=f"fixture {score.fixture} score {score.home}-{score.away}",
                fixture=score.fixture,
                figures={"markets_open": len(fixture.active), "bets_before": bets},
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a score shows a missing suspension."""
        return ()
