"""Axes: whole-number functions of a score that football markets are defined on.

Owns what each axis measures and where a feature block keeps it; never a probability.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from engine.pricing.football import layout
from engine.pricing.football.layout import (
    BLOCK_SIZE,
    CAPPED_TOTALS,
    CELL_SIDE,
    CELLS,
    FEW_GOALS,
    FEW_SCORES,
    GOAL_NUMBERS,
    GOALS,
    HALVES_AT,
    WIDE_CELLS,
    WIDE_SIDE,
)


class Scope(IntEnum):
    """The stretch of play whose score settles a market."""

    REGULAR = layout.REGULAR
    """Ninety minutes with stoppage time, without extra time."""
    FIRST_HALF = layout.FIRST_HALF
    SECOND_HALF = layout.SECOND_HALF
    EXTRA_TIME = layout.EXTRA_TIME
    HALVES = layout.HALVES
    """Both halves of the ninety minutes, each with its own score."""


class Play(NamedTuple):
    """What settles a market: the score of its scope and the way to that score.

    `first_home` and `first_away` are the goals of the first half, for a market on both halves.
    `order` has an ``h`` or ``a`` for each goal of the scope, and is None when it is not known.
    """

    home: int
    away: int
    first_home: int = 0
    first_away: int = 0
    order: str | None = None


class Axis(IntEnum):
    """The quantity that an axis measures."""

    TOTAL = 0
    MARGIN = 1
    """Home goals less away goals."""
    SCORING_SIDES = 2
    """0 neither side has scored, 1 home only, 2 away only, 3 both."""
    HOME = 3
    AWAY = 4
    PARITY = 5
    HOME_PARITY = 6
    AWAY_PARITY = 7
    SCORE_CELL = 8
    """``8 * home + away`` below 8:8, else 64 for a home win, 65 a draw, 66 an away win."""
    RESULT_BOTH = 9
    """Twice the result (0 home, 1 draw, 2 away), plus 1 when both sides scored."""
    BOTH_TOTAL = 10
    """The capped total, plus ``CAPPED_TOTALS`` when both sides scored."""
    RESULT_TOTAL = 11
    """The capped total, plus ``CAPPED_TOTALS`` times the result."""
    LAST_GOAL = 12
    """0 home, 1 nobody, 2 away; GOAL_1 to GOAL_12 likewise."""
    GOAL_1 = 13
    GOAL_2 = 14
    GOAL_3 = 15
    GOAL_4 = 16
    GOAL_5 = 17
    GOAL_6 = 18
    GOAL_7 = 19
    GOAL_8 = 20
    GOAL_9 = 21
    GOAL_10 = 22
    GOAL_11 = 23
    GOAL_12 = 24
    WIDE_CELL = 25
    """As SCORE_CELL below 16:16: ``16 * home + away``, else 256, 257 or 258."""
    GOAL_1_RESULT = 26
    """0 to 2 a home goal and the result, 3 no such goal, 4 to 6 an away goal and the result."""
    GOAL_2_RESULT = 27
    GOAL_3_RESULT = 28
    GOAL_4_RESULT = 29
    GOAL_5_RESULT = 30
    GOAL_6_RESULT = 31
    GOAL_7_RESULT = 32
    GOAL_8_RESULT = 33
    GOAL_9_RESULT = 34
    GOAL_10_RESULT = 35
    GOAL_11_RESULT = 36
    GOAL_12_RESULT = 37
    HALF_TIME_FULL_TIME = 38
    """Three times the first half's result, plus the full-time result."""
    HALF_RESULTS = 39
    """Three times the first half's result, plus the second half's."""
    HIGHEST_HALF = 40
    """0 more goals in the first half, 1 as many in each, 2 more in the second."""
    HOME_HIGHEST_HALF = 41
    AWAY_HIGHEST_HALF = 42
    BOTH_SCORE_IN_HALVES = 43
    """1 when both sides scored in the first half, plus 2 when both did in the second."""
    HOME_SCORES_IN_HALVES = 44
    AWAY_SCORES_IN_HALVES = 45
    MIN_HALF_TOTAL = 46
    """The capped total of the half with fewer goals."""
    MAX_HALF_TOTAL = 47
    """The capped total of the half with more goals."""
    RESULT_BOTH_FIRST = 48
    """Twice the match's result, plus 1 when both sides scored in the first half."""
    RESULT_BOTH_SECOND = 49
    """The same of the second half."""
    RESULTS_TOTAL = 50
    """The match's capped total, plus ``CAPPED_TOTALS`` times half-time/full-time."""
    RESULTS_FIRST_TOTAL = 51
    """The first half's capped total, plus ``CAPPED_TOTALS`` times half-time/full-time."""
    FEW_SCORES = 52
    """The final score's number among those of few goals (the number of them for any other), plus
    one more than that many times the same of the score at half-time."""


class AxisSpec(NamedTuple):
    """An axis: its offset in a block, its first value, its number of values and its measure."""

    offset: int
    first: int
    size: int
    measure: Callable[[Play], int]


def score_cell(home: int, away: int, side: int = CELL_SIDE) -> int:
    """Return a score's value on the SCORE_CELL axis, or on WIDE_CELL with its `side`."""
    if home < side and away < side:
        return side * home + away
    return side * side + _result(home, away)


def cap_total(total: int) -> int:
    """Return a total's value on a combined axis."""
    return min(total, CAPPED_TOTALS - 1)


def few_score(home: int, away: int) -> int:
    """Return a score's number among those of up to ``FEW_GOALS`` goals, else ``FEW_SCORES``."""
    goals = home + away
    return goals * (goals + 1) // 2 + home if goals <= FEW_GOALS else FEW_SCORES


def _of_score(measure: Callable[[int, int], int]) -> Callable[[Play], int]:
    return lambda play: measure(play.home, play.away)


def _result(home: int, away: int) -> int:
    return 0 if home > away else 1 if home == away else 2


def _both(home: int, away: int) -> int:
    return int(home > 0 and away > 0)


def _results(first_home: int, first_away: int, second_home: int, second_away: int) -> int:
    final = _result(first_home + second_home, first_away + second_away)
    return 3 * _result(first_home, first_away) + final


def _scorer(goal: int) -> Callable[[Play], int]:
    """Return a measure of who scored a goal, counted from 0, or from the last one if negative."""

    def measure(play: Play) -> int:
        if play.order is None:
            raise ValueError("order of goals: not known")
        count = len(play.order)
        if not -count <= goal < count:
            return 1
        return 0 if play.order[goal] == "h" else 2

    return measure


def _scorer_and_result(goal: int) -> Callable[[Play], int]:
    """Return a measure of who scored a goal, counted from 0, and of the result."""
    scorer = _scorer(goal)

    def measure(play: Play) -> int:
        side = scorer(play)
        return 3 if side == 1 else 2 * side + _result(play.home, play.away)

    return measure


def _of_halves(measure: Callable[[int, int, int, int], int]) -> Callable[[Play], int]:
    """Return a measure of home and away goals of the first half, then of the second."""
    return lambda play: measure(
        play.first_home,
        play.first_away,
        play.home - play.first_home,
        play.away - play.first_away,
    )


_PLAIN: Final[dict[Axis, AxisSpec]] = {
    Axis.TOTAL: AxisSpec(layout.TOTAL_AT, 0, 2 * GOALS - 1, _of_score(lambda h, a: h + a)),
    Axis.MARGIN: AxisSpec(
        layout.MARGIN_AT, 1 - GOALS, 2 * GOALS - 1, _of_score(lambda h, a: h - a)
    ),
    Axis.SCORING_SIDES: AxisSpec(
        layout.SCORING_SIDES_AT, 0, 4, _of_score(lambda h, a: (h > 0) + 2 * (a > 0))
    ),
}

_SIDES: Final[dict[Axis, AxisSpec]] = {
    Axis.HOME: AxisSpec(layout.HOME_AT, 0, GOALS, _of_score(lambda h, _: h)),
    Axis.AWAY: AxisSpec(layout.AWAY_AT, 0, GOALS, _of_score(lambda _, a: a)),
    Axis.PARITY: AxisSpec(layout.PARITY_AT, 0, 2, _of_score(lambda h, a: (h + a) % 2)),
    Axis.HOME_PARITY: AxisSpec(layout.HOME_PARITY_AT, 0, 2, _of_score(lambda h, _: h % 2)),
    Axis.AWAY_PARITY: AxisSpec(layout.AWAY_PARITY_AT, 0, 2, _of_score(lambda _, a: a % 2)),
}

_CELL: Final[dict[Axis, AxisSpec]] = {
    Axis.SCORE_CELL: AxisSpec(layout.SCORE_CELL_AT, 0, CELLS, _of_score(score_cell)),
}

_COMBINED: Final[dict[Axis, AxisSpec]] = {
    Axis.RESULT_BOTH: AxisSpec(
        layout.RESULT_BOTH_AT, 0, 6, _of_score(lambda h, a: 2 * _result(h, a) + _both(h, a))
    ),
    Axis.BOTH_TOTAL: AxisSpec(
        layout.BOTH_TOTAL_AT,
        0,
        2 * CAPPED_TOTALS,
        _of_score(lambda h, a: CAPPED_TOTALS * _both(h, a) + cap_total(h + a)),
    ),
    Axis.RESULT_TOTAL: AxisSpec(
        layout.RESULT_TOTAL_AT,
        0,
        3 * CAPPED_TOTALS,
        _of_score(lambda h, a: CAPPED_TOTALS * _result(h, a) + cap_total(h + a)),
    ),
}

_ORDER: Final[dict[Axis, AxisSpec]] = {
    Axis.LAST_GOAL: AxisSpec(layout.LAST_GOAL_AT, 0, 3, _scorer(-1)),
    **{
        Axis(Axis.GOAL_1 + goal): AxisSpec(layout.NTH_GOAL_AT + 4 * goal, 0, 3, _scorer(goal))
        for goal in range(GOAL_NUMBERS)
    },
}

_WIDE: Final[dict[Axis, AxisSpec]] = {
    Axis.WIDE_CELL: AxisSpec(
        layout.WIDE_CELL_AT, 0, WIDE_CELLS, _of_score(lambda h, a: score_cell(h, a, WIDE_SIDE))
    ),
}

_GOAL_RESULTS: Final[dict[Axis, AxisSpec]] = {
    Axis(Axis.GOAL_1_RESULT + goal): AxisSpec(
        layout.GOAL_RESULTS_AT + 8 * goal, 0, 7, _scorer_and_result(goal)
    )
    for goal in range(GOAL_NUMBERS)
}

_HALVES: Final[dict[Axis, AxisSpec]] = {
    Axis.HALF_TIME_FULL_TIME: AxisSpec(
        layout.HALF_TIME_FULL_TIME_AT,
        0,
        9,
        _of_halves(_results),
    ),
    Axis.HALF_RESULTS: AxisSpec(
        layout.HALF_RESULTS_AT,
        0,
        9,
        _of_halves(lambda h1, a1, h2, a2: 3 * _result(h1, a1) + _result(h2, a2)),
    ),
    Axis.HIGHEST_HALF: AxisSpec(
        layout.HIGHEST_HALF_AT,
        0,
        3,
        _of_halves(lambda h1, a1, h2, a2: _result(h1 + a1, h2 + a2)),
    ),
    Axis.HOME_HIGHEST_HALF: AxisSpec(
        layout.HOME_HIGHEST_HALF_AT, 0, 3, _of_halves(lambda h1, _, h2, __: _result(h1, h2))
    ),
    Axis.AWAY_HIGHEST_HALF: AxisSpec(
        layout.AWAY_HIGHEST_HALF_AT, 0, 3, _of_halves(lambda _, a1, __, a2: _result(a1, a2))
    ),
    Axis.BOTH_SCORE_IN_HALVES: AxisSpec(
        layout.BOTH_SCORE_IN_HALVES_AT,
        0,
        4,
        _of_halves(lambda h1, a1, h2, a2: _both(h1, a1) + 2 * _both(h2, a2)),
    ),
    Axis.HOME_SCORES_IN_HALVES: AxisSpec(
        layout.HOME_SCORES_IN_HALVES_AT,
        0,
        4,
        _of_halves(lambda h1, _, h2, __: (h1 > 0) + 2 * (h2 > 0)),
    ),
    Axis.AWAY_SCORES_IN_HALVES: AxisSpec(
        layout.AWAY_SCORES_IN_HALVES_AT,
        0,
        4,
        _of_halves(lambda _, a1, __, a2: (a1 > 0) + 2 * (a2 > 0)),
    ),
    Axis.MIN_HALF_TOTAL: AxisSpec(
        layout.MIN_HALF_TOTAL_AT,
        0,
        CAPPED_TOTALS,
        _of_halves(lambda h1, a1, h2, a2: cap_total(min(h1 + a1, h2 + a2))),
    ),
    Axis.MAX_HALF_TOTAL: AxisSpec(
        layout.MAX_HALF_TOTAL_AT,
        0,
        CAPPED_TOTALS,
        _of_halves(lambda h1, a1, h2, a2: cap_total(max(h1 + a1, h2 + a2))),
    ),
}

_JOINT: Final[dict[Axis, AxisSpec]] = {
    Axis.RESULT_BOTH_FIRST: AxisSpec(
        layout.RESULT_BOTH_FIRST_AT,
        0,
        6,
        _of_halves(lambda h1, a1, h2, a2: 2 * _result(h1 + h2, a1 + a2) + _both(h1, a1)),
    ),
    Axis.RESULT_BOTH_SECOND: AxisSpec(
        layout.RESULT_BOTH_SECOND_AT,
        0,
        6,
        _of_halves(lambda h1, a1, h2, a2: 2 * _result(h1 + h2, a1 + a2) + _both(h2, a2)),
    ),
}

_RESULTS_TOTAL: Final[dict[Axis, AxisSpec]] = {
    Axis.RESULTS_TOTAL: AxisSpec(
        layout.RESULTS_TOTAL_AT,
        0,
        9 * CAPPED_TOTALS,
        _of_halves(
            lambda h1, a1, h2, a2: (
                CAPPED_TOTALS * _results(h1, a1, h2, a2) + cap_total(h1 + a1 + h2 + a2)
            )
        ),
    ),
    Axis.RESULTS_FIRST_TOTAL: AxisSpec(
        layout.RESULTS_FIRST_TOTAL_AT,
        0,
        9 * CAPPED_TOTALS,
        _of_halves(
            lambda h1, a1, h2, a2: CAPPED_TOTALS * _results(h1, a1, h2, a2) + cap_total(h1 + a1)
        ),
    ),
}

_FEW_SCORES: Final[dict[Axis, AxisSpec]] = {
    Axis.FEW_SCORES: AxisSpec(
        layout.FEW_SCORES_AT,
        0,
        layout.FEW_SCORES_SIZE,
        _of_halves(
            lambda h1, a1, h2, a2: (
                (FEW_SCORES + 1) * few_score(h1, a1) + few_score(h1 + h2, a1 + a2)
                if h1 + a1 <= FEW_GOALS
                else layout.FEW_SCORES_SIZE - 1
            )
        ),
    ),
}

_GROUPS: Final = {
    layout.PLAIN_AXES: _PLAIN,
    layout.SIDE_AXES: _SIDES,
    layout.CELL_AXIS: _CELL,
    layout.COMBINED_AXES: _COMBINED,
    layout.ORDER_AXES: _ORDER,
    layout.WIDE_CELL_AXIS: _WIDE,
    layout.GOAL_RESULT_AXES: _GOAL_RESULTS,
}
_BLOCK_SPECS: Final = {axis: spec for group in _GROUPS.values() for axis, spec in group.items()}
_HALVES_GROUPS: Final = {
    layout.JOINT_AXES: _JOINT,
    layout.RESULTS_TOTAL_AXES: _RESULTS_TOTAL,
    layout.FEW_SCORES_AXIS: _FEW_SCORES,
}
_HALVES_SPECS: Final = {**_HALVES, **_JOINT, **_RESULTS_TOTAL, **_FEW_SCORES}
AXIS_SPECS: Final[dict[Axis, AxisSpec]] = {**_BLOCK_SPECS, **_HALVES_SPECS}


def _contiguous(specs: Mapping[Axis, AxisSpec], end: int) -> bool:
    starts = [spec.offset for spec in specs.values()]
    ends = [spec.offset + spec.size + 1 for spec in specs.values()]
    return [*starts, end] == [0, *ends]


assert list(AXIS_SPECS) == list(Axis), "every axis has a spec"
assert _contiguous(_BLOCK_SPECS, BLOCK_SIZE), "the axes of a block are contiguous"
assert _contiguous(_HALVES_SPECS, layout.HALVES_BLOCK_SIZE), (
    "the axes of both halves are contiguous"
)


def wanted_groups(axis: Axis) -> int:
    """Return the bits of a scope's mask that make the kernel fill an axis."""
    for bit, group in (*_GROUPS.items(), *_HALVES_GROUPS.items()):
        if axis in group:
            return layout.PLAIN_AXES | bit
    return layout.PLAIN_AXES


def needs_order(axis: Axis) -> bool:
    """Say whether an axis measures who scored which goal."""
    return axis in _ORDER or axis in _GOAL_RESULTS


def feature_index(scope: Scope, axis: Axis, value: int) -> int:
    """Return the index of P(axis < value) in a board's features.

    A value beyond an end of the axis gets the index of that end.
    """
    spec = AXIS_SPECS[axis]
    block = HALVES_AT if scope is Scope.HALVES else scope * BLOCK_SIZE
    return block + spec.offset + min(max(value - spec.first, 0), spec.size)
