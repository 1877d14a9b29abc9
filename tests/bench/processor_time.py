"""Read the processor time and the memory of processes from the kernel."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Return the processor time, user and system, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def resident_bytes(pid: int | str = "self") -> int:
    """Return the resident memory of a process, by default this one's."""
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * _PAGE_BYTES


def seconds_by_kind(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return the processor time that each kind of process has used."""
    return {kind: sum(map(processor_seconds, some)) for kind, some in pids.items()}
