"""Read the processor time and the memory of the system's processes from the kernel.

Owns how processes are grouped by kind. It measures nothing by itself and starts no process.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.system import System

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PART_KINDS = {"gateway": "gateways", "feed": "feed pipelines"}
_SHELL_KINDS = {"account": "account shards", "market": "market shells"}
OTHERS = "supervisor and reconciler"


def processor_seconds(pid: int) -> float:
    """Return the processor time, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def resident_bytes(pid: int | str = "self") -> int:
    """Return the resident memory of a process, by default this one's."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * _PAGE_BYTES


async def pids_by_kind(system: System) -> dict[str, list[int]]:
    """Return the process ids of all parts of a system, by kind."""
    pids: dict[str, list[int]] = {}
    for name, pid in system.pids().items():
        pids.setdefault(_PART_KINDS.get(name.partition("-")[0], OTHERS), []).append(pid)
    for shell in await system.statuses():
        if shell.health is not None:
            pids.setdefault(_SHELL_KINDS[shell.kind], []).append(shell.health.pid)
    return pids


class ProcessorClock:
    """The processor time that each kind of process has used since the last look."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._last = self._now()

    def _now(self) -> dict[str, float]:
        return {kind: sum(map(processor_seconds, pids)) for kind, pids in self._pids.items()}

    def lap(self) -> dict[str, float]:
        """Return the seconds of each kind since the last lap, or since the start."""
        last, self._last = self._last, self._now()
        return {kind: seconds - last[kind] for kind, seconds in self._last.items()}
