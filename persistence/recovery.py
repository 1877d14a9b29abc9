"""Recovery: the newest believable snapshot, then every record behind it, each answer verified.

Owns replaying and what counts as a mismatch (damage). Never writes to a disk; the one who opens a
journal for writing hands its records in.
"""

import contextlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from msgspec import Struct

from engine.ledger.ledger import LedgerMachine
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
    EpochMark,
    Kind,
    PayloadError,
    decode_bets,
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
    """Where the snapshot ended that recovery began with, 0 for none."""
    snapshots_refused: tuple[str, ...] = ()
    """Snapshots that could not be believed, and why."""
    records: int = 0
    bets: int = 0
    """Bets (of a ledger: reservations) decided again."""
    torn_bytes: int = 0
    """Bytes cut from the tail: a commit that was under way and promised to no one."""
    ms: float = 0.0


class MismatchError(Exception):
    """A replayed record did not come out as it was journaled."""


class Replay(ABC, Generic[M]):
    """A machine being brought up from records."""

    name: ClassVar[str]

    def __init__(self, *, shard: int = 0) -> None:
        self.mark = EpochMark(machine=self.name, shard=shard)
        self.records = 0
        self.bets = 0
        self.journaled_bytes = 0
        self.last = GENESIS
        self.spoiled_seq = 0
        self.machine: M = self.blank()

    @abstractmethod
    def blank(self) -> M:
        """Return an empty machine."""

    @abstractmethod
    def load(self, document: dict[str, Any]) -> M:
        """Return a machine made of a dump; raise ValueError when it does not fit."""

    @abstractmethod
    def apply(self, record: Record) -> None:
        """Do again what a record tells; raise MismatchError when it comes out differently."""

    def visit(self, record: Record) -> None:
        """Replay one record of the chain.

        Raises
        ------
        JournalDamagedError
            When it comes out otherwise than journaled, or cannot be replayed at all.
        """
        try:
            if record.kind == Kind.EPOCH:
                self._check_mark(decode_epoch(record.payload))
            else:
                self.apply(record)
        except (MismatchError, PayloadError) as error:
            self.spoiled_seq = record.seq
            reason = f"record {record.seq}: {error}"
            raise JournalDamagedError(
                path=record.path, offset=record.offset, reason=reason
            ) from error
        except _REPLAY_ERRORS as error:
            # Whatever a machine raises here, it did not raise when the record was written.
            self.spoiled_seq = record.seq
            reason = f"record {record.seq} cannot be replayed: {error!r}"
            raise JournalDamagedError(
                path=record.path, offset=record.offset, reason=reason
            ) from error
        self.records += 1
        self.journaled_bytes += record.end - record.offset
        self.last = Point(seq=record.seq, epoch=record.epoch, crc=record.crc)

    def _check_mark(self, mark: EpochMark) -> None:
        if (mark.machine, mark.shard) != (self.mark.machine, self.mark.shard):
            raise MismatchError(f"written by {_titled(mark)}, opened as {_titled(self.mark)}")

    def start_from(self, snapshot: Snapshot) -> None:
        """Begin at a snapshot; raise SnapshotInvalidError, changing nothing, when it lies."""
        try:
            self._check_mark(snapshot.mark)
            machine = self.load(snapshot.state)
        except (MismatchError, *_REPLAY_ERRORS) as error:
            raise SnapshotInvalidError(str(error)) from error
        real = hash_as_of(machine, snapshot.state)
        if real != snapshot.state_hash:
            message = f"its state hashes to {real}, it says {snapshot.state_hash}"
            raise SnapshotInvalidError(message)
        self.machine = machine
        self.last = snapshot.point


def hash_as_of(machine: MarketMachine | LedgerMachine, state: dict[str, Any]) -> str:
    """Return the hash that the release which dumped `state` would give a machine.

    What an older layout does not hold follows from what it holds, so that a machine brought up from
    it is verified whole. Ledgers have had one layout.
    """
    layout = state.get("layout")
    if isinstance(machine, MarketMachine) and isinstance(layout, int) and 0 < layout < LAYOUT:
        return machine.state_hash(layout=layout)
    return machine.state_hash()


class MarketReplay(Replay[MarketMachine]):
    """Markets being brought up."""

    name = MARKETS

    def blank(self) -> MarketMachine:
        """Return a machine without markets."""
        return MarketMachine()

    def load(self, document: dict[str, Any]) -> MarketMachine:
        """Return markets made of a dump."""
        return MarketMachine.load(document)

    def apply(self, record: Record) -> None:
        """Decide the bets and obey the commands again."""
        if record.kind == Kind.BETS:
            rows, stored = decode_bets(record.payload)
            if not same_rows(self.machine.place(rows, record.at_ns), stored):
                raise MismatchError("replaying its bets gives other decisions")
            self.bets += len(rows)
        elif record.kind == Kind.CONTROL:
            control = decode_market_control(record.payload)
            events = [self.machine.apply(each, record.at_ns) for each in control.commands]
            if events != list(control.events):
                raise MismatchError("replaying its commands gives other events")
        else:
            raise MismatchError(f"kind {record.kind} is none that markets write")


class LedgerReplay(Replay[LedgerMachine]):
    """A ledger being brought up."""

    name = LEDGER

    def blank(self) -> LedgerMachine:
        """Return a ledger without accounts."""
        return LedgerMachine(shard=self.mark.shard, ref_seed=secrets.randbits(64))

    def load(self, document: dict[str, Any]) -> LedgerMachine:
        """Return a ledger made of a dump."""
        return LedgerMachine.load(document, ref_seed=secrets.randbits(64))

    def apply(self, record: Record) -> None:
        """Post, void, reserve, settle and obey again."""
        if record.kind == Kind.EXCHANGE:
            verdicts, reservations, stored = decode_exchange(record.payload)
            if not same_rows(self.machine.exchange(verdicts, reservations, record.at_ns), stored):
                raise MismatchError("replaying its reservations gives other answers")
            self.bets += len(reservations)
        elif record.kind == Kind.SETTLEMENTS:
            rows = decode_settlements(record.payload)
            if not same_rows(self.machine.settle(rows, record.at_ns), rows):
                raise MismatchError("replaying its settlements applies others")
        elif record.kind == Kind.CONTROL:
            control = decode_ledger_control(record.payload)
            events = [self.machine.apply(each, record.at_ns) for each in control.commands]
            if events != list(control.events):
                raise MismatchError("replaying its commands gives other events")
        else:
            raise MismatchError(f"kind {record.kind} is none that a ledger writes")


AnyReplay = MarketReplay | LedgerReplay


class Start(NamedTuple):
    """Where replaying begins."""

    point: Point
    snapshot_bytes: int
    refused: tuple[str, ...]


def load_newest(disk: Disk, folder: Path, replay: Replay[M]) -> Start:
    """Load the newest snapshot that can be believed into `replay`.

    Raises
    ------
    JournalNewerError
        When a snapshot was written by a newer release: an older one would only hide that.
    """
    refused: list[str] = []
    for path in snapshot_paths(disk, folder):
        try:
            snapshot = read_snapshot(disk, path)
            replay.start_from(snapshot)
        except SnapshotInvalidError as error:
            refused.append(f"{path.name}: {error}")
            continue
        return Start(snapshot.point, snapshot.bytes, tuple(refused))
    return Start(GENESIS, 0, tuple(refused))


def rebuild(
    disk: Disk, folder: Path, blank: Callable[[], Replay[M]], *, before_seq: int
) -> Replay[M] | None:
    """Replay up to, and without, a record that could not be; None when that fails too."""
    replay = blank()
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
    """A journal replayed beside (not by) its writer."""

    replay: AnyReplay
    snapshot_seq: int
    tail: Tail


def replay_folder(
    folder: Path,
    *,
    disk: Disk | None = None,
    visit: Callable[[Record, Any], None] | None = None,
) -> Replayed:
    """Replay a journal from as far back as it reaches, reading only and holding no lock.

    It begins at record 1 while the first segment is there, else at the oldest snapshot from which
    the segments go on. `visit` is given each record and the machine that has just replayed it.

    Raises
    ------
    JournalDamagedError
        At the first thing that is not as written.
    FileNotFoundError
        When the folder holds no journal.
    """
    disk = disk or LocalDisk()
    paths = segment_paths(disk, folder)
    if not paths:
        raise FileNotFoundError(f"{folder}: no journal is here")
    replay = blank_replay(mark_of(disk, folder))
    snapshot_seq = 0
    point = GENESIS
    first_seq = first_seq_of(paths[0]) or 0
    if first_seq != 1:
        reaching = [p for p in snapshot_paths(disk, folder) if int(p.stem) + 1 >= first_seq]
        for path in reaching[-1:]:
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
    """Return the state hash that a journal replays to; reads only, and may run beside its writer.

    Raises
    ------
    JournalDamagedError
        At the first thing that is not as written.
    FileNotFoundError
        When the folder holds no journal.
    """
    return replay_folder(folder, disk=disk).replay.machine.state_hash()


def blank_replay(mark: EpochMark) -> AnyReplay:
    """Return an empty replay for the machine that a mark names."""
    return LedgerReplay(shard=mark.shard) if mark.machine == LEDGER else MarketReplay()


def mark_of(disk: Disk, folder: Path) -> EpochMark:
    """Return who wrote a journal: the mark of an epoch or a snapshot says it."""
    paths = segment_paths(disk, folder)
    if paths and first_seq_of(paths[0]) == 1:
        for record in ChainReader(disk, folder, paths=paths[:1]):
            with contextlib.suppress(PayloadError):  # replaying will say what is wrong with it
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
