"""A disk in memory that records every call, so that a test can crash it after any of them.

Owns a model of a file system's guarantees: synced data is kept, and of unsynced data any part may
be lost. The disk can tear a write at any byte, lose unsynced data, fail any call once (a later
sync then succeeds without having written the data), and run full. Knows nothing of journals.
"""

import errno
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from persistence.disk import Buffer, Bytes, DiskError, DiskFullError, LockHeldError


class Call(NamedTuple):
    """One call that changes a file or a name."""

    kind: str
    inode: int = 0
    offset: int = 0
    data: bytes = b""
    path: Path = Path()
    to: Path = Path()


class _Medium:
    """The data and names on the medium, and those that may or may not have reached it."""

    def __init__(self) -> None:
        self.files: dict[int, bytearray] = {}
        self.names: dict[Path, int] = {}
        self.pending: dict[int, list[Call]] = {}
        self.pending_names: list[Call] = []

    def follow(self, call: Call) -> None:
        """Apply one call to the model."""
        if call.kind in {"write", "allocate"}:
            self.pending.setdefault(call.inode, []).append(call)
        elif call.kind in {"create", "rename", "remove"}:
            self.pending_names.append(call)
        elif call.kind == "sync":
            for each in self.pending.pop(call.inode, []):
                _apply_data(self.files, each)
        elif call.kind == "sync failed":
            self.pending.pop(call.inode, None)
        elif call.kind == "sync folder":
            for each in self.pending_names:
                _apply_name(self.names, each)
            self.pending_names.clear()

    def after_power_loss(self, rng: random.Random) -> dict[Path, bytes]:
        """Return the files after a power loss: pieces of the pending data chosen at random."""
        files = {inode: bytearray(data) for inode, data in self.files.items()}
        names = dict(self.names)
        kept = rng.choice((0.0, 0.1, 0.5, 0.9))
        piece_bytes = rng.choice((8, 64, 512))
        for calls in self.pending.values():
            for call in calls:
                for piece in _pieces(call, piece_bytes):
                    if rng.random() < kept:
                        _apply_data(files, piece)
        for call in self.pending_names:
            if rng.random() < kept:
                _apply_name(names, call)
        return {path: bytes(files.get(inode, b"")) for path, inode in names.items()}


class FaultyFile:
    """An open file of a faulty disk."""

    def __init__(self, disk: "FaultyDisk", inode: int) -> None:
        self._disk = disk
        self._inode = inode

    def write(self, parts: Sequence[Buffer], *, offset: int) -> None:
        self._disk.strike("write")
        data = b"".join(bytes(part) for part in parts)
        self._disk.take_room(self._inode, offset + len(data))
        self._disk.record(Call("write", self._inode, offset, data))

    def sync(self) -> None:
        try:
            self._disk.strike("sync")
        except DiskError:
            self._disk.record(Call("sync failed", self._inode))
            raise
        self._disk.record(Call("sync", self._inode))

    def allocate(self, *, size: int) -> None:
        self._disk.strike("allocate")
        self._disk.take_room(self._inode, size)
        self._disk.record(Call("allocate", self._inode, size))

    def close(self) -> None:
        self._disk.open_files -= 1


class FaultyLock:
    """A held lock."""

    def __init__(self, disk: "FaultyDisk", path: Path) -> None:
        self._disk = disk
        self._path = path

    def close(self) -> None:
        self._disk.locks.discard(self._path)


class FaultyDisk:
    """The disk: `trace` has every call; `killed`, `powered_off` return the disk after a crash."""

    def __init__(self, *, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.trace: list[Call] = []
        self.locks: set[Path] = set()
        self.open_files = 0
        self._inodes = 0
        self._faults: dict[str, tuple[int, type[DiskError]]] = {}
        self._files: dict[int, bytearray] = {}
        self._names: dict[Path, int] = {}

    @classmethod
    def of(cls, files: dict[Path, bytes]) -> Self:
        """Return a disk that holds these files, durably."""
        disk = cls()
        for path, data in files.items():
            inode = disk._new_inode()
            for call in (
                Call("create", inode, path=path),
                Call("write", inode, 0, data),
                Call("sync", inode),
            ):
                disk.record(call)
        disk.record(Call("sync folder"))
        return disk

    def files(self) -> dict[Path, bytes]:
        """Return every file's content as a reader sees it now."""
        return {path: bytes(self._files[inode]) for path, inode in self._names.items()}

    # --- faults --------------------------------------------------------------------------------

    def fail(self, kind: str, *, skip: int = 0, error: type[DiskError] = DiskError) -> None:
        """Fail a call of a kind, once, after `skip` more of them have succeeded."""
        self._faults[kind] = (skip, error)

    def strike(self, kind: str) -> None:
        """Raise if this call is to fail."""
        if kind not in self._faults:
            return
        skip, error = self._faults.pop(kind)
        if skip:
            self._faults[kind] = (skip - 1, error)
            return
        code = errno.ENOSPC if error is DiskFullError else errno.EIO
        raise error(code, f"planted in {kind}")

    def take_room(self, inode: int, size: int) -> None:
        """Raise DiskFullError if the disk cannot hold a file of this size beside the others."""
        others = sum(len(data) for each, data in self._files.items() if each != inode)
        grows = size > len(self._files[inode])
        if self.capacity is not None and grows and others + size > self.capacity:
            raise DiskFullError(errno.ENOSPC, "no space left on the faulty disk")

    def killed(self, *, calls: int, torn: int = 0) -> "FaultyDisk":
        """Return the disk after the process was killed; the kernel keeps unsynced data.

        The first `calls` calls took effect, and the first `torn` bytes of the next call, a write.
        """
        files: dict[int, bytearray] = {}
        names: dict[Path, int] = {}
        for call in self.trace[:calls]:
            _apply_data(files, call)
            _apply_name(names, call)
        if torn:
            call = self.trace[calls]
            _apply_data(files, call._replace(data=call.data[:torn]))
        return FaultyDisk.of({path: bytes(files.get(i, b"")) for path, i in names.items()})

    def powered_off(self, *, calls: int, seed: int) -> "FaultyDisk":
        """Return the disk after a power loss after `calls` calls; `seed` chooses what is lost."""
        medium = _Medium()
        for call in self.trace[:calls]:
            medium.follow(call)
        return FaultyDisk.of(medium.after_power_loss(random.Random(seed)))

    # --- Disk ------------------------------------------------------------------------------------

    def make_folder(self, folder: Path) -> None:
        self.strike("make folder")

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in self._names if path.parent == folder)

    def read(self, path: Path) -> Bytes:
        self.strike("read")
        data = np.empty(len(self._files[self._names[path]]), np.uint8)
        data[:] = np.frombuffer(self._files[self._names[path]], np.uint8)
        return data.data

    def size(self, path: Path) -> int:
        return len(self._files[self._names[path]])

    def create(self, path: Path) -> FaultyFile:
        self.strike("create")
        inode = self._new_inode()
        self.record(Call("create", inode, path=path))
        self.open_files += 1
        return FaultyFile(self, inode)

    def reopen(self, path: Path) -> FaultyFile:
        self.strike("reopen")
        self.open_files += 1
        return FaultyFile(self, self._names[path])

    def rename(self, path: Path, to: Path) -> None:
        self.strike("rename")
        self.record(Call("rename", self._names[path], path=path, to=to))

    def remove(self, path: Path) -> None:
        self.strike("remove")
        self.record(Call("remove", self._names[path], path=path))
        self._files = {i: self._files[i] for i in self._names.values()}

    def sync_folder(self, folder: Path) -> None:
        self.strike("sync folder")
        self.record(Call("sync folder"))

    def lock(self, path: Path) -> FaultyLock:
        self.strike("lock")
        if path in self.locks:
            raise LockHeldError(f"{path.parent} is held by another writer")
        self.locks.add(path)
        return FaultyLock(self, path)

    # --- private ---------------------------------------------------------------------------------

    def record(self, call: Call) -> None:
        """Apply a call to the files that readers see and append it to the trace."""
        self.trace.append(call)
        _apply_data(self._files, call)
        _apply_name(self._names, call)

    def _new_inode(self) -> int:
        self._inodes += 1
        return self._inodes


def _apply_data(files: dict[int, bytearray], call: Call) -> None:
    if call.kind == "create":
        files[call.inode] = bytearray()
    elif call.kind in {"write", "allocate"}:
        data = files.setdefault(call.inode, bytearray())
        end = call.offset + len(call.data)
        data.extend(bytes(max(0, end - len(data))))
        data[call.offset : end] = call.data


def _apply_name(names: dict[Path, int], call: Call) -> None:
    if call.kind == "create":
        names[call.path] = call.inode
    elif call.kind == "rename":
        names.pop(call.path, None)
        names[call.to] = call.inode
    elif call.kind == "remove":
        names.pop(call.path, None)


def _pieces(call: Call, size: int) -> list[Call]:
    """Split a write at multiples of `size`, where a medium may tear it; not an allocation."""
    if call.kind == "allocate":
        return [call]
    cuts = range(-(call.offset % size), len(call.data), size)
    return [
        call._replace(offset=call.offset + max(0, at), data=call.data[max(0, at) : at + size])
        for at in cuts
    ]
