"""Name the columns of outcome chances and of the terms they are summed from.

Owns the array layout that all sports' kernels share; computes nothing. An outcome has four chances
(win, half win, push, half lose). A term adds ``features[high] - features[low]`` to one chance of
one outcome.
"""

from typing import Final

# Columns of an outcome's chances.
WIN: Final = 0
HALF_WIN: Final = 1
PUSH: Final = 2
HALF_LOSE: Final = 3
CHANCES: Final = 4
"""Chances of one outcome."""

# Columns of a term.
TERM_LOW: Final = 0
TERM_HIGH: Final = 1
TERM_CHANCE: Final = 2
"""Index into the flat chances: ``CHANCES * outcome + column``."""
TERM_COLUMNS: Final = 3

CERTAINTY_SLACK: Final = 1e-12
"""A probability within this of 0 or 1 counts as 0 or 1: the difference is rounding."""
