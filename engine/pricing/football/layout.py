"""Where everything stands in the football kernels' arrays: axes, scopes, columns, rows.

Owns the layout and nothing else: the kernels write by it, axes.py reads by it, and no number here
means anything to a market.
"""

from typing import Final

GOALS: Final = 32
"""Length of a goals axis: one team's goals 0 to 31, the last place holding the tail beyond."""
CELLS: Final = 8
"""Scores below 8:8 have a cell of their own; all others share one."""
CAPPED: Final = 16
"""Totals of a joint axis count to 15; the last place holds all beyond."""
GOAL_NUMBERS: Final = 12
"""Goals of a scope, first to twelfth, that can be asked for by number."""

# A scope is a stretch of play with a score of its own, and one feature block.
REGULAR: Final = 0
FIRST_HALF: Final = 1
SECOND_HALF: Final = 2
EXTRA_TIME: Final = 3
BLOCKS: Final = 4
HALVES: Final = 4
"""Both halves of the ninety minutes side by side; its block is of another kind."""
SCOPES: Final = 5

# What is wanted of a scope: bits of a mask, one for each group of axes.
PLAIN: Final = 1
SIDES: Final = 2
CELLED: Final = 4
COMBINED: Final = 8
ORDERED: Final = 16

# A block holds, axis after axis, cumulative chances: entry k of an axis is P(value < first + k),
# so an axis of n values takes n + 1 entries and an interval's chance is one subtraction.
TOTAL_AT: Final = 0
MARGIN_AT: Final = TOTAL_AT + 2 * GOALS
SCORERS_AT: Final = MARGIN_AT + 2 * GOALS
PLAIN_END: Final = SCORERS_AT + 5
# Each side's goals, and what is odd or even.
HOME_AT: Final = PLAIN_END
AWAY_AT: Final = HOME_AT + GOALS + 1
PARITY_AT: Final = AWAY_AT + GOALS + 1
HOME_PARITY_AT: Final = PARITY_AT + 3
AWAY_PARITY_AT: Final = HOME_PARITY_AT + 3
SIDES_END: Final = AWAY_PARITY_AT + 3
# Scores one by one.
CELL_AT: Final = SIDES_END
CELLED_END: Final = CELL_AT + CELLS * CELLS + 2
# Joint axes: a result (0 home, 1 draw, 2 away) or whether both scored (0 no, 1 yes), times the
# axis that stands last in the name.
RESULT_BOTH_AT: Final = CELLED_END
BOTH_TOTAL_AT: Final = RESULT_BOTH_AT + 7
RESULT_TOTAL_AT: Final = BOTH_TOTAL_AT + 2 * CAPPED + 1
COMBINED_END: Final = RESULT_TOTAL_AT + 3 * CAPPED + 1
# Who scored: an axis of three values (0 home, 1 nobody, 2 away) for the last goal and for each
# goal by its number.
LAST_GOAL_AT: Final = COMBINED_END
NTH_GOAL_AT: Final = LAST_GOAL_AT + 4
BLOCK: Final = NTH_GOAL_AT + 4 * GOAL_NUMBERS

# The block of both halves stands behind the others, its axes counted from HALVES_AT.
HALVES_AT: Final = BLOCKS * BLOCK
HALF_FULL_AT: Final = 0
HALF_HALF_AT: Final = HALF_FULL_AT + 10
RICHER_AT: Final = HALF_HALF_AT + 10
HOME_RICHER_AT: Final = RICHER_AT + 4
AWAY_RICHER_AT: Final = HOME_RICHER_AT + 4
BOTH_HALVES_AT: Final = AWAY_RICHER_AT + 4
HOME_HALVES_AT: Final = BOTH_HALVES_AT + 5
AWAY_HALVES_AT: Final = HOME_HALVES_AT + 5
POORER_TOTAL_AT: Final = AWAY_HALVES_AT + 5
RICHER_TOTAL_AT: Final = POORER_TOTAL_AT + CAPPED + 1
HALVES_BLOCK: Final = RICHER_TOTAL_AT + CAPPED + 1
FEATURES: Final = HALVES_AT + HALVES_BLOCK

# Rows of the scratch grid of goal distributions: two (home, away) for each scope with a score.
PMF_ROWS: Final = 2 * BLOCKS

# Columns of the packed model and state, in the order football.py packs them.
MODEL_COLUMNS: Final = 9
ORDER_COLUMN: Final = 10
"""From here, for each scope with a score: bit n is set when goal n + 1 was home's; -1 unknown."""
STATE_COLUMNS: Final = ORDER_COLUMN + BLOCKS


TAIL: Final = 1e-15
