"""The order of goals: every order enumerated, unknown orders, decided goals."""

from collections.abc import Callable
from itertools import product
from math import exp, factorial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.pricing.football.axes import Scope
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.pricing.football import model_twin
from tests.engine.pricing.football.strategies import models, states

PREFIXES = {
    Scope.REGULAR: "",
    Scope.FIRST_HALF: "first_half_",
    Scope.SECOND_HALF: "second_half_",
    Scope.EXTRA_TIME: "extra_time_",
}
NUMBERS = (1, 2, 3, 5)
ORDER_BOARD = FixtureBoard(
    [f"m/{prefix}next_goal?goalnr={n}" for prefix in PREFIXES.values() for n in NUMBERS]
    + ["m/last_goal", *(f"m/next_goal_1x2?goalnr={n}" for n in NUMBERS)]
)

AWAY_LEADS = MatchState(period=Period.FIRST_HALF, clock_s=900, first_half=Score(away=1), order="a")
LEVEL_AT_HALF_TIME = MatchState(
    period=Period.HALF_TIME, first_half=Score(home=1, away=1), order="ha"
)


def order_so_far(state: MatchState, scope: Scope) -> str:
    """Return the part of a state's order that belongs to a scope."""
    first = state.first_half.home + state.first_half.away
    regular = first + state.second_half.home + state.second_half.away
    parts = {
        Scope.REGULAR: slice(0, regular),
        Scope.FIRST_HALF: slice(0, first),
        Scope.SECOND_HALF: slice(first, regular),
        Scope.EXTRA_TIME: slice(regular, None),
    }
    return state.order[parts[scope]]


def result_of(order: str) -> str:
    """Return h, d or a: who won by an order of goals."""
    lead = order.count("h") - order.count("a")
    return "h" if lead > 0 else "a" if lead < 0 else "d"


def factor_of(model: MatchModel, state: MatchState, scope: Scope) -> Callable[[int, int], float]:
    """Return the Dixon-Coles factor of a scope's final score, expected over the rest of a match."""
    first, second, _ = model_twin.remaining_goals(model, state)
    home, away = model_twin.current_rates(model, state)
    if scope is Scope.REGULAR:
        return lambda i, j: model_twin.dixon_coles(model, i, j)
    if scope is Scope.EXTRA_TIME:
        return lambda i, j: 1.0
    other, part = (
        (state.second_half, second) if scope is Scope.FIRST_HALF else (state.first_half, first)
    )
    rest = model_twin.independent(home * part, away * part, (other.home, other.away), 3)
    return lambda i, j: model_twin.expected_factor(model, (i, j), rest)


def orders_by_enumeration(
    model: MatchModel, state: MatchState, scope: Scope, to_come_max: int
) -> dict[str, float]:
    """Return the chance of every order of a scope's goals.

    The number of goals to come is Poisson; each falls to home with home's share of both rates.
    """
    first, second, extra = model_twin.remaining_goals(model, state)
    home, away = model_twin.current_rates(model, state)
    parts = {
        Scope.REGULAR: first + second,
        Scope.FIRST_HALF: first,
        Scope.SECOND_HALF: second,
        Scope.EXTRA_TIME: extra,
    }
    rate, share = (home + away) * parts[scope], home / (home + away)
    factor = factor_of(model, state, scope)
    chances: dict[str, float] = {}
    for to_come in range(to_come_max + 1):
        number = exp(-rate) * rate**to_come / factorial(to_come)
        for sides in product("ha", repeat=to_come):
            order = order_so_far(state, scope) + "".join(sides)
            chance = number * share ** sides.count("h") * (1.0 - share) ** sides.count("a")
            chance *= factor(order.count("h"), order.count("a"))
            chances[order] = chances.get(order, 0.0) + chance
    mass = sum(chances.values())
    return {order: chance / mass for order, chance in chances.items()}


@given(
    home=st.floats(0.05, 0.6),
    away=st.floats(0.05, 0.6),
    dependence=st.floats(-0.3, 0.3),
    state=states(),
)
@example(home=0.5, away=0.3, dependence=-0.3, state=MatchState())
@example(home=0.4, away=0.6, dependence=0.3, state=AWAY_LEADS)
@example(home=0.6, away=0.4, dependence=-0.2, state=LEVEL_AT_HALF_TIME)
@settings(max_examples=12, deadline=None)
def test_who_scores_which_goal_equals_an_enumeration_of_all_orders(
    home: float, away: float, dependence: float, state: MatchState
) -> None:
    """Low rates and no red cards, so that more than eleven goals to come have no weight.

    The examples have scores that the Dixon-Coles factors change.
    """
    model = MatchModel(home_rate=home, away_rate=away, dependence=dependence)
    state = replace(state, home_red_cards=0, away_red_cards=0)
    fair = ORDER_BOARD.probabilities(model, state)
    for scope, prefix in PREFIXES.items():
        orders = orders_by_enumeration(model, state, scope, 11)
        goals = {f"m/{prefix}next_goal?goalnr={n}": slice(n - 1, n) for n in NUMBERS}
        if scope is Scope.REGULAR:
            goals["m/last_goal"] = slice(-1, None)
        for key, goal in goals.items():
            expected = [
                sum(chance for order, chance in orders.items() if order[goal] == scorer)
                for scorer in ("h", "", "a")
            ]
            assert fair[key] == pytest.approx(expected, abs=2e-8), key
        if scope is not Scope.REGULAR:
            continue
        for n in NUMBERS:
            expected = [
                sum(chance for order, chance in orders.items()
                    if order[n - 1 : n] == scorer and result_of(order) in results)
                for scorer, results in (
                    *(("h", one) for one in "hda"), *(("a", one) for one in "hda"), ("", "hda"),
                )
            ]  # fmt: skip
            assert fair[f"m/next_goal_1x2?goalnr={n}"] == pytest.approx(expected, abs=2e-8), n


@given(model=models(), state=states(), number=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_neither_side_scores_a_goal_as_often_as_there_are_fewer_goals(
    model: MatchModel, state: MatchState, number: int
) -> None:
    board = FixtureBoard([f"m/next_goal?goalnr={number}", f"m/total?total={number - 0.5}"])
    goal, total = board.probabilities(model, state).values()
    assert goal[1] == pytest.approx(total[1], abs=1e-10)


def test_a_market_on_an_unknown_order_is_neither_offered_nor_settled() -> None:
    model = MatchModel(home_rate=1.5, away_rate=1.2)
    board = FixtureBoard([
        "m/next_goal?goalnr=1", "m/next_goal?goalnr=3", "m/last_goal", "m/next_goal_1x2?goalnr=2",
        "m/next_goal_1x2?goalnr=3", "m/1x2",
    ])  # fmt: skip
    state = MatchState(period=Period.SECOND_HALF, clock_s=3000, first_half=Score(home=1, away=1))
    quotes = board.quotes(model, state, Margin())
    active = {key: [quote.active for quote in row] for key, row in quotes.items()}
    assert active["m/next_goal?goalnr=1"] == [False] * 3
    assert active["m/next_goal?goalnr=3"] == [True] * 3
    assert active["m/last_goal"] == [False] * 3
    assert active["m/next_goal_1x2?goalnr=2"] == [False] * 7
    assert active["m/next_goal_1x2?goalnr=3"] == [True] * 7
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
