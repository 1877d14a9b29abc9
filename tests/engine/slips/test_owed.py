"""What a slip is owed and what its legs are charged: as exact fractions say, line by line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.units import ODDS_MILLI_MAX, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.slips.lines_nb import LEGS_MAX
from engine.slips.owed_nb import (
    BACK_DEN_MAX,
    BACK_NUM_MAX,
    OPEN,
    PAYOUT_OVER,
    WORK_I64S,
    owed_nb,
    returned_nb,
    running_nb,
)
from tests.engine.slips import twin
from tests.engine.slips.strategies import slips, stakes_minor
from tests.engine.slips.twin import TwinBet, TwinLeg, columns_of, rows_of

Slip = tuple[list[TwinLeg], list[TwinBet]]


def owed(legs: list[TwinLeg], bets: list[TwinBet]) -> int:
    rows = rows_of([TwinBet(7, frozenset({1}), frozenset({0})), *bets])
    work = np.full(WORK_I64S, -1, np.int64)
    return owed_nb(*columns_of(legs), len(legs), rows, 1, len(bets), work)


def charges(legs: list[TwinLeg], bets: list[TwinBet]) -> list[int]:
    found = np.full(len(legs), -5, np.int64)
    work = np.full(WORK_I64S, -1, np.int64)
    running_nb(*columns_of(legs), len(legs), rows_of(bets), 0, len(bets), found, work)
    return found.tolist()


def accumulator(legs: list[TwinLeg], stake_minor: int) -> list[TwinBet]:
    return [TwinBet(stake_minor, frozenset({len(legs)}), frozenset(range(len(legs))))]


def resolved(slip: Slip) -> Slip:
    legs, bets = slip
    return [leg if leg.back else leg._replace(back=(2_500, 1_000)) for leg in legs], bets


def expected(slip: Slip) -> int:
    due = twin.owed(*slip)
    return OPEN if due is None else min(due, PAYOUT_OVER)


@given(slips())
def test_a_slip_is_owed_what_fractions_say(slip: Slip) -> None:
    assert owed(*slip) == expected(slip)


@given(slips().map(resolved))
def test_a_slip_with_every_leg_resolved_is_owed_what_fractions_say(slip: Slip) -> None:
    assert owed(*slip) == expected(slip)


@given(slips())
def test_open_legs_are_charged_what_runs_on_them(slip: Slip) -> None:
    stood = charges(*slip)
    due = twin.charges(*slip, STAKE_MINOR_MAX)
    assert stood == [due.get(i, -5) for i in range(len(slip[0]))]


def returned(legs: list[TwinLeg], bets: list[TwinBet]) -> int:
    work = np.full(WORK_I64S, -1, np.int64)
    return returned_nb(*columns_of(legs), len(legs), rows_of(bets), 0, len(bets), work)


def stakes_back(legs: list[TwinLeg], bets: list[TwinBet]) -> int:
    return sum(
        min(bet.stake_minor, int(twin.running_of(legs, bet, line)))
        for bet in bets
        for line in twin.lines_of(legs, bet)
    )


@given(slips().map(resolved))
def test_each_line_returns_its_own_stake_at_most(slip: Slip) -> None:
    assert returned(*slip) == stakes_back(*slip)


wide = st.tuples(st.integers(1, BACK_NUM_MAX), st.integers(1, BACK_DEN_MAX))
near_one = st.integers(1, BACK_DEN_MAX).flatmap(
    lambda den: st.tuples(st.integers(max(1, den - 9), den + 9), st.just(den))
)


@given(st.lists(st.one_of(wide, near_one), min_size=1, max_size=LEGS_MAX), stakes_minor)
def test_long_products_are_divided_exactly(backs: list[tuple[int, int]], stake_minor: int) -> None:
    legs = [TwinLeg(i, i, back) for i, back in enumerate(backs)]
    bets = accumulator(legs, stake_minor)
    assert owed(legs, bets) == expected((legs, bets))
    assert returned(legs, bets) == stakes_back(legs, bets)


@given(
    st.lists(st.tuples(st.integers(1, BACK_DEN_MAX), st.just(0)), min_size=4, max_size=30),
    st.integers(1, STAKE_MINOR_MAX),
    st.integers(0, 1),
)
def test_a_product_that_is_whole_is_not_rounded_down(
    numbers: list[tuple[int, int]], stake_minor: int, short: int
) -> None:
    """Legs a/b, b/c, ... z/a give the stake back to the unit, and one unit less a hair below."""
    values = [number for number, _ in numbers]
    backs = list(zip(values, [*values[1:], values[0]], strict=True))
    backs += [(10**9 - short, 10**9)]
    legs = [TwinLeg(i, i, back) for i, back in enumerate(backs)]
    bets = accumulator(legs, stake_minor)
    assert owed(legs, bets) == expected((legs, bets)) == stake_minor - short


def test_the_longest_numbers_fit_the_scratch() -> None:
    legs = [TwinLeg(i, i, (BACK_NUM_MAX, BACK_DEN_MAX)) for i in range(LEGS_MAX)]
    assert owed(legs, accumulator(legs, STAKE_MINOR_MAX)) == PAYOUT_OVER
    legs = [leg._replace(back=(1, BACK_DEN_MAX)) for leg in legs]
    assert owed(legs, accumulator(legs, STAKE_MINOR_MAX)) == 0


@pytest.mark.parametrize("more", [0, 1])
def test_a_payout_up_to_the_bound_is_exact_and_above_it_is_over(more: int) -> None:
    legs = [TwinLeg(0, 0, (ODDS_MILLI_MAX, 1_000)), TwinLeg(1, 1, (1, 1))]
    bets = accumulator(legs, STAKE_MINOR_MAX)
    if more:
        bets += [TwinBet(1, frozenset({1}), frozenset({1}))]
    assert owed(legs, bets) == PAYOUT_MINOR_MAX + more


def test_bets_that_are_all_over_the_bound_are_over_it() -> None:
    legs = [TwinLeg(i, i, (ODDS_MILLI_MAX, 1_000)) for i in range(2)]
    assert owed(legs, accumulator(legs, STAKE_MINOR_MAX) * 3) == PAYOUT_OVER


def test_a_lost_leg_decides_its_lines_whatever_is_open() -> None:
    legs = [TwinLeg(0, 0, (0, 1)), TwinLeg(1, 1, None)]
    assert owed(legs, accumulator(legs, 100)) == 0
    trixie = [TwinBet(100, frozenset({2, 3}), frozenset({0, 1, 2}))]
    assert owed([*legs, TwinLeg(2, 2, (2_000, 1_000))], trixie) == OPEN
    assert owed([*legs, TwinLeg(2, 2, (0, 1))], trixie) == 0


def test_each_line_is_rounded_down_by_itself() -> None:
    legs = [TwinLeg(i, i, (1_333, 1_000)) for i in range(3)]
    singles = [TwinBet(1, frozenset({1}), frozenset({0, 1, 2}))]
    assert owed(legs, singles) == 3


def test_a_charge_grows_with_a_leg_that_won_and_goes_with_one_that_lost() -> None:
    legs = [TwinLeg(0, 0, None), TwinLeg(1, 1, (2_500, 1_000)), TwinLeg(2, 2, None)]
    bets = [TwinBet(100, frozenset({2, 3}), frozenset({0, 1, 2}))]
    assert charges(legs, bets) == [250 + 100 + 250, -5, 250 + 100 + 250]
    legs[2] = legs[2]._replace(back=(0, 1))
    assert charges(legs, bets) == [250, -5, -5]


def test_a_charge_stops_at_the_largest_stake() -> None:
    legs = [TwinLeg(0, 0, None), TwinLeg(1, 1, (ODDS_MILLI_MAX, 1_000))]
    assert charges(legs, accumulator(legs, STAKE_MINOR_MAX))[0] == STAKE_MINOR_MAX
