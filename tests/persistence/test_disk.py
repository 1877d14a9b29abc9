"""The local disk: its errors, short writes, durable names, and the lock.

System calls are replaced where no test can make the kernel fail at will.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from persistence.disk import DiskError, DiskFullError, LocalDisk, LockHeldError, disk_error

DISK = LocalDisk()


def test_parts_are_written_one_after_another(tmp_path: Path) -> None:
    file = DISK.create(tmp_path / "f")
    file.write([b"ab", memoryview(b"cd"), np.arange(3, dtype=np.uint8).data], offset=2)
    file.sync()
    file.close()
    assert bytes(DISK.read(tmp_path / "f")) == b"\0\0abcd\0\1\2"
    assert DISK.size(tmp_path / "f") == 9


def test_a_short_write_is_continued_until_all_bytes_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def short(fd: int, parts: Sequence[bytes], offset: int) -> int:
        return real(fd, b"".join(parts)[:3], offset)

    monkeypatch.setattr(os, "pwritev", short)
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:2], at))
    file = DISK.create(tmp_path / "f")
    file.write([b"hello ", b"world"], offset=1)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"\0hello world"


def test_room_ahead_is_zero_and_never_shrinks_a_file(tmp_path: Path) -> None:
    file = DISK.create(tmp_path / "f")
    file.write([b"x"], offset=0)
    file.allocate(size=100)
    file.allocate(size=50)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"x" + bytes(99)


def test_a_full_disk_at_an_allocation_leaves_the_length_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_done(fd: int, offset: int, length: int) -> None:
        os.ftruncate(fd, offset + length // 2)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", half_done)
    file = DISK.create(tmp_path / "f")
    file.write([b"x"], offset=0)
    with pytest.raises(DiskFullError):
        file.allocate(size=1_000)
    file.close()
    assert (tmp_path / "f").read_bytes() == b"x"


def test_a_full_disk_and_a_failed_disk_are_different_errors() -> None:
    assert isinstance(disk_error(OSError(errno.ENOSPC, "full")), DiskFullError)
    assert isinstance(disk_error(OSError(errno.EDQUOT, "quota")), DiskFullError)
    broken = disk_error(OSError(errno.EIO, "input/output error"))
    assert not isinstance(broken, DiskFullError)
    assert broken.errno == errno.EIO


def test_a_write_to_a_full_device_raises_disk_full() -> None:
    file = DISK.reopen(Path("/dev/full"))
    with pytest.raises(DiskFullError):
        file.write([b"x"], offset=0)
    file.close()


def test_every_failed_call_is_a_disk_error(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "file"
    for act in (
        lambda: DISK.read(gone),
        lambda: DISK.size(gone),
        lambda: DISK.create(gone),
        lambda: DISK.reopen(gone),
        lambda: DISK.rename(gone, gone),
        lambda: DISK.remove(gone),
        lambda: DISK.sync_folder(gone),
        lambda: DISK.lock(gone),
    ):
        with pytest.raises(DiskError):
            act()
    file = DISK.create(tmp_path / "f")
    file.close()
    for act in (
        lambda: file.write([b"x"], offset=0),
        file.sync,
        lambda: file.allocate(size=10),
    ):
        with pytest.raises(DiskError):
            act()
    (tmp_path / "f").touch()
    with pytest.raises(DiskError):
        DISK.make_folder(tmp_path / "f" / "under a file")


def test_a_file_system_without_locks_is_a_disk_error_and_not_a_held_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(DiskError, match="No locks"):
        DISK.lock(tmp_path / "lock")


def test_names_are_sorted_and_empty_for_a_missing_folder(tmp_path: Path) -> None:
    DISK.make_folder(tmp_path / "a" / "b")
    DISK.make_folder(tmp_path / "a" / "b")
    for name in ("2", "10", "1"):
        DISK.create(tmp_path / "a" / "b" / name).close()
    DISK.rename(tmp_path / "a" / "b" / "2", tmp_path / "a" / "b" / "3")
    DISK.remove(tmp_path / "a" / "b" / "1")
    DISK.sync_folder(tmp_path / "a" / "b")
    assert DISK.names(tmp_path / "a" / "b") == ["10", "3"]
    assert DISK.names(tmp_path / "nowhere") == []


def test_a_file_read_is_aligned_and_writable(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(64))
    rows = np.frombuffer(DISK.read(tmp_path / "f"), np.uint64)
    assert rows.flags.aligned
    assert rows.flags.writeable


def test_a_file_that_shrinks_while_it_is_read_gives_the_bytes_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"abc")

    class Longer:
        st_size = 10

    monkeypatch.setattr(os, "fstat", lambda fd: Longer())
    assert bytes(DISK.read(tmp_path / "f")) == b"abc"


def test_the_lock_of_a_running_process_is_held_and_that_of_a_killed_one_is_free(
    tmp_path: Path,
) -> None:
    holder = (
        "import sys; from pathlib import Path; from persistence.disk import LocalDisk;"
        f"lock = LocalDisk().lock(Path({str(tmp_path / 'lock')!r}));"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", holder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError, match=rf"process {process.pid}\b"):
            DISK.lock(tmp_path / "lock")
        process.kill()
        process.wait(timeout=30)
        DISK.lock(tmp_path / "lock").close()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first = DISK.lock(tmp_path / "lock")
    with pytest.raises(LockHeldError):
        DISK.lock(tmp_path / "lock")
    first.close()
    DISK.lock(tmp_path / "lock").close()
    assert (tmp_path / "lock").exists()
