"""The frame of every record: a header of 40 bytes, the payload, zeros up to 8-byte alignment.

Owns the layout of one record in bytes and the checks that tell a whole record from other bytes.
Never knows what a payload means or which record may follow which (`persistence.chain` does).

====== ==== ============ ==========================================================
offset size field        meaning
====== ==== ============ ==========================================================
0      4    magic        ``OVRJ``
4      1    version      layout of header and payloads
5      1    kind         kind of payload (`persistence.records.Kind`)
6      2    commit_index records before this one in the same commit (one sync)
8      4    length       payload bytes, without the zeros after it
12     4    epoch        rises with every start of the writer
16     8    seq          from 1, one more with each record
24     8    at_ns        time in nanoseconds UTC, stamped by the shell
32     4    previous_crc `crc` of the record before
36     4    crc          CRC-32 of header bytes 0 to 35, payload and zeros
====== ==== ============ ==========================================================
"""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from engine.common.units import Nanos
from persistence.disk import Buffer, Bytes

MAGIC: Final = b"OVRJ"
LAYOUT_VERSION: Final = 4
"""Layout that is written; layouts 1 to this one are read. Layout 2 added the commands and events
of feeds. Layout 3 added the rules in epoch marks, settlements that carry odds, and closing marks.
Layout 4 added slips of several legs: exchanges with their bets, and charges of legs. Every payload
of an older layout keeps its meaning."""
HEADER_BYTES: Final = 40
ALIGN_BYTES: Final = 8
RECORD_BYTES_MAX: Final = 1 << 24
"""Largest payload of a record: 262,144 bets in a batch. A larger one is a bug of the caller."""
COMMIT_INDEX_MAX: Final = (1 << 16) - 1
"""Largest index of a record in its commit: the writer syncs after 65,536 records at most."""
EPOCH_MAX: Final = (1 << 32) - 1

_HEAD: Final = struct.Struct("<4sBBHIIQqI")
_CRC: Final = struct.Struct("<I")
_CRC_AT: Final = HEADER_BYTES - _CRC.size
_ZEROS: Final = bytes(ALIGN_BYTES)
assert _HEAD.size == _CRC_AT


class Record(NamedTuple):
    """One whole record with a correct checksum; `payload` is a view of the segment's memory."""

    kind: int
    epoch: int
    seq: int
    at_ns: Nanos
    commit_index: int
    previous_crc: int
    crc: int
    payload: Bytes
    path: Path
    offset: int
    end: int
    """Offset of the first byte after the record."""


class Unreadable(NamedTuple):
    """The reason why no record can be read at an offset."""

    reason: str
    newer: int = 0
    """The record's layout version if the record is whole and from a newer release, else 0."""


def padding(length: int) -> int:
    """Return the number of zeros after a payload of `length` bytes."""
    return -length % ALIGN_BYTES


def framed_bytes(length: int) -> int:
    """Return the length of a record whose payload has `length` bytes."""
    return HEADER_BYTES + length + padding(length)


def pack(
    parts: Sequence[Buffer],
    *,
    kind: int,
    epoch: int,
    seq: int,
    at_ns: Nanos,
    commit_index: int,
    previous_crc: int,
) -> tuple[list[Buffer], int, int]:
    """Frame a payload given in parts without copying it.

    Returns
    -------
    list of buffers, int, int
        The buffers to write, in order; their total length in bytes; the record's checksum.
    """
    length = sum(map(len, parts))
    head = _HEAD.pack(
        MAGIC, LAYOUT_VERSION, kind, commit_index, length, epoch, seq, at_ns, previous_crc
    )
    crc = zlib.crc32(head)
    for part in parts:
        crc = zlib.crc32(part, crc)
    framed: list[Buffer] = [head + _CRC.pack(crc), *parts]
    zeros = padding(length)
    if zeros:
        framed[-1:] = [framed[-1], _ZEROS[:zeros]]
        crc = zlib.crc32(_ZEROS[:zeros], crc)
        framed[0] = head + _CRC.pack(crc)
    return framed, HEADER_BYTES + length + zeros, crc


def parse(
    data: Bytes, offset: int, *, path: Path, bound: int = RECORD_BYTES_MAX
) -> Record | Unreadable:
    """Return the record at `offset`, or the reason why none can be read there.

    Parameters
    ----------
    data : memoryview
        The whole file.
    offset : int
        Offset of the record's header, a multiple of 8.
    path : Path
        The file's name, kept in the record for messages.
    bound : int
        Largest payload accepted, in bytes.
    """
    if len(data) - offset < HEADER_BYTES:
        return Unreadable("the header is cut short")
    magic, version, kind, commit_index, length, epoch, seq, at_ns, previous = _HEAD.unpack_from(
        data, offset
    )
    if magic != MAGIC:
        return Unreadable("no record begins here")
    if length > bound:
        return Unreadable(f"a length of {length} bytes is over the bound of {bound}")
    end = offset + HEADER_BYTES + length + padding(length)
    if end > len(data):
        return Unreadable("the payload is cut short")
    (crc,) = _CRC.unpack_from(data, offset + _CRC_AT)
    start = offset + HEADER_BYTES
    real = zlib.crc32(data[start:end], zlib.crc32(data[offset : offset + _CRC_AT]))
    if real != crc:
        return Unreadable("the checksum is wrong")
    if not 1 <= version <= LAYOUT_VERSION:
        return Unreadable(
            f"written in layout version {version}; this release reads 1 to {LAYOUT_VERSION}",
            newer=version,
        )
    payload = data[start : start + length]
    return Record(kind, epoch, seq, at_ns, commit_index, previous, crc, payload, path, offset, end)
