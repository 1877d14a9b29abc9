"""The chance of a lead: every order of goals, the reflection principle, the board, simulation."""

from itertools import accumulate
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.early import LEAD_GOALS_MAX
from engine.pricing.football.axes import Scope
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.lead import LeadChances, lead_chances
from engine.pricing.football.model import MEASURED_PROCESS, MatchModel, MatchState, Period, Score
from tests.engine.pricing.football import process_twin
from tests.engine.pricing.football.strategies import models, states
from tests.engine.pricing.football.test_goal_process import CASES, LOWEST, processes

MARGINS = 12
GOALS = 60
BOARD = FixtureBoard(
    ["m/1x2", *(f"m/handicap?hcp={m + 0.5:g}" for m in range(-MARGINS, MARGINS))],
)


def sides(model: MatchModel, state: MatchState, lead: int) -> tuple[LeadChances, LeadChances]:
    chances = lead_chances(model, state, lead=lead)
    assert chances is not None
    return chances


def wins_by(model: MatchModel, state: MatchState, side: int) -> dict[int, float]:
    """Return the board's chance that a side wins by so many goals or more, by their number."""
    fair = BOARD.probabilities(model, state)
    return {
        margin: fair[f"m/handicap?hcp={0.5 - margin if side == 0 else margin - 0.5:g}"][side]
        for margin in range(1 - MARGINS, MARGINS + 1)
    }


def added_leads(own: float, others: float) -> dict[int, float]:
    """Return the chances of what a side adds to its lead, by independent goals of these means."""
    by = dict.fromkeys(range(1 - GOALS, GOALS), 0.0)
    for scored in range(GOALS):
        for conceded in range(GOALS):
            by[scored - conceded] += poisson(own, scored) * poisson(others, conceded)
    return by


def poisson(mean: float, count: int) -> float:
    return exp(-mean) * mean**count / factorial(count)


# --- against the twin ----------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [1, 2, 3])
@pytest.mark.parametrize("case", [*CASES, "dependence alone"])
def test_chances_of_a_lead_equal_the_sum_over_all_orders_of_goals(case: str, lead: int) -> None:
    alone = replace(LOWEST, dependence=-0.3), MatchState(), 4
    model, state, goals_max = CASES.get(case, alone)
    before = len(state.order)
    expected = np.zeros((2, 3))
    for match, chance in process_twin.matches(model, state, goals_max).items():
        steps = [1 if side == "h" else -1 for side in match.order]
        now = sum(steps[:before])
        differences = list(accumulate(steps[before:], initial=now))
        for row, sign in enumerate((1, -1)):
            reached = max(sign * d for d in differences) >= lead
            won = sign * differences[-1] > 0
            expected[row] += np.array((reached, reached and not won, won)) * chance
    assert np.array(sides(model, state, lead)) == pytest.approx(expected, abs=2e-6)


def test_a_simulated_match_reaches_a_lead_as_often() -> None:
    """Minute by minute, with no step chain: each side scores at its rate of the difference."""
    model = MatchModel(home_rate=1.7, away_rate=1.2, **MEASURED_PROCESS)
    draws = np.random.default_rng(7)
    matches, slices = 20_000, 270
    rates = np.array([process_twin.hazards(model, MatchState(), d) for d in range(-2, 3)])
    difference, most = np.zeros(matches, np.int64), np.zeros(matches, np.int64)
    for _ in range(slices):
        now = rates[np.clip(difference, -2, 2) + 2] / slices
        draw = draws.random(matches)
        difference += draw < now[:, 0]
        difference -= (draw >= now[:, 0]) & (draw < now.sum(axis=1))
        most = np.maximum(most, difference)
    home, _ = sides(model, MatchState(), 2)
    reached = most >= 2
    counted = (reached.mean(), (reached & (difference <= 0)).mean(), (difference > 0).mean())
    for chance, seen in zip(home, counted, strict=True):
        assert abs(chance - seen) < 4.5 * (chance * (1.0 - chance) / matches) ** 0.5 + 2e-3


# --- known answers -------------------------------------------------------------------------------


@given(model=models(), state=states(), lead=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_independent_sides_obey_the_reflection_principle(
    model: MatchModel, state: MatchState, lead: int
) -> None:
    """P(reach k, end at k - j) is P(end at k + j) times (away rate / home rate)^j.

    Feller, An Introduction to Probability Theory I, III.1; the ratio is the change of measure of a
    walk with unequal steps.
    """
    model = replace(model, dependence=0.0)
    rates = process_twin.current_rates(model, state)
    left = sum(process_twin.left_of_half(model, state, half)[1] for half in (1, 2))
    home_now, away_now = state.score(Scope.REGULAR)
    for row, chances in enumerate(sides(model, state, lead)):
        to_go = lead - (home_now - away_now) * (1 - 2 * row)
        if to_go <= 0:
            assert chances.reached == 1.0
            continue
        by, ratio = (
            added_leads(rates[row] * left, rates[1 - row] * left),
            rates[1 - row] / rates[row],
        )
        beyond = [ratio**j * by.get(to_go + j, 0.0) for j in range(GOALS)]
        reached = sum(by[d] for d in by if d >= to_go) + sum(beyond[1:])
        assert chances.reached == pytest.approx(reached, abs=1e-8)
        assert chances.reached_not_won == pytest.approx(sum(beyond[lead:]), abs=1e-8)


def test_equal_sides_reach_a_lead_as_often_as_they_end_there_and_beyond() -> None:
    """The known case: P(lead of k) = P(win by k or more) + P(win by more than k)."""
    model = MatchModel(home_rate=1.35, away_rate=1.35)
    by = wins_by(model, MatchState(), 0)
    home, away = sides(model, MatchState(), 2)
    assert home.reached == pytest.approx(by[2] + by[3], abs=1e-10)
    assert home.reached_not_won == pytest.approx(by[4], abs=1e-10)
    assert home == pytest.approx(away, abs=1e-12)


def test_the_weaker_side_ever_leads_by_the_ratio_of_the_rates() -> None:
    """A walk without end reaches k with (p / q)^k: many goals come near it."""
    home, _ = sides(MatchModel(home_rate=1.0, away_rate=8.0), MatchState(), 1)
    assert 1.0 / 8.0 - 2e-3 < home.reached < 1.0 / 8.0


# --- beside the board ----------------------------------------------------------------------------


@given(model=st.one_of(models(), processes()), state=states())
@settings(max_examples=50, deadline=None)
def test_a_lead_agrees_with_the_board_of_the_same_model(
    model: MatchModel, state: MatchState
) -> None:
    boards = [wins_by(model, state, side) for side in range(2)]
    by_lead = {lead: lead_chances(model, state, lead=lead) for lead in range(1, LEAD_GOALS_MAX)}
    for row, by in enumerate(boards):
        before = 1.0
        for lead, both in by_lead.items():
            if both is None:
                assert by[1] == 0.0
                continue
            chances = both[row]
            assert chances.won == pytest.approx(by[1], abs=1e-9)
            assert by[lead] - 1e-9 <= chances.reached <= before + 1e-12
            assert chances.reached_not_won <= 1.0 - chances.won + 1e-9
            assert chances.reached - chances.reached_not_won <= chances.won + 1e-12
            if lead == 1:  # who wins has led by one
                assert chances.reached - chances.reached_not_won == pytest.approx(by[1], abs=1e-9)
            before = chances.reached


def test_a_lead_that_stands_is_reached_and_costs_what_the_side_may_still_lose() -> None:
    model = MatchModel(home_rate=1.5, away_rate=1.3, **MEASURED_PROCESS)
    state = MatchState(period=Period.SECOND_HALF, clock_s=3600, first_half=Score(home=2))
    home, away = sides(model, state, 2)
    assert home.reached == 1.0
    assert home.reached_not_won == pytest.approx(1.0 - home.won, abs=1e-12)
    assert away.reached < 0.01


def test_after_ninety_minutes_nothing_more_is_reached() -> None:
    state = MatchState(period=Period.FULL_TIME, clock_s=5400, first_half=Score(home=1))
    home, away = sides(MatchModel(home_rate=1.5, away_rate=1.3), state, 2)
    assert home == (0.0, 0.0, 1.0)
    assert away == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("lead", [0, LEAD_GOALS_MAX + 1])
def test_a_lead_out_of_bounds_is_refused(lead: int) -> None:
    with pytest.raises(ValueError, match="lead"):
        lead_chances(MatchModel(home_rate=1.5, away_rate=1.3), MatchState(), lead=lead)
