"""Integers that may pass 2^53 are text in JSON, and nothing else is changed by that."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import CancelBets
from engine.common.corrections import ChosenBets, VoidBets
from engine.common.events import BetsCancelled
from gateway.messages.base import TEXT_IN_JSON, Error
from gateway.messages.bettor import AskOpenBets, Bet
from gateway.messages.trader import Control, Controlled, Reprice
from gateway.net.codec import JSON, MSGPACK, ServerDecoder

INT64_MAX = (1 << 63) - 1
BIG = st.integers(0, INT64_MAX)
KEYS = st.sampled_from(TEXT_IN_JSON)
TRICKY = st.text() | st.builds('{0}"{1}":{2}'.format, st.text(), KEYS, BIG) | KEYS


@given(number=BIG, message=TRICKY)
def test_bet_id_is_text_in_json_and_an_integer_in_msgpack(number: int, message: str) -> None:
    bet = Bet(ref="a", state="accepted", bet_id=number, message=message)
    assert json.loads(JSON.encode(bet)).get("bet_id", "0") == str(number)
    assert json.loads(JSON.encode(bet)).get("message", "") == message
    assert msgspec.msgpack.decode(MSGPACK.encode(bet)).get("bet_id", 0) == number
    for codec in (JSON, MSGPACK):
        assert ServerDecoder(codec).decode(codec.encode(bet)) == bet


@given(from_ns=st.none() | BIG, until_ns=st.none() | BIG, why=TRICKY)
def test_times_of_events_come_back_exactly(
    from_ns: int | None, until_ns: int | None, why: str
) -> None:
    event = BetsCancelled(
        market_no=1,
        version=2,
        settlement_no=3,
        from_ns=from_ns,
        until_ns=until_ns,
        bets=4,
        payouts_check=5,
        why=why,
    )
    message = Controlled(id=1, events=(event,))
    assert ServerDecoder(JSON).decode(JSON.encode(message)) == message
    sent = json.loads(JSON.encode(message))["events"][0]["from_ns"]
    assert sent == (None if from_ns is None else str(from_ns))


@given(number=BIG, spaces=st.sampled_from(("", " ", "\n\t")))
def test_client_may_send_a_number_or_text(number: int, spaces: str) -> None:
    expected = AskOpenBets(id=4, after_bet_id=number)
    for value in (f"{number}", f'"{number}"'):
        text = f'{{"type":"open_bets","id":4,"after_bet_id"{spaces}:{spaces}{value}}}'
        assert JSON.decode(text.encode()) == expected
    window = CancelBets(market_no=1, from_ns=number, why='"from_ns":"1"')
    control = Control(commands=(window,))
    assert JSON.decode(msgspec.json.encode(control)) == control
    assert JSON.decode(JSON.encode(control)) == control


@pytest.mark.parametrize(
    "value", ['"soon"', '""', '"1.5"', '"007"', '" 1"', '"9223372036854775808"', '"-1"', "1.5"]
)
def test_text_that_is_no_number_in_bounds_is_refused_as_such(value: str) -> None:
    payload = f'{{"type":"open_bets","after_bet_id":{value}}}'.encode()
    with pytest.raises(msgspec.ValidationError) as refused:
        JSON.decode(payload)
    complaint = JSON.explain(refused.value, payload)
    assert not complaint.hostile
    assert "after_bet_id" in complaint.message


def test_text_in_other_fields_is_no_number() -> None:
    for payload in (
        b'{"type":"open_bets","id":"4"}',
        b'{"type":"list","limit":"4"}',
        b'{"type":"place","ref":"a","market":"1","outcome":0,"stake_minor":1,"odds_milli":2000}',
    ):
        with pytest.raises(msgspec.ValidationError):
            JSON.decode(payload)


def test_objects_without_a_schema_keep_their_texts() -> None:
    pricing = {"model": {"until_ns": "5", 'x"until_ns': "6"}}
    reprice = Reprice(fixture="f", pricing=pricing)
    assert JSON.decode(msgspec.json.encode(reprice)) == reprice


@given(text=TRICKY)
def test_error_texts_pass_unchanged(text: str) -> None:
    error = Error(code=1, message=text, ref=text)
    assert json.loads(JSON.encode(error))["message"] == text
    assert ServerDecoder(JSON).decode(JSON.encode(error)) == error


@given(numbers=st.lists(BIG.filter(bool), min_size=1, max_size=3), why=TRICKY)
def test_a_list_of_ids_may_be_of_numbers_or_texts(numbers: list[int], why: str) -> None:
    void = VoidBets(market_no=1, bets=ChosenBets(bet_ids=tuple(numbers)), why=why[:80])
    control = Control(commands=(void,))
    assert JSON.decode(msgspec.json.encode(control)) == control
    built = msgspec.to_builtins(control)
    built["commands"][0]["bets"]["bet_ids"] = list(map(str, numbers))
    assert JSON.decode(json.dumps(built).encode()) == control


@pytest.mark.parametrize("value", ["1.5", "", "x", "01", str(1 << 63)])
def test_a_text_that_is_no_id_in_bounds_is_refused_in_a_list_too(value: str) -> None:
    text = (
        '{"type":"control","commands":[{"do":"void_bets","market_no":1,'
        f'"bets":{{"bet_ids":["{value}"]}}}}]}}'
    )
    with pytest.raises(msgspec.ValidationError):
        JSON.decode(text.encode())
