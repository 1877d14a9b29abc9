"""Words in which tests of shells trade: markets, accounts and rows of bets."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from actors.messages import (
    LedgerControl,
    MarketControl,
    decode_ledger_events,
    decode_market_events,
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

HOME_WINS = (OutcomeResult(won=True), OutcomeResult(won=False), OutcomeResult(won=False))


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


def bets_of(asked: Rows, answer: bytes) -> Rows:
    """The BET rows that a gateway would send for reservations that were answered PENDING."""
    reserved: Rows = np.frombuffer(answer, RESERVED)
    rows: Rows = np.zeros(len(asked), BET)
    for field in ("stake_minor", "account_no", "market_no", "odds_milli", "outcome", "policy"):
        rows[field] = asked[field]
    rows["bet_id"] = reserved["bet_id"]
    rows["rate_micro"] = reserved["rate_micro"]
    return rows


def decisions_of(answer: bytes) -> Rows:
    rows: Rows = np.frombuffer(answer, DECISION)
    return rows


def settle_home(market_no: int = 1) -> SettleMarket:
    return SettleMarket(market_no=market_no, results=HOME_WINS)
