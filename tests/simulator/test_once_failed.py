"""Stories in which this system once failed, short enough to be read."""

import pytest
from msgspec.structs import replace

from engine.common.commands import OutcomeResult, RollBackSettlement, SettleMarket
from tests.simulator.runner import run_story
from tests.simulator.story import (
    Command,
    DisturbCalls,
    FillDisk,
    Freeze,
    Kill,
    Layout,
    PlaceBet,
    PlaceSlip,
    SlipLeg,
    SlipStake,
    Story,
)

SMALL = Layout(markets=1, shards=1)


def bet(number: int, *, at_ms: float, **changes: object) -> PlaceBet:
    given = {
        "account": 1 + number % 8,
        "ref": f"b{number}",
        "market": 1,
        "outcome": 0,
        "stake": 100,
        "odds": 2_000,
    }
    return PlaceBet(at_ms=at_ms, **{**given, **changes})


def played(*steps: object, layout: Layout = SMALL) -> list[str]:
    ordered = sorted(steps, key=lambda step: step.at_ms)
    faults = []
    for road in (False, True):
        story = Story(layout=replace(layout, road=road), steps=tuple(ordered))
        faults += run_story(story).faults
    return faults


@pytest.mark.parametrize("gap_ms", [0.0, 0.3, 1.0, 3.0, 6.0, 12.0])
def test_two_gateways_hold_one_ref_while_the_disk_of_the_market_is_full(gap_ms: float) -> None:
    bets = [
        bet(number, at_ms=1.0 + 2.0 * number + again * gap_ms, gateway=again)
        for number in range(60)
        for again in (0, 1)
    ]
    assert played(*bets, FillDisk(at_ms=4.0, part="market-00000", for_ms=90.0)) == []


def test_a_ref_comes_again_while_its_void_waits_for_the_account() -> None:
    bets = [bet(number, at_ms=1.0 + number) for number in range(40)]
    again = [
        bet(number, at_ms=later_ms + number)
        for number in range(40)
        for later_ms in (100.0, 1_200.0, 2_400.0, 3_600.0)
    ]
    faults = (
        FillDisk(at_ms=2.0, part="market-00000", for_ms=60.0),
        FillDisk(at_ms=8.0, part="account-000", for_ms=4_000.0),
    )
    assert played(*bets, *again, *faults, bet(99, at_ms=5_000.0)) == []


@pytest.mark.parametrize("frozen_ms", [3.5, 5.0, 8.0])
def test_a_settlement_outruns_the_verdict_on_a_bet_at_better_odds(frozen_ms: float) -> None:
    won = tuple(OutcomeResult(won=outcome == 0) for outcome in range(3))
    faults = played(
        bet(1, at_ms=1.0, odds=1_990, policy="higher"),
        Freeze(at_ms=frozen_ms, part="account-000", for_ms=1_500.0),
        Command(at_ms=24.5, command=SettleMarket(market_no=1, results=won)),
        Kill(at_ms=31.1, part="gateway-0"),
        bet(2, at_ms=2_240.0, gateway=1),
        layout=Layout(markets=1, shards=1, jitter=False),
    )
    assert faults == []


def test_a_gateway_and_the_supervisor_are_killed_around_a_bet() -> None:
    assert (
        played(
            Kill(at_ms=50.4, part="reconciler"),
            bet(1, at_ms=254.8, gateway=1),
            Kill(at_ms=256.6, part="gateway-1"),
            Kill(at_ms=287.1, part="supervisor"),
        )
        == []
    )


@pytest.mark.parametrize("kind", ["lose answer", "delay"])
def test_a_charge_is_taken_back_before_its_account_knows_that_it_was_applied(kind: str) -> None:
    won = tuple(OutcomeResult(won=outcome == 0) for outcome in range(3))
    faults = played(
        PlaceSlip(
            at_ms=1.0,
            account=1,
            ref="s1",
            legs=(SlipLeg(1, 0, 2_000, 0), SlipLeg(2, 0, 2_000, 1)),
            bets=(SlipStake(100, (0, 1), (2,)),),
        ),
        DisturbCalls(
            at_ms=2.0, part="market-00001", method="charge", kind=kind, count=1, after_ms=4_000.0
        ),
        Command(at_ms=300.0, command=SettleMarket(market_no=1, results=won)),
        Command(at_ms=900.0, command=RollBackSettlement(market_no=1)),
        layout=Layout(markets=2, markets_per_shell=1, shards=1, jitter=False),
    )
    assert faults == []
