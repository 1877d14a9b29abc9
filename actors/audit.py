"""Audit a stopped bookmaker's data folder: every journal, and all of them against one another.

Owns what is compared and the words for each finding. Reads only; holds the directory's lock while
it reads, so that no bookmaker serves meanwhile. Never repairs anything.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from actors.directory import Directory
from actors.messages import ReconciliationReport
from actors.reconciliation import (
    DIFFERENCES_SHOWN_MAX,
    ShardSlips,
    charge_differences,
    compare_bets_and_slips,
    settlement_differences,
)
from actors.routes import account_shell_name
from actors.slip_payouts import SlipCheck
from actors.stated_results import machine_differences
from actors.tail_check import missing_records
from engine.common.ids import ShardNo
from engine.common.rows import CHARGE, SETTLEMENT, SlipKind
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from engine.market.market import MarketMachine
from engine.market.outbox import ROWS_PER_BET_MAX
from persistence.chain import JournalDamagedError
from persistence.disk import Disk, LocalDisk
from persistence.journal import LOCK_NAME
from persistence.records import EpochMark
from persistence.recovery import MARKETS, replay_folder


class AuditReport(NamedTuple):
    """What an audit found; `faults` is empty when everything agrees."""

    journals: list[str]
    """One line for each journal that could be read."""
    faults: list[str]
    books: ReconciliationReport


def audit_folder(data_dir: Path, *, disk: Disk | None = None) -> AuditReport:
    """Replay every journal of a data folder and compare accounts, markets and directory.

    Raises
    ------
    LockHeldError
        When a bookmaker serves this folder.
    JournalDamagedError
        When the directory itself is damaged.
    FileNotFoundError
        When the folder holds no directory.
    """
    disk = disk or LocalDisk()
    lock = disk.lock(data_dir / "directory" / LOCK_NAME)
    try:
        return _audit(data_dir, disk)
    finally:
        lock.close()


def _audit(data_dir: Path, disk: Disk) -> AuditReport:
    directory = Directory.read(data_dir / "directory", disk=disk)
    journals: list[str] = []
    faults: list[str] = []
    markets: dict[str, MarketMachine] = {}
    ledgers: dict[ShardNo, LedgerMachine] = {}
    shards = {account_shell_name(ShardNo(no)): no for no in range(directory.account_shards)}
    known = {*directory.last_seqs, *directory.generations, *directory.shells, *shards}
    present = set(disk.names(data_dir / "shells"))
    faults += [
        f"{name}: the directory does not know this shell" for name in sorted(present - known)
    ]
    for name in sorted(known):
        try:
            replayed = replay_folder(data_dir / "shells" / name, disk=disk)
        except FileNotFoundError:
            # A start that was cut short may leave a shell without a journal. Bets that it lost are
            # found where its accounts hold them.
            lost = name in directory.last_seqs
            (faults if lost else journals).append(f"{name}: there is no journal")
            continue
        except JournalDamagedError as error:
            faults.append(f"{name}: damaged: {error}")
            continue
        seq, torn = replayed.tail.point.seq, replayed.tail.torn_bytes
        missing = missing_records(found_seq=seq, ended_seq=directory.last_seqs.get(name, 0))
        if missing:
            faults.append(f"{name}: {missing}")
        end = "ended in order" if replayed.replay.closed else f"no closing mark, {torn} torn bytes"
        machine: Any = replayed.replay.machine
        journals.append(f"{name}: {seq} records, {end}, state {machine.state_hash()}")
        mark = replayed.replay.mark
        if isinstance(machine, MarketMachine) and name not in shards:
            markets[name] = machine
            faults += _hosting_faults(name, machine, directory)
        elif isinstance(machine, LedgerMachine) and shards.get(name) == mark.shard:
            ledgers[mark.shard] = machine
        else:
            faults.append(f"{name}: it holds the journal of another shell ({_titled(mark)})")
    faults += _tail_faults(markets, ledgers)
    faults += _disputes(ledgers)
    books = _compare(markets, ledgers)
    faults += books.differences
    faults += _settlement_faults(markets, ledgers)
    faults += _stated_faults(markets)
    hidden = books.differences_found - len(books.differences)
    if hidden:
        faults.append(f"and {hidden} further differences of that kind")
    if not books.sums_to_zero:
        faults.append("the ledger does not sum to zero")
    return AuditReport(journals, faults, books)


def _titled(mark: EpochMark) -> str:
    return "markets" if mark.machine == MARKETS else f"account shard {mark.shard}"


def _hosting_faults(name: str, machine: MarketMachine, directory: Directory) -> Iterator[str]:
    """Yield markets that the directory does not know, or knows as others or in another shell."""
    for number in machine.market_nos():
        placed = directory.markets.get(number)
        key = machine.price_image(number).key
        if placed is None:
            yield f"{name}: the directory does not know its market {number}"
        elif placed.shell != name:
            yield f"{name}: its market {number} belongs to {placed.shell} by the directory"
        elif placed.command.key != key:
            yield f"{name}: market {number} is {key}, by the directory {placed.command.key}"


def _tail_faults(
    markets: dict[str, MarketMachine], ledgers: dict[ShardNo, LedgerMachine]
) -> Iterator[str]:
    """Yield account shards whose markets have decided bets that the shard does not know."""
    for name, machine in markets.items():
        for shard, bet in machine.highest_bet_ids().items():
            last = ledgers[shard].last_bet_id if shard in ledgers else 0
            if bet > last:
                yield f"account shard {shard}: {name} has decided bet {bet}, its last is {last}"


def _disputes(ledgers: dict[ShardNo, LedgerMachine]) -> Iterator[str]:
    for shard, ledger in ledgers.items():
        for row in ledger.disputes():
            yield (
                f"bet {row['bet_id']}: its settlement {row['settlement_no']} of "
                f"{row['payout_minor']} is in dispute in account shard {shard}"
            )


def _settlement_faults(
    markets: dict[str, MarketMachine], ledgers: dict[ShardNo, LedgerMachine]
) -> list[str]:
    """Return bets whose account was settled otherwise than their market says, the first ones."""
    standing, waiting = [np.zeros(0, SETTLEMENT)], [np.zeros(0, np.uint64)]
    for machine in markets.values():
        standing += map(machine.present_resolutions, machine.market_nos())
        waiting += [
            machine.outbox(shard=shard, limit=machine.bets_len * ROWS_PER_BET_MAX)["bet_id"]
            for shard in machine.outbox_shards()
        ]
    slips = [np.zeros(0, SLIP), *(ledger.slips() for ledger in ledgers.values())]
    found = settlement_differences(
        np.concatenate(slips), np.concatenate(standing), np.concatenate(waiting)
    )
    return _first(found, "settlements")


def _stated_faults(markets: dict[str, MarketMachine]) -> list[str]:
    """Return markets whose stated result is not that of their bets, the first ones."""
    found = [line for machine in markets.values() for line in machine_differences(machine)]
    return _first(found, "results")


def _first(found: list[str], what: str) -> list[str]:
    """Return the first differences, and how many more there are."""
    hidden = len(found) - DIFFERENCES_SHOWN_MAX
    rest = [f"and {hidden} further {what} that differ"] if hidden > 0 else []
    return found[:DIFFERENCES_SHOWN_MAX] + rest


def _compare(
    markets: dict[str, MarketMachine], ledgers: dict[ShardNo, LedgerMachine]
) -> ReconciliationReport:
    bets = [np.zeros(0, BET_RECORD), *(machine.bets() for machine in markets.values())]
    shards = [
        ShardSlips(
            shard,
            ledger.slips(),
            ledger.slip_bets(),
            ledger.slip_currencies(),
            ledger.totals(),
            quiet=True,
        )
        for shard, ledger in ledgers.items()
    ]
    checks = [SlipCheck(shard.slips, shard.bets).check() for shard in shards]
    found = [line for checked in checks for line in checked.differences]
    slips = np.concatenate([np.zeros(0, SLIP), *(shard.slips for shard in shards)])
    legs = slips[slips["kind"] == SlipKind.LEG]
    charges = [np.zeros(0, CHARGE), *(each.charges_of(legs["bet_id"]) for each in markets.values())]
    found += charge_differences(legs, np.concatenate(charges))
    return compare_bets_and_slips(
        bets=np.concatenate(bets),
        shards=shards,
        further=found,
        charges_waiting=sum(checked.waiting for checked in checks),
    )
