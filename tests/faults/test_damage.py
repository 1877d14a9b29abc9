"""Damage in the middle of a journal is found, named and quarantined; it is never repaired."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from persistence.chain import JournalDamagedError, segment_paths
from persistence.durable import DurableState, NotAppliedError
from persistence.frames import pack
from persistence.journal import JournalOptions
from persistence.snapshot import read_snapshot, snapshot_paths, write_snapshot
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.faults.tampering import last_decision, records_of, rewritten, with_payload
from tests.persistence.command_sequences import (
    FOLDER,
    LEDGER,
    MARKETS,
    bets,
    hash_of,
    market,
    replayed,
    reservations,
    settlements,
    verdicts,
)
from tests.persistence.slip_sequences import CRASHED

ONE_SEGMENT = JournalOptions(allocate_bytes=256, snapshot_aside=False)


def assert_quarantined(
    recorded: RecordedRun, disk: FaultyDisk, *, why: str, steps: int | None = None
) -> Any:
    durable = recorded.sequence.open(disk, options=recorded.options)
    assert durable.state is DurableState.QUARANTINED
    assert why in durable.why
    if steps is not None:
        assert hash_of(durable) == recorded.sequence.hashes[steps]
    assert not disk.locks
    return durable


@pytest.mark.parametrize("name", CRASHED)
def test_each_flipped_bit_of_a_middle_record_is_named_with_file_and_offset(name: str) -> None:
    recorded = RecordedRun(CRASHED[name], options=ONE_SEGMENT)
    (path,) = segment_paths(recorded.disk, FOLDER)
    records = records_of(recorded.disk, path)
    middle = min(records[2:-1], key=lambda record: record.end - record.offset)
    assert middle.end - middle.offset < 250
    data = bytearray(recorded.disk.files()[path])
    for bit in range(middle.offset * 8, middle.end * 8):
        data[bit // 8] ^= 1 << bit % 8
        disk = FaultyDisk.of({path: bytes(data)})
        why = f"{path} at byte {middle.offset}: "
        durable = assert_quarantined(recorded, disk, why=why, steps=middle.seq - 2)
        assert durable.seq == middle.seq - 1
        data[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("name", CRASHED)
def test_a_changed_byte_anywhere_before_the_last_record_quarantines(name: str) -> None:
    recorded = RecordedRun(CRASHED[name])
    files = recorded.disk.files()
    paths = segment_paths(recorded.disk, FOLDER)
    assert len(paths) > 2
    last = max(records_of(recorded.disk, paths[-1]) or records_of(recorded.disk, paths[-2])).offset
    for path in paths:
        end = last if path == paths[-1] else len(files[path])
        for at in range(0, end, 3):
            spoiled = bytearray(files[path])
            spoiled[at] ^= 1 + at % 255
            disk = FaultyDisk.of(files | {path: bytes(spoiled)})
            durable = assert_quarantined(recorded, disk, why=path.name)
            assert hash_of(durable) in recorded.sequence.hashes
            if at % 8 == 0:
                with pytest.raises(JournalDamagedError):
                    replayed(FOLDER, disk=disk)


def test_a_quarantined_market_shell_refuses_with_that_reason_and_answers_reads() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    (path,) = segment_paths(recorded.disk, FOLDER)
    data = bytearray(recorded.disk.files()[path])
    data[records_of(recorded.disk, path)[-2].offset + 50] ^= 1
    disk = FaultyDisk.of({path: bytes(data)})
    durable = assert_quarantined(recorded, disk, why="checksum")
    calls = len(disk.trace)
    decisions = durable.place(bets(50, 51), 9)
    assert decisions["reason"].tolist() == [Reason.QUARANTINED] * 2
    assert decisions["bet_id"].tolist() == bets(50, 51)["bet_id"].tolist()
    (event,) = durable.control("trader:ada", [market(8)], 9)
    assert isinstance(event, Refused)
    assert event.reason is Reason.QUARANTINED
    assert durable.machine.book_image(1).bets > 0
    assert not durable.snapshot(9)
    durable.maintain(9)
    assert (durable.journal_bytes, durable.epoch) == (0, 1)
    assert len(disk.trace) == calls
    durable.close()


def test_a_quarantined_account_shard_refuses_every_change() -> None:
    recorded = RecordedRun(LEDGER, options=ONE_SEGMENT)
    (path,) = segment_paths(recorded.disk, FOLDER)
    data = bytearray(recorded.disk.files()[path])
    data[records_of(recorded.disk, path)[-2].offset + 50] ^= 1
    durable = assert_quarantined(recorded, FaultyDisk.of({path: bytes(data)}), why="checksum")
    answers = durable.exchange(verdicts(1), reservations("x", "y"), 9)
    assert answers["reason"].tolist() == [Reason.QUARANTINED] * 2
    assert answers["state"].tolist() == [SlipState.NONE] * 2
    with pytest.raises(NotAppliedError, match="under inspection"):
        durable.exchange(verdicts(1), reservations(), 9)
    with pytest.raises(NotAppliedError) as caught:
        durable.settle(settlements(1), 9)
    assert caught.value.reason is Reason.QUARANTINED
    assert durable.control("ops", [], 9) == []


def test_a_decision_that_replays_differently_is_damage_and_the_state_before_it_is_kept() -> None:
    """Every checksum is correct: only the replay shows that the decision was changed."""
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    disk = rewritten(recorded, with_payload(9, last_decision))
    durable = assert_quarantined(recorded, disk, why="record 9: replaying its bets gives", steps=7)
    assert durable.seq == 8
    durable.machine.check()
    with pytest.raises(JournalDamagedError, match="gives different decisions"):
        replayed(FOLDER, disk=disk)


@pytest.mark.parametrize(
    ("name", "seq", "change", "why"),
    [
        ("markets", 2, lambda p: p.replace(b"m1/1x2", b"m1/1x3", 1), "record 2: replaying"),
        ("markets", 5, lambda p: p.replace(b"goal", b"gaol", 1), "gives different events"),
        ("markets", 5, lambda _: b"\xc1", "record 5: "),
        ("markets", 3, lambda p: p[:-8], "not a whole number of bets"),
        ("ledger", 2, lambda p: p.replace(b"EUR", b"EUX", 1), "gives different events"),
        ("ledger", 2, lambda _: b"\x80", "record 2: "),
        ("ledger", 4, lambda p: p[:-16] + bytes(16), "gives different answers"),
        ("ledger", 4, lambda p: p[:-8], "do not hold 0 verdicts, 2 reservations"),
        ("ledger", 4, lambda _: b"", "shorter than its two counts"),
        ("ledger", 9, lambda p: p + p, "applies different rows"),
        ("ledger", 9, lambda p: p[:24] + bytes(4) + p[28:], "applies different rows"),
        ("ledger", 9, lambda p: p[:-8], "not a whole number of settlements"),
        ("slips", 4, lambda p: p[:-8], "0 verdicts, 4 reservations, 1 bets of slips"),
        ("slips", 4, lambda p: p[:12], "shorter than its three counts"),
        ("slips", 4, lambda p: p[:12] + b"\1" + p[13:], "no zeros behind its counts"),
        ("slips", 4, lambda p: p[:-16] + bytes(16), "gives different answers"),
        ("slips", 9, lambda p: p + p, "replaying its charges notes different rows"),
        ("slips", 9, lambda p: p[:-8], "not a whole number of charges"),
        ("legs", 6, lambda p: p + p, "replaying its charges applies different rows"),
        ("legs", 6, lambda p: p[:-8], "not a whole number of charges"),
        ("ledger", 1, lambda p: p.replace(b"ledger", b"legder"), "written by legder"),
        ("ledger", 1, lambda _: b"", "record 1: "),
    ],
)  # fmt: skip
def test_a_changed_payload_with_a_correct_checksum_is_damage(
    name: str, seq: int, change: Callable[[bytes], bytes], why: str
) -> None:
    recorded = RecordedRun(CRASHED[name], options=ONE_SEGMENT)
    disk = rewritten(recorded, with_payload(seq, change))
    assert_quarantined(recorded, disk, why=why)
    with pytest.raises(JournalDamagedError, match="journal at byte"):
        replayed(FOLDER, disk=disk)


@pytest.mark.parametrize("name", CRASHED)
def test_a_kind_that_the_machine_never_writes_is_damage(name: str) -> None:
    recorded = RecordedRun(CRASHED[name], options=ONE_SEGMENT)
    disk = rewritten(recorded, lambda r: r._replace(kind=77) if r.seq == 4 else r)
    assert_quarantined(recorded, disk, why="records of kind 77", steps=2)


def test_a_journal_of_another_machine_is_quarantined_unchanged() -> None:
    recorded = RecordedRun(LEDGER, options=ONE_SEGMENT)
    durable = MARKETS.open(recorded.disk)
    assert durable.state is DurableState.QUARANTINED
    assert "written by ledger (shard 3), opened as markets" in durable.why
    calls = len(recorded.disk.trace)
    assert hash_of(durable) == MARKETS.hashes[0]
    assert len(recorded.disk.trace) == calls


def test_a_stale_writer_after_a_newer_epoch_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    MARKETS.open(recorded.disk, options=ONE_SEGMENT).close()  # epoch 2
    disk = rewritten(recorded, lambda r: r._replace(epoch=2) if r.seq == 1 else r)
    assert_quarantined(recorded, disk, why="a stale writer: epoch 1 after 2", steps=0)


def test_an_epoch_without_an_epoch_record_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    disk = rewritten(recorded, lambda r: r._replace(epoch=2) if r.seq >= 6 else r)
    assert_quarantined(recorded, disk, why="epoch 2 has no EPOCH record", steps=4)


def test_a_lost_repeated_or_foreign_record_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    (path,) = segment_paths(recorded.disk, FOLDER)
    data = recorded.disk.files()[path]
    fifth = records_of(recorded.disk, path)[4]
    lost = data[: fifth.offset] + data[fifth.end :]
    repeated = data[: fifth.end] + data[fifth.offset :]
    assert_quarantined(
        recorded, FaultyDisk.of({path: lost}), why="sequence number 6 instead of 5", steps=3
    )
    assert_quarantined(
        recorded, FaultyDisk.of({path: repeated}), why="sequence number 5 instead of 6", steps=4
    )
    framed, _, _ = pack([b"z"], kind=2, epoch=1, seq=6, at_ns=0, commit_index=0, previous_crc=1)
    foreign = data[: fifth.end] + b"".join(framed)
    assert_quarantined(
        recorded,
        FaultyDisk.of({path: foreign}),
        why="its previous checksum is not",
        steps=4,
    )


def test_a_missing_segment_is_named() -> None:
    recorded = RecordedRun(MARKETS)
    paths = segment_paths(recorded.disk, FOLDER)
    for gone, why in ((0, "instead of 1"), (1, "instead of")):
        files = recorded.disk.files()
        del files[paths[gone]]
        durable = assert_quarantined(recorded, FaultyDisk.of(files), why=why)
        assert paths[gone + 1].name in durable.why


def test_snapshots_without_any_segment_are_damage() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(5, 9))
    files = {p: d for p, d in recorded.disk.files().items() if p.suffix == ".snapshot"}
    durable = assert_quarantined(
        recorded, FaultyDisk.of(files), why="before the snapshot at", steps=10
    )
    assert durable.seq == 11


def test_a_journal_shorter_than_its_snapshot_is_damage() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(5, 9), options=ONE_SEGMENT)
    files = recorded.disk.files()
    (path,) = segment_paths(recorded.disk, FOLDER)
    end = records_of(recorded.disk, path)[7].end
    cut = FaultyDisk.of(files | {path: files[path][:end]})
    assert_quarantined(
        recorded, cut, why="the journal ends at record 8, before the snapshot at 11", steps=10
    )


def test_a_snapshot_of_another_history_is_passed_over_with_a_word() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT, snapshots_after=(5,))
    (path,) = segment_paths(recorded.disk, FOLDER)
    rewritten_disk = rewritten(recorded, lambda record: record._replace(at_ns=record.at_ns + 7))
    sound = {path: rewritten_disk.files()[path]}
    disk = FaultyDisk.of(sound)
    (taken,) = snapshot_paths(recorded.disk, FOLDER)
    found = read_snapshot(recorded.disk, taken)
    fields = {"mark": found.mark, "point": found.point, "at_ns": found.at_ns}
    write_snapshot(disk, FOLDER, **fields, state=found.state)  # as before schema 3
    durable = MARKETS.open(disk, options=ONE_SEGMENT)
    assert durable.state is DurableState.SERVING
    assert durable.recovery.snapshot_seq == 0
    (refused,) = durable.recovery.snapshots_refused
    assert "record 7 is not the record that the snapshot was taken after" in refused
    assert hash_of(durable) == replayed(FOLDER, disk=FaultyDisk.of(sound))


@pytest.mark.parametrize("steps", [6, len(MARKETS.steps)])
def test_sound_snapshots_in_each_others_place_leave_both_serving(steps: int) -> None:
    disks: list[FaultyDisk] = []
    for now_ns, length in ((1, len(MARKETS.steps)), (2, steps)):
        disk = FaultyDisk()
        durable = MARKETS.open(disk, options=ONE_SEGMENT, now_ns=now_ns)
        for number in range(length):
            MARKETS.run_step(durable, number)
            if number == min(length - 1, 8):
                assert durable.snapshot(at_ns=9)
        durable.close()
        disks.append(disk)
    files = [disk.files() for disk in disks]
    for own, others, length in ((files[0], files[1], len(MARKETS.steps)), (*files[::-1], steps)):
        mixed = {p: data for p, data in own.items() if p.suffix != ".snapshot"}
        mixed |= {p: data for p, data in others.items() if p.suffix == ".snapshot"}
        durable = MARKETS.open(FaultyDisk.of(mixed), options=ONE_SEGMENT)
        assert durable.state is DurableState.SERVING
        assert "it was taken of another journal" in durable.recovery.snapshots_refused[0]
        assert hash_of(durable) == MARKETS.hashes[length]


@pytest.mark.parametrize("name", CRASHED)
def test_repeated_replays_give_the_same_hash(name: str) -> None:
    recorded = RecordedRun(CRASHED[name])
    found = {replayed(FOLDER, disk=recorded.disk) for _ in range(100)}
    assert found == {recorded.sequence.hashes[-1]}
