"""Find markets of which two feeds state different results, and matches of which sources differ.

Owns which markets and fixtures are known to be in conflict. What is right is a person's decision.
"""

from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import MarketNo
from engine.common.stated_matches import StatedMatch, match_differs
from engine.common.stated_results import StatedResult, differing
from engine.common.units import NS_PER_MS, Nanos
from engine.watch.facts import Fact, Finding, MatchSeen, ResultsSeen

MARKETS_MAX: Final = 16_384
"""Markets in conflict that are remembered; past it one of them may be found again."""
FIXTURES_MAX: Final = 16_384
"""Matches in conflict that are remembered; past it the first of them is forgotten."""
OUTCOMES_SHOWN_MAX: Final = 4
"""Outcomes in conflict of which a finding has what each feed states."""


class FeedConflictRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="feed_conflict"
):
    """Alert when two feeds state different results of a market's outcome.

    So it does when they state different scores or states of a match, or another score than the
    match is priced by, for longer than `differ_s_max`: a goal comes to one of them first.
    """

    differ_s_max: Annotated[int, Meta(ge=0, le=3_600)] = 60


class _Differing:
    __slots__ = ("found", "since_ns", "statements")

    def __init__(self, since_ns: Nanos) -> None:
        self.since_ns = since_ns
        self.statements: tuple[StatedMatch, ...] = ()
        self.found = False


class FeedConflictDetector:
    """Compare what feeds state of each market and match.

    Parameters
    ----------
    rule : FeedConflictRule
        How long the sources of a match may differ.
    """

    def __init__(self, rule: FeedConflictRule) -> None:
        self._rule = rule
        self._found: dict[MarketNo, None] = {}
        self._matches: dict[str, _Differing] = {}

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take what feeds state; return a finding when results begin to differ."""
        if isinstance(fact, MatchSeen):
            self._see_match(fact)
            return ()
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

    def _see_match(self, fact: MatchSeen) -> None:
        if not match_differs(fact.statements):
            self._matches.pop(fact.fixture, None)
            return
        known = self._matches.get(fact.fixture)
        if known is None:
            if len(self._matches) == FIXTURES_MAX:
                del self._matches[next(iter(self._matches))]
            known = self._matches[fact.fixture] = _Differing(fact.at_ns)
        known.statements = fact.statements

    def check(self, at_ns: Nanos) -> Iterable[Finding]:
        """Return the matches of which sources have differed for too long."""
        findings = []
        for fixture, known in self._matches.items():
            differ_ms = (at_ns - known.since_ns) // NS_PER_MS
            if not known.found and differ_ms > self._rule.differ_s_max * 1_000:
                known.found = True
                figures = {"differ_ms": differ_ms, **_match_figures(known.statements)}
                findings.append(
                    Finding(subject=f"fixture {fixture}", fixture=fixture, figures=figures)
                )
        return findings


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


def _match_figures(statements: Iterable[StatedMatch]) -> dict[str, float]:
    """Return what each source states of a match: its score, and 1 for its state."""
    figures: dict[str, float] = {}
    for one in statements:
        if one.score is not None:
            figures[f"{one.source}: home"], figures[f"{one.source}: away"] = one.score
        if one.state is not None:
            figures[f"{one.source}: {one.state}"] = 1.0
    return figures
