"""Statuses set by name, and the hold: what a trader stops, no feed starts again."""

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
from engine.common.lifecycle import SET_ACTIONS, Status
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, create, do, open_machine, won

SUSPEND, RESUME, OPEN = (kind(market_no=1) for kind in (SuspendMarket, ResumeMarket, OpenMarket))


class Followed:
    """An open market that a feed and a trader both speak to."""

    def __init__(self) -> None:
        self.machine = open_machine()
        self.position = 0

    def fed(self, step: FeedStep) -> FeedStepEvent:
        """Return what a feed's step comes to."""
        self.position += 1
        update = FeedUpdate(market_no=1, source="f", position=self.position, steps=(step,))
        event = self.machine.apply(update, AT_NS)
        assert isinstance(event, FeedApplied)
        self.machine.check()
        return event.events[0]

    def set(self, status: Status) -> FeedStepEvent:
        """Return what it comes to when a feed sets a status."""
        return self.fed(SetStatus(market_no=1, status=status))

    def told(self, command: FeedStep) -> MarketEvent:
        """Return what a trader's command comes to."""
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


@pytest.mark.parametrize("before", SET_ACTIONS)
@pytest.mark.parametrize("after", SET_ACTIONS)
def test_a_status_is_reached_from_every_other_and_from_itself_unchanged(before, after) -> None:
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


@pytest.mark.parametrize("status", [status for status in Status if status not in SET_ACTIONS])
def test_what_ends_betting_is_not_set_by_name(status) -> None:
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
def test_once_betting_is_over_no_status_is_set(end) -> None:
    machine = open_machine()
    do(machine, end)
    for status in SET_ACTIONS:
        event = machine.apply(SetStatus(market_no=1, status=status), AT_NS)
        assert reason(event) == Reason.TRANSITION_NOT_ALLOWED


@pytest.mark.parametrize("step", [RESUME, SetStatus(market_no=1, status=Status.ACTIVE)])
def test_no_feed_starts_what_a_trader_stopped(step) -> None:
    market = Followed()
    assert not market.held
    market.told(SUSPEND)
    assert market.held
    assert reason(market.fed(step)) == Reason.MARKET_HELD
    assert market.status == Status.SUSPENDED
    market.told(RESUME)
    assert (market.held, market.status) == (False, Status.ACTIVE)


def test_a_trader_too_resumes_what_he_holds_and_does_not_set_it() -> None:
    market = Followed()
    market.told(SUSPEND)
    event = market.told(SetStatus(market_no=1, status=Status.ACTIVE))
    assert reason(event) == Reason.MARKET_HELD
    assert isinstance(market.told(SetStatus(market_no=1, status=Status.INACTIVE)), StatusSet)
    assert market.held
    assert isinstance(market.told(OPEN), MarketOpened)
    assert not market.held


def test_what_a_feed_stopped_it_starts_again() -> None:
    market = Followed()
    assert isinstance(market.fed(SUSPEND), MarketSuspended)
    assert not market.held
    assert reason(market.fed(SUSPEND)) == Reason.TRANSITION_NOT_ALLOWED
    assert reason(market.set(Status.ACTIVE)) == Reason.ACCEPTED


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.INACTIVE, Status.HANDED_OVER])
def test_a_trader_holds_where_it_stands_a_market_that_a_feed_has_stopped(status) -> None:
    market = Followed()
    market.set(status)
    version = market.machine.price_delta(1).version
    event = market.told(SuspendMarket(market_no=1, why="check"))
    assert event == MarketSuspended(market_no=1, version=version, why="check")
    assert (market.held, market.status) == (True, status)
    assert reason(market.set(Status.ACTIVE)) == Reason.MARKET_HELD
    assert reason(market.fed(OPEN)) in {Reason.MARKET_HELD, Reason.TRANSITION_NOT_ALLOWED}
    assert reason(market.told(SUSPEND)) == Reason.TRANSITION_NOT_ALLOWED, "held already"


@pytest.mark.parametrize("status", [Status.INACTIVE, Status.HANDED_OVER])
def test_a_held_market_that_a_feed_moved_is_let_go_where_it_stands(status) -> None:
    market = Followed()
    market.told(SUSPEND)
    market.set(status)
    assert (market.held, market.status) == (True, status)
    version = market.machine.price_delta(1).version
    assert reason(market.fed(RESUME)) == Reason.TRANSITION_NOT_ALLOWED
    assert market.told(RESUME) == StatusSet(market_no=1, version=version, status=status)
    assert not market.held
    assert reason(market.told(RESUME)) == Reason.TRANSITION_NOT_ALLOWED
    market.set(Status.ACTIVE)
    assert market.status == Status.ACTIVE


def test_a_market_that_a_feed_has_stopped_too_is_let_go_and_not_opened() -> None:
    market = Followed()
    market.told(SUSPEND)
    market.set(Status.SUSPENDED)
    version = market.machine.price_delta(1).version
    let_go = StatusSet(market_no=1, version=version, status=Status.SUSPENDED)
    assert market.told(RESUME) == let_go
    assert (market.held, market.status) == (False, Status.SUSPENDED)
    assert reason(market.set(Status.ACTIVE)) == Reason.ACCEPTED


def test_what_a_feed_wants_of_a_held_market_is_remembered_though_refused() -> None:
    market = Followed()
    market.set(Status.SUSPENDED)
    market.told(SUSPEND)
    assert reason(market.set(Status.ACTIVE)) == Reason.MARKET_HELD
    assert isinstance(market.told(RESUME), MarketResumed)
    assert market.status == Status.ACTIVE


def test_a_second_resumption_opens_what_a_feed_has_stopped() -> None:
    market = Followed()
    market.fed(SUSPEND)
    market.told(SUSPEND)
    assert isinstance(market.told(RESUME), StatusSet)
    assert isinstance(market.told(RESUME), MarketResumed)
    market.told(SUSPEND)
    assert isinstance(market.told(RESUME), MarketResumed), "the feed's old word was overruled"


def test_results_that_a_feed_takes_back_leave_the_market_for_the_feed_to_open() -> None:
    market = Followed()
    market.fed(SettleMarket(market_no=1, results=won(True, False, False)))
    market.fed(RollBackSettlement(market_no=1))
    market.told(SUSPEND)
    assert isinstance(market.told(RESUME), StatusSet)


def test_bets_that_a_feed_cancels_say_nothing_of_the_status() -> None:
    market = Followed()
    market.told(SUSPEND)
    market.fed(CancelBets(market_no=1, until_ns=AT_NS + 1))
    assert isinstance(market.told(RESUME), MarketResumed)


def test_a_market_made_for_a_feed_is_held_before_that_feed_has_spoken() -> None:
    market = Followed()
    market.machine = MarketMachine()
    do(market.machine, msgspec.structs.replace(create(), offered=False))
    assert isinstance(market.told(SUSPEND), MarketSuspended)
    assert (market.held, market.status) == (True, Status.INACTIVE)
    assert reason(market.set(Status.ACTIVE)) == Reason.MARKET_HELD
    market.told(RESUME)
    assert reason(market.set(Status.ACTIVE)) == Reason.ACCEPTED


def test_a_market_that_no_feed_spoke_to_is_held_only_from_a_suspension() -> None:
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


def test_a_trader_s_hand_over_lets_a_market_go_and_a_feed_s_does_not() -> None:
    for fed in (False, True):
        market = Followed()
        market.fed(OPEN)
        market.told(SUSPEND)
        (market.fed if fed else market.told)(HandOverMarket(market_no=1))
        assert (market.status, market.held) == (Status.HANDED_OVER, fed)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("held", [False, True])
def test_no_feed_starts_again_what_a_trader_ended(end: FeedStep, held: bool) -> None:
    market = Followed()
    market.fed(OPEN)
    if held:
        market.told(SUSPEND)
    market.told(end)
    market.fed(SettleMarket(market_no=1, results=won(False, True, False)))
    market.fed(RollBackSettlement(market_no=1))
    if isinstance(end, CancelMarket):
        market.told(RollBackCancel(market_no=1))
    assert (market.status, market.held) == (Status.SUSPENDED, True)
    assert reason(market.set(Status.ACTIVE)) == Reason.MARKET_HELD
    market.told(RESUME)
    assert (market.status, market.held) == (Status.ACTIVE, False)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("held", [False, True])
def test_what_a_feed_ended_is_held_only_as_it_was_before(end: FeedStep, held: bool) -> None:
    market = Followed()
    market.fed(OPEN)
    if held:
        market.told(SUSPEND)
    market.fed(end)
    assert market.held == held


def test_a_hold_outlives_a_settlement_that_a_feed_takes_back() -> None:
    market = Followed()
    market.told(SUSPEND)
    market.fed(SettleMarket(market_no=1, results=won(True, False, False)))
    for command in (SUSPEND, RESUME):
        assert reason(market.told(command)) == Reason.TRANSITION_NOT_ALLOWED, "betting is over"
    market.fed(RollBackSettlement(market_no=1))
    assert reason(market.set(Status.ACTIVE)) == Reason.MARKET_HELD
    market.told(RESUME)
    assert market.status == Status.ACTIVE


def test_no_feed_takes_back_what_a_trader_cancelled_whole() -> None:
    market = Followed()
    market.fed(OPEN)
    market.fed(CancelBets(market_no=1))
    market.told(CancelMarket(market_no=1))
    assert reason(market.fed(RollBackCancel(market_no=1))) == Reason.MARKET_HELD
    assert market.status == Status.CANCELLED
    market.told(RollBackCancel(market_no=1))
    assert market.status == Status.SUSPENDED
    market.fed(CancelMarket(market_no=1))
    assert reason(market.fed(RollBackCancel(market_no=1))) == Reason.ACCEPTED, "its own word"
    assert (market.status, market.held) == (Status.SUSPENDED, True)


def test_a_refused_settlement_does_not_let_go() -> None:
    market = Followed()
    market.told(SUSPEND)
    market.told(SettleMarket(market_no=1, results=won(True)))
    assert market.held


def test_a_refused_end_does_not_hold() -> None:
    market = Followed()
    market.fed(OPEN)
    market.told(SettleMarket(market_no=1, results=won(True)))
    assert not market.held
