"""Joint markets: both halves, combinations, and the order of goals; plain twins and simulation."""

from itertools import product
from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing.football.axes import Scope
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.market_types import MARKET_TYPES
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.pricing import twins
from tests.engine.pricing.football.test_model import models, states

Bools = np.ndarray
GOALS = 22
HALVES_BOARD = FixtureBoard(
    [
        f"m/{name}" + ("?total=1.5" if row.required else "")
        for name, row in MARKET_TYPES.items()
        if row.scope is Scope.HALVES
    ]
)


def goal_masses(rate: float, start: int) -> np.ndarray:
    """Return P(start + Poisson = k) for k below GOALS."""
    return np.array([twins.poisson(rate, k - start) if k >= start else 0.0 for k in range(GOALS)])


def grid_of_halves(model: MatchModel, state: MatchState) -> np.ndarray:
    """Lay the joint grid out: first-half home and away goals, then the second half's."""
    first, second, _ = twins.left(model, state)
    home, away = twins.current_rates(model, state)
    h1 = goal_masses(home * first, state.first_half.home)
    a1 = goal_masses(away * first, state.first_half.away)
    h2 = goal_masses(home * second, state.second_half.home)
    a2 = goal_masses(away * second, state.second_half.away)
    grid = np.einsum("i,j,k,l->ijkl", h1, a1, h2, a2)
    for i, j, k, m in product(range(2), repeat=4):
        grid[i, j, k, m] *= twins.dixon_coles(model, i + k, j + m)
    return grid / grid.sum()


def plain_meanings() -> dict[str, list[Bools]]:
    """Say of each outcome in which cells of the grid it wins."""
    h1, a1, h2, a2 = np.indices((GOALS,) * 4)

    def three(one: np.ndarray, other: np.ndarray) -> list[Bools]:
        return [one > other, one == other, one < other]

    def yes_no(yes: Bools) -> list[Bools]:
        return [yes, ~yes]

    half, full, later = three(h1, a1), three(h1 + h2, a1 + a2), three(h2, a2)
    both_first, both_later = (h1 > 0) & (a1 > 0), (h2 > 0) & (a2 > 0)
    first, second = h1 + a1, h2 + a2
    return {
        "half_time_full_time": [one & other for one, other in product(half, full)],
        "home_win_both_halves": yes_no(half[0] & later[0]),
        "away_win_both_halves": yes_no(half[2] & later[2]),
        "home_win_either_half": yes_no(half[0] | later[0]),
        "away_win_either_half": yes_no(half[2] | later[2]),
        "highest_scoring_half": three(first, second),
        "home_highest_scoring_half": three(h1, h2),
        "away_highest_scoring_half": three(a1, a2),
        "halves_both_teams_to_score": [
            ~both_first & ~both_later,
            both_first & ~both_later,
            both_first & both_later,
            ~both_first & both_later,
        ],
        "home_score_in_both_halves": yes_no((h1 > 0) & (h2 > 0)),
        "away_score_in_both_halves": yes_no((a1 > 0) & (a2 > 0)),
        "both_halves_over?total=1.5": yes_no((first > 1) & (second > 1)),
        "both_halves_under?total=1.5": yes_no((first < 2) & (second < 2)),
    }


MEANINGS = plain_meanings()


@given(model=models(), state=states())
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


# --- the order of goals --------------------------------------------------------------------------

ORDER_BOARD = FixtureBoard(
    [f"m/{scope}next_goal?goalnr={n}" for scope in ("", "second_half_") for n in (1, 2, 3, 5)]
    + ["m/last_goal"]
)


def orders_by_enumeration(
    model: MatchModel, state: MatchState, scope: Scope, more_max: int
) -> dict[str, float]:
    """Draw the number of goals to come, then a side for each: every order, one by one."""
    first, second, _ = twins.left(model, state)
    home, away = twins.current_rates(model, state)
    to_come = {Scope.REGULAR: first + second, Scope.SECOND_HALF: second}[scope]
    rate, share = (home + away) * to_come, home / (home + away)
    so_far = state.order_of(scope)
    assert so_far is not None
    before = {Scope.REGULAR: (0, 0), Scope.SECOND_HALF: state.score(Scope.FIRST_HALF)}[scope]
    rest = twins.independent(home * first, away * first, before, 3)
    inside = sum(rest.values())
    chances: dict[str, float] = {}
    for more in range(more_max + 1):
        falls = exp(-rate) * rate**more / factorial(more)
        for letters in product("ha", repeat=more):
            order = so_far + "".join(letters)
            chance = falls * share ** letters.count("h") * (1.0 - share) ** letters.count("a")
            score = (order.count("h"), order.count("a"))
            if scope is Scope.REGULAR:
                chance *= twins.dixon_coles(model, *score)
            else:
                chance *= (
                    1.0
                    - inside
                    + sum(
                        mass * twins.dixon_coles(model, score[0] + other[0], score[1] + other[1])
                        for other, mass in rest.items()
                    )
                )
            chances[order] = chances.get(order, 0.0) + chance
    mass = sum(chances.values())
    return {order: chance / mass for order, chance in chances.items()}


@given(
    home=st.floats(0.05, 0.6),
    away=st.floats(0.05, 0.6),
    dependence=st.floats(-0.3, 0.3),
    state=states(),
)
@settings(max_examples=12, deadline=None)
def test_who_scores_which_goal_equals_an_enumeration_of_every_order(
    home: float, away: float, dependence: float, state: MatchState
) -> None:
    model = MatchModel(home_rate=home, away_rate=away, dependence=dependence)
    state = MatchState(
        period=state.period,
        clock_s=state.clock_s,
        first_half=state.first_half,
        second_half=state.second_half,
        extra_first=state.extra_first,
        extra_second=state.extra_second,
        order=state.order,
    )
    fair = ORDER_BOARD.probabilities(model, state)
    for scope, prefix in ((Scope.REGULAR, ""), (Scope.SECOND_HALF, "second_half_")):
        orders = orders_by_enumeration(model, state, scope, 11)
        places = {f"m/{prefix}next_goal?goalnr={n}": slice(n - 1, n) for n in (1, 2, 3, 5)}
        if scope is Scope.REGULAR:
            places["m/last_goal"] = slice(-1, None)
        for key, place in places.items():
            expected = [
                sum(chance for order, chance in orders.items() if order[place] == who)
                for who in ("h", "", "a")
            ]
            assert fair[key] == pytest.approx(expected, abs=2e-8), key


@given(model=models(), state=states(), number=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_nobody_scores_a_goal_when_there_are_fewer(
    model: MatchModel, state: MatchState, number: int
) -> None:
    board = FixtureBoard([f"m/next_goal?goalnr={number}", f"m/total?total={number - 0.5}"])
    goal, total = board.probabilities(model, state).values()
    assert goal[1] == pytest.approx(total[1], abs=1e-10)


def test_an_order_that_is_not_known_is_neither_offered_nor_settled() -> None:
    model = MatchModel(home_rate=1.5, away_rate=1.2)
    board = FixtureBoard(["m/next_goal?goalnr=1", "m/next_goal?goalnr=3", "m/last_goal", "m/1x2"])
    state = MatchState(period=Period.SECOND_HALF, clock_s=3000, first_half=Score(home=1, away=1))
    quotes = board.quotes(model, state, Margin())
    active = {key: [quote.active for quote in row] for key, row in quotes.items()}
    assert active["m/next_goal?goalnr=1"] == [False] * 3
    assert active["m/next_goal?goalnr=3"] == [True] * 3
    assert active["m/last_goal"] == [False] * 3
    assert board.decided(state) == ("m/next_goal?goalnr=1",)
    over = state.at(period=Period.FULL_TIME, clock_s=5400)
    assert list(board.results(over)) == ["m/1x2"]
    assert set(board.decided(over)) == set(board.keys)


def test_a_known_order_settles_who_scored_which_goal() -> None:
    board = FixtureBoard(
        ["m/next_goal?goalnr=1", "m/next_goal?goalnr=2", "m/next_goal?goalnr=4", "m/last_goal"]
    )
    state = MatchState(period=Period.FIRST_HALF, clock_s=60).scored(side="away")
    assert board.decided(state) == ("m/next_goal?goalnr=1",)
    state = state.scored(side="home").at(period=Period.SECOND_HALF, clock_s=2800)
    state = state.scored(side="home").at(period=Period.FULL_TIME, clock_s=5400)
    won = {
        key: board.outcomes(key)[[result.won for result in row].index(True)]
        for key, row in board.results(state).items()
    }
    assert list(won.values()) == ["away", "home", "none", "home"]


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


# --- simulation ----------------------------------------------------------------------------------


def played_out(
    model: MatchModel, state: MatchState, runs: int, seed: int
) -> list[tuple[MatchState, float]]:
    """Play a match out from the first half, goal times drawn by thinning; weigh by the tilt."""
    rng = np.random.default_rng(seed)
    start = state.clock_s / 5400
    peak = 3.0 - 4.0 * model.first_half_share
    played = []
    for _ in range(runs):
        goals = []
        for side, rate in (("home", model.home_rate), ("away", model.away_rate)):
            at = start + (1.0 - start) * rng.random(rng.poisson(rate * peak * (1.0 - start)))
            kept = rng.random(len(at)) * peak < 1.0 + (4 - 8 * model.first_half_share) * (at - 0.5)
            goals += [(t, side) for t in at[kept].tolist()]
        final = state
        for t, side in sorted(goals):
            if t >= 0.5 and final.period is Period.FIRST_HALF:
                final = final.at(period=Period.SECOND_HALF, clock_s=2700)
            final = final.scored(side=side)
        final = final.at(period=Period.FULL_TIME, clock_s=5400)
        played.append((final, twins.dixon_coles(model, *final.score(Scope.REGULAR))))
    return played


def test_joint_prices_agree_with_a_simulation_of_the_same_process() -> None:
    model = MatchModel(home_rate=1.3, away_rate=1.1, dependence=-0.15, first_half_share=0.42)
    state = MatchState(period=Period.FIRST_HALF, clock_s=900).scored(side="away")
    keys = [
        "half_time_full_time", "highest_scoring_half", "home_win_either_half",
        "both_halves_over?total=0.5", "1x2_total?total=2.5", "1x2_both_teams_to_score",
        "total_both_teams_to_score?total=2.5", "double_chance_total?total=1.5", "goal_range",
        "next_goal?goalnr=2", "next_goal?goalnr=3", "last_goal", "first_half_next_goal?goalnr=2",
        "second_half_next_goal?goalnr=1", "second_half_1x2_total?total=1.5",
    ]  # fmt: skip
    board = FixtureBoard([f"m/{key}" for key in keys])
    runs = 12_000
    sums = {key: np.zeros(len(board.outcomes(key))) for key in board.keys}
    mass = 0.0
    seen: dict[tuple[object, ...], dict[str, np.ndarray]] = {}
    for final, weight in played_out(model, state, runs, seed=1906):
        path = (final.first_half, final.second_half, final.order)
        if path not in seen:
            seen[path] = {
                key: np.array([result.won for result in row], float)
                for key, row in board.results(final).items()
            }
        for key, won in seen[path].items():
            sums[key] += weight * won
        mass += weight
    for key, fair in board.probabilities(model, state).items():
        expected = np.array(fair)
        error = np.sqrt(expected * (1.0 - expected) / runs) + 1e-4
        assert (np.abs(sums[key] / mass - expected) < 4.5 * error).all(), key
