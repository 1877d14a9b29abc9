"""The journal of one writer: record numbers, epochs, segments, allocated room, lock, failures."""

from pathlib import Path

import pytest

from persistence.chain import JournalDamagedError, segment_path, segment_paths
from persistence.disk import Disk, DiskError, DiskFullError, LocalDisk, LockHeldError
from persistence.frames import EPOCH_MAX, RECORD_BYTES_MAX, pack
from persistence.journal import Journal, JournalBrokenError, JournalOptions
from persistence.records import EpochMark, Kind, decode_epoch
from tests.faults.faulty_disk import FaultyDisk

FOLDER = Path("/shells/m-1")
SMALL = JournalOptions(segment_bytes=512, allocate_bytes=128)


def opened(
    disk: Disk, *, folder: Path = FOLDER, options: JournalOptions = SMALL, visit=None
) -> Journal:
    mark = EpochMark(machine="test")
    return Journal.open(folder, disk=disk, at_ns=5, options=options, mark=mark, visit=visit)


def write(journal: Journal, *payloads: bytes) -> None:
    for payload in payloads:
        journal.append(Kind.DOCUMENT, at_ns=9, parts=[payload])
        journal.sync()


def documents(journal: Journal, seq: int = 1) -> list[bytes]:
    return [bytes(r.payload) for r in journal.read_from(seq) if r.kind == Kind.DOCUMENT]


@pytest.fixture(params=["local", "faulty"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return LocalDisk() if request.param == "local" else FaultyDisk()


def test_what_was_synced_is_read_back_in_order(disk: Disk, tmp_path: Path) -> None:
    journal = opened(disk, folder=tmp_path / "a" / "b")
    payloads = [bytes([n]) * n for n in range(60)]
    write(journal, *payloads)
    assert journal.seq == 61
    assert documents(journal) == payloads
    assert documents(journal, seq=51) == payloads[49:]
    journal.close()
    seen: list[int] = []
    reopened = opened(
        disk, folder=tmp_path / "a" / "b", visit=lambda record: seen.append(record.seq)
    )
    assert seen == list(range(1, 62))
    assert documents(reopened) == payloads
    reopened.close()


def test_each_start_begins_a_higher_epoch_with_a_mark() -> None:
    disk = FaultyDisk()
    for epoch in (1, 2, 3):
        journal = opened(disk)
        assert journal.epoch == epoch
        write(journal, b"x")
        journal.close()
    marks = [r for r in opened(disk).read_from(1) if r.kind == Kind.EPOCH]
    assert [record.epoch for record in marks] == [1, 2, 3, 4]
    assert [decode_epoch(record.payload).machine for record in marks] == ["test"] * 4


def test_a_second_writer_is_refused_while_the_first_holds_the_folder(
    disk: Disk, tmp_path: Path
) -> None:
    first = opened(disk, folder=tmp_path)
    with pytest.raises(LockHeldError, match="held by another writer"):
        opened(disk, folder=tmp_path)
    first.close()
    opened(disk, folder=tmp_path).close()


def test_segments_roll_by_size_and_each_is_full_before_the_next_exists() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, *[b"x" * 40] * 30)
    paths = segment_paths(disk, FOLDER)
    assert len(paths) > 3
    assert all(disk.size(path) <= SMALL.segment_bytes for path in paths)
    names = [int(path.stem) for path in paths]
    assert names[0] == 1
    assert names == sorted(names)


def test_a_record_larger_than_a_segment_gets_a_segment_to_itself() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, b"a", b"b" * 2_000, b"c")
    assert documents(journal) == [b"a", b"b" * 2_000, b"c"]
    assert len(segment_paths(disk, FOLDER)) == 3


def test_one_sync_covers_every_record_appended_before_it() -> None:
    disk = FaultyDisk()
    journal = opened(disk, options=JournalOptions())
    before = sum(call.kind == "sync" for call in disk.trace)
    for n in range(5):
        journal.append(Kind.DOCUMENT, at_ns=1, parts=[bytes([n])])
    journal.sync()
    journal.sync()
    assert sum(call.kind == "sync" for call in disk.trace) == before + 1
    indexes = [r.commit_index for r in journal.read_from(2)]
    assert indexes == [0, 1, 2, 3, 4]


def test_a_commit_is_synced_before_its_index_of_records_overflows(tmp_path: Path) -> None:
    journal = opened(LocalDisk(), folder=tmp_path, options=JournalOptions())
    for _ in range(65_536 + 2):
        journal.append(Kind.DOCUMENT, at_ns=1, parts=[b"x"])
    indexes = [record.commit_index for record in journal.read_from(2)]
    assert indexes == [*range(65_536), 0, 1]
    journal.close()


def test_covered_segments_are_removed_oldest_first_and_the_open_one_never() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, *[b"x" * 40] * 30)
    paths = segment_paths(disk, FOLDER)
    second = int(paths[2].stem)
    bytes_before = journal.bytes
    assert journal.drop_before(second - 1) == 1
    assert journal.drop_before(second) == 1
    assert segment_paths(disk, FOLDER) == paths[2:]
    assert journal.bytes < bytes_before
    assert journal.drop_before(10_000) == len(paths) - 3
    assert segment_paths(disk, FOLDER) == paths[-1:]
    write(journal, b"still")
    assert documents(journal)[-1] == b"still"


def test_a_record_over_the_bound_is_refused_and_changes_nothing() -> None:
    journal = opened(FaultyDisk())
    with pytest.raises(ValueError, match="over the bound"):
        journal.ensure(RECORD_BYTES_MAX + 1)
    write(journal, b"fine")


@pytest.mark.parametrize("name", ["segment_bytes", "allocate_bytes", "snapshot_bytes"])
def test_an_option_below_one_byte_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        JournalOptions(**{name: 0})


# --- full -----------------------------------------------------------------------------------------


def test_a_full_disk_is_noticed_before_anything_is_written_until_room_is_freed() -> None:
    disk = FaultyDisk()
    journal = opened(disk, options=JournalOptions(segment_bytes=4096, allocate_bytes=256))
    write(journal, b"a" * 100)
    disk.capacity = sum(map(len, disk.files().values()))
    with pytest.raises(DiskFullError):
        write(journal, *[b"b" * 50] * 100)
    kept = len(documents(journal)) - 1
    with pytest.raises(DiskFullError):
        journal.ensure(50)
    assert journal.broken == ""
    assert documents(journal) == [b"a" * 100] + [b"b" * 50] * kept
    disk.capacity = None
    write(journal, b"again")
    assert documents(journal)[-1] == b"again"


def test_a_full_disk_at_a_new_segment_leaves_no_partial_segment() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, *[b"x" * 40] * 4)
    names = disk.names(FOLDER)
    disk.capacity = sum(map(len, disk.files().values()))
    for _ in range(3):
        with pytest.raises(DiskFullError):
            write(journal, *[b"y" * 40] * 9)
    assert disk.names(FOLDER) == names
    disk.fail("create", error=DiskFullError)
    disk.capacity = None
    with pytest.raises(DiskFullError):
        write(journal, *[b"y" * 40] * 9)
    seq = journal.seq
    write(journal, *[b"y" * 40] * 9)
    assert journal.seq == seq + 9


def test_a_segment_that_a_full_disk_keeps_from_removal_breaks_the_journal() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, bytes(300))
    disk.capacity = sum(len(data) for data in disk.files().values())
    disk.fail("remove")
    with pytest.raises(JournalBrokenError, match="removal of a segment"):
        journal.ensure(400)
    disk.capacity = None
    with pytest.raises(JournalBrokenError):
        write(journal, b"more")
    journal.close()
    assert documents(opened(disk)) == [bytes(300)]


def test_a_segment_that_a_full_disk_removed_does_not_come_back_after_a_power_loss() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, bytes(300))
    disk.capacity = sum(len(data) for data in disk.files().values())
    with pytest.raises(DiskFullError):
        journal.ensure(400)
    disk.capacity = None
    write(journal, b"more")
    for seed in range(20):
        crashed = disk.powered_off(calls=len(disk.trace), seed=seed)
        assert documents(opened(crashed)) == [bytes(300), b"more"]


def test_a_start_on_a_full_disk_waits_for_room_before_its_first_record() -> None:
    disk = FaultyDisk(capacity=0)
    journal = opened(disk)
    assert (journal.epoch, journal.seq, journal.bytes) == (1, 0, 0)
    with pytest.raises(DiskFullError):
        journal.ensure(1)
    disk.capacity = None
    write(journal, b"first")
    assert journal.seq == 2
    assert [r.kind for r in journal.read_from(1)] == [Kind.EPOCH, Kind.DOCUMENT]


# --- broken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["write", "sync", "allocate", "create", "sync folder"])
def test_after_a_failed_call_nothing_more_is_written(kind: str) -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, b"kept")
    disk.fail(kind)
    with pytest.raises(JournalBrokenError, match="planted"):
        write(journal, *[b"x" * 40] * 40)
    calls = len(disk.trace)
    for act in (
        lambda: journal.append(Kind.DOCUMENT, at_ns=1, parts=[b"y"]),
        journal.sync,
        lambda: journal.ensure(1),
        lambda: journal.drop_before(1),
    ):
        with pytest.raises(JournalBrokenError, match="planted"):
            act()
    assert len(disk.trace) == calls
    journal.close()
    assert disk.open_files == 0


def test_a_failed_removal_breaks_the_journal() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    write(journal, *[b"x" * 40] * 30)
    disk.fail("remove")
    with pytest.raises(JournalBrokenError, match="removal of a segment"):
        journal.drop_before(journal.seq)


def test_a_closed_journal_refuses_records_and_releases_its_lock() -> None:
    disk = FaultyDisk()
    journal = opened(disk)
    journal.close()
    with pytest.raises(JournalBrokenError, match="closed"):
        journal.ensure(1)
    opened(disk).close()
    assert disk.open_files == 0


@pytest.mark.parametrize("kind", ["reopen", "write", "sync", "sync folder"])
def test_a_start_that_cannot_write_releases_the_lock(kind: str) -> None:
    disk = FaultyDisk()
    opened(disk).close()
    disk.fail(kind)
    with pytest.raises(JournalBrokenError, match="recovery failed"):
        opened(disk)
    assert not disk.locks
    assert disk.open_files == 0
    opened(disk).close()


def test_an_exception_of_the_visitor_ends_the_start_and_changes_nothing() -> None:
    disk = FaultyDisk()
    opened(disk).close()
    calls = len(disk.trace)

    def refuse(record):
        raise JournalDamagedError(path=record.path, offset=record.offset, reason="no")

    with pytest.raises(JournalDamagedError, match=r"journal at byte 0: no"):
        opened(disk, visit=refuse)
    assert len(disk.trace) == calls
    assert not disk.locks


def test_a_journal_in_its_last_epoch_cannot_be_opened_again() -> None:
    path = segment_path(FOLDER, first_seq=1)
    for epoch in (EPOCH_MAX - 1, EPOCH_MAX):
        framed, _, _ = pack(
            [b""], kind=Kind.EPOCH, epoch=epoch, seq=1, at_ns=1, commit_index=0, previous_crc=0
        )
        disk = FaultyDisk.of({path: b"".join(map(bytes, framed))})
        if epoch < EPOCH_MAX:
            assert opened(disk).epoch == EPOCH_MAX
        else:
            with pytest.raises(ValueError, match="epoch has reached its bound of 4294967295"):
                opened(disk)
            assert not disk.locks


def test_disk_errors_are_operating_system_errors() -> None:
    assert issubclass(DiskFullError, DiskError)
    assert issubclass(DiskError, OSError)
