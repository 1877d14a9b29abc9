"""Snapshots: a machine's whole state in one file, so that recovery replays fewer records.

Owns the writing of a snapshot (temporary file, sync, rename, sync of the folder), the checks of
reading one (frame, name, schema), and which snapshots are kept (the two newest). Never touches the
journal's chain.

A crash at any step leaves the earlier snapshots, and the new one either whole or not at all.
"""

import re
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from engine.common.ids import ShardNo
from engine.common.state_hash import state_hash
from engine.common.units import Nanos
from persistence.chain import JournalNewerError, Point
from persistence.disk import Buffer, Disk, DiskError, DiskFullError
from persistence.frames import Unreadable, pack, parse
from persistence.records import EpochMark, Kind

SCHEMA_VERSION: Final = 4
"""One version for the dumps of all machines; a change of any dump raises it. Older versions are
read: each dump holds its own layout number."""
SNAPSHOTS_KEPT: Final = 2
SNAPSHOT_SUFFIX: Final = ".snapshot"
TEMPORARY_SUFFIX: Final = ".tmp"
SNAPSHOT_BYTES_MAX: Final = (1 << 32) - 1
"""Largest state that fits a frame, in bytes; a larger state is never written as a snapshot."""
_WRITE_BYTES: Final = 8 << 20
_LONG_BYTES: Final = 4_096
_NESTED: Final = (bytes, dict, list, tuple)
_HEADER_32: Final = struct.Struct(">BI")
"""A msgpack header with a 32-bit count, for a map, an array or bytes."""
_SNAPSHOT: Final = re.compile(r"(\d{20})\.snapshot")


class SnapshotInvalidError(Exception):
    """A snapshot is not as it was written; recovery needs an older one or the whole journal."""


class _Document(Struct, frozen=True, kw_only=True):
    schema: int
    machine: str
    shard: ShardNo
    state_hash: str
    state: dict[str, Any]
    origin: int = 0


class _Schema(Struct, frozen=True):
    schema: int


class Snapshot(NamedTuple):
    """A snapshot as read: its frame is checked, its state is not yet loaded into a machine."""

    mark: EpochMark
    point: Point
    at_ns: Nanos
    state_hash: str
    state: dict[str, Any]
    bytes: int
    origin: int
    """Checksum of the journal's first record, which tells journals apart; 0 before schema 3."""


def snapshot_path(folder: Path, *, seq: int) -> Path:
    """Return the path of the snapshot taken after record `seq`."""
    return folder / f"{seq:020d}{SNAPSHOT_SUFFIX}"


def snapshot_paths(disk: Disk, folder: Path) -> list[Path]:
    """Return a folder's snapshots, newest first."""
    names = [name for name in disk.names(folder) if _SNAPSHOT.fullmatch(name)]
    return [folder / name for name in reversed(names)]


def write_snapshot(
    disk: Disk,
    folder: Path,
    *,
    mark: EpochMark,
    point: Point,
    at_ns: Nanos,
    state: dict[str, Any],
    origin: int = 0,
    bytes_max: int = SNAPSHOT_BYTES_MAX,
) -> int:
    """Write a state durably as the snapshot taken at `point`.

    Parameters
    ----------
    point : Point
        The last record that the state contains.
    at_ns : Nanos
        Time of the snapshot, nanoseconds UTC.
    state : dict
        The machine's dump.
    origin : int
        Checksum of the journal's first record, 0 if unknown.
    bytes_max : int
        Largest encoded state written, in bytes.

    Returns
    -------
    int
        The file's length in bytes.

    Raises
    ------
    DiskFullError
        If the disk has no room or the encoded state is over `bytes_max`; nothing has changed.
    """
    document = {
        "schema": SCHEMA_VERSION,
        "machine": mark.machine,
        "shard": mark.shard,
        "state_hash": state_hash(state),
        "origin": origin,
        "state": state,
    }
    payload: list[Buffer] = []
    encode_parts(document, payload)
    length = sum(map(len, payload))
    if length > bytes_max:
        raise DiskFullError(f"a state of {length} bytes is over the bound of {bytes_max}")
    parts, size, _ = pack(
        payload,
        kind=Kind.SNAPSHOT,
        epoch=point.epoch,
        seq=point.seq,
        at_ns=at_ns,
        commit_index=0,
        previous_crc=point.crc,
    )
    path = snapshot_path(folder, seq=point.seq)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    _write_file(disk, temporary, parts, size=size)
    disk.rename(temporary, path)
    disk.sync_folder(folder)
    return size


def _write_file(disk: Disk, path: Path, parts: Sequence[Buffer], *, size: int) -> None:
    """Write a new file of `size` bytes and sync it; remove it if the disk is full."""
    file = disk.create(path)
    try:
        file.allocate(size=size)
        offset = 0
        for part in parts:
            for start in range(0, len(part), _WRITE_BYTES):
                piece = memoryview(part)[start : start + _WRITE_BYTES]
                file.write([piece], offset=offset)
                offset += len(piece)
        file.sync()
    except DiskFullError:
        disk.remove(path)
        raise
    finally:
        file.close()


def encode_parts(value: object, parts: list[Buffer]) -> None:
    """Append a document's msgpack encoding to `parts` without copying its long byte strings.

    Copying a long byte string would hold the interpreter lock, and so delay every bet.
    """
    if isinstance(value, dict):
        parts.append(_HEADER_32.pack(0xDF, len(value)))
        for key, item in value.items():
            parts.append(msgspec.msgpack.encode(key))
            encode_parts(item, parts)
    elif isinstance(value, list | tuple) and any(isinstance(i, _NESTED) for i in value):
        parts.append(_HEADER_32.pack(0xDD, len(value)))
        for item in value:
            encode_parts(item, parts)
    elif isinstance(value, bytes) and len(value) >= _LONG_BYTES:
        parts.append(_HEADER_32.pack(0xC6, len(value)))
        parts.append(value)
    else:
        parts.append(msgspec.msgpack.encode(value))


def read_snapshot(disk: Disk, path: Path) -> Snapshot:
    """Read a snapshot and check its frame, its name and its schema, but not its state.

    Raises
    ------
    SnapshotInvalidError
        If the file cannot be read or is not a whole snapshot.
    JournalNewerError
        If a newer release wrote it.
    """
    try:
        data = disk.read(path)
    except DiskError as error:
        raise SnapshotInvalidError(f"{path}: the snapshot cannot be read: {error}") from error
    record = parse(data, 0, path=path, bound=SNAPSHOT_BYTES_MAX)
    if isinstance(record, Unreadable):
        if record.newer:
            raise JournalNewerError(path=path, offset=0, reason=record.reason)
        raise SnapshotInvalidError(f"{path}: {record.reason}")
    if record.kind != Kind.SNAPSHOT or path.name != snapshot_path(path, seq=record.seq).name:
        raise SnapshotInvalidError(f"{path}: the file's content is not the snapshot of its name")
    try:
        schema = msgspec.msgpack.decode(record.payload, type=_Schema).schema
        if schema > SCHEMA_VERSION:
            reason = f"written in schema {schema}; this release reads 1 to {SCHEMA_VERSION}"
            raise JournalNewerError(path=path, offset=0, reason=reason)
        document = msgspec.msgpack.decode(record.payload, type=_Document)
    except msgspec.MsgspecError as error:
        raise SnapshotInvalidError(f"{path}: {error}") from error
    return Snapshot(
        EpochMark(machine=document.machine, shard=document.shard),
        Point(seq=record.seq, epoch=record.epoch, crc=record.previous_crc),
        record.at_ns,
        document.state_hash,
        document.state,
        record.end,
        document.origin,
    )


def remove_temporaries(disk: Disk, folder: Path) -> None:
    """Remove the temporary files of snapshots that a crash interrupted."""
    for name in disk.names(folder):
        if name.endswith(SNAPSHOT_SUFFIX + TEMPORARY_SUFFIX):
            disk.remove(folder / name)


def keep_newest(disk: Disk, folder: Path) -> int:
    """Remove all but the two newest snapshots; return the older one's seq, 0 if it is missing."""
    paths = snapshot_paths(disk, folder)
    for path in paths[SNAPSHOTS_KEPT:]:
        disk.remove(path)
        disk.sync_folder(folder)
    kept = paths[:SNAPSHOTS_KEPT]
    return int(kept[-1].stem) if len(kept) == SNAPSHOTS_KEPT else 0


class SnapshotWriter:
    """Write snapshots one at a time, in the caller's thread or (`aside`) in a thread of their own.

    The state was copied out of the machine beforehand: the writing thread shares no memory with
    the machine. A crash loses at most the snapshot being written.

    Parameters
    ----------
    disk : Disk
        Does all input and output.
    folder : Path
        The journal's folder, which also holds the snapshots.
    mark : EpochMark
        The writer: its machine and shard.
    aside : bool
        Whether to write in a thread of its own.
    origin : int
        Checksum of the journal's first record, 0 if unknown.
    """

    def __init__(
        self, disk: Disk, folder: Path, *, mark: EpochMark, aside: bool, origin: int = 0
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._mark = mark
        self._origin = origin
        self._aside = aside
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.last_bytes = 0
        self.last_seq = 0
        """The last record of the newest snapshot that is whole, 0 for none."""
        self.last_ns = Nanos(0)
        """When that snapshot was taken."""

    @property
    def busy(self) -> bool:
        """Whether a snapshot is being written, or `finish` has not yet been called after it."""
        return self._thread is not None

    def begin(self, *, point: Point, at_ns: Nanos, state: dict[str, Any]) -> None:
        """Begin to write a state; `finish` reports the result."""
        assert self._thread is None

        def write() -> None:
            try:
                self.last_bytes = write_snapshot(
                    self._disk,
                    self._folder,
                    mark=self._mark,
                    point=point,
                    at_ns=at_ns,
                    state=state,
                    origin=self._origin,
                )
                self.last_seq, self.last_ns = point.seq, at_ns
            except Exception as error:
                self._error = error

        self._error = None
        if self._aside:
            self._thread = threading.Thread(target=write, name="snapshot", daemon=True)
            self._thread.start()
        else:
            write()

    def finish(self, *, wait: bool) -> bool:
        """Return whether the last snapshot is complete; raise the error that stopped it.

        Parameters
        ----------
        wait : bool
            Wait for a snapshot that is still being written; otherwise return False for it.

        Raises
        ------
        DiskFullError
            If the disk had no room for the snapshot: nothing has changed.
        DiskError
            If the disk failed.
        Exception
            Any other error of writing the state; the disk has not failed.
        """
        if self._thread is not None:
            if wait:
                self._thread.join()
            if self._thread.is_alive():
                return False
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True
