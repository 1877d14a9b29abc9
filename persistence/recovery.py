"""Recovery: load the newest valid snapshot, replay every record after it, verify every answer.

Owns the replay and the comparison of replayed with journaled answers. A difference is damage,
except in the text of a refusal: that is for people, and a newer release may word it otherwise.
Never writes to a disk: `Journal.open` passes in the records that it reads.
"""

import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from engine.common.events import FeedApplied, FeedRefused, Refused
from engine.common.ids import ShardNo
from engine.common.rules import RULES, RULES_FIRST
from engine.common.units import Nanos
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import LEDGER_LAYOUT
from engine.market.market import MarketMachine
from engine.market.state import LAYOUT
from persistence.chain import (
    GENESIS,
    ChainReader,
    JournalDamagedError,
    Point,
    Tail,
    first_seq_of,
    segment_paths,
)
from persistence.disk import Disk, LocalDisk
from persistence.frames import Record
from persistence.records import (
    NO_SHARD,
    EpochMark,
    Kind,
    PayloadError,
    decode_bets,
    decode_charges,
    decode_epoch,
    decode_exchange,
    decode_ledger_control,
    decode_market_control,
    decode_settlements,
    same_rows,
)
from persistence.snapshot import (
    Snapshot,
    SnapshotInvalidError,
    read_snapshot,
    snapshot_paths,
)

M = TypeVar("M", MarketMachine, LedgerMachine)

MARKETS: Final = "markets"
LEDGER: Final = "ledger"
_REPLAY_ERRORS: Final = (ValueError, TypeError, AssertionError, ArithmeticError, LookupError)
KNOWN_MACHINES: Final = frozenset({MARKETS, LEDGER})


class RecoveryReport(Struct, frozen=True, kw_only=True):
    """What a start found and did."""

    snapshot_seq: int = 0
    """Last record in the snapshot that recovery began with, 0 for none."""
    snapshots_refused: tuple[str, ...] = ()
    """Invalid snapshots, each with the reason."""
    records: int = 0
    """Records replayed."""
    last_seq: int = 0
    """The last record found."""
    bets: int = 0
    """Bets replayed; reservations for a ledger."""
    closed: bool = False
    """Whether the writer before had ended in order: a closing mark is its last record."""
    torn_bytes: int = 0
    """Bytes cut from the tail: an incomplete commit, for which no answer had been sent."""
    ms: float = 0.0
    """Duration of the recovery, milliseconds."""


class MismatchError(Exception):
    """Replaying a record gave another answer than the journaled one."""


class Replay(ABC, Generic[M]):
    """A machine that is rebuilt by replaying records."""

    name: ClassVar[str]

    def __init__(self, *, shard: ShardNo = NO_SHARD) -> None:
        self.mark = EpochMark(machine=self.name, shard=shard, rules=RULES)
        self.records = 0
        self.bets = 0
        self.journaled_bytes = 0
        self.last = GENESIS
        self.origin = 0
        """Checksum of record 1, 0 when it was not replayed."""
        self.last_ns = Nanos(0)
        """Latest time of a record or of the snapshot."""
        self.progress: Callable[[int], None] | None = None
        """Called with the count of records at each of them."""
        self.closed = True
        """Whether the last record is a closing mark, or there is no record yet."""
        self.failed_seq = 0
        """The record that could not be replayed, 0 for none."""
        self.machine: M = self.empty_machine()

    @abstractmethod
    def empty_machine(self) -> M:
        """Return an empty machine."""

    @abstractmethod
    def load(self, document: dict[str, Any]) -> M:
        """Return a machine loaded from a dump; raise ValueError if the dump is invalid."""

    @abstractmethod
    def apply(self, record: Record) -> None:
        """Replay one record; raise MismatchError if its answers differ from the journaled ones."""

    def visit(self, record: Record) -> None:
        """Replay one record of the chain.

        Raises
        ------
        JournalDamagedError
            If its answers differ from the journaled ones, or if it cannot be replayed.
        """
        try:
            self.closed = record.kind == Kind.CLOSE
            if record.kind == Kind.CLOSE:
                pass
            elif record.kind == Kind.EPOCH:
                mark = decode_epoch(record.payload)
                self._check_mark(mark)
                if not self.machine.rules <= mark.rules <= RULES:
                    bounds = f"{self.machine.rules} to {RULES}"
                    raise MismatchError(f"written by rules {mark.rules}, not {bounds}")
                self.machine.begin_epoch(
                    epoch=record.epoch, rules=mark.rules, at_ns=Nanos(record.at_ns)
                )
            else:
                self.apply(record)
        except (MismatchError, PayloadError) as error:
            self.failed_seq = record.seq
            reason = f"record {record.seq}: {error}"
            raise JournalDamagedError(
                path=record.path, offset=record.offset, reason=reason
            ) from error
        except _REPLAY_ERRORS as error:
            # The machine did not raise this error when the record was written: the record differs.
            self.failed_seq = record.seq
            reason = f"record {record.seq} cannot be replayed: {error!r}"
            raise JournalDamagedError(
                path=record.path, offset=record.offset, reason=reason
            ) from error
        self.origin = record.crc if record.seq == 1 else self.origin
        self.records += 1
        self.journaled_bytes += record.end - record.offset
        self.last = Point(seq=record.seq, epoch=record.epoch, crc=record.crc)
        self.last_ns = max(self.last_ns, record.at_ns)
        if self.progress is not None:
            self.progress(self.records)

    def _check_mark(self, mark: EpochMark) -> None:
        if (mark.machine, mark.shard) != (self.mark.machine, self.mark.shard):
            raise MismatchError(f"written by {_titled(mark)}, opened as {_titled(self.mark)}")

    def start_from(self, snapshot: Snapshot) -> None:
        """Begin with a snapshot's state; an invalid snapshot changes nothing.

        A snapshot does not say whether its last record is a closing mark, so `closed` is False
        until a later record is one: at worst a report misses a mark that is there.

        Raises
        ------
        SnapshotInvalidError
            If another machine wrote it, its state cannot be loaded, or its state hash is wrong.
        """
        try:
            self._check_mark(snapshot.mark)
            machine = self.load(snapshot.state)
        except (MismatchError, *_REPLAY_ERRORS) as error:
            raise SnapshotInvalidError(str(error)) from error
        real = hash_as_of(machine, snapshot.state)
        if real != snapshot.state_hash:
            message = f"its state has the hash {real} instead of {snapshot.state_hash}"
            raise SnapshotInvalidError(message)
        machine.begin_epoch(epoch=snapshot.point.epoch, rules=machine.rules)
        self.machine = machine
        self.last = snapshot.point
        self.last_ns = snapshot.at_ns
        self.closed = False


def hash_as_of(machine: MarketMachine | LedgerMachine, state: dict[str, Any]) -> str:
    """Return a machine's state hash in the layout in which `state` was dumped.

    The parts of a state that an older layout lacks follow from the parts it has, so this hash
    verifies the whole machine.
    """
    present = LAYOUT if isinstance(machine, MarketMachine) else LEDGER_LAYOUT
    layout = state.get("layout")
    if isinstance(layout, int) and 0 < layout < present:
        return machine.state_hash(layout=layout)
    return machine.state_hash()


def _same_events(replayed: Sequence[Any], journaled: Sequence[Any]) -> bool:
    """Return whether events are equal but for the texts of refusals, which each release words."""
    if replayed == list(journaled):
        return True
    return list(map(_without_text, replayed)) == list(map(_without_text, journaled))


def _without_text(event: Any) -> Any:
    if isinstance(event, Refused | FeedRefused):
        return replace(event, message="")
    if isinstance(event, FeedApplied):
        return replace(event, events=tuple(map(_without_text, event.events)))
    return event


class MarketReplay(Replay[MarketMachine]):
    """Markets that are rebuilt by replaying records."""

    name = MARKETS

    def empty_machine(self) -> MarketMachine:
        """Return a machine without markets."""
        return MarketMachine(rules=RULES_FIRST)

    def load(self, document: dict[str, Any]) -> MarketMachine:
        """Return markets loaded from a dump."""
        return MarketMachine.load(document)

    def apply(self, record: Record) -> None:
        """Replay a batch of bets, charges of legs or a record of commands."""
        if record.kind == Kind.BETS:
            rows, stored = decode_bets(record.payload)
            if not same_rows(self.machine.place(rows, record.at_ns), stored):
                raise MismatchError("replaying its bets gives different decisions")
            self.bets += len(rows)
        elif record.kind == Kind.CHARGES:
            rows = decode_charges(record.payload)
            if not same_rows(self.machine.charge(rows, record.at_ns), rows):
                raise MismatchError("replaying its charges applies different rows")
        elif record.kind == Kind.CONTROL:
            control = decode_market_control(record.payload)
            events = [self.machine.apply(each, record.at_ns) for each in control.commands]
            if not _same_events(events, control.events):
                raise MismatchError("replaying its commands gives different events")
        else:
            raise MismatchError(f"markets never write records of kind {record.kind}")


class LedgerReplay(Replay[LedgerMachine]):
    """A ledger that is rebuilt by replaying records."""

    name = LEDGER

    def empty_machine(self) -> LedgerMachine:
        """Return a ledger without accounts."""
        return LedgerMachine(
            shard=ShardNo(self.mark.shard), ref_seed=secrets.randbits(64), rules=RULES_FIRST
        )

    def load(self, document: dict[str, Any]) -> LedgerMachine:
        """Return a ledger loaded from a dump."""
        return LedgerMachine.load(document, ref_seed=secrets.randbits(64))

    def apply(self, record: Record) -> None:
        """Replay an exchange, settlements, charges or a record of commands."""
        if record.kind in (Kind.EXCHANGE, Kind.EXCHANGE_SLIPS):
            verdicts, reservations, slip_bets, stored = decode_exchange(record.payload, record.kind)
            answers = self.machine.exchange(verdicts, reservations, record.at_ns, slip_bets)
            if not same_rows(answers, stored):
                raise MismatchError("replaying its reservations gives different answers")
            self.bets += len(reservations)
        elif record.kind == Kind.CHARGES:
            rows = decode_charges(record.payload)
            if not same_rows(self.machine.charged(rows), rows):
                raise MismatchError("replaying its charges notes different rows")
        elif record.kind in (Kind.SETTLEMENTS, Kind.SETTLEMENTS_2):
            rows = decode_settlements(record.payload, record.kind)
            if not same_rows(self.machine.settle(rows, record.at_ns), rows):
                raise MismatchError("replaying its settlements applies different rows")
        elif record.kind == Kind.CONTROL:
            control = decode_ledger_control(record.payload)
            events = [
                self.machine.apply(each, record.at_ns, by=control.by) for each in control.commands
            ]
            if not _same_events(events, control.events):
                raise MismatchError("replaying its commands gives different events")
        else:
            raise MismatchError(f"a ledger never writes records of kind {record.kind}")


AnyReplay = MarketReplay | LedgerReplay


class Start(NamedTuple):
    """Where replaying begins: after a snapshot, or at `GENESIS`."""

    point: Point
    snapshot_bytes: int
    refused: tuple[str, ...]
    origin: int
    """Checksum of the journal's first record, 0 if there is none or it is not known."""
    snapshot_ns: Nanos = Nanos(0)
    """When the snapshot was taken."""


def load_newest(
    disk: Disk, folder: Path, replay: Replay[M], *, misfits: Mapping[int, str] | None = None
) -> Start:
    """Load the newest valid snapshot into `replay`.

    Parameters
    ----------
    misfits : mapping, optional
        Snapshots to pass over, by their seq: why the chain does not continue them.

    Raises
    ------
    JournalNewerError
        If a newer release wrote a snapshot: beginning with an older one would hide that.
    """
    refused: list[str] = []
    origin = 0
    for path in snapshot_paths(disk, folder):
        try:
            snapshot = read_snapshot(disk, path)
            if misfits and snapshot.point.seq in misfits:
                raise SnapshotInvalidError(misfits[snapshot.point.seq])
            origin = origin or (origin_of(disk, folder) if snapshot.origin else 0)
            if snapshot.origin and origin and snapshot.origin != origin:
                raise SnapshotInvalidError("it was taken of another journal")
            replay.start_from(snapshot)
        except SnapshotInvalidError as error:
            refused.append(f"{path.name}: {error}")
            continue
        origin = origin or snapshot.origin
        at_ns = Nanos(snapshot.at_ns)
        return Start(snapshot.point, snapshot.bytes, tuple(refused), origin, at_ns)
    return Start(GENESIS, 0, tuple(refused), origin)


def origin_of(disk: Disk, folder: Path) -> int:
    """Return the checksum of a journal's first record, 0 when it is not on the disk any more."""
    paths = segment_paths(disk, folder)
    if paths and first_seq_of(paths[0]) == 1:
        with contextlib.suppress(JournalDamagedError):
            for record in ChainReader(disk, folder, paths=paths[:1], after=None):
                return record.crc
    return 0


def rebuild(
    disk: Disk, folder: Path, new_replay: Callable[[], Replay[M]], *, before_seq: int
) -> Replay[M] | None:
    """Replay the records before `before_seq`; return None if one of them cannot be replayed."""
    replay = new_replay()
    try:
        start = load_newest(disk, folder, replay)
        for record in ChainReader(disk, folder, after=start.point):
            if record.seq >= before_seq:
                break
            replay.visit(record)
    except JournalDamagedError:
        return None
    return replay


class Replayed(NamedTuple):
    """The result of replaying a journal without opening it for writing."""

    replay: AnyReplay
    snapshot_seq: int
    tail: Tail


def replay_folder(
    folder: Path,
    *,
    disk: Disk | None = None,
    visit: Callable[[Record, Any], None] | None = None,
) -> Replayed:
    """Replay a journal from its oldest state, reading only and without the lock.

    The replay begins at record 1 if the first segment exists, else with the oldest snapshot that
    the remaining segments continue. `visit` is called with each record and the machine after it.

    Raises
    ------
    JournalDamagedError
        At the first record or snapshot that is not as written.
    FileNotFoundError
        If the folder holds no journal.
    """
    disk = disk or LocalDisk()
    paths = segment_paths(disk, folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: no journal found")
    replay = empty_replay(mark_of(disk, folder))
    snapshot_seq = 0
    point = GENESIS
    first_seq = first_seq_of(paths[0]) or 0
    if first_seq != 1:
        continued = [p for p in snapshot_paths(disk, folder) if int(p.stem) + 1 >= first_seq]
        for path in continued[-1:]:
            try:
                snapshot = read_snapshot(disk, path)
                replay.start_from(snapshot)
            except SnapshotInvalidError as error:
                raise JournalDamagedError(path=path, offset=0, reason=str(error)) from error
            point, snapshot_seq = snapshot.point, snapshot.point.seq
    reader = ChainReader(disk, folder, paths=paths, after=point)
    for record in reader:
        replay.visit(record)
        if visit is not None:
            visit(record, replay.machine)
    assert reader.tail is not None
    return Replayed(replay, snapshot_seq, reader.tail)


def replay_hash(folder: Path, *, disk: Disk | None = None) -> str:
    """Return the state hash after replaying a journal; reads only, even while a writer runs.

    Raises
    ------
    JournalDamagedError
        At the first record or snapshot that is not as written.
    FileNotFoundError
        If the folder holds no journal.
    """
    return replay_folder(folder, disk=disk).replay.machine.state_hash()


def empty_replay(mark: EpochMark) -> AnyReplay:
    """Return an empty replay for the machine that a mark names."""
    return LedgerReplay(shard=mark.shard) if mark.machine == LEDGER else MarketReplay()


def mark_of(disk: Disk, folder: Path) -> EpochMark:
    """Return a journal's writer from its first EPOCH record, or else from a snapshot."""
    paths = segment_paths(disk, folder)
    if paths and first_seq_of(paths[0]) == 1:
        for record in ChainReader(disk, folder, paths=paths[:1]):
            with contextlib.suppress(PayloadError):  # the replay reports the damage
                return decode_epoch(record.payload)
            break
    for path in snapshot_paths(disk, folder):
        try:
            return read_snapshot(disk, path).mark
        except SnapshotInvalidError:
            continue
    return EpochMark(machine=MARKETS)


def _titled(mark: EpochMark) -> str:
    return f"{mark.machine} (shard {mark.shard})" if mark.machine == LEDGER else mark.machine
