"""Bytes of the two subprotocols: msgpack in binary frames, JSON in text frames, the same messages.

Owns encoding, decoding and the text of decoding errors. Server frames are whole and unmasked, so
each is built here once and the same bytes are written to every receiver. It never acts on a
message.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from engine.common.reasons import Reason
from gateway.messages.base import JSON_SUBPROTOCOL, MSGPACK_SUBPROTOCOL, TEXT_IN_JSON, TEXTS_IN_JSON
from gateway.messages.protocol import ClientMessage, ServerMessage

OP_TEXT: Final = 1
OP_BINARY: Final = 2
MESSAGE_CHARS_MAX: Final = 200

_FIN: Final = 0x80
_BOUND: Final = re.compile(r"^Expected `\w+`(?: of length)? (?:matching regex|multiple of|[<>]=?)")


_NAMES: Final = "|".join(TEXT_IN_JSON).encode()
_NUMBERS: Final = re.compile(rb'"(%b)":(-?[0-9]+)' % _NAMES)
_TEXTS: Final = re.compile(rb'(?<!\\)"(%b)"\s*:\s*"(-?(?:0|[1-9][0-9]{0,18}))"' % _NAMES)
"""Fields of TEXT_IN_JSON in encoded JSON. They match names of fields only: within a text a quote
has a backslash before it, so that a quote with a colon after it ends a name."""
_LISTS: Final = re.compile(
    rb'(?<!\\)"(?:%b)"\s*:\s*\[[-0-9",\s]*\]' % "|".join(TEXTS_IN_JSON).encode()
)
_ITEMS: Final = re.compile(rb'"(-?(?:0|[1-9][0-9]{0,18}))"')
"""Fields of TEXTS_IN_JSON, and the texts in them."""


def _encode_json(encode: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Return an encoder that writes the fields of TEXT_IN_JSON as text."""

    def encode_with_texts(message: Any) -> bytes:
        return _NUMBERS.sub(rb'"\1":"\2"', encode(message))

    return encode_with_texts


def _decode_json(decode: Callable[[bytes], ClientMessage]) -> Callable[[bytes], ClientMessage]:
    """Return a decoder that takes the integers of TEXT_IN_JSON and TEXTS_IN_JSON as text too."""

    def decode_with_texts(payload: bytes) -> ClientMessage:
        try:
            return decode(payload)
        except msgspec.ValidationError:
            numbers = _TEXTS.sub(rb'"\1":\2', payload)
            numbers = _LISTS.sub(lambda found: _ITEMS.sub(rb"\1", found[0]), numbers)
            if numbers == payload:
                raise
            return decode(numbers)

    return decode_with_texts


class Complaint(NamedTuple):
    """Why a payload was refused; `hostile` when it is neither msgpack nor JSON."""

    reason: Reason
    message: str
    hostile: bool
    ref: str
    id: int


class _Reference(Struct):
    """The fields of a refused message that identify it to its sender."""

    ref: str = ""
    id: int = 0


class Codec:
    """One subprotocol: encoder, decoder and frames.

    Parameters
    ----------
    subprotocol : str
        Name in the handshake.
    index : int
        Place of this codec's frame in a pair of frames (see gateway.services.price_fanout).
    opcode : int
        WebSocket opcode of its data frames.
    """

    __slots__ = ("_heads", "_reference", "decode", "encode", "index", "opcode", "subprotocol")

    def __init__(self, *, subprotocol: str, index: int, opcode: int) -> None:
        self.subprotocol = subprotocol
        self.index = index
        self.opcode = opcode
        binary = opcode == OP_BINARY
        formats: Any = msgspec.msgpack if binary else msgspec.json
        encode: Callable[[Any], bytes] = formats.Encoder().encode
        decode: Callable[[bytes], ClientMessage] = formats.Decoder(ClientMessage).decode
        self.encode = encode if binary else _encode_json(encode)
        self.decode = decode if binary else _decode_json(decode)
        self._reference: Callable[[bytes], _Reference] = formats.Decoder(_Reference).decode
        self._heads = tuple(bytes((_FIN | opcode, length)) for length in range(126))

    def frame(self, message: ServerMessage) -> bytes:
        """Return a message as the bytes of one WebSocket frame."""
        payload: bytes = self.encode(message)
        length = len(payload)
        if length < 126:
            return self._heads[length] + payload
        if length < 65_536:
            return bytes((_FIN | self.opcode, 126)) + length.to_bytes(2, "big") + payload
        return bytes((_FIN | self.opcode, 127)) + length.to_bytes(8, "big") + payload

    def explain(self, error: Exception, payload: bytes) -> Complaint:
        """Return why `decode` refused a payload with `error`, and which message it was."""
        text = str(error)[:MESSAGE_CHARS_MAX]
        if not isinstance(error, msgspec.ValidationError):
            if isinstance(error, RecursionError):
                text = "nested too deeply"
            return Complaint(Reason.MALFORMED, text, hostile=True, ref="", id=0)
        if text.endswith(("`$.type`", "field `type`")):
            reason = Reason.UNKNOWN_COMMAND
        elif _BOUND.match(text):
            reason = Reason.FIELD_OUT_OF_BOUNDS
        else:
            reason = Reason.MALFORMED
        ref, number = self._identify(payload)
        return Complaint(reason, text, hostile=False, ref=ref, id=number)

    def _identify(self, payload: bytes) -> tuple[str, int]:
        try:
            reference = self._reference(payload)
        except (ValueError, RecursionError):
            return "", 0
        return reference.ref[:32], reference.id if 0 <= reference.id < 1 << 32 else 0


MSGPACK: Final = Codec(subprotocol=MSGPACK_SUBPROTOCOL, index=0, opcode=OP_BINARY)
JSON: Final = Codec(subprotocol=JSON_SUBPROTOCOL, index=1, opcode=OP_TEXT)
CODECS: Final[dict[str, Codec]] = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}


_server_json: Final[Callable[[bytes], ServerMessage]] = msgspec.json.Decoder(ServerMessage).decode


def _decode_server_json(payload: bytes) -> ServerMessage:
    return _server_json(_TEXTS.sub(rb'"\1":\2', payload))


class ServerDecoder:
    """Decode server messages of one subprotocol, for the client library."""

    __slots__ = ("decode",)

    def __init__(self, codec: Codec) -> None:
        self.decode: Callable[[bytes], ServerMessage]
        if codec is MSGPACK:
            self.decode = msgspec.msgpack.Decoder(ServerMessage).decode
        else:
            self.decode = _decode_server_json
