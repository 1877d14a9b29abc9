"""The lines of a bet: counted as an enumeration counts them, and within bounds."""

from math import comb

import numpy as np
import pytest
from hypothesis import given

from engine.common.units import SLIP_LINE_LEGS_MAX
from engine.slips.lines_nb import LEGS_MAX, LINES_MAX, STEPS, STEPS_MAX, WALK_I64S, count_lines_nb
from tests.engine.slips.strategies import slips
from tests.engine.slips.twin import TwinBet, TwinLeg, columns_of, lines_of, rows_of


def counted(legs: list[TwinLeg], bet: TwinBet) -> tuple[int, list[int]]:
    columns = columns_of(legs)
    with_leg = np.zeros(len(legs), np.int64)
    work = np.full(WALK_I64S, -1, np.int64)
    work[STEPS] = STEPS_MAX
    row = rows_of([bet])[0]
    lines = count_lines_nb(columns.positions, columns.events, len(legs), row, with_leg, work)
    return lines, with_leg.tolist()


def apart(count: int) -> list[TwinLeg]:
    return [TwinLeg(position=i, event=i) for i in range(count)]


def system(count: int, *sizes: int, bankers: tuple[int, ...] = ()) -> TwinBet:
    return TwinBet(1, frozenset(sizes), frozenset(range(count)), frozenset(bankers))


@given(slips())
def test_lines_are_those_of_an_enumeration(slip: tuple[list[TwinLeg], list[TwinBet]]) -> None:
    legs, bets = slip
    for bet in bets:
        lines = list(lines_of(legs, bet))
        with_leg = [sum(i in line for line in lines) for i in range(len(legs))]
        assert counted(legs, bet) == (len(lines), with_leg)


@pytest.mark.parametrize(
    ("legs", "sizes", "lines"),
    [
        (2, (2,), 1),
        (3, (2, 3), 4),
        (3, (1, 2, 3), 7),
        (4, (2, 3, 4), 11),
        (4, (1, 2, 3, 4), 15),
        (5, (2, 3, 4, 5), 26),
        (5, (1, 2, 3, 4, 5), 31),
        (6, (2, 3, 4, 5, 6), 57),
        (6, (1, 2, 3, 4, 5, 6), 63),
        (7, (2, 3, 4, 5, 6, 7), 120),
        (8, (2, 3, 4, 5, 6, 7, 8), 247),
    ],
)
def test_full_covers_have_their_known_lines(legs: int, sizes: tuple[int, ...], lines: int) -> None:
    assert counted(apart(legs), system(legs, *sizes))[0] == lines


def test_doubles_of_three_selections_of_which_two_share_an_event_are_two() -> None:
    legs = [TwinLeg(0, 0), TwinLeg(1, 1), TwinLeg(2, 0)]
    assert counted(legs, system(3, 2)) == (2, [1, 2, 1])


def test_bankers_alone_are_one_line_of_size_zero() -> None:
    assert counted(apart(3), system(3, 0, bankers=(0, 1, 2))) == (1, [1, 1, 1])


def test_a_banker_that_has_no_leg_leaves_no_line() -> None:
    assert counted(apart(2), system(3, 1, 2, bankers=(2,))) == (0, [0, 0])


def ways(*counts: int) -> list[TwinLeg]:
    return [TwinLeg(position=at, event=at) for at, count in enumerate(counts) for _ in range(count)]


def test_lines_are_counted_up_to_the_bound() -> None:
    assert counted(ways(5, 5, 5, 5, 2, 2, 2, 2, 2), system(9, 9))[0] == LINES_MAX == 20_000
    over = ways(1, 1, 1, 2, 8, 10, 11)
    assert sum(1 for _ in lines_of(over, system(7, 2, 3, 4, 5))) == 20_001
    assert counted(over, system(7, 2, 3, 4, 5))[0] == -1
    assert counted(apart(16), system(16, *range(1, 17)))[0] == -1


def test_alternatives_of_one_position_are_lines_of_their_own() -> None:
    assert counted(ways(LEGS_MAX), system(1, 1)) == (LEGS_MAX, [1] * LEGS_MAX)


def test_a_bet_whose_legs_share_many_events_is_given_up_within_the_bound() -> None:
    """32 of 62 positions on 31 events have no line, which takes 2**31 nodes to find out."""
    legs = [TwinLeg(position=i, event=i // 2) for i in range(62)]
    assert counted(legs, system(62, 32))[0] == -1


def test_no_system_of_legs_that_share_no_event_is_too_long_a_walk() -> None:
    for count in range(1, LEGS_MAX + 1):
        for size in range(1, count + 1):
            lines = comb(count, size)
            if lines <= LINES_MAX and lines * size <= SLIP_LINE_LEGS_MAX:
                assert counted(apart(count), system(count, size))[0] == lines


def test_ways_in_many_positions_are_walked_behind_the_others() -> None:
    """The first 10 of 45 positions have two legs: else each line would be a walk of its own."""
    legs = ways(*(2,) * 10, *(1,) * 35)
    assert counted(legs, system(45, 45))[0] == 1 << 10
