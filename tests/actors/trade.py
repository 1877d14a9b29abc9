"""Build shells, markets, accounts and rows of bets, settlements and verdicts for tests."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.account_shell import AccountShell
from actors.market_shell import MarketShell
from actors.messages import (
    LedgerControl,
    MarketControl,
    StatusQuery,
    decode_ledger_events,
    decode_market_events,
    decode_slip,
    encode,
)
from engine.common.commands import (
    CreateMarket,
    Deposit,
    Limits,
    MarketCommand,
    OpenAccount,
    OpenMarket,
    OutcomeResult,
    SetRate,
    SettleMarket,
)
from engine.common.rows import BET, DECISION, RESERVATION, RESERVED, Rows
from persistence.journal import JournalOptions
from tests.actors.stand_ins import TickingClock
from tests.faults.faulty_disk import FaultyDisk

FOLDER = "/shell"
HOME_WINS = (OutcomeResult(won=True), OutcomeResult(won=False), OutcomeResult(won=False))


def market_shell_on(disk: FaultyDisk, **arguments: Any) -> MarketShell:
    return MarketShell(
        name="market-00000",
        folder=FOLDER,
        disk=disk,
        **{
            "clock": TickingClock(),
            "options": JournalOptions(snapshot_aside=False),
            **arguments,
        },
    )


def account_shell_on(disk: FaultyDisk, **arguments: Any) -> AccountShell:
    return AccountShell(
        name="account-000",
        folder=FOLDER,
        options=JournalOptions(allocate_bytes=1, snapshot_aside=False),
        disk=disk,
        **{"clock": TickingClock(), "shard": 0, **arguments},
    )


def market(key: str = "cup-1/1x2", *, market_no: int = 0, **limits: int) -> CreateMarket:
    return CreateMarket(
        market_no=market_no,
        key=key,
        outcomes=("home", "draw", "away"),
        odds_milli=(2_000, 3_000, 4_000),
        limits=Limits(**limits),
    )


def market_control(*commands: MarketCommand, by: str = "trader:test") -> bytes:
    return encode(MarketControl(by=by, commands=commands))


def events_of(answer: bytes) -> list[Any]:
    return decode_market_events(answer)


def open_market(shell: Any, *, market_no: int = 1, key: str = "cup-1/1x2", **limits: int) -> None:
    created = market(key, market_no=market_no, **limits)
    answer = shell.control(market_control(created, OpenMarket(market_no=market_no)))
    assert len(events_of(answer)) == 2


def fund(shell: Any, account_nos: Sequence[int], *, amount_minor: int = 1_000_000) -> None:
    commands: list[Any] = [SetRate(currency="EUR")]
    for no in account_nos:
        commands.append(OpenAccount(account_no=no, currency="EUR"))
        commands.append(Deposit(account_no=no, amount_minor=amount_minor, ref=f"first-{no}"))
    payload = encode(LedgerControl(by="test", commands=tuple(commands)))
    assert len(decode_ledger_events(shell.control(payload))) == len(commands)


def reservations(
    refs: Sequence[str],
    *,
    account_no: int | Sequence[int] = 2,
    market_no: int = 1,
    stake_minor: int = 100,
    odds_milli: int = 2_000,
    outcome: int = 0,
) -> Rows:
    rows: Rows = np.zeros(len(refs), RESERVATION)
    rows["ref"] = np.array(refs, "S32").view("<u8").reshape(-1, 4)
    rows["account_no"] = account_no
    rows["market_no"] = market_no
    rows["stake_minor"] = stake_minor
    rows["odds_milli"] = odds_milli
    rows["outcome"] = outcome
    return rows


def bets_of(requests: Rows, answer: bytes) -> Rows:
    """Return the BET rows that a gateway sends after its reservations were answered PENDING."""
    reserved: Rows = np.frombuffer(answer, RESERVED)
    rows: Rows = np.zeros(len(requests), BET)
    for field in ("stake_minor", "account_no", "market_no", "odds_milli", "outcome", "policy"):
        rows[field] = requests[field]
    rows["bet_id"] = reserved["bet_id"]
    rows["rate_micro"] = reserved["rate_micro"]
    return rows


def bets(*bet_ids: int, stake_minor: int = 100, market_no: int = 1) -> Rows:
    """Return BET rows at odds of 2.000 on a market's first outcome."""
    rows: Rows = np.zeros(len(bet_ids), BET)
    rows["bet_id"] = bet_ids
    rows["stake_minor"] = stake_minor
    rows["market_no"] = market_no
    rows["odds_milli"] = 2_000
    rows["rate_micro"] = 1_000_000
    return rows


def slip(shell: AccountShell, ref: str, *, account_no: int = 2) -> Any:
    return decode_slip(shell.query(encode(StatusQuery(account_no=account_no, ref=ref))))


def decisions_of(answer: bytes) -> Rows:
    rows: Rows = np.frombuffer(answer, DECISION)
    return rows


def settle_home(market_no: int = 1) -> SettleMarket:
    return SettleMarket(market_no=market_no, results=HOME_WINS)
