"""Rows and funded ledgers for the ledger's tests, with defaults for the figures not under test."""

from collections.abc import Sequence

import numpy as np

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.events import Refused
from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import DECISION, RESERVATION, SETTLEMENT, BetResult, Policy, Rows
from engine.common.units import BETS_MAX
from engine.ledger.accounts import ref_u64s
from engine.ledger.ledger import LedgerMachine

SHARD = 3
NO_VERDICTS: Rows = np.zeros(0, DECISION)
NO_REQUESTS: Rows = np.zeros(0, RESERVATION)


def bet(serial: int) -> int:
    return bet_id(shard=SHARD, serial=serial)


def reservation(
    ref: str = "a",
    *,
    account_no: int = 7,
    stake_minor: int = 100,
    odds_milli: int = 2_500,
    market_no: int = 1,
    outcome: int = 0,
    policy: int = Policy.NONE,
) -> Rows:
    row = np.zeros(1, RESERVATION)
    row["ref"] = ref_u64s(ref) if ref else (0, 0, 0, 0)
    row["account_no"] = account_no
    row["stake_minor"] = stake_minor
    row["odds_milli"] = odds_milli
    row["market_no"] = market_no
    row["outcome"] = outcome
    row["policy"] = policy
    return row


def verdict(
    bet: int, reason: int = Reason.ACCEPTED, *, odds_milli: int = 2_500, stake_max_minor: int = 0
) -> Rows:
    row = np.zeros(1, DECISION)
    row["bet_id"] = bet
    row["reason"] = reason
    row["odds_milli"] = odds_milli
    row["stake_max_minor"] = stake_max_minor
    return row


def settlement(
    bet: int,
    payout_minor: int,
    *,
    number: int = 1,
    result: int = BetResult.WON,
    odds_milli: int = 0,
) -> Rows:
    row = np.zeros(1, SETTLEMENT)
    row["odds_milli"] = odds_milli
    row["bet_id"] = bet
    row["payout_minor"] = payout_minor
    row["settlement_no"] = number
    row["result"] = result
    return row


def reopening(bet: int, *, number: int = 2) -> Rows:
    return settlement(bet, 0, number=number, result=BetResult.NONE)


def rows(*parts: Rows) -> Rows:
    return np.concatenate(parts)


def reserve(ledger: LedgerMachine, *reservations: Rows, at_ns: int = 10) -> Rows:
    return ledger.exchange(NO_VERDICTS, rows(*reservations), at_ns)


def resolve(ledger: LedgerMachine, *verdicts: Rows, at_ns: int = 20) -> None:
    assert len(ledger.exchange(rows(*verdicts), NO_REQUESTS, at_ns)) == 0


def settle(ledger: LedgerMachine, *settlements: Rows, at_ns: int = 30) -> Rows:
    return ledger.settle(rows(*settlements), at_ns)


def funded(
    *, accounts: Sequence[int] = (7,), amount_minor: int = 1_000, slips_max: int = BETS_MAX
) -> LedgerMachine:
    ledger = LedgerMachine(shard=SHARD, slips_max=slips_max)
    commands = [SetRate(currency="EUR")]
    for no in accounts:
        commands.append(OpenAccount(account_no=no, currency="EUR"))
        commands.append(Deposit(account_no=no, amount_minor=amount_minor, ref="first"))
    for command in commands:
        assert not isinstance(ledger.apply(command, 1), Refused)
    return ledger


def money(ledger: LedgerMachine, account_no: int = 7) -> tuple[int, int, int, int]:
    """Return available, pending, at stake and owed, after an audit of the whole ledger."""
    ledger.check()
    balance = ledger.balance(account_no)
    assert balance is not None
    for totals in ledger.totals():
        assert (
            totals.external_minor
            + totals.available_minor
            + totals.pending_minor
            + totals.at_stake_minor
            + totals.owed_minor
            + totals.house_minor
            + totals.offers_minor
            == 0
        )
    return (
        balance.available_minor,
        balance.pending_minor,
        balance.at_stake_minor,
        balance.owed_minor,
    )
