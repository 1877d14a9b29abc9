"""Canonical documents: equal hashes for equal documents, and checked reading."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.state_hash import BytesDigest, Reader, state_hash


def test_equal_documents_have_equal_hashes_and_others_do_not() -> None:
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
def test_digest_of_a_growing_run_gives_the_hash_of_its_bytes(pieces: list[bytes]) -> None:
    run = BytesDigest()
    for piece in pieces:
        run.extend(piece)
    data = b"".join(pieces)
    assert len(run) == len(data)
    assert state_hash({"bets": run}) == state_hash({"bets": data})


@pytest.mark.parametrize("value", [1.5, {1, 2}, object(), np.int64(3)])
def test_a_value_that_is_not_canonical_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match="canonical"):
        state_hash({"a": value})


def test_reader_errors_name_the_document_and_the_field() -> None:
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
