"""A score that changes while markets take bets is found; one after a suspension is not."""

from engine.watch.bet_stops import NoBetStopDetector, NoBetStopRule
from tests.engine.watch.streams import bet, score, see, status

RULE = NoBetStopRule(markets_min=1, bets_s=30)


def test_a_goal_without_a_suspension_is_found_with_the_bets_before_it() -> None:
    facts = [status(0.0, active=True), status(0.0, active=True, market=8)]
    facts += [bet(50.0, 1), bet(75.0, 2), bet(80.0, 3, accepted=False), bet(90.0, 4, market=9)]
    (found,) = see(NoBetStopDetector(RULE), [*facts, score(100.0, 1, 0)])
    assert found.fixture == "wc22-64"
    assert found.figures == {"markets_open": 2, "bets_before": 1}


def test_a_goal_after_a_suspension_is_not_found() -> None:
    facts = [status(0.0, active=True), status(95.0, active=False), score(100.0, 1, 0)]
    assert not see(NoBetStopDetector(RULE), facts)


def test_a_goal_whose_message_suspended_the_markets_first_is_not_found() -> None:
    facts = [status(0.0, active=True), score(100.0, 1, 0, stopped=True)]
    assert not see(NoBetStopDetector(RULE), facts)


def test_another_fixtures_markets_do_not_count() -> None:
    facts = [status(0.0, active=True, fixture="other"), score(100.0, 1, 0)]
    assert not see(NoBetStopDetector(RULE), facts)


def test_a_rule_may_let_some_markets_stay_open() -> None:
    facts = [status(0.0, active=True), score(100.0, 1, 0)]
    assert not see(NoBetStopDetector(NoBetStopRule(markets_min=2)), facts)
