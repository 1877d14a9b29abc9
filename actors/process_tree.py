"""Kill every process that descends from one, before any of them can start another.

Owns the reading of /proc for this. It never decides which tree is to end.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def kill_descendants(root: int) -> list[int]:
    """Kill all descendants of a process, not the process itself; return their process ids.

    Each is stopped first, and the tree is read again until it holds no process that runs: a stopped
    parent starts no child that the last reading would miss.
    """
    stopped: dict[int, None] = {}
    while True:
        running = [pid for pid in _descendants(root) if pid not in stopped]
        if not running:
            break
        for pid in running:
            stopped[pid] = None
            _send(pid, signal.SIGSTOP)
    for pid in stopped:
        _send(pid, signal.SIGKILL)
    return list(stopped)


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _processes():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found[1:]


def _processes() -> Iterator[tuple[int, int]]:
    """Yield the ids of each process that has not ended and of its parent."""
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            status = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended since it was listed
            continue
        # The second field, the program's name in brackets, may hold anything.
        state, parent = status.rpartition(")")[2].split()[:2]
        if state not in ("Z", "X"):
            yield int(entry.name), int(parent)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
