"""Recovery: the writer of a journal, unreadable files, invalid snapshots, and failed rebuilds."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.reasons import Reason
from persistence.chain import (
    GENESIS,
    JournalDamagedError,
    JournalNewerError,
    Point,
    segment_path,
    segment_paths,
)
from persistence.disk import DiskFullError
from persistence.durable import DurableState
from persistence.frames import LAYOUT_VERSION, Record, pack
from persistence.journal import JournalOptions
from persistence.records import EpochMark, Kind
from persistence.recovery import (
    LedgerReplay,
    MarketReplay,
    mark_of,
    rebuild,
    replay_folder,
)
from persistence.snapshot import (
    SnapshotInvalidError,
    SnapshotWriter,
    encode_parts,
    read_snapshot,
    snapshot_path,
    snapshot_paths,
    write_snapshot,
)
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.faults.tampering import Change, in_layout, last_decision, rewritten, with_payload
from tests.persistence.command_sequences import (
    FOLDER,
    LEDGER,
    MARKETS,
    SEQUENCES,
    hash_of,
    replayed,
)

ONE_SEGMENT = JournalOptions(allocate_bytes=256, snapshot_aside=False)


def test_a_folder_without_a_journal_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no journal found"):
        replayed(tmp_path)


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_writer_is_found_in_the_first_record_or_in_a_snapshot(name: str) -> None:
    complete = RecordedRun(SEQUENCES[name]).disk
    assert mark_of(complete, FOLDER).machine == name
    cut = RecordedRun(SEQUENCES[name], snapshots_after=(3, 6, 9)).disk
    assert segment_paths(cut, FOLDER)[0] != segment_path(FOLDER, first_seq=1)
    assert mark_of(cut, FOLDER).machine == name
    newest, older = snapshot_paths(cut, FOLDER)
    assert mark_of(FaultyDisk.of(cut.files() | {newest: b""}), FOLDER).machine == name
    nothing = FaultyDisk.of(cut.files() | {newest: b"", older: b""})
    assert mark_of(nothing, FOLDER) == EpochMark(machine="markets")
    assert replay_folder(FOLDER, disk=cut).snapshot_seq == int(older.stem)


def test_a_journal_without_first_segments_and_with_a_damaged_snapshot_has_no_hash() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3, 6, 9))
    _, older = snapshot_paths(recorded.disk, FOLDER)
    with pytest.raises(JournalDamagedError, match=r"snapshot at byte 0"):
        replayed(FOLDER, disk=FaultyDisk.of(recorded.disk.files() | {older: b"x"}))


def test_a_later_segment_under_the_name_of_the_first_is_damage() -> None:
    recorded = RecordedRun(MARKETS, options=JournalOptions(segment_bytes=400, allocate_bytes=8))
    first, *_, last = segment_paths(recorded.disk, FOLDER)
    disk = FaultyDisk.of({first: recorded.disk.files()[last]})
    durable = MARKETS.open(disk)
    assert durable.state is DurableState.QUARANTINED
    assert "instead of 1" in durable.why


def test_an_unreadable_segment_is_damage_and_an_unreadable_snapshot_is_refused() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(5,))
    recorded.disk.fail("read")
    durable = MARKETS.open(recorded.disk)
    assert "cannot be read: [Errno 5] planted" in durable.recovery.snapshots_refused[0]
    assert hash_of(durable) == MARKETS.hashes[-1]
    durable.close()
    recorded.disk.fail("read", skip=2)
    durable = MARKETS.open(recorded.disk)
    assert durable.state is DurableState.QUARANTINED
    assert "the segment cannot be read" in durable.why


def test_a_rebuild_stops_before_the_given_record_and_fails_on_an_unreadable_disk() -> None:
    recorded = RecordedRun(MARKETS)
    found = rebuild(recorded.disk, FOLDER, MarketReplay, before_seq=5)
    assert found is not None
    assert hash_of(found.machine) == MARKETS.hashes[3]
    complete = rebuild(recorded.disk, FOLDER, MarketReplay, before_seq=1_000)
    assert complete is not None
    assert hash_of(complete.machine) == MARKETS.hashes[-1]
    recorded.disk.fail("read", skip=1)
    assert rebuild(recorded.disk, FOLDER, MarketReplay, before_seq=1_000) is None


def test_without_a_rebuild_a_quarantined_shell_has_no_machine_to_read() -> None:
    """A changed decision fails the replay; the disk then fails the second reading."""
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    disk = rewritten(recorded, with_payload(9, last_decision))
    disk.fail("read", skip=1)
    durable = MARKETS.open(disk, options=ONE_SEGMENT)
    assert durable.state is DurableState.QUARANTINED
    assert "record 9: replaying its bets gives different decisions" in durable.why
    assert durable.machine is None
    assert hash_of(durable) == ""
    assert durable.seq == 0


def refusals(events: list[Any]) -> list[dict[str, Any]]:
    """Return the refusals among events of a CONTROL payload, also those of steps."""
    found = [event for event in events if event["ev"] in ("refused", "feed_refused")]
    return found + [each for event in events for each in refusals(event.get("events", []))]


def with_refusals(**fields: Any) -> Change:
    """Return the change that sets fields of every refusal that is journaled."""

    def edit(record: Record) -> Record:
        if record.kind != Kind.CONTROL:
            return record
        document = msgspec.msgpack.decode(record.payload)
        for refusal in refusals(document["events"]):
            refusal.update(fields)
        return record._replace(payload=memoryview(msgspec.msgpack.encode(document)))

    return edit


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_refusal_that_an_earlier_release_worded_otherwise_is_no_damage(name: str) -> None:
    recorded = RecordedRun(SEQUENCES[name], options=ONE_SEGMENT)
    worded = rewritten(recorded, with_refusals(message="worded otherwise"))
    durable = SEQUENCES[name].open(worded, options=ONE_SEGMENT)
    assert durable.state is DurableState.SERVING
    assert hash_of(durable) == SEQUENCES[name].hashes[-1]
    other = rewritten(recorded, with_refusals(reason=int(Reason.BUSY)))
    durable = SEQUENCES[name].open(other, options=ONE_SEGMENT)
    assert "replaying its commands gives different events" in durable.why


def snapshot(disk: FaultyDisk, state: dict[str, Any], *, seq: int = 1, machine: str) -> Path:
    point = Point(seq=seq, epoch=1, crc=0)
    mark = EpochMark(machine=machine, shard=3 if machine == "ledger" else 0)
    write_snapshot(disk, FOLDER, mark=mark, point=point, at_ns=1, state=state)
    return snapshot_path(FOLDER, seq=seq)


def test_a_snapshot_under_another_name_is_refused() -> None:
    disk = FaultyDisk()
    path = snapshot(disk, MARKETS.machine().dump(), machine="markets")
    disk.rename(path, snapshot_path(FOLDER, seq=7))
    with pytest.raises(SnapshotInvalidError, match="not the snapshot of its name"):
        read_snapshot(disk, snapshot_path(FOLDER, seq=7))


def test_a_snapshot_of_another_machine_without_a_state_or_with_a_wrong_hash_is_refused() -> None:
    disk = FaultyDisk()
    ledger = read_snapshot(disk, snapshot(disk, LEDGER.machine().dump(), machine="ledger"))
    replay = MarketReplay()
    with pytest.raises(SnapshotInvalidError, match="written by ledger"):
        replay.start_from(ledger)
    empty = read_snapshot(disk, snapshot(disk, {"nothing": 1}, machine="markets"))
    with pytest.raises(SnapshotInvalidError):
        replay.start_from(empty)
    good = read_snapshot(disk, snapshot(disk, MARKETS.machine().dump(), machine="markets"))
    with pytest.raises(SnapshotInvalidError, match="its state has the hash"):
        replay.start_from(good._replace(state_hash="00"))
    assert replay.last == GENESIS
    replay.start_from(good)
    assert replay.last.seq == 1


def test_a_snapshot_in_a_newer_layout_is_refused() -> None:
    disk = FaultyDisk()
    path = snapshot(disk, MARKETS.machine().dump(), machine="markets")
    disk = FaultyDisk.of({path: in_layout(LAYOUT_VERSION + 1, disk.files()[path])})
    with pytest.raises(JournalNewerError, match=f"layout version {LAYOUT_VERSION + 1}"):
        read_snapshot(disk, path)


def test_a_valid_frame_whose_payload_is_not_a_document_is_refused() -> None:
    framed, _, _ = pack([b"\xc1"], kind=6, epoch=1, seq=1, at_ns=1, commit_index=0, previous_crc=0)
    path = snapshot_path(FOLDER, seq=1)
    disk = FaultyDisk.of({path: b"".join(map(bytes, framed))})
    with pytest.raises(SnapshotInvalidError):
        read_snapshot(disk, path)


LEAVES = st.integers(-(1 << 63), (1 << 64) - 1) | st.text() | st.binary() | st.none()


@given(
    st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    st.integers(0, 3),
)
def test_a_document_encoded_in_parts_decodes_to_the_document(value: Any, count: int) -> None:
    long = bytes(5_000)
    document = {"value": value, "long": [long] * count, "nested": [[long], {"deep": long}]}
    parts: list[Any] = []
    encode_parts(document, parts)
    assert msgspec.msgpack.decode(b"".join(parts)) == document
    assert sum(part is long for part in parts) == count + 2


def test_a_state_over_the_bound_is_not_written_and_leaves_no_file() -> None:
    disk = FaultyDisk()
    write = partial(
        write_snapshot,
        disk,
        FOLDER,
        mark=EpochMark(machine="markets"),
        point=Point(seq=1, epoch=1, crc=0),
        at_ns=1,
        state=MARKETS.machine().dump(),
    )
    with pytest.raises(DiskFullError, match="over the bound of 100"):
        write(bytes_max=100)
    assert disk.names(FOLDER) == []
    assert disk.trace == []
    write()
    assert disk.names(FOLDER) == [snapshot_path(FOLDER, seq=1).name]


@pytest.mark.parametrize("aside", [False, True])
def test_a_state_that_cannot_be_encoded_is_an_error_and_leaves_no_file(aside: bool) -> None:
    disk = FaultyDisk()
    writer = SnapshotWriter(disk, FOLDER, mark=EpochMark(machine="markets"), aside=aside)
    writer.begin(point=GENESIS, at_ns=1, state={"odd": object()})
    with pytest.raises(TypeError):
        writer.finish(wait=True)
    assert disk.names(FOLDER) == []
    assert writer.finish(wait=True)


def test_the_replays_of_two_shards_differ_by_their_number() -> None:
    five, six = (LedgerReplay(shard=shard).machine.state_hash() for shard in (5, 6))
    assert five != six
