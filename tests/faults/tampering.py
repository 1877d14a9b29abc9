"""Change the records of journals and snapshots as a faulty writer would have written them.

Owns the editing of a record and the re-computation of its checksum and of the chain after it, so
that only the replay (or the check under test) can find the change.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from persistence.chain import segment_paths
from persistence.disk import Disk
from persistence.frames import HEADER_BYTES, Record, pack, padding, parse
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.persistence.command_sequences import FOLDER

Change = Callable[[Record], Record]


def records_of(disk: Disk, path: Path) -> list[Record]:
    """Return a segment's records."""
    data = disk.read(path)
    records: list[Record] = []
    while isinstance(found := parse(data, records[-1].end if records else 0, path=path), Record):
        records.append(found)
    return records


def chained(records: list[Record], change: Change) -> bytes:
    """Return a segment of these records, each changed first, in a valid chain."""
    data, previous = b"", 0
    for record in map(change, records):
        framed, _, crc = pack(
            [bytes(record.payload)],
            kind=record.kind,
            epoch=record.epoch,
            seq=record.seq,
            at_ns=record.at_ns,
            commit_index=record.commit_index,
            previous_crc=previous,
        )
        data, previous = data + b"".join(framed), crc
    return data


def rewritten(recorded: RecordedRun, change: Change) -> FaultyDisk:
    """Return a disk whose only segment holds a run's records, each changed."""
    (path,) = segment_paths(recorded.disk, FOLDER)
    return FaultyDisk.of({path: chained(records_of(recorded.disk, path), change)})


def with_payload(seq: int, change: Callable[[bytes], bytes]) -> Change:
    """Return the change that edits the payload of record `seq`."""

    def edit(record: Record) -> Record:
        if record.seq != seq:
            return record
        payload = change(bytes(record.payload))
        assert payload != bytes(record.payload)
        return record._replace(payload=memoryview(payload))

    return edit


def last_decision(payload: bytes) -> bytes:
    """Return a BETS payload with another value in its last decision's last 8 bytes (the odds)."""
    return payload[:-8] + bytes([payload[-8] ^ 1]) + payload[-7:]


def in_layout(version: int, data: bytes) -> bytes:
    """Return a file whose first record says a layout version, with the checksum for it."""
    frame = bytearray(data)
    frame[4] = version
    length = int.from_bytes(frame[8:12], "little")
    end = HEADER_BYTES + length + padding(length)
    crc = zlib.crc32(frame[HEADER_BYTES:end], zlib.crc32(frame[: HEADER_BYTES - 4]))
    frame[HEADER_BYTES - 4 : HEADER_BYTES] = crc.to_bytes(4, "little")
    return bytes(frame)


def in_schema(version: int, disk: Disk, path: Path) -> bytes:
    """Return a snapshot's file with another schema version in its document."""
    record = parse(disk.read(path), 0, path=path)
    assert isinstance(record, Record)
    document = msgspec.msgpack.decode(record.payload)
    framed, _, _ = pack(
        [msgspec.msgpack.encode({**document, "schema": version})],
        kind=record.kind,
        epoch=record.epoch,
        seq=record.seq,
        at_ns=record.at_ns,
        commit_index=record.commit_index,
        previous_crc=record.previous_crc,
    )
    return b"".join(map(bytes, framed))
