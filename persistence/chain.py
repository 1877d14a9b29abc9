"""Read the chain of records over a journal's segments and find where it ends.

Owns the reading side: which records are valid, whether the tail is torn (recovery cuts it) or the
middle is damaged (refused with file, offset and reason). Never writes, and holds no lock.

The difference between a torn tail and damage: the writer begins a commit only after the sync of
the commit before it has returned, so a power loss can spoil the last commit and nothing earlier.
Bytes that are not a record are therefore a torn tail if every valid record after them belongs to
the same commit (a record holds its index in its commit), and damage if a later commit follows.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from persistence.disk import Bytes, Disk, DiskError
from persistence.frames import ALIGN_BYTES, MAGIC, Record, Unreadable, parse
from persistence.records import Kind

SEGMENT_SUFFIX: Final = ".journal"
_SEGMENT: Final = re.compile(r"(\d{20})\.journal")


class JournalDamagedError(Exception):
    """A journal is not as its writer left it; names the file, the offset and the reason."""

    def __init__(self, *, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path} at byte {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the keyword arguments, so that the error survives the way to another process."""
        return partial(type(self), path=self.path, offset=self.offset, reason=self.reason), ()


class JournalNewerError(JournalDamagedError):
    """A newer release wrote this file; it is not damaged, and this release does not touch it."""


class Point(NamedTuple):
    """A position in the chain: the end of record `seq`, with that record's epoch and checksum."""

    seq: int
    epoch: int
    crc: int


GENESIS: Final = Point(seq=0, epoch=0, crc=0)


class Tail(NamedTuple):
    """The end of a chain and the content of the last segment there."""

    point: Point
    path: Path | None
    """The last segment; None where there is none yet."""
    offset: int
    """End of the last whole record of that segment."""
    length: int
    """Length of that segment's file, zeros included."""
    commit: bytes
    """The bytes of the last commit's whole records in this segment."""
    torn_bytes: int
    """Bytes after `offset` that are not a record and that the next writer cuts."""


def segment_path(folder: Path, *, first_seq: int) -> Path:
    """Return the name of the segment whose first record is `first_seq`."""
    return folder / f"{first_seq:020d}{SEGMENT_SUFFIX}"


def first_seq_of(path: Path) -> int | None:
    """Return the first sequence number in a segment's name, None for any other file."""
    match = _SEGMENT.fullmatch(path.name)
    return int(match[1]) if match else None


def segment_paths(disk: Disk, folder: Path) -> list[Path]:
    """Return a folder's segments in order; names are padded, so they sort by number."""
    return [folder / name for name in disk.names(folder) if _SEGMENT.fullmatch(name)]


def first_needed(paths: Sequence[Path], *, after: Point) -> int:
    """Return the index of the segment that holds (or will hold) the record after `after`."""
    firsts = [first_seq_of(path) or 0 for path in paths]
    return max((i for i, first in enumerate(firsts) if first <= after.seq + 1), default=0)


class SnapshotMisfitError(JournalDamagedError):
    """The records are sound, but the snapshot to begin after was not taken in this chain."""


class ChainReader:
    """Iterate over the valid records after a point; `tail` is set once the iteration has ended.

    Parameters
    ----------
    disk : Disk
        Holds the segments.
    folder : Path
        The journal's folder.
    paths : sequence of Path, optional
        Read only these segments, in this order.
    after : Point or None
        Begin after this record, which must be in the chain. None begins at the first record of
        the first segment and does not check which record came before it.

    Raises
    ------
    JournalDamagedError
        While iterating, at the first bytes that no writer leaves.
    SnapshotMisfitError
        While iterating, when the record of the point is another one.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        *,
        paths: Sequence[Path] | None = None,
        after: Point | None = GENESIS,
    ) -> None:
        paths = segment_paths(disk, folder) if paths is None else paths
        skip = 0 if after is None else first_needed(paths, after=after)
        self.paths = list(paths[skip:])
        self.tail: Tail | None = None
        self._disk = disk
        self._folder = folder
        self._after = after
        self._seq = 0 if after is None else after.seq
        self._epoch = 0 if after is None else after.epoch
        self._crc: int | None = None if after is None else after.crc

    def __iter__(self) -> Iterator[Record]:
        """Yield each record after the point, in order."""
        if not self.paths:
            self._seq, self._crc = 0, None
            self.tail = Tail(self._point(), None, 0, 0, b"", 0)
        for index, path in enumerate(self.paths):
            last = index == len(self.paths) - 1
            self._begin_segment(path, first=index == 0)
            yield from self._segment(path, last=last)
        assert self.tail is not None
        snapshot_seq = self._after.seq if self._after else 0
        if self._seq < snapshot_seq:
            reason = (
                f"the journal ends at record {self._seq}, before the snapshot at {snapshot_seq}"
            )
            raise JournalDamagedError(
                path=self.tail.path or self._folder, offset=self.tail.offset, reason=reason
            )

    def _point(self) -> Point:
        return Point(seq=self._seq, epoch=self._epoch, crc=self._crc or 0)

    def _begin_segment(self, path: Path, *, first: bool) -> None:
        """Check that a segment begins where the one before it ended."""
        first_seq = first_seq_of(path) or 0
        if first and (self._after is None or first_seq <= self._seq):
            # Records up to the point are read only to check their checksums and their order.
            self._seq, self._epoch, self._crc = first_seq - 1, 0, None
        elif first_seq != self._seq + 1:
            reason = f"the segment begins with record {first_seq} instead of {self._seq + 1}"
            raise JournalDamagedError(path=path, offset=0, reason=reason)

    def _segment(self, path: Path, *, last: bool) -> Iterator[Record]:
        try:
            data = self._disk.read(path)
        except DiskError as error:
            reason = f"the segment cannot be read: {error}"
            raise JournalDamagedError(path=path, offset=0, reason=reason) from error
        offset = commit_offset = 0
        after_seq = self._after.seq if self._after else 0
        while True:
            record = parse(data, offset, path=path)
            if isinstance(record, Unreadable):
                break
            self._advance(record)
            if record.commit_index == 0:
                commit_offset = offset
            offset = record.end
            if record.seq > after_seq:
                yield record
        torn = self._torn_bytes(record, data, path=path, offset=offset, last=last)
        commit = bytes(data[commit_offset:offset])
        self.tail = Tail(self._point(), path, offset, len(data), commit, torn)

    def _advance(self, record: Record) -> None:
        """Check a record against the one before it and make it the current one."""
        wrong = ""
        if record.seq != self._seq + 1:
            wrong = f"sequence number {record.seq} instead of {self._seq + 1}"
        elif self._crc is not None and record.previous_crc != self._crc:
            wrong = "its previous checksum is not the checksum of the record before it"
        elif record.epoch < self._epoch:
            wrong = f"written by a stale writer: epoch {record.epoch} after {self._epoch}"
        elif record.epoch != self._epoch and self._epoch and record.kind != Kind.EPOCH:
            wrong = f"epoch {record.epoch} has no EPOCH record"
        if wrong:
            follows = self._after is not None and self._point() == self._after
            error = SnapshotMisfitError if follows and self._seq else JournalDamagedError
            raise error(path=record.path, offset=record.offset, reason=wrong)
        self._seq, self._epoch, self._crc = record.seq, record.epoch, record.crc
        if self._after and record.seq == self._after.seq and self._point() != self._after:
            reason = f"record {record.seq} is not the record that the snapshot was taken after"
            raise SnapshotMisfitError(path=record.path, offset=record.offset, reason=reason)

    def _torn_bytes(
        self, found: Unreadable, data: Bytes, *, path: Path, offset: int, last: bool
    ) -> int:
        """Return how many bytes are torn after the last record; zeros to the end are none."""
        if found.newer:
            raise JournalNewerError(path=path, offset=offset, reason=found.reason)
        torn = _length_without_zeros(data[offset:])
        if torn and not last:
            reason = f"{found.reason}, and later segments follow"
            raise JournalDamagedError(path=path, offset=offset, reason=reason)
        if torn:
            later = _later_commit(data, offset=offset, path=path, seq=self._seq + 1)
            if later is not None:
                reason = f"{found.reason}, but record {later.seq} is whole at byte {later.offset}"
                raise JournalDamagedError(path=path, offset=offset, reason=reason)
        return torn


def _length_without_zeros(tail: Bytes) -> int:
    """Return the length of `tail` without its trailing zeros; up to 7 of them may be counted."""
    units = len(tail) // ALIGN_BYTES
    rest = bytes(tail[units * ALIGN_BYTES :]).rstrip(b"\0")
    if rest:
        return units * ALIGN_BYTES + len(rest)
    nonzero = np.flatnonzero(np.frombuffer(tail, np.uint64, units))
    return (int(nonzero[-1]) + 1) * ALIGN_BYTES if len(nonzero) else 0


def _later_commit(data: Bytes, *, offset: int, path: Path, seq: int) -> Record | None:
    """Find a whole record after `offset` whose commit came after the commit of record `seq`."""
    raw = data.tobytes()
    at = raw.find(MAGIC, offset + 1)
    while at >= 0:
        found = parse(data, at, path=path) if at % ALIGN_BYTES == 0 else None
        if isinstance(found, Record) and not found.seq - found.commit_index <= seq < found.seq:
            return found
        at = raw.find(MAGIC, at + 1)
    return None
