"""Odds far from another source are found when they stay so, and only then."""

from engine.watch.odds_apart import MODEL, OddsApartDetector, OddsApartRule
from tests.engine.watch.streams import ns, odds, see, source, status

RULE = OddsApartRule(return_max=1.06, return_min=0.5, for_s=5)


def test_odds_that_pay_more_than_fair_are_found_after_a_while() -> None:
    detector = OddsApartDetector(RULE)
    assert not see(detector, [source(0.0, 0.5, 0.5), odds(1.0, 2_200, 1_800)])
    assert not list(detector.check(ns(5.9)))
    (found,) = detector.check(ns(6.0))
    assert (found.market_no, found.outcome) == (7, 0)
    assert found.figures == {"odds_milli": 2_200, "probability": 0.5, "return": 1.1}
    assert not list(detector.check(ns(7.0)))


def test_odds_that_come_back_in_time_are_not_found() -> None:
    detector = OddsApartDetector(RULE)
    see(detector, [source(0.0, 0.5, 0.5), odds(1.0, 2_200, 1_800), odds(4.0, 1_900, 1_900)])
    assert not list(detector.check(ns(60.0)))
    see(detector, [odds(61.0, 2_200, 1_800)])
    assert not list(detector.check(ns(62.0)))


def test_odds_far_below_fair_are_found_too() -> None:
    detector = OddsApartDetector(RULE)
    see(detector, [source(0.0, 0.5, 0.5), odds(1.0, 1_900, 900)])
    (found,) = detector.check(ns(6.0))
    assert (found.outcome, found.figures["return"]) == (1, 0.45)


def test_a_suspended_market_may_be_apart() -> None:
    detector = OddsApartDetector(RULE)
    facts = [source(0.0, 0.5, 0.5), odds(1.0, 2_200, 1_800), status(2.0, active=False)]
    assert not see(detector, facts)
    assert not list(detector.check(ns(60.0)))
    assert not see(detector, [status(61.0, active=True)])
    assert list(detector.check(ns(66.0)))


def test_an_unlikely_or_withdrawn_outcome_is_not_compared() -> None:
    detector = OddsApartDetector(RULE)
    withdrawn = odds(1.0, 2_200, 200_000)._replace(active=(False, True))
    see(detector, [source(0.0, 0.99, 0.01), withdrawn])
    assert not list(detector.check(ns(60.0)))


def test_a_rule_may_name_its_source() -> None:
    rule = OddsApartRule(return_max=1.06, for_s=0, source=MODEL)
    detector = OddsApartDetector(rule)
    assert not see(detector, [source(0.0, 0.9, 0.1), odds(1.0, 2_200, 1_800)])
    assert see(detector, [source(2.0, 0.9, 0.1, name=MODEL)])
