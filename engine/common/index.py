"""The size of hash tables: how large a table starts and when it grows.

Owns the growth of a table. Never reads or writes an entry: the kernels of index_nb do.
"""

from typing import Final

import numpy as np

from engine.common.index_nb import grow_nb
from engine.common.rows import U64s

TABLE_SIZE_MIN: Final = 64


def empty_table(entries: int = 0) -> U64s:
    """Return an empty table that is at most half full once it holds `entries`."""
    size = TABLE_SIZE_MIN
    while size < 2 * entries:
        size *= 2
    return np.zeros(size, np.uint64)


def grown_table(table: U64s, entries: int) -> U64s:
    """Return this table if `entries` fill at most half of it, else a larger one with its entries.

    Growing costs one sequential pass over both tables: constant time per entry, amortised.
    """
    if 2 * entries <= table.size:
        return table
    larger = empty_table(entries)
    grow_nb(table, larger)
    return larger
