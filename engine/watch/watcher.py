"""All detectors of the rules that are on, over one stream of facts.

Owns which rule sees which fact. A rule that is set again with the same kind keeps what its detector
has seen; with another kind it begins anew. What detectors have seen is in memory only: after a
restart they begin with nothing, while rules and alerts (engine.watch.alerts) are on disk.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from engine.common.ids import MarketNo
from engine.common.units import Nanos
from engine.watch.facts import (
    ArbitrageSeen,
    Detector,
    Fact,
    FeedKnown,
    FeedSeen,
    Finding,
    KickOffSeen,
    MatchSeen,
    ScoreSeen,
)
from engine.watch.kinds import new_detector
from engine.watch.rules import Place, Scope, WatchRule


class _Watched(NamedTuple):
    rule: WatchRule
    detector: Detector
    fits: dict[MarketNo | str, bool]
    """Whether the scope fits a market or a fixture, as far as that was asked."""


class Watcher:
    """Run the detectors of all rules that are on."""

    def __init__(self) -> None:
        self._watched: Final[dict[str, _Watched]] = {}
        self._places: Final[dict[MarketNo | str, Place]] = {}

    def __bool__(self) -> bool:
        return bool(self._watched)

    def scopes(self, kind: type) -> list[Scope]:
        """Return the scope of each rule of a kind that is on."""
        rules = (watched.rule for watched in self._watched.values())
        return [rule.scope for rule in rules if isinstance(rule.kind, kind)]

    def set_rules(self, rules: Iterable[WatchRule]) -> list[str]:
        """Watch by these rules and no others; return the names of those that have seen nothing."""
        kept = dict(self._watched)
        fresh = []
        self._watched.clear()
        for rule in rules:
            if not rule.on:
                continue
            old = kept.get(rule.name)
            same = old is not None and old.rule.kind == rule.kind and old.rule.scope == rule.scope
            if old is None or not same:
                fresh.append(rule.name)
            detector = old.detector if old is not None and same else new_detector(rule.kind)
            self._watched[rule.name] = _Watched(rule, detector, {})
        return fresh

    def place(self, place: Place) -> None:
        """Learn, or learn anew, where a market belongs."""
        self._places[place.market_no] = place
        self._places[place.fixture] = place._replace(market_no=MarketNo(0), market_type="")
        for watched in self._watched.values():
            watched.fits.pop(place.market_no, None)
            watched.fits.pop(place.fixture, None)

    def see(self, fact: Fact) -> Iterator[tuple[WatchRule, Finding]]:
        """Give a fact to every rule whose scope it is in; yield what they find."""
        for watched in self._watched.values():
            if _in_scope(watched, self._places, fact):
                for finding in watched.detector.see(fact):
                    yield watched.rule, finding

    def show(self, names: Iterable[str], facts: Iterable[Fact]) -> None:
        """Give rules that have seen nothing what stands already; what that shows is not found."""
        watched = [self._watched[name] for name in names]
        for fact in facts:
            for each in watched:
                if _in_scope(each, self._places, fact):
                    for _ in each.detector.see(fact):
                        pass

    def check(self, at_ns: Nanos) -> Iterator[tuple[WatchRule, Finding]]:
        """Yield what time alone shows; call it about once a second."""
        for watched in self._watched.values():
            for finding in watched.detector.check(at_ns):
                yield watched.rule, finding


def _in_scope(watched: _Watched, places: dict[MarketNo | str, Place], fact: Fact) -> bool:
    """Say whether a rule's scope fits a fact. A market that is not known yet fits what it may."""
    if isinstance(fact, FeedSeen | FeedKnown):
        return True
    key: MarketNo | str
    if isinstance(fact, ScoreSeen | KickOffSeen | ArbitrageSeen | MatchSeen):
        key, market_no = fact.fixture, MarketNo(0)
    else:
        key = market_no = fact.market_no
    fits = watched.fits.get(key)
    if fits is None:
        place = places.get(key)
        if place is None:
            return watched.rule.scope.fits(Place(fact.fixture, market_no))
        fits = watched.fits[key] = watched.rule.scope.fits(place)
    return fits
