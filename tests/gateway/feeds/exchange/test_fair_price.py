"""Fair prices lie between the best two, follow the money, and are not given when in doubt."""

from collections.abc import Sequence
from math import exp, inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.feeds.exchange.fair_price import (
    FairMarket,
    FairRules,
    RunnerPrices,
    estimate,
    fair_market,
    moved_by,
)
from tests.gateway.feeds.exchange.builders import PRICES

RULES = FairRules()
ANY = FairRules(spread_max=1.0, ratio_max=1_000.0)
SIZES = st.floats(0.01, 1e6)


@st.composite
def books(draw: st.DrawFn) -> RunnerPrices:
    middle = draw(st.integers(5, len(PRICES) - 6))
    backs = sorted(draw(st.sets(st.integers(0, middle - 1), min_size=1, max_size=4)), reverse=True)
    lays = sorted(
        draw(st.sets(st.integers(middle, len(PRICES) - 1), min_size=1, max_size=4)),
    )
    return RunnerPrices(
        [(PRICES[i], draw(SIZES)) for i in backs], [(PRICES[i], draw(SIZES)) for i in lays], 0.0
    )


def fair_of(
    runners: Sequence[RunnerPrices | None], *, winners: int, rules: FairRules
) -> FairMarket | None:
    estimates = [estimate(each, rules) if each is not None else None for each in runners]
    return fair_market(estimates, winners=winners, rules=rules)


def even(back: float, lay: float, *, last: float = 0.0) -> RunnerPrices:
    return RunnerPrices([(back, 100.0)], [(lay, 100.0)], last)


@given(books())
def test_fair_lies_between_best_back_and_best_lay(book: RunnerPrices) -> None:
    found = estimate(book, ANY)
    assert found is not None
    assert 1 / book.lays[0][0] <= found <= 1 / book.backs[0][0]


@given(books(), st.integers(0, 2), st.floats(1.01, 50.0))
def test_more_money_to_back_with_raises_it_and_more_to_lay_with_lowers_it(
    book: RunnerPrices, place: int, times: float
) -> None:
    def grown(levels: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [
            (price, size * times if i == place else size) for i, (price, size) in enumerate(levels)
        ]

    found = estimate(book, ANY)
    assert found is not None
    wanted = estimate(book._replace(lays=grown(list(book.lays))), ANY)
    offered = estimate(book._replace(backs=grown(list(book.backs))), ANY)
    assert wanted is not None
    assert offered is not None
    assert offered <= found + 1e-12
    assert wanted >= found - 1e-12


def test_equal_money_gives_the_middle_of_the_probabilities() -> None:
    assert estimate(even(2.0, 2.5), RULES) == pytest.approx((0.5 + 0.4) / 2)


def test_money_three_to_one_gives_the_third_quarter() -> None:
    book = RunnerPrices([(2.0, 100.0)], [(2.5, 300.0)], 0.0)
    assert estimate(book, RULES) == pytest.approx(0.4 + 0.75 * 0.1)


def test_deeper_levels_count_half_of_the_one_before() -> None:
    book = RunnerPrices([(2.0, 100.0), (1.9, 200.0)], [(2.5, 200.0)], 0.0)
    assert estimate(book, RULES) == pytest.approx(0.45)


def test_crossed_prices_say_nothing() -> None:
    assert estimate(even(2.5, 2.0, last=2.2), RULES) is None


@pytest.mark.parametrize(
    ("book", "expected"),
    [
        (even(1.5, 3.0, last=2.0), 0.5),
        (even(1.5, 3.0, last=1.2), 1 / 1.5),
        (even(1.5, 3.0), None),
        (RunnerPrices([(4.0, 9.0)], [], 5.0), 0.2),
        (RunnerPrices([(4.0, 9.0)], [], 3.0), 0.25),
        (RunnerPrices([], [(4.0, 9.0)], 5.0), 0.25),
        (RunnerPrices([(4.0, 9.0)], [], 0.0), None),
        (RunnerPrices([], [], 8.0), 0.125),
        (RunnerPrices([], [], 0.0), None),
    ],
)
def test_where_a_side_is_missing_or_far_the_last_price_stands_in_between(
    book: RunnerPrices, expected: float | None
) -> None:
    assert estimate(book, RULES) == expected


def test_long_shot_of_small_difference_but_large_ratio_is_not_believed() -> None:
    assert estimate(even(100.0, 400.0), RULES) is None
    assert estimate(even(100.0, 200.0), RULES) is not None


def test_last_price_alone_may_be_distrusted() -> None:
    assert estimate(RunnerPrices([], [], 8.0), FairRules(last_alone=False)) is None


@given(st.lists(st.floats(0.02, 0.9), min_size=3, max_size=12), st.integers(1, 2))
def test_market_adds_up_to_its_winners_and_keeps_the_order(
    weights: list[float], winners: int
) -> None:
    total = sum(weights) / winners
    chances = [weight / total for weight in weights]
    assume(max(chances) < 0.97)
    assume(len(weights) > winners)
    books = [RunnerPrices([(0.995 / p, 10.0)], [(1.005 / p, 10.0)], 0.0) for p in chances]
    fair = fair_of(books, winners=winners, rules=ANY)
    assume(all(p < 0.99 for p in chances))
    assert fair is not None
    assert sum(fair.probabilities) == pytest.approx(winners, abs=1e-9)
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    assert [fair.probabilities[i] for i in order] == sorted(fair.probabilities)


def test_withdrawn_runner_has_no_probability_and_the_others_add_up() -> None:
    fair = fair_of([even(1.9, 2.0), None, even(1.95, 2.05)], winners=1, rules=RULES)
    assert fair is not None
    assert fair.offered == (True, False, True)
    assert fair.probabilities[1] == 0.0
    assert sum(fair.probabilities) == pytest.approx(1.0)


def test_runner_without_a_price_is_not_offered_while_the_others_add_up_alone() -> None:
    nobody = RunnerPrices([], [], 0.0)
    fair = fair_of([even(1.9, 2.0), nobody, even(1.95, 2.05)], winners=1, rules=RULES)
    assert fair is not None
    assert fair.offered == (True, False, True)


@pytest.mark.parametrize(
    ("books", "winners"),
    [
        ([even(3.0, 3.1), even(3.0, 3.1)], 1),  # a third is missing
        ([even(1.5, 1.6), even(1.5, 1.6)], 1),  # far too many
        ([even(1.9, 2.0), even(1.95, 2.05)], 2),  # both are sure to win
        ([even(1.9, 2.0)], 1),
        ([], 1),
        ([even(1.9, 2.0), even(1.95, 2.05)], 0),
        ([None, None], 1),
    ],
)
def test_market_that_does_not_add_up_has_no_fair(
    books: list[RunnerPrices | None], winners: int
) -> None:
    assert fair_of(books, winners=winners, rules=RULES) is None


def test_moves_are_measured_in_log_odds_and_comings_and_goings_without_bound() -> None:
    before = FairMarket((0.5, 0.5), (True, True))
    assert moved_by(before, before) == 0.0
    assert moved_by(before, FairMarket((0.525, 0.475), (True, True))) == pytest.approx(
        0.1, abs=1e-3
    )
    assert moved_by(None, before) == inf
    assert moved_by(before, FairMarket((1.0, 0.0), (True, False))) == inf


STEPS = st.floats(-0.02, 0.02)


@given(st.lists(st.floats(0.02, 0.9), min_size=3, max_size=12), st.integers(1, 2), STEPS, st.data())
def test_prices_stand_only_where_solving_again_shows_that_none_moved(
    weights: list[float], winners: int, common: float, data: st.DataObject
) -> None:
    total = sum(weights) / winners
    first = [weight / total for weight in weights]
    assume(max(first) < 0.97)
    before = fair_market(first, winners=winners, rules=RULES)
    assume(before is not None)
    assert before is not None
    second = [
        1.0 / (1.0 + (1.0 - p) / p * exp(common + data.draw(STEPS, label="step"))) for p in first
    ]
    solved = fair_market(second, winners=winners, rules=RULES)
    found = fair_market(second, winners=winners, rules=RULES, before=before, move_min=0.01)
    if found is before:
        assert solved is not None
        assert moved_by(before, solved) < 0.01
    else:
        assert found == solved


def test_one_step_of_all_estimates_moves_no_price_and_solves_nothing() -> None:
    before = fair_market([0.5, 0.3, 0.21], winners=1, rules=RULES)
    assert before is not None
    stepped = [1.0 / (1.0 + (1.0 - p) / p * 1.02) for p in (0.5, 0.3, 0.21)]
    again = fair_market(stepped, winners=1, rules=RULES, before=before, move_min=0.01)
    assert again is before


@pytest.mark.parametrize(
    ("estimates", "winners"),
    [
        ([0.5, 0.3, None], 1),  # a runner left
        ([0.5, 0.3, 0.21], 2),  # another number of winners
        ([0.7, 0.5, 0.4], 1),  # the sum is out of bounds
        ([0.5, 0.32, 0.2], 1),  # a runner moved
    ],
)
def test_prices_do_not_stand_where_the_market_is_another(
    estimates: list[float | None], winners: int
) -> None:
    before = fair_market([0.5, 0.3, 0.21], winners=1, rules=RULES)
    assert before is not None
    loose = FairRules(sum_low=0.4)
    for rules in (RULES, loose):
        found = fair_market(estimates, winners=winners, rules=rules, before=before, move_min=0.01)
        assert found is not before
        assert found == fair_market(estimates, winners=winners, rules=rules)
