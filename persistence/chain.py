"""The chain of records over the segments of a journal: what follows what, and where it ends.

Owns the reading side: which records are sound, whether a tail is torn (cut) or the middle is
damaged (refused with file, offset and reason). Never writes, and holds no lock.

How a torn tail is told from damage. A commit is written only after the sync of the one before it,
so a loss of power can spoil the last commit and nothing earlier. Bytes that are no record are
therefore a torn tail when nothing sound lies behind them but records of that same commit (a
record says how many of its commit came before it), and damage when anything later does.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from persistence.disk import Bytes, Disk, DiskError
from persistence.frames import ALIGN_BYTES, MAGIC, Bad, Record, parse
from persistence.records import Kind

SEGMENT_SUFFIX: Final = ".journal"
_SEGMENT: Final = re.compile(r"(\d{20})\.journal")


class JournalDamagedError(Exception):
    """A journal is not what its writer left: which file, where in it, and what is wrong."""

    def __init__(self, *, path: Path, offset: int, reason: str) -> None:
        super().__init__(f"{path} at byte {offset}: {reason}")
        self.path = path
        self.offset = offset
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name, so that another process hears the same words."""
        return partial(type(self), path=self.path, offset=self.offset, reason=self.reason), ()


class JournalNewerError(JournalDamagedError):
    """A newer release wrote this; nothing is wrong with it, and this release leaves it alone."""


class Point(NamedTuple):
    """A place in the chain: behind record `seq`, whose epoch and checksum these are."""

    seq: int
    epoch: int
    crc: int


GENESIS: Final = Point(seq=0, epoch=0, crc=0)


class Tail(NamedTuple):
    """Where a chain ends and what the last segment holds there."""

    point: Point
    path: Path | None
    """The last segment; None where there is none yet."""
    offset: int
    """Behind the last whole record of that segment."""
    length: int
    """Length of that segment's file, zeros included."""
    commit: bytes
    """The bytes of the last commit, as far as this segment holds it whole."""
    torn_bytes: int
    """Bytes behind `offset` that are no record and are to be cut."""


def segment_path(folder: Path, *, first_seq: int) -> Path:
    """Return the name of the segment whose first record is `first_seq`."""
    return folder / f"{first_seq:020d}{SEGMENT_SUFFIX}"


def first_seq_of(path: Path) -> int | None:
    """Return the first sequence number a segment's name promises, None for another file."""
    match = _SEGMENT.fullmatch(path.name)
    return int(match[1]) if match else None


def segment_paths(disk: Disk, folder: Path) -> list[Path]:
    """Return a folder's segments in order; the names sort as their numbers do."""
    return [folder / name for name in disk.names(folder) if _SEGMENT.fullmatch(name)]


def first_needed(paths: Sequence[Path], *, after: Point) -> int:
    """Return the index of the segment that holds (or will hold) the record behind `after`."""
    firsts = [first_seq_of(path) or 0 for path in paths]
    return max((i for i, first in enumerate(firsts) if first <= after.seq + 1), default=0)


class ChainReader:
    """Iterate over the sound records behind a point; `tail` is set when the iteration has ended.

    Parameters
    ----------
    disk : Disk
        Where the segments are.
    folder : Path
        The journal.
    paths : sequence of Path, optional
        Only these of its segments, in order.
    after : Point or None
        Begin behind this record, which must be in the chain. None begins at the first record of
        the first segment and takes its predecessor on trust.

    Raises
    ------
    JournalDamagedError
        While iterating, at the first place that is not what a writer leaves.
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
        """Yield each record behind the point, in order."""
        if not self.paths:
            self._seq, self._crc = 0, None
            self.tail = Tail(self._point(), None, 0, 0, b"", 0)
        for index, path in enumerate(self.paths):
            last = index == len(self.paths) - 1
            self._enter(path, first=index == 0)
            yield from self._segment(path, last=last)
        assert self.tail is not None
        due = self._after.seq if self._after else 0
        if self._seq < due:
            reason = f"the journal ends at record {self._seq}; a snapshot was taken at {due}"
            raise JournalDamagedError(
                path=self.tail.path or self._folder, offset=self.tail.offset, reason=reason
            )

    def _point(self) -> Point:
        return Point(seq=self._seq, epoch=self._epoch, crc=self._crc or 0)

    def _enter(self, path: Path, *, first: bool) -> None:
        """Check that a segment begins where the one before it ended."""
        first_seq = first_seq_of(path) or 0
        if first and (self._after is None or first_seq <= self._seq):
            # Records up to the point are read for their checksums only, from wherever they begin.
            self._seq, self._epoch, self._crc = first_seq - 1, 0, None
        elif first_seq != self._seq + 1:
            reason = f"it begins with record {first_seq} where {self._seq + 1} was due"
            raise JournalDamagedError(path=path, offset=0, reason=reason)

    def _segment(self, path: Path, *, last: bool) -> Iterator[Record]:
        try:
            data = self._disk.read(path)
        except DiskError as error:
            reason = f"it cannot be read: {error}"
            raise JournalDamagedError(path=path, offset=0, reason=reason) from error
        offset = commit_offset = 0
        after_seq = self._after.seq if self._after else 0
        while True:
            record = parse(data, offset, path=path)
            if isinstance(record, Bad):
                break
            self._follow(record)
            if record.place == 0:
                commit_offset = offset
            offset = record.end
            if record.seq > after_seq:
                yield record
        torn = self._end(record, data, path=path, offset=offset, last=last)
        commit = bytes(data[commit_offset:offset])
        self.tail = Tail(self._point(), path, offset, len(data), commit, torn)

    def _follow(self, record: Record) -> None:
        """Check a whole record against the one before it, and step onto it."""
        wrong = ""
        if record.seq != self._seq + 1:
            wrong = f"sequence {record.seq} where {self._seq + 1} was due"
        elif self._crc is not None and record.previous_crc != self._crc:
            wrong = "it does not follow the record before it (previous checksum differs)"
        elif record.epoch < self._epoch:
            wrong = f"a stale writer: epoch {record.epoch} after {self._epoch}"
        elif record.epoch != self._epoch and self._epoch and record.kind != Kind.EPOCH:
            wrong = f"epoch {record.epoch} was never begun"
        if wrong:
            raise JournalDamagedError(path=record.path, offset=record.offset, reason=wrong)
        self._seq, self._epoch, self._crc = record.seq, record.epoch, record.crc
        if self._after and record.seq == self._after.seq and self._point() != self._after:
            reason = f"record {record.seq} is not the one the snapshot was taken at"
            raise JournalDamagedError(path=record.path, offset=record.offset, reason=reason)

    def _end(self, bad: Bad, data: Bytes, *, path: Path, offset: int, last: bool) -> int:
        """Return how many bytes are torn behind the last record; zeros to the end are none."""
        if bad.newer:
            raise JournalNewerError(path=path, offset=offset, reason=bad.reason)
        torn = _used(data[offset:])
        if torn and not last:
            reason = f"{bad.reason}, and later segments follow"
            raise JournalDamagedError(path=path, offset=offset, reason=reason)
        if torn:
            later = _later_commit(data, offset=offset, path=path, due=self._seq + 1)
            if later is not None:
                reason = f"{bad.reason}, yet record {later.seq} lies whole at byte {later.offset}"
                raise JournalDamagedError(path=path, offset=offset, reason=reason)
        return torn


def _used(tail: Bytes) -> int:
    """Return the length of `tail` without the zeros at its end."""
    whole = len(tail) // ALIGN_BYTES
    odd = bytes(tail[whole * ALIGN_BYTES :]).rstrip(b"\0")
    if odd:
        return whole * ALIGN_BYTES + len(odd)
    words = np.frombuffer(tail, np.uint64, whole)
    filled = np.flatnonzero(words)
    return (int(filled[-1]) + 1) * ALIGN_BYTES if len(filled) else 0


def _later_commit(data: Bytes, *, offset: int, path: Path, due: int) -> Record | None:
    """Find a whole record behind `offset` that a later commit than that of `due` wrote."""
    raw = data.tobytes()
    at = raw.find(MAGIC, offset + 1)
    while at >= 0:
        found = parse(data, at, path=path) if at % ALIGN_BYTES == 0 else None
        if isinstance(found, Record) and not found.seq - found.place <= due < found.seq:
            return found
        at = raw.find(MAGIC, at + 1)
    return None
