"""Football where scoring depends on the score: its twin, its laws, its limits and known figures."""

from math import nextafter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.pricing.football.axes import Scope
from engine.pricing.football.calibration import MEASURED, TYPICAL, Calibrated, Calibrator, calibrate
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.layout import LEAST_MASS
from engine.pricing.football.model import (
    MEASURED_PROCESS,
    MatchModel,
    MatchState,
    Period,
    Score,
    pack_model,
    pack_state,
)
from tests.engine.pricing.football import process_twin
from tests.engine.pricing.football.model_twin import column
from tests.engine.pricing.football.settlement_twin import scope_of, settle_key, winners_between
from tests.engine.pricing.football.strategies import BOARD, assert_adds_up, models, states

BESIDE_ONE = nextafter(1.0, 2.0)
"""A factor that is not 1, so that the process is run, and that changes nothing."""
factors = st.floats(0.8, 1.25)


@st.composite
def processes(draw: st.DrawFn) -> MatchModel:
    """Draw a model whose scoring depends on the score."""
    return replace(
        draw(models()),
        draw_factor=draw(st.floats(0.8, 1.3)),
        two_behind_factor=draw(factors),
        one_behind_factor=draw(factors),
        level_factor=draw(factors),
        one_ahead_factor=draw(factors),
        two_ahead_factor=draw(factors),
        opening_factor=draw(factors),
        restart_factor=draw(factors),
        dead_time_s=draw(st.sampled_from((0, 60, 200))),
    )


# --- against twins -------------------------------------------------------------------------------


LOW = MatchModel(home_rate=0.5, away_rate=0.3, dependence=-0.2, first_half_stoppage_s=60)
LOWEST = replace(LOW, home_rate=0.16, away_rate=0.1)
"""For both halves: with more than four goals to come in one, the twin's courses are too many."""
CASES = {
    "before the start": (
        replace(LOWEST, **MEASURED_PROCESS, dead_time_s=96, draw_factor=1.3), MatchState(), 4,
    ),
    "first half, level": (
        replace(LOWEST, two_behind_factor=1.5, one_ahead_factor=0.6, draw_factor=0.8),
        MatchState(
            period=Period.FIRST_HALF, clock_s=600, first_half=Score(home=1, away=1), order="ha"
        ),
        4,
    ),
    "first half, a red card": (
        replace(LOWEST, **MEASURED_PROCESS, dead_time_s=300),
        MatchState(
            period=Period.FIRST_HALF, clock_s=1500, first_half=Score(away=1), order="a",
            home_red_cards=1,
        ),
        4,
    ),
    "half-time, nothing scored": (
        replace(LOW, **MEASURED_PROCESS, dead_time_s=96, draw_factor=1.1),
        MatchState(period=Period.HALF_TIME, clock_s=2700), 7,
    ),
    "second half, away two ahead": (
        replace(LOW, **MEASURED_PROCESS, second_half_stoppage_s=240),
        MatchState(
            period=Period.SECOND_HALF, clock_s=3000, first_half=Score(away=1),
            second_half=Score(away=1), order="aa",
        ),
        7,
    ),
    "independent sides, draws inflated": (replace(LOWEST, draw_factor=1.4), MatchState(), 4),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_every_chance_of_every_market_equals_the_twin_over_all_orders(case: str) -> None:
    """Low rates, so that more goals to come in a half than the twin looks at have no weight."""
    model, state, goals_max = CASES[case]
    courses = process_twin.matches(model, state, goals_max)
    priced = BOARD.chances(model, state)
    for key in BOARD.keys:
        if scope_of(key) is Scope.EXTRA_TIME:
            continue
        expected = np.zeros_like(priced[key])
        for match, chance in courses.items():
            for row, result in zip(expected, settle_key(key, match).values(), strict=True):
                at = column(result)
                if at is not None:
                    row[at] += chance
        assert priced[key] == pytest.approx(expected, abs=2e-6), key


def test_extra_time_depends_on_its_own_score() -> None:
    model = replace(LOW, **MEASURED_PROCESS)
    state = MatchState(
        period=Period.EXTRA_FIRST, clock_s=5400 + 450, first_half=Score(home=1, away=1), order="ha"
    )
    state = state.scored(side="away")
    orders = process_twin.orders_at(
        lambda d: process_twin.hazards(model, state, d), 0.75 / 3.0, -1, 6
    )
    board = FixtureBoard(
        ["m/extra_time_1x2", "m/extra_time_next_goal?goalnr=2", "m/extra_time_total?total=1.5"]
    )
    fair = board.probabilities(model, state)
    leads = {order: process_twin.lead(order) - 1 for order in orders}

    def chance(of: dict[str, bool]) -> float:
        return sum(orders[order] for order, yes in of.items() if yes)

    assert fair["m/extra_time_1x2"] == pytest.approx(
        (
            chance({order: d > 0 for order, d in leads.items()}),
            chance({order: d == 0 for order, d in leads.items()}),
            chance({order: d < 0 for order, d in leads.items()}),
        ),
        abs=1e-8,
    )
    assert fair["m/extra_time_next_goal?goalnr=2"] == pytest.approx(
        (
            chance({order: order[:1] == "h" for order in orders}),
            orders[""],
            chance({order: order[:1] == "a" for order in orders}),
        ),
        abs=1e-8,
    )
    assert fair["m/extra_time_total?total=1.5"][1] == pytest.approx(orders[""], abs=1e-8)


@given(model=models(), state=states())
@example(  # many goals: the grid of the process must be large enough
    model=MatchModel(home_rate=3.5, away_rate=3.5), state=MatchState(away_red_cards=2)
)
@settings(max_examples=60, deadline=None)
def test_factors_of_one_and_no_dead_time_are_the_plain_model(
    model: MatchModel, state: MatchState
) -> None:
    run = replace(model, two_ahead_factor=BESIDE_ONE)
    plain, process = BOARD.chances(model, state), BOARD.chances(run, state)
    for key in BOARD.keys:
        assert process[key] == pytest.approx(plain[key], abs=1e-9), key


# --- laws ----------------------------------------------------------------------------------------


@given(model=processes(), state=states())
@settings(max_examples=60, deadline=None)
def test_fair_probabilities_of_a_market_add_up_to_its_winners(
    model: MatchModel, state: MatchState
) -> None:
    chances = BOARD.chances(model, state)
    for key, fair in BOARD.probabilities(model, state).items():
        assert_adds_up(chances[key], fair, winners_between(key))


@given(model=processes(), state=states())
@settings(max_examples=30, deadline=None)
def test_joint_markets_add_up_to_the_markets_they_are_made_of(
    model: MatchModel, state: MatchState
) -> None:
    board = FixtureBoard(
        [
            "m/half_time_full_time", "m/1x2", "m/first_half_1x2", "m/1x2_total?total=2.5",
            "m/total?total=2.5", "m/next_goal?goalnr=3", "m/second_half_1x2_total?total=1.5",
            "m/second_half_1x2", "m/first_half_total?total=1.5",
            "m/half_time_full_time_total?total=2.5",
            "m/half_time_full_time_first_half_total?total=1.5",
            "m/half_time_full_time_exact_goals", "m/next_goal_1x2?goalnr=3",
        ]
    )  # fmt: skip
    fair = {key.removeprefix("m/"): np.array(row) for key, row in
            board.probabilities(model, state).items()}  # fmt: skip
    joint = fair["half_time_full_time"].reshape(3, 3)
    assert joint.sum(axis=1) == pytest.approx(fair["first_half_1x2"], abs=1e-9)
    assert joint.sum(axis=0) == pytest.approx(fair["1x2"], abs=1e-9)
    by_total = fair["1x2_total?total=2.5"].reshape(2, 3)
    assert by_total.sum(axis=0) == pytest.approx(fair["1x2"], abs=1e-9)
    assert by_total.sum(axis=1) == pytest.approx(fair["total?total=2.5"], abs=1e-9)
    for goals in ("total?total=2.5", "first_half_total?total=1.5"):
        by_goals = fair[f"half_time_full_time_{goals}"].reshape(2, 9)
        assert by_goals.sum(axis=0) == pytest.approx(fair["half_time_full_time"], abs=1e-9)
        assert by_goals.sum(axis=1) == pytest.approx(fair[goals], abs=1e-9)
    few = fair["half_time_full_time_exact_goals"][:12].sum()
    assert few == pytest.approx(fair["total?total=2.5"][1], abs=1e-9)
    assert fair["next_goal?goalnr=3"][1] == pytest.approx(fair["total?total=2.5"][1], abs=1e-9)
    goal = fair["next_goal_1x2?goalnr=3"]
    assert [goal[:3].sum(), goal[6], goal[3:6].sum()] == pytest.approx(
        fair["next_goal?goalnr=3"], abs=1e-9
    )
    assert (goal[:3] + goal[3:6] <= fair["1x2"] + 1e-9).all()
    second = fair["second_half_1x2_total?total=1.5"].reshape(2, 3)
    assert second.sum(axis=0) == pytest.approx(fair["second_half_1x2"], abs=1e-9)


NOW = {
    "first half": MatchState(period=Period.FIRST_HALF, clock_s=1200).scored(side="away"),
    "second half": MatchState(
        period=Period.SECOND_HALF, clock_s=4000, first_half=Score(home=1), order="h"
    ),
    "second half, level": MatchState(period=Period.SECOND_HALF, clock_s=4600),
}


@pytest.mark.parametrize("moment", NOW)
def test_a_price_is_the_mean_of_its_own_future(moment: str) -> None:
    """What an hour's sixth part brings is integrated; the final score's factors weight it.

    A course is weighted by what its factors are expected to be afterwards: by the chances of the
    draws and of the low scores, as a model without these factors prices them.
    """
    model = replace(
        MatchModel(home_rate=1.5, away_rate=1.1, dependence=-0.15, second_half_stoppage_s=300),
        **MEASURED_PROCESS, draw_factor=1.2,
    )  # fmt: skip
    bare = replace(model, dependence=0.0, draw_factor=1.0)
    now = NOW[moment]
    later = now.at(period=now.period, clock_s=now.clock_s + 600)
    keys = [key for key in BOARD.keys if scope_of(key) is not Scope.EXTRA_TIME]
    board = FixtureBoard(keys)
    scores = FixtureBoard(["m/correct_score", "m/1x2"])
    half = 1 if now.period is Period.FIRST_HALF else 2
    left = [process_twin.left_of_half(model, state, half)[1] for state in (now, later)]
    home, away = now.score(Scope.REGULAR)
    orders = process_twin.orders_at(
        lambda d: process_twin.hazards(model, now, d), left[0] - left[1], home - away, 7
    )
    names = scores.outcomes("m/correct_score")

    def expected_factor(state: MatchState) -> float:
        fair = scores.probabilities(bare, state)
        by_name = dict(zip(names, fair["m/correct_score"], strict=True))
        weight = 1.0 + (model.draw_factor - 1.0) * fair["m/1x2"][1]
        for i in range(2):
            for j in range(2):
                tilt = process_twin.dixon_coles(model, i, j) - 1.0
                weight += by_name[f"{i}:{j}"] * tilt * (model.draw_factor if i == j else 1.0)
        return weight

    mean = {key: np.zeros_like(row) for key, row in board.chances(model, now).items()}
    whole = 0.0
    for order, chance in orders.items():
        state = later
        for side in order:
            state = state.scored(side="home" if side == "h" else "away")
        weight = chance * expected_factor(state)
        whole += weight
        for key, row in board.chances(model, state).items():
            mean[key] += weight * row
    for key, row in board.chances(model, now).items():
        assert row == pytest.approx(mean[key] / whole, abs=1e-7), key


def test_goals_with_a_dead_time_are_more_regular_than_poisson() -> None:
    """A half's n-th goal falls when n waiting times and n - 1 dead times fit into it."""
    model = MatchModel(
        home_rate=1.5, away_rate=1.2, dead_time_s=96, first_half_stoppage_s=0,
        first_half_share=0.45,
    )  # fmt: skip
    board = FixtureBoard([f"m/first_half_total?total={k}.5" for k in range(10)])
    over = [row[0] for row in board.probabilities(model, MatchState()).values()]
    dead = 2.7 * 0.45 * 96 / 2700
    expected = [process_twin.waited(k, 2.7 * 0.45 - (k - 1) * dead) for k in range(1, 11)]
    assert over == pytest.approx(expected, abs=1e-9)
    mean = sum(over)
    variance = sum((2 * k + 1) * chance for k, chance in enumerate(over)) - mean * mean
    assert variance / mean == pytest.approx(0.920, abs=1e-3)


@given(model=processes(), state=states())
@example(  # the second half is run from few differences, from which the leader is pulled back
    model=MatchModel(home_rate=3.5, away_rate=3.0, two_behind_factor=2.0, draw_factor=1.3),
    state=MatchState(period=Period.FIRST_HALF, clock_s=900),
)
@settings(max_examples=25, deadline=None)
def test_what_is_left_out_as_too_rare_changes_no_chance(
    model: MatchModel, state: MatchState
) -> None:
    """Beside prices that leave out what is less likely than rounding."""
    compiled = CompiledMarkets(BOARD.keys)
    packed = pack_model(model)
    compiled.price(packed, pack_state(state))
    priced = compiled.chances.copy()
    packed[LEAST_MASS] = 1e-17
    compiled.price(packed, pack_state(state))
    assert np.abs(priced - compiled.chances).max() < 2e-10


# --- known figures -------------------------------------------------------------------------------


def test_a_providers_board_is_two_poissons_with_every_draw_inflated() -> None:
    model = MatchModel(home_rate=1.61863, away_rate=1.33999, draw_factor=1.1415)
    board = FixtureBoard(
        ["m/1x2", "m/total?total=2.5", "m/both_teams_to_score"]
        + [f"m/{side}_total?total={k}.5" for side in ("home", "away") for k in range(20)]
    )
    fair = board.probabilities(model, MatchState())
    assert fair["m/1x2"] == pytest.approx((0.425694, 0.267471, 0.306834), abs=3e-6)
    assert fair["m/total?total=2.5"][0] == pytest.approx(0.559319, abs=3e-6)
    assert fair["m/both_teams_to_score"][0] == pytest.approx(0.598304, abs=3e-6)
    home, away = (
        sum(row[0] for key, row in fair.items() if key.startswith(f"m/{side}_total"))
        for side in ("home", "away")
    )
    assert home + away == pytest.approx(2.93922, abs=2e-5)
    assert home - away == pytest.approx(0.2694, abs=2e-5)


def test_who_trails_scores_more_and_who_leads_less() -> None:
    plain = MatchModel(home_rate=1.4, away_rate=1.4, second_half_stoppage_s=240)
    measured = replace(plain, **MEASURED_PROCESS)
    board = FixtureBoard(["m/1x2", "m/next_goal?goalnr=2", "m/half_time_full_time"])
    ahead = MatchState(period=Period.HALF_TIME, clock_s=2700, first_half=Score(home=1), order="h")
    before, after = board.probabilities(plain, ahead), board.probabilities(measured, ahead)
    assert before["m/next_goal?goalnr=2"][0] == pytest.approx(before["m/next_goal?goalnr=2"][2])
    assert after["m/next_goal?goalnr=2"][2] / after["m/next_goal?goalnr=2"][0] == pytest.approx(
        1.055 / 0.943, abs=1e-6
    )
    assert after["m/1x2"][0] < before["m/1x2"][0] - 0.01
    turned = [board.probabilities(m, MatchState())["m/half_time_full_time"] for m in
              (plain, measured)]  # fmt: skip
    assert turned[1][2] > turned[0][2] * 1.04


def test_the_opening_factor_leaves_the_share_of_the_half() -> None:
    low = {
        "home_rate": 1e-4,
        "away_rate": 1e-4,
        "first_half_stoppage_s": 0,
        "first_half_share": 0.45,
    }
    board = FixtureBoard(["m/first_half_total?total=0.5", "m/second_half_total?total=0.5"])
    plain = board.probabilities(MatchModel(**low), MatchState())
    model = MatchModel(**low, opening_factor=0.5, restart_factor=2.0)
    opened = board.probabilities(model, MatchState())
    for key in board.keys:
        assert opened[key][0] == pytest.approx(plain[key][0], rel=1e-6)
    quarter = MatchState(period=Period.FIRST_HALF, clock_s=900)
    slow, steady = (
        board.probabilities(m, quarter)[board.keys[0]][0] for m in (model, MatchModel(**low))
    )
    # A third of the half, where the line rises from 0.8 to 0.867: 0.8333 / 0.9 / 3 of its goals.
    assert steady / plain[board.keys[0]][0] == pytest.approx(1 - 0.308642, abs=1e-4)
    assert slow / plain[board.keys[0]][0] == pytest.approx(
        1 - 0.5 * 0.308642 / (1 - 0.5 * 0.308642), abs=1e-4
    )


# --- bounds and calibration ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("draw_factor", 0.4), ("draw_factor", float("nan")), ("two_behind_factor", 2.1),
        ("one_behind_factor", 0.0), ("level_factor", float("inf")), ("one_ahead_factor", -1.0),
        ("two_ahead_factor", 0.1), ("opening_factor", 3.0), ("restart_factor", 0.2),
        ("dead_time_s", 601), ("dead_time_s", -1),
    ],
)  # fmt: skip
def test_a_parameter_of_the_process_out_of_bounds_is_refused_by_name(
    field: str, value: float
) -> None:
    with pytest.raises(ValueError, match=field):
        MatchModel(home_rate=1.5, away_rate=1.2, **{field: value})


@given(home=st.floats(0.4, 2.8), away=st.floats(0.4, 2.8), draw_factor=st.floats(1.0, 1.2))
@settings(max_examples=15, deadline=None)
def test_odds_of_the_process_lead_back_to_its_model(
    home: float, away: float, draw_factor: float
) -> None:
    model = MatchModel(
        home_rate=home, away_rate=away, dependence=-0.05, draw_factor=draw_factor,
        **MEASURED_PROCESS,
    )  # fmt: skip
    markets = ("1x2", "total?total=2.5", "half_time_full_time")
    board = FixtureBoard([f"m/{market}" for market in markets])
    for state in (MatchState(), MatchState(period=Period.FIRST_HALF, clock_s=900)):
        fair = board.probabilities(model, state)
        found = Calibrator(markets).fit(
            [[1.0 / p for p in row] for row in fair.values()],
            base=replace(model, home_rate=1.0, away_rate=1.0, dependence=0.0),
            state=state,
        )
        assert isinstance(found, Calibrated), found
        assert found.error < 1e-9
        assert found.model.home_rate == pytest.approx(home, abs=1e-6)
        assert found.model.away_rate == pytest.approx(away, abs=1e-6)
        assert found.model.dependence == pytest.approx(-0.05, abs=1e-5)


@pytest.mark.parametrize("odds", [(2.1, 3.5, 3.8), (1.5, 4.4, 7.5), (2.8, 3.3, 2.7)])
def test_the_match_winner_alone_means_as_many_goals_by_either_base(
    odds: tuple[float, float, float],
) -> None:
    overs = []
    for base in (TYPICAL, MEASURED):
        found = calibrate({"1x2": odds}, base=base)
        assert isinstance(found, Calibrated)
        board = FixtureBoard(["m/total?total=2.5"])
        overs.append(board.probabilities(found.model, MatchState())["m/total?total=2.5"][0])
    assert overs[1] == pytest.approx(overs[0], abs=0.02)
