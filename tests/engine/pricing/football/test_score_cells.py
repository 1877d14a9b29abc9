"""Cells of both halves: the value of every axis in them, and the cells still reachable."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from engine.pricing.football.axes import AXIS_SPECS, Axis, Play, Scope, needs_order
from engine.pricing.football.model import MatchState, Period, Score
from engine.pricing.football.score_cells import (
    FULL_SIDE,
    HALF_SIDE,
    axis_values,
    by_half_goals,
    reachable_cells,
    tie_break_order,
)

# --- what each axis measures, stated anew --------------------------------------------------------


def result(home: int, away: int) -> int:
    """Return 0 for a home win, 1 for a draw, 2 for an away win."""
    return 0 if home > away else 2 if away > home else 1


def both(home: int, away: int) -> int:
    return 1 if home > 0 and away > 0 else 0


def scored(first: int, second: int) -> int:
    """Return 1 for a goal in the first half, plus 2 for a goal in the second."""
    return (1 if first else 0) + (2 if second else 0)


OF_A_SCORE: dict[Axis, Callable[[int, int], int]] = {
    Axis.TOTAL: lambda home, away: home + away,
    Axis.MARGIN: lambda home, away: home - away,
    Axis.SCORING_SIDES: scored,
    Axis.HOME: lambda home, away: home,
    Axis.AWAY: lambda home, away: away,
    Axis.PARITY: lambda home, away: (home + away) % 2,
    Axis.HOME_PARITY: lambda home, away: home % 2,
    Axis.AWAY_PARITY: lambda home, away: away % 2,
    Axis.SCORE_CELL: lambda home, away: (
        8 * home + away if max(home, away) < 8 else 64 + result(home, away)
    ),
    Axis.WIDE_CELL: lambda home, away: (
        16 * home + away if max(home, away) < 16 else 256 + result(home, away)
    ),
    Axis.RESULT_BOTH: lambda home, away: 2 * result(home, away) + both(home, away),
    Axis.BOTH_TOTAL: lambda home, away: 16 * both(home, away) + min(home + away, 15),
    Axis.RESULT_TOTAL: lambda home, away: 16 * result(home, away) + min(home + away, 15),
}
OF_BOTH_HALVES: dict[Axis, Callable[[int, int, int, int], int]] = {
    Axis.HALF_TIME_FULL_TIME: lambda h1, a1, h2, a2: 3 * result(h1, a1) + result(h1 + h2, a1 + a2),
    Axis.HALF_RESULTS: lambda h1, a1, h2, a2: 3 * result(h1, a1) + result(h2, a2),
    Axis.HIGHEST_HALF: lambda h1, a1, h2, a2: result(h1 + a1, h2 + a2),
    Axis.HOME_HIGHEST_HALF: lambda h1, a1, h2, a2: result(h1, h2),
    Axis.AWAY_HIGHEST_HALF: lambda h1, a1, h2, a2: result(a1, a2),
    Axis.BOTH_SCORE_IN_HALVES: lambda h1, a1, h2, a2: scored(both(h1, a1), both(h2, a2)),
    Axis.HOME_SCORES_IN_HALVES: lambda h1, a1, h2, a2: scored(h1, h2),
    Axis.AWAY_SCORES_IN_HALVES: lambda h1, a1, h2, a2: scored(a1, a2),
    Axis.MIN_HALF_TOTAL: lambda h1, a1, h2, a2: min(h1 + a1, h2 + a2, 15),
    Axis.MAX_HALF_TOTAL: lambda h1, a1, h2, a2: min(max(h1 + a1, h2 + a2), 15),
    Axis.RESULT_BOTH_FIRST: lambda h1, a1, h2, a2: 2 * result(h1 + h2, a1 + a2) + both(h1, a1),
    Axis.RESULT_BOTH_SECOND: lambda h1, a1, h2, a2: 2 * result(h1 + h2, a1 + a2) + both(h2, a2),
    Axis.RESULTS_TOTAL: lambda h1, a1, h2, a2: (
        48 * result(h1, a1) + 16 * result(h1 + h2, a1 + a2) + min(h1 + a1 + h2 + a2, 15)
    ),
    Axis.RESULTS_FIRST_TOTAL: lambda h1, a1, h2, a2: (
        48 * result(h1, a1) + 16 * result(h1 + h2, a1 + a2) + min(h1 + a1, 15)
    ),
}


def few_scores(h1: int, a1: int, h2: int, a2: int) -> int:
    """Number the scores of up to three goals; ten is any other, 110 any at half-time."""
    numbers = {score: n for n, score in enumerate(
        [(0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0), (0, 3), (1, 2), (2, 1), (3, 0)]
    )}  # fmt: skip
    if h1 + a1 > 3:
        return 110
    return 11 * numbers[h1, a1] + numbers.get((h1 + h2, a1 + a2), 10)


OF_BOTH_HALVES[Axis.FEW_SCORES] = few_scores
FIRST_VALUE = {Axis.MARGIN: -31}
"""The least value of an axis where it is not 0."""
SIZES = {
    Axis.TOTAL: 63, Axis.MARGIN: 63, Axis.SCORING_SIDES: 4, Axis.HOME: 32, Axis.AWAY: 32,
    Axis.PARITY: 2, Axis.HOME_PARITY: 2, Axis.AWAY_PARITY: 2, Axis.SCORE_CELL: 67,
    Axis.WIDE_CELL: 259,
    Axis.RESULT_BOTH: 6, Axis.BOTH_TOTAL: 32, Axis.RESULT_TOTAL: 48, Axis.HALF_TIME_FULL_TIME: 9,
    Axis.HALF_RESULTS: 9, Axis.HIGHEST_HALF: 3, Axis.HOME_HIGHEST_HALF: 3,
    Axis.AWAY_HIGHEST_HALF: 3, Axis.BOTH_SCORE_IN_HALVES: 4, Axis.HOME_SCORES_IN_HALVES: 4,
    Axis.AWAY_SCORES_IN_HALVES: 4, Axis.MIN_HALF_TOTAL: 16, Axis.MAX_HALF_TOTAL: 16,
    Axis.RESULT_BOTH_FIRST: 6, Axis.RESULT_BOTH_SECOND: 6, Axis.RESULTS_TOTAL: 144,
    Axis.RESULTS_FIRST_TOTAL: 144, Axis.FEW_SCORES: 111,
}  # fmt: skip


def some_cells(count: int) -> list[tuple[int, int, int, int]]:
    """Return all cells of up to three goals a side and half, and some others."""
    random = Random(3)
    low = range(4)
    low_cells = [(a, b, c, d) for a in low for b in low for c in low for d in low]
    any_cells = [
        (
            random.randrange(HALF_SIDE),
            random.randrange(HALF_SIDE),
            random.randrange(HALF_SIDE),
            random.randrange(HALF_SIDE),
        )
        for _ in range(count)
    ]
    return [*low_cells, *any_cells]


def test_every_axis_is_stated_anew_or_measures_the_order_of_goals() -> None:
    orders = {axis for axis in Axis if needs_order(axis)}
    assert {*OF_A_SCORE, *OF_BOTH_HALVES, *orders} == set(Axis)
    assert {axis: AXIS_SPECS[axis].size for axis in SIZES} == SIZES


@pytest.mark.parametrize("axis", OF_BOTH_HALVES)
def test_an_axis_of_both_halves_has_its_value_in_every_cell(axis: Axis) -> None:
    values = axis_values(Scope.HALVES, axis)
    assert 0 <= values.min() <= values.max() < SIZES[axis]
    for cell in some_cells(1_000):
        h1, a1, h2, a2 = cell
        expected = OF_BOTH_HALVES[axis](h1, a1, h2, a2)
        assert values[cell] == expected
        assert AXIS_SPECS[axis].measure(Play(h1 + h2, a1 + a2, h1, a1)) == expected


@pytest.mark.parametrize("scope", [Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF])
@pytest.mark.parametrize("axis", OF_A_SCORE)
def test_an_axis_of_one_score_has_its_value_at_every_score(scope: Scope, axis: Axis) -> None:
    side = 31 if scope is Scope.REGULAR else 16
    values = axis_values(scope, axis)
    assert values.shape == (side, side)
    for home in range(side):
        for away in range(side):
            expected = OF_A_SCORE[axis](home, away)
            assert values[home, away] == expected - FIRST_VALUE.get(axis, 0)
            assert 0 <= values[home, away] < SIZES[axis]


@pytest.mark.parametrize("axis", [axis for axis in Axis if needs_order(axis)])
def test_an_axis_of_the_order_of_goals_measures_who_scored(axis: Axis) -> None:
    values = {"h": 0, "": 1, "a": 2}
    for order in ("", "h", "a", "ha", "ah", "hah", "aahhahaahhaaha"):
        number = axis - Axis.GOAL_1
        scorer = order[-1:] if axis is Axis.LAST_GOAL else order[number : number + 1]
        play = Play(order.count("h"), order.count("a"), order=order)
        if axis < Axis.GOAL_1_RESULT:
            assert AXIS_SPECS[axis].measure(play) == values[scorer]
            continue
        number = axis - Axis.GOAL_1_RESULT
        firsts = {"h": 0, "a": 4}
        scorer = order[number : number + 1]
        expected = firsts[scorer] + result(play.home, play.away) if scorer else 3
        assert AXIS_SPECS[axis].measure(play) == expected


def test_final_scores_are_indexed_by_the_goals_of_both_halves() -> None:
    by_final = np.arange(FULL_SIDE * FULL_SIDE).reshape(FULL_SIDE, FULL_SIDE)
    by_halves = by_half_goals(by_final)
    for cell in some_cells(1_000):
        h1, a1, h2, a2 = cell
        assert by_halves[cell] == by_final[h1 + h2, a1 + a2]


@pytest.mark.parametrize(
    ("period", "first", "second", "ranges"),
    [
        (Period.PRE_MATCH, (0, 0), (0, 0), ((0, 16), (0, 16), (0, 16), (0, 16))),
        (Period.FIRST_HALF, (2, 1), (0, 0), ((2, 16), (1, 16), (0, 16), (0, 16))),
        (Period.HALF_TIME, (2, 1), (0, 0), ((2, 3), (1, 2), (0, 16), (0, 16))),
        (Period.SECOND_HALF, (2, 1), (0, 3), ((2, 3), (1, 2), (0, 16), (3, 16))),
        (Period.FULL_TIME, (2, 1), (0, 3), ((2, 3), (1, 2), (0, 1), (3, 4))),
        (Period.EXTRA_FIRST, (2, 1), (0, 3), ((2, 3), (1, 2), (0, 1), (3, 4))),
    ],
)
def test_reachable_cells_hold_the_goals_so_far_and_end_with_a_half(
    period: Period,
    first: tuple[int, int],
    second: tuple[int, int],
    ranges: tuple[tuple[int, int], ...],
) -> None:
    state = MatchState(
        period=period,
        first_half=Score(home=first[0], away=first[1]),
        second_half=Score(home=second[0], away=second[1]),
    )
    assert tuple((part.start, part.stop) for part in reachable_cells(state)) == ranges


def test_the_tie_break_orders_all_cells_by_their_goals() -> None:
    order = tie_break_order()
    assert len(np.unique(order)) == HALF_SIDE**4
    assert int(order.argmin()) == 0
    goals = np.indices((HALF_SIDE,) * 4).sum(axis=0)
    assert np.all(np.diff(goals.ravel()[order.ravel().argsort()]) >= 0)


def test_the_tie_break_prefers_fewer_home_goals_then_a_later_goal() -> None:
    order = tie_break_order()
    one_goal = {(0, 0, 0, 1): 0, (0, 1, 0, 0): 1, (0, 0, 1, 0): 2, (1, 0, 0, 0): 3}
    assert sorted(one_goal, key=lambda cell: order[cell]) == list(one_goal)
