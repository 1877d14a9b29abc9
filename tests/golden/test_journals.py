"""Journals of every layout replay to their golden hashes; newer layouts are refused unchanged."""

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.common.commands import CancelBets, FeedUpdate, RollBackSettlement, SetStatus
from engine.common.events import BetsCancelled, FeedApplied, SettlementRolledBack
from engine.common.ids import BetId
from engine.common.lifecycle import Status
from engine.common.rows import FLAG_PRE_MATCH, BetResult, SlipKind
from engine.market.market import MarketMachine
from persistence.chain import JournalNewerError, segment_paths
from persistence.disk import LocalDisk
from persistence.durable import DurableState
from persistence.frames import LAYOUT_VERSION
from persistence.inspect import verify
from persistence.recovery import MarketReplay, replay_folder, replay_hash
from persistence.snapshot import (
    SCHEMA_VERSION,
    SnapshotInvalidError,
    read_snapshot,
    snapshot_path,
    snapshot_paths,
)
from tests.faults.tampering import in_layout, in_schema
from tests.golden.journals import FOLDERS, OPTIONS, hashes, write_journal
from tests.persistence.command_sequences import SEQUENCES, SEQUENCES_2, apply, at_ns

LEDGER_LAYOUTS = {1: 1, 2: 1, 3: 2, 4: 3}
"""The layout of a ledger's dump in each layout of the journals."""
EVERY = [(layout, name) for layout in FOLDERS for name in SEQUENCES_2]


@pytest.fixture
def copies(tmp_path: Path) -> dict[int, Path]:
    """Return copies of the golden journals by layout, for opening writes."""
    for layout, folder in FOLDERS.items():
        shutil.copytree(folder, tmp_path / f"copy_{layout}")
    return {layout: tmp_path / f"copy_{layout}" for layout in FOLDERS}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def hash_in(layout: int, machine: Any) -> str:
    """Return a machine's state hash as the release of a layout would have given it."""
    if isinstance(machine, MarketMachine):
        return machine.state_hash(layout=layout)
    return machine.state_hash(layout=LEDGER_LAYOUTS[layout])


@pytest.mark.parametrize(("layout", "name"), EVERY)
def test_a_golden_journal_replays_to_its_golden_hash(
    layout: int, name: str, copies: dict[int, Path]
) -> None:
    golden, folder = hashes(layout)[name], copies[layout] / name
    machine = replay_folder(FOLDERS[layout] / name).replay.machine
    machine.check()
    assert hash_in(layout, machine) == golden
    durable = SEQUENCES_2[name].open(LocalDisk(), folder=folder, options=OPTIONS)
    assert durable.state is DurableState.SERVING
    assert durable.recovery.snapshot_seq > 0
    assert hash_in(layout, durable.machine) == golden
    assert durable.state_hash() == replay_hash(folder), "from the snapshot or from record 1"
    durable.close()
    assert verify(folder, out=io.StringIO(), progress=False)
    for path in snapshot_paths(LocalDisk(), folder):
        path.unlink()
    durable = SEQUENCES_2[name].open(LocalDisk(), folder=folder, options=OPTIONS)
    assert hash_in(layout, durable.machine) == golden
    durable.close()


@pytest.mark.parametrize("name", SEQUENCES_2)
def test_the_sequence_of_the_current_layout_writes_the_golden_bytes(
    name: str, tmp_path: Path
) -> None:
    golden = FOLDERS[LAYOUT_VERSION] / name
    assert write_journal(name, tmp_path / name) == hashes(LAYOUT_VERSION)[name]
    assert names(tmp_path / name) == names(golden)
    for each in names(golden):
        assert (tmp_path / name / each).read_bytes() == (golden / each).read_bytes(), each


@pytest.mark.parametrize("name", SEQUENCES_2)
def test_a_sequence_of_layout_1_has_its_golden_hash_in_the_current_release(name: str) -> None:
    sequence = SEQUENCES[name]
    machine = sequence.machine()
    for number, step in enumerate(sequence.steps):
        apply(machine, step, at_ns=at_ns(number))
    assert hash_in(1, machine) == hashes(1)[name]


def test_a_journal_of_layout_1_is_continued_in_the_current_layout(copies: dict[int, Path]) -> None:
    folder = copies[1] / "markets"
    durable = SEQUENCES_2["markets"].open(LocalDisk(), folder=folder, options=OPTIONS)
    handed_over = SetStatus(market_no=2, status=Status.HANDED_OVER)
    commands = [
        CancelBets(market_no=1, until_ns=1_020),
        RollBackSettlement(market_no=1),
        FeedUpdate(market_no=2, source="uof:1/odds", position=7, steps=(handed_over,)),
    ]
    events = durable.control("trader:ada", commands, 5_000)
    assert [type(event) for event in events] == [
        BetsCancelled,
        SettlementRolledBack,
        FeedApplied,
    ]
    assert durable.snapshot(at_ns=5_001)
    wanted = durable.state_hash()
    durable.close()
    layouts = [
        read_snapshot(LocalDisk(), path).state["layout"]
        for path in snapshot_paths(LocalDisk(), folder)
    ]
    assert layouts == [4, 1]
    assert verify(folder, out=io.StringIO(), progress=False), "records and snapshots of both"
    assert replay_hash(folder) == wanted


def test_a_snapshot_of_layout_1_with_another_state_is_refused(copies: dict[int, Path]) -> None:
    (path,) = snapshot_paths(LocalDisk(), copies[1] / "markets")
    snapshot = read_snapshot(LocalDisk(), path)
    other = SEQUENCES_2["markets"].machine().dump(layout=1)
    replay = MarketReplay()
    replay.start_from(snapshot)
    with pytest.raises(SnapshotInvalidError, match="its state has the hash"):
        replay.start_from(snapshot._replace(state=other))


@pytest.mark.parametrize("name", SEQUENCES_2)
def test_a_record_of_a_newer_layout_is_refused_and_the_file_is_unchanged(
    name: str, copies: dict[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    newer = LAYOUT_VERSION + 1
    folder = copies[LAYOUT_VERSION] / name
    path = segment_paths(LocalDisk(), folder)[-1]
    data = in_layout(newer, path.read_bytes())
    path.write_bytes(data)
    for snapshot in snapshot_paths(LocalDisk(), folder):
        snapshot.unlink()
    reason = f"layout version {newer}; this release reads 1 to {LAYOUT_VERSION}"
    with pytest.raises(JournalNewerError, match=reason):
        replay_hash(folder)
    durable = SEQUENCES_2[name].open(LocalDisk(), folder=folder, options=OPTIONS)
    assert durable.state is DurableState.QUARANTINED
    assert f"{path} at byte 0: written in {reason}" in durable.why
    assert path.read_bytes() == data
    assert not verify(folder, out=sys.stdout, progress=False)
    assert f"written in {reason}" in capsys.readouterr().out


@pytest.mark.parametrize("name", SEQUENCES_2)
def test_a_snapshot_of_a_newer_schema_quarantines_although_an_older_snapshot_is_valid(
    name: str, copies: dict[int, Path]
) -> None:
    sequence, folder, newer = SEQUENCES_2[name], copies[LAYOUT_VERSION] / name, SCHEMA_VERSION + 1
    durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS)
    assert durable.snapshot(at_ns=9)
    path = snapshot_path(folder, seq=durable.seq)
    durable.close()
    data = path.read_bytes()
    path.write_bytes(in_schema(newer, LocalDisk(), path))
    durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS)
    assert durable.state is DurableState.QUARANTINED
    reason = f"written in schema {newer}; this release reads 1 to {SCHEMA_VERSION}"
    assert f"{path} at byte 0: {reason}" in durable.why
    path.write_bytes(data)
    durable = sequence.open(LocalDisk(), folder=folder, options=OPTIONS)
    assert durable.state is DurableState.SERVING
    assert durable.recovery.snapshot_seq == int(path.stem)
    durable.close()


def test_the_golden_ledger_holds_a_lead_that_a_leg_was_paid_at() -> None:
    machine = replay_folder(FOLDERS[LAYOUT_VERSION] / "ledger").replay.machine
    slips = machine.slips()
    (leg,) = slips[(slips["kind"] == SlipKind.LEG) & (slips["held"] > 0)]
    assert (leg["held"], leg["bets"], leg["result"]) == (2, FLAG_PRE_MATCH, BetResult.LOST)
    paid = machine.slip_by_id(BetId(int(leg["bet_id"])))
    assert paid.payout_minor == 0
    assert paid.offer.added_minor == 250
