"""Kernels of an open-addressing hash table from u64 keys to row numbers.

Own the layout of the table: an entry is one u64, with the upper half of the key's hash above, the
row number plus one below, and zero for a free place. An entry's first place is the upper half of
its hash scaled to the size of the table. So a mismatch is seen without reading the keys, and a
table grows in one sequential pass over both tables, without a read of any key. Entries are never
removed. Never own the keys and never allocate.

The caller keeps a table at most half full: a search in a full table would not end.
"""

from typing import Final

import numpy as np

from engine.common.jit import kernel
from engine.common.rows import U64s

_HALF: Final = np.uint64(32)
_LOW: Final = np.uint64(0xFFFFFFFF)
_ONE: Final = np.uint64(1)
_SHIFT: Final = np.uint64(33)
_MIX_1: Final = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2: Final = np.uint64(0xC4CEB9FE1A85EC53)
_STEP: Final = np.uint64(0x9E3779B97F4A7C15)


@kernel()
def mix_nb(value: np.uint64) -> np.uint64:
    """Hash a u64, one to one, so that every bit of it affects every bit of the result."""
    value ^= value >> _SHIFT
    value *= _MIX_1
    value ^= value >> _SHIFT
    value *= _MIX_2
    return value ^ (value >> _SHIFT)


@kernel()
def mix_on_nb(hashed: np.uint64, value: np.uint64) -> np.uint64:
    """Hash one more u64 into the hash of those before it, for a key of several u64s."""
    return mix_nb(hashed ^ (value + _STEP + (hashed << np.uint64(6)) + (hashed >> np.uint64(2))))


@kernel()
def home_nb(table: U64s, hashed: np.uint64) -> int:
    """Return the place where the search for a hash starts."""
    return int(np.int64(((hashed >> _HALF) * np.uint64(table.size)) >> _HALF))


@kernel()
def seek_nb(table: U64s, hashed: np.uint64, place: int) -> int:
    """Return the next place whose entry may have this hash, or ``-1 - place`` of a free place.

    The search starts at `place` and ends at a free place. It compares half of the hash, so the
    caller compares the key of the row (`row_at_nb`) and continues at the next place on a mismatch.
    """
    tag = hashed >> _HALF
    if place == table.size:
        place = 0
    while True:
        entry = table[place]
        if entry == 0:
            return -1 - place
        if entry >> _HALF == tag:
            return place
        place += 1
        if place == table.size:
            place = 0


@kernel()
def row_at_nb(table: U64s, place: int) -> int:
    """Return the row number of the entry at a place that `seek_nb` found."""
    return int(np.int64(table[place] & _LOW)) - 1


@kernel()
def put_nb(table: U64s, hashed: np.uint64, place: int, row: int) -> None:
    """Write an entry at a free place that `seek_nb` found (as ``-1 - place``)."""
    table[place] = (hashed >> _HALF) << _HALF | np.uint64(row + 1)


@kernel()
def find_nb(table: U64s, keys: U64s, key: np.uint64) -> int:
    """Return the row with this key, or ``-1 - place`` of the free place for it.

    Parameters
    ----------
    table : uint64[:]
        The index, hashed by ``mix_nb(key)``.
    keys : uint64[:]
        Each row's key.
    key : uint64
        The key to find.
    """
    hashed = mix_nb(key)
    place = home_nb(table, hashed)
    while True:
        place = seek_nb(table, hashed, place)
        if place < 0:
            return place
        row = row_at_nb(table, place)
        if keys[row] == key:
            return row
        place += 1


@kernel("void(uint64[::1], uint64, int64)")
def enter_nb(table: U64s, key: np.uint64, row: int) -> None:
    """Enter a key that is not in the table."""
    hashed = mix_nb(key)
    place = home_nb(table, hashed)
    while table[place] != 0:
        place += 1
        if place == table.size:
            place = 0
    put_nb(table, hashed, place, row)


@kernel("void(uint64[::1], uint64[::1])")
def grow_nb(old: U64s, new: U64s) -> None:
    """Copy every entry of a table into a larger, empty one."""
    size = np.uint64(new.size)
    for at in range(old.size):
        entry = old[at]
        if entry != 0:
            place = int(np.int64(((entry >> _HALF) * size) >> _HALF))
            while new[place] != 0:
                place += 1
                if place == new.size:
                    place = 0
            new[place] = entry


@kernel("int64(uint64[::1], uint64[:], int64, int64)")
def fill_nb(table: U64s, keys: U64s, begin: int, end: int) -> int:
    """Enter rows `begin` to `end` by key; return the first whose key is in the table, or -1."""
    for row in range(begin, end):
        key = keys[row]
        found = find_nb(table, keys, key)
        if found >= 0:
            return row
        put_nb(table, mix_nb(key), -1 - found, row)
    return -1


@kernel("int64(uint64[::1], uint64[:])")
def missing_nb(table: U64s, keys: U64s) -> int:
    """Return the first row that the table does not find by its key, or -1 when it finds all."""
    for row in range(keys.size):
        if find_nb(table, keys, keys[row]) != row:
            return row
    return -1
