"""Layout of the football kernels' arrays: axes, scopes, columns and rows.

Owns offsets and sizes and nothing else: the kernels write by them, axes.py reads by them. No number
here has a meaning for a market.
"""

from typing import Final

GOALS: Final = 32
"""Length of a goals axis: one side's goals 0 to 31, where 31 also holds all goals beyond."""
CELL_SIDE: Final = 8
"""A score below 8:8 has a value (cell) of its own; all others share one by their result."""
CELLS: Final = CELL_SIDE * CELL_SIDE + 3
"""Values of a single score, the last three other home wins, draws and away wins."""
WIDE_SIDE: Final = 16
"""The same of the axis of more single scores: up to 15:15."""
WIDE_CELLS: Final = WIDE_SIDE * WIDE_SIDE + 3
CAPPED_TOTALS: Final = 16
"""Values of a total on a combined axis: 0 to 15, where 15 also holds all totals beyond."""
GOAL_NUMBERS: Final = 12
"""Goals of a scope that a market can name by number: the first to the twelfth."""

FEW_GOALS: Final = 3
"""Where the score at half-time is joined with the final one, scores of up to so many goals of both
sides together have a value of their own."""
FEW_SCORES: Final = (FEW_GOALS + 1) * (FEW_GOALS + 2) // 2

# A scope is a stretch of play with a score of its own and one feature block.
REGULAR: Final = 0
FIRST_HALF: Final = 1
SECOND_HALF: Final = 2
EXTRA_TIME: Final = 3
BLOCKS: Final = 4
HALVES: Final = 4
"""Both halves of the ninety minutes compared with each other; its block has axes of its own."""
SCOPES: Final = 5

# Groups of axes: bits of the mask that says which axes of a scope the kernel fills.
PLAIN_AXES: Final = 1
SIDE_AXES: Final = 2
CELL_AXIS: Final = 4
COMBINED_AXES: Final = 8
ORDER_AXES: Final = 16
WIDE_CELL_AXIS: Final = 256
GOAL_RESULT_AXES: Final = 512
JOINT_AXES: Final = 32
"""Of both halves alone: the match's result joined with the goals of one half."""
RESULTS_TOTAL_AXES: Final = 64
"""Of both halves alone: half-time/full-time joined with a total."""
FEW_SCORES_AXIS: Final = 128
"""Of both halves alone: the score at half-time joined with the final one."""

# A block holds cumulative chances, axis after axis: entry k of an axis is P(value < first + k).
# An axis of n values takes n + 1 entries, and the chance of an interval is one subtraction.
TOTAL_AT: Final = 0
MARGIN_AT: Final = TOTAL_AT + 2 * GOALS
SCORING_SIDES_AT: Final = MARGIN_AT + 2 * GOALS
PLAIN_END: Final = SCORING_SIDES_AT + 5
# Each side's goals, and their parity.
HOME_AT: Final = PLAIN_END
AWAY_AT: Final = HOME_AT + GOALS + 1
PARITY_AT: Final = AWAY_AT + GOALS + 1
HOME_PARITY_AT: Final = PARITY_AT + 3
AWAY_PARITY_AT: Final = HOME_PARITY_AT + 3
SIDES_END: Final = AWAY_PARITY_AT + 3
# Single scores.
SCORE_CELL_AT: Final = SIDES_END
CELL_END: Final = SCORE_CELL_AT + CELLS + 1
# Combined axes: a result (0 home, 1 draw, 2 away) or whether both sides scored (0 no, 1 yes),
# combined with the quantity that the name ends with.
RESULT_BOTH_AT: Final = CELL_END
BOTH_TOTAL_AT: Final = RESULT_BOTH_AT + 7
RESULT_TOTAL_AT: Final = BOTH_TOTAL_AT + 2 * CAPPED_TOTALS + 1
COMBINED_END: Final = RESULT_TOTAL_AT + 3 * CAPPED_TOTALS + 1
# Who scored: an axis of three values (0 home, 1 nobody, 2 away) for the last goal and for each
# goal by its number.
LAST_GOAL_AT: Final = COMBINED_END
NTH_GOAL_AT: Final = LAST_GOAL_AT + 4
ORDER_END: Final = NTH_GOAL_AT + 4 * GOAL_NUMBERS
# More single scores.
WIDE_CELL_AT: Final = ORDER_END
WIDE_CELL_END: Final = WIDE_CELL_AT + WIDE_CELLS + 1
# Who scored a goal by its number, with the result: an axis of seven values for each number (0 to 2
# a home goal and a home win, a draw, an away win; 3 no such goal; 4 to 6 the same of an away goal).
GOAL_RESULTS_AT: Final = WIDE_CELL_END
BLOCK_SIZE: Final = GOAL_RESULTS_AT + 8 * GOAL_NUMBERS

# The block of both halves follows the other blocks; its axes count from HALVES_AT.
HALVES_AT: Final = BLOCKS * BLOCK_SIZE
HALF_TIME_FULL_TIME_AT: Final = 0
HALF_RESULTS_AT: Final = HALF_TIME_FULL_TIME_AT + 10
HIGHEST_HALF_AT: Final = HALF_RESULTS_AT + 10
HOME_HIGHEST_HALF_AT: Final = HIGHEST_HALF_AT + 4
AWAY_HIGHEST_HALF_AT: Final = HOME_HIGHEST_HALF_AT + 4
BOTH_SCORE_IN_HALVES_AT: Final = AWAY_HIGHEST_HALF_AT + 4
HOME_SCORES_IN_HALVES_AT: Final = BOTH_SCORE_IN_HALVES_AT + 5
AWAY_SCORES_IN_HALVES_AT: Final = HOME_SCORES_IN_HALVES_AT + 5
MIN_HALF_TOTAL_AT: Final = AWAY_SCORES_IN_HALVES_AT + 5
MAX_HALF_TOTAL_AT: Final = MIN_HALF_TOTAL_AT + CAPPED_TOTALS + 1
RESULT_BOTH_FIRST_AT: Final = MAX_HALF_TOTAL_AT + CAPPED_TOTALS + 1
RESULT_BOTH_SECOND_AT: Final = RESULT_BOTH_FIRST_AT + 7
RESULTS_TOTAL_AT: Final = RESULT_BOTH_SECOND_AT + 7
RESULTS_FIRST_TOTAL_AT: Final = RESULTS_TOTAL_AT + 9 * CAPPED_TOTALS + 1
FEW_SCORES_AT: Final = RESULTS_FIRST_TOTAL_AT + 9 * CAPPED_TOTALS + 1
FEW_SCORES_SIZE: Final = FEW_SCORES * (FEW_SCORES + 1) + 1
HALVES_BLOCK_SIZE: Final = FEW_SCORES_AT + FEW_SCORES_SIZE + 1
FEATURES: Final = HALVES_AT + HALVES_BLOCK_SIZE

PMF_ROWS: Final = 2 * BLOCKS
"""Rows of the array of goal distributions: home and away of each scope with a score."""

# The goal process: sizes of its chain (goal_chain_nb.py) and places in its scratch array.
EVENTS: Final = 32
"""Numbers of chances in a period: 0 to 31, where 31 also holds all beyond."""
LEVELS: Final = 48
"""Goals to come on the grid of scores: 0 to 47, where 47 also holds all beyond."""
HALF_DIFFERENCES: Final = 80
DIFFERENCES: Final = 2 * HALF_DIFFERENCES
MIDDLE: Final = 70
"""Index of the goal difference now in an array of differences."""
VECTOR: Final = 8
"""Branches, and the cells of a row, are laid out in multiples of this many."""
BRANCHES_MAX: Final = 2 * EVENTS
"""Goal differences at half-time, a multiple of `VECTOR`."""
_GRID: Final = LEVELS * LEVELS
_TABLE: Final = EVENTS * DIFFERENCES
REGULAR_AT: Final = 0
"""Grids of scores' masses: of ninety minutes (or extra time), of either half."""
FIRST_AT: Final = REGULAR_AT + _GRID
SECOND_AT: Final = FIRST_AT + _GRID
HOME_VALUES_AT: Final = SECOND_AT + _GRID
"""Three tables by number of chances and difference."""
STEPS_AT: Final = HOME_VALUES_AT + 3 * LEVELS * DIFFERENCES
"""The steps of the chain, and the same split by parity."""
VALUES_AT: Final = STEPS_AT + 6 * DIFFERENCES
"""Rows by difference (process_grids_nb.py names them)."""
VALUES: Final = 14
COUNTS_AT: Final = VALUES_AT + VALUES * DIFFERENCES
"""Rows by number (process_grids_nb.py names them)."""
COUNTS: Final = 11
LOW_AT: Final = COUNTS_AT + COUNTS * LEVELS
"""Four rows of five: the low scores of the first half, and of the second from three differences."""
LAST_HOME_AT: Final = LOW_AT + 20
"""The masses of home scoring last: of regular time, of either half."""
CHAIN_AT: Final = LAST_HOME_AT + 3
"""What a forward pass works on: rows by goals, chances that led to nothing, and cells."""
CHAIN_SIZE: Final = 2 * EVENTS * (EVENTS + 2) * BRANCHES_MAX
BRANCHES_AT: Final = CHAIN_AT + CHAIN_SIZE
"""Masses by score of the second half and difference at half-time."""
BRANCHES_SIZE: Final = EVENTS * (EVENTS + 1) // 2 * BRANCHES_MAX
TILES_AT: Final = BRANCHES_AT + BRANCHES_SIZE
"""Steps by cell and difference at half-time: three arrays for either parity of the goals."""
TILES_SIZE: Final = 6 * (EVENTS + 1) * BRANCHES_MAX
BY_BRANCH_AT: Final = TILES_AT + TILES_SIZE
"""Rows by difference at half-time (process_halves_nb.py names them)."""
BY_BRANCH: Final = 8 * (EVENTS + 1)
SCRATCH: Final = BY_BRANCH_AT + BY_BRANCH * BRANCHES_MAX
SCRATCH_ROWS: Final = (SCRATCH + GOALS - 1) // GOALS
"""Rows of the kernels' scratch array, each of ``GOALS`` columns; the first are the distributions
of the model whose two sides score independently."""

# Columns of the packed model and state, in the order in which model.py packs them.
DRAW_FACTOR: Final = 9
TWO_BEHIND_FACTOR: Final = 10
ONE_BEHIND_FACTOR: Final = 11
LEVEL_FACTOR: Final = 12
ONE_AHEAD_FACTOR: Final = 13
TWO_AHEAD_FACTOR: Final = 14
OPENING_FACTOR: Final = 15
RESTART_FACTOR: Final = 16
DEAD_TIME: Final = 17
LEAST_MASS: Final = 18
"""What is less likely than this is left out of the goal process."""
MODEL_COLUMNS: Final = 19
ORDER_COLUMN: Final = 10
"""First of the goal-order columns, one for each scope with a score: bit n is set when the home side
scored goal n + 1; -1 when the order is not known."""
STATE_COLUMNS: Final = ORDER_COLUMN + BLOCKS

TAIL: Final = 1e-15
"""A goal distribution ends where less mass than this is left; its last entry takes that mass."""
