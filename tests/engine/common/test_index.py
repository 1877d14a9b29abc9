"""The hash table of the index: hashes, growth, collisions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.index import TABLE_SIZE_MIN, empty_table, grown_table
from engine.common.index_nb import (
    enter_nb,
    fill_nb,
    find_nb,
    missing_nb,
    mix_nb,
    mix_on_nb,
    seek_nb,
)
from tests.engine.common.mix_twin import MASK_64, mix_twin, unmix_twin

u64s = st.integers(0, MASK_64)


@given(u64s)
def test_hash_equals_that_of_the_twin_and_is_one_to_one(value: int) -> None:
    assert mix_nb(np.uint64(value)) == mix_twin(value)
    assert unmix_twin(mix_twin(value)) == value


@given(st.lists(u64s, min_size=4, max_size=4))
def test_hash_of_several_values_depends_on_their_order(values: list[int]) -> None:
    def chain(values: list[int]) -> int:
        hashed = np.uint64(0)
        for value in values:
            hashed = np.uint64(mix_on_nb(hashed, np.uint64(value)))
        return int(hashed)

    assert chain(values) == chain(list(values))
    assert values == values[::-1] or chain(values) != chain(values[::-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(u64s, max_size=300, unique=True), u64s)
def test_table_finds_what_a_dict_finds_however_it_grew(keys: list[int], other: int) -> None:
    array = np.array(keys, np.uint64)
    table, twin = empty_table(), {}
    for row, key in enumerate(keys):
        table = grown_table(table, row + 1)
        enter_nb(table, np.uint64(key), row)
        twin[key] = row
    assert 2 * len(keys) <= table.size
    for key in [*keys, other]:
        assert max(find_nb(table, array, np.uint64(key)), -1) == twin.get(key, -1)
    assert missing_nb(table, array) == -1
    at_once = empty_table(len(keys))
    assert fill_nb(at_once, array, 0, len(keys)) == -1
    assert missing_nb(at_once, array) == -1


def test_table_starts_small_and_doubles() -> None:
    table = empty_table()
    assert table.size == TABLE_SIZE_MIN
    assert grown_table(table, TABLE_SIZE_MIN // 2) is table
    assert grown_table(table, TABLE_SIZE_MIN // 2 + 1).size == 2 * TABLE_SIZE_MIN


def test_filling_a_table_finds_a_key_that_is_given_twice() -> None:
    keys = np.array([5, 6, 5], np.uint64)
    assert fill_nb(empty_table(3), keys, 0, 3) == 2


def test_keys_with_one_upper_half_of_the_hash_are_distinguished() -> None:
    """Also where their places wrap round the end of the table."""
    for half in (7, 0xFFFFFFFF):
        keys = [unmix_twin(half << 32 | low) for low in range(20)]
        assert [mix_twin(key) >> 32 for key in keys] == [half] * 20
        array = np.array(keys[:19], np.uint64)
        table = empty_table()
        for row, key in enumerate(keys[:19]):
            enter_nb(table, np.uint64(key), row)
        assert missing_nb(table, array) == -1
        assert find_nb(table, array, np.uint64(keys[19])) < 0
        assert missing_nb(grown_table(table, 200), array) == -1


def test_search_wraps_round_the_end_of_the_table() -> None:
    table = empty_table()
    hashed = np.uint64(0xFFFFFFFF << 32)
    assert seek_nb(table, hashed, table.size - 1) == -table.size
    assert seek_nb(table, hashed, table.size) == -1
    enter_nb(table, np.uint64(unmix_twin(0)), 4)
    assert seek_nb(table, np.uint64(0), table.size) == 0


def test_a_row_that_is_not_in_the_table_is_missing() -> None:
    keys = np.array([3, 4], np.uint64)
    table = empty_table()
    enter_nb(table, np.uint64(3), 0)
    assert missing_nb(table, keys) == 1
