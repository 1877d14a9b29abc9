"""Kernels of an open-addressing hash index from u64 keys to row numbers.

Owns the shape of the table: one u64 an entry, the hash's upper half above, row number plus one
below, zero for a free place. An entry's home is its upper half scaled to the size of the table, so
a mismatch is seen without touching the keys, and a table is grown by one pass in order through
both tables, with no key read. Nothing is ever taken out. Never owns the keys, never allocates.

The caller keeps a table at most half full; a full one would be searched for ever.
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
def mix_nb(word: np.uint64) -> np.uint64:
    """Scatter a u64 so that every bit of it moves every bit of the result (one to one)."""
    word ^= word >> _SHIFT
    word *= _MIX_1
    word ^= word >> _SHIFT
    word *= _MIX_2
    return word ^ (word >> _SHIFT)


@kernel()
def mix_on_nb(seed: np.uint64, word: np.uint64) -> np.uint64:
    """Mix one more word into the hash of those before it: a key of several words is a chain."""
    return mix_nb(seed ^ (word + _STEP + (seed << np.uint64(6)) + (seed >> np.uint64(2))))


@kernel()
def home_nb(table: U64s, hashed: np.uint64) -> int:
    """Return the place where the search for a hash begins."""
    return int(np.int64(((hashed >> _HALF) * np.uint64(table.size)) >> _HALF))


@kernel()
def seek_nb(table: U64s, hashed: np.uint64, place: int) -> int:
    """Return the next place whose entry may be this hash's, or ``-1 - place`` of a free place.

    The search begins at `place` and a free place ends it. Half of the hash is compared: the
    caller compares the key of `row_at_nb`, and goes on from the next place when it is another's.
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
    """Return the row whose key this is, or ``-1 - place`` of the place to put it at.

    Parameters
    ----------
    table : uint64[:]
        The index, hashed by ``mix_nb(key)``.
    keys : uint64[:]
        Each row's key.
    key : uint64
        What is looked for.
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
    """Enter a key that the caller knows to be new."""
    hashed = mix_nb(key)
    place = home_nb(table, hashed)
    while table[place] != 0:
        place += 1
        if place == table.size:
            place = 0
    put_nb(table, hashed, place, row)


@kernel("void(uint64[::1], uint64[::1])")
def grow_nb(old: U64s, new: U64s) -> None:
    """Carry every entry of a table into a larger, empty one."""
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
    """Enter the rows `begin` to `end` by key; return the first row whose key was there, or -1."""
    for row in range(begin, end):
        key = keys[row]
        found = find_nb(table, keys, key)
        if found >= 0:
            return row
        put_nb(table, mix_nb(key), -1 - found, row)
    return -1


@kernel("int64(uint64[::1], uint64[:])")
def missing_nb(table: U64s, keys: U64s) -> int:
    """Return the first row that the index does not find by its key, or -1 when it finds all."""
    for row in range(keys.size):
        if find_nb(table, keys, keys[row]) != row:
            return row
    return -1
