"""The base of every durable machine: recover it, commit its changes, take its snapshots.

Owns the order of a change (room, decision, record, sync), its answers on a full disk and in
quarantine, commands (which both machines take alike), and the time of snapshots. The other changes
of each machine are in `persistence.durable`; the rules of betting are the machines' own.
"""

import contextlib
import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

from engine.common.commands import FeedUpdate
from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.rules import RULES
from engine.common.units import Nanos
from persistence.chain import GENESIS, JournalDamagedError, SnapshotMisfitError
from persistence.disk import Buffer, Disk, DiskError, DiskFullError
from persistence.frames import RECORD_BYTES_MAX
from persistence.journal import Journal, JournalBrokenError, JournalOptions
from persistence.records import (
    BY_CHARS_MAX,
    Kind,
    PayloadError,
    encode_commands,
    encode_control,
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

C = TypeVar("C")
"""The machine's commands."""
E = TypeVar("E")
"""The machine's events."""

Progress = Callable[[int], None]
"""Called during a recovery with the count of records that are replayed."""

Clock = Callable[[], int]
"""Nanoseconds from some fixed instant; only differences are used, and only for reports."""

EVENT_BYTES: Final = 1_024
"""Room for one event in a control record, beyond the length of its command."""


class DurableState(StrEnum):
    """Whether a durable machine accepts changes."""

    SERVING = "serving"
    QUARANTINED = "quarantined"
    """The journal is damaged: reads are answered from the state before the damage, every change is
    refused."""


class _Change(Generic[M]):
    """One change of a machine: it ends with its record on the disk, or it breaks the journal.

    A class, as a generator costs each bet's calls a microsecond more.
    """

    __slots__ = ("_journal", "_machine", "_unchanged_by")

    def __init__(
        self, journal: Journal, machine: M, *, unchanged_by: tuple[type[Exception], ...]
    ) -> None:
        self._journal = journal
        self._machine: M = machine
        self._unchanged_by = unchanged_by

    def __enter__(self) -> M:
        return self._machine

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, (JournalBrokenError, *self._unchanged_by)):
            return
        journal = self._journal
        journal.mark_broken(f"{journal.folder}: a change was not journaled: {error!r}")
        if isinstance(error, DiskError):
            raise JournalBrokenError(journal.broken) from error


class Durable(ABC, Generic[M, C, E]):
    """A machine with its journal and snapshots; `DurableMarkets` and `DurableLedger` open one."""

    def __init__(self, folder: Path, *, disk: Disk, options: JournalOptions) -> None:
        self.folder = folder
        self.state = DurableState.SERVING
        self.why = ""
        """Why the machine is quarantined, with file, offset and reason."""
        self.recovery = RecoveryReport()
        self.snapshot_trouble = ""
        """Why the last snapshot was not written, empty if it was; the journal does not need it."""
        self._disk = disk
        self._options = options
        self._journal: Journal | None = None
        self._machine: M | None = None
        self._last = GENESIS
        self.last_ns = Nanos(0)
        """No record that was recovered, nor that of this start, has a later time."""
        self._snapshots: SnapshotWriter | None = None
        self._snapshot_point = GENESIS
        self.unsnapshotted_bytes = 0
        """Bytes journaled since the last snapshot was begun: what a start replays, about."""
        self._begun = False
        """Whether the machine has begun the journal's epoch."""

    # --- recovery ------------------------------------------------------------------------------

    def _recover(
        self,
        new_replay: Callable[[], Replay[M]],
        *,
        at_ns: Nanos,
        clock: Clock,
        progress: Progress | None,
        epoch_min: int = 0,
    ) -> None:
        """Recover the machine from the disk; quarantine it if its journal is damaged."""
        began = clock()
        replay = new_replay()
        replay.progress = progress
        start = Start(GENESIS, 0, (), 0)
        misfits: dict[int, str] = {}
        try:
            while self._journal is None:
                start = load_newest(self._disk, self.folder, replay, misfits=misfits)
                try:
                    self._journal = Journal.open(
                        self.folder,
                        disk=self._disk,
                        at_ns=at_ns,
                        options=self._options,
                        mark=replay.mark,
                        after=start.point,
                        after_ns=replay.last_ns,
                        epoch_min=epoch_min,
                        visit=replay.visit,
                    )
                except SnapshotMisfitError as error:
                    # A sound snapshot of another journal: the log decides, and it may be whole.
                    misfits[start.point.seq] = str(error)
                    replay = new_replay()
                    replay.progress = progress
        except JournalDamagedError as error:
            self._quarantine(error, start=start)
            if replay.failed_seq:
                # The failed record may have changed part of the machine: replay up to it again.
                rebuilt = rebuild(self._disk, self.folder, new_replay, before_seq=replay.failed_seq)
                replay = rebuilt or new_replay()
                self._machine = rebuilt.machine if rebuilt else None
            else:
                self._machine = replay.machine
        else:
            self._machine = replay.machine
            try:
                self._begin_snapshots(replay, start)
                self._begin_epoch()
            except BaseException:
                self._journal.close()
                raise
        self._last = replay.last
        self.last_ns = max(at_ns, replay.last_ns)
        self.recovery = RecoveryReport(
            snapshot_seq=start.point.seq,
            snapshots_refused=start.refused,
            records=replay.records,
            last_seq=replay.last.seq,
            bets=replay.bets,
            closed=replay.closed,
            torn_bytes=self._journal.torn_bytes if self._journal else 0,
            ms=(clock() - began) / 1e6,
        )

    def _begin_epoch(self) -> None:
        """Let the machine begin the journal's epoch, once the epoch's record is on the disk."""
        assert self._journal is not None
        assert self._machine is not None
        if self._journal.begun and not self._begun:
            self._begun = True
            self._machine.begin_epoch(
                epoch=self._journal.epoch, rules=RULES, at_ns=self._journal.opened_ns
            )

    def _quarantine(self, error: JournalDamagedError, *, start: Start) -> None:
        self.state = DurableState.QUARANTINED
        self.why = "; ".join((str(error), *start.refused))

    def _begin_snapshots(self, replay: Replay[M], start: Start) -> None:
        assert self._journal is not None
        remove_temporaries(self._disk, self.folder)
        first = self._journal.point.crc if self._journal.seq == 1 else 0
        for path in snapshot_paths(self._disk, self.folder):
            if int(path.stem) > start.point.seq:
                # This snapshot was refused. If it were kept as one of the two newest, segments
                # would be removed that recovery from the other snapshot still needs.
                self._disk.remove(path)
        self._snapshots = SnapshotWriter(
            self._disk,
            self.folder,
            mark=replay.mark,
            aside=self._options.snapshot_aside,
            origin=start.origin or replay.origin or first,
        )
        self._snapshots.last_bytes = start.snapshot_bytes
        self._snapshots.last_seq = start.point.seq
        self._snapshots.last_ns = start.snapshot_ns
        self._snapshot_point = start.point
        self.unsnapshotted_bytes = replay.journaled_bytes

    # --- state ---------------------------------------------------------------------------------

    @property
    def machine(self) -> M | None:
        """The machine, for reads; in quarantine its state before the damage, None if unknown.

        Raises
        ------
        JournalBrokenError
            If the journal is broken: the machine may be ahead of the disk, and a reader must not
            see a state that a restart may lose.
        """
        if self._journal is not None and self._journal.broken:
            raise JournalBrokenError(self._journal.broken)
        return self._machine

    @property
    def epoch(self) -> int:
        """The epoch of this start; in quarantine the epoch of the last valid record."""
        return self._journal.epoch if self._journal else self._last.epoch

    @property
    def seq(self) -> int:
        """The last record's sequence number."""
        return self._journal.seq if self._journal else self._last.seq

    @property
    def journal_bytes(self) -> int:
        """Bytes of the journal on disk, without room allocated ahead."""
        return self._journal.bytes if self._journal else 0

    @property
    def journal_segments(self) -> int:
        """Files of the journal on disk."""
        return self._journal.segments if self._journal else 0

    @property
    def last_snapshot(self) -> tuple[int, Nanos, int]:
        """The newest whole snapshot: its last record, its time and its bytes; zeros for none."""
        snapshots = self._snapshots
        if snapshots is None:
            return self.recovery.snapshot_seq, Nanos(0), 0
        return snapshots.last_seq, snapshots.last_ns, snapshots.last_bytes

    def state_hash(self) -> str:
        """Return the machine's state hash, empty if no state could be recovered."""
        machine = self.machine
        return machine.state_hash() if machine is not None else ""

    def end(self, at_ns: Nanos) -> int:
        """Close in order: leave a closing mark, so that the next start knows that nothing is lost.

        Returns
        -------
        int
            The mark's sequence number; 0 when there is none, on a full disk or in quarantine.

        Raises
        ------
        JournalBrokenError
            If the mark could not be written; the journal is closed all the same.
        """
        marked = 0
        try:
            if self._journal is not None and self._refusal(0, at_ns=at_ns) is None:
                self._commit(Kind.CLOSE, at_ns=at_ns, parts=[])
                marked = self._journal.seq
        finally:
            self.close()
        return marked

    def close(self) -> None:
        """Wait for a snapshot being written, then close the journal and release its lock."""
        if self._snapshots is not None:
            with contextlib.suppress(Exception):  # the journal holds everything the snapshot holds
                self._snapshots.finish(wait=True)
        if self._journal is not None:
            self._journal.close()

    # --- changes -------------------------------------------------------------------------------

    def control(self, by: str, commands: Sequence[C], at_ns: Nanos) -> list[E]:
        """Apply commands in order, durably, as one record.

        Parameters
        ----------
        by : str
            The sender of the commands, at most 128 characters (`BY_CHARS_MAX`).
        commands : sequence of commands
            Commands whose record could be longer than `RECORD_BYTES_MAX` are all refused, with
            CAPACITY.
        at_ns : Nanos
            Time of the commands, nanoseconds UTC.

        Returns
        -------
        list of events
            One event for each command, in order. In quarantine and on a full disk each is
            `Refused`.

        Raises
        ------
        PayloadError
            If a command is outside its bounds; nothing has changed.
        JournalBrokenError
            If a write or sync failed, now or earlier; the process must end.
        """
        encoded = self._checked_commands(by, commands)
        if not commands:
            return []
        room = control_bytes(encoded, events=sum(map(_events_of, commands)))
        over = room > RECORD_BYTES_MAX
        refusal = Reason.CAPACITY if over else self._refusal(room, at_ns=at_ns)
        events: list[Any]
        if refusal is not None:
            events = [Refused(reason=refusal, message=MESSAGES[refusal]) for _ in commands]
            return events
        with self._deciding() as machine:
            events = [self._apply(machine, command, at_ns, by) for command in commands]
            payload = encode_control(by=by, commands=encoded, events=events)
            self._commit(Kind.CONTROL, at_ns=at_ns, parts=[payload])
        return events

    @staticmethod
    @abstractmethod
    def _apply(machine: Any, command: Any, at_ns: Nanos, by: str, /) -> Any:
        """Apply one command of the machine, sent by `by`; return its event."""

    @staticmethod
    @abstractmethod
    def _decode_commands(data: bytes) -> Sequence[Any]:
        """Decode the machine's commands; raise PayloadError if one is outside its bounds."""

    def _checked_commands(self, by: str, commands: Sequence[C]) -> bytes:
        """Encode commands and check that recovery can decode them; raise PayloadError otherwise.

        Commands constructed in Python are not checked against their bounds. A command outside them
        would be applied now, and every later recovery would refuse its record.
        """
        if len(by) > BY_CHARS_MAX:
            raise PayloadError(f"by: at most {BY_CHARS_MAX} characters")
        encoded = encode_commands(commands)
        self._decode_commands(encoded)
        return encoded

    def _refusal(self, nbytes: int, *, at_ns: Nanos) -> Reason | None:
        """Return why no change is possible now; None has made room for `nbytes` of payload."""
        if self._journal is None:
            return Reason.QUARANTINED
        self.maintain(at_ns)
        try:
            self._journal.ensure(nbytes)
        except DiskFullError:
            return Reason.DISK_FULL
        self._begin_epoch()
        return None

    def _deciding(self, *, unchanged_by: tuple[type[Exception], ...] = ()) -> "_Change[M]":
        """Lend the machine for one change; break the journal if the change is not committed.

        `unchanged_by` names the errors that a machine raises before it has changed anything.
        """
        assert self._journal is not None
        assert self._machine is not None
        return _Change(self._journal, self._machine, unchanged_by=unchanged_by)

    def _commit(self, kind: Kind, *, at_ns: Nanos, parts: Sequence[Buffer]) -> None:
        """Append one record and return once it is on the medium."""
        assert self._journal is not None
        before = self._journal.bytes
        self._journal.append(kind, at_ns=at_ns, parts=parts)
        self._journal.sync()
        self.unsnapshotted_bytes += max(0, self._journal.bytes - before)

    # --- snapshots -----------------------------------------------------------------------------

    def maintain(self, at_ns: Nanos) -> None:
        """Complete a written snapshot, removing the segments it covers; begin one that is due.

        Every change calls this first; an idle shell can call it periodically. Bets wait for the
        copy of the state, and without `snapshot_aside` also for the writing.

        Raises
        ------
        JournalBrokenError
            If the disk failed while a snapshot was written: its next write of bets may fail too.
        """
        snapshots = self._snapshots
        if snapshots is None or self._journal is None:
            return
        if snapshots.busy:
            self._finish_snapshot(wait=False)
        due = max(self._options.snapshot_bytes, snapshots.last_bytes)
        if not snapshots.busy and self.unsnapshotted_bytes >= due:
            self._begin_snapshot(at_ns)
            if not snapshots.busy:
                self._finish_snapshot(wait=True)

    def snapshot(self, at_ns: Nanos) -> bool:
        """Take a snapshot now and wait for it; return whether it was written.

        False means that it could not be written (`snapshot_trouble` holds the reason), that no
        record has been appended since the last snapshot, or that the machine is quarantined.
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

    def _begin_snapshot(self, at_ns: Nanos) -> None:
        machine = self.machine
        assert self._snapshots is not None
        assert self._journal is not None
        assert machine is not None
        self.unsnapshotted_bytes = 0
        self._snapshot_point = self._journal.point
        with _no_collection():
            state = machine.dump()
        self._snapshots.begin(point=self._snapshot_point, at_ns=at_ns, state=state)

    def _finish_snapshot(self, *, wait: bool) -> None:
        """Handle a snapshot's result; remove the segments that the two newest make unnecessary."""
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
            self.snapshot_trouble = repr(error)  # the journal holds everything the snapshot would


def control_bytes(encoded: bytes, *, events: int) -> int:
    """Return the room a control record may take: an event repeats at most its own command."""
    return 2 * len(encoded) + EVENT_BYTES * (events + 1)


def _events_of(command: Any) -> int:
    """Return the largest number of events that a command causes."""
    return 1 + len(command.steps) if isinstance(command, FeedUpdate) else 1


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Pause garbage collection during the copy of the state, because bets wait for the copy.

    A copy of 10,000 markets with four feeds each allocates tens of thousands of containers, none
    of them garbage; collecting during the copy took ten times as long as the copy itself.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
