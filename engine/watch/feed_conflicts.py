"""Find markets of which two feeds state different results.

Owns which markets are known to be in conflict. Which result stands is a person's decision.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from engine.common.ids import MarketNo
from engine.common.stated_results import StatedResult, differing
from engine.common.units import Nanos
from engine.watch.facts import Fact, Finding, ResultsSeen

MARKETS_MAX: Final = 16_384
"""Markets in conflict that are remembered; past it one of them may be found again."""
OUTCOMES_SHOWN_MAX: Final = 4
"""Outcomes in conflict of which a finding has what each feed states."""


class FeedConflictRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="feed_conflict"
):
    """Alert when two feeds state different results of a market's outcome."""


class FeedConflictDetector:
    """Compare what feeds state of each market.

    Parameters
    ----------
    rule : FeedConflictRule
        It has no parameters.
    """

    def __init__(self, rule: FeedConflictRule) -> None:
        self._rule = rule
        self._found: dict[MarketNo, None] = {}

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take what feeds state; return a finding when they begin to differ."""
        if not isinstance(fact, ResultsSeen):
            return ()
        outcomes = differing(fact.statements)
        if not outcomes:
            self._found.pop(fact.market_no, None)
            return ()
        if fact.market_no in self._found:
            return ()
        if len(self._found) == MARKETS_MAX:
            del self._found[next(iter(self._found))]
        self._found[fact.market_no] = None
        return (
            Finding(
                subject=f"market {fact.market_no}",
                fixture=fact.fixture,
                market_no=fact.market_no,
                outcome=outcomes[0],
                figures={
                    "outcomes": len(outcomes),
                    **_figures(fact.statements, outcomes[:OUTCOMES_SHOWN_MAX]),
                },
            ),
        )

    def check(self, at_ns: Nanos) -> Iterable[Finding]:  # noqa: ARG002
        """Return nothing: only what feeds state shows a conflict."""
        return ()


def _figures(statements: Iterable[StatedResult], outcomes: list[int]) -> dict[str, float]:
    """Return what each feed states of some outcomes: 1 won, 0 lost, and the share refunded."""
    figures: dict[str, float] = {}
    for one in statements:
        if one.cancelled:
            figures[f"{one.feed}: cancelled"] = 1.0
        for each in one.results:
            if each.outcome in outcomes:
                name, result = f"{one.feed}: outcome {each.outcome}", each.result
                figures[f"{name} won"] = result.won * result.dead_heat_num / result.dead_heat_den
                if result.void_halves:
                    figures[f"{name} refunded"] = result.void_halves / 2
    return figures
