"""Keys of LSports' markets: made from the provider's names, and read back after a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.ids import MalformedIdError, parse_market_key
from gateway.feeds.lsports.names import MarketName, canonical_line, market_key, market_name
from gateway.feeds.lsports.reader import FIXTURE_ID_MAX, MARKET_ID_MAX
from gateway.feeds.uof.adapter import UofAdapter


@given(st.integers(1, FIXTURE_ID_MAX), st.integers(1, MARKET_ID_MAX), st.text(max_size=30))
def test_a_key_that_is_made_is_owned_and_read_back(fixture: int, market: int, line: str) -> None:
    name = MarketName(fixture, market, canonical_line(line))
    try:
        key = market_key("lsports", name)
    except MalformedIdError:
        assert len(line.encode()) > 10
        return
    assert str(parse_market_key(key)) == key
    assert market_name("lsports", key) == name
    assert not UofAdapter("uof").owns(key)


@pytest.mark.parametrize(
    ("line", "canonical"),
    [
        ("2.50", "2.5"), ("+2.5", "2.5"), ("4.0", "4"), ("-0.0", "0"), ("02.5", "2.5"),
        ("-1.25", "-1.25"), (" 3 ", "3"), ("1:0", "1:0"), ("-1.5 (0-0)", "-1.5 (0-0)"), ("", ""),
    ],
)  # fmt: skip
def test_every_spelling_of_a_line_is_one_market(line: str, canonical: str) -> None:
    assert canonical_line(line) == canonical


@pytest.mark.parametrize(
    "key",
    [
        "sr:match:1/1x2", "lsports.1/1x2", "lsports.0/lsports_1", "lsports.1/lsports_",
        "lsports.x/lsports_1", "lsports.01/lsports_1", "other.1/lsports_1",
        "lsports.1/lsports_1?line=a_b", "lsports.1/lsports_1?line=_ff",
        "lsports.1/lsports_1?half=1",
    ],
)  # fmt: skip
def test_other_keys_are_not_owned(key: str) -> None:
    assert market_name("lsports", key) is None
