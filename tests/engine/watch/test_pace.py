"""An outcome is found when it is bet on at many times its usual pace, and its fixture is not."""

from engine.watch.facts import Fact
from engine.watch.pace import PaceDetector, PaceRule
from tests.engine.watch.streams import bet, see

RULE = PaceRule(window_s=60, times=4.0, bets_min=10, p_max=1e-4, size=4.0)


def steady(outcome: int, *, every_s: float, until_s: float, market: int = 7) -> list[Fact]:
    count = int(until_s / every_s)
    return [bet(n * every_s, 100 + n, outcome=outcome, market=market) for n in range(count)]


def test_a_burst_on_an_outcome_is_found_once() -> None:
    facts = steady(0, every_s=20.0, until_s=1_800.0) + steady(1, every_s=20.0, until_s=1_800.0)
    burst = [bet(1_500.0 + n, n + 1) for n in range(30)]
    found = see(PaceDetector(RULE), facts + burst)
    assert [(finding.market_no, finding.outcome) for finding in found] == [(7, 0)]
    # 3 a minute are usual, and half a minute of the window has passed at the least.
    assert found[0].figures["bets"] >= 10
    assert 1.0 <= found[0].figures["expected_bets"] <= 3.5


def test_a_pace_that_was_always_high_is_not_found() -> None:
    assert not see(PaceDetector(RULE), steady(0, every_s=1.5, until_s=3_600.0))


def test_a_burst_in_the_whole_fixture_is_not_an_outcomes_own() -> None:
    facts: list[Fact] = []
    for market in (7, 8, 9, 10):
        facts += steady(0, every_s=20.0, until_s=1_800.0, market=market)
        facts += [bet(1_500.0 + n, n + 1, market=market) for n in range(30)]
    assert not see(PaceDetector(RULE), facts)


def test_refused_bets_count_too() -> None:
    facts = steady(0, every_s=20.0, until_s=1_800.0)
    burst = [bet(1_500.0 + n, n + 1, accepted=False) for n in range(30)]
    assert len(see(PaceDetector(RULE), facts + burst)) == 1


def test_a_quiet_time_lowers_what_is_usual() -> None:
    busy = steady(0, every_s=2.0, until_s=600.0)
    later = [bet(6_000.0 + 2 * n, n + 1) for n in range(30)]
    assert len(see(PaceDetector(RULE), busy + later)) == 1


def test_an_outcome_that_was_forgotten_begins_anew() -> None:
    detector = PaceDetector(RULE, outcomes_max=1)
    mixed = [bet(n * 1.0, n + 1, market=7 + n % 2) for n in range(200)]
    assert not see(detector, mixed)


def test_a_market_that_has_just_opened_has_no_usual_pace() -> None:
    assert not see(PaceDetector(RULE), [bet(0.5 * n, n + 1) for n in range(60)])
    known = steady(1, every_s=10.0, until_s=600.0)
    assert see(PaceDetector(RULE), known + [bet(500.0 + 0.5 * n, n + 1) for n in range(60)])
