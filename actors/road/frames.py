"""Frames of the road: a fixed header with a checksum, and a payload.

Owns the layout and its bounds, and cuts a stream of bytes into frames. It never acts on a frame and
touches no socket. A stream with one bad frame is given up as a whole: where the next frame begins
is not known.

The checksum finds what a defect or bad memory damaged. It keeps nobody out: the greeting does, and
TLS where the line itself is not trusted.
"""

import zlib
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct
from typing import Any, Final, NamedTuple

import msgspec

_HEAD: Final = Struct("<IQBBH")  # payload's length, call number, kind, method, zero
_CHECKSUM: Final = Struct("<I")  # CRC-32 of the head and the payload
HEADER_BYTES: Final = _HEAD.size + _CHECKSUM.size
PAYLOAD_BYTES_MAX: Final = 16 << 20
"""Longest payload; a call with more is refused where it is made."""

METHODS: Final = (
    # of account shells
    "exchange",
    "recall",
    "resolve",
    "settle",
    "query",
    "pending",
    "pending_of",
    "last_bet_id",
    "watch",
    "unwatch",
    # of market shells, which have `recall` and `control` too
    "place",
    "follow",
    "reprice",
    "control",
    "outbox",
    "outbox_shards",
    "price_images",
    # of gateways
    "on_prices",
    "on_created",
    "on_account_events",
    "on_feed_request",
    # of feed pipelines
    "accept",
    "applied",
    # of account shells
    "charges",
    "charged",
    # of market shells
    "charge",
    "derive",
    "preview",
    # of all shells, and of gateways that watch bets
    "watch_bets",
    "on_bets",
    "on_bet_lines",
    # of market shells, for what screens show
    "book_images",
    "stakes_images",
    "fixture_grid",
    "reference_odds",
    "referrals",
    # of market shells and of account shells, about what commands move
    "weigh",
    "most_of_slips",
)
"""What goes over the road, numbered by place; everything else is rare and goes with Ray."""
METHOD_NUMBERS: Final = {name: number for number, name in enumerate(METHODS)}


class Kind(IntEnum):
    """What a frame is."""

    ASK = 1
    """A call whose answer is awaited: method and arguments."""
    NOTIFY = 2
    """A call without an answer: method and arguments."""
    ANSWER = 3
    """What the method returned."""
    REFUSED = 4
    """The text of a PeerRefusedError: the callee did nothing."""
    FAILED = 5
    """The kind and text of any other error that the method raised."""


class FrameError(ValueError):
    """Bytes that are no frame, or a payload past its bound."""


class Frame(NamedTuple):
    """One frame; `payload` is msgpack."""

    kind: int
    method: int
    call: int
    payload: bytes


encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


def pack(kind: Kind, *, call: int, content: Any, method: int = 0) -> bytes:
    """Return a frame as bytes.

    Parameters
    ----------
    kind : Kind
        What the frame is.
    call : int
        The call's number, 0 to 2**64 - 1; an answer repeats the number of its call.
    content
        Bytes, numbers, texts, None, and lists, tuples and maps of them.
    method : int
        Place in METHODS; 0 in answers.

    Raises
    ------
    FrameError
        When the payload would be longer than PAYLOAD_BYTES_MAX.
    TypeError
        When msgpack cannot carry the content.
    """
    payload = encode(content)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise FrameError(f"a payload of {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}")
    head = _HEAD.pack(len(payload), call, kind, method, 0)
    return b"".join((head, _CHECKSUM.pack(zlib.crc32(payload, zlib.crc32(head))), payload))


def unpack(payload: bytes) -> Any:
    """Return the content of a payload.

    Raises
    ------
    FrameError
        When it is not msgpack.
    """
    try:
        return _decode(payload)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a payload that is not msgpack: {error}") from error


class FrameReader:
    """Cuts a stream of bytes into frames; keeps at most one frame that is not whole."""

    __slots__ = ("_missing", "_rest")

    def __init__(self) -> None:
        self._rest = bytearray()
        self._missing = 0
        """Bytes without which there is no use in looking at the rest again."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are whole with these bytes; to be run to its end.

        Raises
        ------
        FrameError
            When the stream is damaged; it must then be closed.
        """
        if self._rest:
            self._rest += data
            if len(data) < self._missing:
                self._missing -= len(data)
                return
            data = bytes(self._rest)
            self._rest.clear()
        at, have = 0, len(data)
        self._missing = 0
        while have - at >= HEADER_BYTES:
            length, call, kind, method, zero = _HEAD.unpack_from(data, at)
            if length > PAYLOAD_BYTES_MAX or zero or method >= len(METHODS):
                raise FrameError("a frame whose header is damaged")
            end = at + HEADER_BYTES + length
            if end > have:
                self._missing = end - have
                break
            body = at + HEADER_BYTES
            payload = data[body:end]
            (checksum,) = _CHECKSUM.unpack_from(data, at + _HEAD.size)
            if zlib.crc32(payload, zlib.crc32(data[at : at + _HEAD.size])) != checksum:
                raise FrameError("a frame whose checksum is wrong")
            at = end
            yield Frame(kind, method, call, payload)
        self._rest += data[at:]
