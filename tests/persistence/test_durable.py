"""Durable machines as their callers use them: the answer of each call, the report of a start."""

import gc
from pathlib import Path

import numpy as np
import pytest

from engine.common.commands import CreateMarket, Deposit, OpenMarket, SetOdds
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import BET, DECISION, FLAG_KNOWN, RESERVATION, RESERVED, SETTLEMENT
from persistence.chain import segment_paths
from persistence.disk import LocalDisk, LockHeldError
from persistence.durable import DurableLedger, DurableMarkets, DurableState
from persistence.frames import RECORD_BYTES_MAX
from persistence.journal import JournalBrokenError, JournalOptions
from persistence.records import BY_CHARS_MAX, PayloadError, bets_bytes
from persistence.snapshot import snapshot_paths
from tests.faults.faulty_disk import FaultyDisk
from tests.persistence.command_sequences import (
    FOLDER,
    LEDGER,
    MARKETS,
    SEQUENCES,
    bets,
    hash_of,
    market,
    replayed,
    reservations,
    settlements,
    verdicts,
    with_given_ids,
)
from tests.persistence.slip_sequences import CRASHED


@pytest.mark.parametrize("name", CRASHED)
def test_a_durable_machine_has_the_state_of_one_without_a_journal_also_after_a_restart(
    name: str, tmp_path: Path
) -> None:
    sequence = CRASHED[name]
    ticks = iter(range(0, 10_000_000, 1_500_000))
    durable = sequence.open(LocalDisk(), folder=tmp_path / "one")
    for number in range(len(sequence.steps)):
        sequence.run_step(durable, number)
        assert hash_of(durable) == sequence.hashes[number + 1]
        assert replayed(tmp_path / "one") == sequence.hashes[number + 1]
    assert durable.epoch == 1
    assert durable.journal_bytes > 1_000
    durable.close()
    extra = {"shard": 3} if sequence.kind is DurableLedger else {}
    reopened = sequence.kind.open(
        tmp_path / "one", disk=LocalDisk(), at_ns=9, clock=lambda: next(ticks), **extra
    )
    assert reopened.state is DurableState.SERVING
    assert hash_of(reopened) == sequence.hashes[-1]
    assert (reopened.epoch, reopened.seq) == (2, durable.seq + 1)
    assert reopened.recovery.records == durable.seq
    assert reopened.recovery.bets == sum(
        len(step.arguments[-1]) for step in sequence.steps if step.call in {"place", "exchange"}
    )
    assert reopened.recovery.ms == 1.5
    reopened.close()


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_second_process_may_not_open_the_folder(name: str) -> None:
    sequence = SEQUENCES[name]
    disk = FaultyDisk()
    first = sequence.open(disk)
    with pytest.raises(LockHeldError):
        sequence.open(disk)
    sequence.run(first)
    first.close()
    assert hash_of(sequence.open(disk)) == sequence.hashes[-1]


def test_the_same_bet_across_a_restart_gets_the_same_answer() -> None:
    disk = FaultyDisk()
    durable = MARKETS.open(disk)
    MARKETS.run_step(durable, 0)
    first = durable.place(bets(1, 2, 3), 5)
    durable.close()
    durable = MARKETS.open(disk)
    second = durable.place(bets(3, 1, 2), 9)
    assert (second["flags"] & FLAG_KNOWN).all()
    second["flags"] = 0
    assert second[[1, 2, 0]].tobytes() == first.tobytes()


def test_calls_without_rows_or_commands_write_nothing() -> None:
    disk = FaultyDisk()
    markets = MARKETS.open(disk)
    shard = LEDGER.open(disk, folder=FOLDER / "ledger")
    calls = len(disk.trace)
    assert len(markets.place(np.zeros(0, BET), 1)) == 0
    assert markets.control("trader:ada", [], 1) == []
    answers = shard.exchange(np.zeros(0, DECISION), np.zeros(0, RESERVATION), 1)
    assert answers.dtype == RESERVED
    assert len(answers) == 0
    assert len(shard.settle(np.zeros(0, SETTLEMENT), 1)) == 0
    assert shard.control("ops", [], 1) == []
    assert len(disk.trace) == calls


def test_settlements_that_were_applied_before_are_not_journaled_again() -> None:
    disk = FaultyDisk()
    durable = LEDGER.open(disk)
    LEDGER.run(durable)
    seq = durable.seq
    again = with_given_ids(settlements(1, 3), durable.machine)
    assert len(durable.settle(again, 99)) == 0
    assert durable.seq == seq


@pytest.mark.parametrize(
    ("by", "command", "why"),
    [
        ("a" * (BY_CHARS_MAX + 1), market(5), "by: at most 128"),
        ("ada", CreateMarket(market_no=5, key="", outcomes=("a",), odds_milli=(2_000,)), "key"),
        ("ada", OpenMarket(market_no=-1), "market_no"),
        ("ada", SetOdds(market_no=1, quotes=()), "quotes"),
    ],
)
def test_a_command_outside_its_bounds_is_refused_before_it_is_applied(
    by: str, command: CreateMarket, why: str
) -> None:
    durable = MARKETS.open(FaultyDisk())
    MARKETS.run_step(durable, 0)
    with pytest.raises(PayloadError, match=why):
        durable.control(by, [command], 5)
    assert hash_of(durable) == MARKETS.hashes[1]
    MARKETS.run(durable, start=1)


def test_a_transfer_outside_its_bounds_is_refused_before_it_is_applied() -> None:
    durable = LEDGER.open(FaultyDisk())
    LEDGER.run_step(durable, 0)
    with pytest.raises(PayloadError, match="amount_minor"):
        durable.control("ops", [Deposit(account_no=7, amount_minor=0, ref="x")], 5)
    assert hash_of(durable) == LEDGER.hashes[1]


def test_a_batch_over_the_record_bound_changes_nothing() -> None:
    durable = MARKETS.open(FaultyDisk())
    MARKETS.run_step(durable, 0)
    assert bets_bytes(262_144) <= RECORD_BYTES_MAX < bets_bytes(262_145)
    with pytest.raises(ValueError, match="over the bound"):
        durable.place(np.zeros(262_145, BET), 5)
    assert hash_of(durable) == MARKETS.hashes[1]
    MARKETS.run(durable, start=1)


def test_more_commands_than_a_record_holds_are_refused_together() -> None:
    durable = MARKETS.open(FaultyDisk())
    MARKETS.run_step(durable, 0)
    before = durable.state_hash()
    events = durable.control("ada", [OpenMarket(market_no=1)] * 16_384, 5)
    assert {event.reason for event in events if isinstance(event, Refused)} == {Reason.CAPACITY}
    assert len(events) == 16_384
    assert durable.state_hash() == before


def test_each_start_hashes_refs_with_another_secret_seed() -> None:
    disk = FaultyDisk()
    seeds = []
    for _ in range(2):
        durable = LEDGER.open(disk)
        seeds.append(int(durable.machine._tables.ref_seed))
        durable.snapshot(5)
        durable.close()
    assert len({0, *seeds}) == 3


def test_a_closed_machine_answers_reads_and_refuses_changes() -> None:
    durable = MARKETS.open(FaultyDisk())
    MARKETS.run(durable)
    durable.close()
    assert hash_of(durable) == MARKETS.hashes[-1]
    with pytest.raises(JournalBrokenError, match="closed"):
        durable.place(bets(1), 9)
    durable.close()


def test_a_shard_opened_under_another_number_is_quarantined() -> None:
    disk = FaultyDisk()
    LEDGER.open(disk).close()
    other = DurableLedger.open(FOLDER, shard=4, disk=disk, at_ns=1, options=JournalOptions())
    assert other.state is DurableState.QUARANTINED
    assert "written by ledger (shard 3), opened as ledger (shard 4)" in other.why
    assert len(other.exchange(verdicts(), reservations("a"), 1)) == 1


def test_options_have_defaults() -> None:
    durable = DurableMarkets.open(FOLDER, disk=FaultyDisk(), at_ns=1)
    assert durable.machine is not None
    assert durable.machine.market_nos() == []


@pytest.mark.parametrize("collecting", [True, False])
def test_a_snapshot_leaves_the_garbage_collector_as_it_found_it(collecting: bool) -> None:
    durable = SEQUENCES["markets"].open(FaultyDisk())
    SEQUENCES["markets"].run_step(durable, 0)
    (gc.enable if collecting else gc.disable)()
    try:
        assert durable.snapshot(at_ns=1)
        assert gc.isenabled() is collecting
    finally:
        gc.enable()


def test_a_machine_says_what_its_journal_and_its_snapshots_take() -> None:
    disk = FaultyDisk()
    options = JournalOptions(
        segment_bytes=64 << 10, allocate_bytes=4 << 10, snapshot_bytes=1 << 30, snapshot_aside=False
    )

    def opened(at_ns: int) -> DurableMarkets:
        return DurableMarkets.open(FOLDER, disk=disk, at_ns=at_ns, options=options)

    def fill(durable: DurableMarkets, *, segments: int, first: int) -> None:
        while durable.journal_segments < segments:
            durable.place(bets(*range(first, first + 200)), 5)
            first += 200
            assert durable.journal_segments == len(segment_paths(disk, FOLDER))

    durable = opened(1)
    MARKETS.run_step(durable, 0)
    assert durable.last_snapshot == (0, 0, 0)
    fill(durable, segments=3, first=1)
    assert durable.snapshot(7)
    (path,) = snapshot_paths(disk, FOLDER)
    assert durable.last_snapshot == (durable.seq, 7, disk.size(path))
    assert durable.unsnapshotted_bytes == 0
    fill(durable, segments=5, first=10_001)
    assert durable.last_snapshot[1] == 7
    assert durable.unsnapshotted_bytes > 64 << 10
    assert durable.snapshot(9)
    assert durable.journal_segments == len(segment_paths(disk, FOLDER)) < 5
    last, segments = durable.last_snapshot, durable.journal_segments
    durable.close()
    again = opened(20)
    assert again.last_snapshot == last
    assert last[1] == 9
    assert again.journal_segments == segments
