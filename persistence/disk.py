"""The disk behind a small interface, so that tests can bring one that tears, forgets and fails.

Owns every system call that touches a journal or a snapshot, and turns its errors into two: full,
or broken. Never retries a write or a sync that failed, and knows nothing of what the bytes mean.
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
"""Bytes to be written; a memoryview is one of single bytes."""
Bytes = memoryview
"""A whole file in memory, aligned for any row, writable so that kernels take views of it."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskError(OSError):
    """A system call failed: what is on the disk is unknown until it has been read again."""


class DiskFullError(DiskError):
    """There is no room; nothing that was written before is touched."""


class LockHeldError(RuntimeError):
    """Another process writes in this folder."""


class DiskFile(Protocol):
    """One open file, written at given places."""

    def write(self, parts: Sequence[Buffer], *, offset: int) -> None:
        """Write the parts one after another from `offset`, all of them or raise."""
        ...

    def sync(self) -> None:
        """Return when every byte written is on the medium."""
        ...

    def allocate(self, *, size: int) -> None:
        """Make the file at least `size` bytes long with room behind each; new bytes are zero."""
        ...

    def close(self) -> None:
        """Let go of the file without a sync."""
        ...


class Lock(Protocol):
    """A folder held against every other writer until it is closed."""

    def close(self) -> None:
        """Let the next writer in."""
        ...


class Disk(Protocol):
    """A place for files. Every method raises DiskError or, where room is needed, DiskFullError."""

    def make_folder(self, folder: Path) -> None:
        """Create a folder and its parents, durably; an existing one will do."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the names in a folder, sorted; none where there is no folder."""
        ...

    def read(self, path: Path) -> Bytes:
        """Return a whole file."""
        ...

    def size(self, path: Path) -> int:
        """Return a file's length in bytes."""
        ...

    def create(self, path: Path) -> DiskFile:
        """Create an empty file, or empty an existing one, and open it for writing."""
        ...

    def reopen(self, path: Path) -> DiskFile:
        """Open an existing file for writing, as it is."""
        ...

    def rename(self, path: Path, to: Path) -> None:
        """Give a file another name in one step, replacing what had it."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the medium."""
        ...

    def lock(self, path: Path) -> Lock:
        """Take the lock file at `path`, or raise LockHeldError at once."""
        ...


def disk_error(error: OSError) -> DiskError:
    """Return an operating system's error as full or broken."""
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
        """Write the parts in one system call; a short count is followed up from where it ended."""
        try:
            written = os.pwritev(self._fd, parts, offset)
            due = sum(map(len, parts))
            if written < due:
                self._write_rest(parts, offset=offset, written=written)
        except OSError as error:
            raise disk_error(error) from error

    def _write_rest(self, parts: Sequence[Buffer], *, offset: int, written: int) -> None:
        rest = memoryview(b"".join(bytes(part) for part in parts))
        while written < len(rest):
            written += os.pwrite(self._fd, rest[written:], offset + written)

    def sync(self) -> None:
        """Sync the data, and of the metadata what is needed to read it."""
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise disk_error(error) from error

    def allocate(self, *, size: int) -> None:
        """Allocate blocks ahead; on a full disk the file keeps the length it had."""
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
    """A lock file held by flock: the kernel lets go of it when the process dies, however."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Let go; the file stays, as removing it would let two hold it."""
        os.close(self._fd)


class LocalDisk:
    """The local file system."""

    def make_folder(self, folder: Path) -> None:
        """Create the folder and sync each parent that gained a name."""
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
        """Read the file into fresh memory."""
        with _translated(), path.open("rb", buffering=0) as file:
            view, got = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data, 0
            while got < len(view):
                count = file.readinto(view[got:])
                if not count:
                    break  # shorter than it was a moment ago: a reader beside the writer
                got += count
            return view[:got]

    def size(self, path: Path) -> int:
        """Ask for the file's length."""
        with _translated():
            return path.stat().st_size

    def create(self, path: Path) -> LocalFile:
        """Create or empty the file."""
        with _translated():
            return LocalFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644))

    def reopen(self, path: Path) -> LocalFile:
        """Open the file as it is."""
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
        """Sync the folder's own descriptor."""
        with _translated():
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def lock(self, path: Path) -> LocalLock:
        """Open or create the lock file and hold it; who holds it is written inside, for people."""
        with _translated():
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(OSError):  # a full disk must not keep a shell from reading
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
