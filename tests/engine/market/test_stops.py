"""Whose stops hold a market: each ends by its author, and the market opens with the last."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
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
from engine.common.events import MarketKeptStopped, MarketResumed, MarketSuspended, StatusSet
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from engine.market.stops import NAMES_MAX, SEVERAL
from tests.engine.market.builders import won
from tests.engine.market.test_holds import Followed, reason

ADA, IDA, BOB = "trader:ada", "head_trader:ida", "risk:bob"


def stop(by: str) -> SuspendWithAll:
    return SuspendWithAll(market_no=1, by=by)


def start(by: str, *, force: bool = False) -> ResumeWithAll:
    return ResumeWithAll(market_no=1, by=by, force=force or msgspec.UNSET)


def resume(by: str) -> ResumeMarket:
    return ResumeMarket(market_no=1, by=by)


def book_of(market: Followed) -> tuple[tuple[str, ...], bool, bool]:
    """Return who holds a market with others, whether one does alone, and whether it is open."""
    image = market.machine.book_image(1)
    return image.stopped_by, image.held_alone, image.prices.status is Status.ACTIVE


def test_two_people_s_stops_end_each_by_its_author_in_either_order() -> None:
    for first, last in ((ADA, IDA), (IDA, ADA)):
        market = Followed()
        assert isinstance(market.trader(stop(ADA)), MarketSuspended)
        assert isinstance(market.trader(stop(IDA)), MarketSuspended)
        assert reason(market.trader(stop(ADA))) == Reason.TRANSITION_NOT_ALLOWED
        kept = market.trader(start(first))
        assert isinstance(kept, MarketKeptStopped)
        assert (kept.lifted, kept.others, kept.held) == (True, (last,), False)
        again = market.trader(start(first))
        assert isinstance(again, MarketKeptStopped)
        assert (again.lifted, again.others) == (False, (last,))
        assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
        assert isinstance(market.trader(start(last)), MarketResumed)
        assert book_of(market) == ((), False, True)


def test_everybody_s_stops_end_by_force_and_no_trader_s_own_hold() -> None:
    market = Followed()
    for command in (stop(ADA), SuspendMarket(market_no=1), stop(IDA)):
        assert isinstance(market.trader(command), MarketSuspended)
    kept = market.trader(start(BOB, force=True))
    assert isinstance(kept, MarketKeptStopped)
    assert (kept.lifted, kept.others, kept.held) == (True, (), True)
    assert isinstance(market.trader(resume(BOB)), MarketResumed)


def test_a_resumption_of_the_market_alone_leaves_the_stops_of_others() -> None:
    market = Followed()
    market.trader(stop(IDA))
    refused = market.trader(resume(ADA))
    assert reason(refused) == Reason.MARKET_HELD
    assert IDA in refused.message
    for command in (SuspendMarket(market_no=1), stop(ADA)):
        market.trader(command)
    kept = market.trader(resume(ADA))  # takes off the hold and her own stop
    assert isinstance(kept, MarketKeptStopped)
    assert (kept.lifted, kept.others) == (True, (IDA,))
    assert book_of(market) == ((IDA,), False, False)
    assert isinstance(market.trader(resume(IDA)), MarketResumed)


@pytest.mark.parametrize("status", [Status.INACTIVE, Status.HANDED_OVER])
def test_a_stopped_market_is_not_opened_past_the_stops_of_others(status) -> None:
    market = Followed()
    market.trader(stop(IDA))
    market.feed_sets(status)
    assert reason(market.trader(OpenMarket(market_no=1, by=ADA))) == Reason.MARKET_HELD
    assert market.status == status
    assert reason(market.trader(OpenMarket(market_no=1, by=IDA))) == Reason.ACCEPTED
    assert book_of(market) == ((), False, True)


def test_a_market_that_is_handed_over_waits_for_those_who_hold_it() -> None:
    market = Followed()
    for command in (stop(ADA), stop(IDA), HandOverMarket(market_no=1, by=ADA)):
        assert reason(market.trader(command)) == Reason.ACCEPTED
    assert (market.status, book_of(market)[0]) == (Status.HANDED_OVER, (IDA,))
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.MARKET_HELD
    assert isinstance(market.trader(start(IDA)), StatusSet)
    assert reason(market.feed_sets(Status.ACTIVE)) == Reason.ACCEPTED


def test_stops_outlive_a_settlement_that_is_rolled_back() -> None:
    market = Followed()
    market.trader(stop(IDA))
    market.trader(SettleMarket(market_no=1, results=won(True, False, False)))
    assert reason(market.trader(stop(ADA))) == Reason.TRANSITION_NOT_ALLOWED
    assert reason(market.trader(RollBackSettlement(market_no=1))) == Reason.ACCEPTED
    kept = market.trader(resume(ADA))
    assert isinstance(kept, MarketKeptStopped)
    assert kept.others == (IDA,)
    market.trader(CloseMarket(market_no=1))
    kept = market.trader(start(IDA))
    assert isinstance(kept, MarketKeptStopped)
    assert (kept.others, kept.held, kept.status) == ((), True, Status.CLOSED)


def test_a_stop_without_a_name_is_anybody_s_and_an_old_resumption_is_of_all() -> None:
    market = Followed()
    for command in (SuspendWithAll(market_no=1), stop(IDA)):
        market.trader(command)
    assert reason(market.trader(SuspendWithAll(market_no=1))) == Reason.TRANSITION_NOT_ALLOWED
    market.trader(start(ADA))
    assert market.machine.dump() != Followed().machine.dump()
    assert book_of(market)[0] == (IDA,)
    market.trader(stop(ADA))
    assert isinstance(market.trader(ResumeWithAll(market_no=1)), MarketResumed)


def test_past_the_bound_of_names_stops_are_several_and_end_together() -> None:
    market = Followed()
    people = [f"trader:{number}" for number in range(NAMES_MAX + 2)]
    for by in people:
        market.trader(stop(by))
    names = (*people[:NAMES_MAX], SEVERAL)
    assert book_of(market)[0] == names
    for by in people:  # the last two have no name to take off
        kept = market.trader(start(by))
        assert isinstance(kept, MarketKeptStopped)
        assert SEVERAL in kept.others
    market.trader(stop(ADA))
    assert book_of(market)[0] == (SEVERAL, ADA)
    assert isinstance(market.trader(start(IDA, force=True)), MarketResumed)


@pytest.mark.parametrize(
    ("stops", "why"),
    [
        ([[2, [ADA]]], "no market 2"),
        ([[1, [ADA]], [1, [IDA]]], "out of order"),
        ([[1, []]], "nobody is named"),
        ([[1, [""]]], "nobody is named"),
        ([[1, [ADA, ADA]]], "given twice"),
        ([[1, ["a" * 65]]], "at most 64 characters"),
        ([[1, [ADA, 3]]], "not a list of strings"),
        ([[1]], "not a market and its names"),
    ],
)
def test_a_dump_whose_names_cannot_be_is_refused(stops, why) -> None:
    market = Followed()
    market.trader(stop(ADA))
    dump = market.machine.dump()
    with pytest.raises(ValueError, match=why):
        MarketMachine.load(dump | {"stops": stops})


def test_a_person_is_one_in_every_role() -> None:
    market = Followed()
    market.trader(stop("trader:ida"))
    assert reason(market.trader(stop(IDA))) == Reason.TRANSITION_NOT_ALLOWED
    assert isinstance(market.trader(start(IDA)), MarketResumed)


def test_a_dump_that_names_who_holds_a_market_that_is_open_is_refused() -> None:
    dump = Followed().machine.dump()
    with pytest.raises(ValueError, match="not held"):
        MarketMachine.load(dump | {"stops": [[1, [ADA]]]})


@dataclass
class Twin:
    """What holds a market, as a set of names and two words, in plain Python."""

    names: set[str] = field(default_factory=set)
    alone: bool = False
    feed_open: bool = True

    @property
    def open(self) -> bool:
        return self.feed_open and not (self.names or self.alone)

    def do(self, what: str, by: str) -> None:
        holds = bool(self.names or self.alone)
        if what == "stop":
            self.names.add(by)
        elif what == "start":
            self.names.discard(by)
        elif what == "force":
            self.names.clear()
        elif what == "suspend":
            self.alone = True
        elif what == "resume":
            self.alone = False
            self.names.discard(by)
            self.feed_open = self.feed_open or not holds
        elif what == "feed opens":
            self.feed_open = True
        else:
            self.feed_open = False


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("stop", "start", "force", "suspend", "resume", "feed opens", "feed stops")
        ),
        st.sampled_from((ADA, IDA, BOB)),
    ),
    max_size=14,
)


@settings(max_examples=60)
@given(steps=steps)
def test_a_market_is_open_just_when_its_feed_opens_it_and_nobody_s_stop_stands(steps) -> None:
    market, twin = Followed(), Twin()
    market.feed_sets(Status.ACTIVE)
    commands = {
        "stop": stop,
        "start": start,
        "force": lambda by: start(by, force=True),
        "suspend": lambda _: SuspendMarket(market_no=1),
        "resume": resume,
    }
    for what, by in steps:
        if what in commands:
            market.trader(commands[what](by))
        else:
            market.feed_sets(Status.ACTIVE if what == "feed opens" else Status.SUSPENDED)
        twin.do(what, by)
        names, alone, is_open = book_of(market)
        assert (set(names), alone, is_open) == (twin.names, twin.alone, twin.open), (what, by)
        assert market.held == bool(twin.names or twin.alone)
