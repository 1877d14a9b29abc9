"""Calibration: round trips from many markets, real odds, least squares, refusals."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing.football.axes import Scope
from engine.pricing.football.calibration import (
    Calibrated,
    CalibrationRefused,
    CalibrationStatus,
    Calibrator,
    Dependence,
    calibrate,
)
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.market_types import MarketTypeError
from engine.pricing.football.model import RATE_MAX, MatchModel, MatchState, Period, Score
from engine.pricing.football.rates import Rates, rates_from_1x2
from engine.pricing.ladder import FINE
from engine.pricing.margin import MarginSolved, Method, Removal, add_margin
from tests.engine.pricing import twins
from tests.engine.pricing.football import model_twin

EXACT = 1e-11
"""Largest gap to the market of a fit that is exact up to rounding."""


@st.composite
def models(draw: st.DrawFn) -> MatchModel:
    """Draw a model with rates of common matches and a dependence within its limits."""
    home, away = draw(st.floats(0.2, 4.0)), draw(st.floats(0.2, 4.0))
    low, high = max(-0.3, -1.0 / max(home, away)), min(0.3, 1.0 / (home * away))
    return MatchModel(
        home_rate=home, away_rate=away, dependence=draw(st.floats(0.98 * low, 0.98 * high))
    )


INDEPENDENT = MatchModel(home_rate=1.4, away_rate=1.1)


def fair_odds(
    markets: Sequence[str], model: MatchModel, state: MatchState | None = None
) -> list[list[float]]:
    """Return odds without margin."""
    board = FixtureBoard([f"m/{market}" for market in markets])
    fair = board.probabilities(model, state or MatchState()).values()
    return [[1.0 / max(p, 1e-7) for p in row] for row in fair]


def one_sided(odds: Sequence[Sequence[float]]) -> bool:
    """Say whether an outcome is too unlikely for odds to determine its probability."""
    return max(max(row) for row in odds) > 5_000.0


def quarter_lines(low: int, high: int) -> st.SearchStrategy[str]:
    return st.integers(low, high).map(lambda quarters: f"{quarters / 4:g}")


@given(model=models(), total=quarter_lines(5, 18))
@settings(max_examples=80, deadline=None)
def test_odds_of_1x2_and_a_total_lead_back_to_rates_and_dependence(
    model: MatchModel, total: str
) -> None:
    markets = ("1x2", f"total?total={total}")
    odds = fair_odds(markets, model)
    if one_sided(odds):
        return
    found = Calibrator(markets).fit(odds)
    assert isinstance(found, Calibrated), found
    assert found.error <= EXACT
    assert found.dependence is Dependence.FITTED
    assert fair_odds(markets, found.model) == [pytest.approx(row, rel=1e-7) for row in odds]


@given(model=models(), held=st.floats(-0.12, 0.05), noise=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_rounded_probabilities_of_many_markets_are_fitted_from_any_dependence(
    model: MatchModel, held: float, noise: int
) -> None:
    """Residuals of a few billionths leave few digits to the sum of squares: the fit stands."""
    markets = ("1x2", "total?total=1.5", "total?total=2.5", "total?total=3.5")
    odds = fair_odds(markets, model)
    if one_sided(odds):
        return
    rng = np.random.default_rng(noise)
    odds = [[each * (1.0 + rng.uniform(-1e-9, 1e-9)) for each in row] for row in odds]
    start = MatchModel(home_rate=1.4, away_rate=1.1, dependence=held)
    found = Calibrator(markets).fit(odds, base=start)
    assert isinstance(found, Calibrated), found
    assert found.error <= 1e-6


def test_a_fit_that_stops_at_a_limit_says_so_and_how_far_it_is_off() -> None:
    """A total of 1 at 196 hardly tells dependence from rates: a limit holds the fit elsewhere."""
    markets = ("1x2", "total?total=1")
    odds = fair_odds(markets, MatchModel(home_rate=1.0, away_rate=3.0, dependence=0.25))
    found = Calibrator(markets).fit(odds)
    assert isinstance(found, Calibrated), found
    assert found.dependence is Dependence.AWAY_RATE_LIMIT
    assert 1e-4 < found.error < 1e-2


@given(model=models(), total=quarter_lines(6, 16), hcp=quarter_lines(-6, 6))
@settings(max_examples=80, deadline=None)
def test_odds_of_a_handicap_and_a_total_lead_back_to_the_rates(
    model: MatchModel, total: str, hcp: str
) -> None:
    markets = (f"handicap?hcp={hcp}", f"total?total={total}")
    odds = fair_odds(markets, model)
    if one_sided(odds) or min(model.home_rate, model.away_rate) < 0.4:
        return
    found = Calibrator(markets).fit(odds, base=model, fit_dependence=False)
    assert isinstance(found, Calibrated), found
    assert found.dependence is Dependence.HELD
    assert found.error <= EXACT
    assert fair_odds(markets, found.model) == [pytest.approx(row, rel=1e-7) for row in odds]


@given(
    model=models(),
    totals=st.lists(quarter_lines(4, 18), min_size=1, max_size=3, unique=True),
    hcps=st.lists(quarter_lines(-6, 6), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_odds_of_more_markets_than_needed_lead_back_to_the_model(
    model: MatchModel, totals: list[str], hcps: list[str]
) -> None:
    """The dependence does not change the total 2.5, which is always included: one model fits."""
    lines = dict.fromkeys(["2.5", *totals])
    markets = ["1x2", *(f"total?total={t}" for t in lines), *(f"handicap?hcp={h}" for h in hcps)]
    odds = fair_odds(markets, model)
    if one_sided(odds):
        return
    found = Calibrator(markets).fit(odds)
    assert isinstance(found, Calibrated), found
    assert found.error <= 1e-9
    assert found.model.home_rate == pytest.approx(model.home_rate, abs=1e-5)
    assert found.model.away_rate == pytest.approx(model.away_rate, abs=1e-5)
    assert found.model.dependence == pytest.approx(model.dependence, abs=1e-4)


@given(model=models())
@settings(max_examples=60, deadline=None)
def test_1x2_alone_gives_the_same_rates_as_rates_from_1x2(model: MatchModel) -> None:
    odds = fair_odds(["1x2"], model)
    if one_sided(odds):
        return
    home, draw, away = (1.0 / price for price in odds[0])
    rates = rates_from_1x2(home=home, draw=draw, away=away, dependence=model.dependence)
    found = Calibrator(["1x2"]).fit(odds, base=model)
    assert isinstance(rates, Rates)
    assert isinstance(found, Calibrated)
    assert found.dependence is Dependence.HELD
    assert (found.model.home_rate, found.model.away_rate) == pytest.approx(
        (rates.home, rates.away), rel=1e-8
    )


@pytest.mark.parametrize("name", ["multigoals", "away_multigoals", "second_half_multigoals"])
def test_a_market_whose_outcomes_overlap_is_refused_by_name(name: str) -> None:
    with pytest.raises(MarketTypeError, match=f"{name}: cannot be fitted"):
        Calibrator(["1x2", name])


@pytest.mark.parametrize(
    "markets",
    [
        ["correct_score"], ["1x2", "both_teams_to_score"], ["home_total?total=1.5", "1x2"],
        ["half_time_full_time"], ["first_half_1x2", "first_half_total?total=1.5"],
        ["next_goal?goalnr=1", "total?total=2.5"], ["1x2_total?total=2.5"],
        ["double_chance", "exact_goals"], ["winning_margin", "goal_range"],
    ],
)  # fmt: skip
def test_markets_of_every_kind_can_be_fitted(markets: list[str]) -> None:
    model = MatchModel(home_rate=1.7, away_rate=1.15, dependence=-0.09, first_half_share=0.44)
    base = MatchModel(home_rate=1.0, away_rate=1.0, dependence=-0.09, first_half_share=0.44)
    found = Calibrator(markets).fit(fair_odds(markets, model), base=base)
    assert isinstance(found, Calibrated), found
    assert found.error <= EXACT
    assert found.model.home_rate == pytest.approx(1.7, abs=1e-7)
    assert found.model.away_rate == pytest.approx(1.15, abs=1e-7)
    assert found.model.dependence == pytest.approx(-0.09, abs=1e-7)


@given(model=models(), clock_s=st.integers(0, 4000), home=st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_odds_in_play_lead_back_to_the_rates_of_ninety_minutes(
    model: MatchModel, clock_s: int, home: int
) -> None:
    period = Period.FIRST_HALF if clock_s < 2700 else Period.SECOND_HALF
    state = MatchState(period=period, clock_s=clock_s, first_half=Score(home=home))
    markets = ("1x2", "total?total=3.5")
    odds = fair_odds(markets, model, state)
    if one_sided(odds):
        return
    found = Calibrator(markets).fit(odds, base=model, state=state, fit_dependence=False)
    assert isinstance(found, Calibrated), found
    assert found.model.home_rate == pytest.approx(model.home_rate, rel=1e-5)
    assert found.model.away_rate == pytest.approx(model.away_rate, rel=1e-5)


@pytest.mark.parametrize("method", Method)
def test_every_method_removes_the_margin_that_it_added(method: Method) -> None:
    model = MatchModel(home_rate=1.62, away_rate=1.08, dependence=-0.07)
    markets = ("1x2", "total?total=2.25", "handicap?hcp=-0.5")
    quoted = []
    for row in fair_odds(markets, model):
        solved = add_margin([1.0 / price for price in row], book=1.06, method=method)
        assert isinstance(solved, MarginSolved)
        quoted.append(solved.values)
    found = Calibrator(markets).fit(quoted, method=method)
    assert isinstance(found, Calibrated), found
    assert found.error <= 1e-9
    assert found.model.home_rate == pytest.approx(1.62, abs=1e-7)
    assert found.model.dependence == pytest.approx(-0.07, abs=1e-6)


def test_margins_come_off_by_market_type_and_by_default_as_measured() -> None:
    """Each market holds a margin of its own method, which another method would not take off."""
    model = MatchModel(home_rate=2.6, away_rate=0.6, dependence=-0.07)
    methods = {
        "1x2": Method.SHIN,
        "total?total=0.5": Method.ADDITIVE,
        "total?total=2.5": Method.POWER,
        "double_chance": Method.ODDS_RATIO,
    }
    odds = {}
    for (market, method), fair in zip(
        methods.items(), fair_odds(tuple(methods), model), strict=True
    ):
        chances, winners = [1.0 / price for price in fair], 2 if market == "double_chance" else 1
        solved = add_margin(chances, book=1.02, method=method, winners=winners)
        assert isinstance(solved, MarginSolved)
        odds[market] = solved.values
    assert min(odds["total?total=0.5"]) < 1.2 < min(odds["total?total=2.5"])
    by_type = Removal(method_by_type={"1x2": Method.SHIN, "double_chance": Method.SHIN})
    some = {market: odds[market] for market in ("1x2", "total?total=0.5", "double_chance")}
    found = calibrate(some, method=by_type)
    assert isinstance(found, Calibrated), found
    assert found.model.home_rate == pytest.approx(2.6, abs=1e-6)
    assert found.model.dependence == pytest.approx(-0.07, abs=1e-6)
    for method in (None, Method.ODDS_RATIO, Removal(method_by_type={"total": Method.POWER})):
        other = calibrate(some, method=method)
        assert isinstance(other, Calibrated)
        assert abs(other.model.home_rate - 2.6) > 1e-3
    both = {market: odds[market] for market in ("total?total=2.5", "1x2")}
    powers = Removal(method_by_type={"1x2": Method.SHIN, "total": Method.POWER})
    found = calibrate(both, method=powers)
    assert isinstance(found, Calibrated), found
    assert found.model.home_rate == pytest.approx(2.6, abs=1e-6)


def test_a_boards_own_quotes_lead_back_to_its_model() -> None:
    model = MatchModel(home_rate=1.62, away_rate=1.08, dependence=-0.07)
    keys = ["m/1x2", "m/total?total=2.5", "m/handicap?hcp=-0.5"]
    quotes = FixtureBoard(keys, ladder=FINE).quotes(model, MatchState(), Margin(book_milli=1_050))
    found = calibrate(
        {
            key.removeprefix("m/"): [quote.odds_milli / 1000.0 for quote in row]
            for key, row in quotes.items()
        }
    )
    assert isinstance(found, Calibrated)
    assert found.error < 5e-4
    assert found.model.home_rate == pytest.approx(1.62, abs=5e-3)
    assert found.model.away_rate == pytest.approx(1.08, abs=5e-3)


def test_a_feeds_markets_lead_to_the_rates_that_it_publishes() -> None:
    """Its expected total is 2.93922 and its supremacy 0.2694; its 1x2 and total 2.5 are fitted."""
    found = calibrate(
        {
            "1x2": [1 / 0.425694, 1 / 0.267471, 1 / 0.306834],
            "total?total=2.5": [1 / 0.559319, 1 / 0.440681],
        }
    )
    assert isinstance(found, Calibrated)
    assert found.model.home_rate + found.model.away_rate == pytest.approx(2.93922, abs=0.03)
    assert found.model.home_rate - found.model.away_rate == pytest.approx(0.2694, abs=0.01)
    assert found.model.dependence == pytest.approx(-0.10, abs=0.02)


def plain_cost(
    rates: tuple[float, float], targets: Sequence[float], markets: Sequence[str]
) -> float:
    """Return the sum of squared gaps to the targets, over a plain score grid."""
    model = MatchModel(home_rate=rates[0], away_rate=rates[1])
    grid = model_twin.score_grid(model, MatchState(), Scope.REGULAR)
    cost, at = 0.0, 0
    for market in markets:
        name, _, line = market.partition("?")
        specifiers = tuple([tuple(line.split("="))] if line else [])
        for win, half_win, push, half_lose in model_twin.chances(grid, name, specifiers):  # type: ignore[arg-type]
            fair = (win + half_win / 2) / (1.0 - push - half_win / 2 - half_lose / 2)
            cost += (fair - targets[at]) ** 2
            at += 1
    return cost


def test_contradicting_markets_get_the_least_squares_and_its_error() -> None:
    markets = ("1x2", "total?total=2.5", "handicap?hcp=-0.25")
    odds = ((2.10, 3.50, 3.80), (1.95, 1.95), (1.90, 2.00))
    found = Calibrator(markets).fit(odds, base=INDEPENDENT, fit_dependence=False)
    assert isinstance(found, Calibrated)
    assert 1e-3 < found.error < 0.05
    targets: list[float] = []
    for row in odds:
        total = sum(1.0 / price for price in row)
        solved = twins.bisect(
            lambda c, row=row: (
                sum(c * q / (1.0 - q + c * q) for q in (1.0 / price for price in row)) - 1.0
            ),
            0.2,
            2.0,
        )
        assert total > 1.0
        targets += [solved / price / (1.0 - 1.0 / price + solved / price) for price in row]
    rates = (found.model.home_rate, found.model.away_rate)
    least = plain_cost(rates, targets, markets)
    for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3), (1e-3, -1e-3), (-1e-3, 1e-3)):
        assert plain_cost((rates[0] + step[0], rates[1] + step[1]), targets, markets) > least


def test_a_dependence_beyond_its_limits_is_fitted_at_the_nearest_limit() -> None:
    """First more draws than any model has with these goals, then fewer."""
    for draw, mode, limit in ((0.36, Dependence.LOWEST, -0.3), (0.17, Dependence.HIGHEST, 0.3)):
        rest = (1.0 - draw) / 2.0
        found = calibrate({"1x2": [1 / rest, 1 / draw, 1 / rest], "total?total=2.5": [2.0, 2.0]})
        assert isinstance(found, Calibrated), found
        assert found.dependence is mode
        assert found.model.dependence == limit
        assert found.error > 1e-3


@pytest.mark.parametrize(
    "markets",
    [
        {"total?total=2.5": (2.0, 2.0)},
        {"total?total=2.5": (2.0, 2.0), "total?total=3.5": (3.2, 1.45)},
        {"home_total?total=1.5": (2.0, 2.0)},
        {"odd_even": (2.0, 2.0)},
    ],
)
def test_markets_that_do_not_determine_both_rates_are_refused(
    markets: dict[str, tuple[float, ...]],
) -> None:
    found = calibrate(markets, base=INDEPENDENT)
    assert isinstance(found, CalibrationRefused)
    assert found.status is CalibrationStatus.UNDERDETERMINED


def test_markets_that_the_score_has_decided_cannot_be_fitted() -> None:
    state = MatchState(period=Period.FULL_TIME, clock_s=5400)
    found = calibrate({"1x2": (2.0, 3.5, 4.0), "total?total=2.5": (2.0, 2.0)}, state=state)
    assert isinstance(found, CalibrationRefused)


@pytest.mark.parametrize(
    ("markets", "status"),
    [
        ({"1x2": (2.0, 3.5)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.0, 3.5, 1.0)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.0, float("nan"), 4.0)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.0, float("inf"), 4.0)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.0, -3.0, 4.0)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.004, 500.0, 2.004)}, CalibrationStatus.RATE_OUT_OF_BOUNDS),
        ({"1x2": (1.001, 500.0, 1.001)}, CalibrationStatus.BOOK),
        ({"1x2": (2100.0, 3500.0, 3800.0)}, CalibrationStatus.BOOK),
        ({"1x2": (2.1, 3.5, 10**5_000)}, CalibrationStatus.NOT_ODDS),
        ({"1x2": (2.1, 3.5, 3.8), "total?total=2.5": (1900, 2000)}, CalibrationStatus.BOOK),
        ({"1x2": (2.1, 3.5, 3.8), "double_chance": (2.1, 3.5, 3.8)}, CalibrationStatus.BOOK),
        (
            {"1x2": (1.2, 7.0, 15.0), "handicap?hcp=0": (6.0, 1.15), "total?total=2.5": (2, 2)},
            CalibrationStatus.CONTRADICTION,
        ),
    ],
)
def test_odds_without_an_answer_are_refused_with_a_reason(
    markets: dict[str, tuple[float, ...]], status: CalibrationStatus
) -> None:
    found = calibrate(markets)
    assert isinstance(found, CalibrationRefused)
    assert found.status is status
    assert found.message


def test_the_books_that_came_off_are_reported_in_the_order_of_the_markets() -> None:
    found = calibrate(
        {"1x2": (2.0, 4.0, 4.0), "total?total=2.5": (1.9, 1.9), "double_chance": (1.25, 1.25, 1.9)}
    )
    assert isinstance(found, Calibrated)
    assert found.books == pytest.approx((1.0, 2 / 1.9, (1.6 + 1 / 1.9) / 2))


def test_a_refused_book_names_its_market_and_the_bounds() -> None:
    found = calibrate({"1x2": (2.1, 3.5, 3.8), "total?total=2.5": (1900, 2000)})
    assert isinstance(found, CalibrationRefused)
    assert found.message == "total?total=2.5: the book must be from 0.9 to 1.5, not 0.001026"


def test_the_match_winner_alone_is_fitted_at_the_dependence_of_real_draws() -> None:
    found = calibrate({"1x2": (2.1, 3.5, 3.8)})
    assert isinstance(found, Calibrated)
    assert (found.model.dependence, found.dependence) == (-0.08, Dependence.HELD)


def test_a_margin_that_cannot_be_removed_is_refused_with_the_markets_name() -> None:
    """The additive method takes more off a longshot than its whole probability."""
    found = calibrate({"1x2": (1.02, 40.0, 60.0)}, method=Method.ADDITIVE)
    assert isinstance(found, CalibrationRefused) or found.error <= EXACT
    found = calibrate({"1x2": (1.01, 12.0, 200.0)}, method=Method.ADDITIVE)
    assert isinstance(found, CalibrationRefused)
    assert found.status is CalibrationStatus.MARGIN
    assert found.message.startswith("1x2: ")


def test_odds_of_too_few_markets_are_refused() -> None:
    found = Calibrator(["1x2", "total?total=2.5"]).fit([(2.0, 3.5, 4.0)])
    assert isinstance(found, CalibrationRefused)
    assert found.status is CalibrationStatus.NOT_ODDS


def test_markets_not_in_the_table_are_refused() -> None:
    with pytest.raises(MarketTypeError):
        Calibrator(["2x1"])
    with pytest.raises(ValueError, match="from 1 to"):
        Calibrator([])


ANY_ODDS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(1.001, 1.2),
    st.floats(1.001, 30.0),
    st.floats(1.5, 1e4),
)
SUBSETS = (
    ("1x2",),
    ("1x2", "total?total=2.5"),
    ("1x2", "total?total=2", "handicap?hcp=-0.25"),
    ("handicap?hcp=1.25", "total?total=3.25"),
    ("handicap?hcp=0", "handicap?hcp=-1"),
    ("both_teams_to_score", "total?total=1.5", "draw_no_bet"),
)


@given(
    markets=st.sampled_from(SUBSETS),
    drawn=st.lists(ANY_ODDS, min_size=7, max_size=7),
    book=st.none() | st.floats(0.91, 1.49),
    method=st.sampled_from(Method),
    fit_dependence=st.booleans(),
    clock_s=st.integers(0, 2900),
)
@settings(max_examples=400, deadline=None)
def test_all_odds_get_a_model_or_a_reason(
    markets: tuple[str, ...],
    drawn: list[float],
    book: float | None,
    method: Method,
    fit_dependence: bool,
    clock_s: int,
) -> None:
    sizes = [3 if market == "1x2" else 2 for market in markets]
    ends = np.cumsum(sizes).tolist()
    odds = [drawn[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    if book is not None and all(0.1 < each < 1e5 for each in drawn):
        odds = [[each * sum(1.0 / one for one in row) / book for each in row] for row in odds]
    state = MatchState(period=Period.FIRST_HALF, clock_s=clock_s) if clock_s else MatchState()
    found = Calibrator(markets).fit(
        odds, method=method, fit_dependence=fit_dependence, state=state, error_max=1.0
    )
    if isinstance(found, CalibrationRefused):
        assert found.status is not CalibrationStatus.CONVERGED
        assert found.message
        return
    assert 0.0 < found.model.home_rate <= RATE_MAX
    assert 0.0 < found.model.away_rate <= RATE_MAX
    assert 0.0 <= found.error <= 1.0
    fair = FixtureBoard([f"m/{market}" for market in markets]).fair(found.model, state)
    assert ((fair >= 0.0) & (fair <= 1.0)).all()


def test_a_calibrator_repeats_to_the_last_digit_after_other_fits() -> None:
    calibrator = Calibrator(("1x2", "total?total=2.5"))
    odds = ((2.10, 3.50, 3.80), (1.95, 1.95))
    first = calibrator.fit(odds)
    calibrator.fit(((1.1, 9.0, 26.0), (1.4, 3.0)))
    calibrator.fit(((1.1, 9.0, float("nan")), (1.4, 3.0)))
    assert calibrator.fit(odds) == first
