"""Find odds that are far from a second source's or from our model's.

Owns the last odds and the last fair probabilities of each market. A difference must last, because
two sources never move at the same instant.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.ids import MarketNo
from engine.common.units import ODDS_MILLI_ONE, Nanos
from engine.watch.bounded import Recent
from engine.watch.facts import Fact, Finding, OddsSeen, SourceSeen, StatusSeen

MARKETS_MAX: Final = 65_536
"""Markets that are compared; past it the one that changed longest ago is forgotten."""
SOURCES_MAX: Final = 8
"""Sources of one market that are compared; more are not."""
MODEL: Final = "model"
"""The name of our own model among the sources."""


def probabilities_of(odds_milli: Sequence[int]) -> tuple[float, ...]:
    """Return the probabilities of a source's odds: one over each, scaled to the outcomes that win.

    As many win as one over all odds sums to, rounded: 1 for 1x2, 2 for double chance. An outcome
    without odds (0) has no probability.
    """
    shares = [ODDS_MILLI_ONE / odds if odds else 0.0 for odds in odds_milli]
    total = sum(shares)
    winners = max(round(total), 1)
    return tuple(share * winners / total if total else 0.0 for share in shares)


class OddsApartRule(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="odds_apart"
):
    """Alert when a bettor's return at our odds, by a source's probabilities, is out of bounds.

    The return is odds times probability: 0.95 is a margin of 5% on this outcome; above 1 the
    bettor profits. Too low a return loses bets and no money: by default it is not looked at. The
    return must be out of `return_min` to `return_max` for `for_s` while the market takes bets.
    Outcomes less likely than `probability_min` are not compared. `source` names the only source to
    compare with; empty: all, `MODEL` for our model.
    """

    return_max: Annotated[float, Meta(ge=0.5, le=10.0)] = 1.06
    return_min: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    for_s: Annotated[int, Meta(ge=0, le=3_600)] = 5
    probability_min: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.02
    source: Annotated[str, Meta(max_length=64)] = ""


class _Market:
    __slots__ = ("active", "apart", "fixture", "odds", "sources")

    def __init__(self) -> None:
        self.fixture = ""
        self.active = True
        self.odds: OddsSeen | None = None
        self.sources: dict[str, tuple[float, ...]] = {}
        self.apart: dict[tuple[str, int], Nanos] = {}
        """When each outcome was first apart from a source; -1 once that was found."""


class OddsApartDetector:
    """Compare each market's odds with the fair probabilities of other sources.

    Parameters
    ----------
    rule : OddsApartRule
        What counts as apart.
    """

    def __init__(self, rule: OddsApartRule) -> None:
        self._rule = rule
        self._for_ns = rule.for_s * 1_000_000_000
        self._markets: Recent[MarketNo, _Market] = Recent(_Market, most=MARKETS_MAX)
        self._waiting: dict[MarketNo, None] = {}

    def see(self, fact: Fact) -> Iterable[Finding]:
        """Take odds, a source's probabilities or a status, and compare the market."""
        if not isinstance(fact, OddsSeen | SourceSeen | StatusSeen):
            return ()
        market = self._markets.use(fact.market_no)
        market.fixture = fact.fixture
        if isinstance(fact, OddsSeen):
            market.odds = fact
        elif isinstance(fact, StatusSeen):
            market.active = fact.active
        else:
            if self._rule.source not in ("", fact.source):
                return ()
            if not fact.probabilities:
                market.sources.pop(fact.source, None)
            elif fact.source in market.sources or len(market.sources) < SOURCES_MAX:
                market.sources[fact.source] = fact.probabilities
        return self._compare(fact.market_no, market, fact.at_ns)

    def check(self, at_ns: Nanos) -> Iterable[Finding]:
        """Return what has been apart for long enough without a further change."""
        findings: list[Finding] = []
        for market_no in list(self._waiting):
            market = self._markets.items.get(market_no)
            if market is None:
                del self._waiting[market_no]
            else:
                findings += self._compare(market_no, market, at_ns)
        return findings

    def _compare(self, market_no: MarketNo, market: _Market, at_ns: Nanos) -> list[Finding]:
        apart: dict[tuple[str, int], Nanos] = {}
        findings = []
        for source, outcome, value in self._apart(market) if market.active else ():
            since_ns = market.apart.get((source, outcome), at_ns)
            if 0 <= since_ns <= at_ns - self._for_ns:
                findings.append(self._finding(market_no, market, source, outcome, value))
                since_ns = Nanos(-1)
            apart[source, outcome] = since_ns
        market.apart = apart
        if any(since_ns >= 0 for since_ns in apart.values()):
            self._waiting[market_no] = None
        else:
            self._waiting.pop(market_no, None)
        return findings

    def _apart(self, market: _Market) -> Iterable[tuple[str, int, float]]:
        """Yield source, outcome and return of each comparison that is out of bounds."""
        odds = market.odds
        if odds is None:
            return
        for source, probabilities in market.sources.items():
            for outcome, probability in enumerate(probabilities[: len(odds.odds_milli)]):
                if probability < self._rule.probability_min or not odds.active[outcome]:
                    continue
                value = odds.odds_milli[outcome] * probability / ODDS_MILLI_ONE
                if not self._rule.return_min <= value <= self._rule.return_max:
                    yield source, outcome, value

    def _finding(
        self, market_no: MarketNo, market: _Market, source: str, outcome: int, value: float
    ) -> Finding:
        assert market.odds is not None
        return Finding(
            subject=f"market {market_no} outcome {outcome} {source}",
            fixture=market.fixture,
            market_no=market_no,
            outcome=outcome,
            figures={
                "odds_milli": market.odds.odds_milli[outcome],
                "probability": market.sources[source][outcome],
                "return": value,
            },
        )
