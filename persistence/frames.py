"""The frame round every record: a header of 40 bytes, the payload, zeros up to 8-byte alignment.

Owns how one record lies in bytes and how a whole one is told from anything else; never what a
payload means, and never which record may follow which (the chain is the journal's).

====== ==== ============ ==========================================================
offset size field        meaning
====== ==== ============ ==========================================================
0      4    magic        ``OVRJ``
4      1    version      layout of header and payloads
5      1    kind         what the payload is
6      2    place        records before this one in the same commit (one sync)
8      4    length       payload bytes, without the zeros behind
12     4    epoch        rises with every start of the writer
16     8    seq          from 1, one more with each record
24     8    at_ns        when, UTC, stamped by the shell
32     4    previous_crc `crc` of the record before
36     4    crc          CRC-32 of header bytes 0..36, payload and zeros
====== ==== ============ ==========================================================
"""

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from persistence.disk import Buffer, Bytes

MAGIC: Final = b"OVRJ"
LAYOUT_VERSION: Final = 2
"""What is written; older layouts are read as well. Layout 2 brought what feeds ask of a market:
every payload of layout 1 means the same in it."""
HEADER_BYTES: Final = 40
ALIGN_BYTES: Final = 8
RECORD_BYTES_MAX: Final = 1 << 24
"""The largest payload a journal takes: 262,144 bets in a batch. A larger one is a bug upstream."""
PLACE_MAX: Final = (1 << 16) - 1
"""Records one commit may hold; the writer syncs before it is passed."""
EPOCH_MAX: Final = (1 << 32) - 1

_HEAD: Final = struct.Struct("<4sBBHIIQqI")
_CRC: Final = struct.Struct("<I")
_CRC_AT: Final = HEADER_BYTES - _CRC.size
_ZEROS: Final = bytes(ALIGN_BYTES)
assert _HEAD.size == _CRC_AT


class Record(NamedTuple):
    """One whole record, its checksum checked; `payload` is a view of the segment's memory."""

    kind: int
    epoch: int
    seq: int
    at_ns: int
    place: int
    previous_crc: int
    crc: int
    payload: Bytes
    path: Path
    offset: int
    end: int
    """Offset of the first byte behind the record."""


class Bad(NamedTuple):
    """No whole record lies here, and why."""

    reason: str
    newer: int = 0
    """The layout version, when the bytes are whole but written by a newer release."""


def padding(length: int) -> int:
    """Return how many zeros follow a payload of `length` bytes."""
    return -length % ALIGN_BYTES


def framed_bytes(length: int) -> int:
    """Return the bytes a payload of `length` takes with its frame."""
    return HEADER_BYTES + length + padding(length)


def pack(
    parts: Sequence[Buffer],
    *,
    kind: int,
    epoch: int,
    seq: int,
    at_ns: int,
    place: int,
    previous_crc: int,
) -> tuple[list[Buffer], int, int]:
    """Frame a payload given in parts, copying none of it.

    Returns
    -------
    list of buffers, int, int
        What is to be written, in order; its length in bytes; the record's checksum.
    """
    length = sum(map(len, parts))
    head = _HEAD.pack(MAGIC, LAYOUT_VERSION, kind, place, length, epoch, seq, at_ns, previous_crc)
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


def parse(data: Bytes, offset: int, *, path: Path, bound: int = RECORD_BYTES_MAX) -> Record | Bad:
    """Return the record at `offset`, or why none is there.

    Parameters
    ----------
    data : memoryview
        The whole file.
    offset : int
        Where the record's header begins, a multiple of 8.
    path : Path
        The file's name, carried into the record for messages.
    bound : int
        Largest payload believed, in bytes.
    """
    if len(data) - offset < HEADER_BYTES:
        return Bad("the header is cut short")
    magic, version, kind, place, length, epoch, seq, at_ns, previous = _HEAD.unpack_from(
        data, offset
    )
    if magic != MAGIC:
        return Bad("no record begins here")
    if length > bound:
        return Bad(f"a length of {length} bytes is over the bound of {bound}")
    end = offset + HEADER_BYTES + length + padding(length)
    if end > len(data):
        return Bad("the payload is cut short")
    (crc,) = _CRC.unpack_from(data, offset + _CRC_AT)
    start = offset + HEADER_BYTES
    real = zlib.crc32(data[start:end], zlib.crc32(data[offset : offset + _CRC_AT]))
    if real != crc:
        return Bad("the checksum does not fit")
    if not 1 <= version <= LAYOUT_VERSION:
        return Bad(
            f"written in layout version {version}; this release reads 1 to {LAYOUT_VERSION}",
            newer=version,
        )
    payload = data[start : start + length]
    return Record(kind, epoch, seq, at_ns, place, previous, crc, payload, path, offset, end)
