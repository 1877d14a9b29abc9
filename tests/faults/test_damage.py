"""Damage in the middle is always noticed, named and quarantined; nothing is mended in silence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from persistence.chain import JournalDamagedError, segment_paths
from persistence.durable import DurableState, NotAppliedError
from persistence.frames import Record, pack, parse
from persistence.journal import JournalOptions
from persistence.recovery import replay_hash
from persistence.snapshot import snapshot_paths
from tests.faults.faulty_disk import FaultyDisk
from tests.faults.recorded_run import RecordedRun
from tests.persistence.command_sequences import (
    FOLDER,
    LEDGER,
    MARKETS,
    SEQUENCES,
    bets,
    market,
    reservations,
    settlements,
    verdicts,
)

ONE_SEGMENT = JournalOptions(allocate_bytes=256, snapshot_aside=False)


def records_of(disk: FaultyDisk, path: Path) -> list[Record]:
    """Return a segment's records."""
    data = disk.read(path)
    records: list[Record] = []
    while isinstance(found := parse(data, records[-1].end if records else 0, path=path), Record):
        records.append(found)
    return records


def chained(records: list[Record], change: Callable[[Record], Record]) -> bytes:
    """Return records framed anew, each changed first, as another writer would have done."""
    data, previous = b"", 0
    for record in map(change, records):
        framed, _, crc = pack(
            [bytes(record.payload)],
            kind=record.kind,
            epoch=record.epoch,
            seq=record.seq,
            at_ns=record.at_ns,
            place=record.place,
            previous_crc=previous,
        )
        data, previous = data + b"".join(framed), crc
    return data


def rewritten(recorded: RecordedRun, change: Callable[[Record], Record]) -> FaultyDisk:
    """Return a disk whose only segment holds a life's records, each changed."""
    (path,) = segment_paths(recorded.disk, FOLDER)
    return FaultyDisk.of({path: chained(records_of(recorded.disk, path), change)})


def assert_quarantined(
    recorded: RecordedRun, disk: FaultyDisk, *, why: str, steps: int | None = None
) -> Any:
    durable = recorded.sequence.open(disk, options=recorded.options)
    assert durable.state is DurableState.QUARANTINED
    assert why in durable.why
    if steps is not None:
        assert durable.state_hash() == recorded.sequence.hashes[steps]
    assert not disk.locks
    return durable


@pytest.mark.parametrize("name", SEQUENCES)
def test_each_flipped_bit_of_a_middle_record_is_named_with_file_and_offset(name: str) -> None:
    recorded = RecordedRun(SEQUENCES[name], options=ONE_SEGMENT)
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


@pytest.mark.parametrize("name", SEQUENCES)
def test_any_spoiled_byte_but_of_the_last_record_is_noticed(name: str) -> None:
    recorded = RecordedRun(SEQUENCES[name])
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
            assert durable.state_hash() in recorded.sequence.hashes
            if at % 8 == 0:
                with pytest.raises(JournalDamagedError):
                    replay_hash(FOLDER, disk=disk)


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


def test_a_quarantined_account_shard_applies_nothing_and_says_so() -> None:
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
    """Every checksum fits: only the replay can tell that this is not what was decided."""
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)

    def tamper(record: Record) -> Record:
        if record.seq != 9:
            return record
        payload = bytearray(record.payload)
        payload[-8] ^= 1  # the odds of the last decision
        return record._replace(payload=memoryview(payload))

    disk = rewritten(recorded, tamper)
    durable = assert_quarantined(recorded, disk, why="record 9: replaying its bets gives", steps=7)
    assert durable.seq == 8
    durable.machine.check()
    with pytest.raises(JournalDamagedError, match="gives other decisions"):
        replay_hash(FOLDER, disk=disk)


@pytest.mark.parametrize(
    ("name", "seq", "change", "why"),
    [
        ("markets", 2, lambda p: p.replace(b"m1/1x2", b"m1/1x3", 1), "record 2: replaying"),
        ("markets", 5, lambda p: p.replace(b"goal", b"gaol", 1), "gives other events"),
        ("markets", 5, lambda _: b"\xc1", "record 5: "),
        ("markets", 3, lambda p: p[:-8], "no whole number of bets"),
        ("ledger", 2, lambda p: p.replace(b"EUR", b"EUX", 1), "gives other events"),
        ("ledger", 2, lambda _: b"\x80", "record 2: "),
        ("ledger", 4, lambda p: p[:-16] + bytes(16), "gives other answers"),
        ("ledger", 4, lambda p: p[:-8], "are not 0 verdicts, 2 reservations"),
        ("ledger", 4, lambda _: b"", "without its counts"),
        ("ledger", 9, lambda p: p + p, "applies others"),
        ("ledger", 9, lambda p: p[:15] + b"\x7f" + p[16:], "cannot be replayed"),
        ("ledger", 9, lambda p: p[:-8], "no whole number of settlements"),
        ("ledger", 1, lambda p: p.replace(b"ledger", b"legder"), "written by legder"),
        ("ledger", 1, lambda _: b"", "record 1: "),
    ],
)  # fmt: skip
def test_a_payload_that_was_never_written_so_is_damage(
    name: str, seq: int, change: Callable[[bytes], bytes], why: str
) -> None:
    recorded = RecordedRun(SEQUENCES[name], options=ONE_SEGMENT)

    def tamper(record: Record) -> Record:
        if record.seq != seq:
            return record
        payload = change(bytes(record.payload))
        assert payload != bytes(record.payload)
        return record._replace(payload=memoryview(payload))

    disk = rewritten(recorded, tamper)
    assert_quarantined(recorded, disk, why=why)
    with pytest.raises(JournalDamagedError, match="journal at byte"):
        replay_hash(FOLDER, disk=disk)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_kind_that_the_machine_never_writes_is_damage(name: str) -> None:
    recorded = RecordedRun(SEQUENCES[name], options=ONE_SEGMENT)
    disk = rewritten(recorded, lambda r: r._replace(kind=77) if r.seq == 4 else r)
    assert_quarantined(recorded, disk, why="kind 77 is none that", steps=2)


def test_a_journal_of_other_hands_is_left_alone() -> None:
    recorded = RecordedRun(LEDGER, options=ONE_SEGMENT)
    durable = MARKETS.open(recorded.disk)
    assert durable.state is DurableState.QUARANTINED
    assert "written by ledger (shard 3), opened as markets" in durable.why
    calls = len(recorded.disk.trace)
    assert durable.state_hash() == MARKETS.hashes[0]
    assert len(recorded.disk.trace) == calls


def test_a_stale_writer_after_a_newer_epoch_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    MARKETS.open(recorded.disk, options=ONE_SEGMENT).close()  # epoch 2
    disk = rewritten(recorded, lambda r: r._replace(epoch=2) if r.seq == 1 else r)
    assert_quarantined(recorded, disk, why="a stale writer: epoch 1 after 2", steps=0)


def test_an_epoch_that_was_never_begun_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    disk = rewritten(recorded, lambda r: r._replace(epoch=2) if r.seq >= 6 else r)
    assert_quarantined(recorded, disk, why="epoch 2 was never begun", steps=4)


def test_a_lost_repeated_or_foreign_record_is_refused() -> None:
    recorded = RecordedRun(MARKETS, options=ONE_SEGMENT)
    (path,) = segment_paths(recorded.disk, FOLDER)
    data = recorded.disk.files()[path]
    fifth = records_of(recorded.disk, path)[4]
    lost = data[: fifth.offset] + data[fifth.end :]
    repeated = data[: fifth.end] + data[fifth.offset :]
    assert_quarantined(
        recorded, FaultyDisk.of({path: lost}), why="sequence 6 where 5 was due", steps=3
    )
    assert_quarantined(
        recorded, FaultyDisk.of({path: repeated}), why="sequence 5 where 6 was due", steps=4
    )
    framed, _, _ = pack([b"z"], kind=2, epoch=1, seq=6, at_ns=0, place=0, previous_crc=1)
    foreign = data[: fifth.end] + b"".join(framed)
    assert_quarantined(
        recorded,
        FaultyDisk.of({path: foreign}),
        why="does not follow the record before it",
        steps=4,
    )


def test_a_missing_segment_is_named() -> None:
    recorded = RecordedRun(MARKETS)
    paths = segment_paths(recorded.disk, FOLDER)
    for gone, why in ((0, "where 1 was due"), (1, "was due")):
        files = recorded.disk.files()
        del files[paths[gone]]
        durable = assert_quarantined(recorded, FaultyDisk.of(files), why=why)
        assert paths[gone + 1].name in durable.why


def test_a_whole_journal_gone_while_snapshots_remain_is_damage() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(5, 9))
    files = {p: d for p, d in recorded.disk.files().items() if p.suffix == ".snapshot"}
    durable = assert_quarantined(
        recorded, FaultyDisk.of(files), why="a snapshot was taken at", steps=10
    )
    assert durable.seq == 11


def test_a_journal_shorter_than_its_snapshot_is_damage() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(5, 9), options=ONE_SEGMENT)
    files = recorded.disk.files()
    (path,) = segment_paths(recorded.disk, FOLDER)
    end = records_of(recorded.disk, path)[7].end
    cut = FaultyDisk.of(files | {path: files[path][:end]})
    assert_quarantined(
        recorded, cut, why="the journal ends at record 8; a snapshot was taken at 11", steps=10
    )


def test_a_snapshot_of_another_history_is_noticed() -> None:
    recorded = RecordedRun(MARKETS, snapshots_after=(9,), options=ONE_SEGMENT)
    (snapshot,) = snapshot_paths(recorded.disk, FOLDER)
    other = rewritten(recorded, lambda r: r._replace(at_ns=r.at_ns + 1))
    disk = FaultyDisk.of(other.files() | {snapshot: recorded.disk.files()[snapshot]})
    assert_quarantined(recorded, disk, why="record 11 is not the one the snapshot was taken at")


@pytest.mark.parametrize("name", SEQUENCES)
def test_replay_gives_one_hash_however_often(name: str) -> None:
    recorded = RecordedRun(SEQUENCES[name])
    found = {replay_hash(FOLDER, disk=recorded.disk) for _ in range(100)}
    assert found == {recorded.sequence.hashes[-1]}
