"""The ground under both machines: the hash index, the canonical form, the stamp on kernels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common import index_nb
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
from engine.common.jit import kernel
from engine.common.state_hash import BytesDigest, Reader, state_hash
from engine.market import place_nb
from tests.engine.common.mix_twin import MASK_64, mix_twin, unmix_twin

REF_U64S = st.integers(0, MASK_64)


@given(REF_U64S)
def test_mix_is_the_twin_s(word: int) -> None:
    assert mix_nb(np.uint64(word)) == mix_twin(word)


@given(st.lists(REF_U64S, min_size=4, max_size=4))
def test_chained_words_depend_on_their_order(words: list[int]) -> None:
    def chain(values: list[int]) -> int:
        seed = np.uint64(0)
        for value in values:
            seed = np.uint64(mix_on_nb(seed, np.uint64(value)))
        return int(seed)

    assert chain(words) == chain(list(words))
    assert words == words[::-1] or chain(words) != chain(words[::-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(REF_U64S, max_size=300, unique=True), REF_U64S)
def test_index_finds_what_a_dict_finds_however_it_grew(keys: list[int], other: int) -> None:
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


def test_table_grows_by_doubling_and_starts_small() -> None:
    table = empty_table()
    assert table.size == TABLE_SIZE_MIN
    assert grown_table(table, TABLE_SIZE_MIN // 2) is table
    assert grown_table(table, TABLE_SIZE_MIN // 2 + 1).size == 2 * TABLE_SIZE_MIN


def test_key_given_twice_is_found_out_when_the_index_is_filled() -> None:
    keys = np.array([5, 6, 5], np.uint64)
    assert fill_nb(empty_table(3), keys, 0, 3) == 2


def test_keys_that_share_half_a_hash_are_told_apart_even_round_the_end_of_the_table() -> None:
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


def test_search_goes_on_at_the_start_of_the_table() -> None:
    table = empty_table()
    hashed = np.uint64(0xFFFFFFFF << 32)
    assert seek_nb(table, hashed, table.size - 1) == -table.size
    assert seek_nb(table, hashed, table.size) == -1
    enter_nb(table, np.uint64(unmix_twin(0)), 4)
    assert seek_nb(table, np.uint64(0), table.size) == 0


def test_index_that_lost_an_entry_says_which_row_is_missing() -> None:
    keys = np.array([3, 4], np.uint64)
    table = empty_table()
    enter_nb(table, np.uint64(3), 0)
    assert missing_nb(table, keys) == 1


def test_equal_documents_have_one_hash_and_others_another() -> None:
    document = {"a": [1, -1, "x", b"y", None, True], "b": {}}
    assert state_hash(document) == state_hash({"b": {}, "a": [1, -1, "x", b"y", None, True]})
    assert state_hash(document) == state_hash({"a": (1, -1, "x", b"y", None, True), "b": {}})
    others = [
        {"a": [1, -1, "x", "y", None, True], "b": {}},
        {"a": [1, -1, "x", b"y", None, 1], "b": {}},
        {"a": [1, -1, "x", b"y", None, True], "b": []},
        {"a": [1, -1, "xb", b"y", None, True], "": {}},
        {"a": [[1, -1], "x", b"y", None, True], "b": {}},
        {"a": [1, -1, "x", b"y", False, True], "b": {}},
    ]
    hashes = [state_hash(other) for other in [document, *others]]
    assert len(set(hashes)) == len(hashes)


@given(st.lists(st.binary(max_size=20)))
def test_digest_of_a_growing_run_stands_for_its_bytes(pieces: list[bytes]) -> None:
    run = BytesDigest()
    for piece in pieces:
        run.extend(piece)
    whole = b"".join(pieces)
    assert len(run) == len(whole)
    assert state_hash({"bets": run}) == state_hash({"bets": whole})


@pytest.mark.parametrize("value", [1.5, {1, 2}, object(), np.int64(3)])
def test_what_is_not_canonical_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="canonical"):
        state_hash({"a": value})


def test_reader_names_document_and_field() -> None:
    reader = Reader({"n": 5, "s": "x", "l": [1, "a"], "r": b"12345"}, name="doc")
    assert (reader.integer("n", low=5, high=5), reader.text("s")) == (5, "x")
    assert reader.items("l", count=2) == [1, "a"]
    for read in (
        lambda: reader.integer("n", low=6, high=9),
        lambda: reader.integer("s", low=6, high=9),
        lambda: reader.text("n"),
        lambda: reader.items("n"),
        lambda: reader.items("l", count=3),
        lambda: reader.texts("l"),
        lambda: reader.rows("r", np.dtype([("a", "<u8")])),
        lambda: reader.rows("n", np.dtype([("a", "<u8")])),
        lambda: reader.only("n", "s", "l"),
        lambda: reader.only("n", "s", "l", "r", "more"),
    ):
        with pytest.raises(ValueError, match=r"^doc\.(n|s|l|r|more): "):
            read()


def stamp_of(function: object) -> str:
    return repr(function._cache._cache_file._source_stamp)


def test_kernel_s_cache_is_stamped_with_its_leaves_and_its_constants() -> None:
    assert stamp_of(index_nb.mix_nb) in stamp_of(index_nb.find_nb)
    assert stamp_of(index_nb.seek_nb) in stamp_of(place_nb.find_rows_nb)
    assert stamp_of(place_nb.decide_nb) in stamp_of(place_nb.decide_all_nb)
    assert stamp_of(place_nb.stake_max_nb) in stamp_of(place_nb.decide_all_nb)
    assert "('_STAKE_OVER_LIMIT', '302')" in stamp_of(place_nb.decide_all_nb)


def test_kernel_of_a_fixed_signature_compiles_nothing_else() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        fill_nb(empty_table(1), [1.0], 0, 1)


def test_kernel_without_a_signature_compiles_when_it_is_called() -> None:
    @kernel()
    def twice_nb(value: int) -> int:
        return 2 * value

    assert twice_nb(21) == 42
