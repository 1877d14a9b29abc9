"""The cells of two halves: every axis lies in them as one play at a time measures it."""

from random import Random

import numpy as np
import pytest

from engine.pricing.football.axes import _HALVES, _ORDER, AXIS_SPECS, Axis, Play, Scope
from engine.pricing.football.model import MatchState, Period, Score
from engine.pricing.football.score_cells import (
    FULL_SIDE,
    HALF_SIDE,
    axis_values,
    by_half_goals,
    reachable_cells,
    tie_break_order,
)

OF_A_SCORE = [axis for axis in Axis if axis not in _ORDER and axis not in _HALVES]
LOW = range(4)


def some_cells(count: int) -> list[tuple[int, int, int, int]]:
    random = Random(3)
    low = [(a, b, c, d) for a in LOW for b in LOW for c in LOW for d in LOW]
    any_cells = [tuple(random.randrange(HALF_SIDE) for _ in range(4)) for _ in range(count)]
    return [*low, *any_cells]


@pytest.mark.parametrize("axis", _HALVES)
def test_an_axis_of_both_halves_lies_where_one_play_has_it(axis):
    place = AXIS_SPECS[axis]
    values = axis_values(Scope.HALVES, axis)
    assert 0 <= values.min() <= values.max() < place.size
    for cell in some_cells(1_000):
        home, away, more_home, more_away = cell
        play = Play(home + more_home, away + more_away, home, away)
        assert values[cell] == place.measure(play) - place.first


@pytest.mark.parametrize("scope", [Scope.REGULAR, Scope.FIRST_HALF, Scope.SECOND_HALF])
@pytest.mark.parametrize("axis", OF_A_SCORE)
def test_no_score_falls_off_an_axis(scope, axis):
    side = FULL_SIDE if scope is Scope.REGULAR else HALF_SIDE
    values = axis_values(scope, axis)
    assert values.shape == (side, side)
    assert 0 <= values.min() <= values.max() < AXIS_SPECS[axis].size
    assert values[3, 1] == AXIS_SPECS[axis].measure(Play(3, 1)) - AXIS_SPECS[axis].first


def test_final_scores_are_seen_by_the_goals_of_both_halves():
    by_final = np.arange(FULL_SIDE * FULL_SIDE).reshape(FULL_SIDE, FULL_SIDE)
    seen = by_half_goals(by_final)
    for home, away, more_home, more_away in some_cells(1_000):
        assert (
            seen[home, away, more_home, more_away] == by_final[home + more_home, away + more_away]
        )


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
def test_what_is_left_is_what_no_goal_played_rules_out(period, first, second, ranges):
    state = MatchState(
        period=period,
        first_half=Score(home=first[0], away=first[1]),
        second_half=Score(home=second[0], away=second[1]),
    )
    assert tuple((part.start, part.stop) for part in reachable_cells(state)) == ranges


def test_plainness_orders_by_goals_and_tells_every_cell_apart():
    order = tie_break_order()
    assert len(np.unique(order)) == HALF_SIDE**4
    assert int(order.argmin()) == 0
    goals = np.indices((HALF_SIDE,) * 4).sum(axis=0)
    assert np.all(np.diff(goals.ravel()[order.ravel().argsort()]) >= 0)
