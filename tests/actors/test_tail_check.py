"""A journal that has lost its end is found by what the other journals know, and named."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.audit import audit_folder
from actors.local import LocalProcess
from actors.messages import ShellState
from actors.peer import PeerDiedError
from actors.process import PartSpec
from engine.common.commands import AckOutbox, OpenMarket
from engine.common.rows import RESERVED
from persistence.chain import segment_paths
from persistence.disk import LocalDisk, LockHeldError
from tests.actors.supervised import MARKET, SupervisedShells
from tests.actors.trade import (
    bets_of,
    fund,
    market,
    market_control,
    reservations,
    settle_home,
)
from tests.actors.virtual import run_virtual
from tests.faults.tampering import records_of

ACCOUNT = "account-000"


def trade(system: SupervisedShells, *refs: str) -> list[int]:
    """Reserve, decide and post one bet for each ref, each in records of its own."""
    account, shell = (system.local_process(name).target for name in (ACCOUNT, MARKET))
    given: list[int] = []
    for ref in refs:
        requests = reservations([ref])
        answer = account.exchange(b"", requests.tobytes())
        given += np.frombuffer(answer, RESERVED)["bet_id"].tolist()
        decisions = shell.place(bets_of(requests, answer).tobytes())
        account.exchange(decisions, b"")
    return given


async def open_and_trade(system: SupervisedShells) -> list[int]:
    await system.create(market())
    fund(system.local_process(ACCOUNT).target, [2])
    system.local_process().target.control(market_control(OpenMarket(market_no=1)))
    return trade(system, "a", "b", "c")


def cut(folder: Path, shell: str, *, records: int) -> None:
    """Cut the last records off a shell's journal, leaving whole records only."""
    path = segment_paths(LocalDisk(), folder / "shells" / shell)[-1]
    found = records_of(LocalDisk(), path)
    data = bytearray(path.read_bytes())
    first = found[-records].offset
    data[first:] = bytes(len(data) - first)
    path.write_bytes(data)


def flip(folder: Path, shell: str) -> None:
    """Flip one bit in the last record of a shell's journal."""
    path = segment_paths(LocalDisk(), folder / "shells" / shell)[-1]
    last = records_of(LocalDisk(), path)[-1]
    data = bytearray(path.read_bytes())
    data[last.offset + 9] ^= 1
    path.write_bytes(data)


def kill(system: SupervisedShells) -> None:
    for name in (ACCOUNT, MARKET):
        system.local_process(name).kill()


async def state_after_a_start(folder: Path, shell: str, **settings: Any) -> tuple[ShellState, str]:
    async with SupervisedShells(folder, **settings) as system:
        status = system.status(shell)
        return status.state, status.why


@pytest.mark.parametrize("shell", [ACCOUNT, MARKET])
@pytest.mark.parametrize("damage", [flip, lambda *where: cut(*where, records=1)])
def test_a_last_record_lost_after_an_orderly_stop_is_found(
    shell: str, damage: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_and_trade(system)
        assert audit_folder(tmp_path).faults == []
        damage(tmp_path, shell)
        (fault,) = audit_folder(tmp_path).faults
        assert fault.startswith(f"{shell}: the end of the journal is missing: it ended in order")
        state, why = await state_after_a_start(tmp_path, shell)
        assert state is ShellState.QUARANTINED
        assert "the end of the journal is missing" in why

    run_virtual(main())


@pytest.mark.parametrize("records", [1, 2, 3])
def test_a_killed_market_whose_accepted_bets_are_lost_is_quarantined(
    records: int, tmp_path: Path
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            given = await open_and_trade(system)
            kill(system)
            system.launcher.make_process = _never
        cut(tmp_path, MARKET, records=records)
        faults = audit_folder(tmp_path).faults
        lost = sorted(given)[-records:]
        assert all(any(str(bet) in fault for fault in faults) for bet in lost), faults
        state, why = await state_after_a_start(tmp_path, MARKET)
        assert state is ShellState.QUARANTINED
        assert f"{records} of 3 bets" in why
        assert f"the first is bet {lost[0]}" in why
        settings: Any = {"serve_despite_loss": (MARKET,)}
        state, _ = await state_after_a_start(tmp_path, MARKET, **settings)
        assert state is ShellState.SERVING

    run_virtual(main())


def test_a_market_that_came_up_without_its_account_is_compared_when_the_account_comes_up(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            given = await open_and_trade(system)

            def without_account(spec: PartSpec) -> LocalProcess:
                if spec.name == ACCOUNT:
                    raise PeerDiedError("it does not start")
                return LocalProcess(spec)

            system.launcher.make_process = without_account
            kill(system)
            cut(tmp_path, MARKET, records=1)
            await system.until_serving(generation=2)
            system.launcher.make_process = LocalProcess
            quarantined = ShellState.QUARANTINED
            await system.until(lambda: system.status(MARKET).state is quarantined)
            assert f"the first is bet {given[-1]}" in system.status(MARKET).why
            assert system.status(ACCOUNT).state is ShellState.SERVING

    run_virtual(main())


def test_a_killed_account_whose_reservations_are_lost_is_quarantined_and_gives_no_id_twice(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            given = await open_and_trade(system)
            kill(system)
            system.launcher.make_process = _never
        cut(tmp_path, ACCOUNT, records=2)
        faults = audit_folder(tmp_path).faults
        assert any(f"has decided bet {given[-1]}" in fault for fault in faults), faults
        async with SupervisedShells(tmp_path) as system:
            quarantined = ShellState.QUARANTINED
            await system.until(lambda: system.status(ACCOUNT).state is quarantined)
            assert f"{MARKET} has decided bet {given[-1]}" in system.status(ACCOUNT).why
        settings: Any = {"serve_despite_loss": (ACCOUNT,)}
        async with SupervisedShells(tmp_path, **settings) as system:
            answer = system.local_process(ACCOUNT).target.exchange(
                b"", reservations(["new"]).tobytes()
            )
            (bet,) = np.frombuffer(answer, RESERVED)["bet_id"].tolist()
            assert bet not in given
            assert bet > max(given)

    run_virtual(main())


def test_a_lost_settlement_that_its_market_has_forgotten_is_found_by_the_audit(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            given = await open_and_trade(system)
            shell, account = (system.local_process(name).target for name in (MARKET, ACCOUNT))
            shell.control(market_control(settle_home()))
            account.settle(shell.outbox(0, 99))
            shell.control(market_control(AckOutbox(shard=0, upto=3)))
            kill(system)
            system.launcher.make_process = _never
        assert audit_folder(tmp_path).faults == []
        cut(tmp_path, ACCOUNT, records=1)
        faults = audit_folder(tmp_path).faults
        assert sorted(faults) == [
            f"bet {bet}: WON with 200 paid in its market, NONE with 0 paid in its account"
            for bet in sorted(given)
        ]

    run_virtual(main())


def test_a_directory_that_has_lost_its_last_records_is_found_by_the_audit(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market())
        path = segment_paths(LocalDisk(), tmp_path / "directory")[-1]
        found = records_of(LocalDisk(), path)
        data = bytearray(path.read_bytes())
        data[found[3].offset :] = bytes(len(data) - found[3].offset)  # founded, account's start
        path.write_bytes(data)
        assert audit_folder(tmp_path).faults == [
            f"{MARKET}: the directory does not know this shell"
        ]

    run_virtual(main())


def test_an_account_restored_from_an_old_copy_gives_no_bet_id_twice(tmp_path: Path) -> None:
    async def main() -> None:
        shell = tmp_path / "shells" / ACCOUNT
        async with SupervisedShells(tmp_path) as system:
            await open_and_trade(system)
        shutil.copytree(shell, tmp_path / "copy")
        async with SupervisedShells(tmp_path) as system:
            given = trade(system, "d", "e")
        shutil.rmtree(shell)
        shutil.copytree(tmp_path / "copy", shell)
        shutil.rmtree(tmp_path / "copy")
        settings: Any = {"serve_despite_loss": (ACCOUNT,)}
        async with SupervisedShells(tmp_path, **settings) as system:
            assert not set(trade(system, "f", "g")) & set(given)

    run_virtual(main())


def test_killed_shells_that_lost_nothing_serve_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_and_trade(system)
            kill(system)
            await system.until(lambda: system.status(MARKET).state is ShellState.SERVING)
            await system.until(lambda: system.status(ACCOUNT).state is ShellState.SERVING)
            trade(system, "d")
        assert audit_folder(tmp_path).faults == []

    run_virtual(main())


def test_a_folder_that_a_bookmaker_serves_is_not_audited(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path):
            with pytest.raises(LockHeldError):
                audit_folder(tmp_path)

    run_virtual(main())


def test_a_missing_or_damaged_journal_is_a_fault_of_the_audit(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await open_and_trade(system)
        path = segment_paths(LocalDisk(), tmp_path / "shells" / MARKET)[0]
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
        assert any(
            fault.startswith(f"{MARKET}: damaged") for fault in audit_folder(tmp_path).faults
        )
        path.unlink()
        assert f"{MARKET}: there is no journal" in audit_folder(tmp_path).faults

    run_virtual(main())


def _never(_spec: Any) -> Any:
    raise RuntimeError("no process is started any more")
