"""Reading LSports' messages: every figure of the documented ones, and what survives odd ones."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.feeds.lsports.messages import (
    PRICE_REFUSED,
    UNREADABLE_STATUS,
    BetPart,
    EventPart,
    MarketPart,
    Message,
    Unreadable,
)
from gateway.feeds.lsports.reader import read

HEADER = {"Type": 3, "MsgSeq": 1, "MsgGuid": "g", "ServerTimestamp": 1753091603055}
BET = {
    "Probability": 0.42869,
    "Id": 30713932524605698,
    "Name": "Over",
    "Line": "2.5",
    "BaseLine": "2.5",
    "Status": 1,
    "StartPrice": "2.1",
    "Price": "2.1",
    "ProviderBetId": "8",
    "LastUpdate": "2025-07-21T09:53:22.9792516Z",
    "PriceUK": "11/10",
    "Order": 1,
}


def message(bet: dict[str, Any], *, header: dict[str, Any] | None = None, **event: Any) -> bytes:
    """Return a market message of one bet."""
    markets = [{"Id": 2, "Name": "Under/Over", "Bets": [bet]}]
    one = {"FixtureId": 24605698, "Livescore": None, "Markets": markets, **event}
    return json.dumps({"Header": header or HEADER, "Body": {"Events": [one]}}).encode()


def bet_of(body: bytes) -> BetPart:
    """Return the only bet of a message."""
    found = read(body)
    assert isinstance(found, Message)
    return found.events[0].markets[0].bets[0]


def test_every_figure_of_a_market_message_is_read() -> None:
    bet = BetPart(
        bet_id="30713932524605698",
        name="Over",
        line="2.5",
        status=1,
        price_milli=2_100,
        updated_ns=1_753_091_602_979_251_600,
    )
    assert read(message(BET)) == Message(
        type=3,
        ms=1_753_091_603_055,
        sequence=1,
        events=(EventPart(fixture_id=24605698, markets=(MarketPart(market_id=2, bets=(bet,)),)),),
    )


def test_figures_that_come_as_text_and_times_in_seconds_are_read_the_same() -> None:
    header = {"Type": "3", "MsgSeq": "1", "ServerTimestamp": "1753091603"}
    old = BET | {"Id": str(BET["Id"]), "Status": "1", "Price": 2.1}
    new = read(message(BET, header=HEADER | {"ServerTimestamp": 1753091603000}))
    assert read(message(old, header=header)) == new


@pytest.mark.parametrize(
    ("field", "given", "read_as"),
    [
        ("price_milli", "2.1239", 2_123),
        ("price_milli", "1001", 1_001_000),
        ("price_milli", "1.0", PRICE_REFUSED),
        ("price_milli", "99999999", PRICE_REFUSED),
        ("price_milli", None, None),
        ("settlement", -1, -1),
        ("settlement", "5", 5),
        ("updated_ns", "1491097568314", 1_491_097_568_314_000_000),
        ("updated_ns", "2017-03-04T16:09:35+01:00", 1_488_640_175_000_000_000),
    ],
)
def test_a_figure_is_read_in_each_of_its_spellings(field: str, given: Any, read_as: Any) -> None:
    names = {"price_milli": "Price", "settlement": "Settlement", "updated_ns": "LastUpdate"}
    assert getattr(bet_of(message(BET | {names[field]: given})), field) == read_as


@pytest.mark.parametrize(
    ("odd", "changed"),
    [
        ({"Price": "NaN"}, {"price_milli": PRICE_REFUSED}),
        ({"Price": "-2.1"}, {"price_milli": PRICE_REFUSED}),
        ({"Price": {"x": 1}}, {"price_milli": PRICE_REFUSED}),
        ({"Status": 7}, {"status": 2}),
        ({"Status": "closed"}, {"status": 2}),
        ({"Settlement": 9}, {"settlement": None}),
        ({"LastUpdate": "yesterday"}, {"updated_ns": None}),
        ({"LastUpdate": "2025-13-41T09:53:22Z"}, {"updated_ns": None}),
    ],
)
def test_an_odd_figure_is_dropped_and_named_and_the_rest_is_read(
    odd: dict[str, Any], changed: dict[str, Any]
) -> None:
    found = read(message(BET | odd))
    assert isinstance(found, Message)
    assert len(found.odd) == 1
    assert next(iter(odd)) in found.odd[0]
    good, bet = bet_of(message(BET)), bet_of(message(BET | odd))
    assert {name: getattr(bet, name) for name in changed} == changed
    for name in ("bet_id", "name", "line", "status", "price_milli", "updated_ns"):
        assert name in changed or getattr(bet, name) == getattr(good, name)


def test_a_bet_market_or_event_that_cannot_be_read_makes_what_holds_it_doubtful() -> None:
    found = read(message("no bet"))  # type: ignore[arg-type]
    assert isinstance(found, Message)
    assert found.events[0].markets == (MarketPart(market_id=2, doubtful=True),)
    found = read(message(BET, Markets=["no market"]))
    assert isinstance(found, Message)
    assert found.events == (EventPart(fixture_id=24605698, doubtful=True),)
    found = read(message(BET, Markets="no list"))
    assert isinstance(found, Message)
    assert found.events == (EventPart(fixture_id=24605698, doubtful=True),)


def test_a_fixture_status_that_cannot_be_read_is_not_taken_for_none() -> None:
    for status in (77, "live", {"Id": 2}):
        found = read(message(BET, Fixture={"Status": status}))
        assert isinstance(found, Message)
        assert found.events[0].status == UNREADABLE_STATUS
        assert len(found.events[0].markets) == 1


@pytest.mark.parametrize(
    "header", [{}, {"Type": "x"}, {"Type": 3}, {"Type": 3, "ServerTimestamp": "soon"}]
)
def test_of_a_message_without_type_or_time_the_fixture_is_known(header: dict[str, Any]) -> None:
    found = read(message(BET, header={"MsgSeq": 1} | header))
    assert isinstance(found, Unreadable)
    assert found.fixture_ids == (24605698,)


@given(st.integers(0, 10_000))
def test_of_a_body_that_breaks_off_the_fixture_is_known(cut: int) -> None:
    body = message(BET)
    broken = body[: cut % len(body)]
    found = read(broken)
    assert isinstance(found, Unreadable)
    whole = b'"FixtureId": 24605698,' in broken
    assert (24605698 in found.fixture_ids) is whole or not whole


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(body: bytes) -> None:
    assert isinstance(read(body), Message | Unreadable)


@settings(deadline=None)
@given(st.data())
def test_no_value_of_a_field_makes_the_reader_raise_or_lose_the_other_bet(data: Any) -> None:
    values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
    field = data.draw(st.sampled_from(sorted(BET)))
    odd = BET | {"Id": 5, field: data.draw(values)}
    markets = [{"Id": 2, "Bets": [odd, BET]}]
    found = read(message(BET, Markets=markets))
    assert isinstance(found, Message)
    (market,) = found.events[0].markets
    assert market.bets[-1] == bet_of(message(BET))
    assert len(market.bets) == 2 or market.doubtful
