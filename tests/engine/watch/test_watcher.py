"""Each rule sees what is in its scope, and keeps what it has seen while its kind stays."""

from engine.common.ids import MarketNo
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.facts import Fact, Finding
from engine.watch.odds_apart import OddsApartRule
from engine.watch.rules import Action, Place, Scope, Severity, WatchRule
from engine.watch.watcher import Watcher
from tests.engine.watch.streams import FIXTURE, MARKET, ns, odds, score, source, status

FOOTBALL = Place(FIXTURE, MARKET, "1x2", sport="football", competition="world cup")
APART = OddsApartRule(return_max=1.06, for_s=5)


def see(watcher: Watcher, *facts: Fact) -> list[tuple[str, str]]:
    found: list[tuple[WatchRule, Finding]] = []
    for fact in facts:
        found += watcher.see(fact)
    return [(rule.name, finding.subject) for rule, finding in found]


def stops(name: str, scope: Scope) -> WatchRule:
    return WatchRule(name=name, kind=NoBetStopRule(), scope=scope)


def test_a_rule_sees_what_is_in_its_scope() -> None:
    scopes = {
        "all": Scope(),
        "football": Scope(sport="football", competition="world cup", fixture=FIXTURE),
        "tennis": Scope(sport="tennis"),
        "totals": Scope(market_type="total"),
        "results": Scope(market_type="1x2"),
        "this": Scope(market=MARKET),
        "other": Scope(market=MarketNo(8)),
    }
    watcher = Watcher()
    watcher.set_rules(stops(name, scope) for name, scope in scopes.items())
    watcher.place(FOOTBALL)
    found = see(watcher, status(0.0, active=True), score(1.0, 1, 0))
    assert [name for name, _ in found] == ["all", "football", "results", "this"]


def test_a_rule_that_is_off_sees_nothing() -> None:
    watcher = Watcher()
    watcher.set_rules([WatchRule(name="off", kind=NoBetStopRule(), on=False)])
    assert not see(watcher, status(0.0, active=True), score(1.0, 1, 0))


def test_a_market_that_moves_to_another_sport_changes_who_sees_it() -> None:
    watcher = Watcher()
    watcher.set_rules([stops("tennis", Scope(sport="tennis"))])
    watcher.place(FOOTBALL)
    assert not see(watcher, status(0.0, active=True), score(1.0, 1, 0))
    watcher.place(FOOTBALL._replace(sport="tennis"))
    assert see(watcher, status(2.0, active=True), score(3.0, 2, 0))


def test_a_rule_set_again_keeps_what_it_has_seen_unless_its_kind_changes() -> None:
    rule = WatchRule(name="apart", kind=APART)
    watcher = Watcher()
    watcher.set_rules([rule])
    assert not see(watcher, source(0.0, 0.5, 0.5), odds(1.0, 2_200, 1_800))
    louder = WatchRule(name="apart", kind=APART, severity=Severity.HIGH, action=Action.SUSPEND)
    watcher.set_rules([louder])
    assert [rule for rule, _ in watcher.check(ns(6.0))] == [louder]
    watcher.set_rules([WatchRule(name="apart", kind=OddsApartRule(return_max=1.05, for_s=5))])
    assert not list(watcher.check(ns(60.0)))


def test_a_new_rule_is_shown_what_stands_and_finds_it_in_what_follows() -> None:
    watcher = Watcher()
    rule = WatchRule(name="stops", kind=NoBetStopRule())
    assert watcher.set_rules([rule]) == ["stops"]
    watcher.show(["stops"], [status(0.0, active=True)])
    assert see(watcher, score(1.0, 1, 0)) == [("stops", f"fixture {FIXTURE} score 1-0")]
    assert watcher.set_rules([rule]) == []
