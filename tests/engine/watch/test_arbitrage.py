"""A fixture that allows a profit at every score is found once, until it allows none."""

from engine.common.arbitrage_plans import ArbitragePlan, ArbitrageStake
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from engine.watch.arbitrage import STAKES_SHOWN_MAX, ArbitrageDetector, ArbitrageRule
from engine.watch.facts import ArbitrageSeen
from tests.engine.watch.streams import FIXTURE, ns


def seen(at_s: float, return_micro: int, *shares: int) -> ArbitrageSeen:
    stakes = tuple(
        ArbitrageStake(
            market=MarketNo(7),
            key="",
            outcome=at,
            name="",
            odds_milli=OddsMilli(2_000),
            stake_micro=share,
        )
        for at, share in enumerate(shares)
    )
    return ArbitrageSeen(ns(at_s), FIXTURE, ArbitragePlan(return_micro=return_micro, stakes=stakes))


def test_an_arbitrage_is_found_once_and_again_after_there_was_none() -> None:
    detector = ArbitrageDetector(ArbitrageRule(return_min=1.01))
    assert not list(detector.see(seen(0.0, 1_010_000, 1_000_000)))
    (found,) = detector.see(seen(1.0, 1_010_001, 400_000, 600_000))
    assert (found.subject, found.fixture) == (f"fixture {FIXTURE}", FIXTURE)
    assert found.figures == {
        "return": 1.010001,
        "stakes": 2,
        "market 7 outcome 1 stake": 0.6,
        "market 7 outcome 0 stake": 0.4,
    }
    assert not list(detector.see(seen(2.0, 1_050_000, 1_000_000)))
    assert not list(detector.see(ArbitrageSeen(ns(3.0), FIXTURE, None)))
    assert list(detector.see(seen(4.0, 1_050_000, *[50_000] * 20)))


def test_a_finding_names_the_largest_stakes_alone() -> None:
    detector = ArbitrageDetector(ArbitrageRule())
    (found,) = detector.see(seen(0.0, 1_050_000, *range(1, 21)))
    assert len(found.figures) == 2 + STAKES_SHOWN_MAX
    assert "market 7 outcome 19 stake" in found.figures
