"""Snapshots on a faulty disk: after a crash at any step recovery finds the same state."""

import random
import threading
from typing import Any

import pytest

from persistence.chain import segment_paths
from persistence.disk import DiskError, DiskFullError
from persistence.durable import DurableState
from persistence.journal import JournalBrokenError, JournalOptions
from persistence.snapshot import snapshot_path, snapshot_paths
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.persistence.command_sequences import FOLDER, MARKETS, SEQUENCES, hash_of, replayed
from tests.persistence.slip_sequences import CRASHED


def at_step(sequence: Any, disk: FaultyDisk, *, steps: int, snapshots: tuple[int, ...] = ()) -> Any:
    durable = sequence.open(disk)
    for number in range(steps):
        sequence.run_step(durable, number)
        if number in snapshots:
            assert durable.snapshot(at_ns=number)
    return durable


@pytest.mark.parametrize("name", [*SEQUENCES, "slips"])
def test_a_crash_at_each_step_of_a_snapshot_leaves_the_state_whole(name: str) -> None:
    """The third snapshot is taken: the first one and the segments before it are removed."""
    sequence = CRASHED[name]
    disk = FaultyDisk()
    durable = at_step(sequence, disk, steps=10, snapshots=(2, 5))
    before = len(disk.trace)
    segments = len(segment_paths(disk, FOLDER))
    assert durable.snapshot(at_ns=10)
    after = len(disk.trace)
    assert len(segment_paths(disk, FOLDER)) < segments
    kinds = [call.kind for call in disk.trace[before:after]]
    assert kinds[:4] == ["create", "allocate", "write", "write"]
    for needed in ("sync", "rename", "sync folder", "remove"):
        assert needed in kinds
    for calls in range(before, after + 1):
        images = [disk.killed(calls=calls)]
        images += [disk.powered_off(calls=calls, seed=seed) for seed in range(20)]
        call = disk.trace[calls] if calls < after else None
        if call and call.kind == "write":
            lengths = range(1, len(call.data), max(1, len(call.data) // 40))
            images += [disk.killed(calls=calls, torn=torn) for torn in lengths]
        for image in images:
            assert replayed(FOLDER, disk=image) == sequence.hashes[10]
            reopened = sequence.open(image)
            assert reopened.state is DurableState.SERVING, reopened.why
            assert hash_of(reopened) == sequence.hashes[10]
            assert reopened.recovery.snapshot_seq > 0
            assert not [n for n in image.names(FOLDER) if n.endswith(".tmp")]
            sequence.run(reopened, start=10)
            assert hash_of(reopened) == sequence.hashes[-1]


@pytest.mark.parametrize("name", CRASHED)
def test_snapshot_and_later_records_give_the_state_of_the_whole_journal(name: str) -> None:
    sequence = CRASHED[name]
    complete = FaultyDisk()
    at_step(sequence, complete, steps=len(sequence.steps)).close()
    assert replayed(FOLDER, disk=complete) == sequence.hashes[-1]
    for number in range(len(sequence.steps)):
        recorded = RecordedRun(sequence, snapshots_after=(number,))
        reopened = sequence.open(recorded.disk)
        assert reopened.recovery.snapshot_seq > number
        assert reopened.recovery.records == reopened.seq - 1 - reopened.recovery.snapshot_seq
        assert hash_of(reopened) == sequence.hashes[-1]


def test_a_damaged_snapshot_is_refused_by_name_and_the_older_one_is_used() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3, 7))
    newest, older = snapshot_paths(recorded.disk, FOLDER)
    files = recorded.disk.files()
    for seed in range(100):
        spoiled = bytearray(files[newest])
        spoiled[random.Random(seed).randrange(len(spoiled))] ^= 1 << seed % 8
        reopened = MARKETS.open(FaultyDisk.of(files | {newest: bytes(spoiled)}))
        assert hash_of(reopened) == MARKETS.hashes[-1]
        assert reopened.recovery.snapshot_seq == int(older.stem)
        (refused,) = reopened.recovery.snapshots_refused
        assert newest.name in refused


def test_a_refused_snapshot_is_not_one_of_the_two_that_are_kept() -> None:
    disk = FaultyDisk()
    at_step(MARKETS, disk, steps=8, snapshots=(2, 5)).close()
    spoiled, older = snapshot_paths(disk, FOLDER)
    disk = FaultyDisk.of(disk.files() | {spoiled: b"nothing"})
    durable = MARKETS.open(disk)
    for number in (8, 9):
        MARKETS.run_step(durable, number)
    assert durable.snapshot(at_ns=10)
    durable.close()
    newest, kept = snapshot_paths(disk, FOLDER)
    assert kept == older
    reopened = MARKETS.open(FaultyDisk.of(disk.files() | {newest: b"nothing"}))
    assert reopened.state is DurableState.SERVING, reopened.why
    assert hash_of(reopened) == MARKETS.hashes[10]


def test_without_a_valid_snapshot_the_whole_journal_is_replayed() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3,))
    (path,) = snapshot_paths(recorded.disk, FOLDER)
    reopened = MARKETS.open(FaultyDisk.of(recorded.disk.files() | {path: b"nothing"}))
    assert hash_of(reopened) == MARKETS.hashes[-1]
    assert reopened.recovery.snapshot_seq == 0


def test_with_segments_removed_and_no_valid_snapshot_the_shell_is_quarantined() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3, 7, 10))
    files = recorded.disk.files()
    files |= dict.fromkeys(snapshot_paths(recorded.disk, FOLDER), b"nothing")
    reopened = MARKETS.open(FaultyDisk.of(files))
    assert reopened.state is DurableState.QUARANTINED
    assert "instead of 1" in reopened.why
    assert reopened.why.count("the header is cut short") == 2


def test_a_full_disk_delays_a_snapshot_and_leaves_no_file_of_it() -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=8)
    disk.capacity = sum(map(len, disk.files().values())) + 64
    names = disk.names(FOLDER)
    assert not durable.snapshot(at_ns=8)
    assert "no space left" in durable.snapshot_trouble
    assert disk.names(FOLDER) == names
    disk.capacity = None
    MARKETS.run_step(durable, 8)
    assert durable.snapshot(at_ns=9)
    assert durable.snapshot_trouble == ""


@pytest.mark.parametrize("kind", ["create", "write", "sync", "rename", "sync folder", "remove"])
def test_a_disk_error_during_a_snapshot_breaks_the_journal(kind: str) -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=10, snapshots=(2, 5))
    disk.fail(kind)
    with pytest.raises(JournalBrokenError, match="planted"):
        durable.snapshot(at_ns=10)
    with pytest.raises(JournalBrokenError):
        MARKETS.run_step(durable, 10)
    durable.close()
    assert hash_of(MARKETS.open(disk)) == MARKETS.hashes[10]


def test_a_segment_that_cannot_be_removed_breaks_the_journal() -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=10, snapshots=(2, 5))
    disk.fail("remove", skip=1)
    with pytest.raises(JournalBrokenError, match="removal of a segment"):
        durable.snapshot(at_ns=10)


def test_a_snapshot_at_the_same_record_is_not_taken_twice() -> None:
    durable = at_step(MARKETS, FaultyDisk(), steps=4)
    assert durable.snapshot(at_ns=4)
    assert not durable.snapshot(at_ns=5)


@pytest.mark.parametrize("aside", [False, True])
def test_snapshots_are_taken_once_enough_was_journaled(aside: bool) -> None:
    options = JournalOptions(
        segment_bytes=1_024, allocate_bytes=256, snapshot_bytes=600, snapshot_aside=aside
    )
    for name, sequence in SEQUENCES.items():
        disk = FaultyDisk()
        durable = sequence.open(disk, options=options)
        sequence.run(durable)
        durable.maintain(at_ns=99)
        durable.close()
        assert snapshot_paths(disk, FOLDER), name
        reopened = sequence.open(disk, options=options)
        assert reopened.recovery.snapshot_seq > 0
        assert hash_of(reopened) == sequence.hashes[-1]
        reopened.close()


def test_bets_go_on_while_a_snapshot_is_written_aside() -> None:
    """The snapshot's thread waits before its rename until every step has been answered."""
    options = JournalOptions(
        segment_bytes=1_024, allocate_bytes=256, snapshot_bytes=1, snapshot_aside=True
    )

    class HeldDisk(FaultyDisk):
        """A disk on which a rename waits for `released`."""

        released = threading.Event()

        def rename(self, path, to):
            assert threading.current_thread() is not threading.main_thread()
            assert self.released.wait(timeout=30)
            super().rename(path, to)

    disk = HeldDisk()
    durable = MARKETS.open(disk, options=options)
    MARKETS.run(durable)
    assert snapshot_paths(disk, FOLDER) == []
    assert hash_of(durable) == MARKETS.hashes[-1]
    durable.maintain(at_ns=99)
    disk.released.set()
    assert durable.snapshot(at_ns=100)  # waits for the one being written
    durable.close()
    last = snapshot_path(FOLDER, seq=durable.seq)
    assert snapshot_paths(disk, FOLDER) == [last, snapshot_path(FOLDER, seq=2)]
    assert hash_of(MARKETS.open(disk)) == MARKETS.hashes[-1]


def wait_for_snapshot_thread() -> None:
    """Wait until no thread writes a snapshot."""
    for thread in threading.enumerate():
        if thread.name == "snapshot":
            thread.join(timeout=30)
            assert not thread.is_alive()


@pytest.mark.parametrize("error", [DiskFullError, DiskError])
def test_a_snapshot_that_failed_on_its_thread_is_reported_by_the_next_change(
    error: type[DiskError],
) -> None:
    options = JournalOptions(snapshot_bytes=1, allocate_bytes=1 << 14)
    disk = FaultyDisk()
    durable = MARKETS.open(disk, options=options)
    MARKETS.run_step(durable, 0)
    disk.fail("rename", error=error)
    MARKETS.run_step(durable, 1)  # begins the snapshot
    wait_for_snapshot_thread()
    assert durable.snapshot_trouble == ""
    if error is DiskFullError:
        MARKETS.run_step(durable, 2)
        assert "planted in rename" in durable.snapshot_trouble
        assert hash_of(durable) == MARKETS.hashes[3]
    else:
        with pytest.raises(JournalBrokenError, match=r"a snapshot failed.*planted in rename"):
            MARKETS.run_step(durable, 2)
    durable.close()
    assert hash_of(MARKETS.open(disk, options=options)) in MARKETS.hashes[2:4]


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_sequence_with_small_segments_spans_several_of_them(name: str) -> None:
    """The crash tests rely on this: a run must cross the boundary between segments."""
    disk = FaultyDisk()
    SEQUENCES[name].run(SEQUENCES[name].open(disk))
    assert len(segment_paths(disk, FOLDER)) >= 3
