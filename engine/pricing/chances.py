"""The chances of an outcome and the terms they are added up from: columns that every sport shares.

Owns the layout of the arrays between a sport's kernel and the fair probabilities. A term adds
``features[high] - features[low]`` to one chance of one outcome.
"""

from typing import Final

# Columns of an outcome's chances, and of a term: features[high] - features[low] is added there.
WIN: Final = 0
HALF_WIN: Final = 1
PUSH: Final = 2
HALF_LOSE: Final = 3
CHANCES: Final = 4
TERM_LOW: Final = 0
TERM_HIGH: Final = 1
TERM_CHANCE: Final = 2
"""The place in the chances: ``CHANCES * outcome + column``."""
TERM_COLUMNS: Final = 3
DUST: Final = 1e-12
"""A probability this near to 0 or 1 is rounding, and is taken for it."""
