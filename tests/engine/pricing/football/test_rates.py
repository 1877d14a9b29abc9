"""Rates from probabilities: the published figure, round trips over the whole range, refusals."""

from math import exp, factorial

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.pricing.football.axes import Scope
from engine.pricing.football.model import RATE_MAX, MatchModel, MatchState
from engine.pricing.football.rates import (
    FEED_DRAW_FACTOR,
    Rates,
    RatesRefused,
    RatesStatus,
    rates_from_1x2,
    rates_from_supremacy,
)
from engine.pricing.football.rates_nb import result_chances_nb
from engine.pricing.margin import MarginSolved, Method, remove_margin
from tests.engine.pricing.football import model_twin


def test_known_probabilities_give_the_known_rates() -> None:
    """The published figure comes from a grid of ten goals a side, hence the tolerance."""
    total = 0.45 + 0.28 + 0.29
    rates = rates_from_1x2(
        home=0.45 / total, draw=0.28 / total, away=0.29 / total, dependence=0.001
    )
    assert isinstance(rates, Rates)
    assert (rates.home, rates.away) == pytest.approx((1.341538, 1.018968), abs=2e-5)


def chances_on_a_grid(home: float, away: float, dependence: float) -> tuple[float, float, float]:
    """Sum a plain score grid, wide enough for every rate of these tests."""
    model = MatchModel(home_rate=home, away_rate=away, dependence=dependence)
    grid = model_twin.score_grid(model, MatchState(), Scope.REGULAR, goals=45)
    return (
        sum(p for (x, y), p in grid.items() if x > y),
        sum(p for (x, y), p in grid.items() if x == y),
        sum(p for (x, y), p in grid.items() if x < y),
    )


@st.composite
def rates_and_dependence(draw: st.DrawFn) -> tuple[float, float, float]:
    """Draw home rate, away rate and a dependence that they allow."""
    home, away = draw(st.floats(0.02, 7.5)), draw(st.floats(0.02, 7.5))
    low, high = max(-0.3, -1.0 / max(home, away)), min(0.3, 1.0 / (home * away))
    return home, away, draw(st.just(0.0) | st.floats(0.95 * low, 0.95 * high))


@given(rates=rates_and_dependence())
@settings(max_examples=40, deadline=None)
def test_probabilities_and_slopes_equal_a_plain_grid(rates: tuple[float, float, float]) -> None:
    home, away, dependence = rates
    out = np.zeros(7)
    result_chances_nb(home, away, dependence, out)
    assert out[:3] == pytest.approx(chances_on_a_grid(home, away, dependence), abs=1e-10)
    step = 1e-6
    shifted = np.zeros(7)
    for column, (more_home, more_away) in enumerate(((step, 0.0), (0.0, step))):
        result_chances_nb(home + more_home, away + more_away, dependence, shifted)
        assert (shifted[0] - out[0]) / step == pytest.approx(out[3 + column], abs=2e-5)
        assert (shifted[2] - out[2]) / step == pytest.approx(out[5 + column], abs=2e-5)


@given(rates=rates_and_dependence())
@example(rates=(6.0, 0.25, 0.28125))
@example(rates=(7.573179, 0.398656, 0.262483))
@settings(max_examples=200, deadline=None)
def test_the_probabilities_of_any_rates_lead_to_rates_with_these_probabilities(
    rates: tuple[float, float, float],
) -> None:
    home, away, dependence = rates
    out = np.zeros(7)
    result_chances_nb(home, away, dependence, out)
    if min(out[:3]) < 1e-4:
        return
    found = rates_from_1x2(
        home=float(out[0]), draw=float(out[1]), away=float(out[2]), dependence=dependence
    )
    assert isinstance(found, Rates), found
    from_found = np.zeros(7)
    result_chances_nb(found.home, found.away, dependence, from_found)
    assert from_found[:3] == pytest.approx(out[:3], abs=1e-11)


def test_a_bookmakers_odds_without_their_margin_lead_to_rates() -> None:
    fair = remove_margin((2.10, 3.50, 3.80), method=Method.ODDS_RATIO)
    assert isinstance(fair, MarginSolved)
    home, draw, away = fair.values
    rates = rates_from_1x2(home=home, draw=draw, away=away, dependence=-0.05)
    assert isinstance(rates, Rates)
    assert rates.home > rates.away
    assert 2.0 < rates.home + rates.away < 3.5


@given(
    home=st.floats(allow_nan=True), draw=st.floats(allow_nan=True), away=st.floats(allow_nan=True)
)
def test_numbers_that_are_not_probabilities_are_refused(
    home: float, draw: float, away: float
) -> None:
    found = rates_from_1x2(home=home, draw=draw, away=away)
    if not (abs(home + draw + away - 1.0) <= 1e-6 and min(home, draw, away) > 0.0):
        assert isinstance(found, RatesRefused)
        assert found.status is RatesStatus.NOT_PROBABILITIES


@given(
    weights=st.tuples(*[st.floats(1e-9, 1.0)] * 3),
    dependence=st.sampled_from((-0.3, -0.1, 0.0, 0.1, 0.3)),
)
@settings(max_examples=500, deadline=None)
def test_all_probabilities_get_rates_or_a_reason(
    weights: tuple[float, float, float], dependence: float
) -> None:
    home, draw, away = (weight / sum(weights) for weight in weights)
    found = rates_from_1x2(home=home, draw=draw, away=away, dependence=dependence)
    if isinstance(found, RatesRefused):
        assert found.status is not RatesStatus.CONVERGED
        assert found.message
        return
    assert min(found.home, found.away) > 0.0
    assert max(found.home, found.away) <= RATE_MAX
    MatchModel(home_rate=found.home, away_rate=found.away, dependence=dependence)
    out = np.zeros(7)
    result_chances_nb(found.home, found.away, dependence, out)
    assert (out[0], out[2]) == pytest.approx((home, away), abs=1e-11)


@pytest.mark.parametrize(
    ("home", "draw", "away", "status"),
    [
        (0.499, 0.002, 0.499, RatesStatus.RATE_OUT_OF_BOUNDS),
        (1e-9, 1.0 - 2e-9, 1e-9, RatesStatus.RATE_OUT_OF_BOUNDS),
        (0.5, 0.6, -0.1, RatesStatus.NOT_PROBABILITIES),
        (0.5, 0.3, 0.3, RatesStatus.NOT_PROBABILITIES),
    ],
)
def test_probabilities_of_no_rates_are_refused(
    home: float, draw: float, away: float, status: RatesStatus
) -> None:
    found = rates_from_1x2(home=home, draw=draw, away=away)
    assert isinstance(found, RatesRefused)
    assert found.status is status


def test_a_dependence_too_strong_for_the_rates_is_refused() -> None:
    for dependence in (-0.3, 0.5, float("nan")):
        found = rates_from_1x2(home=0.1, draw=0.12, away=0.78, dependence=dependence)
        assert isinstance(found, RatesRefused)
        assert found.status is RatesStatus.DEPENDENCE_TOO_STRONG


def test_total_and_supremacy_are_the_sum_and_difference_of_the_rates() -> None:
    rates = rates_from_supremacy(total=2.93922, supremacy=0.2694)
    assert isinstance(rates, Rates)
    assert rates.home - rates.away == pytest.approx(0.2694)
    assert rates.home + rates.away == pytest.approx(2.93922)


def test_a_feeds_total_and_supremacy_are_means_after_its_factor_on_draws() -> None:
    rates = rates_from_supremacy(total=2.93922, supremacy=0.2694, draw_factor=FEED_DRAW_FACTOR)
    assert isinstance(rates, Rates)
    assert (rates.home, rates.away) == pytest.approx((1.61863, 1.33999), abs=1e-5)
    goals = np.arange(40)
    factorials = np.array([float(factorial(each)) for each in goals.tolist()])
    home, away = (np.exp(-rate) * rate**goals / factorials for rate in (rates.home, rates.away))
    grid = np.outer(home, away)
    grid[np.diag_indices(40)] *= FEED_DRAW_FACTOR
    grid /= grid.sum()
    assert np.tril(grid, -1).sum() == pytest.approx(0.425694, abs=1e-5)
    assert np.trace(grid) == pytest.approx(0.267471, abs=1e-5)
    total = goals[:, None] + goals[None, :]
    assert grid[total > 2.5].sum() == pytest.approx(0.559319, abs=1e-5)
    assert grid[1:, 1:].sum() == pytest.approx(0.598304, abs=1e-5)
    assert (grid * total).sum() == pytest.approx(2.93922, abs=1e-9)


@given(home=st.floats(0.05, 5.0), away=st.floats(0.05, 5.0), factor=st.floats(0.7, 1.5))
def test_any_total_and_supremacy_get_rates_that_give_them_back(
    home: float, away: float, factor: float
) -> None:
    rates = rates_from_supremacy(total=home + away, supremacy=home - away, draw_factor=factor)
    if isinstance(rates, RatesRefused):
        assert rates.message
        return
    level = [exp(-rates.home - rates.away) * (rates.home * rates.away) ** k / factorial(k) ** 2
             for k in range(60)]  # fmt: skip
    scale = 1.0 + (factor - 1.0) * sum(level)
    more = (factor - 1.0) * sum(k * chance for k, chance in enumerate(level))
    assert (rates.home + more) / scale == pytest.approx(home, abs=1e-9)
    assert (rates.away + more) / scale == pytest.approx(away, abs=1e-9)


@pytest.mark.parametrize("factor", [0.0, 0.49, 2.1, float("nan")])
def test_a_factor_on_draws_out_of_bounds_is_refused(factor: float) -> None:
    found = rates_from_supremacy(total=2.5, supremacy=0.2, draw_factor=factor)
    assert isinstance(found, RatesRefused)
    assert found.message.startswith("draw_factor: ")


@pytest.mark.parametrize(
    ("total", "supremacy"),
    [
        (2.5, 2.5),
        (2.5, -3.0),
        (0.0, 0.0),
        (20.0, 1.0),
        (12.0, 6.0),
        (float("nan"), 0.0),
        (float("inf"), 0.0),
    ],
)
def test_a_supremacy_of_no_rates_is_refused(total: float, supremacy: float) -> None:
    assert isinstance(rates_from_supremacy(total=total, supremacy=supremacy), RatesRefused)
