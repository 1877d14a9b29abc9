"""What only an audit of the data folder compares: whose journals and markets these are."""

import shutil
from pathlib import Path

from actors.audit import audit_folder
from persistence.chain import segment_paths
from persistence.disk import LocalDisk
from tests.actors.supervised import MARKET, SupervisedShells
from tests.actors.trade import market
from tests.actors.virtual import run_virtual

SHELLS = ("account-000", "account-001", "market-00000", "market-00001")


def recorded(folder: Path) -> None:
    """Leave two account shards and two market shells with one market each."""

    async def main() -> None:
        async with SupervisedShells(folder, account_shards=2) as system:
            await system.create(market("a/1x2"), market("b/1x2"))

    run_virtual(main())
    assert audit_folder(folder).faults == []


def put_in_place_of(folder: Path, *, shell: str, other: str) -> list[str]:
    """Replace a shell's journal by a copy of another's; return the audit's faults."""
    shells = folder / "shells"
    shutil.rmtree(shells / shell)
    shutil.copytree(shells / other, shells / shell)
    return audit_folder(folder).faults


def test_the_journal_of_another_account_shard_is_a_fault(tmp_path: Path) -> None:
    recorded(tmp_path)
    faults = put_in_place_of(tmp_path, shell="account-001", other="account-000")
    assert faults == ["account-001: it holds the journal of another shell (account shard 0)"]


def test_markets_in_place_of_accounts_and_the_reverse_are_faults(tmp_path: Path) -> None:
    recorded(tmp_path)
    faults = put_in_place_of(tmp_path, shell="account-001", other=MARKET)
    assert "account-001: it holds the journal of another shell (markets)" in faults
    faults = put_in_place_of(tmp_path, shell=MARKET, other="account-000")
    assert f"{MARKET}: it holds the journal of another shell (account shard 0)" in faults


def test_a_market_in_another_shell_than_the_directory_says_is_a_fault(tmp_path: Path) -> None:
    recorded(tmp_path)
    faults = put_in_place_of(tmp_path, shell="market-00001", other=MARKET)
    assert f"market-00001: its market 1 belongs to {MARKET} by the directory" in faults


def test_a_market_whose_number_has_another_key_in_the_directory_is_a_fault(tmp_path: Path) -> None:
    recorded(tmp_path / "one")

    async def main() -> None:
        async with SupervisedShells(tmp_path / "two", account_shards=2) as system:
            await system.create(market("z/1x2"), market("b/1x2"))

    run_virtual(main())
    shutil.rmtree(tmp_path / "one" / "directory")
    shutil.copytree(tmp_path / "two" / "directory", tmp_path / "one" / "directory")
    assert f"{MARKET}: market 1 is a/1x2, by the directory z/1x2" in (
        audit_folder(tmp_path / "one").faults
    )


def test_a_folder_whose_account_shards_are_all_damaged_is_audited(tmp_path: Path) -> None:
    recorded(tmp_path)
    for shell in SHELLS:
        path = segment_paths(LocalDisk(), tmp_path / "shells" / shell)[0]
        data = bytearray(path.read_bytes())
        data[50] ^= 1
        path.write_bytes(data)
    report = audit_folder(tmp_path)
    assert [fault.partition(":")[0] for fault in report.faults] == list(SHELLS)
    assert all(": damaged: " in fault for fault in report.faults)


def test_an_account_shard_that_is_gone_from_folder_and_directory_is_named(tmp_path: Path) -> None:
    recorded(tmp_path)
    shutil.rmtree(tmp_path / "shells" / "account-001")
    assert "account-001: there is no journal" in audit_folder(tmp_path).faults
