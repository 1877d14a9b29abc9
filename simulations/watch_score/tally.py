"""Run detectors over scenes, and count what they found of what was planted.

Owns what counts as found. Something planted is found when a finding names it, at its time; a
finding that names nothing planted is false. Where it names what is planted for another detector, it
is counted apart: twelve identical bets are a burst as well.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from engine.common.units import Nanos
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.closing_value import ClosingValueRule
from engine.watch.facts import Finding
from engine.watch.identical import IdenticalRule
from engine.watch.kinds import Kind, new_detector
from engine.watch.late_bets import LateBetsRule
from engine.watch.odds_apart import OddsApartRule
from engine.watch.pace import PaceRule
from engine.watch.syndicates import SyndicateRule
from simulations.watch_score.planted import Plant
from simulations.watch_score.scene import Scene

CHECK_S: Final = 5
"""Seconds between two checks of a detector."""

SCORED: Final[dict[str, Kind]] = {
    "pace": PaceRule(),
    "identical": IdenticalRule(),
    "syndicate": SyndicateRule(),
    "late_bets": LateBetsRule(),
    "closing_value": ClosingValueRule(),
    "odds_apart": OddsApartRule(),
    "no_bet_stop": NoBetStopRule(),
}
"""The rules that are scored, at their defaults, by the tag of what is planted for them. A bound on
a figure (`engine.watch.bounds`) is exact: there is nothing to score."""
CHOICES: Final[dict[str, tuple[Kind, ...]]] = {
    "pace": tuple(
        PaceRule(bets_min=least, p_max=p_max) for least in (12, 18) for p_max in (1e-6, 1e-8, 1e-10)
    ),
    "identical": tuple(
        IdenticalRule(accounts_min=accounts, p_max=p_max)
        for accounts in (4, 5)
        for p_max in (1e-5, 1e-7)
    ),
    "syndicate": tuple(
        SyndicateRule(together_s=together_s, apart_times=times)
        for together_s in (8, 12, 20)
        for times in (8, 16)
    ),
    "late_bets": tuple(
        LateBetsRule(window_s=window_s, p_max=p_max)
        for window_s in (5, 8, 12)
        for p_max in (0.01, 0.1)
    ),
    "closing_value": tuple(
        ClosingValueRule(false_share=share, fixtures_min=fixtures)
        for share in (0.01, 0.05, 0.1)
        for fixtures in (6, 8)
    ),
    "odds_apart": tuple(
        OddsApartRule(return_max=most, return_min=least)
        for most in (1.03, 1.06, 1.1)
        for least in (0.0, 0.7)
    ),
}
"""Rules that are compared to choose the defaults."""
_BY_ACCOUNT: Final = ("syndicate", "late_bets", "closing_value")
"""Detectors that name accounts: each account is planted and found by itself."""


class Tally(NamedTuple):
    """What one detector found: things planted, planted and found, and found but not planted.

    Of the last, `other` name something that is planted for another detector; `false` name nothing.
    """

    planted: int = 0
    found: int = 0
    other: int = 0
    false: int = 0

    def __add__(self, more: object) -> "Tally":
        """Add another's counts."""
        assert isinstance(more, Tally)
        return Tally(*(mine + its for mine, its in zip(self, more, strict=True)))

    @property
    def precision(self) -> float:
        """Share of what was found that was planted for any detector; 1 where nothing was found."""
        named = self.found + self.other
        return named / (named + self.false) if named + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of what was planted that was found; 1 where nothing was planted."""
        return self.found / self.planted if self.planted else 1.0


def findings(scene: Scene, kind: Kind) -> list[tuple[Nanos, Finding]]:
    """Run a kind's detector over a scene; return its findings with their times."""
    detector = new_detector(kind)
    found: list[tuple[Nanos, Finding]] = []
    every_ns = CHECK_S * 1_000_000_000
    for turn, facts in groupby(scene.facts, key=lambda fact: fact.at_ns // every_ns):
        for fact in facts:
            found += [(fact.at_ns, finding) for finding in detector.see(fact)]
        at_ns = Nanos((turn + 1) * every_ns)
        found += [(at_ns, finding) for finding in detector.check(at_ns)]
    return found


def tally(name: str, scene: Scene, found: Sequence[tuple[Nanos, Finding]]) -> Tally:
    """Compare a detector's findings with what is planted for it."""
    mine = [plant for plant in scene.plants if plant.detector == name]
    others = [plant for plant in scene.plants if plant.detector != name]
    if name in _BY_ACCOUNT:
        named = dict.fromkeys(account for _, finding in found for account in finding.accounts)
        planted = {plant.subject[0] for plant in mine}
        hits = sum(account in planted for account in named)
        other = {plant.subject[0] for plant in others if plant.detector in _BY_ACCOUNT} - planted
        beside = sum(account in other for account in named)
        return Tally(len(planted), hits, beside, len(named) - hits - beside)
    hit: dict[int, None] = {}
    beside = false = 0
    for at_ns, finding in found:
        numbers = list(_planted(mine, at_ns, finding))
        hit.update(dict.fromkeys(numbers))
        if not numbers:
            elsewhere = any(True for _ in _planted(others, at_ns, finding))
            beside += elsewhere
            false += not elsewhere
    return Tally(len(mine), len(hit), beside, false)


def _planted(plants: Sequence[Plant], at_ns: Nanos, finding: Finding) -> Iterable[int]:
    """Yield which planted incidents a finding names."""
    score = finding.subject.rpartition(" ")[2]
    subjects = ((finding.market_no, finding.outcome), (finding.fixture, score))
    for number, plant in enumerate(plants):
        if plant.subject in subjects and plant.begin_ns <= at_ns <= plant.end_ns:
            yield number
