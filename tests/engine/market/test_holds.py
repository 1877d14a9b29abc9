"""Statuses set by name, and the hold: a feed cannot make a market ACTIVE that a trader stopped."""

import msgspec
import pytest

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    FeedStep,
    FeedUpdate,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    FeedApplied,
    FeedStepEvent,
    MarketEvent,
    MarketOpened,
    MarketResumed,
    MarketSuspended,
    Refused,
    StatusSet,
)
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, create, do, open_machine, won

SETTABLE = (Status.ACTIVE, Status.INACTIVE, Status.SUSPENDED, Status.HANDED_OVER)
"""The statuses that SetStatus may name."""
SUSPEND, RESUME, OPEN = (kind(market_no=1) for kind in (SuspendMarket, ResumeMarket, OpenMarket))


class Followed:
    """An open market that gets commands from a feed and from a trader."""

    def __init__(self) -> None:
        self.machine = open_machine()
        self.position = 0

    def feed(self, step: FeedStep) -> FeedStepEvent:
        """Apply a step as a feed; return its event."""
        self.position += 1
        update = FeedUpdate(market_no=1, source="f", position=self.position, steps=(step,))
        event = self.machine.apply(update, AT_NS)
        assert isinstance(event, FeedApplied)
        self.machine.check()
        return event.events[0]

    def feed_sets(self, status: Status) -> FeedStepEvent:
        """Set a status as a feed; return the event."""
        return self.feed(SetStatus(market_no=1, status=status))

    def trader(self, command: FeedStep) -> MarketEvent:
        """Apply a command as a trader; return its event."""
        event = self.machine.apply(command, AT_NS)
        self.machine.check()
        self.machine = MarketMachine.load(self.machine.dump())
        return event

    @property
    def held(self) -> bool:
        return self.machine.book_image(1).held

    @property
    def status(self) -> Status:
        return self.machine.price_delta(1).status


def reason(event: MarketEvent) -> Reason:
    return event.reason if isinstance(event, Refused) else Reason.ACCEPTED


@pytest.mark.parametrize("before", SETTABLE)
@pytest.mark.parametrize("after", SETTABLE)
def test_a_status_is_set_from_every_status_before_the_end_of_betting(before, after) -> None:
    machine = open_machine()
    do(machine, SetStatus(market_no=1, status=before))
    version = machine.price_delta(1).version
    event = machine.apply(SetStatus(market_no=1, status=after, why="feed"), AT_NS)
    changed = version + (before != after)
    assert event == StatusSet(market_no=1, version=changed, status=after, why="feed")
    assert machine.price_delta(1).status == after
    state = machine.state_hash()
    assert machine.apply(SetStatus(market_no=1, status=after, why="feed"), AT_NS + 1) == event
    assert machine.state_hash() == state


@pytest.mark.parametrize("status", [status for status in Status if status not in SETTABLE])
def test_a_status_that_ends_betting_is_not_set_by_name(status) -> None:
    event = open_machine().apply(SetStatus(market_no=1, status=status), AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.TRANSITION_NOT_ALLOWED, "status")


@pytest.mark.parametrize(
    "end",
    [
        CloseMarket(market_no=1),
        CancelMarket(market_no=1),
        SettleMarket(market_no=1, results=won(True, False, False)),
    ],
)
def test_no_status_is_set_after_betting_has_ended(end) -> None:
    machine = open_machine()
    do(machine, end)
    for status in SETTABLE:
        event = machine.apply(SetStatus(market_no=1, status=status), AT_NS)
        assert reason(event) == Reason.TRANSITION_NOT_ALLOWED


@pytest.mark.parametrize("step", [RESUME, SetStatus(market_no=1, status=Status.ACTIVE)])
def test_no_feed_makes_a_market_active_that_a_trader_suspended(step) -> None:
    market = Followed()
    assert not market.held
    market.trader(SUSPEND)
    assert market.held
    assert reason(market.feed(step)) == Reason.MARKET_HELD
    assert market.status == Status.SUSPENDED
    market.trader(RESUME)
    assert (market.held, market.status) == (False, Status.ACTIVE)


def test_a_trader_resumes_or_opens_a_held_market_but_does_not_set_it_active() -> None:
    market = Followed()
    market.trader(SUSPEND)
    event = market.trader(SetStatus(market_no=1, status=Status.ACTIVE))
    assert reason(event) == Reason.MARKET_HELD
    assert isinstance(market.trader(SetStatus(market_no=1, status=Status.INACTIVE)), StatusSet)
    assert market.held
    assert isinstance(market.trader(OPEN), MarketOpened)
    assert not market.held


def test_a_feed_makes_a_market_active_that_it_suspended_itself() -> None:
    market = Followed()
    assert isinstance(market.feed(SUSPEND), MarketSuspended)
    assert not market.held
    assert reason(market.feed(SUSPEND)) == Reason.TRANSITION_NOT_ALLOWED
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.INACTIVE, Status.HANDED_OVER])
def test_a_trader_holds_a_market_that_a_feed_stopped_without_a_change_of_status(status) -> None:
    market = Followed()
    market.feed_sets(status)
    version = market.machine.price_delta(1).version
    event = market.trader(SuspendMarket(market_no=1, why="check"))
    assert event == MarketSuspended(market_no=1, version=version, why="check")
    assert (market.held, market.status) == (True, status)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    assert reason(market.feed(OPEN)) in {Reason.MARKET_HELD, Reason.TRANSITION_NOT_ALLOWED}
    assert reason(market.trader(SUSPEND)) == Reason.TRANSITION_NOT_ALLOWED, "it is held"


@pytest.mark.parametrize("status", [Status.INACTIVE, Status.HANDED_OVER])
def test_resuming_a_held_market_that_a_feed_moved_only_ends_the_hold(status) -> None:
    market = Followed()
    market.trader(SUSPEND)
    market.feed_sets(status)
    assert (market.held, market.status) == (True, status)
    version = market.machine.price_delta(1).version
    assert reason(market.feed(RESUME)) == Reason.TRANSITION_NOT_ALLOWED
    assert market.trader(RESUME) == StatusSet(market_no=1, version=version, status=status)
    assert not market.held
    assert reason(market.trader(RESUME)) == Reason.TRANSITION_NOT_ALLOWED
    market.feed_sets(Status.ACTIVE)
    assert market.status == Status.ACTIVE


def test_resuming_a_held_market_that_a_feed_suspended_too_only_ends_the_hold() -> None:
    market = Followed()
    market.trader(SUSPEND)
    market.feed_sets(Status.SUSPENDED)
    version = market.machine.price_delta(1).version
    released = StatusSet(market_no=1, version=version, status=Status.SUSPENDED)
    assert market.trader(RESUME) == released
    assert (market.held, market.status) == (False, Status.SUSPENDED)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


def test_the_status_that_a_feed_was_refused_decides_what_a_resumption_does() -> None:
    market = Followed()
    market.feed_sets(Status.SUSPENDED)
    market.trader(SUSPEND)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    assert isinstance(market.trader(RESUME), MarketResumed)
    assert market.status == Status.ACTIVE


def test_a_second_resumption_makes_active_what_a_feed_suspended() -> None:
    market = Followed()
    market.feed(SUSPEND)
    market.trader(SUSPEND)
    assert isinstance(market.trader(RESUME), StatusSet)
    assert isinstance(market.trader(RESUME), MarketResumed)
    market.trader(SUSPEND)
    assert isinstance(market.trader(RESUME), MarketResumed), "it overruled the feed's status"


def test_a_market_whose_results_a_feed_rolled_back_counts_as_suspended_by_the_feed() -> None:
    market = Followed()
    market.feed(SettleMarket(market_no=1, results=won(True, False, False)))
    market.feed(RollBackSettlement(market_no=1))
    market.trader(SUSPEND)
    assert isinstance(market.trader(RESUME), StatusSet)


def test_a_feed_that_cancels_bets_asks_for_no_status() -> None:
    market = Followed()
    market.trader(SUSPEND)
    market.feed(CancelBets(market_no=1, until_ns=AT_NS + 1))
    assert isinstance(market.trader(RESUME), MarketResumed)


def test_a_market_created_for_a_feed_can_be_held_before_the_feed_s_first_message() -> None:
    market = Followed()
    market.machine = MarketMachine()
    do(market.machine, msgspec.structs.replace(create(), offered=False))
    assert isinstance(market.trader(SUSPEND), MarketSuspended)
    assert (market.held, market.status) == (True, Status.INACTIVE)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    market.trader(RESUME)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


def test_a_market_without_a_feed_is_held_only_when_it_is_suspended() -> None:
    machine = MarketMachine()
    do(machine, create())
    assert reason(machine.apply(SUSPEND, AT_NS)) == Reason.TRANSITION_NOT_ALLOWED
    do(machine, SetStatus(market_no=1, status=Status.SUSPENDED), SUSPEND)
    assert machine.book_image(1).held


ENDS = [
    CloseMarket(market_no=1),
    CancelMarket(market_no=1),
    SettleMarket(market_no=1, results=won(True, False, False)),
]


def test_a_trader_s_hand_over_ends_the_hold_and_a_feed_s_does_not() -> None:
    for by_feed in (False, True):
        market = Followed()
        market.feed(OPEN)
        market.trader(SUSPEND)
        (market.feed if by_feed else market.trader)(HandOverMarket(market_no=1))
        assert (market.status, market.held) == (Status.HANDED_OVER, by_feed)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("held", [False, True])
def test_no_feed_makes_a_market_active_whose_betting_a_trader_ended(
    end: FeedStep, held: bool
) -> None:
    market = Followed()
    market.feed(OPEN)
    if held:
        market.trader(SUSPEND)
    market.trader(end)
    market.feed(SettleMarket(market_no=1, results=won(False, True, False)))
    market.feed(RollBackSettlement(market_no=1))
    if isinstance(end, CancelMarket):
        market.trader(RollBackCancel(market_no=1))
    assert (market.status, market.held) == (Status.SUSPENDED, True)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    market.trader(RESUME)
    assert (market.status, market.held) == (Status.ACTIVE, False)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("held", [False, True])
def test_a_feed_that_ends_betting_does_not_change_the_hold(end: FeedStep, held: bool) -> None:
    market = Followed()
    market.feed(OPEN)
    if held:
        market.trader(SUSPEND)
    market.feed(end)
    assert market.held == held


def test_a_hold_outlives_a_settlement_that_a_feed_rolls_back() -> None:
    market = Followed()
    market.trader(SUSPEND)
    market.feed(SettleMarket(market_no=1, results=won(True, False, False)))
    for command in (SUSPEND, RESUME):
        assert reason(market.trader(command)) == Reason.TRANSITION_NOT_ALLOWED, "betting has ended"
    market.feed(RollBackSettlement(market_no=1))
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    market.trader(RESUME)
    assert market.status == Status.ACTIVE


def test_no_feed_rolls_back_the_cancellation_of_a_market_by_a_trader() -> None:
    market = Followed()
    market.feed(OPEN)
    market.feed(CancelBets(market_no=1))
    market.trader(CancelMarket(market_no=1))
    assert reason(market.feed(RollBackCancel(market_no=1))) == Reason.MARKET_HELD
    assert market.status == Status.CANCELLED
    market.trader(RollBackCancel(market_no=1))
    assert market.status == Status.SUSPENDED
    market.feed(CancelMarket(market_no=1))
    assert reason(market.feed(RollBackCancel(market_no=1))) == Reason.ACCEPTED, "its own"
    assert (market.status, market.held) == (Status.SUSPENDED, True)


def test_a_refused_settlement_does_not_end_the_hold() -> None:
    market = Followed()
    market.trader(SUSPEND)
    market.trader(SettleMarket(market_no=1, results=won(True)))
    assert market.held


def test_a_refused_settlement_does_not_hold() -> None:
    market = Followed()
    market.feed(OPEN)
    market.trader(SettleMarket(market_no=1, results=won(True)))
    assert not market.held
