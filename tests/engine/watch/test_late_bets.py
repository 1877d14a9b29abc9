"""An account is found when it is late before more goals than its bets explain."""

from engine.watch.facts import Fact
from engine.watch.late_bets import LateBetsDetector, LateBetsRule
from tests.engine.watch.streams import bet, kick_off, score, see, status

RULE = LateBetsRule(window_s=8, goal_within_s=120, goals_min=3, p_max=0.01)
GOALS = (600.0, 1_500.0, 2_400.0, 3_300.0)


def match(*, goals: tuple[float, ...] = GOALS, scored: bool = True) -> list[Fact]:
    """A kick-off, a crowd's bets, and for each goal a suspension, a score and a resumption."""
    facts: list[Fact] = [kick_off(0.0)]
    facts += [bet(2.0 * n + 1.0, 100 + n % 97) for n in range(2_000)]
    for n, at_s in enumerate(goals):
        facts += [status(at_s, active=False), status(at_s + 60.0, active=True)]
        if scored:
            facts.append(score(at_s + 10.0, n + 1, 0))
    return facts


def late(account: int, *, before_s: float = 3.0) -> list[Fact]:
    return [bet(at_s - before_s, account) for at_s in GOALS]


def test_an_account_that_bets_just_before_every_goal_is_found() -> None:
    found = see(LateBetsDetector(RULE), match() + late(5))
    assert {finding.accounts for finding in found} == {(5,)}
    assert found[-1].figures["late_goals"] == 4
    assert found[-1].figures["bets_in_play"] == 4


def test_the_same_bets_among_many_others_are_chance() -> None:
    often = [bet(1.7 * n, 5) for n in range(2_000)]
    assert not see(LateBetsDetector(RULE), match() + late(5) + often)


def test_bets_before_the_window_are_not_late() -> None:
    assert not see(LateBetsDetector(RULE), match() + late(5, before_s=20.0))


def test_bets_before_a_suspension_without_a_goal_are_not_late() -> None:
    assert not see(LateBetsDetector(RULE), match(scored=False) + late(5))


def test_a_suspension_that_ended_before_the_goal_does_not_count() -> None:
    facts = match(scored=False) + late(5)
    facts += [score(at_s + 70.0, 1, n) for n, at_s in enumerate(GOALS)]
    assert not see(LateBetsDetector(RULE), facts)


def test_several_late_bets_at_one_goal_count_once() -> None:
    many: list[Fact] = [bet(GOALS[0] - 3.0 + 0.1 * n, 5) for n in range(20)]
    assert not see(LateBetsDetector(RULE), match() + many)


def test_refused_bets_and_bets_before_kick_off_are_not_late() -> None:
    refused = [bet(at_s - 3.0, 5, accepted=False) for at_s in GOALS]
    assert not see(LateBetsDetector(RULE), match() + refused)
    early = [fact for fact in match() if fact != kick_off(0.0)]
    assert not see(LateBetsDetector(RULE), early + late(5))


def test_bets_on_a_market_that_was_not_suspended_are_not_late() -> None:
    elsewhere = [bet(at_s - 3.0, 5, market=8) for at_s in GOALS]
    assert not see(LateBetsDetector(RULE), match() + elsewhere)


def test_bets_before_a_goal_whose_message_suspended_the_markets_first_are_late() -> None:
    """Its suspension is seen nowhere else: one record publishes one state."""
    facts = [*match(goals=()), *late(5)]
    facts += [score(at_s, n + 1, 0, stopped=True) for n, at_s in enumerate(GOALS)]
    found = see(LateBetsDetector(RULE), facts)
    assert {finding.accounts for finding in found} == {(5,)}
    assert found[-1].figures["late_goals"] == 4
