"""Find fixtures whose odds let a bettor profit at every score.

Owns which fixtures are known to allow it. Never searches: whoever hosts the rules does, and tells
what a search has found.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.arbitrage_plans import ArbitragePlan
from engine.common.units import Nanos
from engine.watch.facts import ArbitrageSeen, Fact, Finding

FIXTURES_MAX: Final = 16_384
"""Fixtures with an arbitrage that are remembered; past it one of them may be found again."""
STAKES_SHOWN_MAX: Final = 8
"""Stakes of a plan that a finding names, the largest first."""
_MICRO: Final = 1_000_000


class ArbitrageRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="arbitrage"):
    """Alert when stakes on a football fixture return over `return_min` of their sum at any score.

    The fixture's markets that a score settles are searched together, whatever market or type the
    scope names, a moment after any of their odds or states have changed.
    """

    return_min: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.0


class ArbitrageDetector:
    """Compare what searches find with a bound.

    Parameters
    ----------
    rule : ArbitrageRule
        The bound.
    """

    def __init__(self, rule: ArbitrageRule) -> None:
        self._rule = rule
        self._found: dict[str, None] = {}

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take what a search found; return a finding when it is the first over the bound."""
        if not isinstance(fact, ArbitrageSeen):
            return ()
        plan = fact.plan
        if plan is None or plan.return_micro <= self._rule.return_min * _MICRO:
            self._found.pop(fact.fixture, None)
            return ()
        if fact.fixture in self._found:
            return ()
        if len(self._found) == FIXTURES_MAX:
            del self._found[next(iter(self._found))]
        self._found[fact.fixture] = None
        return (
            Finding(
                subject=f"fixture {fact.fixture}",
                fixture=fact.fixture,
                figures=_figures(plan),
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only a search shows an arbitrage."""
        return ()


def _figures(plan: ArbitragePlan) -> dict[str, float]:
    """Return what stakes return, and the largest of them as shares of their sum."""
    largest = sorted(plan.stakes, key=lambda stake: -stake.stake_micro)[:STAKES_SHOWN_MAX]
    shares = {
        f"market {stake.market} outcome {stake.outcome} stake": stake.stake_micro / _MICRO
        for stake in largest
    }
    return {"return": plan.return_micro / _MICRO, "stakes": len(plan.stakes), **shares}
