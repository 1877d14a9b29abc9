"""Snapshots under fire: a crash at each step leaves the old state or the new, and never neither."""

import random
import threading
from typing import Any

import pytest

from persistence.chain import segment_paths
from persistence.disk import DiskFullError
from persistence.durable import DurableState
from persistence.journal import JournalBrokenError, JournalOptions
from persistence.recovery import replay_hash
from persistence.snapshot import snapshot_path, snapshot_paths
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.persistence.command_sequences import FOLDER, MARKETS, SEQUENCES, TINY


def at_step(sequence: Any, disk: FaultyDisk, *, steps: int, snapshots: tuple[int, ...] = ()) -> Any:
    durable = sequence.open(disk)
    for number in range(steps):
        sequence.notify(durable, number)
        if number in snapshots:
            assert durable.snapshot(at_ns=number)
    return durable


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_crash_at_each_step_of_a_snapshot_leaves_the_state_whole(name: str) -> None:
    """The third snapshot: it replaces the first, and segments go with it."""
    sequence = SEQUENCES[name]
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
            assert replay_hash(FOLDER, disk=image) == sequence.hashes[10]
            again = sequence.open(image)
            assert again.state is DurableState.SERVING, again.why
            assert again.state_hash() == sequence.hashes[10]
            assert again.recovery.snapshot_seq > 0
            assert not [n for n in image.names(FOLDER) if n.endswith(".tmp")]
            sequence.send_all(again, start=10)
            assert again.state_hash() == sequence.hashes[-1]


@pytest.mark.parametrize("name", SEQUENCES)
def test_snapshot_and_tail_give_the_whole_replay_at_every_step(name: str) -> None:
    sequence = SEQUENCES[name]
    whole = FaultyDisk()
    at_step(sequence, whole, steps=len(sequence.steps)).close()
    assert replay_hash(FOLDER, disk=whole) == sequence.hashes[-1]
    for number in range(len(sequence.steps)):
        recorded = RecordedRun(sequence, snapshots_after=(number,))
        again = sequence.open(recorded.disk)
        assert again.recovery.snapshot_seq > number
        assert again.recovery.records == again.seq - 1 - again.recovery.snapshot_seq
        assert again.state_hash() == sequence.hashes[-1]


def test_a_spoiled_snapshot_is_passed_over_for_the_older_one_and_named() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3, 7))
    newest, older = snapshot_paths(recorded.disk, FOLDER)
    files = recorded.disk.files()
    for seed in range(100):
        spoiled = bytearray(files[newest])
        spoiled[random.Random(seed).randrange(len(spoiled))] ^= 1 << seed % 8
        again = MARKETS.open(FaultyDisk.of(files | {newest: bytes(spoiled)}))
        assert again.state_hash() == MARKETS.hashes[-1]
        assert again.recovery.snapshot_seq == int(older.stem)
        (refused,) = again.recovery.snapshots_refused
        assert newest.name in refused


def test_a_snapshot_that_was_not_believed_is_none_of_the_two_that_are_kept() -> None:
    disk = FaultyDisk()
    at_step(MARKETS, disk, steps=8, snapshots=(2, 5)).close()
    spoiled, older = snapshot_paths(disk, FOLDER)
    disk = FaultyDisk.of(disk.files() | {spoiled: b"nothing"})
    durable = MARKETS.open(disk)
    for number in (8, 9):
        MARKETS.notify(durable, number)
    assert durable.snapshot(at_ns=10)
    durable.close()
    newest, kept = snapshot_paths(disk, FOLDER)
    assert kept == older
    again = MARKETS.open(FaultyDisk.of(disk.files() | {newest: b"nothing"}))
    assert again.state is DurableState.SERVING, again.why
    assert again.state_hash() == MARKETS.hashes[10]


def test_without_any_snapshot_that_can_be_believed_the_whole_journal_serves() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3,))
    (path,) = snapshot_paths(recorded.disk, FOLDER)
    again = MARKETS.open(FaultyDisk.of(recorded.disk.files() | {path: b"nothing"}))
    assert again.state_hash() == MARKETS.hashes[-1]
    assert again.recovery.snapshot_seq == 0


def test_with_segments_dropped_and_no_snapshot_left_to_believe_the_shell_is_quarantined() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(3, 7, 10))
    files = recorded.disk.files()
    files |= dict.fromkeys(snapshot_paths(recorded.disk, FOLDER), b"nothing")
    again = MARKETS.open(FaultyDisk.of(files))
    assert again.state is DurableState.QUARANTINED
    assert "where 1 was due" in again.why
    assert again.why.count("the header is cut short") == 2


def test_a_full_disk_puts_a_snapshot_off_and_leaves_no_trace_of_it() -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=8)
    disk.capacity = sum(map(len, disk.files().values())) + 64
    names = disk.names(FOLDER)
    assert not durable.snapshot(at_ns=8)
    assert "no space left" in durable.snapshot_trouble
    assert disk.names(FOLDER) == names
    disk.capacity = None
    MARKETS.notify(durable, 8)
    assert durable.snapshot(at_ns=9)
    assert durable.snapshot_trouble == ""


@pytest.mark.parametrize("kind", ["create", "write", "sync", "rename", "sync folder", "remove"])
def test_a_disk_that_fails_under_a_snapshot_is_not_trusted_with_bets_either(kind: str) -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=10, snapshots=(2, 5))
    disk.fail(kind)
    with pytest.raises(JournalBrokenError, match="planted"):
        durable.snapshot(at_ns=10)
    with pytest.raises(JournalBrokenError):
        MARKETS.notify(durable, 10)
    durable.close()
    assert MARKETS.open(disk).state_hash() == MARKETS.hashes[10]


def test_a_segment_that_cannot_be_dropped_breaks_the_journal() -> None:
    disk = FaultyDisk()
    durable = at_step(MARKETS, disk, steps=10, snapshots=(2, 5))
    disk.fail("remove", skip=1)
    with pytest.raises(JournalBrokenError, match="drop of a segment"):
        durable.snapshot(at_ns=10)


def test_a_snapshot_at_the_same_record_is_not_taken_twice() -> None:
    durable = at_step(MARKETS, FaultyDisk(), steps=4)
    assert durable.snapshot(at_ns=4)
    assert not durable.snapshot(at_ns=5)


@pytest.mark.parametrize("aside", [False, True])
def test_snapshots_come_by_themselves_once_enough_was_journaled(aside: bool) -> None:
    options = JournalOptions(
        segment_bytes=1_024, allocate_bytes=256, snapshot_bytes=600, snapshot_aside=aside
    )
    for name, sequence in SEQUENCES.items():
        disk = FaultyDisk()
        durable = sequence.open(disk, options=options)
        sequence.send_all(durable)
        durable.maintain(at_ns=99)
        durable.close()
        assert snapshot_paths(disk, FOLDER), name
        again = sequence.open(disk, options=options)
        assert again.recovery.snapshot_seq > 0
        assert again.state_hash() == sequence.hashes[-1]
        again.close()


def test_bets_go_on_while_a_snapshot_is_written_aside() -> None:
    """The writer is held up at its sync until the story has been told to its end."""
    options = JournalOptions(
        segment_bytes=1_024, allocate_bytes=256, snapshot_bytes=1, snapshot_aside=True
    )

    class Held(FaultyDisk):
        """A disk on which snapshots wait for a sign before they get their name."""

        sign = threading.Event()

        def rename(self, path, to):
            assert self.sign.wait(timeout=30)
            super().rename(path, to)

    disk = Held()
    durable = MARKETS.open(disk, options=options)
    MARKETS.send_all(durable)
    assert snapshot_paths(disk, FOLDER) == []
    assert durable.state_hash() == MARKETS.hashes[-1]
    durable.maintain(at_ns=99)
    disk.sign.set()
    assert durable.snapshot(at_ns=100)  # waits for the one under way
    durable.close()
    last = snapshot_path(FOLDER, seq=durable.seq)
    assert snapshot_paths(disk, FOLDER) == [last, snapshot_path(FOLDER, seq=2)]
    assert MARKETS.open(disk).state_hash() == MARKETS.hashes[-1]


def test_a_snapshot_that_failed_aside_is_found_out_at_the_next_bet() -> None:
    options = JournalOptions(snapshot_bytes=1, allocate_bytes=1 << 14)
    for error in (DiskFullError, OSError):
        disk = FaultyDisk()
        durable = MARKETS.open(disk, options=options)
        MARKETS.notify(durable, 0)
        disk.fail("rename", error=DiskFullError) if error is DiskFullError else disk.fail("rename")
        MARKETS.notify(durable, 1)
        assert durable._snapshots._thread is None or durable._snapshots._thread.join() is None
        if error is DiskFullError:
            MARKETS.notify(durable, 2)
            assert "planted" in durable.snapshot_trouble
        else:
            with pytest.raises(JournalBrokenError, match="planted"):
                MARKETS.notify(durable, 2)
        durable.close()


def test_options_for_tests_roll_often() -> None:
    assert TINY.segment_bytes == 1_024
