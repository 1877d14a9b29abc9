"""What every durable machine does: come up from the disk, commit a change, look after snapshots.

Owns the order of a change (room, decision, record, sync), what a full or failing disk does to it,
and when a snapshot is taken. Which changes there are is `durable`'s; the rules are the machines'.
"""

import contextlib
import gc
from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Generic

from engine.common.reasons import Reason
from persistence.chain import GENESIS, JournalDamagedError
from persistence.disk import Buffer, Disk, DiskError, DiskFullError
from persistence.journal import Journal, JournalBrokenError, JournalOptions
from persistence.records import (
    Kind,
)
from persistence.recovery import (
    M,
    RecoveryReport,
    Replay,
    Start,
    load_newest,
    rebuild,
)
from persistence.snapshot import (
    SnapshotWriter,
    keep_newest,
    remove_temporaries,
    snapshot_paths,
)

Clock = Callable[[], int]
"""Nanoseconds from some fixed instant; only differences are used, and only for reports."""


class DurableState(StrEnum):
    """Whether a durable machine decides."""

    SERVING = "serving"
    QUARANTINED = "quarantined"
    """Its journal is damaged: it answers reads as far as it can be trusted, refuses the rest."""


class Durable(ABC, Generic[M]):
    """A machine, its journal and its snapshots. `DurableMarkets` and `DurableLedger` open one."""

    def __init__(self, folder: Path, *, disk: Disk, options: JournalOptions) -> None:
        self.folder = folder
        self.state = DurableState.SERVING
        self.why = ""
        """Why it is quarantined, with file, offset and reason."""
        self.recovery = RecoveryReport()
        self.snapshot_trouble = ""
        """Why the last snapshot was not written, empty when it was: the journal goes on without."""
        self._disk = disk
        self._options = options
        self._journal: Journal | None = None
        self._machine: M | None = None
        self._last = GENESIS
        self._snapshots: SnapshotWriter | None = None
        self._snapshot_point = GENESIS
        self._bytes_since_snapshot = 0

    # --- recovery ------------------------------------------------------------------------------

    def _recover(self, blank: Callable[[], Replay[M]], *, at_ns: int, clock: Clock) -> None:
        """Bring the machine up from the disk, or go into quarantine."""
        began = clock()
        replay = blank()
        start = Start(GENESIS, 0, ())
        try:
            start = load_newest(self._disk, self.folder, replay)
            self._journal = Journal.open(
                self.folder,
                disk=self._disk,
                at_ns=at_ns,
                options=self._options,
                mark=replay.mark,
                after=start.point,
                visit=replay.visit,
            )
        except JournalDamagedError as error:
            self._quarantine(error, start=start)
            if replay.spoiled_seq:
                rebuilt = rebuild(self._disk, self.folder, blank, before_seq=replay.spoiled_seq)
                replay = rebuilt or blank()
                self._machine = rebuilt.machine if rebuilt else None
            else:
                self._machine = replay.machine
        else:
            self._machine = replay.machine
            self._begin_snapshots(replay, start)
        self._last = replay.last
        self.recovery = RecoveryReport(
            snapshot_seq=start.point.seq,
            snapshots_refused=start.refused,
            records=replay.records,
            bets=replay.bets,
            torn_bytes=self._journal.torn_bytes if self._journal else 0,
            ms=(clock() - began) / 1e6,
        )

    def _quarantine(self, error: JournalDamagedError, *, start: Start) -> None:
        self.state = DurableState.QUARANTINED
        self.why = "; ".join((str(error), *start.refused))

    def _begin_snapshots(self, replay: Replay[M], start: Start) -> None:
        remove_temporaries(self._disk, self.folder)
        for path in snapshot_paths(self._disk, self.folder):
            if int(path.stem) > start.point.seq:
                # It was not believed. Kept as one of two, it would let segments go that only the
                # other can do without.
                self._disk.remove(path)
        self._snapshots = SnapshotWriter(
            self._disk, self.folder, mark=replay.mark, aside=self._options.snapshot_aside
        )
        self._snapshots.last_bytes = start.snapshot_bytes
        self._snapshot_point = start.point
        self._bytes_since_snapshot = replay.journaled_bytes

    # --- what it is ----------------------------------------------------------------------------

    @property
    def machine(self) -> M | None:
        """The machine, for reads; in quarantine as far as it can be trusted, or None.

        Raises
        ------
        JournalBrokenError
            When the journal is broken: the machine may be ahead of the disk, and no one may see it.
        """
        if self._journal is not None and self._journal.broken:
            raise JournalBrokenError(self._journal.broken)
        return self._machine

    @property
    def epoch(self) -> int:
        """The number of this start; in quarantine that of the last writer that can be believed."""
        return self._journal.epoch if self._journal else self._last.epoch

    @property
    def seq(self) -> int:
        """The last record's number."""
        return self._journal.seq if self._journal else self._last.seq

    @property
    def journal_bytes(self) -> int:
        """Bytes the journal holds on disk, room allocated ahead left out."""
        return self._journal.bytes if self._journal else 0

    def state_hash(self) -> str:
        """Return the machine's state hash, empty where there is no machine to trust."""
        machine = self.machine
        return machine.state_hash() if machine is not None else ""

    def close(self) -> None:
        """Wait for a snapshot under way and let go of the journal and its lock."""
        if self._snapshots is not None:
            with contextlib.suppress(Exception):  # the journal holds everything it was to hold
                self._snapshots.finish(wait=True)
        if self._journal is not None:
            self._journal.close()

    # --- deciding ------------------------------------------------------------------------------

    def _refusal(self, nbytes: int, *, at_ns: int) -> Reason | None:
        """Return why nothing can be decided now; None has made room for `nbytes` of payload."""
        if self._journal is None:
            return Reason.QUARANTINED
        self.maintain(at_ns)
        try:
            self._journal.ensure(nbytes)
        except DiskFullError:
            return Reason.DISK_FULL
        return None

    @contextlib.contextmanager
    def _deciding(self, *, unchanged_by: tuple[type[Exception], ...] = ()) -> Iterator[M]:
        """Lend the machine for one change; if the change does not reach the disk, end it all.

        `unchanged_by` names what a machine raises before it has changed anything.
        """
        assert self._journal is not None
        assert self._machine is not None
        try:
            yield self._machine
        except JournalBrokenError:
            raise
        except unchanged_by:
            raise
        except BaseException as error:
            self._journal.mark_broken(f"{self.folder}: a change was not journaled: {error!r}")
            if isinstance(error, DiskError):
                raise JournalBrokenError(self._journal.broken) from error
            raise

    def _commit(self, kind: Kind, *, at_ns: int, parts: Sequence[Buffer]) -> None:
        """Append one record and return when it is on the medium."""
        assert self._journal is not None
        before = self._journal.bytes
        self._journal.append(kind, at_ns=at_ns, parts=parts)
        self._journal.sync()
        self._bytes_since_snapshot += max(0, self._journal.bytes - before)

    # --- snapshots -----------------------------------------------------------------------------

    def maintain(self, at_ns: int) -> None:
        """Look after snapshots: drop what a finished one covers, begin one that is due.

        Every deciding call does this first; an idle shell may do it on its tick. It holds bets up
        for the copy of the state (and for the writing too, unless `snapshot_aside`).

        Raises
        ------
        JournalBrokenError
            When the disk failed under a snapshot: then it is not to be trusted with bets either.
        """
        snapshots = self._snapshots
        if snapshots is None or self._journal is None:
            return
        if snapshots.busy:
            self._finish_snapshot(wait=False)
        due = max(self._options.snapshot_bytes, snapshots.last_bytes)
        if not snapshots.busy and self._bytes_since_snapshot >= due:
            self._begin_snapshot(at_ns)
            if not snapshots.busy:
                self._finish_snapshot(wait=True)

    def snapshot(self, at_ns: int) -> bool:
        """Take a snapshot now and wait for it; say whether it was written.

        False means that the disk is full (`snapshot_trouble`) or nothing is new since the last one.
        """
        if self._snapshots is None or self._journal is None:
            return False
        if self._snapshots.busy:
            self._finish_snapshot(wait=True)
        if self._journal.point == self._snapshot_point:
            return False
        self._begin_snapshot(at_ns)
        self._finish_snapshot(wait=True)
        return not self.snapshot_trouble

    def _begin_snapshot(self, at_ns: int) -> None:
        machine = self.machine
        assert self._snapshots is not None
        assert self._journal is not None
        assert machine is not None
        self._bytes_since_snapshot = 0
        self._snapshot_point = self._journal.point
        with _no_collection():
            state = machine.dump()
        self._snapshots.begin(point=self._snapshot_point, at_ns=at_ns, state=state)

    def _finish_snapshot(self, *, wait: bool) -> None:
        """Look at how a snapshot ended, and drop what two of them make needless."""
        assert self._snapshots is not None
        assert self._journal is not None
        try:
            if not self._snapshots.finish(wait=wait):
                return
            self.snapshot_trouble = ""
            covered = keep_newest(self._disk, self.folder)
            if covered:
                self._journal.drop_before(covered + 1)
        except JournalBrokenError:
            raise
        except Exception as error:
            if isinstance(error, DiskError) and not isinstance(error, DiskFullError):
                self._journal.mark_broken(f"{self.folder}: a snapshot failed: {error}")
                raise JournalBrokenError(self._journal.broken) from error
            self.snapshot_trouble = repr(error)  # the journal holds everything without it


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out of a copy that bets wait for.

    A copy of 10,000 markets that remember four feeds each makes tens of thousands of containers,
    none of them garbage: looking through them took ten times as long as making them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
