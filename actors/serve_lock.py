"""Find and end the processes that hold the locks of a data folder.

Owns the lock of the process that runs a system on the folder, and how holders of locks are found.
It ends processes only when it is called to; whatever they have answered is on disk.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from persistence.disk import LocalDisk, LocalLock
from persistence.journal import LOCK_NAME

SERVE_LOCK: Final = "serve.lock"
"""In the data folder: held as long as a process runs the system there."""
_PROC: Final = Path("/proc")


def lock_folder(data_dir: Path) -> LocalLock:
    """Take the lock of the process that runs a system; raise LockHeldError when one does."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return LocalDisk().lock(data_dir / SERVE_LOCK)


def holders(data_dir: Path) -> dict[int, Path]:
    """Return the processes that hold locks of a data folder's journals, each with one of them.

    The supervisor, which holds the directory's, comes first: while it lives, it starts again each
    shell that is killed.
    """
    directory = data_dir / "directory" / LOCK_NAME
    locks = [directory, *data_dir.glob(f"shells/*/{LOCK_NAME}")]
    held = {path.resolve(): path for path in locks if _is_held(path)}
    found = [(pid, held[path]) for pid, path in _open_files() if path in held]
    return dict(sorted(found, key=lambda each: each[1] != directory))


def kill_holders(data_dir: Path) -> None:
    """Kill the processes that hold locks of a data folder's journals."""
    for pid in holders(data_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def serving_process(data_dir: Path) -> int | None:
    """Return the process that runs a system on a data folder, if one does."""
    path = data_dir / SERVE_LOCK
    if not path.exists() or not _is_held(path):
        return None
    real = path.resolve()
    return next((pid for pid, file in _open_files() if file == real), None)


async def end_process(pid: int, number: signal.Signals, *, within_s: float) -> bool:
    """Send a signal to a process; return whether it has ended in time."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(watched, ended.set)
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watched, number)
        await asyncio.wait_for(ended.wait(), within_s)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(watched)
        os.close(watched)
    return True


def _is_held(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _open_files() -> Iterator[tuple[int, Path]]:
    """Yield the open files of every process that may be read, except for this one."""
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            for link in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    yield int(entry.name), Path(os.readlink(link))
