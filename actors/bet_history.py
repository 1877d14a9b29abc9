"""Gather one bet's whole record from the journals of a data folder: from reservation to payment.

Owns which records belong to a bet: the rows of its account's journal and of its markets' that name
it or a leg of its slip, the commands that decided those markets, and the command by which a market
had the odds that it was decided at. Reads only and takes no lock: it can run while shells write.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from actors.directory import Directory
from actors.routes import account_shell_name
from engine.common.ids import BET_REF_BYTES_MAX, AccountNo, BetId, MarketNo, ShardNo, shard_of_bet
from engine.common.rows import FLAG_HEAD, FLAG_LEG_OF_SLIP, Rows
from persistence.chain import ChainReader
from persistence.disk import Disk, LocalDisk
from persistence.frames import Record
from persistence.inspect import described
from persistence.records import Kind, decode_bets, decode_exchange

_NAMED: Final = re.compile(r"\b(?:bet|leg) (\d+)\b")
"""How the text of a record names a bet or a leg."""
_ODDS_ALONE: Final = ("SetOdds(", "FeedUpdate(")
"""Commands that mostly move odds: of those before a decision the last one counts."""
_DECIDES: Final = re.compile(
    r"(?:Settled|Cancelled|RolledBack|Suspended|Resumed|Closed|HandedOver|StatusSet|EarlyPaid"
    r"|BetsVoided|OddsCorrected|BetsRestored)\("
)
"""Events that are shown wherever they stand, within what a feed's update did too."""


class BetLine(NamedTuple):
    """One row of a journal that belongs to a bet."""

    at_ns: int
    shell: str
    seq: int
    text: str


class BetHistory(NamedTuple):
    """One bet or slip, and what the journals have of it in the order of time."""

    bet_id: BetId
    ref: str
    account_no: AccountNo
    legs: int
    lines: list[BetLine]


class _Found(NamedTuple):
    """Where a bet stands: its ids, the head's or the single's first, and its markets."""

    account: str
    ref: str
    account_no: AccountNo
    ids: tuple[int, ...]
    markets: tuple[MarketNo, ...]


def bet_histories(
    data_dir: Path, *, bet_id: BetId | None = None, ref: str = "", disk: Disk | None = None
) -> Iterator[BetHistory]:
    """Yield the history of the bet with an id (a leg's stands for its slip), or all with a ref.

    A ref is unique within an account alone, so several bets may have it.

    Raises
    ------
    JournalDamagedError
        At damage in a journal that is read.
    FileNotFoundError
        When the folder holds no directory.
    """
    disk = disk or LocalDisk()
    directory = Directory.read(data_dir / "directory", disk=disk)
    shards = range(directory.account_shards)
    for shard in shards:
        if bet_id is not None and shard != shard_of_bet(bet_id):
            continue
        account = account_shell_name(ShardNo(shard))
        for found in _find(data_dir / "shells" / account, account, disk, bet_id=bet_id, ref=ref):
            placed = directory.markets
            shells = {no: placed[no].shell for no in found.markets if no in placed}
            lines = sorted(
                _lines(data_dir / "shells", disk, found, shells),
                key=lambda line: (line.at_ns, line.shell, line.seq),
            )
            yield BetHistory(
                BetId(found.ids[0]), found.ref, found.account_no, len(found.ids) - 1, lines
            )


def _records(folder: Path, disk: Disk) -> Iterator[Record]:
    yield from ChainReader(disk, folder, after=None)


def _find(
    folder: Path, account: str, disk: Disk, *, bet_id: BetId | None, ref: str
) -> Iterator[_Found]:
    """Yield the bets of an account shard that were asked for, each once."""
    known: set[int] = set()
    asked = np.frombuffer(ref.encode().ljust(BET_REF_BYTES_MAX, b"\0"), np.uint8)
    if len(asked) > BET_REF_BYTES_MAX:
        return  # no bet can have it
    for record in _records(folder, disk):
        if record.kind not in (Kind.EXCHANGE, Kind.EXCHANGE_SLIPS):
            continue
        exchange = decode_exchange(record.payload, record.kind)
        rows, answers = exchange.reservations, exchange.answers
        if bet_id is not None:
            hits = np.flatnonzero(answers["bet_id"] == bet_id)
        else:
            own = rows["flags"] & FLAG_LEG_OF_SLIP == 0
            refs = np.ascontiguousarray(rows["ref"]).view(np.uint8).reshape(-1, BET_REF_BYTES_MAX)
            hits = np.flatnonzero(own & (refs == asked).all(axis=1) & (answers["bet_id"] != 0))
        for hit in hits.tolist():
            found = _found(rows, answers, hit, account)
            if found.ids[0] not in known:
                known.add(found.ids[0])
                yield found


def _found(rows: Rows, answers: Rows, hit: int, account: str) -> _Found:
    first = hit
    while rows["flags"][first] & FLAG_LEG_OF_SLIP:
        first -= 1
    is_slip = bool(rows["flags"][first] & FLAG_HEAD)
    last = first + 1 + (int(rows["outcome"][first]) if is_slip else 0)
    bets = slice(first + 1, last) if is_slip else slice(first, last)
    return _Found(
        account,
        rows["ref"][first].tobytes().rstrip(b"\0").decode("ascii", "replace"),
        AccountNo(int(rows["account_no"][first])),
        tuple(answers["bet_id"][first:last].tolist()),
        tuple(dict.fromkeys(map(MarketNo, rows["market_no"][bets].tolist()))),
    )


# --- the lines of one bet -------------------------------------------------------------------------


def _lines(
    shells: Path, disk: Disk, found: _Found, shell_of: Mapping[MarketNo, str]
) -> Iterator[BetLine]:
    ids = {str(number) for number in found.ids}
    yield from _of_account(shells / found.account, disk, found, ids)
    for shell in dict.fromkeys(shell_of.values()):
        numbers = [number for number, its in shell_of.items() if its == shell]
        yield from _of_market(shells / shell, disk, shell, numbers, ids)


def _of_account(folder: Path, disk: Disk, found: _Found, ids: set[str]) -> Iterator[BetLine]:
    for record in _records(folder, disk):
        _, rows = described(record)
        follows = False
        for row in rows:
            named = _names(row, ids)
            # Bets of a slip have no id of their own: they stand behind its legs.
            if named or (follows and row.startswith("    ")):
                yield BetLine(record.at_ns, found.account, record.seq, row.strip())
            follows = named or (follows and row.startswith("    "))


def _of_market(
    folder: Path, disk: Disk, shell: str, numbers: Sequence[MarketNo], ids: set[str]
) -> Iterator[BetLine]:
    """Yield the rows that name the bet, what decided its markets, and what set the odds."""
    of_market = {n: re.compile(rf"\bmarket_no {n}\b") for n in numbers}
    odds: dict[MarketNo, BetLine] = {}
    for record in _records(folder, disk):
        if record.kind == Kind.BETS and not _may_name(record, ids):
            continue
        title, rows = described(record)
        if record.kind != Kind.CONTROL:
            for row in rows:
                if _names(row, ids):
                    yield from odds.values()
                    odds.clear()
                    yield BetLine(record.at_ns, shell, record.seq, row.strip())
            continue
        for row in rows:
            for number, pattern in of_market.items():
                if not pattern.search(row):
                    continue
                line = BetLine(record.at_ns, shell, record.seq, f"{title}: {row}")
                if _names(row, ids) or _DECIDES.search(row) or not row.startswith(_ODDS_ALONE):
                    yield line
                else:
                    odds[number] = line


def _may_name(record: Record, ids: set[str]) -> bool:
    bets, _ = decode_bets(record.payload)
    return bool(np.isin(bets["bet_id"], [int(number) for number in ids]).any())


def _names(row: str, ids: set[str]) -> bool:
    return any(number in ids for number in _NAMED.findall(row))
