"""Layout of the builder kernels' arrays: cells of both halves' goals, and patterns of scorers.

Owns offsets and sizes and nothing else.
"""

from typing import Final

from engine.pricing.football.layout import EVENTS, GOAL_NUMBERS

SIDE: Final = 16
"""Goals of a side in a half: 0 to 15, where 15 also holds all beyond (a match state has at most 15
in a period). A cell is the goals of home and away in the first half, then in the second."""
HALF_CELLS: Final = SIDE * SIDE
CELLS: Final = HALF_CELLS * HALF_CELLS
SPAN: Final = 64
"""Cells of a span, an entry of a set: bit b of entry s stands for cell 64 s + b."""
SPANS: Final = CELLS // SPAN

# A pattern says which side must score which goals: 0 either, HOME_SCORES or AWAY_SCORES.
HOME_SCORES: Final = 1
AWAY_SCORES: Final = 2
NOBODY_SCORES: Final = 3
"""Both sides must score the same goal: no match with that goal fits."""
ORDERED_SCOPES: Final = 3
"""Ninety minutes, first half, second half: the scopes of layout.py with these numbers."""
LAST_AT: Final = ORDERED_SCOPES * GOAL_NUMBERS
"""Entries before it are the first to the twelfth goal of each scope, here are the last goals."""
PATTERN: Final = LAST_AT + ORDERED_SCOPES

# Scratch of the joint kernel.
TABLE: Final = EVENTS * EVENTS
"""By goals to come, k goals and x of them home's. The first six tables are two to work on, then the
first half's masses and those with home scoring last, and the second half's."""
COUNTS_AT: Final = 6 * TABLE
"""Chances by number of either half, and which side must score each goal to come."""
TILE_AT: Final = COUNTS_AT + 3 * EVENTS
"""The second half's masses by its score."""
STEPS_AT: Final = TILE_AT + HALF_CELLS
LEVEL: Final = 128
STEPS: Final = 2 * LEVEL
"""Goal differences from -128, more than any state and its goals to come can reach."""
SCRATCH: Final = STEPS_AT + 3 * STEPS
