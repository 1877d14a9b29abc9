"""Bounds of the football model and of the match state, and how a goal changes the state."""

import pytest

from engine.pricing.football.axes import Scope
from engine.pricing.football.calibration import MEASURED, TYPICAL
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState, Period, Score


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("home_rate", -0.1), ("home_rate", 8.1), ("away_rate", float("nan")),
        ("away_rate", float("inf")), ("dependence", -0.4), ("first_half_share", 0.7),
        ("second_half_stoppage_s", 3600), ("red_card_own_factor", 0.0),
    ],
)  # fmt: skip
def test_a_parameter_out_of_bounds_is_refused_by_name(field: str, value: float) -> None:
    fields = {"home_rate": 1.5, "away_rate": 1.2, field: value}
    with pytest.raises(ValueError, match=field):
        MatchModel(**fields)


def test_a_dependence_that_would_make_a_chance_negative_is_refused() -> None:
    with pytest.raises(ValueError, match="dependence"):
        MatchModel(home_rate=4.5, away_rate=1.0, dependence=-0.25)
    with pytest.raises(ValueError, match="dependence"):
        MatchModel(home_rate=3.0, away_rate=2.0, dependence=0.25)


def test_goals_in_a_period_not_reached_are_refused() -> None:
    with pytest.raises(ValueError, match="second_half"):
        MatchState(period=Period.FIRST_HALF, second_half=Score(home=1))


def test_a_goal_counts_in_the_period_being_played() -> None:
    state = MatchState(period=Period.FIRST_HALF, clock_s=60).scored(side="home")
    state = state.at(period=Period.SECOND_HALF, clock_s=2800).scored(side="away")
    assert (state.first_half, state.second_half) == (Score(home=1), Score(away=1))
    assert state.score(Scope.REGULAR) == (1, 1)
    assert state.score(Scope.SECOND_HALF) == (0, 1)
    with pytest.raises(ValueError, match="FULL_TIME"):
        state.at(period=Period.FULL_TIME, clock_s=5400).scored(side="home")


@pytest.mark.parametrize("order", ["h", "ah", "hah", "hhaa"])
def test_an_order_that_does_not_add_up_period_by_period_is_refused(order: str) -> None:
    """The first half has one goal of each side, extra time one of the away side."""
    with pytest.raises(ValueError, match="order"):
        MatchState(
            period=Period.EXTRA_FIRST,
            first_half=Score(home=1, away=1),
            extra_first=Score(away=1),
            order=order,
        )


def test_the_order_of_goals_is_known_per_scope() -> None:
    state = MatchState(
        period=Period.EXTRA_FIRST,
        first_half=Score(home=1, away=1),
        second_half=Score(home=1),
        extra_first=Score(away=1),
        order="ahha",
    )
    orders = {scope: state.order_of(scope) for scope in Scope}
    assert orders == {
        Scope.REGULAR: "ahh",
        Scope.FIRST_HALF: "ah",
        Scope.SECOND_HALF: "h",
        Scope.EXTRA_TIME: "a",
        Scope.HALVES: "ahh",
    }


def test_without_an_order_only_periods_with_one_scoring_side_have_one() -> None:
    state = MatchState(
        period=Period.SECOND_HALF, first_half=Score(home=1, away=1), second_half=Score(away=2)
    )
    assert state.order_of(Scope.FIRST_HALF) is None
    assert state.order_of(Scope.REGULAR) is None
    assert state.order_of(Scope.SECOND_HALF) == "aa"


@pytest.mark.parametrize("model", [MatchModel(home_rate=1.4, away_rate=1.1), TYPICAL, MEASURED])
@pytest.mark.parametrize(
    ("period", "clock_s", "market"),
    [
        (Period.FIRST_HALF, 2_700, "first_half_total?total=0.5"),
        (Period.SECOND_HALF, 5_400, "total?total=0.5"),
    ],
)
def test_no_base_takes_a_half_for_over_when_its_stoppage_begins(
    model: MatchModel, period: Period, clock_s: int, market: str
) -> None:
    state = MatchState(period=period, clock_s=clock_s)
    ((over, _),) = FixtureBoard([f"m/{market}"]).probabilities(model, state).values()
    assert over > 0.04
