"""Define the layout of the tennis kernels' arrays: axes, blocks, rows and columns.

Owns the layout; computes nothing. The kernels write by it, and market_types.py reads by it.
"""

from typing import Final

SETS: Final = 5
"""Sets of the longest match."""

# What decides a final set at six games all; a tie-break to seven decides every other set.
TIEBREAK_7: Final = 0
TIEBREAK_10: Final = 1
ADVANTAGE: Final = 2

HOME: Final = 0
AWAY: Final = 1
UNKNOWN: Final = 2

# Rows of final set scores: home's 6:0 to 6:4, 7:5 and 7:6, the same for away, and then the ends of
# an advantage set, two games apart: 8:6 home, 8:6 away, 9:7 home, ...
SHORT_ENDS: Final = 14
LONG: Final = 80
"""Rows per side for scores past 7:6; the last row of each side stands for all longer scores."""
ENDS: Final = SHORT_ENDS + 2 * LONG
GAMES_MAX: Final = 5 + LONG
"""The most games of one side in an unfinished set."""

# Axes are cumulative: entry k is P(value < first + k), so n values need n + 1 entries. An axis of a
# set or of a game has one further value, "not played", in one further entry.
TOTAL_SIZE: Final = 256
MARGIN_FIRST: Final = -32
MARGIN_SIZE: Final = 64
SIDE_SIZE: Final = 128
SET_CELLS: Final = 4
"""The value of a score in sets is 4 * home + away."""
CELLS: Final = 8
"""The value of a score in games is 8 * home + away, and 64 when a side has more than seven."""
GAMES: Final = 13
"""Games of a set that a market can refer to by number."""

# The match's block.
TOTAL_AT: Final = 0
MARGIN_AT: Final = TOTAL_AT + TOTAL_SIZE + 1
HOME_AT: Final = MARGIN_AT + MARGIN_SIZE + 1
AWAY_AT: Final = HOME_AT + SIDE_SIZE + 1
PARITY_AT: Final = AWAY_AT + SIDE_SIZE + 1
SETS_AT: Final = PARITY_AT + 3
SET_MARGIN_AT: Final = SETS_AT + SET_CELLS * SET_CELLS + 1
SET_TOTAL_AT: Final = SET_MARGIN_AT + 8
MATCH_BLOCK: Final = SET_TOTAL_AT + SETS + 2

# A set's block: offsets from its start.
IN_SET_WINNER: Final = 0
IN_SET_TOTAL: Final = IN_SET_WINNER + 4
IN_SET_MARGIN: Final = IN_SET_TOTAL + TOTAL_SIZE + 2
IN_SET_CELL: Final = IN_SET_MARGIN + MARGIN_SIZE + 2
IN_SET_PARITY: Final = IN_SET_CELL + CELLS * CELLS + 3
IN_SET_TIEBREAK: Final = IN_SET_PARITY + 4
IN_SET_GAMES: Final = IN_SET_TIEBREAK + 4
SET_BLOCK: Final = IN_SET_GAMES + 4 * GAMES
FEATURES: Final = MATCH_BLOCK + SETS * SET_BLOCK

# Columns of a packed state.
BEST_OF: Final = 0
FINAL_SET: Final = 1
FINISHED: Final = 2
FIRST_SERVER: Final = 3
"""Who served first in the set being played."""
POINTS: Final = 4
"""Points of the game being played: home, away."""
SCORES: Final = 6
"""Games of each set: home, away. The set being played follows the finished ones."""
WINNERS: Final = SCORES + 2 * SETS
"""For each set: bit n is set when home won game n + 1; -1 where the order is not known."""
SERVE_POINTS: Final = WINNERS + SETS
"""Points won and lost by home on its serve, then by away on its serve; -1 where not known."""
STATE_COLUMNS: Final = SERVE_POINTS + 4

# Columns of a packed model.
HOME_SERVE: Final = 0
AWAY_SERVE: Final = 1
FORM_SD: Final = 2
MODEL_COLUMNS: Final = 3

SERVE_MIN: Final = 0.05
SERVE_MAX: Final = 0.95
"""The chance of a point on serve is within these, on any day."""
FORM_NODES: Final = 7
"""The days that stand for the normal form of the day: nodes of Gauss-Hermite."""
NODE_FORM: Final = 0
NODE_LOG_WEIGHT: Final = 1
"""Columns of a node: form in standard deviations, and the log of its chance before the match."""

# Scratch: three kinds of set (the one being played, a set not yet begun, a final set not yet
# begun), each by first server; and distributions of games so far by score in sets and server.
CURRENT: Final = 0
FRESH: Final = 1
FINAL: Final = 2
KINDS: Final = 3
POINTS_SIZE: Final = 12
STATES: Final = 18
"""States between sets: 2 * (3 * home sets + away sets) + the first server of the next set."""
OVER: Final = STATES
"""The row of the end of the match, after the states between sets."""
REACH_GAMES: Final = (SETS - 1) * GAMES + 1
"""Above every total of games of an unfinished match's finished sets that had no advantage set."""
SUM_MARGIN: Final = TOTAL_SIZE
SUM_HOME: Final = SUM_MARGIN + MARGIN_SIZE
SUM_AWAY: Final = SUM_HOME + SIDE_SIZE
SUMS: Final = SUM_AWAY + SIDE_SIZE
