"""Joint axes: both halves against the joint grid, combinations against their parts, simulation."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings

from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import MARKET_TYPES
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.pricing.football import model_twin
from tests.engine.pricing.football.settlement_twin import (
    BOTH_HALVES,
    Match,
    settle_key,
)
from tests.engine.pricing.football.strategies import models, states

Bools = np.ndarray
GOALS = 22
HALVES_BOARD = FixtureBoard(
    [
        f"m/{name}" + ("?total=1.5" if row.required else "")
        for name, row in MARKET_TYPES.items()
        if name in BOTH_HALVES
    ]
)


def goal_masses(rate: float, start: int) -> np.ndarray:
    """Return P(start + Poisson(rate) = k) for k below GOALS."""
    return np.array(
        [model_twin.poisson(rate, k - start) if k >= start else 0.0 for k in range(GOALS)]
    )


def grid_of_halves(model: MatchModel, state: MatchState) -> np.ndarray:
    """Return the joint distribution of first-half home and away goals, then the second half's."""
    first, second, _ = model_twin.remaining_goals(model, state)
    home, away = model_twin.current_rates(model, state)
    h1 = goal_masses(home * first, state.first_half.home)
    a1 = goal_masses(away * first, state.first_half.away)
    h2 = goal_masses(home * second, state.second_half.home)
    a2 = goal_masses(away * second, state.second_half.away)
    grid = np.einsum("i,j,k,l->ijkl", h1, a1, h2, a2)
    for i, j, k, m in product(range(2), repeat=4):
        grid[i, j, k, m] *= model_twin.dixon_coles(model, i + k, j + m)
    return grid / grid.sum()


FEW = [(home, away) for home in range(4) for away in range(4 - home)]
ALL = "hh hd ha dh dd da ah ad aa"


def few_scores(h1: Bools, a1: Bools, home: Bools, away: Bools) -> list[Bools]:
    """Return the cells of each score at half-time with each final one: up to three goals, more."""
    cells = []
    for half in FEW:
        reached = [(h, a) for h, a in FEW if h >= half[0] and a >= half[1]]
        finals = [*((home == h) & (away == a) for h, a in reached), home + away > 3]
        cells += [(h1 == half[0]) & (a1 == half[1]) & final for final in finals]
    return [*cells, h1 + a1 > 3]


def plain_meanings() -> dict[str, list[Bools]]:
    """Return for each outcome the cells of the grid in which it wins."""
    h1, a1, h2, a2 = np.indices((GOALS,) * 4)

    def compare(one: np.ndarray, other: np.ndarray) -> list[Bools]:
        return [one > other, one == other, one < other]

    def yes_no(yes: Bools) -> list[Bools]:
        return [yes, ~yes]

    half, full, second_half = compare(h1, a1), compare(h1 + h2, a1 + a2), compare(h2, a2)
    both_first, both_second = (h1 > 0) & (a1 > 0), (h2 > 0) & (a2 > 0)
    first, second = h1 + a1, h2 + a2
    chances = [full[0] | full[1], full[0] | full[2], full[1] | full[2]]
    return {
        "half_time_full_time": [one & other for one, other in product(half, full)],
        "double_chance_first_half_both_teams_to_score": [
            one & both for both in yes_no(both_first) for one in chances
        ],
        "double_chance_second_half_both_teams_to_score": [
            one & both for both in yes_no(both_second) for one in chances
        ],
        **{
            f"half_time_full_time_{name}?total=1.5": [
                one & other & side
                for side in (goals > 1, goals < 2)
                for one, other in product(half, full)
            ]
            for name, goals in (("total", first + second), ("first_half_total", first))
        },
        "half_time_full_time_exact_goals": [
            half["hda".index(text[0])] & full["hda".index(text[1])] & goals
            for goals, texts in zip(
                [*(first + second == k for k in range(5)), first + second > 4],
                ("dd", "hh dh da aa", "hh hd dh dd da ad aa", "hh ha dh da ah aa", ALL, ALL),
                strict=True,
            )
            for text in texts.split()
        ],
        "half_time_full_time_correct_score": few_scores(h1, a1, h1 + h2, a1 + a2),
        "home_win_both_halves": yes_no(half[0] & second_half[0]),
        "away_win_both_halves": yes_no(half[2] & second_half[2]),
        "home_win_either_half": yes_no(half[0] | second_half[0]),
        "away_win_either_half": yes_no(half[2] | second_half[2]),
        "highest_scoring_half": compare(first, second),
        "home_highest_scoring_half": compare(h1, h2),
        "away_highest_scoring_half": compare(a1, a2),
        "halves_both_teams_to_score": [
            ~both_first & ~both_second,
            both_first & ~both_second,
            both_first & both_second,
            ~both_first & both_second,
        ],
        "home_score_in_both_halves": yes_no((h1 > 0) & (h2 > 0)),
        "away_score_in_both_halves": yes_no((a1 > 0) & (a2 > 0)),
        "both_halves_over?total=1.5": yes_no((first > 1) & (second > 1)),
        "both_halves_under?total=1.5": yes_no((first < 2) & (second < 2)),
    }


MEANINGS = plain_meanings()
DEPENDENT = MatchModel(home_rate=1.4, away_rate=1.1, dependence=-0.2)
AWAY_LED_AT_HALF_TIME = MatchState(period=Period.HALF_TIME, first_half=Score(away=1))


@given(model=models(), state=states())
@example(model=DEPENDENT, state=MatchState())
@example(model=DEPENDENT, state=AWAY_LED_AT_HALF_TIME)
@settings(max_examples=12, deadline=None)
def test_markets_on_both_halves_equal_the_joint_grid(model: MatchModel, state: MatchState) -> None:
    grid = grid_of_halves(model, state)
    fair = HALVES_BOARD.probabilities(model, state)
    assert set(MEANINGS) == {key.removeprefix("m/") for key in fair}
    for name, wins in MEANINGS.items():
        expected = [float(grid[cells].sum()) for cells in wins]
        assert fair[f"m/{name}"] == pytest.approx(expected, abs=1e-9), name


@given(model=models(), state=states())
@settings(max_examples=40, deadline=None)
def test_half_time_full_time_adds_up_to_the_markets_it_is_made_of(
    model: MatchModel, state: MatchState
) -> None:
    board = FixtureBoard(["m/half_time_full_time", "m/1x2", "m/first_half_1x2"])
    fair = board.probabilities(model, state)
    joint = np.array(fair["m/half_time_full_time"]).reshape(3, 3)
    assert joint.sum(axis=1) == pytest.approx(fair["m/first_half_1x2"], abs=1e-10)
    assert joint.sum(axis=0) == pytest.approx(fair["m/1x2"], abs=1e-10)


def test_markets_on_both_halves_are_decided_when_a_half_has_decided_them() -> None:
    state = MatchState(
        period=Period.SECOND_HALF, clock_s=3000, first_half=Score(away=1), second_half=Score(home=2)
    )
    assert HALVES_BOARD.decided(state) == (
        "m/home_win_both_halves",
        "m/away_win_either_half",
        "m/highest_scoring_half",
        "m/home_highest_scoring_half",
        "m/home_score_in_both_halves",
        "m/both_halves_over?total=1.5",
        "m/both_halves_under?total=1.5",
    )
    over = state.at(period=Period.FULL_TIME, clock_s=5400)
    assert (
        set(HALVES_BOARD.decided(over)) == set(HALVES_BOARD.keys) == set(HALVES_BOARD.results(over))
    )


@given(model=models(), state=states())
@settings(max_examples=40, deadline=None)
def test_combinations_add_up_to_the_markets_they_are_made_of(
    model: MatchModel, state: MatchState
) -> None:
    for prefix in ("", "first_half_", "second_half_", "extra_time_"):
        if f"{prefix}1x2_total" not in MARKET_TYPES:
            continue
        results = [f"m/{prefix}1x2", f"m/{prefix}total?total=1.5"]
        results.append(f"m/{prefix}both_teams_to_score")
        board = FixtureBoard(
            [f"m/{prefix}1x2_total?total=1.5", f"m/{prefix}1x2_both_teams_to_score", *results]
        )
        fair = board.probabilities(model, state)
        by_total, by_both, result, total, both = (np.array(row) for row in fair.values())
        assert by_total.reshape(2, 3).sum(axis=0) == pytest.approx(result, abs=1e-10)
        assert by_total.reshape(2, 3).sum(axis=1) == pytest.approx(total, abs=1e-10)
        assert by_both.reshape(2, 3).sum(axis=0) == pytest.approx(result, abs=1e-10)
        assert by_both.reshape(2, 3).sum(axis=1) == pytest.approx(both, abs=1e-10)


# --- simulation ----------------------------------------------------------------------------------


def simulated(
    model: MatchModel, clock_s: int, order: str, runs: int, seed: int
) -> list[tuple[Match, float]]:
    """Simulate matches from a moment of the first half; weight each by its Dixon-Coles factor.

    `order` has the goals so far. Goal times are drawn by thinning a faster process.
    """
    rng = np.random.default_rng(seed)
    start = clock_s / 5400
    peak = 3.0 - 4.0 * model.first_half_share
    matches = []
    for _ in range(runs):
        goals = []
        for side, rate in (("h", model.home_rate), ("a", model.away_rate)):
            at = start + (1.0 - start) * rng.random(rng.poisson(rate * peak * (1.0 - start)))
            kept = rng.random(len(at)) * peak < 1.0 + (4 - 8 * model.first_half_share) * (at - 0.5)
            goals += [(t, side) for t in at[kept].tolist()]
        first = order + "".join(side for t, side in sorted(goals) if t < 0.5)
        second = "".join(side for t, side in sorted(goals) if t >= 0.5)
        halves = [(part.count("h"), part.count("a")) for part in (first, second)]
        match = Match(halves[0], halves[1], order=first + second)
        home, away = match.order.count("h"), match.order.count("a")
        matches.append((match, model_twin.dixon_coles(model, home, away)))
    return matches


def test_joint_probabilities_agree_with_a_simulation_of_the_same_process() -> None:
    model = MatchModel(home_rate=1.3, away_rate=1.1, dependence=-0.15, first_half_share=0.42)
    state = MatchState(period=Period.FIRST_HALF, clock_s=900).scored(side="away")
    names = [
        "half_time_full_time", "highest_scoring_half", "home_win_either_half",
        "both_halves_over?total=0.5", "1x2_total?total=2.5", "1x2_both_teams_to_score",
        "total_both_teams_to_score?total=2.5", "double_chance_total?total=1.5", "goal_range",
        "next_goal?goalnr=2", "next_goal?goalnr=3", "last_goal", "first_half_next_goal?goalnr=2",
        "second_half_next_goal?goalnr=1", "second_half_1x2_total?total=1.5",
        "next_goal_1x2?goalnr=1", "next_goal_1x2?goalnr=2", "next_goal_1x2?goalnr=3",
        "half_time_full_time_correct_score", "flex_correct_score?score=0:1",
    ]  # fmt: skip
    board = FixtureBoard([f"m/{name}" for name in names])
    runs = 12_000
    sums = {key: np.zeros(len(board.outcomes(key))) for key in board.keys}
    mass = 0.0
    settled: dict[Match, dict[str, np.ndarray]] = {}
    for match, weight in simulated(model, 900, "a", runs, seed=1906):
        if match not in settled:
            settled[match] = {
                key: np.array([result.won for result in settle_key(key, match).values()], float)
                for key in board.keys
            }
        for key, won in settled[match].items():
            sums[key] += weight * won
        mass += weight
    for key, fair in board.probabilities(model, state).items():
        expected = np.array(fair)
        error = np.sqrt(expected * (1.0 - expected) / runs) + 1e-4
        assert (np.abs(sums[key] / mass - expected) < 4.5 * error).all(), key
