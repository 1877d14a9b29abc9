"""Kernels of sets of cells: what a pattern of scorers leaves possible, and the mass of a set.

A set is ``uint64[SPANS]``, a bit for each cell. Owns sets and sums; never knows a market.
"""

from typing import Any, Final

import numpy as np
from numba import float64, int64, uint64, void

from engine.common.jit import kernel
from engine.pricing.chances import CERTAINTY_SLACK
from engine.pricing.football.builder.layout import (
    HOME_SCORES,
    LAST_AT,
    SIDE,
    SPAN,
    SPANS,
)
from engine.pricing.football.layout import FIRST_HALF, GOAL_NUMBERS, REGULAR, SECOND_HALF

_ALL: Final = 0xFFFFFFFFFFFFFFFF
_FOUR: Final = np.array([[float(bits >> k & 1) for k in range(4)] for bits in range(16)])
"""For each way that four cells can be in a set: 1 for those that are, 0 for those that are not."""
_GOALS: Final = 2 * (SIDE - 1)
"""The most goals of a half."""


@kernel()
def demand_nb(sides: Any, position: int, side: int) -> bool:
    """Note that a side must score a goal of a half, counted from 0; say whether it still can."""
    if sides[position] == 0:
        sides[position] = side
    return bool(sides[position] == side)


@kernel()
def demands_nb(pattern: Any, first: int, second: int, sides: Any) -> bool:
    """Fill who must score each goal of the halves; say whether some order fits the pattern.

    `first` and `second` are the goals of the halves; `sides` is int64[2, goals of a half]. A goal
    that does not fall is demanded of nobody: the legs' own sets hold that it falls.
    """
    for k in range(_GOALS):
        sides[0, k] = sides[1, k] = 0
    for scope in range(SECOND_HALF + 1):
        goals = first + second if scope == REGULAR else first if scope == FIRST_HALF else second
        for number in range(GOAL_NUMBERS + 1):
            side = pattern[
                LAST_AT + scope if number == GOAL_NUMBERS else scope * GOAL_NUMBERS + number
            ]
            goal = goals - 1 if number == GOAL_NUMBERS else number
            if side == 0 or goal >= goals or goal < 0:
                continue
            half = 1 if scope == SECOND_HALF or (scope == REGULAR and goal >= first) else 0
            if scope == REGULAR and half == 1:
                goal -= first
            if not demand_nb(sides[half], goal, side):
                return False
    return True


@kernel(void(int64[::1], int64[:, ::1], uint64[::1]))
def keep_possible_nb(pattern: Any, sides: Any, cells: Any) -> None:
    """Take from a set the cells that no order of goals fits to a pattern.

    Parameters
    ----------
    pattern : int64[PATTERN]
        Which side must score which goals.
    sides : int64[2, 30]
        Scratch.
    cells : uint64[SPANS]
        The set.
    """
    for first in range(_GOALS + 1):
        for second in range(_GOALS + 1):
            fits = demands_nb(pattern, first, second, sides)
            first_home, first_away, second_home, second_away = 0, 0, 0, 0
            for k in range(_GOALS):
                first_home += 1 if sides[0, k] == HOME_SCORES else 0
                first_away += 1 if sides[0, k] > HOME_SCORES else 0
                second_home += 1 if sides[1, k] == HOME_SCORES else 0
                second_away += 1 if sides[1, k] > HOME_SCORES else 0
            for home in range(max(first - SIDE + 1, 0), min(first, SIDE - 1) + 1):
                possible = fits and home >= first_home and first - home >= first_away
                for later in range(max(second - SIDE + 1, 0), min(second, SIDE - 1) + 1):
                    if possible and later >= second_home and second - later >= second_away:
                        continue
                    cell = ((SIDE * home + first - home) * SIDE + later) * SIDE + second - later
                    bit = uint64(1) << uint64(cell % SPAN)
                    cells[cell // SPAN] &= ~bit


@kernel()
def sum_span_nb(bits: Any, masses: Any, at: int) -> float:
    """Return the mass of the cells of one span: each four are weighted by a row of `_FOUR`."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    e, f, g, h = 0.0, 0.0, 0.0, 0.0
    for k in range(0, SPAN, 8):
        four = int((bits >> uint64(k)) & uint64(15))
        next_four = int((bits >> uint64(k + 4)) & uint64(15))
        a += masses[at + k] * _FOUR[four, 0]
        b += masses[at + k + 1] * _FOUR[four, 1]
        c += masses[at + k + 2] * _FOUR[four, 2]
        d += masses[at + k + 3] * _FOUR[four, 3]
        e += masses[at + k + 4] * _FOUR[next_four, 0]
        f += masses[at + k + 5] * _FOUR[next_four, 1]
        g += masses[at + k + 6] * _FOUR[next_four, 2]
        h += masses[at + k + 7] * _FOUR[next_four, 3]
    return a + b + (c + d) + (e + f + (g + h))


@kernel()
def sum_set_nb(sets: Any, rows: Any, first: int, last: int, masses: Any, spans: Any) -> float:
    """Return the mass of the cells that are in all of some sets: the rows `first` to `last`."""
    total = 0.0
    for span in range(SPANS):
        whole = spans[span]
        if whole == 0.0:
            continue
        bits = uint64(_ALL)
        for k in range(first, last):
            bits &= sets[rows[k], span]
            if bits == uint64(0):
                break
        if bits == uint64(0):
            continue
        total += whole if bits == uint64(_ALL) else sum_span_nb(bits, masses, SPAN * span)
    return total


@kernel(
    void(uint64[:, ::1], int64[::1], int64[::1], float64[::1], float64[::1], float64, float64[::1])
)
def chances_nb(
    sets: Any, rows: Any, offsets: Any, masses: Any, spans: Any, mass: float, chances: Any
) -> None:
    """Fill the chance of each builder: the mass of what all its legs have in common, over all mass.

    Parameters
    ----------
    sets : uint64[sets, SPANS]
        The legs' sets.
    rows : int64[legs]
        The set of each leg, builder after builder.
    offsets : int64[builders + 1]
        Where each builder's legs begin, and the end.
    masses, spans : float64[CELLS], float64[SPANS]
        As `fill_joint_nb` fills them.
    mass : float
        The mass of all cells in any order.
    chances : float64[builders]
        Out.
    """
    for builder in range(len(chances)):
        chances[builder] = 0.0
        if mass > CERTAINTY_SLACK:
            chances[builder] = (
                sum_set_nb(sets, rows, offsets[builder], offsets[builder + 1], masses, spans) / mass
            )
