"""Factors of accounts: what one bet may stake and pay is the market's limit times the factor."""

import pytest

from engine.common.commands import Limits
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import WIDE, bet, open_machine, place

STAKES = Limits(stake_minor_min=10, stake_minor_max=999, payout_minor_max=10**15)
PAYOUTS = Limits(stake_minor_max=10**9, payout_minor_max=1_000)


@pytest.mark.parametrize(
    ("factor", "most"),
    [
        (0, 999),
        (1_000, 999),
        (500, 499),
        (1, 0),
        (10, 0),
        (11, 10),
        (2_500, 2_497),
        (10_000, 9_990),
    ],
)
def test_the_highest_stake_is_the_limit_times_the_factor_rounded_down(
    factor: int, most: int
) -> None:
    machine = open_machine(limits=STAKES)
    over = bet(1, stake=most + 10, factor=factor)
    ((reason, _, stake_max, _),) = place(machine, over)
    assert (reason, stake_max) == (Reason.STAKE_OVER_LIMIT, most)
    if most:
        assert place(machine, bet(2, stake=most, factor=factor))[0][0] == Reason.ACCEPTED


@pytest.mark.parametrize(("factor", "most"), [(0, 400), (500, 200), (1_500, 600), (333, 133)])
def test_the_payout_is_bounded_by_the_cap_times_the_factor(factor: int, most: int) -> None:
    """At 2.500 a cap of 1,000 lets 400 through; 333 let 133 through, which pay 332."""
    machine = open_machine(limits=PAYOUTS)
    ((reason, _, stake_max, _),) = place(machine, bet(1, stake=most + 1, factor=factor))
    assert (reason, stake_max) == (Reason.PAYOUT_OVER_CAP, most)
    assert place(machine, bet(2, stake=most, factor=factor))[0][0] == Reason.ACCEPTED


def test_limits_of_liability_and_the_smallest_stake_are_the_markets_own() -> None:
    limits = Limits(
        stake_minor_min=10, stake_minor_max=10**6, outcome_liability_minor_max=150,
        market_liability_minor_max=10**6,
    )  # fmt: skip
    machine = open_machine(limits=limits)
    assert place(machine, bet(1, stake=9, factor=10))[0][0] == Reason.STAKE_TOO_SMALL
    ((reason, _, stake_max, _),) = place(machine, bet(2, stake=101, factor=10_000))
    assert (reason, stake_max) == (Reason.OUTCOME_LIABILITY, 100)


def test_a_repeated_bet_gets_its_first_answer_whatever_the_factor_is_now() -> None:
    machine = open_machine(limits=STAKES)
    first = place(machine, bet(1, stake=600, factor=500), bet(2, stake=600))
    assert [answer[0] for answer in first] == [Reason.STAKE_OVER_LIMIT, Reason.ACCEPTED]
    again = place(machine, bet(1, stake=600), bet(2, stake=600, factor=500))
    assert [answer[:3] for answer in again] == [answer[:3] for answer in first]
    assert machine.bets()["factor_milli"].tolist() == [500, 0]


def test_records_keep_the_factor_through_a_dump() -> None:
    machine = open_machine(limits=WIDE)
    place(machine, bet(1, factor=2_500))
    loaded = MarketMachine.load(machine.dump())
    assert loaded.bets()["factor_milli"].tolist() == [2_500]
    assert loaded.state_hash() == machine.state_hash()
