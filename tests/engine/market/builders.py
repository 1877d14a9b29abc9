"""Markets and bets for tests, with defaults for the fields not under test."""

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from engine.common.acceptance import AcceptancePatch, SetAcceptance
from engine.common.commands import CreateMarket, Limits, MarketCommand, OpenMarket, OutcomeResult
from engine.common.events import Refused
from engine.common.ids import bet_id
from engine.common.rows import BET, CHARGE, Policy, Rows
from engine.common.rules import RULES
from engine.common.units import LIMIT_MINOR_MAX, RATE_MICRO_ONE, STAKE_MINOR_MAX, Minor
from engine.market.market import MarketMachine

WIDE = Limits(
    stake_minor_max=STAKE_MINOR_MAX,
    payout_minor_max=LIMIT_MINOR_MAX,
    outcome_liability_minor_max=LIMIT_MINOR_MAX,
    market_liability_minor_max=LIMIT_MINOR_MAX,
)
SMALL = replace(WIDE, stake_minor_max=Minor(1_000))
AT_NS = 1_671_372_000_000_000_000

Bet = tuple[int, int, int, int, int, int, int, int, int, int]
"""A BET row: bet_id, stake, account, market, odds seen, rate, outcome, policy, flags,
factor."""


def bet(
    serial: int,
    *,
    stake: int = 100,
    odds: int = 2_500,
    market: int = 1,
    outcome: int = 0,
    shard: int = 0,
    account: int = 7,
    rate: int = RATE_MICRO_ONE,
    policy: int = Policy.NONE,
    flags: int = 0,
    factor: int = 0,
) -> Bet:
    """Return the fields of one bet."""
    number = bet_id(shard=shard, serial=serial)
    return (number, stake, account, market, odds, rate, outcome, int(policy), flags, factor)


def bet_rows(bets: Sequence[Bet]) -> Rows:
    """Return bets as BET rows."""
    rows = np.zeros(len(bets), BET)
    names = (
        "bet_id", "stake_minor", "account_no", "market_no", "odds_milli", "rate_micro",
        "outcome", "policy", "flags", "factor_milli",
    )  # fmt: skip
    for name, values in zip(names, zip(*bets, strict=True), strict=False):
        rows[name] = values
    return rows


def charge_rows(charges: Sequence[tuple[int, int, int, int, int]]) -> Rows:
    """Return charges (bet_id, stake, market, charge_no, flags) as CHARGE rows."""
    rows = np.zeros(len(charges), CHARGE)
    names = ("bet_id", "stake_minor", "market_no", "charge_no", "flags")
    for name, values in zip(names, zip(*charges, strict=True), strict=False):
        rows[name] = values
    return rows


def charge(
    machine: MarketMachine,
    serial: int,
    stake: int = 0,
    *,
    number: int = 1,
    market: int = 1,
    flags: int = 0,
) -> bool:
    """Charge a leg of shard 0; return whether that was applied."""
    row = (bet_id(shard=0, serial=serial), stake, market, number, flags)
    rows = charge_rows([row])
    applied = machine.charge(rows, AT_NS)
    assert applied.tobytes() in (b"", rows.tobytes())
    return len(applied) == 1


def do(machine: MarketMachine, *commands: MarketCommand) -> None:
    """Apply commands, none of which may be refused."""
    for command in commands:
        event = machine.apply(command, AT_NS)
        assert not isinstance(event, Refused), event


def create(
    market: int = 1,
    *,
    odds: tuple[int, ...] = (2_500, 3_200, 2_900),
    limits: Limits = WIDE,
    key: str = "",
) -> CreateMarket:
    """Return the command that creates a market with outcomes o0, o1 and so on."""
    return CreateMarket(
        market_no=market,
        key=key or f"fixture-{market}/1x2",
        outcomes=tuple(f"o{at}" for at in range(len(odds))),
        odds_milli=odds,
        limits=limits,
    )


def acceptance(market: int = 1, **figures: int) -> SetAcceptance:
    """Return the command that changes these figures of how a market takes bets."""
    return SetAcceptance(market_no=market, acceptance=AcceptancePatch(**figures))  # type: ignore[arg-type]


def open_machine(
    *,
    odds: tuple[int, ...] = (2_500, 3_200, 2_900),
    limits: Limits = WIDE,
    markets: int = 1,
    rules: int = RULES,
) -> MarketMachine:
    """Return a machine with open markets 1 to `markets`."""
    machine = MarketMachine(rules=rules)
    for number in range(1, markets + 1):
        do(machine, create(number, odds=odds, limits=limits), OpenMarket(market_no=number))
    return machine


def place(machine: MarketMachine, *bets: Bet) -> list[tuple[int, int, int, int]]:
    """Place bets in one batch; return (reason, odds, stake_max, flags) of each."""
    rows = bet_rows(bets)
    decisions = machine.place(rows, AT_NS)
    assert decisions["bet_id"].tolist() == rows["bet_id"].tolist()
    columns = (decisions[name].tolist() for name in ("reason", "odds_milli", "stake_max_minor"))
    return list(zip(*columns, decisions["flags"].tolist(), strict=True))


def reasons(machine: MarketMachine, *bets: Bet) -> list[int]:
    """Place bets in one batch; return their reasons."""
    return [reason for reason, _, _, _ in place(machine, *bets)]


def won(*outcomes: bool) -> tuple[OutcomeResult, ...]:
    """Return results without voids and dead heats."""
    return tuple(OutcomeResult(won=one) for one in outcomes)
