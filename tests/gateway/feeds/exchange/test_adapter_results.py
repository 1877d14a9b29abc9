"""The adapter settles closed markets, with deductions for withdrawn runners."""

import pytest

from engine.common.commands import (
    Deduction,
    OutcomeResult,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
)
from engine.common.lifecycle import Status
from gateway.feeds.exchange.settings import ExchangeSettings
from tests.gateway.feeds.exchange.builders import quoted
from tests.gateway.feeds.exchange.following import Following, closed, statuses, steps, updates


def test_closing_suspends_and_settles_under_the_source_of_results() -> None:
    following = Following()
    following.open()
    stop, settle = updates(closed(following, "LOSER", "WINNER", "LOSER"))
    assert stop.steps == (SetStatus(market_no=0, status=Status.SUSPENDED, why="closed"),)
    assert settle.mark is not None
    assert stop.mark is not None
    assert (settle.mark.source, settle.mark.position) == ("exchange/result", 2_000)
    assert settle.mark.digest == stop.mark.digest
    lost, won = OutcomeResult(won=False), OutcomeResult(won=True)
    assert settle.steps == (SettleMarket(market_no=0, results=(lost, won, lost)),)
    assert closed(following, "LOSER", "WINNER", "LOSER").actions == ()


def test_corrected_results_settle_again_and_a_reopened_market_is_rolled_back() -> None:
    following = Following()
    following.open()
    closed(following, "LOSER", "WINNER", "LOSER")
    (corrected,) = steps(closed(following, "WINNER", "LOSER", "LOSER"))
    assert isinstance(corrected, SettleMarket)
    for number in (1, 2, 3):
        following.status(number, "ACTIVE")
    back = updates(following.change(status="SUSPENDED"))
    assert isinstance(back[0].steps[0], RollBackSettlement)
    assert back[0].mark is not None
    assert back[0].mark.source == "exchange/result"
    assert statuses(following.change(quoted(1, 0.5), status="OPEN")) == [(Status.ACTIVE, "")]


def test_closing_without_results_suspends_and_settles_nothing() -> None:
    following = Following()
    following.open()
    received = following.change(status="CLOSED")
    assert statuses(received) == [
        (Status.SUSPENDED, "runner 1 is ACTIVE: closed without its result")
    ]
    assert len(steps(received)) == 1
    assert following.adapter.counts.results_refused == 1


# --- withdrawals ----------------------------------------------------------------------------------


def test_withdrawn_runner_is_removed_at_once_and_the_others_are_repriced() -> None:
    following = Following(ExchangeSettings(every_ms=60_000))
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    (update,) = updates(following.change(quoted(1, 0.62), quoted(2, 0.38), version=1))
    assert update.fair is not None
    assert update.fair.active == (True, True, False)
    assert update.fair.probabilities == pytest.approx((0.62, 0.38, 0.0), abs=0.02)


def test_deductions_hold_our_times_and_the_product_of_later_factors() -> None:
    following = Following()
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    following.change(version=2)
    first_ns = following.at_ns
    following.change(quoted(1, 0.6), quoted(2, 0.4))
    following.status(2, "REMOVED", adjustmentFactor=37.5)
    following.change(version=3)
    second_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "REMOVED", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (
        Deduction(until_ns=first_ns, keep_milli=500, of_price=True),
        Deduction(until_ns=second_ns, keep_milli=625, of_price=True),
    )
    assert [result.void_halves for result in settle.results] == [0, 2, 2]


def test_deductions_of_a_place_market_reduce_the_winnings() -> None:
    following = Following(marketType="PLACE")
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=2.0)
    following.change(version=2)
    at_ns = following.at_ns
    settle = steps(closed(following, "WINNER", "LOSER", "REMOVED"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == (Deduction(until_ns=at_ns, keep_milli=980),)


def test_reinstated_runner_causes_no_deduction() -> None:
    following = Following()
    following.open()
    following.status(3, "REMOVED", adjustmentFactor=20.0)
    following.change(version=2)
    following.status(3, "ACTIVE")
    following.change(version=3)
    settle = steps(closed(following, "WINNER", "LOSER", "LOSER"))[-1]
    assert isinstance(settle, SettleMarket)
    assert settle.deductions == ()
