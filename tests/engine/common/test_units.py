"""Units: the payout formulas, their inverses, and bounds that keep products inside 63 bits."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common import units
from engine.common.units import (
    base_amount_minor_max,
    base_amount_minor_max_up,
    base_minor,
    base_minor_up,
    payout_minor,
    payout_stake_minor_max,
)
from engine.common.units_nb import (
    base_amount_minor_max_nb,
    base_amount_minor_max_up_nb,
    base_minor_nb,
    base_minor_up_nb,
    payout_minor_nb,
    payout_stake_minor_max_nb,
)

stakes = st.integers(1, 10**9)
odds = st.integers(1_001, 10_000_000)
rates = st.integers(1, 10**9)
limits = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ("stake", "odds_milli", "payout"),
    [(1_000, 2_500, 2_500), (3, 1_001, 3), (999, 1_999, 1_997), (10**9, 10**7, 10**13)],
)
def test_payout_rounds_down_to_the_minor_unit(stake: int, odds_milli: int, payout: int) -> None:
    assert payout_minor(stake, odds_milli) == payout


@pytest.mark.parametrize(
    ("amount", "rate_micro", "base"), [(3, 500_000, 1), (7, 1_000_000, 7), (1, 999_999, 0)]
)
def test_base_amount_rounds_down_to_the_minor_unit(amount: int, rate_micro: int, base: int) -> None:
    assert base_minor(amount, rate_micro) == base


@given(stakes, odds)
def test_payout_is_the_exact_product_rounded_down(stake: int, odds_milli: int) -> None:
    exact = floor(stake * Fraction(odds_milli, 1_000))
    assert payout_minor(stake, odds_milli) == exact
    assert payout_minor_nb(stake, odds_milli) == exact


@given(stakes, rates)
def test_base_amount_is_the_exact_product_rounded_down(amount: int, rate_micro: int) -> None:
    exact = floor(amount * Fraction(rate_micro, 1_000_000))
    assert base_minor(amount, rate_micro) == exact
    assert base_minor_nb(amount, rate_micro) == exact


@given(limits, odds)
def test_largest_stake_of_a_payout_pays_it_and_one_more_pays_more(limit: int, odds_milli) -> None:
    stake = payout_stake_minor_max(limit, odds_milli)
    assert floor(stake * Fraction(odds_milli, 1_000)) <= limit
    assert floor((stake + 1) * Fraction(odds_milli, 1_000)) > limit
    assert payout_stake_minor_max_nb(limit, odds_milli) == stake


@given(st.integers(0, 10**9), rates)
def test_largest_amount_of_a_base_amount_is_worth_it_and_one_more_is_worth_more(
    limit: int, rate_micro: int
) -> None:
    amount = base_amount_minor_max(limit, rate_micro)
    assert floor(amount * Fraction(rate_micro, 1_000_000)) <= limit
    assert floor((amount + 1) * Fraction(rate_micro, 1_000_000)) > limit
    assert base_amount_minor_max_nb(limit, rate_micro) == amount


def test_largest_products_fit_a_signed_64_bit_integer() -> None:
    top = (1 << 63) - 1
    stake, odds_milli = units.STAKE_MINOR_MAX, units.ODDS_MILLI_MAX
    dead_heat = units.DEAD_HEAT_DEN_MAX
    assert stake * (2 * odds_milli * dead_heat + 2_000 * dead_heat) < top
    assert stake * units.RATE_MICRO_MAX < top
    assert top > (units.LIMIT_MINOR_MAX + 1) * 1_000
    assert units.BETS_MAX * stake + units.LIMIT_MINOR_MAX + units.PAYOUT_MINOR_MAX < top


def test_bounds_are_those_of_the_documents() -> None:
    assert (units.ODDS_MILLI_MIN, units.ODDS_MILLI_MAX) == (1_001, 10_000_000)
    assert units.STAKE_MINOR_MAX == 1_000_000_000
    assert units.PAYOUT_MINOR_MAX == 10_000_000_000_000
    assert units.BALANCE_MINOR_MAX == units.LIMIT_MINOR_MAX == 10**15


def test_base_amount_of_333_at_a_rate_of_6_thousandths_rounds_up_to_2() -> None:
    assert (base_minor(333, 6_000), base_minor_up(333, 6_000)) == (1, 2)


@given(st.one_of(stakes, limits), rates)
def test_base_amount_rounded_up_is_the_exact_product_rounded_up(amount: int, rate: int) -> None:
    exact = ceil(amount * Fraction(rate, 1_000_000))
    assert base_minor_up(amount, rate) == exact
    assert base_minor_up_nb(amount, rate) == exact


@given(limits, rates)
def test_largest_amount_rounded_up_is_within_a_limit_and_one_more_is_not(limit, rate) -> None:
    amount = base_amount_minor_max_up(limit, rate)
    assert base_minor_up(amount, rate) <= limit
    assert amount == 10**13 or base_minor_up(amount + 1, rate) > limit
    assert base_amount_minor_max_up_nb(limit, rate) == amount
