"""The text of `journal show` and `journal verify`, and the damage that each reports."""

import io
from pathlib import Path

import numpy as np
import pytest

from engine.common.rows import FLAG_PRE_MATCH
from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from persistence.inspect import BAR_BYTES, show, verify
from persistence.journal import Journal, JournalOptions
from persistence.records import EpochMark, Kind
from persistence.recovery import replay_hash
from persistence.snapshot import read_snapshot, snapshot_paths, write_snapshot
from tests.persistence.command_sequences import (
    LEDGER,
    MARKETS,
    SEQUENCES,
    replayed,
    reservations,
    settlements,
    verdicts,
)
from tests.persistence.slip_sequences import SEQUENCES_4, SLIP_SEQUENCES, slip_bet

DISK = LocalDisk()


@pytest.fixture(params=list(SEQUENCES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    """Return a journal with one snapshot, of several segments."""
    durable = SEQUENCES[name].open(DISK, folder=tmp_path / name)
    SEQUENCES[name].run(durable)
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
    MARKETS.run(durable)
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


def test_reservations_verdicts_settlements_and_transfers_are_shown(tmp_path: Path) -> None:
    durable = LEDGER.open(DISK, folder=tmp_path)
    LEDGER.run(durable)
    durable.close()
    text = shown(tmp_path)
    for line in (
        "EPOCH  ledger, shard 3",
        "EXCHANGE  1 verdicts, 2 reservations",
        "a: account 7, market 1, outcome 0, stake 500 at 2.500 -> bet 844425064349697 PENDING",
        "844425064349697 ACCEPTED, known",
        "-> bet 0 602 INSUFFICIENT_FUNDS",
        "verdict on bet 844425064349698: refused: 302 STAKE_OVER_LIMIT",
        "bet 844425064349697: WON, payout 1250, settlement 1",
        "Deposit(account_no 7, amount_minor 5000, ref d-1) -> Deposited(",
    ):  # fmt: skip
        assert line in text, line


def test_slips_with_their_legs_and_bets_are_shown(tmp_path: Path) -> None:
    durable = SLIP_SEQUENCES["slips"].open(DISK, folder=tmp_path)
    SLIP_SEQUENCES["slips"].run(durable)
    durable.close()
    text = shown(tmp_path)
    first = 844425064349697
    for line in (
        "EXCHANGE_SLIPS  0 verdicts, 4 reservations, 1 bets of slips",
        f"    slip sd: account 7, 2 legs, 1 bets, stake 100 -> bet {first} PENDING\n",
        f"        leg: market 1, outcome 0 at 2.500, event 0, position 0"
        f" -> bet {first + 1} PENDING, charge 100\n",
        f"        leg: market 2, outcome 0 at 2.500, event 1, position 1"
        f" -> bet {first + 2} PENDING, charge 100\n"
        "        bet: 100 a line of 2 of positions 0+1\n"
        f"    reservation ss: account 7, market 1, outcome 0, stake 50 at 2.500"
        f" -> bet {first + 3} PENDING\n",
        "        bet: 10 a line of 2+3 of positions 0+1+2\n",
        f"slip sd: account 7, 2 legs, 1 bets, stake 100 -> bet {first} ACCEPTED, known",
        f"-> bet {first + 4} REFUSED 210 LEG_REFUSED, known",
        f"-> bet {first + 6} REFUSED 302 STAKE_OVER_LIMIT, known",
        "-> bet 0 211 STAKE_MISMATCH",
        "CHARGES  1 charges of legs",
        f"    leg {first + 5}: market 1, charge 0, change 1, released\n",
        f"    leg {first + 2}: market 2, charge 250, change 1\n",
        f"    leg {first + 1}: WON, gives back 2500/1000, settlement 1 at 2.500\n",
    ):
        assert line in text, line


def test_bets_of_slips_without_a_head_and_every_field_of_a_bet_are_shown(tmp_path: Path) -> None:
    bets = np.concatenate([slip_bet(5, sizes=[1], of=3), slip_bet(6, sizes=[0], of=1)])
    bets["bankers"], bets["payout_minor_max"] = (0b101, 0), (900, 0)
    durable = LEDGER.open(DISK, folder=tmp_path)
    durable.exchange(verdicts(), reservations("single"), 5, bets)
    durable.close()
    text = shown(tmp_path)
    assert (
        "    of no slip: bet: 5 a line of 1 of positions 0+1+2, bankers 0+2, payout at most 900\n"
    ) in text
    assert "    of no slip: bet: 6 a line of 0 of positions 0\n" in text


def test_legs_are_shown_at_their_markets(tmp_path: Path) -> None:
    durable = SLIP_SEQUENCES["legs"].open(DISK, folder=tmp_path)
    SLIP_SEQUENCES["legs"].run(durable)
    durable.close()
    text = shown(tmp_path)
    for line in (
        "leg 844424930131969: account 7, market 1, outcome 1, charge 101 at 2.500 -> accepted",
        "bet 844424930131971: account 7, market 1, outcome 0, stake 103 at 2.500 -> accepted",
        "fence of leg 844424930131973: ",
        "CHARGES  1 charges of legs",
        "leg 844424930131969: market 1, charge 0, change 1, released",
        "leg 844424930131972: market 2, charge 250, change 3\n",
    ):
        assert line in text, line


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"early_lead": 2, "early_flags": FLAG_PRE_MATCH}, "leg {}: open, led by 2, placed before"),
        ({}, "bet or leg {}: open, settlement 3 at"),
        (
            {"early_lead": 1, "back_den": 2, "payout_minor": 5, "result": 1},
            "leg {}: WON, gives back 5/2, led by 1, settlement 3 at",
        ),
    ],
)
def test_leads_and_legs_that_are_open_again_are_shown(
    tmp_path: Path, fields: dict[str, int], text: str
) -> None:
    durable = LEDGER.open(DISK, folder=tmp_path)
    LEDGER.run(durable)
    rows = settlements(99, result=0)
    rows["payout_minor"], rows["settlement_no"] = 0, 3
    for name, value in fields.items():
        rows[name] = value
    durable.settle(rows, 99)
    durable.close()
    assert text.format(rows["bet_id"][0]) in shown(tmp_path)


def test_a_settlement_that_no_market_can_have_sent_is_shown_too(tmp_path: Path) -> None:
    durable = LEDGER.open(DISK, folder=tmp_path)
    LEDGER.run(durable)
    assert len(durable.settle(settlements(99, result=7), 99)) == 1
    durable.close()
    assert "result 7, payout 1250, settlement 1" in shown(tmp_path)


def test_over_the_limit_records_keep_their_line_and_rows_are_counted(folder: Path) -> None:
    complete, short, none = shown(folder), shown(folder, limit=3), shown(folder, limit=0)
    records = [line for line in complete.splitlines() if "epoch 1" in line]
    rows = len(complete.splitlines()) - len(records) - 1  # the last line is about the tail
    assert [line for line in none.splitlines() if "epoch 1" in line] == records
    assert f"({rows} rows are not shown" in none
    assert f"({rows - 3} rows are not shown" in short


def test_an_undamaged_journal_verifies_with_counts_and_hash(name: str, folder: Path) -> None:
    text = verified(folder)
    assert replay_hash(folder) in text
    assert "1 EPOCH" in text
    assert "1 snapshots equal the replayed state" in text
    assert "from record 1 on" in text
    assert "no closing mark" in text


def test_a_journal_that_was_closed_in_order_says_so(tmp_path: Path) -> None:
    durable = MARKETS.open(DISK, folder=tmp_path)
    MARKETS.run(durable)
    assert durable.end(9_000) == durable.seq
    assert "closed in order" in verified(tmp_path)
    assert "CLOSE  an orderly end" in shown(tmp_path)
    reopened = MARKETS.open(DISK, folder=tmp_path)
    assert reopened.recovery.closed
    assert replayed(tmp_path) == MARKETS.hashes[-1]
    reopened.close()


def test_one_segment_is_checked_without_a_replay(folder: Path) -> None:
    for path in segment_paths(DISK, folder):
        assert "nothing was replayed" in verified(path)
        assert shown(path)


def test_a_journal_without_its_first_segments_verifies_from_its_oldest_snapshot(
    name: str, tmp_path: Path
) -> None:
    sequence = SEQUENCES[name]
    durable = sequence.open(DISK, folder=tmp_path)
    for number in range(len(sequence.steps)):
        sequence.run_step(durable, number)
        if number in {5, 8}:
            durable.snapshot(at_ns=number)
    durable.close()
    assert segment_paths(DISK, tmp_path)[0].name > f"{1:020d}"
    text = verified(tmp_path)
    assert replay_hash(tmp_path) in text
    assert replayed(tmp_path) == sequence.hashes[-1]
    assert "from the snapshot at 7 on" in text
    assert shown(tmp_path)
    oldest = snapshot_paths(DISK, tmp_path)[-1]
    oldest.write_bytes(b"x")
    assert "DAMAGED" in verified(tmp_path, good=False)


def test_damage_is_named_by_show_and_verify(folder: Path) -> None:
    path = segment_paths(DISK, folder)[1]
    data = bytearray(path.read_bytes())
    data[60] ^= 4
    path.write_bytes(data)
    where = f"DAMAGED: {path} at byte 0: the checksum is wrong, and later segments follow"
    assert where in shown(folder, good=False)
    assert where in verified(folder, good=False)


def test_a_damaged_snapshot_fails_the_verification(folder: Path) -> None:
    (path,) = snapshot_paths(DISK, folder)
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)
    assert f"DAMAGED: {path}" in verified(folder, good=False)


def test_a_valid_snapshot_of_another_state_fails_the_verification(name: str, folder: Path) -> None:
    (path,) = snapshot_paths(DISK, folder)
    real = read_snapshot(DISK, path)
    state = SEQUENCES[name].machine().dump()
    write_snapshot(DISK, folder, mark=real.mark, point=real.point, at_ns=1, state=state)
    assert "its state differs from the replayed state after record" in verified(folder, good=False)


def test_a_torn_tail_is_reported_and_is_not_damage(folder: Path) -> None:
    path = segment_paths(DISK, folder)[-1]
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data[:-3])
    assert "before this snapshot" in verified(folder, good=False)
    for each in snapshot_paths(DISK, folder):
        each.unlink()
    assert "the next start cuts them" in verified(folder)
    assert "the next start cuts them" in shown(folder)


def test_a_path_without_a_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "nowhere"):
        assert "no journal found" in shown(path, good=False)
        assert "no journal found" in verified(path, good=False)


def test_a_journal_of_documents_is_shown_and_its_chain_is_checked(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(("nbytes", "bars"), [(BAR_BYTES, True), (BAR_BYTES // 2, False)])
def test_a_bar_is_drawn_on_standard_error_for_a_long_journal_alone(
    nbytes: int,
    bars: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then writes as to a terminal
    monkeypatch.setenv("TERM", "xterm")
    durable = MARKETS.open(DISK, folder=tmp_path, options=JournalOptions(allocate_bytes=nbytes))
    MARKETS.run(durable)
    durable.close()
    without = verified(tmp_path, progress=False)
    assert capsys.readouterr().err == ""
    assert verified(tmp_path, progress=True) == without
    assert ("%" in capsys.readouterr().err) is bars


def test_an_offer_and_a_free_bet_are_shown_with_their_slips(tmp_path: Path) -> None:
    durable = SEQUENCES_4["ledger"].open(DISK, folder=tmp_path)
    SEQUENCES_4["ledger"].run(durable)
    durable.close()
    text = shown(tmp_path)
    assert "slip of: account 7, 2 legs, 1 bets, stake 100, free bet 1 -> bet" in text
    assert "slip oi: account 7, 2 legs, 1 bets, stake 100, offer 5 -> bet" in text
