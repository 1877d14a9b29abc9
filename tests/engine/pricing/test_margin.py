"""Margin methods: published figures, plain twins, round trips, and refusals."""

from collections.abc import Callable
from itertools import pairwise
from math import log, nan, sqrt

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from engine.pricing.margin import (
    LOPSIDED_MILLI,
    MarginRefused,
    MarginSolved,
    MarginStatus,
    Method,
    Removal,
    add_margin,
    add_margins,
    methods_by_type,
    removal_by,
    remove_by_type,
    remove_margin,
    remove_margins,
)
from engine.pricing.margin_nb import PROBABILITY_MIN
from tests.engine.pricing import twins

SOLVED_BOTH_WAYS = [method for method in Method if method is not Method.PROPORTIONAL]


def solved(answer: MarginSolved | MarginRefused) -> MarginSolved:
    assert isinstance(answer, MarginSolved), answer
    return answer


def test_odds_ratio_gives_the_industrys_margin_key_at_115() -> None:
    odds = solved(add_margin((0.40, 0.40, 0.20), book=1.15, method=Method.ODDS_RATIO)).values
    assert odds == pytest.approx((2.195, 2.195, 4.187), abs=5e-4)


def test_shin_gives_the_published_probabilities_and_insiders_share() -> None:
    answer = solved(remove_margin((2.6, 2.4, 4.3), method=Method.SHIN))
    assert answer.values == pytest.approx((0.37299406, 0.40477941, 0.22222653), abs=5e-9)
    assert answer.parameter == pytest.approx(0.01694251, abs=5e-9)
    other = solved(remove_margin((2.7, 2.3, 4.4), method=Method.SHIN))
    assert other.values == pytest.approx((0.359344, 0.423244, 0.217412), abs=5e-7)
    assert other.parameter == pytest.approx(0.0162, abs=5e-5)


def test_standard_error_and_proportional_give_their_published_probabilities() -> None:
    goto = solved(remove_margin((2.7, 2.3, 4.4), method=Method.STANDARD_ERROR)).values
    assert goto == pytest.approx((0.359757, 0.424727, 0.215515), abs=1e-6)
    scaled = solved(remove_margin((2.7, 2.3, 4.4), method=Method.PROPORTIONAL)).values
    assert scaled == pytest.approx((0.358738, 0.421127, 0.220135), abs=5e-7)


@pytest.mark.parametrize(
    ("method", "odds", "fair"),
    [
        (Method.SHIN, (2.6, 2.4, 4.3), (0.37299406, 0.40477941, 0.22222653)),
        (Method.SHIN, (2.7, 2.3, 4.4), (0.359344, 0.423244, 0.217412)),
        (Method.STANDARD_ERROR, (2.7, 2.3, 4.4), (0.359757, 0.424727, 0.215515)),
        (Method.MULTIPLICATIVE, (2.7, 2.3, 4.4), (0.358738, 0.421127, 0.220135)),
        (Method.ODDS_RATIO, (2.195, 2.195, 4.187), (0.40, 0.40, 0.20)),
    ],
)
def test_published_figures_hold_when_removing_and_when_adding_a_margin(
    method: Method, odds: tuple[float, ...], fair: tuple[float, ...]
) -> None:
    off = solved(remove_margin(odds, method=method)).values
    assert off == pytest.approx(fair, abs=5e-5)
    scaled_fair = [value / sum(fair) for value in fair]
    book = sum(1.0 / each for each in odds)
    assert solved(add_margin(scaled_fair, book=book, method=method)).values == pytest.approx(
        odds, rel=2e-4
    )


def test_multiplicative_is_the_proportional_method_by_another_name() -> None:
    assert Method.MULTIPLICATIVE is Method.PROPORTIONAL
    assert "MULTIPLICATIVE" not in [method.name for method in Method]


@given(first=st.floats(0.1, 0.9), book=st.floats(1.001, 1.08))
def test_additive_is_shin_for_two_outcomes(first: float, book: float) -> None:
    quoted = [value + (book - 1.0) / 2.0 for value in (first, 1.0 - first)]
    odds = [1.0 / value for value in quoted]
    additive = solved(remove_margin(odds, method=Method.ADDITIVE)).values
    shin = solved(remove_margin(odds, method=Method.SHIN)).values
    assert shin == pytest.approx(additive, abs=1e-9)
    on = [
        solved(add_margin((first, 1.0 - first), book=book, method=method)).values
        for method in (Method.ADDITIVE, Method.SHIN)
    ]
    assert on[1] == pytest.approx(on[0], rel=1e-9)


def twin(method: Method, p: list[float], book: float) -> list[float]:
    """Quote probabilities at a book sum by the definition of a method and bisection."""

    def at_sum(quote: Callable[[float], list[float]], low: float, high: float) -> list[float]:
        return quote(twins.bisect(lambda x: sum(quote(x)) - book, low, high))

    match method:
        case Method.PROPORTIONAL:
            return [value * book for value in p]
        case Method.ADDITIVE:
            return [value + (book - 1.0) / len(p) for value in p]
        case Method.POWER:
            return at_sum(lambda k: [value**k for value in p], 1e-6, 3.0)
        case Method.ODDS_RATIO:

            def shifted(c: float) -> list[float]:
                odds = [value / (1.0 - value) * np.exp(c) for value in p]
                return [each / (1.0 + each) for each in odds]

            return at_sum(shifted, -5.0, 40.0)
        case Method.SHIN:
            return at_sum(lambda z: twins.shin_quoted(p, z), 0.0, 1.0)
        case Method.STANDARD_ERROR:

            def quoted(value: float, step: float) -> float:
                return twins.bisect(lambda q: q - step * sqrt(1.0 - q) - value, 0.0, 1.0)

            return at_sum(lambda step: [quoted(value, step) for value in p], 0.0, 50.0)


@st.composite
def markets(draw: st.DrawFn) -> list[float]:
    weights = draw(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=8))
    return [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize("method", Method)
@given(p=markets(), book=st.floats(1.001, 1.25))
@settings(max_examples=15, deadline=None)
def test_every_method_equals_its_plain_twin(method: Method, p: list[float], book: float) -> None:
    answer = add_margin(p, book=book, method=method)
    expected = twin(method, p, book)
    if max(expected) < 1.0 - 1e-9:
        assert [1.0 / odds for odds in solved(answer).values] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("method", Method)
@given(p=markets(), book=st.floats(0.97, 1.3))
@settings(max_examples=60, deadline=None)
def test_removing_an_added_margin_restores_the_probabilities(
    method: Method, p: list[float], book: float
) -> None:
    priced = add_margin(p, book=book, method=method)
    if isinstance(priced, MarginRefused):
        assert priced.status in (MarginStatus.OUT_OF_RANGE, MarginStatus.NO_SOLUTION)
        return
    assert sum(1.0 / odds for odds in priced.values) == pytest.approx(book, rel=1e-11)
    if min(priced.values) > 1.0 + 1e-9:
        assert solved(remove_margin(priced.values, method=method)).values == pytest.approx(
            p, abs=1e-7
        )


@pytest.mark.parametrize("method", SOLVED_BOTH_WAYS)
def test_longshots_have_more_margin_than_favourites(method: Method) -> None:
    p = (0.55, 0.27, 0.13, 0.05)
    odds = solved(add_margin(p, book=1.1, method=method)).values
    loads = [1.0 / (o * value) for o, value in zip(odds, p, strict=True)]
    assert all(a < b for a, b in pairwise(loads))


def test_odds_ratio_moves_every_log_odds_by_the_same_step() -> None:
    p = (0.7, 0.2, 0.1)
    answer = solved(add_margin(p, book=1.08, method=Method.ODDS_RATIO))
    steps = [
        log(1.0 / (odds - 1.0)) - log(value / (1.0 - value))
        for odds, value in zip(answer.values, p, strict=True)
    ]
    assert steps == pytest.approx([log(answer.parameter)] * 3, abs=1e-10)


def test_a_market_with_two_winners_is_quoted_at_twice_the_book() -> None:
    odds = solved(
        add_margin((0.8, 0.7, 0.5), book=1.05, method=Method.ODDS_RATIO, winners=2)
    ).values
    assert sum(1.0 / each for each in odds) == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("p", "book", "method", "status"),
    [
        ((0.5, 0.4), 1.05, Method.ODDS_RATIO, MarginStatus.BAD_INPUT),
        ((0.5, 0.5, 0.0), 1.05, Method.ODDS_RATIO, MarginStatus.BAD_INPUT),
        ((1.2, -0.2), 1.05, Method.POWER, MarginStatus.BAD_INPUT),
        ((nan, 0.5), 1.05, Method.SHIN, MarginStatus.BAD_INPUT),
        ((), 1.05, Method.SHIN, MarginStatus.BAD_INPUT),
        ((0.5, 0.5), 0.0, Method.ODDS_RATIO, MarginStatus.BAD_INPUT),
        ((0.5, 0.5), nan, Method.PROPORTIONAL, MarginStatus.BAD_INPUT),
        ((0.5, 0.5), float("inf"), Method.ODDS_RATIO, MarginStatus.BAD_INPUT),
        ((0.5, 0.5), 2.0, Method.ODDS_RATIO, MarginStatus.NO_SOLUTION),
        ((0.5, 0.5), 2.5, Method.POWER, MarginStatus.NO_SOLUTION),
        ((0.9, 0.1), 1.7, Method.SHIN, MarginStatus.NO_SOLUTION),
        ((0.5, 0.5), 0.95, Method.SHIN, MarginStatus.NO_SOLUTION),
        ((0.001, 0.999), 0.9, Method.POWER, MarginStatus.OUT_OF_RANGE),
        ((3e-109, 1.0), 1.0, Method.POWER, MarginStatus.OUT_OF_RANGE),
        ((3e-109, 0.5, 0.5), 0.9, Method.POWER, MarginStatus.SOLVED),
        ((3e-109, 0.4, 0.6), 0.7, Method.POWER, MarginStatus.OUT_OF_RANGE),
        ((0.97, 0.03), 1.05, Method.PROPORTIONAL, MarginStatus.OUT_OF_RANGE),
        ((0.99, 0.01), 1.05, Method.ADDITIVE, MarginStatus.OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_a_book_sum_that_a_method_cannot_reach_is_refused(
    p: tuple[float, ...], book: float, method: Method, status: MarginStatus
) -> None:
    answer = add_margin(p, book=book, method=method)
    if status is MarginStatus.SOLVED:
        assert max(solved(answer).values) <= 1.0 / PROBABILITY_MIN
        return
    assert isinstance(answer, MarginRefused)
    assert answer.status is status
    assert answer.message


@st.composite
def extreme_markets(draw: st.DrawFn) -> list[float]:
    """Draw probabilities of any magnitude from the lowest that is taken to nearly 1."""
    tens = draw(st.lists(st.floats(-149.0, 0.0), min_size=1, max_size=7))
    weights = [10.0**ten for ten in tens]
    return [weight / sum(weights) for weight in weights]


@given(p=extreme_markets(), book=st.floats(0.1, 6.0), method=st.sampled_from(Method))
@example(p=[3e-109, 0.4, 0.6], book=0.7, method=Method.POWER)
@example(p=[0.001, 0.999], book=0.9, method=Method.POWER)
@example(p=[3e-109, 1.0], book=1.0, method=Method.POWER)
@settings(max_examples=400, deadline=None)
def test_odds_of_any_chance_are_in_bounds_and_make_the_book_or_are_refused(
    p: list[float], book: float, method: Method
) -> None:
    answer = add_margin(p, book=book, method=method)
    if isinstance(answer, MarginSolved):
        assert all(1.0 < odds <= 1.0 / PROBABILITY_MIN for odds in answer.values)
        assert sum(1.0 / odds for odds in answer.values) == pytest.approx(book, rel=1e-9)
    else:
        assert answer.status in (MarginStatus.NO_SOLUTION, MarginStatus.OUT_OF_RANGE)


@given(
    tens=st.lists(st.floats(-15.0, 149.0), min_size=1, max_size=7),
    winners=st.integers(1, 3),
    method=st.sampled_from(Method),
)
@settings(max_examples=400, deadline=None)
def test_probabilities_of_any_odds_add_up_to_the_winners_or_are_refused(
    tens: list[float], winners: int, method: Method
) -> None:
    answer = remove_margin([1.0 + 10.0**ten for ten in tens], method=method, winners=winners)
    if isinstance(answer, MarginSolved):
        assert method is not Method.SHIN or winners == 1
        assert all(PROBABILITY_MIN <= chance < 1.0 for chance in answer.values)
        assert sum(answer.values) == pytest.approx(winners, rel=1e-9)


@given(
    odds=st.lists(st.floats(1.05, 8.0), min_size=3, max_size=8),
    winners=st.integers(2, 3),
)
@example(odds=[1.25, 1.4, 1.9], winners=2)
@settings(max_examples=100, deadline=None)
def test_shin_is_refused_unless_one_outcome_wins(odds: list[float], winners: int) -> None:
    answer = remove_margin(odds, method=Method.SHIN, winners=winners)
    assert isinstance(answer, MarginRefused)
    assert answer.status is MarginStatus.BAD_INPUT
    p = [1.0 / each for each in odds]
    fair = np.array([value * winners / sum(p) for value in p])
    if max(fair) < 1.0:
        offsets = np.array((0, len(fair)), np.int64)
        moved = add_margins(fair, offsets, targets=np.array((1.05 * winners,)), methods=Method.SHIN)
        assert moved.statuses.tolist() == [MarginStatus.BAD_INPUT]


@st.composite
def several_winners(draw: st.DrawFn) -> tuple[list[float], int]:
    """Draw probabilities from 1e-4 to 0.99 that add up to a number of winners."""
    winners = draw(st.integers(1, 4))
    weights = draw(st.lists(st.floats(1e-3, 1.0), min_size=winners + 1, max_size=9))
    moved = remove_margin(
        [1.0 + 1.0 / weight for weight in weights], method=Method.ODDS_RATIO, winners=winners
    )
    assume(isinstance(moved, MarginSolved))
    values = solved(moved).values
    assume(min(values) >= 1e-4 and max(values) <= 0.99)
    return list(values), winners


@pytest.mark.parametrize("method", Method)
@given(market=several_winners(), book=st.floats(0.9, 1.5))
@settings(max_examples=60, deadline=None)
def test_an_added_margin_comes_off_again_whatever_the_number_of_winners(
    method: Method, market: tuple[list[float], int], book: float
) -> None:
    p, winners = market
    priced = add_margin(p, book=book, method=method, winners=winners)
    if isinstance(priced, MarginRefused):
        shin = method is Method.SHIN and winners > 1
        expected = {MarginStatus.BAD_INPUT} if shin else {
            MarginStatus.OUT_OF_RANGE, MarginStatus.NO_SOLUTION
        }  # fmt: skip
        assert priced.status in expected
        return
    assert method is not Method.SHIN or winners == 1
    assert sum(1.0 / odds for odds in priced.values) == pytest.approx(book * winners, rel=1e-11)
    if min(priced.values) > 1.0 + 1e-6:
        back = solved(remove_margin(priced.values, method=method, winners=winners))
        assert back.values == pytest.approx(p, abs=1e-7)


def test_a_refusal_names_the_field_and_its_bound() -> None:
    def add(p: tuple[float, ...], *, book: float = 1.05, winners: int = 1) -> str:
        answer = add_margin(p, book=book, method=Method.SHIN, winners=winners)
        assert isinstance(answer, MarginRefused)
        assert answer.status is MarginStatus.BAD_INPUT
        return answer.message

    def remove(odds: tuple[float, ...], *, winners: int = 1) -> str:
        answer = remove_margin(odds, method=Method.SHIN, winners=winners)
        assert isinstance(answer, MarginRefused)
        assert answer.status is MarginStatus.BAD_INPUT
        return answer.message

    assert add((0.5, 0.5, 0.0)) == "probabilities: each must be from 1e-150 to 1"
    assert add((nan, 0.5)) == "probabilities: each must be from 1e-150 to 1"
    assert add((0.5, 0.4)) == "probabilities: must add up to 1 within 1e-06, not 0.9"
    assert add((0.8, 0.7, 0.5), winners=2) == "winners: must be 1 for Shin's method"
    assert add((0.5, 0.5), winners=0) == "winners: must be from 1 to 1000"
    assert add((0.5, 0.5), book=nan) == "book: must be above 0 and below 1000"
    for odds in ((1.0, 3.0), (nan, 3.0), (1e151, 1.1), (10**5_000, 1.1), ()):
        assert remove(odds) == "odds: each must be above 1 and at most 1e+150"
    assert remove((1.25, 1.4, 1.9), winners=2) == "winners: must be 1 for Shin's method"
    assert remove((1.25, 1.4, 1.9), winners=10**5_000) == "winners: must be from 1 to 1000"


def test_odds_ratio_stands_in_for_shin_where_several_outcomes_win() -> None:
    odds = (1.25, 1.4, 1.9)
    by_type = Removal(method_by_type={"double_chance": Method.SHIN})
    expected = solved(remove_margin(odds, method=Method.ODDS_RATIO, winners=2)).values
    for removal in (by_type, Removal(method=Method.SHIN)):
        found = remove_by_type(odds, market_type="double_chance", removal=removal, winners=2)
        assert solved(found).values == expected
    single = remove_by_type((2.6, 2.4, 4.3), market_type="double_chance", removal=by_type)
    assert single == remove_margin((2.6, 2.4, 4.3), method=Method.SHIN)


# --- the method by market type -------------------------------------------------------------------


def test_lopsided_two_way_odds_lose_their_margin_additively_and_others_by_odds_ratio() -> None:
    assert LOPSIDED_MILLI == 1_200
    for odds, method in (
        ((1.12, 5.5), Method.ADDITIVE),
        ((1.2, 4.2), Method.ADDITIVE),
        ((1.21, 4.2), Method.ODDS_RATIO),
        ((1.9, 1.9), Method.ODDS_RATIO),
        ((1.12, 11.0, 13.0), Method.ODDS_RATIO),
    ):
        answer = remove_by_type(odds, market_type="total")
        assert solved(answer).values == solved(remove_margin(odds, method=method)).values


def test_a_market_type_may_have_a_method_of_its_own() -> None:
    removal = Removal(method=Method.SHIN, method_by_type={"total": Method.POWER})
    for market_type, odds, method in (
        ("total", (1.1, 6.5), Method.POWER),
        ("total", (1.8, 1.95), Method.POWER),
        ("1x2", (2.6, 2.4, 4.3), Method.SHIN),
        ("handicap", (1.1, 6.5), Method.ADDITIVE),
    ):
        answer = remove_by_type(odds, market_type=market_type, removal=removal)
        assert solved(answer).values == solved(remove_margin(odds, method=method)).values


@given(favourite=st.floats(1.001, 1.2), other=st.floats(1.001, 10_000.0))
def test_lopsided_two_way_odds_always_have_probabilities(favourite: float, other: float) -> None:
    answer = solved(remove_by_type((favourite, other), market_type="total"))
    assert sum(answer.values) == pytest.approx(1.0)
    assert min(answer.values) > 0.0


def test_methods_are_read_by_their_names() -> None:
    assert methods_by_type(("total=additive", "a_b=odds_ratio", "total=shin")) == {
        "total": Method.SHIN,
        "a_b": Method.ODDS_RATIO,
    }
    assert removal_by(("total=power",)) == Removal(method_by_type={"total": Method.POWER})
    for text in ("total", "=power", "total=", "total=best"):
        with pytest.raises(ValueError, match="methods: must be TYPE=METHOD"):
            methods_by_type((text,))


@pytest.mark.parametrize("bound", [999, 2_001])
def test_a_bound_of_lopsided_odds_outside_its_range_is_refused(bound: int) -> None:
    with pytest.raises(ValueError, match="lopsided_to_milli: must be from 1000 to 2000"):
        Removal(lopsided_to_milli=bound)


@pytest.mark.parametrize("odds", [(1.0, 3.0), (nan, 2.0), (float("inf"), 1.5), (-2.0, 3.0), ()])
def test_impossible_odds_are_refused(odds: tuple[float, ...]) -> None:
    answer = remove_margin(odds, method=Method.SHIN)
    assert isinstance(answer, MarginRefused)
    assert answer.status is MarginStatus.BAD_INPUT


def test_additive_refuses_where_a_probability_would_be_negative() -> None:
    answer = remove_margin((1.02, 15.0, 200.0), method=Method.ADDITIVE)
    assert isinstance(answer, MarginRefused)
    assert answer.status is MarginStatus.OUT_OF_RANGE


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=6),
    target=st.floats(allow_nan=True, allow_infinity=True),
    method=st.sampled_from(Method),
)
@example(values=[0.5], target=0.25, method=Method.SHIN)
@example(values=[0.3, 1e-200, 1.0], target=2.0, method=Method.SHIN)
@example(values=[1e-200, 0.5, 0.5], target=1.0, method=Method.SHIN)
@settings(max_examples=300, deadline=None)
def test_no_input_gives_nan(values: list[float], target: float, method: Method) -> None:
    flat, offsets = np.array(values, np.float64), np.array((0, len(values)), np.int64)
    for moved in (
        add_margins(flat, offsets, targets=np.array((target,)), methods=method),
        remove_margins(flat, offsets, winners=np.array((target,)), methods=method),
    ):
        assert np.isfinite(moved.values).all()
        assert np.isfinite(moved.parameters).all()


@given(
    p=st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=30),
    book=st.floats(1.0, 3.0),
    method=st.sampled_from(Method),
)
@settings(max_examples=300, deadline=None)
def test_a_solver_reaches_its_sum_or_returns_a_status(
    p: list[float], book: float, method: Method
) -> None:
    flat = np.array(p) / sum(p)
    offsets = np.array((0, len(p)), np.int64)
    moved = add_margins(flat, offsets, targets=np.array((book,)), methods=method)
    status = MarginStatus(moved.statuses[0])
    assert status is not MarginStatus.NOT_CONVERGED
    if status in (MarginStatus.SOLVED, MarginStatus.OUT_OF_RANGE):
        assert moved.values.sum() == pytest.approx(book, rel=1e-9)


def test_ragged_markets_are_moved_each_by_its_own_method_and_sum() -> None:
    books = (1.02, 1.10, 2.08, 1.05)
    probabilities = ((0.5, 0.5), (0.2, 0.3, 0.1, 0.4), (0.8, 0.7, 0.5), (1.5, -0.5))
    methods = (Method.SHIN, Method.POWER, Method.ODDS_RATIO, Method.POWER)
    moved = add_margins(
        np.concatenate(probabilities),
        np.array((0, 2, 6, 9, 11), np.int64),
        targets=np.array(books),
        methods=np.array(methods, np.int64),
    )
    assert moved.statuses.tolist() == [0, 0, 0, MarginStatus.BAD_INPUT]
    assert moved.values[9:].tolist() == [0.0, 0.0]
    single = solved(add_margin(probabilities[1], book=1.10, method=Method.POWER))
    assert moved.values[2:6] == pytest.approx([1.0 / odds for odds in single.values], rel=1e-14)
    assert moved.parameters[1] == single.parameter
    sums = np.add.reduceat(moved.values, [0, 2, 6])[:2]
    assert sums == pytest.approx(books[:2])
