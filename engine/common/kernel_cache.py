"""The folder of compiled kernels: that it can be written, and by one process at a time.

Owns the error, apart from what loads numba, so that whoever reports it need not, and the locks
between processes. Never touches the compiled kernels, which are numba's.
"""

import contextlib
import fcntl
import functools
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

_LOCK_FILE: Final = "kernels.lock"
"""Locked in the folder of the compiled kernels, one byte for each kernel; it stays empty."""


class KernelCacheError(RuntimeError):
    """Compiled kernels cannot be stored: every process would compile them anew, for minutes."""


@contextlib.contextmanager
def cache_needed() -> Iterator[None]:
    """Turn errors of a cache that numba cannot write into one error that says what to do.

    Raises
    ------
    KernelCacheError
        When numba finds no folder that it can write, or the disk refuses a file there.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "cannot cache function" not in str(error):
            raise
        raise KernelCacheError(
            "compiled kernels cannot be stored, so every process would compile them anew "
            f"({error}): set NUMBA_CACHE_DIR to a folder that this user can write, with 50 MB free"
        ) from error


@contextlib.contextmanager
def kernel_lock(folder: str, name: str, *, wait: bool = True) -> Iterator[bool]:
    """Let one process at a time compile and store this kernel; yield whether it is this one.

    Two processes that compiled a kernel together would take twice the processor time, and the
    second to store a signature would overwrite the index that names the first's. A kernel is
    compiled with its callees, whose locks come after its own: as no two kernels call each other,
    no two processes wait for each other. A lock ends with its process. Threads of one process
    share it.

    Parameters
    ----------
    folder, name : str
        The kernel's folder in the cache, and what tells it from the other kernels there. Two names
        with one checksum share a lock, which costs time only.
    wait : bool
        Whether to wait for a process that has it.
    """
    file, place = _lock_file(folder), zlib.crc32(name.encode())
    try:
        fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


@functools.cache
def _lock_file(folder: str) -> BinaryIO:
    """Open a folder's lock file, once: closing it anywhere in a process would end its locks."""
    return open(f"{folder}/{_LOCK_FILE}", "ab")
