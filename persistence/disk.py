"""The disk behind a small interface, so that tests can substitute a faulty one.

Owns every system call on a journal or a snapshot, and maps its errors to two: `DiskFullError` and
`DiskError`. Never retries a failed write or sync, and never knows what the bytes mean.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

Buffer = bytes | memoryview
"""Bytes to be written; a memoryview has items of one byte."""
Bytes = memoryview
"""A whole file in memory: aligned for any row type, and writable as kernels need it."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskError(OSError):
    """A system call failed: the content of the disk is unknown until it has been read again."""


class DiskFullError(DiskError):
    """The disk has no room left; everything written before is unchanged."""


class LockHeldError(RuntimeError):
    """Another process holds the folder's lock."""


class DiskFile(Protocol):
    """One open file, written at given offsets."""

    def write(self, parts: Sequence[Buffer], *, offset: int) -> None:
        """Write all parts one after another from `offset`; raise if that is not possible."""
        ...

    def sync(self) -> None:
        """Return when every byte written is on the medium."""
        ...

    def allocate(self, *, size: int) -> None:
        """Extend the file to at least `size` bytes of allocated room; new bytes are zero."""
        ...

    def close(self) -> None:
        """Close the file without a sync."""
        ...


class Lock(Protocol):
    """A held lock that keeps other writers out of a folder."""

    def close(self) -> None:
        """Release the lock."""
        ...


class Disk(Protocol):
    """A file system. Every method raises DiskError or, where it needs room, DiskFullError."""

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents durably; do nothing if the folder exists."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted; an empty list if there is no such folder."""
        ...

    def read(self, path: Path) -> Bytes:
        """Return a file's whole content."""
        ...

    def size(self, path: Path) -> int:
        """Return a file's length in bytes."""
        ...

    def create(self, path: Path) -> DiskFile:
        """Create an empty file, or empty an existing one, and open it for writing."""
        ...

    def reopen(self, path: Path) -> DiskFile:
        """Open an existing file for writing and keep its content."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Rename a file atomically, replacing any file of the new name."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the medium."""
        ...

    def lock(self, path: Path) -> Lock:
        """Take the lock file at `path` without waiting; raise LockHeldError if it is held."""
        ...


def disk_error(error: OSError) -> DiskError:
    """Return an operating system's error as DiskFullError or DiskError."""
    kind = DiskFullError if error.errno in _FULL else DiskError
    return kind(error.errno, error.strerror, error.filename)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_error(error) from error


class LocalFile:
    """A file of the local file system."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, parts: Sequence[Buffer], *, offset: int) -> None:
        """Write the parts in one system call; continue after a short write."""
        try:
            written = os.pwritev(self._fd, parts, offset)
            if written < sum(map(len, parts)):
                self._write_rest(parts, offset=offset, written=written)
        except OSError as error:
            raise disk_error(error) from error

    def _write_rest(self, parts: Sequence[Buffer], *, offset: int, written: int) -> None:
        rest = memoryview(b"".join(bytes(part) for part in parts))
        while written < len(rest):
            written += os.pwrite(self._fd, rest[written:], offset + written)

    def sync(self) -> None:
        """Sync the data and the metadata needed to read it (fdatasync)."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise disk_error(error) from error

    def allocate(self, *, size: int) -> None:
        """Allocate blocks ahead; on a full disk the file keeps its length."""
        with _translated():
            length = os.fstat(self._fd).st_size
            if size <= length:
                return
            try:
                os.posix_fallocate(self._fd, length, size - length)
            except OSError:
                os.ftruncate(self._fd, length)
                raise

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)


class LocalLock:
    """A lock file held by flock: the kernel releases it when the process ends in any way."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Release the lock and keep its file: removing the file would let two processes hold it."""
        os.close(self._fd)


class LocalDisk:
    """The local file system."""

    def make_folder(self, folder: Path) -> None:
        """Create the folder and sync each parent folder that gained a name."""
        with _translated():
            missing = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        for path in missing:
            self.sync_folder(path.parent)

    def names(self, folder: Path) -> list[str]:
        """List the folder in sorted order."""
        with _translated():
            return sorted(os.listdir(folder)) if folder.is_dir() else []

    def read(self, path: Path) -> Bytes:
        """Read the file into newly allocated memory."""
        with _translated(), path.open("rb", buffering=0) as file:
            view, got = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data, 0
            while got < len(view):
                count = file.readinto(view[got:])
                if not count:
                    break  # another process has shortened the file since fstat
                got += count
            return view[:got]

    def size(self, path: Path) -> int:
        """Return the file's length from its metadata."""
        with _translated():
            return path.stat().st_size

    def create(self, path: Path) -> LocalFile:
        """Create the file, or truncate it to length 0."""
        with _translated():
            return LocalFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644))

    def reopen(self, path: Path) -> LocalFile:
        """Open the file without truncating it."""
        with _translated():
            return LocalFile(os.open(path, os.O_RDWR))

    def rename(self, path: Path, to: Path) -> None:
        """Rename atomically within a file system."""
        with _translated():
            path.replace(to)

    def remove(self, path: Path) -> None:
        """Unlink the file."""
        with _translated():
            path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Sync a descriptor of the folder itself."""
        with _translated():
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def lock(self, path: Path) -> LocalLock:
        """Open or create the lock file and lock it; its content names the process, for people."""
        with _translated():
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(OSError):  # a shell can serve reads while its disk is full
                    os.pwrite(fd, f"{os.getpid():<10}\n".encode(), 0)
            except BlockingIOError:
                holder = os.pread(fd, 16, 0).decode("ascii", "replace").strip() or "?"
                os.close(fd)
                message = f"{path.parent} is held by another writer (process {holder})"
                raise LockHeldError(message) from None
            except OSError:
                os.close(fd)
                raise
            return LocalLock(fd)
