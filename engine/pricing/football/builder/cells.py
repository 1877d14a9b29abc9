"""The cells in which a leg is won, and the store of all legs' sets.

A cell is the goals of both sides in both halves, so every market on them is a set of cells. A leg
on who scores a goal is the set in which that goal falls, and the side that must score it.

Owns the sets; never a model, a state or a probability.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.pricing.football.axes import AXIS_SPECS, Axis, Scope, needs_order
from engine.pricing.football.builder.layout import (
    AWAY_SCORES,
    HOME_SCORES,
    LAST_AT,
    PATTERN,
    SIDE,
    SPANS,
)
from engine.pricing.football.builder.legs import Leg
from engine.pricing.football.builder.sets_nb import keep_possible_nb
from engine.pricing.football.layout import GOAL_NUMBERS
from engine.pricing.football.market_types import market_rules
from engine.pricing.football.model import Ints
from engine.pricing.football.outcome_rules import OutcomeRule
from engine.pricing.football.score_cells import axis_values, by_half_goals

Sets = npt.NDArray[np.uint64]
LEG_SETS_MAX: Final = 1 << 14
_NOBODY: Final = 1
"""The value of an axis of scorers (axes.py) where the goal does not fall."""
_NOBODY_AND_RESULT: Final = 3
"""The same of an axis of scorers and results: home's goal is below, away's above."""


class LegCells(NamedTuple):
    """Where a leg is won.

    Attributes
    ----------
    cells : uint64[SPANS]
        The cells in which it can be won.
    goal : int
        The goal that must have a scorer, as an index into a pattern; -1 for none.
    side : int
        HOME_SCORES or AWAY_SCORES for that goal, else 0.
    falls : uint64[SPANS]
        The cells in which that goal falls, whoever scores it.
    """

    cells: Sets
    goal: int
    side: int
    falls: Sets


def _packed(mask: npt.NDArray[np.bool_]) -> Sets:
    """Return a mask over all cells as a set."""
    whole = np.broadcast_to(mask, (SIDE,) * 4)
    packed: Sets = np.packbits(whole.reshape(-1), bitorder="little").view(np.uint64)
    return packed


def _by_cell(scope: Scope, axis: Axis) -> npt.NDArray[np.intp]:
    """Return an axis's values in an array that spreads over all cells."""
    values = axis_values(scope, axis)
    if scope is Scope.REGULAR:
        return by_half_goals(values)
    if scope is Scope.FIRST_HALF:
        return values[:, :, None, None]
    return values[None, None] if scope is Scope.SECOND_HALF else values


def leg_cells(leg: Leg) -> LegCells:
    """Return where a leg is won."""
    scope, rule = market_rules(leg.type, leg.specifiers).scope, leg.rule
    if needs_order(rule.axis):
        return _scorer_cells(scope, rule)
    values, first = _by_cell(scope, rule.axis), AXIS_SPECS[rule.axis].first
    mask = np.zeros(values.shape, np.bool_)
    for low, high in (rule.win, *rule.also):
        mask |= (values >= low - first) & (values < high - first)
    cells = _packed(mask)
    return LegCells(cells, -1, 0, cells)


def _scorer_cells(scope: Scope, rule: OutcomeRule) -> LegCells:
    """Return where a leg on the scorer of a goal is won, and of one on scorer and result."""
    total = _by_cell(scope, Axis.TOTAL)
    last, value, results = rule.axis is Axis.LAST_GOAL, rule.win.low, rule.axis > Axis.GOAL_12
    number = 1 if last else rule.axis - (Axis.GOAL_1_RESULT if results else Axis.GOAL_1) + 1
    falls = _packed(total >= number)
    if value == (_NOBODY_AND_RESULT if results else _NOBODY):
        return LegCells(~falls, -1, 0, falls)
    home = value == 0 or (results and value < _NOBODY_AND_RESULT)
    won = (total >= number) & (_by_cell(scope, Axis.HOME if home else Axis.AWAY) > 0)
    if results:
        won &= (
            1 - np.sign(_by_cell(scope, Axis.MARGIN) + AXIS_SPECS[Axis.MARGIN].first) == value % 4
        )
    goal = LAST_AT + scope if last else GOAL_NUMBERS * scope + number - 1
    return LegCells(_packed(won), goal, HOME_SCORES if home else AWAY_SCORES, falls)


class LegSets:
    """The sets of all legs that were ever asked for, as rows of one array.

    `LEG_SETS_MAX` is more than there are legs in the table with all their lines, so no row is given
    up. The array takes memory as its rows are filled, 8 KiB each. Boards in several threads share
    it: a row is claimed in one step, and two threads that ask for a new leg at once agree on one.
    """

    def __init__(self) -> None:
        self.sets: Final[Sets] = np.zeros((LEG_SETS_MAX, SPANS), np.uint64)
        self._free: Final = iter(range(LEG_SETS_MAX))
        self._legs: Final[dict[Leg, tuple[int, LegCells]]] = {}

    def row(self, leg: Leg) -> int:
        """Return the row of a leg's set."""
        return self._entry(leg)[0]

    def where(self, leg: Leg) -> LegCells:
        """Return where a leg is won."""
        return self._entry(leg)[1]

    def _entry(self, leg: Leg) -> tuple[int, LegCells]:
        found = self._legs.get(leg)
        if found is None:
            where, row = leg_cells(leg), next(self._free)
            self.sets[row] = where.cells
            found = self._legs.setdefault(leg, (row, where))
        return found


LEG_SETS: Final = LegSets()


def pattern_of(wheres: list[LegCells]) -> Ints:
    """Return the pattern of scorers of some legs, which do not clash over one goal's scorer."""
    pattern = np.zeros(PATTERN, np.int64)
    for where in wheres:
        if where.goal >= 0:
            pattern[where.goal] = where.side
    return pattern


def common_cells(wheres: list[LegCells]) -> Sets:
    """Return the cells in which some order of goals wins all of some legs."""
    cells = np.full(SPANS, ~np.uint64(0))
    sides: dict[int, int] = {}
    for where in wheres:
        cells &= where.cells
        if where.goal >= 0 and sides.setdefault(where.goal, where.side) != where.side:
            cells[:] = 0
    if sides and cells.any():
        keep_possible_nb(pattern_of(wheres), np.zeros((2, 2 * SIDE), np.int64), cells)
    return cells
