"""The answers of durable machines on a disk that fails once, and on a full disk."""

from typing import Any

import pytest

from engine.common.reasons import Reason
from engine.common.rows import SlipState
from persistence.chain import ChainReader
from persistence.commit import DurableState, control_bytes
from persistence.durable import DurableMarkets, NotAppliedError
from persistence.journal import JournalBrokenError, JournalOptions
from persistence.records import (
    Kind,
    decode_ledger_control,
    decode_market_control,
    encode_commands,
)
from tests.faults.faulty_disk import FaultyDisk
from tests.persistence.command_sequences import (
    FOLDER,
    LEDGER,
    MARKETS,
    SEQUENCES_2,
    TINY,
    CommandSequence,
    bets,
    hash_of,
    market,
    reservations,
    settlements,
    verdicts,
    with_given_ids,
)
from tests.persistence.slip_sequences import CRASHED

BARE = JournalOptions(allocate_bytes=1, segment_bytes=1 << 20, snapshot_aside=False)


def opened_after(
    sequence: Any, disk: FaultyDisk, *, steps: int, options: JournalOptions = TINY
) -> Any:
    """Return a durable machine that has run a sequence's first steps."""
    durable = sequence.open(disk, options=options)
    for number in range(steps):
        sequence.run_step(durable, number)
    return durable


@pytest.mark.parametrize("kind", ["sync", "write"])
@pytest.mark.parametrize("name", CRASHED)
def test_after_the_first_failure_nothing_is_answered_and_recovery_replays_exactly(
    name: str, kind: str
) -> None:
    """After a failed sync the kernel may report success for data that is not on the medium."""
    sequence = CRASHED[name]
    options = JournalOptions(allocate_bytes=1 << 14)  # the record is written into allocated room
    for step in range(len(sequence.steps)):
        disk = FaultyDisk()
        durable = opened_after(sequence, disk, steps=step, options=options)
        disk.fail(kind)
        with pytest.raises(JournalBrokenError, match="planted"):
            sequence.run_step(durable, step)
        calls = len(disk.trace)
        for later in range(step, len(sequence.steps)):
            with pytest.raises(JournalBrokenError):
                sequence.run_step(durable, later)
        with pytest.raises(JournalBrokenError):
            _ = durable.machine
        with pytest.raises(JournalBrokenError):
            hash_of(durable)
        assert len(disk.trace) == calls
        durable.close()
        # The process restarts and reads what the kernel holds in memory.
        reopened = sequence.open(disk, options=options)
        steps = sequence.hashes.index(hash_of(reopened), step)
        assert steps in {step, step + 1}
        # What it has recovered is still there after a power loss right afterwards.
        for seed in range(5):
            dark = disk.powered_off(calls=len(disk.trace), seed=seed)
            assert hash_of(sequence.open(dark, options=options)) == hash_of(reopened)
        sequence.run(reopened, start=steps)
        assert hash_of(reopened) == sequence.hashes[-1]
        # Without the kernel's memory, the disk holds everything that was answered.
        lost = disk.powered_off(calls=calls, seed=step)
        assert hash_of(sequence.open(lost, options=options)) in sequence.hashes[step : step + 2]


def test_an_error_inside_a_machine_breaks_the_journal() -> None:
    disk = FaultyDisk()
    durable = opened_after(MARKETS, disk, steps=3)
    with pytest.raises(TypeError):
        durable.place(bets(20), "no time at all")
    with pytest.raises(JournalBrokenError, match="a change was not journaled"):
        durable.place(bets(20), 9)
    durable.close()
    assert hash_of(MARKETS.open(disk)) == MARKETS.hashes[3]


def test_an_impossible_settlement_is_journaled_as_a_dispute() -> None:
    disk = FaultyDisk()
    durable = opened_after(LEDGER, disk, steps=7)
    slip = durable.machine.slips()[:1]
    row = with_given_ids(settlements(1, payout_minor=-1), durable.machine)
    assert row["bet_id"].tolist() == slip["bet_id"].tolist()
    assert len(durable.settle(row, 9)) == 1
    assert durable.machine.disputes_len == 1
    assert durable.machine.slips()[:1].tobytes() == slip.tobytes(), "no money moved"
    durable.close()
    assert LEDGER.open(disk).machine.disputes_len == 1


# --- full -----------------------------------------------------------------------------------------


def full(sequence: Any, *, steps: int) -> tuple[FaultyDisk, Any, str]:
    """Return a full disk without room allocated ahead, its durable machine, and the state hash."""
    roomy = FaultyDisk()
    opened_after(sequence, roomy, steps=steps, options=BARE).close()
    used = {path: data.rstrip(b"\0") for path, data in roomy.files().items()}
    disk = FaultyDisk.of({path: data + bytes(-len(data) % 8) for path, data in used.items()})
    durable = sequence.open(disk, options=BARE)
    disk.capacity = sum(map(len, disk.files().values()))
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
    MARKETS.run(durable, start=8)
    assert hash_of(durable) == MARKETS.hashes[-1]
    durable.close()
    assert hash_of(MARKETS.open(disk)) == MARKETS.hashes[-1]


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
    LEDGER.run(durable, start=7)
    durable.close()
    assert hash_of(LEDGER.open(disk)) == LEDGER.hashes[-1]


@pytest.mark.parametrize("name", CRASHED)
def test_a_disk_that_fills_at_any_point_loses_no_answer(name: str) -> None:
    sequence = CRASHED[name]
    roomy = FaultyDisk()
    opened_after(sequence, roomy, steps=len(sequence.steps)).close()
    most = sum(map(len, roomy.files().values()))
    for capacity in range(0, most, 97):
        disk = FaultyDisk(capacity=capacity)
        durable = sequence.open(disk)
        done = 0
        for number in range(len(sequence.steps)):
            before = hash_of(durable)
            try:
                sequence.run_step(durable, number)
            except NotAppliedError:
                break
            if hash_of(durable) == before != sequence.hashes[number + 1]:
                break
            done = number + 1
        disk.capacity = None
        image = disk.killed(calls=len(disk.trace))
        assert hash_of(sequence.open(image)) == sequence.hashes[done]
        sequence.run(durable, start=done)
        assert hash_of(durable) == sequence.hashes[-1]


def test_a_restart_on_a_full_disk_answers_reads_and_resumes_when_freed() -> None:
    disk, durable, before = full(MARKETS, steps=8)
    durable.close()
    reopened = MARKETS.open(disk, options=BARE)
    assert reopened.state_hash() == before
    assert reopened.place(bets(30), 9)["reason"].tolist() == [Reason.DISK_FULL]
    disk.capacity = None
    MARKETS.run(reopened, start=8)
    assert hash_of(reopened) == MARKETS.hashes[-1]
    assert reopened.epoch == 3


class UnderestimatingMarkets(DurableMarkets):
    """Markets with a call that makes less room than its record takes."""

    def create(self, at_ns: int) -> None:
        assert self._refusal(8, at_ns=at_ns) is None
        with self._deciding() as machine:
            machine.apply(market(8), at_ns)
            self._commit(Kind.DOCUMENT, at_ns=at_ns, parts=[bytes(4_096)])


def test_a_record_longer_than_its_room_on_a_full_disk_breaks_the_journal() -> None:
    """The machine has changed by then, so it must not be used; a restart never saw the change."""
    disk, durable, before = full(MARKETS, steps=8)
    durable.close()
    markets = CommandSequence(MARKETS.steps, UnderestimatingMarkets).open(disk, options=BARE)
    assert disk.capacity is not None
    disk.capacity += 256  # enough for the epoch's record and for a payload of 8 bytes
    with pytest.raises(JournalBrokenError, match="a change was not journaled"):
        markets.create(9)
    with pytest.raises(JournalBrokenError):
        _ = markets.machine
    markets.close()
    disk.capacity = None
    assert MARKETS.open(disk).state_hash() == before


@pytest.mark.parametrize("name", SEQUENCES_2)
def test_the_room_for_commands_holds_their_record(name: str) -> None:
    sequence = SEQUENCES_2[name]
    disk = FaultyDisk()
    sequence.run(sequence.open(disk))
    decode = decode_market_control if name == "markets" else decode_ledger_control
    lengths = [
        (len(record.payload), control_bytes(encode_commands(control.commands), events=events))
        for record in ChainReader(disk, FOLDER)
        if record.kind == Kind.CONTROL
        for control in [decode(record.payload)]
        for events in [sum(1 + len(getattr(each, "steps", ())) for each in control.commands)]
    ]
    assert len(lengths) > 3
    assert all(length <= room for length, room in lengths), lengths
