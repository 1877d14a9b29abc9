"""How far a shell's start has come, and why a shell ended itself: small files for its keeper.

Owns those files, which the shell writes and its keeper reads. A shell answers no call while it
compiles kernels or replays its journal, so the first is the one sign that it moves; a shell that
ends itself gives no answer that could say why, so the second does. Neither holds anything that a
recovery needs, and they are never synced.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PROGRESS_NAME: Final = "recovering"
"""Name of the file in a shell's folder."""
ENDED_NAME: Final = "ended"
"""Name of the file, beside the first, that says why a process ended itself."""
_WHY_BYTES_MAX: Final = 2_000
_WRITE_EVERY_S: Final = 0.25
_BYTES_MAX: Final = 64


class ProgressFile:
    """Write a count of replayed records or of compiled kernels, a few times a second at most.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is missing.
    clock_s : callable
        Monotonic seconds.
    """

    def __init__(self, path: Path, *, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock_s = clock_s
        self._next_s = float("-inf")

    def __call__(self, records: int) -> None:
        """Note that so many records are replayed."""
        self._note(records, "records")

    def compiling(self, kernels: int) -> None:
        """Note that so many kernels have been compiled, or nearly."""
        self._note(kernels, "kernels")

    def _note(self, count: int, what: str) -> None:
        now_s = self._clock_s()
        if now_s < self._next_s:
            return
        self._next_s = now_s + _WRITE_EVERY_S
        # Without the file (a full disk) the recovery goes on, and is judged by its deadline alone.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.pwrite(fd, f"{count:>20} {what} {now_s:.6f}\n".encode(), 0)
            finally:
                os.close(fd)


def read_progress(path: Path) -> bytes:
    """Return what a progress file holds, empty where there is none; it differs when it moved."""
    try:
        with path.open("rb") as file:
            return file.read(_BYTES_MAX)
    except OSError:
        return b""


def progress_text(progress: bytes) -> str:
    """Return what a progress file says in words; an empty file counts as no record."""
    count, what, *_ = (*progress.decode(errors="replace").split(), "0", "records")
    if what == "kernels":
        return f"compiling its kernels: {count} so far"
    return f"recovering: {count} records"


def note_end(progress: Path, why: str) -> None:
    """Say beside a progress file why the process ends itself; a disk that fails may prevent it."""
    with contextlib.suppress(OSError):
        progress.with_name(ENDED_NAME).write_bytes(why.encode()[:_WHY_BYTES_MAX])


def take_end(progress: Path) -> str:
    """Return why the last process ended itself, once; empty when it did not, or could not say."""
    path = progress.with_name(ENDED_NAME)
    with contextlib.suppress(OSError):
        with path.open("rb") as file:
            why = file.read(_WHY_BYTES_MAX).decode(errors="replace")
        path.unlink()
        return why
    return ""
