"""A journal: an append-only chain of records in segments, written by one writer at a time.

Owns the lock, the epoch, the segments and the room allocated ahead. Guarantees that a record is on
the medium when `sync` returns, and that it writes nothing more after a failed write or sync. Never
knows what a payload means.

A replicated log can replace it if it has the same methods: `ensure`, `append`, `sync`,
`read_from`, `drop_before`.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, NoReturn, Self

from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.common.units import Nanos
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
    COMMIT_INDEX_MAX,
    EPOCH_MAX,
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
    """A write or a sync failed: only a new start can find out what is on the disk."""


class JournalClosedError(JournalBrokenError):
    """The journal was closed by its owner: nothing is written any more, and nothing is broken."""


class JournalOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a journal uses its disk. The bounds apply to settings decoded from a file.

    Parameters
    ----------
    segment_bytes : int
        A segment is closed before it would grow past this length.
    allocate_bytes : int
        Room is allocated ahead in steps of this size and filled with zeros, so that a full disk is
        noticed before any state changes, and a sync need not wait for file-system metadata.
    snapshot_bytes : int
        A snapshot is due when the bytes journaled since the last one reach the larger of this and
        the length of the last snapshot, so that snapshots never write more than the journal does.
    snapshot_aside : bool
        Write snapshots on a thread of their own, so that bets wait only for the copy of the
        state. False writes them in the caller's thread.
    """

    segment_bytes: Annotated[int, Meta(ge=64 << 10, le=64 << 30)] = 64 * _MIB
    allocate_bytes: Annotated[int, Meta(ge=4 << 10, le=1 << 30)] = _MIB
    snapshot_bytes: Annotated[int, Meta(ge=64 << 10, le=1 << 40)] = 64 * _MIB
    snapshot_aside: bool = True

    def __post_init__(self) -> None:
        """Refuse sizes below 1 byte."""
        for name in ("segment_bytes", "allocate_bytes", "snapshot_bytes"):
            if getattr(self, name) < 1:
                message = f"{name}: at least 1 byte"
                raise ValueError(message)


class Journal:
    """A journal open for writing; construct it with `open`.

    After a crash at any instant the next `open` recovers every record whose `sync` had returned,
    and possibly the first records of the commit in progress, in order and without a gap.
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
        self._at_ns = Nanos(0)
        self._file: DiskFile | None = None
        self._offset = tail.offset
        self._allocated = tail.length
        self._commit_index = 0
        self._closed_bytes = 0
        self._closed_segments = 0
        self._broken = ""
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        disk: Disk,
        at_ns: Nanos,
        options: JournalOptions,
        mark: EpochMark,
        after: Point = GENESIS,
        after_ns: int = 0,
        epoch_min: int = 0,
        visit: Callable[[Record], None] | None = None,
    ) -> Self:
        """Take the lock, read the chain to its end, cut a torn tail and begin a new epoch.

        Parameters
        ----------
        folder : Path
            Holds the segments; created if missing.
        at_ns : Nanos
            Time of the epoch's first record, nanoseconds UTC; it is not before that of the last
            record.
        mark : EpochMark
            The writer: its machine and shard.
        epoch_min : int
            The new epoch is at least this, also when records of later epochs than the journal's
            last one have been lost.
        after : Point
            The end of a snapshot; only records after it are visited.
        after_ns : Nanos
            The snapshot's time.
        visit : callable, optional
            Called with each record after `after`, in order. An exception of it ends the opening.

        Raises
        ------
        LockHeldError
            If another process writes in this folder.
        JournalDamagedError
            If a record in the middle is not valid; nothing has been changed.
        """
        disk.make_folder(folder)
        lock = disk.lock(folder / LOCK_NAME)
        holder: Lock | Journal = lock
        try:
            paths = segment_paths(disk, folder)
            reader = ChainReader(disk, folder, paths=paths, after=after)
            at_ns = Nanos(max(at_ns, after_ns))
            for record in reader:
                at_ns = max(at_ns, record.at_ns)
                if visit is not None:
                    visit(record)
            assert reader.tail is not None
            journal = cls(folder, disk=disk, options=options, lock=lock, tail=reader.tail)
            journal._epoch = max(journal._epoch, epoch_min)
            holder = journal
            journal._closed_bytes = sum(disk.size(path) for path in paths[:-1])
            journal._closed_segments = len(paths[:-1])
            journal._begin(reader.tail, mark=mark, at_ns=at_ns)
        except BaseException:
            holder.close()
            raise
        return journal

    # --- state -------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """The number of this writer, higher than that of every writer before it."""
        return self._epoch

    @property
    def opened_ns(self) -> Nanos:
        """When this writer started, as its EPOCH record says."""
        return self._at_ns

    @property
    def begun(self) -> bool:
        """Whether this writer's EPOCH record is written; a full disk delays it."""
        return self._epoch_mark is None

    @property
    def seq(self) -> int:
        """The last record's sequence number, 0 if there is none."""
        return self._point.seq

    @property
    def point(self) -> Point:
        """The end of the last record as a point in the chain."""
        return self._point

    @property
    def bytes(self) -> int:
        """Bytes of the closed segments and of the records in the open segment."""
        return self._closed_bytes + self._offset

    @property
    def segments(self) -> int:
        """Files of the journal, with the one that is written now."""
        return self._closed_segments + (self._file is not None)

    @property
    def broken(self) -> str:
        """Why nothing can be written any more; empty while the journal is writable."""
        return self._broken

    # --- writing -----------------------------------------------------------------------------

    def ensure(self, nbytes: int) -> None:
        """Allocate room for one record with a payload of `nbytes`, so that `append` has it.

        Raises
        ------
        ValueError
            If `nbytes` is over `RECORD_BYTES_MAX`.
        DiskFullError
            If the disk has no room; nothing has changed and a later call may succeed.
        JournalBrokenError
            If this journal is broken.
        """
        if nbytes > RECORD_BYTES_MAX:
            message = f"a record of {nbytes} bytes is over the bound of {RECORD_BYTES_MAX}"
            raise ValueError(message)
        self._check_writable()
        if self._epoch_mark is not None:
            self._begin_epoch(self._epoch_mark)
        self._make_room(framed_bytes(nbytes))

    def append(self, kind: Kind, *, at_ns: Nanos, parts: Sequence[Buffer]) -> int:
        """Write a record after the last one and return its number; `sync` makes it durable.

        Raises
        ------
        DiskFullError
            If the disk has no room and `ensure` was not called first; nothing was written.
        JournalBrokenError
            If the write fails, and at every later call.
        """
        self.ensure(sum(map(len, parts)))
        return self._append(kind, at_ns=at_ns, parts=parts)

    def sync(self) -> None:
        """Return when every appended record is on the medium: one fdatasync for all of them.

        Raises
        ------
        JournalBrokenError
            If the sync fails, and at every later call: after a failed fdatasync the kernel may
            report success without having written the data.
        """
        self._check_writable()
        if self._commit_index:
            assert self._file is not None
            try:
                self._file.sync()
            except DiskError as error:
                self._break("sync", error)
            self._commit_index = 0

    def mark_broken(self, why: str) -> None:
        """Refuse every later call: the machine's state is no longer that of the journal."""
        self._broken = self._broken or why

    def close(self) -> None:
        """Close the file and release the lock; records that were not synced may be lost."""
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.close()

    # --- reading and dropping ------------------------------------------------------------------

    def read_from(self, seq: int) -> Iterator[Record]:
        """Read the records from number `seq` on, as they are on the disk now."""
        paths = segment_paths(self._disk, self.folder)
        starts = [path for path in paths if (first_seq_of(path) or 0) <= seq]
        paths = paths[max(0, len(starts) - 1) :]
        for record in ChainReader(self._disk, self.folder, paths=paths, after=None):
            if record.seq >= seq:
                yield record

    def drop_before(self, seq: int) -> int:
        """Remove segments with no record from `seq` on, oldest first; return how many.

        The open segment is never removed.

        Raises
        ------
        JournalBrokenError
            If a removal fails, and at every later call.
        """
        self._check_writable()
        dropped = 0
        paths = segment_paths(self._disk, self.folder)
        for path, following in pairwise(paths):
            if (first_seq_of(following) or 0) > seq:
                break
            try:
                size = self._disk.size(path)
                self._disk.remove(path)
                # Synced one by one: a power loss must not undo this removal and keep a later one.
                self._disk.sync_folder(self.folder)
            except DiskError as error:
                self._break("removal of a segment", error)
            self._closed_bytes -= size
            self._closed_segments -= 1
            dropped += 1
        return dropped

    # --- private -------------------------------------------------------------------------------

    def _check_writable(self) -> None:
        if self._broken:
            raise JournalBrokenError(self._broken)
        if self._closed:
            raise JournalClosedError(f"{self.folder}: the journal is closed")

    def _break(self, what: str, error: DiskError) -> NoReturn:
        """Mark the journal broken and raise JournalBrokenError."""
        self._broken = f"{self.folder}: {what} failed: {error}"
        raise JournalBrokenError(self._broken) from error

    def _begin(self, tail: Tail, *, mark: EpochMark, at_ns: Nanos) -> None:
        """Make the recovered records durable, cut the torn bytes, and begin the epoch.

        The last commit is written again: after a failed sync the kernel may return it from memory
        although it is not on the medium, and a record that was recovered must not be lost later.
        """
        if self._epoch > EPOCH_MAX:
            message = f"{self.folder}: the epoch has reached its bound of {EPOCH_MAX}"
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
        with contextlib.suppress(DiskFullError):  # `ensure` begins the epoch once there is room
            self._begin_epoch(self._epoch_mark)

    def _begin_epoch(self, mark: EpochMark) -> None:
        payload = encode_epoch(mark)
        self._make_room(framed_bytes(len(payload)))
        self._epoch_mark = None
        self._append(Kind.EPOCH, at_ns=self._at_ns, parts=[payload])
        self.sync()

    def _append(self, kind: Kind, *, at_ns: Nanos, parts: Sequence[Buffer]) -> int:
        if self._commit_index > COMMIT_INDEX_MAX:
            self.sync()
        seq = self._point.seq + 1
        framed, size, crc = pack(
            parts,
            kind=kind,
            epoch=self._epoch,
            seq=seq,
            at_ns=at_ns,
            commit_index=self._commit_index,
            previous_crc=self._point.crc,
        )
        assert self._file is not None
        try:
            self._file.write(framed, offset=self._offset)
        except DiskError as error:
            self._break("write", error)
        self._offset += size
        self._commit_index += 1
        self._point = Point(seq=seq, epoch=self._epoch, crc=crc)
        return seq

    def _make_room(self, size: int) -> None:
        """Allocate `size` bytes after the last record, in a new segment if this one is full."""
        if self._file is None or (
            self._offset and self._offset + size > self._options.segment_bytes
        ):
            self._roll(size)
        elif self._offset + size > self._allocated:
            self._allocated = self._allocate(
                self._file, begin=self._allocated, size=self._offset + size
            )

    def _allocate(self, file: DiskFile, *, begin: int, size: int) -> int:
        """Allocate at least `size` bytes and return the file's new length.

        On a full disk nothing changes. The room is filled with zeros: a sync of blocks that were
        written before takes half the time, as it does not mark them as written in the metadata.
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
        """Begin a new segment; the old one is whole on the medium before the new name exists."""
        self.sync()
        path = segment_path(self.folder, first_seq=self._point.seq + 1)
        try:
            file = self._disk.create(path)
        except DiskFullError:
            raise
        except DiskError as error:
            self._break("creation of a segment", error)
        try:
            allocated = self._allocate(file, begin=0, size=size)
            file.sync()
            self._disk.sync_folder(self.folder)
        except DiskFullError:
            file.close()
            self._discard(path)
            raise
        except DiskError as error:
            file.close()
            self._break("creation of a segment", error)
        if self._file is not None:
            self._file.close()
            self._closed_bytes += self._allocated
            self._closed_segments += 1
        self._file, self._offset, self._allocated = file, 0, allocated

    def _discard(self, path: Path) -> None:
        """Remove a segment that has no record, durably: records go on in the one before it.

        If it stayed, or came back after a power loss, its name would no longer follow the last
        record, and the chain would count as damaged.
        """
        try:
            self._disk.remove(path)
            self._disk.sync_folder(self.folder)
        except DiskError as error:
            self._break("removal of a segment", error)
