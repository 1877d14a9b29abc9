"""The faulty disk of one simulated process: it survives the process, and can be filled and torn.

Owns what a kill or a power loss leaves, in place. It extends the disk of tests/faults, which makes
a copy of itself for every crash and keeps a trace of every call, both too slow for long runs.
"""

import errno
import random
from pathlib import Path
from typing import Any

from persistence.disk import DiskError, DiskFullError
from tests.faults.faulty_disk import Call, FaultyDisk, FaultyFile, _apply_data, _apply_name, _Medium


class ProcessEndedError(BaseException):
    """The process ends here, in the middle of what it does; no code of it may catch this."""


class _File(FaultyFile):
    """An open file that is closed with its process."""

    def __init__(self, disk: "SimulatedDisk", inode: int) -> None:
        super().__init__(disk, inode)
        self._opened_by = disk.process_no

    def write(self, parts: Any, *, offset: int) -> None:
        self._check()
        super().write(parts, offset=offset)

    def sync(self) -> None:
        self._check()
        super().sync()

    def allocate(self, *, size: int) -> None:
        self._check()
        super().allocate(size=size)

    def _check(self) -> None:
        if self._opened_by != self._disk.process_no:
            raise DiskError(errno.EBADF, "the process that opened this file has ended")


class SimulatedDisk(FaultyDisk):
    """A disk whose processes come and go; `archive` keeps the segments that were removed."""

    def __init__(self) -> None:
        super().__init__()
        self.process_no = 0
        self.archive: dict[Path, bytes] = {}
        self.kill_at_write = 0
        """Kill the process in the so-manieth write from now on, after `torn` bytes of it."""
        self.torn = 0
        self._medium = _Medium()

    # --- what happens to it ----------------------------------------------------------------------

    def end_process(self, *, power_loss: random.Random | None) -> None:
        """Release what the process held; a power loss also takes any part of what is not synced."""
        self.process_no += 1
        self.locks.clear()
        self.open_files = 0
        self.kill_at_write = 0
        if power_loss is not None:
            files = self._medium.after_power_loss(power_loss)
            self._files, self._names, self._medium = {}, {}, _Medium()
            for path, data in files.items():
                inode = self._new_inode()
                for call in (
                    Call("create", inode, path=path),
                    Call("write", inode, 0, data),
                    Call("sync", inode),
                ):
                    self.record(call)
            self.record(Call("sync folder"))

    def fill(self) -> None:
        """Leave no room for a file to grow."""
        self.capacity = sum(len(data) for data in self._files.values())

    def make_room(self) -> None:
        self.capacity = None

    def heal(self) -> None:
        """Have room again and fail no call."""
        self.capacity = None
        self._faults.clear()
        self.kill_at_write = 0

    @property
    def used_bytes(self) -> int:
        return sum(len(data) for data in self._files.values())

    # --- calls -----------------------------------------------------------------------------------

    def strike(self, kind: str) -> None:
        if self._faults:
            super().strike(kind)

    def take_room(self, inode: int, size: int) -> None:
        if self.capacity is not None and size > len(self._files[inode]):
            others = sum(len(data) for each, data in self._files.items() if each != inode)
            if others + size > self.capacity:
                raise DiskFullError(errno.ENOSPC, "no space left on the simulated disk")

    def record(self, call: Call) -> None:
        if self.kill_at_write and call.kind == "write":
            self.kill_at_write -= 1
            if self.kill_at_write == 0:
                self._apply(call._replace(data=call.data[: self.torn]))
                raise ProcessEndedError("killed in the middle of a write")
        self._apply(call)

    def _apply(self, call: Call) -> None:
        _apply_data(self._files, call)
        _apply_name(self._names, call)
        self._medium.follow(call)

    def create(self, path: Path) -> _File:
        self.strike("create")
        inode = self._new_inode()
        self.record(Call("create", inode, path=path))
        return _File(self, inode)

    def reopen(self, path: Path) -> _File:
        self.strike("reopen")
        return _File(self, self._names[path])

    def remove(self, path: Path) -> None:
        if path.suffix == ".journal":
            self.archive[path] = bytes(self._files[self._names[path]])
        super().remove(path)
