"""Tails agree with exact sums, with published figures, and control false discoveries."""

from fractions import Fraction
from math import comb, exp, factorial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.watch.tails import (
    binomial_tail,
    discoveries,
    negative_binomial_tail,
    poisson_tail,
    student_tail,
)


@given(st.integers(0, 40), st.integers(1, 30), st.integers(1, 31))
@settings(max_examples=60)
def test_a_binomial_tail_is_the_exact_sum(count: int, trials: int, part: int) -> None:
    chance = Fraction(part, 32)
    exact = sum(
        comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(count, trials + 1)
    )
    assert binomial_tail(count, trials, part / 32) == pytest.approx(float(exact), rel=1e-9)


@given(st.integers(0, 60), st.integers(1, 160))
@settings(max_examples=60)
def test_a_poisson_tail_is_one_less_the_exact_sum_below(count: int, eighths: int) -> None:
    mean = Fraction(eighths, 8)
    below = sum(mean**k / factorial(k) for k in range(count))
    exact = 1.0 - float(below) * exp(-float(mean))
    assert poisson_tail(count, float(mean)) == pytest.approx(exact, abs=1e-12)


@given(st.integers(0, 40), st.integers(1, 64), st.integers(1, 6))
@settings(max_examples=60)
def test_a_negative_binomial_tail_is_one_less_the_exact_sum_below(
    count: int, quarters: int, size: int
) -> None:
    mean = Fraction(quarters, 4)
    share = mean / (size + mean)
    below = sum(comb(k + size - 1, k) * (1 - share) ** size * share**k for k in range(count))
    tail = negative_binomial_tail(count, float(mean), size=float(size))
    assert tail == pytest.approx(float(1 - below), rel=1e-8, abs=1e-13)


def test_tails_far_out_keep_their_leading_digits() -> None:
    # 0.5 ** 100, and the first terms of a Poisson tail: e^-1 (1/30! + 1/31! + 1/32! + ...)
    assert binomial_tail(100, 100, 0.5) == pytest.approx(0.5**100, rel=1e-9)
    terms = sum(exp(-1) / factorial(k) for k in range(30, 40))
    assert poisson_tail(30, 1.0) == pytest.approx(terms, rel=1e-9)


def test_a_tail_at_its_ends() -> None:
    assert poisson_tail(0, 3.0) == binomial_tail(0, 5, 0.2) == 1.0
    assert poisson_tail(1, 0.0) == binomial_tail(1, 5, 0.0) == binomial_tail(6, 5, 0.9) == 0.0
    assert binomial_tail(5, 5, 1.0) == 1.0


def test_the_discoveries_of_benjamini_and_hochbergs_own_example() -> None:
    """Their 15 comparisons of myocardial infarction treatments (1995, section 3): four at 5%."""
    tails = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert discoveries(tails, tests=15, rate=0.05) == 0.0095


def test_tests_that_are_not_listed_count_against_a_discovery() -> None:
    assert discoveries([0.004], tests=10, rate=0.05) == 0.004
    assert discoveries([0.006], tests=10, rate=0.05) == -1.0


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    [(6.314, 1, 0.05), (4.303, 2, 0.025), (4.541, 3, 0.01), (3.365, 5, 0.01), (2.764, 10, 0.01),
     (1.697, 30, 0.05), (3.659, 29, 0.0005)],
)  # fmt: skip
def test_students_tail_is_that_of_the_published_table(
    value: float, freedom: int, tail: float
) -> None:
    """Fisher and Yates' table of t, three decimals."""
    assert student_tail(value, freedom=freedom) == pytest.approx(tail, rel=2e-3)
    assert student_tail(-value, freedom=freedom) == pytest.approx(1.0 - tail, rel=2e-3)


def test_students_tail_of_one_degree_of_freedom_is_cauchys() -> None:
    assert student_tail(1.0, freedom=1) == pytest.approx(0.25)
    assert student_tail(0.0, freedom=8) == pytest.approx(0.5)
