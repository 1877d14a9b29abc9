"""Suspended and resumed with all: what was suspended that way comes back, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    ResumeWithAll,
    RollBackSettlement,
    SettleMarket,
    SuspendMarket,
    SuspendWithAll,
)
from engine.common.events import MarketResumed, MarketSuspended, StatusSet
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from tests.engine.market.builders import won
from tests.engine.market.test_holds import Followed, reason

SUSPEND_ALL = SuspendWithAll(market_no=1, why="outage")
RESUME_ALL = ResumeWithAll(market_no=1)
SUSPEND, RESUME, OPEN, HAND_OVER, CLOSE = (
    kind(market_no=1)
    for kind in (SuspendMarket, ResumeMarket, OpenMarket, HandOverMarket, CloseMarket)
)
SETTLE = SettleMarket(market_no=1, results=won(True, False, False))


def test_active_market_is_suspended_held_and_active_again() -> None:
    market = Followed()
    assert isinstance(market.trader(SUSPEND_ALL), MarketSuspended)
    assert (market.held, market.status) == (True, Status.SUSPENDED)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    assert isinstance(market.trader(RESUME_ALL), MarketResumed)
    assert (market.held, market.status) == (False, Status.ACTIVE)
    assert reason(market.trader(RESUME_ALL)) == Reason.TRANSITION_NOT_ALLOWED


def test_market_that_a_trader_holds_is_not_touched_by_either() -> None:
    market = Followed()
    market.trader(SUSPEND)
    before = market.machine.state_hash()
    assert reason(market.trader(SUSPEND_ALL)) == Reason.TRANSITION_NOT_ALLOWED
    assert reason(market.trader(RESUME_ALL)) == Reason.TRANSITION_NOT_ALLOWED
    assert market.machine.state_hash() == before


@pytest.mark.parametrize("taken_over", [SUSPEND, HAND_OVER, CLOSE, SETTLE, RESUME])
def test_market_that_a_trader_takes_over_is_not_resumed_with_all(taken_over) -> None:
    market = Followed()
    market.trader(SUSPEND_ALL)
    assert reason(market.trader(taken_over)) == Reason.ACCEPTED
    status = market.status
    assert reason(market.trader(RESUME_ALL)) == Reason.TRANSITION_NOT_ALLOWED
    assert market.status == status


def test_market_that_was_stopped_without_a_feed_stays_stopped() -> None:
    market = Followed()
    for command in (SETTLE, RollBackSettlement(market_no=1)):
        market.trader(command)
    market.trader(RESUME)
    for command in (HAND_OVER, SUSPEND_ALL, RESUME_ALL):
        market.trader(command)
    assert market.status == Status.HANDED_OVER


def test_market_that_a_trader_s_roll_back_left_suspended_is_not_made_active() -> None:
    market = Followed()
    market.feed(SETTLE)
    market.trader(RollBackSettlement(market_no=1))
    assert (market.held, market.status) == (False, Status.SUSPENDED)
    assert isinstance(market.trader(SUSPEND_ALL), MarketSuspended)
    assert isinstance(market.trader(RESUME_ALL), StatusSet)
    assert (market.held, market.status) == (False, Status.SUSPENDED)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.INACTIVE, Status.HANDED_OVER])
def test_market_that_a_feed_had_stopped_is_held_and_then_waits_for_its_feed(status) -> None:
    market = Followed()
    market.feed_sets(status)
    assert isinstance(market.trader(SUSPEND_ALL), MarketSuspended)
    assert reason(market.feed_sets(status)) == Reason.ACCEPTED
    assert isinstance(market.trader(RESUME_ALL), StatusSet)
    assert (market.held, market.status) == (False, status)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


@pytest.mark.parametrize("end", [CLOSE, SETTLE, CancelMarket(market_no=1)])
def test_market_whose_betting_a_feed_ended_meanwhile_is_only_released(end) -> None:
    market = Followed()
    market.trader(SUSPEND_ALL)
    assert reason(market.feed(end)) == Reason.ACCEPTED
    status = market.status
    assert isinstance(market.trader(RESUME_ALL), StatusSet)
    assert (market.held, market.status) == (False, status)


feed_statuses = st.lists(st.sampled_from((Status.ACTIVE, Status.SUSPENDED)), max_size=4)


@given(before=feed_statuses, between=feed_statuses)
def test_suspended_and_resumed_a_market_is_what_its_feed_made_it(before, between) -> None:
    market, untouched = Followed(), Followed()
    for status in before:
        market.feed_sets(status)
        untouched.feed_sets(status)
    market.trader(SUSPEND_ALL)
    assert market.status != Status.ACTIVE
    for status in between:
        market.feed_sets(status)
        untouched.feed_sets(status)
        assert market.status != Status.ACTIVE
    market.trader(RESUME_ALL)
    assert (market.held, market.status) == (untouched.held, untouched.status)
