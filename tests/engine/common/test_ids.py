"""Identifiers: bet ids and shards, market keys and bet refs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common import ids
from engine.common.ids import (
    MalformedIdError,
    bet_id,
    check_bet_ref,
    parse_market_key,
    serial_of_bet,
    shard_of_account,
    shard_of_bet,
)


@given(st.integers(0, ids.SHARD_NO_MAX), st.integers(1, (1 << 48) - 1))
def test_bet_id_carries_its_shard_and_serial(shard, serial) -> None:
    number = bet_id(shard=shard, serial=serial)
    assert (shard_of_bet(number), serial_of_bet(number)) == (shard, serial)
    assert 0 < number < 1 << 63


@pytest.mark.parametrize(("shard", "serial"), [(-1, 1), (1 << 15, 1), (0, 0), (0, 1 << 48)])
def test_bet_id_out_of_bounds_is_an_assertion_error(shard, serial) -> None:
    with pytest.raises(AssertionError):
        bet_id(shard=shard, serial=serial)


def test_accounts_are_spread_over_shards_by_number() -> None:
    assert [shard_of_account(number, shards=4) for number in range(6)] == [0, 1, 2, 3, 0, 1]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("wc22-64/1x2", "wc22-64/1x2"),
        ("wc22-64/total?total=2.5", "wc22-64/total?total=2.5"),
        ("a/b?z=1|a=2", "a/b?a=2|z=1"),
    ],
)
def test_market_key_sorts_its_specifiers(text, canonical) -> None:
    key = parse_market_key(text)
    assert str(key) == canonical
    assert parse_market_key(canonical) == key


@pytest.mark.parametrize(
    "text",
    ["", "a", "a/", "/b", "a b/c", "a/B", "a/b?", "a/b?x", "a/b?x=", "a/b?x=1|x=2", "a/b?x=1|",
     "a/b\n", "é/b", "a" * 65 + "/b", "a/b?x=" + "1" * 128],
)  # fmt: skip
def test_malformed_market_key_is_refused(text) -> None:
    with pytest.raises(MalformedIdError, match="market key"):
        parse_market_key(text)


@pytest.mark.parametrize("ref", ["a", "~" * 32, "b-1:x"])
def test_bet_ref_of_printable_ascii_is_returned_as_bytes(ref) -> None:
    assert check_bet_ref(ref) == ref.encode()


@pytest.mark.parametrize("ref", ["", "a b", "a\n", "é", "a" * 33, "\x00"])
def test_malformed_bet_ref_is_refused(ref) -> None:
    with pytest.raises(MalformedIdError, match="bet ref"):
        check_bet_ref(ref)
