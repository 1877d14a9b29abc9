"""Frames: whatever way the bytes are cut, and whatever bit is damaged."""

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.road.frames import (
    HEADER_BYTES,
    METHOD_NUMBERS,
    PAYLOAD_BYTES_MAX,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    encode,
    pack,
    unpack,
)

CONTENT = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20) | st.binary(max_size=300),
    lambda each: st.lists(each, max_size=4),
    max_leaves=8,
)
FRAMES = st.lists(
    st.tuples(
        st.sampled_from(Kind),
        st.integers(0, 2**64 - 1),
        st.sampled_from(sorted(METHOD_NUMBERS.values())),
        CONTENT,
    ),
    max_size=6,
)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(at)]


@given(FRAMES, st.lists(st.integers(0, 4_000), max_size=12))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    frames: list[tuple[Kind, int, int, Any]], cuts: list[int]
) -> None:
    stream = b"".join(
        pack(kind, call=call, method=method, content=content)
        for kind, call, method, content in frames
    )
    reader = FrameReader()
    came = [frame for piece in _pieces(stream, cuts) for frame in reader.feed(piece)]
    assert [(f.kind, f.call, f.method, unpack(f.payload)) for f in came] == frames


@given(st.data(), FRAMES.filter(bool))
def test_a_damaged_bit_never_gives_another_frame(
    data: st.DataObject, frames: list[tuple[Kind, int, int, Any]]
) -> None:
    sent = [Frame(kind, method, call, encode(content)) for kind, call, method, content in frames]
    stream = bytearray(
        b"".join(
            pack(kind, call=call, method=method, content=content)
            for kind, call, method, content in frames
        )
    )
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    came: list[Frame] = []
    try:
        came.extend(FrameReader().feed(bytes(stream)))
        damage_found = False
    except FrameError:
        damage_found = True
    assert came == sent[: len(came)]
    assert damage_found or len(came) < len(sent)


def test_the_layout_of_a_frame_is_this() -> None:
    frame = pack(Kind.ASK, call=7, method=METHOD_NUMBERS["place"], content=(b"\x01\x02",))
    assert frame.hex() == (
        "05000000"  # length of the payload
        "0700000000000000"  # call number
        "01"  # ASK
        "0a"  # place
        "0000"
        "9cc5d68b"  # CRC-32 of all above and the payload
        "91c4020102"
    )
    assert len(frame) == HEADER_BYTES + 5


def test_a_payload_past_its_bound_is_refused_where_it_is_made() -> None:
    with pytest.raises(FrameError, match=f"at most {PAYLOAD_BYTES_MAX}"):
        pack(Kind.ASK, call=1, content=bytes(PAYLOAD_BYTES_MAX))


def test_a_header_that_claims_more_than_the_bound_is_refused_at_once() -> None:
    header = (PAYLOAD_BYTES_MAX + 1).to_bytes(4, "little") + bytes(HEADER_BYTES - 4)
    with pytest.raises(FrameError, match="header"):
        list(FrameReader().feed(header))


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x91", b"\x90\x90"])
def test_a_payload_that_is_not_msgpack_is_refused(payload: bytes) -> None:
    with pytest.raises(FrameError, match="not msgpack"):
        unpack(payload)


@given(st.binary(max_size=60))
def test_any_payload_is_unpacked_or_refused(payload: bytes) -> None:
    with contextlib.suppress(FrameError):
        unpack(payload)
