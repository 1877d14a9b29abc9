"""What a person reads of a journal, and when checking one fails."""

import io
from pathlib import Path

import pytest

from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from persistence.inspect import show, verify
from persistence.journal import Journal, JournalOptions
from persistence.records import EpochMark, Kind
from persistence.snapshot import read_snapshot, snapshot_paths, write_snapshot
from tests.persistence.command_sequences import LEDGER, MARKETS, SEQUENCES

DISK = LocalDisk()


@pytest.fixture(params=list(SEQUENCES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    """Return a journal with one snapshot, of several segments."""
    durable = SEQUENCES[name].open(DISK, folder=tmp_path / name)
    SEQUENCES[name].send_all(durable)
    durable.snapshot(at_ns=99)
    durable.close()
    return tmp_path / name


def shown(path: Path, *, limit: int = 1_000, good: bool = True) -> str:
    out = io.StringIO()
    assert show(path, limit=limit, out=out) is good
    return out.getvalue()


def verified(path: Path, *, good: bool = True, progress: bool = False) -> str:
    out = io.StringIO()
    assert verify(path, out=out, progress=progress) is good
    return out.getvalue()


def test_bets_are_shown_with_their_decisions(tmp_path: Path) -> None:
    durable = MARKETS.open(DISK, folder=tmp_path)
    MARKETS.send_all(durable)
    durable.close()
    text = shown(tmp_path)
    for line in (
        "1  epoch 1  1970-01-01 00:00:00.000000001  EPOCH  markets, shard 0",
        "CONTROL  3 commands by trader:ada",
        "SuspendMarket(market_no 1, why goal) -> MarketSuspended(market_no 1, version 3, why goal)",
        "-> Refused(reason MARKET_UNKNOWN, field market_no",
        "BETS  3 bets, 3 accepted",
        "account 7, market 1, outcome 1, stake 501 at 2.500 -> accepted at 3.200",
        "refused: 302 STAKE_OVER_LIMIT, at most 600",
        "accepted at 2.900, known",
        "fence of bet",
    ):
        assert line in text, line


def test_a_ledger_is_shown_in_its_own_words(tmp_path: Path) -> None:
    durable = LEDGER.open(DISK, folder=tmp_path)
    LEDGER.send_all(durable)
    durable.close()
    text = shown(tmp_path)
    for line in (
        "EPOCH  ledger, shard 3",
        "EXCHANGE  1 verdicts, 2 reservations",
        "a: account 7, market 1, outcome 0, stake 500 at 2.500 -> bet 844424930131969 PENDING",
        "844424930131969 ACCEPTED, known",
        "-> bet 0 602 INSUFFICIENT_FUNDS",
        "verdict on bet 844424930131970: refused: 302 STAKE_OVER_LIMIT",
        "bet 844424930131969: WON, payout 1250, settlement 1",
        "Deposit(account_no 7, amount_minor 5000, ref d-1) -> Deposited(",
    ):  # fmt: skip
        assert line in text, line


def test_past_the_limit_records_keep_their_line_and_rows_are_counted(folder: Path) -> None:
    whole, short, none = shown(folder), shown(folder, limit=3), shown(folder, limit=0)
    records = [line for line in whole.splitlines() if "epoch 1" in line]
    rows = len(whole.splitlines()) - len(records) - 1  # the last line says how it ends
    assert [line for line in none.splitlines() if "epoch 1" in line] == records
    assert f"({rows} rows are not shown" in none
    assert f"({rows - 3} rows are not shown" in short


def test_a_sound_journal_verifies_with_counts_and_hash(name: str, folder: Path) -> None:
    text = verified(folder)
    assert SEQUENCES[name].hashes[-1] in text
    assert "1 EPOCH" in text
    assert "1 snapshots hold what the records give" in text
    assert "from record 1 on" in text


def test_one_segment_is_walked_without_a_replay(folder: Path) -> None:
    for path in segment_paths(DISK, folder):
        assert "nothing was replayed" in verified(path)
        assert shown(path)


def test_a_journal_without_its_first_segments_verifies_from_its_oldest_snapshot(
    name: str, tmp_path: Path
) -> None:
    sequence = SEQUENCES[name]
    durable = sequence.open(DISK, folder=tmp_path)
    for number in range(len(sequence.steps)):
        sequence.notify(durable, number)
        if number in {5, 8}:
            durable.snapshot(at_ns=number)
    durable.close()
    assert segment_paths(DISK, tmp_path)[0].name > f"{1:020d}"
    text = verified(tmp_path)
    assert sequence.hashes[-1] in text
    assert "from the snapshot at 7 on" in text
    assert shown(tmp_path)
    oldest = snapshot_paths(DISK, tmp_path)[-1]
    oldest.write_bytes(b"x")
    assert "DAMAGED" in verified(tmp_path, good=False)


def test_damage_is_named_and_fails_both(folder: Path) -> None:
    path = segment_paths(DISK, folder)[1]
    data = bytearray(path.read_bytes())
    data[60] ^= 4
    path.write_bytes(data)
    where = f"DAMAGED: {path} at byte 0: the checksum does not fit, and later segments follow"
    assert where in shown(folder, good=False)
    assert where in verified(folder, good=False)


def test_a_spoiled_snapshot_fails_the_check(folder: Path) -> None:
    (path,) = snapshot_paths(DISK, folder)
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)
    assert f"DAMAGED: {path}" in verified(folder, good=False)


def test_a_snapshot_that_is_not_the_state_behind_its_record_fails_the_check(
    name: str, folder: Path
) -> None:
    """Whole in itself, and of another history."""
    (path,) = snapshot_paths(DISK, folder)
    real = read_snapshot(DISK, path)
    state = SEQUENCES[name].bare().dump()
    write_snapshot(DISK, folder, mark=real.mark, point=real.point, at_ns=1, state=state)
    assert "its state is not that behind record" in verified(folder, good=False)


def test_a_torn_tail_is_mentioned_and_no_failure(folder: Path) -> None:
    path = segment_paths(DISK, folder)[-1]
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data[:-3])
    assert "before this snapshot" in verified(folder, good=False)
    for each in snapshot_paths(DISK, folder):
        each.unlink()
    assert "the next start cuts them" in verified(folder)
    assert "the next start cuts them" in shown(folder)


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "nowhere"):
        assert "no journal is here" in shown(path, good=False)
        assert "no journal is here" in verified(path, good=False)


def test_a_journal_of_documents_is_shown_and_walked(tmp_path: Path) -> None:
    mark = EpochMark(machine="directory", cut_bytes=0)
    journal = Journal.open(tmp_path, disk=DISK, at_ns=1, options=JournalOptions(), mark=mark)
    for payload in (b"\x81\xa3doc\xa7founded", b"\xc1rubbish"):
        journal.append(Kind.DOCUMENT, at_ns=-(1 << 63), parts=[payload])
    journal.append(Kind.CONTROL, at_ns=1, parts=[b"\xc1"])
    journal.sync()
    text = shown(tmp_path, good=False)
    assert "{'doc': 'founded'}" in text
    assert b"\xc1rubbish".hex() in text
    assert "record 4" in text
    assert "nothing was replayed" in verified(tmp_path)
    journal.close()


def test_a_long_journal_draws_a_bar(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("persistence.inspect.BAR_BYTES", 1)
    assert verified(folder, progress=True) == verified(folder, progress=False)
