"""A journal: an append-only chain of records in segments, written by one writer at a time.

Owns the lock, the epoch, the segments and the room allocated ahead; promises that a record is on
the medium when `sync` returns, and that after any failed write or sync nothing is ever written
again. Never knows what a payload means.

A replicated log can stand in for it behind the same handful of methods: `ensure`, `append`,
`sync`, `read_from`, `drop_before`.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, NoReturn, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from persistence.chain import (
    GENESIS,
    ChainReader,
    Point,
    Tail,
    first_seq_of,
    segment_path,
    segment_paths,
)
from persistence.disk import Buffer, Disk, DiskError, DiskFile, DiskFullError, Lock
from persistence.frames import (
    EPOCH_MAX,
    PLACE_MAX,
    RECORD_BYTES_MAX,
    Record,
    framed_bytes,
    pack,
)
from persistence.records import EpochMark, Kind, encode_epoch

LOCK_NAME: Final = "lock"
_MIB: Final = 1 << 20
_ZEROS: Final = memoryview(bytes(_MIB))


class JournalBrokenError(RuntimeError):
    """A write or a sync failed: what is on the disk is known only to a fresh start."""


class JournalOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a journal uses its disk, in bytes. The bounds are those of settings that people write.

    Parameters
    ----------
    segment_bytes : int
        A segment is closed before it would grow past this.
    allocate_bytes : int
        Room is taken ahead in steps of this size and filled with zeros, so that a full disk is
        known before any state changes, and a sync need not wait for the file system's own records.
    snapshot_bytes : int
        A snapshot is due when this much was journaled since the last, or as much as the last
        snapshot weighs, whichever is more: so writing snapshots never costs more than journaling.
    snapshot_aside : bool
        Write snapshots on a thread of their own, so that bets wait only for the copy of the
        state. False writes them in the caller's.
    """

    segment_bytes: Annotated[int, Meta(ge=64 << 10, le=64 << 30)] = 64 * _MIB
    allocate_bytes: Annotated[int, Meta(ge=4 << 10, le=1 << 30)] = _MIB
    snapshot_bytes: Annotated[int, Meta(ge=64 << 10, le=1 << 40)] = 64 * _MIB
    snapshot_aside: bool = True

    def __post_init__(self) -> None:
        """Refuse sizes that no journal can work with."""
        for name in ("segment_bytes", "allocate_bytes", "snapshot_bytes"):
            if getattr(self, name) < 1:
                message = f"{name}: at least 1 byte"
                raise ValueError(message)


class Journal:
    """A journal open for writing. Construct it with `open`.

    A crash at any instant leaves what a later `open` recovers: every record whose `sync` returned,
    and perhaps records of the commit that was under way, in order and without a gap.
    """

    def __init__(
        self, folder: Path, *, disk: Disk, options: JournalOptions, lock: Lock, tail: Tail
    ) -> None:
        self.folder = folder
        self.torn_bytes = tail.torn_bytes
        self._disk = disk
        self._options = options
        self._lock = lock
        self._point = tail.point
        self._epoch = tail.point.epoch + 1
        self._epoch_mark: EpochMark | None = None
        self._at_ns = 0
        self._file: DiskFile | None = None
        self._offset = tail.offset
        self._allocated = tail.length
        self._place = 0
        self._closed_bytes = 0
        self._broken = ""
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk,
        at_ns: int,
        options: JournalOptions,
        mark: EpochMark,
        after: Point = GENESIS,
        visit: Callable[[Record], None] | None = None,
    ) -> Self:
        """Take the lock, read the chain to its end, cut a torn tail and begin a new epoch.

        Parameters
        ----------
        folder : Path
            Where the segments lie; created when missing.
        at_ns : int
            Time of the epoch's first record, nanoseconds UTC.
        mark : EpochMark
            Who writes from here on.
        after : Point
            Where a snapshot ends; only records behind it are visited.
        visit : callable, optional
            Given each record behind `after`, in order. What it raises ends the opening.

        Raises
        ------
        LockHeldError
            When another process writes here.
        JournalDamagedError
            When a record in the middle is not sound; nothing has been changed.
        """
        disk.make_folder(folder)
        lock = disk.lock(folder / LOCK_NAME)
        holder: Lock | Journal = lock
        try:
            paths = segment_paths(disk, folder)
            reader = ChainReader(disk, folder, paths=paths, after=after)
            for record in reader:
                if visit is not None:
                    visit(record)
            assert reader.tail is not None
            journal = cls(folder, disk=disk, options=options, lock=lock, tail=reader.tail)
            holder = journal
            journal._closed_bytes = sum(disk.size(path) for path in paths[:-1])
            journal._begin(reader.tail, mark=mark, at_ns=at_ns)
        except BaseException:
            holder.close()
            raise
        return journal

    # --- what it is --------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The writer's number, higher than that of every writer before it."""
        return self._epoch

    @property
    def seq(self) -> int:
        """The last record's number, 0 when there is none."""
        return self._point.seq

    @property
    def point(self) -> Point:
        """The last record's place in the chain."""
        return self._point

    @property
    def bytes(self) -> int:
        """Bytes of the closed segments, and of the records in the open one."""
        return self._closed_bytes + self._offset

    @property
    def broken(self) -> str:
        """Why nothing can be written any more, empty while it can."""
        return self._broken

    # --- writing -----------------------------------------------------------------------------

    def ensure(self, nbytes: int) -> None:
        """Make room for one record of `nbytes` payload, so that appending it cannot run full.

        Raises
        ------
        DiskFullError
            When there is no room; nothing has changed and a later call may succeed.
        JournalBrokenError
            When this journal is broken.
        """
        if nbytes > RECORD_BYTES_MAX:
            message = f"a record of {nbytes} bytes is over the bound of {RECORD_BYTES_MAX}"
            raise ValueError(message)
        self._check()
        if self._epoch_mark is not None:
            self._begin_epoch(self._epoch_mark)
        self._room(framed_bytes(nbytes))

    def append(self, kind: Kind, *, at_ns: int, parts: Sequence[Buffer]) -> int:
        """Write a record behind the last one and return its number; `sync` makes it durable.

        Raises
        ------
        DiskFullError
            When there is no room and `ensure` was not asked first; nothing was written.
        JournalBrokenError
            When the write fails, and ever after.
        """
        self.ensure(sum(map(len, parts)))
        return self._append(kind, at_ns=at_ns, parts=parts)

    def sync(self) -> None:
        """Return when every record appended is on the medium: one fdatasync for all of them.

        Raises
        ------
        JournalBrokenError
            When the sync fails, and ever after: a second sync may claim a success it has not had.
        """
        self._check()
        if self._place:
            assert self._file is not None
            try:
                self._file.sync()
            except DiskError as error:
                self._break("sync", error)
            self._place = 0

    def mark_broken(self, why: str) -> None:
        """Refuse everything from now on: the state beside this journal has left it."""
        self._broken = self._broken or why

    def close(self) -> None:
        """Let go of the file and the lock. Whatever was not synced stays unpromised."""
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.close()

    # --- reading and dropping ------------------------------------------------------------------

    def read_from(self, seq: int) -> Iterator[Record]:
        """Read the records numbered `seq` and up, as they lie on the disk now."""
        paths = segment_paths(self._disk, self.folder)
        starts = [path for path in paths if (first_seq_of(path) or 0) <= seq]
        paths = paths[max(0, len(starts) - 1) :]
        for record in ChainReader(self._disk, self.folder, paths=paths, after=None):
            if record.seq >= seq:
                yield record

    def drop_before(self, seq: int) -> int:
        """Remove segments whose every record is below `seq`, oldest first; return how many.

        The segment that is written to is never removed.
        """
        self._check()
        dropped = 0
        paths = segment_paths(self._disk, self.folder)
        for path, following in pairwise(paths):
            if (first_seq_of(following) or 0) > seq:
                break
            try:
                size = self._disk.size(path)
                self._disk.remove(path)
                self._disk.sync_folder(self.folder)  # or a later removal might outlast this one
            except DiskError as error:
                self._break("drop of a segment", error)
            self._closed_bytes -= size
            dropped += 1
        return dropped

    # --- inside --------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._broken or self._closed:
            raise JournalBrokenError(self._broken or f"{self.folder}: the journal is closed")

    def _break(self, what: str, error: DiskError) -> NoReturn:
        """Refuse everything from now on, and say so at once."""
        self._broken = f"{self.folder}: {what} failed: {error}"
        raise JournalBrokenError(self._broken) from error

    def _begin(self, tail: Tail, *, mark: EpochMark, at_ns: int) -> None:
        """Make what was read durable, cut what was torn, and begin the epoch.

        The last commit is written again: after a failed sync the kernel may hold it in memory as
        if it were on the medium, and what recovery has believed must not vanish afterwards.
        """
        if self._epoch > EPOCH_MAX:
            message = f"{self.folder}: the epoch has reached its bound"
            raise ValueError(message)
        try:
            if tail.path is not None:
                self._file = self._disk.reopen(tail.path)
                start = tail.offset - len(tail.commit)
                self._file.write([tail.commit, bytes(tail.torn_bytes)], offset=start)
                self._file.sync()
            self._disk.sync_folder(self.folder)
        except DiskError as error:
            self._break("recovery", error)
        self._epoch_mark = replace(mark, cut_bytes=tail.torn_bytes)
        self._at_ns = at_ns
        with contextlib.suppress(DiskFullError):  # then it begins with the first record with room
            self._begin_epoch(self._epoch_mark)

    def _begin_epoch(self, mark: EpochMark) -> None:
        payload = encode_epoch(mark)
        self._room(framed_bytes(len(payload)))
        self._epoch_mark = None
        self._append(Kind.EPOCH, at_ns=self._at_ns, parts=[payload])
        self.sync()

    def _append(self, kind: Kind, *, at_ns: int, parts: Sequence[Buffer]) -> int:
        if self._place > PLACE_MAX:
            self.sync()
        seq = self._point.seq + 1
        framed, size, crc = pack(
            parts,
            kind=kind,
            epoch=self._epoch,
            seq=seq,
            at_ns=at_ns,
            place=self._place,
            previous_crc=self._point.crc,
        )
        assert self._file is not None
        try:
            self._file.write(framed, offset=self._offset)
        except DiskError as error:
            self._break("write", error)
        self._offset += size
        self._place += 1
        self._point = Point(seq=seq, epoch=self._epoch, crc=crc)
        return seq

    def _room(self, size: int) -> None:
        """Have `size` bytes allocated behind the last record, in a new segment if need be."""
        if self._file is None or (
            self._offset and self._offset + size > self._options.segment_bytes
        ):
            self._roll(size)
        elif self._offset + size > self._allocated:
            self._allocated = self._grow(
                self._file, begin=self._allocated, size=self._offset + size
            )

    def _grow(self, file: DiskFile, *, begin: int, size: int) -> int:
        """Allocate at least `size` bytes and return how many; a full disk changes nothing.

        The room is filled with zeros besides: a sync over blocks that were written before takes
        half the time of one that must first tell the file system that they are written now.
        """
        ahead = min(size + self._options.allocate_bytes, self._options.segment_bytes)
        room = max(size, ahead)
        try:
            file.allocate(size=room)
            for start in range(begin, room, len(_ZEROS)):
                file.write([_ZEROS[: room - start]], offset=start)
        except DiskFullError:
            raise
        except DiskError as error:
            self._break("allocation", error)
        return room

    def _roll(self, size: int) -> None:
        """Begin a new segment. The old one is whole on the medium before the new one has a name."""
        self.sync()
        path = segment_path(self.folder, first_seq=self._point.seq + 1)
        try:
            file = self._disk.create(path)
        except DiskFullError:
            raise
        except DiskError as error:
            self._break("creation of a segment", error)
        try:
            allocated = self._grow(file, begin=0, size=size)
            file.sync()
            self._disk.sync_folder(self.folder)
        except DiskFullError:
            file.close()
            self._disk.remove(path)
            raise
        except DiskError as error:
            file.close()
            self._break("creation of a segment", error)
        if self._file is not None:
            self._file.close()
            self._closed_bytes += self._allocated
        self._file, self._offset, self._allocated = file, 0, allocated
