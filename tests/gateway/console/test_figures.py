"""The figures of a market, by worked examples and properties."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.console.figures import (
    book_sum_milli,
    expected_profit_minor,
    fair_probabilities,
    worst_minor,
)
from gateway.console.pages.parts import expected_text, money_text, odds_milli_of

ODDS = st.lists(st.integers(1_001, 10_000_000), min_size=1, max_size=40)


@settings(max_examples=60)
@given(odds=ODDS, winners=st.integers(1, 3))
def test_fair_probabilities_sum_to_the_winners_and_keep_the_order(
    odds: list[int], winners: int
) -> None:
    fair = fair_probabilities(odds, [True] * len(odds), winners=winners)
    assert abs(sum(fair) - winners) < 1e-9
    by_odds = [chance for _, chance in sorted(zip(odds, fair, strict=True))]
    assert by_odds == sorted(by_odds, reverse=True)


def test_an_outcome_that_is_not_offered_has_no_chance_and_no_part_in_the_sum() -> None:
    fair = fair_probabilities([2_000, 2_000, 5_000], [True, True, False], winners=1)
    assert fair == [0.5, 0.5, 0.0]
    assert book_sum_milli([2_000, 2_000, 5_000], [True, True, False], winners=1) == 1_000


@settings(max_examples=60)
@given(odds=ODDS, winners=st.integers(1, 3))
def test_the_book_sum_is_that_of_exact_fractions(odds: list[int], winners: int) -> None:
    exact = sum(Fraction(1_000, one) for one in odds) / winners
    assert abs(book_sum_milli(odds, [True] * len(odds), winners=winners) - 1_000 * exact) <= 1


def test_a_fair_book_expects_nothing_and_its_worst_case_is_its_largest_liability() -> None:
    # 100 staked on each of two outcomes at even odds: 200 either way.
    assert expected_profit_minor([20_000, 20_000], 20_000, [0.5, 0.5]) == 0
    # The same at 1.90: 10 are kept whoever wins.
    assert expected_profit_minor([19_000, 19_000], 20_000, [0.5, 0.5]) == 1_000
    assert worst_minor([-1_000, 4_000]) == -4_000
    assert worst_minor([-1_000, -300]) == 300
    assert worst_minor([]) == 0


def test_odds_are_read_as_a_person_writes_them_and_nothing_else_is() -> None:
    assert odds_milli_of("2.5") == 2_500
    assert odds_milli_of(" 1,01 ") == 1_010
    assert odds_milli_of("10000") == 10_000_000
    for text in ("", ".", "1", "1.0009", "10000.001", "-2", "1e3", "\u0662.5", "2.5.1", "9" * 40):
        assert odds_milli_of(text) is None, text


@settings(max_examples=40)
@given(minor=st.integers(-(10**15), 10**15))
def test_amounts_have_a_true_minus_sign_and_no_negative_zero(minor: int) -> None:
    text = money_text(minor)
    assert "-" not in text
    assert text != "\u22120"
    assert int(text.replace(",", "").replace("\u2212", "-")) == round(minor / 100)


def test_an_expected_profit_that_nobody_knows_is_blank_and_of_a_part_says_so() -> None:
    assert expected_text(None, of=2, unknown=2) == ""
    assert expected_text(None, of=0, unknown=0) == ""
    assert expected_text(-2_000, of=3, unknown=1) == "\u221220 (2 of 3 markets)"
    assert expected_text(1_000, of=2, unknown=0) == "10"
