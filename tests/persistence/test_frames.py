"""Frames of records: whole ones are read back, other bytes are refused with a reason."""

import zlib
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from persistence.frames import (
    HEADER_BYTES,
    LAYOUT_VERSION,
    MAGIC,
    Record,
    Unreadable,
    framed_bytes,
    pack,
    parse,
)

HERE = Path("segment")


def frame(*parts: bytes, kind: int = 2, seq: int = 7, commit_index: int = 0) -> bytearray:
    framed, size, _ = pack(
        list(parts),
        kind=kind,
        epoch=3,
        seq=seq,
        at_ns=-5,
        commit_index=commit_index,
        previous_crc=11,
    )
    data = bytearray(b"".join(framed))
    assert len(data) == size == framed_bytes(sum(map(len, parts)))
    return data


def parsed(data: bytes | bytearray, offset: int = 0) -> Record | Unreadable:
    return parse(memoryview(data), offset, path=HERE)


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_a_record_is_read_back_as_it_was_written(parts: list[bytes]) -> None:
    record = parsed(frame(*parts))
    assert isinstance(record, Record)
    assert bytes(record.payload) == b"".join(parts)
    assert (record.kind, record.epoch, record.seq, record.at_ns) == (2, 3, 7, -5)
    assert (record.previous_crc, record.offset) == (11, 0)
    assert record.end % 8 == 0


def test_the_checksum_covers_header_payload_and_padding() -> None:
    data = bytes(frame(b"abc", b"defgh"))
    body = data[: HEADER_BYTES - 4] + data[HEADER_BYTES:]
    assert int.from_bytes(data[HEADER_BYTES - 4 : HEADER_BYTES], "little") == zlib.crc32(body)


def test_every_flipped_bit_of_a_record_is_detected() -> None:
    data = frame(b"a stake of 25.00 at 2.500")
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        assert isinstance(parsed(data), Unreadable), bit
        data[bit // 8] ^= 1 << bit % 8
    assert isinstance(parsed(data), Record)


def test_a_record_cut_short_at_any_byte_is_refused() -> None:
    data = frame(b"twelve bytes")
    reasons = {parsed(data[:end]).reason for end in range(len(data))}  # type: ignore[union-attr]
    assert reasons == {"the header is cut short", "the payload is cut short"}


def test_zeros_are_not_a_record() -> None:
    assert parsed(bytes(64)) == Unreadable("no record begins here")


def test_a_length_over_the_bound_is_refused() -> None:
    data = frame(b"")
    data[8:12] = (1 << 31).to_bytes(4, "little")
    assert "over the bound" in parsed(data).reason  # type: ignore[union-attr]


def test_a_record_of_a_newer_layout_is_refused_with_its_version() -> None:
    data = frame(b"from the future")
    data[4] = LAYOUT_VERSION + 1
    body = bytes(data[: HEADER_BYTES - 4] + data[HEADER_BYTES:])
    data[HEADER_BYTES - 4 : HEADER_BYTES] = zlib.crc32(body).to_bytes(4, "little")
    bad = parsed(data)
    assert isinstance(bad, Unreadable)
    assert bad.newer == LAYOUT_VERSION + 1
    assert f"layout version {LAYOUT_VERSION + 1}" in bad.reason


def test_row_buffers_are_framed_without_a_copy() -> None:
    rows = np.arange(6, dtype=np.uint64)
    view = rows.view(np.uint8).data
    framed, _, _ = pack([view], kind=2, epoch=1, seq=1, at_ns=0, commit_index=0, previous_crc=0)
    assert framed[1] is view
    assert bytes(framed[0][:4]) == MAGIC
