"""The account shell on a faulty disk: stakes, settlements, notifications, and its failures."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from actors.account_shell import AccountShell
from actors.exit_codes import EXIT_JOURNAL_BROKEN
from actors.messages import (
    AccountEventKind,
    BalanceQuery,
    LedgerControl,
    OpenBetsQuery,
    ShellState,
    decode_balance,
    decode_health,
    decode_ledger_events,
    decode_slips,
    decode_totals,
    encode,
)
from actors.peer import PeerRefusedError
from engine.common.commands import Deposit
from engine.common.reasons import Reason
from engine.common.rows import (
    BET,
    DECISION,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_UNMARKED,
    RESERVED,
    SETTLEMENT,
    BetResult,
    Rows,
    SlipState,
)
from persistence.journal import JournalBrokenError
from persistence.snapshot import snapshot_path
from tests.actors.stand_ins import RecordingGateway
from tests.actors.trade import FOLDER, account_shell_on, fund, reservations, slip
from tests.faults.faulty_disk import FaultyDisk


def reserve(shell: AccountShell, *refs: str, account_no: int = 2) -> Rows:
    requests = reservations(refs, account_no=account_no)
    rows: Rows = np.frombuffer(shell.exchange(b"", requests.tobytes()), RESERVED)
    return rows


def verdicts(*bet_ids: int, reason: int = 0) -> bytes:
    rows = np.zeros(len(bet_ids), DECISION)
    rows["bet_id"] = bet_ids
    rows["odds_milli"] = 2_000
    rows["reason"] = reason
    return rows.tobytes()


def settlement(
    bet_id: int, *, payout_minor: int = 200, number: int = 1, result: BetResult = BetResult.WON
) -> bytes:
    rows = np.zeros(1, SETTLEMENT)
    rows["bet_id"] = bet_id
    rows["payout_minor"] = payout_minor
    rows["outbox_seq"] = 1
    rows["settlement_no"] = number
    rows["result"] = result
    return rows.tobytes()


def test_a_stake_is_reserved_posted_and_paid():
    shell = account_shell_on(FaultyDisk())
    fund(shell, [2], amount_minor=1_000)
    (reserved,) = reserve(shell, "a")
    assert reserved["state"] == SlipState.PENDING
    shell.exchange(verdicts(reserved["bet_id"]), b"")
    assert slip(shell, "a").state is SlipState.ACCEPTED
    for _ in range(2):
        assert shell.settle(settlement(reserved["bet_id"])) == 1
    balance = decode_balance(shell.query(encode(BalanceQuery(account_no=2))))
    assert balance is not None
    assert balance.available_minor == 1_100


def test_a_repeated_ref_gets_the_first_answer_across_a_kill():
    disk = FaultyDisk()
    shell = account_shell_on(disk)
    fund(shell, [2])
    (first,) = reserve(shell, "a")
    restarted = account_shell_on(disk.killed(calls=len(disk.trace)))
    (second,) = reserve(restarted, "a")
    assert second["bet_id"] == first["bet_id"]
    assert second["flags"] & FLAG_KNOWN
    assert len(decode_slips(restarted.query(encode(OpenBetsQuery(account_no=2))))) == 1


def test_gateways_receive_settlements_late_verdicts_and_money_of_watched_accounts():
    shell, gateway = account_shell_on(FaultyDisk()), RecordingGateway()
    fund(shell, [2, 4])
    shell.set_gateways([gateway])
    shell.watch(gateway.name, [2])
    mine, late = reserve(shell, "a", "b")["bet_id"].tolist()
    (other,) = reserve(shell, "c", account_no=4)["bet_id"].tolist()
    shell.exchange(verdicts(mine, other), b"")
    assert gateway.notified == []
    shell.settle(settlement(mine))
    shell.settle(settlement(other))
    shell.resolve(verdicts(late, reason=Reason.FENCED))
    deposits = tuple(Deposit(account_no=no, amount_minor=5, ref=f"d{no}") for no in (2, 4, 2))
    shell.control(encode(LedgerControl(by="cashier", commands=deposits)))
    kinds = [kind for _, _, kind in gateway.notified]
    assert kinds == [
        AccountEventKind.SETTLED,
        AccountEventKind.RESOLVED,
        AccountEventKind.CREDITED,
    ]
    assert [s.ref for s in decode_slips(gateway.notified[0][1])] == ["a"]
    assert [s.state for s in decode_slips(gateway.notified[1][1])] == [SlipState.REFUSED]
    assert [e.ref for e in decode_ledger_events(gateway.notified[2][1])] == ["d2"]
    shell.unwatch(gateway.name, [2, 99])
    shell.control(
        encode(LedgerControl(by="x", commands=(Deposit(account_no=2, amount_minor=1, ref="z"),)))
    )
    assert len(gateway.notified) == 3


def test_the_settlement_after_one_in_dispute_is_sent_to_its_owner():
    shell, gateway = account_shell_on(FaultyDisk()), RecordingGateway()
    fund(shell, [2])
    shell.set_gateways([gateway])
    shell.watch(gateway.name, [2])
    (bet_id,) = reserve(shell, "a")["bet_id"].tolist()
    assert shell.settle(settlement(bet_id, payout_minor=-1)) == 1
    assert decode_health(shell.tick()).disputes == 1
    assert gateway.notified == []
    assert shell.settle(settlement(bet_id, number=2)) == 1
    assert [s.payout_minor for s in decode_slips(gateway.notified[0][1])] == [200]


def test_a_reopened_bet_is_sent_to_the_gateway_and_survives_a_kill():
    disk = FaultyDisk()
    shell, gateway = account_shell_on(disk), RecordingGateway()
    fund(shell, [2], amount_minor=1_000)
    (bet_id,) = reserve(shell, "a")["bet_id"].tolist()
    shell.exchange(verdicts(bet_id), b"")
    shell.settle(settlement(bet_id))
    shell.set_gateways([gateway])
    shell.watch(gateway.name, [2])
    assert shell.settle(settlement(bet_id, payout_minor=0, number=2, result=BetResult.NONE)) == 1
    ((_, payload, kind),) = gateway.notified
    (reopened,) = decode_slips(payload)
    assert kind == AccountEventKind.SETTLED
    assert (reopened.state, reopened.result, reopened.payout_minor) == (
        SlipState.ACCEPTED,
        BetResult.NONE,
        0,
    )
    restarted = account_shell_on(disk.killed(calls=len(disk.trace)))
    assert restarted.state_hash() == shell.state_hash()
    assert decode_slips(restarted.query(encode(OpenBetsQuery(account_no=2)))) == [reopened]
    balance = decode_balance(restarted.query(encode(BalanceQuery(account_no=2))))
    assert balance is not None
    assert (balance.available_minor, balance.at_stake_minor) == (900, 100)


@pytest.mark.parametrize("shard", [0, 4_000])
def test_old_pending_bets_are_returned_as_fences(shard: int):
    """Bet ids of high shards are over 2**53, where float64 does not tell neighbours apart."""
    shell = account_shell_on(FaultyDisk(), shard=shard)
    fund(shell, [2])
    reserve(shell, "a")
    old = shell.last_bet_id()
    reserve(shell, "b")
    rows = np.frombuffer(shell.pending(old, 10), BET)
    assert rows["bet_id"].tolist() == [old]
    assert rows["flags"].tolist() == [FLAG_FENCE]
    assert rows["stake_minor"].tolist() == [100]


def test_pages_of_slips_and_totals_are_of_one_instant():
    shell = account_shell_on(FaultyDisk())
    fund(shell, [2])
    reserve(shell, "a", "b", "c")
    seq, page, currencies, totals = shell.slips_and_totals(1, 1)
    assert np.frombuffer(currencies, np.uint32).tolist() == [0]
    assert seq == decode_health(shell.tick()).seq
    assert len(page) == len(shell.slips()) // 3
    (total,) = decode_totals(totals)
    assert total.pending_minor == 300


def test_a_broken_journal_ends_the_process_before_a_bet_id_is_returned():
    disk = FaultyDisk()
    codes: list[int] = []
    shell = account_shell_on(disk, exit_process=codes.append)
    fund(shell, [2])
    disk.fail("sync")
    with pytest.raises(JournalBrokenError):
        reserve(shell, "a")
    assert codes == [EXIT_JOURNAL_BROKEN]


@pytest.mark.parametrize(
    "call", ["make folder", "lock", "reopen", "write", "sync", "sync folder", "remove"]
)
def test_a_disk_call_that_fails_during_recovery_ends_the_process_and_not_the_service(call: str):
    before = FaultyDisk()
    shell = account_shell_on(before)
    fund(shell, [2])
    reserve(shell, "a")
    left = snapshot_path(Path(FOLDER), seq=2)
    disk = FaultyDisk.of({**before.files(), left.with_name(f"{left.name}.tmp"): b"unfinished"})
    disk.fail(call)
    codes: list[int] = []
    with pytest.raises(JournalBrokenError, match="planted"):
        account_shell_on(disk, exit_process=codes.append)
    assert codes == [EXIT_JOURNAL_BROKEN]
    restarted = account_shell_on(disk)
    assert decode_health(restarted.tick()).state is ShellState.SERVING
    assert slip(restarted, "a").state is SlipState.PENDING


def fill(disk: FaultyDisk, shell: AccountShell) -> None:
    """Use up the disk, and then what the journal has allocated ahead."""
    disk.capacity = sum(map(len, disk.files().values()))
    with contextlib.suppress(PeerRefusedError):
        while True:
            shell.resolve(verdicts(999))


def test_a_full_disk_loses_neither_settlement_nor_verdict():
    disk = FaultyDisk()
    shell = account_shell_on(disk)
    fund(shell, [2])
    (bet_id,) = reserve(shell, "a")["bet_id"].tolist()
    fill(disk, shell)
    before = shell.state_hash()
    (refused,) = reserve(shell, "z")
    assert (refused["reason"], refused["bet_id"]) == (Reason.DISK_FULL, 0)
    (known,) = reserve(shell, "a")
    assert (known["state"], known["flags"]) == (SlipState.PENDING, FLAG_KNOWN | FLAG_UNMARKED)
    assert known["bet_id"] == bet_id
    with pytest.raises(PeerRefusedError):
        shell.resolve(verdicts(bet_id))
    with pytest.raises(PeerRefusedError):
        shell.settle(settlement(bet_id))
    assert shell.exchange(verdicts(bet_id), b"") == b""
    assert shell.state_hash() == before
    disk.capacity = None
    shell.resolve(verdicts(bet_id))
    assert shell.settle(settlement(bet_id)) == 1


def test_a_quarantined_shard_reserves_nothing_and_refuses_settlements_and_verdicts():
    shell = account_shell_on(FaultyDisk(), quarantine="restart budget spent")
    assert decode_health(shell.tick()).state is ShellState.QUARANTINED
    (refused,) = reserve(shell, "a")
    assert (refused["reason"], refused["state"]) == (Reason.QUARANTINED, SlipState.NONE)
    with pytest.raises(PeerRefusedError):
        shell.settle(settlement(1))
    with pytest.raises(PeerRefusedError):
        shell.resolve(verdicts(1))
    assert shell.pending(1 << 62, 10) == b""


def test_a_query_for_a_bet_behind_the_damage_is_refused():
    disk = FaultyDisk()
    shell = account_shell_on(disk)
    fund(shell, [2])
    for ref in ("first-ref", "second-ref", "third-ref"):
        reserve(shell, ref)
    assert slip(shell, "fourth-ref") is None
    files = disk.files()
    (segment,) = [path for path in files if path.name != "lock"]
    data = bytearray(files[segment])
    data[data.index(b"second-ref")] ^= 1
    shell = account_shell_on(FaultyDisk.of({**files, segment: bytes(data)}))
    assert decode_health(shell.tick()).state is ShellState.QUARANTINED
    assert slip(shell, "first-ref").state is SlipState.PENDING
    with pytest.raises(PeerRefusedError):
        slip(shell, "third-ref")
