"""A disk that fails once and then pretends, and one that is full: what is and is not answered."""

from typing import Any

import pytest

from engine.common.reasons import Reason
from engine.common.rows import SlipState
from persistence.commit import DurableState
from persistence.disk import DiskFullError
from persistence.durable import NotAppliedError
from persistence.journal import JournalBrokenError, JournalOptions
from tests.faults.faulty_disk import FaultyDisk
from tests.persistence.command_sequences import (
    LEDGER,
    MARKETS,
    SEQUENCES,
    TINY,
    bets,
    market,
    reservations,
    settlements,
    verdicts,
)

BARE = JournalOptions(allocate_bytes=1, segment_bytes=1 << 20, snapshot_aside=False)


def told(sequence: Any, disk: FaultyDisk, *, steps: int, options: JournalOptions = TINY) -> Any:
    durable = sequence.open(disk, options=options)
    for number in range(steps):
        sequence.notify(durable, number)
    return durable


@pytest.mark.parametrize("kind", ["sync", "write"])
@pytest.mark.parametrize("name", SEQUENCES)
def test_after_the_first_failure_nothing_is_answered_and_recovery_replays_exactly(
    name: str, kind: str
) -> None:
    """The kernel may claim success the next time, and keep in memory what is not on the medium."""
    sequence = SEQUENCES[name]
    options = JournalOptions(allocate_bytes=1 << 14)  # the failing call is that of the record
    for step in range(len(sequence.steps)):
        disk = FaultyDisk()
        durable = told(sequence, disk, steps=step, options=options)
        disk.fail(kind)
        with pytest.raises(JournalBrokenError, match="planted"):
            sequence.notify(durable, step)
        calls = len(disk.trace)
        for later in range(step, len(sequence.steps)):
            with pytest.raises(JournalBrokenError):
                sequence.notify(durable, later)
        with pytest.raises(JournalBrokenError):
            _ = durable.machine
        with pytest.raises(JournalBrokenError):
            durable.state_hash()
        assert len(disk.trace) == calls
        durable.close()
        # The process starts again and reads what the kernel remembers.
        again = sequence.open(disk, options=options)
        steps = sequence.hashes.index(again.state_hash(), step)
        assert steps in {step, step + 1}
        # What it has read stays true when the power goes right afterwards.
        for seed in range(5):
            dark = disk.powered_off(calls=len(disk.trace), seed=seed)
            assert sequence.open(dark, options=options).state_hash() == again.state_hash()
        sequence.send_all(again, start=steps)
        assert again.state_hash() == sequence.hashes[-1]
        # And without the kernel's memory the disk holds all that was answered.
        lost = disk.powered_off(calls=calls, seed=step)
        assert sequence.open(lost, options=options).state_hash() in sequence.hashes[step : step + 2]


def test_an_error_inside_a_machine_ends_the_shell_before_memory_and_disk_part() -> None:
    disk = FaultyDisk()
    durable = told(MARKETS, disk, steps=3)
    with pytest.raises(TypeError):
        durable.place(bets(20), "no time at all")
    with pytest.raises(JournalBrokenError, match="a change was not journaled"):
        durable.place(bets(20), 9)
    durable.close()
    assert MARKETS.open(disk).state_hash() == MARKETS.hashes[3]


def test_an_impossible_settlement_is_refused_before_anything_changes() -> None:
    disk = FaultyDisk()
    durable = told(LEDGER, disk, steps=7)
    with pytest.raises(ValueError, match="impossible"):
        durable.settle(settlements(1, payout_minor=-1), 9)
    assert durable.state_hash() == LEDGER.hashes[7]
    LEDGER.send_all(durable, start=7)
    assert durable.state_hash() == LEDGER.hashes[-1]


# --- full -----------------------------------------------------------------------------------------


def fill(disk: FaultyDisk) -> None:
    disk.capacity = sum(map(len, disk.files().values()))


def full(sequence: Any, *, steps: int) -> tuple[FaultyDisk, Any, str]:
    """Return a disk that has just become full, with no room left that was allocated ahead."""
    roomy = FaultyDisk()
    told(sequence, roomy, steps=steps, options=BARE).close()
    used = {path: data.rstrip(b"\0") for path, data in roomy.files().items()}
    disk = FaultyDisk.of({path: data + bytes(-len(data) % 8) for path, data in used.items()})
    durable = sequence.open(disk, options=BARE)
    fill(disk)
    return disk, durable, durable.state_hash()


def test_a_full_disk_refuses_bets_with_that_reason_until_it_is_freed() -> None:
    disk, durable, before = full(MARKETS, steps=8)
    calls = len(disk.trace)
    for _ in range(3):
        decisions = durable.place(bets(30, 31, 32), 9)
        assert decisions["reason"].tolist() == [Reason.DISK_FULL] * 3
        assert decisions["odds_milli"].tolist() == [2_500] * 3
        (event,) = durable.control("trader:ada", [market(8)], 9)
        assert event.reason is Reason.DISK_FULL
    assert durable.state_hash() == before
    assert durable.machine.book_image(1).bets > 0
    assert len(disk.trace) == calls
    assert durable.state is DurableState.SERVING
    disk.capacity = None
    MARKETS.send_all(durable, start=8)
    assert durable.state_hash() == MARKETS.hashes[-1]
    durable.close()
    assert MARKETS.open(disk).state_hash() == MARKETS.hashes[-1]


def test_a_full_disk_refuses_reservations_and_settlements_until_it_is_freed() -> None:
    disk, durable, before = full(LEDGER, steps=7)
    answers = durable.exchange(verdicts(4), reservations("x"), 9)
    assert answers["reason"].tolist() == [Reason.DISK_FULL]
    assert answers["state"].tolist() == [SlipState.NONE]
    with pytest.raises(NotAppliedError) as caught:
        durable.exchange(verdicts(4), reservations(), 9)
    assert caught.value.reason is Reason.DISK_FULL
    with pytest.raises(NotAppliedError, match="disk is full"):
        durable.settle(settlements(1), 9)
    assert durable.state_hash() == before
    assert durable.machine.balance(7) is not None
    disk.capacity = None
    LEDGER.send_all(durable, start=7)
    durable.close()
    assert LEDGER.open(disk).state_hash() == LEDGER.hashes[-1]


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_disk_that_fills_anywhere_tears_nothing(name: str) -> None:
    sequence = SEQUENCES[name]
    roomy = FaultyDisk()
    told(sequence, roomy, steps=len(sequence.steps)).close()
    most = sum(map(len, roomy.files().values()))
    for capacity in range(0, most, 97):
        disk = FaultyDisk(capacity=capacity)
        durable = sequence.open(disk)
        done = 0
        for number in range(len(sequence.steps)):
            before = durable.state_hash()
            try:
                sequence.notify(durable, number)
            except NotAppliedError:
                break
            if durable.state_hash() == before != sequence.hashes[number + 1]:
                break
            done = number + 1
        disk.capacity = None
        again = disk.killed(calls=len(disk.trace))
        assert sequence.open(again).state_hash() == sequence.hashes[done]
        sequence.send_all(durable, start=done)
        assert durable.state_hash() == sequence.hashes[-1]


def test_a_restart_on_a_full_disk_answers_reads_and_resumes_when_freed() -> None:
    disk, durable, before = full(MARKETS, steps=8)
    durable.close()
    again = MARKETS.open(disk, options=BARE)
    assert again.state_hash() == before
    assert again.place(bets(30), 9)["reason"].tolist() == [Reason.DISK_FULL]
    disk.capacity = None
    MARKETS.send_all(again, start=8)
    assert again.state_hash() == MARKETS.hashes[-1]
    assert again.epoch == 3


def test_an_event_larger_than_the_room_kept_for_it_on_a_full_disk_ends_the_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The state has changed by then, so it may not go on; the next start has never seen it."""
    disk, durable, before = full(MARKETS, steps=8)
    monkeypatch.setattr("persistence.durable.control_bytes", lambda _encoded, *, events: 0)
    disk.capacity = (disk.capacity or 0) + 60
    with pytest.raises(JournalBrokenError, match="a change was not journaled"):
        durable.control("trader:ada", [market(8)], 9)
    durable.close()
    disk.capacity = None
    assert MARKETS.open(disk).state_hash() == before
    assert issubclass(DiskFullError, OSError)
