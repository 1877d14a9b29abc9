"""After a kill at any call or byte, or a power loss, no answer is lost and no bet is doubled."""

import functools
import random

import pytest

from persistence.chain import segment_paths
from persistence.durable import DurableState
from persistence.frames import ALIGN_BYTES, HEADER_BYTES
from persistence.journal import Journal, JournalOptions
from persistence.records import EpochMark, Kind
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.persistence.command_sequences import FOLDER, SEQUENCES, hash_of
from tests.persistence.slip_sequences import CRASHED

SEEDS = 1_000


@functools.cache
def recorded_run(name: str) -> RecordedRun:
    """Return a recorded run of a sequence with three snapshots."""
    return RecordedRun(CRASHED[name], snapshots_after=(3, 7, 10))


@pytest.mark.parametrize("name", CRASHED)
def test_a_kill_at_every_call_of_the_disk_loses_and_doubles_nothing(name: str) -> None:
    recorded = recorded_run(name)
    for calls in range(len(recorded.disk.trace) + 1):
        recorded.check_recovery(recorded.disk.killed(calls=calls), calls=calls, go_on=True)


@pytest.mark.parametrize("name", CRASHED)
def test_a_kill_inside_every_write_at_every_byte_loses_and_doubles_nothing(name: str) -> None:
    recorded = recorded_run(name)
    for calls, call in enumerate(recorded.disk.trace):
        if call.kind != "write":
            continue
        stride = 1 if len(call.data) <= 400 else 31  # snapshots: see test_snapshots
        for torn in range(1, len(call.data), stride):
            disk = recorded.disk.killed(calls=calls, torn=torn)
            recorded.check_recovery(disk, calls=calls, go_on=torn % 64 == 1)


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("name", CRASHED)
def test_a_power_loss_loses_no_answer(name: str, part: int) -> None:
    recorded = recorded_run(name)
    for seed in range(part, SEEDS // 2, 4):
        calls = random.Random(seed).randrange(len(recorded.disk.trace) + 1)
        disk = recorded.disk.powered_off(calls=calls, seed=seed)
        recorded.check_recovery(disk, calls=calls, go_on=seed % 8 == 0)


@pytest.mark.parametrize("name", CRASHED)
def test_a_power_loss_during_recovery_loses_no_answer(name: str) -> None:
    recorded = recorded_run(name)
    for seed in range(60):
        rng = random.Random(seed)
        calls = rng.randrange(len(recorded.disk.trace) + 1)
        disk = recorded.disk.powered_off(calls=calls, seed=seed)
        base = len(disk.trace)
        steps = recorded.check_recovery(disk, calls=calls)
        for recovery_calls in range(base, len(disk.trace) + 1):
            twice = disk.powered_off(calls=recovery_calls, seed=seed)
            found = recorded.check_recovery(twice, calls=calls)
            # Steps found by a completed recovery are found reopened.
            assert found == steps or recovery_calls < len(disk.trace), (seed, recovery_calls)


@pytest.mark.parametrize("name", CRASHED)
def test_a_torn_tail_of_every_length_is_cut_and_reported(name: str) -> None:
    recorded = RecordedRun(
        CRASHED[name], options=JournalOptions(allocate_bytes=64, snapshot_aside=False)
    )
    last = max(n for n, call in enumerate(recorded.disk.trace) if call.kind == "write")
    record_bytes = recorded.disk.trace[last].data
    without_padding = HEADER_BYTES + int.from_bytes(record_bytes[8:12], "little")
    steps = len(recorded.sequence.steps)
    for torn in range(without_padding):
        disk = recorded.disk.killed(calls=last, torn=torn)
        durable = recorded.sequence.open(disk, options=recorded.options)
        left = len(record_bytes[:torn].rstrip(b"\0"))
        assert left <= durable.recovery.torn_bytes < left + ALIGN_BYTES
        assert hash_of(durable) == recorded.sequence.hashes[steps - 1]
        recorded.sequence.run_step(durable, steps - 1)
        assert hash_of(durable) == recorded.sequence.hashes[steps]
        durable.close()


def test_random_bytes_after_the_last_record_are_cut_once() -> None:
    recorded = RecordedRun(SEQUENCES["markets"], options=JournalOptions(allocate_bytes=999))
    files = recorded.disk.files()
    path = segment_paths(recorded.disk, FOLDER)[-1]
    used = len(files[path].rstrip(b"\0"))
    for seed in range(50):
        rng = random.Random(seed)
        start = (used + 7) // 8 * 8
        size = rng.randrange(1, 300)
        content = bytearray(files[path])
        content[start : start + size] = rng.randbytes(size)
        disk = FaultyDisk.of(files | {path: bytes(content)})
        durable = recorded.sequence.open(disk, options=recorded.options)
        assert durable.state is DurableState.SERVING
        left = len(content[start:].rstrip(b"\0"))
        assert left <= durable.recovery.torn_bytes < left + ALIGN_BYTES
        durable.close()
        after = recorded.sequence.open(disk, options=recorded.options)
        assert after.recovery.torn_bytes == 0
        assert hash_of(after) == recorded.sequence.hashes[-1]


@pytest.mark.parametrize("segment_bytes", [1 << 20, 256])
def test_of_an_unsynced_commit_any_number_of_first_records_may_be_recovered(
    segment_bytes: int,
) -> None:
    """A medium may keep later records of an unsynced commit and lose earlier ones: a torn tail."""
    options = JournalOptions(allocate_bytes=4_096, segment_bytes=segment_bytes)

    def opened(disk: FaultyDisk, seen: list[int] | None = None) -> Journal:
        return Journal.open(
            FOLDER,
            disk=disk,
            at_ns=1,
            options=options,
            mark=EpochMark(machine="test"),
            visit=(lambda record: seen.append(record.seq)) if seen is not None else None,
        )

    disk = FaultyDisk()
    journal = opened(disk)
    journal.append(Kind.DOCUMENT, at_ns=1, parts=[b"synced"])
    journal.sync()
    for n in range(6):
        journal.append(Kind.DOCUMENT, at_ns=1, parts=[bytes([n]) * 30])
    found = set()
    for seed in range(200):
        seen: list[int] = []
        cut = disk.powered_off(calls=len(disk.trace), seed=seed)
        reopened = opened(cut, seen)
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) >= (2 if segment_bytes > 256 else 5)
        found.add((len(seen), reopened.torn_bytes > 0))
        reopened.close()
    assert len(found) > 2
    assert any(torn for _, torn in found)
