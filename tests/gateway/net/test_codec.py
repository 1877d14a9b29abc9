"""Both subprotocols carry the same messages, and their bytes do not change within a version."""

import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messages.base import Error
from gateway.messages.bettor import AskBalance
from gateway.messages.protocol import ClientMessage, ServerMessage
from gateway.net.codec import CODECS, JSON, MSGPACK, Codec, ServerDecoder
from tests.gateway.messages.samples import FROM_CLIENT, FROM_GATEWAY, GOLDEN, rendered
from tests.gateway.raw_client import frame as client_frame

CODEC = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


def test_every_message_has_a_sample() -> None:
    assert {type(message) for message in FROM_CLIENT} == set(get_args(ClientMessage))
    assert {type(message) for message in FROM_GATEWAY} == set(get_args(ServerMessage))


def test_bytes_are_those_of_the_golden_file() -> None:
    assert rendered() == json.loads(GOLDEN.read_text(encoding="utf-8"))


@CODEC
def test_golden_bytes_decode_to_the_samples(codec: Codec) -> None:
    field = "json" if codec is JSON else "msgpack"
    decode_sent = ServerDecoder(codec).decode
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for line, message in zip(golden, (*FROM_CLIENT, *FROM_GATEWAY), strict=True):
        text: str = line[field]
        payload = text.encode() if codec is JSON else bytes.fromhex(text)
        from_client = type(message) in get_args(ClientMessage)
        assert (codec.decode if from_client else decode_sent)(payload) == message


@CODEC
@pytest.mark.parametrize("length", [0, 1, 60, 100, 125, 126, 200, 65_000, 70_000])
def test_frame_has_the_header_of_its_length(codec: Codec, length: int) -> None:
    message = Error(code=101, message="x" * length)
    payload = codec.encode(message)
    assert codec.frame(message) == client_frame(codec.opcode, payload, masked=False)


@CODEC
def test_unknown_fields_of_a_client_are_refused(codec: Codec) -> None:
    payload = codec.encode({"type": "balance", "id": 1, "account": 9})
    with pytest.raises(msgspec.ValidationError) as raised:
        codec.decode(payload)
    complaint = codec.explain(raised.value, payload)
    assert (complaint.hostile, complaint.id) == (False, 1)
    assert "account" in complaint.message


@given(st.binary(max_size=200))
def test_any_payload_is_decoded_or_refused_with_a_short_text(payload: bytes) -> None:
    for codec in (MSGPACK, JSON):
        refusal: Exception | None = None
        try:
            codec.decode(payload)
        except (ValueError, RecursionError) as error:
            refusal = error
        if refusal is not None:
            assert 0 < len(codec.explain(refusal, payload).message) <= 200


@pytest.mark.parametrize("outer", [b"", b"\x81\xa5state"], ids=["at the top", "within a value"])
def test_a_map_as_the_key_of_a_map_is_refused(outer: bytes) -> None:
    message = MSGPACK.encode({"type": "reprice", "id": 1, "fixture": "f"})
    payload = b"\x84" + message[1:] + b"\xa7pricing" + outer + b"\x81\x81\xa4home\x01\x01"
    with pytest.raises(msgspec.DecodeError) as raised:
        MSGPACK.decode(payload)
    assert "key" in MSGPACK.explain(raised.value, payload).message


@given(st.data())
def test_damaged_messages_are_refused_or_are_messages(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(FROM_CLIENT))
    for codec in (MSGPACK, JSON):
        payload = bytearray(codec.encode(message))
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] ^= 1 << data.draw(st.integers(0, 7))
        refusal: Exception | None = None
        try:
            decoded = codec.decode(bytes(payload))
        except (ValueError, RecursionError) as error:
            refusal = error
        if refusal is None:
            again = codec.encode(decoded)  # bytes, since a damaged number may be NaN
            assert codec.encode(codec.decode(again)) == again
        else:
            assert codec.explain(refusal, bytes(payload)).message


def test_reference_of_a_refused_message_is_bounded() -> None:
    payload = JSON.encode({"type": "status", "ref": "x" * 5_000, "id": 1 << 40})
    with pytest.raises(msgspec.ValidationError) as raised:
        JSON.decode(payload)
    complaint = JSON.explain(raised.value, payload)
    assert (complaint.ref, complaint.id) == ("x" * 32, 0)
    assert JSON.decode(JSON.encode(AskBalance(id=3))) == AskBalance(id=3)
