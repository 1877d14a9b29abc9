"""Read every record of a simulated disk, removed segments included, and check their order.

Owns the chain's own promises: numbers without a gap, epochs that never fall, each record's checksum
of the one before it. Never replays a record.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from persistence.frames import MAGIC, Record, parse
from tests.simulator.disk import SimulatedDisk


class BrokenOrderError(Exception):
    """The records are not one chain."""


def all_files(disk: SimulatedDisk) -> dict[Path, bytes]:
    """Return the segments on the disk and those that were removed from it.

    A segment that was removed before it had a record, when a full disk ended its creation, is none.
    """
    files = {path: data for path, data in disk.archive.items() if data.startswith(MAGIC)}
    files.update({p: d for p, d in disk.files().items() if p.suffix == ".journal"})
    return files


def records_of(disk: SimulatedDisk, *, shell: str) -> Iterator[Record]:
    """Yield the records of a shell's journal from the first one on.

    Raises
    ------
    BrokenOrderError
        When a record does not continue the one before it.
    """
    seq = epoch = crc = 0
    files = all_files(disk)
    for path in sorted(path for path in files if f"/{shell}/" in str(path)):
        data = np.frombuffer(files[path], np.uint8).copy().data
        offset = 0
        while True:
            found = parse(data, offset, path=path)
            if not isinstance(found, Record):
                break
            if found.seq != seq + 1:
                raise BrokenOrderError(f"record {found.seq} follows record {seq}")
            if found.epoch < epoch:
                raise BrokenOrderError(f"record {found.seq} of epoch {found.epoch} after {epoch}")
            if found.previous_crc != crc:
                raise BrokenOrderError(f"record {found.seq} does not continue record {seq}")
            seq, epoch, crc = found.seq, found.epoch, found.crc
            yield found
            offset = found.end
