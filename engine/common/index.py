"""The size of hash indices: how a table begins and how it grows.

Owns when and how far a table grows; never what is in it (the kernels of index_nb do).
"""

from typing import Final

import numpy as np

from engine.common.index_nb import grow_nb
from engine.common.rows import U64s

TABLE_SIZE_MIN: Final = 64


def empty_table(entries: int = 0) -> U64s:
    """Return an empty table that holds `entries` and is then at most half full."""
    size = TABLE_SIZE_MIN
    while size < 2 * entries:
        size *= 2
    return np.zeros(size, np.uint64)


def grown_table(table: U64s, entries: int) -> U64s:
    """Return this table if `entries` fill it by half at most, else a larger one with its entries.

    The cost is one pass in order over both tables, and amortised it is constant an entry.
    """
    if 2 * entries <= table.size:
        return table
    larger = empty_table(entries)
    grow_nb(table, larger)
    return larger
