"""How arrays of a ledger grow.

Owns the size of a larger array and the copy into it. Never knows what the rows mean.
"""

from typing import Any, Final

import numpy as np

ROWS_MIN: Final = 256
"""Rows of a new array, and the least by which an array grows."""


def grown_size(size: int, needed: int) -> int:
    """Return the rows of an array that must have room for `needed`: a quarter more than it had."""
    return max(needed, size + max(size // 4, ROWS_MIN))


def copied(rows: Any, size: int) -> Any:
    """Return a larger array that begins with these rows; the others are zero."""
    larger = np.zeros(size, rows.dtype)
    larger[: len(rows)] = rows
    return larger
