"""A figure beyond its bound is found once for each crossing."""

from engine.common.ids import MarketNo
from engine.common.units import Minor
from engine.watch.bounds import FeedLagDetector, FeedLagRule, LiabilityDetector, LiabilityRule
from engine.watch.facts import BookSeen, FeedKnown, FeedSeen
from tests.engine.watch.streams import FIXTURE, ns


def book(at_s: float, *liability_minor: int) -> BookSeen:
    return BookSeen(ns(at_s), FIXTURE, MarketNo(7), tuple(Minor(each) for each in liability_minor))


def test_a_liability_over_its_bound_is_found_at_each_crossing() -> None:
    detector = LiabilityDetector(LiabilityRule(liability_minor_max=1_000))
    assert not list(detector.see(book(0.0, -500, 1_000)))
    (found,) = detector.see(book(1.0, -500, 1_001))
    assert (found.outcome, found.figures["liability_minor"]) == (1, 1_001)
    assert not list(detector.see(book(2.0, -500, 5_000)))
    assert not list(detector.see(book(3.0, -500, 900)))
    assert list(detector.see(book(4.0, 2_000, 0)))


def test_a_feed_that_is_late_is_found_until_it_is_in_time_again() -> None:
    detector = FeedLagDetector(FeedLagRule(lag_ms_max=5_000, silent_s_max=20))
    lags = [100, 5_000, 5_001, 9_000, 10, 6_000]
    found = [list(detector.see(FeedSeen(ns(n), "uof", lag))) for n, lag in enumerate(lags)]
    assert [bool(each) for each in found] == [False, False, True, False, False, True]


def test_a_feed_that_falls_silent_is_found_until_it_speaks() -> None:
    detector = FeedLagDetector(FeedLagRule(lag_ms_max=5_000, silent_s_max=20))
    assert not list(detector.check(ns(0.0)))
    detector.see(FeedSeen(ns(0.0), "uof", 10))
    assert not list(detector.check(ns(20.0)))
    (found,) = detector.check(ns(20.1))
    assert found.subject == "feed uof"
    assert not list(detector.check(ns(30.0)))
    detector.see(FeedSeen(ns(31.0), "uof", 10))
    assert not list(detector.check(ns(32.0)))
    assert list(detector.check(ns(52.0)))


def test_a_feed_that_is_known_and_was_never_heard_is_silent() -> None:
    detector = FeedLagDetector(FeedLagRule(lag_ms_max=5_000, silent_s_max=20))
    for at_s in (100.0, 110.0):
        detector.see(FeedKnown(ns(at_s), "uof"))
    assert not list(detector.check(ns(120.0)))
    assert [found.figures for found in detector.check(ns(121.0))] == [{"silent_ms": 21_000}]
    detector.see(FeedKnown(ns(122.0), "uof"))
    assert not list(detector.check(ns(150.0)))
