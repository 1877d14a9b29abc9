"""Withdrawals of outcomes: what they deduct from winners, in any order of settlements."""

from itertools import permutations

import pytest

from engine.common.commands import (
    CreateMarket,
    Deduction,
    OpenMarket,
    OutcomeResult,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.events import Refused
from engine.common.units import Nanos
from engine.common.withdrawals import Withdrawal
from engine.market.market import MarketMachine
from tests.engine.market.builders import WIDE, bet, bet_rows, do

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
VOID = OutcomeResult(won=False, void_halves=2)
TIMES = (100, 200, 300, 400)
"""When a bet of 1.00 at 9.000 on the winner is placed; runners 2 and 3 go at 150 and 250."""
GONE = {
    1: Withdrawal(outcome=1, until_ns=Nanos(150), deduct_milli=250),
    2: Withdrawal(outcome=2, until_ns=Nanos(250), deduct_milli=700),
}
RESULTS = (WON, VOID, VOID, LOST)
WHOLE = SettleMarket(market_no=1, results=RESULTS)


def withdrawn(outcome: int) -> SettleMarket:
    return SettleMarket(
        market_no=1, results=(VOID,), outcomes=(outcome,), withdrawals=(GONE[outcome],)
    )


def traded() -> MarketMachine:
    machine = MarketMachine()
    do(
        machine,
        CreateMarket(
            market_no=1, key="r/win", outcomes=("a", "b", "c", "d"),
            odds_milli=(9_000, 4_000, 1_400, 9_000), limits=WIDE,
        ),
        OpenMarket(market_no=1),
    )  # fmt: skip
    for number, at_ns in enumerate(TIMES, start=1):
        machine.place(bet_rows([bet(number, odds=9_000)]), Nanos(at_ns))
    return machine


def payouts(machine: MarketMachine) -> list[int]:
    machine.check()
    loaded = MarketMachine.load(machine.dump())
    assert loaded.state_hash() == machine.state_hash()
    assert (loaded.resolved(1).withdrawn, loaded.dump()) == (
        machine.resolved(1).withdrawn,
        machine.dump(),
    )
    sent = machine.outbox(shard=0, limit=100)[["bet_id", "payout_minor"]].tolist()
    paid: list[int] = machine.present_resolutions(1)["payout_minor"].tolist()
    assert [minor for _, minor in sorted(dict(sent).items())] == paid, "the account knows it too"
    return paid


BOTH = [180, 340, 900, 900]
"""1 + 8 * 0.1 (25p and 70p are 90p at most), 1 + 8 * 0.3, and twice the whole odds."""


def test_bets_bear_the_withdrawals_after_them_in_any_order_of_settlements() -> None:
    winner = SettleMarket(market_no=1, results=(WON, LOST), outcomes=(0, 3))
    again = RollBackSettlement(market_no=1)
    for commands in (
        *permutations((withdrawn(1), withdrawn(2), winner)),
        (withdrawn(1), withdrawn(2), WHOLE),
        (withdrawn(2), withdrawn(1), WHOLE, again, WHOLE),
        (WHOLE, withdrawn(1), withdrawn(2)),
    ):
        machine = traded()
        for command in commands:
            do(machine, command)
        assert payouts(machine) == BOTH, commands


def test_a_runner_that_ran_after_all_deducts_nothing() -> None:
    machine = traded()
    do(machine, withdrawn(1), withdrawn(2), WHOLE, RollBackSettlement(market_no=1, outcomes=(2,)))
    assert payouts(machine) == [700, 900, 900, 900]
    do(machine, SettleMarket(market_no=1, results=(LOST,), outcomes=(2,)))
    assert payouts(machine) == [700, 900, 900, 900]


def test_deductions_that_a_settlement_gives_stand_above_withdrawals() -> None:
    given = SettleMarket(
        market_no=1,
        results=RESULTS,
        deductions=(Deduction(until_ns=Nanos(1_000), keep_milli=500),),
    )
    machine = traded()
    do(machine, withdrawn(1), given, withdrawn(2))
    assert payouts(machine) == [500] * 4
    do(machine, RollBackSettlement(market_no=1, outcomes=(2,)))
    assert payouts(machine) == [500] * 4
    do(machine, withdrawn(2), WHOLE)
    assert payouts(machine) == BOTH


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"outcome": 4}, "withdrawals"), ({"deduct_milli": 901}, "withdrawals[0].deduct_milli"),
     ({"until_ns": -1}, "withdrawals[0].until_ns")],
)  # fmt: skip
def test_withdrawals_out_of_bounds_are_refused(fields: dict[str, int], field: str) -> None:
    machine = traded()
    figures = {"outcome": 1, "until_ns": 5, "deduct_milli": 5} | fields
    odd = SettleMarket(market_no=1, results=RESULTS, withdrawals=(Withdrawal(**figures),))
    event = machine.apply(odd, Nanos(500))
    assert isinstance(event, Refused)
    assert event.field == field
