"""Seeded random input for a ledger: every kind of step, with repeated refs and refusals."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from engine.common.account_changes import BlockAccount, SetAccountFactor
from engine.common.commands import Deposit, LedgerCommand, OpenAccount, SetRate, Withdraw
from engine.common.house import StartHouse, StopHouse
from engine.common.payout_bounds import SetAccountBound, SetPayoutBound
from engine.common.reasons import Reason
from engine.common.rows import DECISION, RESERVATION, SETTLEMENT, Rows
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import SHARD, bet

CURRENCIES = ("EUR", "GBP", "JPY")
ODD_STAKES = (0, -1, STAKE_MINOR_MAX, STAKE_MINOR_MAX + 1, (1 << 63) - 1)
REFUSALS = (Reason.ODDS_CHANGED, Reason.FENCED, Reason.STAKE_OVER_LIMIT, Reason.DISK_FULL)
VERDICTS = (0, 0, 0, 0, *(int(reason) for reason in REFUSALS))


@dataclass
class Turn:
    """The input of a shard between two checks; `steps` counts rows and commands."""

    at_ns: int
    commands: list[LedgerCommand]
    verdicts: Rows
    reservations: Rows
    settlements: Rows

    @property
    def steps(self) -> int:
        return (
            len(self.commands) + len(self.verdicts) + len(self.reservations) + len(self.settlements)
        )


def turns(
    seed: int, ledger: LedgerMachine, *, accounts: int = 12, size: int = 40
) -> Iterator[Turn]:
    """Yield turns without end, whose verdicts and settlements name bets that the ledger gave."""
    random = Random(seed)
    past: list[Rows] = []
    at_ns = 1_000
    while True:
        made = ledger.slips_len
        at_ns += random.randrange(-5, 50)
        commands = [_command(random, accounts, made) for _ in range(random.randrange(size // 4))]
        verdicts = np.zeros(random.randrange(size), DECISION)
        for row in verdicts:
            row["bet_id"] = _bet(random, made)
            row["reason"] = random.choice(VERDICTS)
            row["odds_milli"] = random.randrange(1_001, 5_000)
            row["stake_max_minor"] = random.randrange(500)
        reservations = np.zeros(random.randrange(size), RESERVATION)
        for i in range(len(reservations)):
            _reservation(random, reservations[i], accounts)
            if past and random.random() < 0.2:
                reservations[i] = random.choice(past)
                if random.random() < 0.2:
                    _alter(random, reservations[i])
            past.append(reservations[i].copy())
        del past[:-200]
        settlements = np.zeros(random.randrange(size // 2), SETTLEMENT)
        for row in settlements:
            row["bet_id"] = _bet(random, made)
            row["payout_minor"] = random.choice((0, 0, 0, 20, random.randrange(600)))
            row["settlement_no"] = random.choice((0, 1, 1, 1, 2, 3, random.randrange(9)))
            row["result"] = random.randrange(1, 7)
            row["odds_milli"] = random.choice((0, 1_900, 2_600))
            if random.random() < 0.2:
                row["result"] = row["payout_minor"] = 0
        yield Turn(at_ns, commands, verdicts, reservations, settlements)


def _bet(random: Random, made: int) -> int:
    """Return mostly a recent bet, sometimes any bet, sometimes an id that no slip has."""
    draw = random.random()
    if draw < 0.02:
        return random.choice((0, bet(1) + (1 << 48), (SHARD << 48), (1 << 64) - 1))
    recent = max(1, made - 60) if draw < 0.7 else 1
    return bet(random.randrange(recent, made + 5))


def _reservation(random: Random, row: Rows, accounts: int) -> None:
    row["account_no"] = random.randrange(accounts + 1) * 5
    row["ref"] = [1 + random.randrange(1 << 63) for _ in range(4)]
    if random.random() < 0.01:
        row["ref"][0] = 0
    row["stake_minor"] = random.choice((10, 20, 50, random.randrange(1, 400)))
    if random.random() < 0.03:
        row["stake_minor"] = random.choice(ODD_STAKES)
    row["market_no"] = random.randrange(2)
    row["odds_milli"] = random.choice((1_500, 2_500))
    row["outcome"] = random.randrange(2)


def _alter(random: Random, row: Rows) -> None:
    """Change a repeated reservation: its content, its account, or one u64 of its ref."""
    field = random.choice(("stake_minor", "market_no", "odds_milli", "outcome", "policy", "ref"))
    if field == "ref":
        row["ref"][random.randrange(4)] ^= np.uint64(1)
    else:
        row[field] = int(row[field]) ^ 1
    if random.random() < 0.1:
        row["account_no"] = (int(row["account_no"]) + 5) % 60


def _command(random: Random, accounts: int, made: int) -> LedgerCommand:
    account_no = random.randrange(accounts + 1) * 5
    ref = f"t{random.randrange(100 + made // 4)}"
    draw = random.random()
    if draw < 0.03:
        return SetRate(currency=random.choice(CURRENCIES), rate_micro=random.randrange(1, 10**7))
    if draw < 0.13:
        opened = random.randrange(accounts) * 5
        return OpenAccount(account_no=opened, currency=random.choice(CURRENCIES))
    if draw < 0.15:
        return SetPayoutBound(open_payout_minor_max=random.choice((0, 0, 0, 20_000)))
    if draw < 0.2:
        most_minor = random.choice((0, 0, 0, 0, 1_500, 9_000))
        return SetAccountBound(account_no=account_no, open_payout_minor_max=most_minor)
    if draw < 0.22:
        factor_milli = random.choice((10, 250, 1_000, 10_000))
        return SetAccountFactor(account_no=account_no, factor_milli=factor_milli)
    if draw < 0.25:
        return BlockAccount(account_no=account_no, blocked=random.random() < 0.3)
    if draw < 0.3:
        stop = StopHouse(by="trader:ada", why=random.choice(("", "fire")))
        return stop if draw < 0.255 else StartHouse()
    amount_minor = random.choice((0, 100, 500, random.randrange(2_000)))
    if draw < 0.6:
        return Deposit(account_no=account_no, amount_minor=amount_minor, ref=ref)
    return Withdraw(account_no=account_no, amount_minor=amount_minor, ref=ref)
