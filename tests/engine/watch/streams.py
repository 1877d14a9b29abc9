"""Short streams of facts for tests of detectors: one market of one fixture, times in seconds."""

from collections.abc import Iterable

from engine.common.ids import AccountNo, MarketNo
from engine.common.units import Minor, Nanos, OddsMilli
from engine.watch.facts import (
    BetSeen,
    Detector,
    Fact,
    Finding,
    KickOffSeen,
    OddsSeen,
    ScoreSeen,
    SourceSeen,
    StatusSeen,
)

FIXTURE = "wc22-64"
MARKET = MarketNo(7)
START_S = 1_700_000_000


def ns(at_s: float) -> Nanos:
    return Nanos(START_S * 1_000_000_000 + round(at_s * 1e9))


def bet(
    at_s: float,
    account: int,
    *,
    outcome: int = 0,
    stake: int = 1_000,
    odds: int = 2_000,
    accepted: bool = True,
    market: int = MARKET,
    fixture: str = FIXTURE,
) -> BetSeen:
    return BetSeen(
        ns(at_s),
        fixture,
        MarketNo(market),
        outcome,
        AccountNo(account),
        Minor(stake),
        OddsMilli(odds),
        accepted,
    )


def odds(at_s: float, *odds_milli: int, market: int = MARKET, fixture: str = FIXTURE) -> OddsSeen:
    return OddsSeen(
        ns(at_s),
        fixture,
        MarketNo(market),
        tuple(OddsMilli(each) for each in odds_milli),
        (True,) * len(odds_milli),
    )


def source(at_s: float, *probabilities: float, name: str = "second") -> SourceSeen:
    return SourceSeen(ns(at_s), FIXTURE, MARKET, name, probabilities)


def status(
    at_s: float, *, active: bool, market: int = MARKET, fixture: str = FIXTURE
) -> StatusSeen:
    return StatusSeen(ns(at_s), fixture, MarketNo(market), active)


def score(
    at_s: float, home: int, away: int, *, fixture: str = FIXTURE, stopped: bool = False
) -> ScoreSeen:
    return ScoreSeen(ns(at_s), fixture, home, away, stopped=stopped)


def kick_off(at_s: float, *, fixture: str = FIXTURE) -> KickOffSeen:
    return KickOffSeen(ns(at_s), fixture)


def see(detector: Detector, facts: Iterable[Fact]) -> list[Finding]:
    """Give facts to a detector in order of time; return all that they show."""
    found: list[Finding] = []
    for fact in sorted(facts, key=lambda fact: fact.at_ns):
        found += detector.see(fact)
    return found
