"""Guards of odds: the book sum, leaps while bets are taken, and the override."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import (
    FeedStep,
    FeedUpdate,
    Quote,
    SetOdds,
    SetStatus,
    SuspendMarket,
)
from engine.common.events import FeedApplied, OddsSet, Refused
from engine.common.lifecycle import Status
from engine.common.odds_guard import OddsGuard
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, create, do, open_machine

GUARD = OddsGuard(book_milli_min=1_000, step_milli_max=4_000)
ODDS = (2_240, 3_400, 3_600)


def set_odds(*odds: int, active: bool = True, override: bool = False) -> SetOdds:
    """Return odds of the first outcomes, as a market's shell completes them."""
    quotes = tuple(
        Quote(outcome=at, odds_milli=each, active=active) for at, each in enumerate(odds)
    )
    return SetOdds(market_no=1, quotes=quotes, override=override, guard=GUARD)


def reason_of(machine: MarketMachine, command: SetOdds) -> Reason:
    event = machine.apply(command, AT_NS)
    return event.reason if isinstance(event, Refused) else Reason.ACCEPTED


def test_a_slipped_point_is_refused_with_its_figures_and_changes_nothing() -> None:
    machine = open_machine(odds=ODDS)
    before = machine.state_hash()
    assert machine.apply(set_odds(22_400), AT_NS) == Refused(
        reason=Reason.ODDS_STEP,
        field="quotes[0].odds_milli",
        message="2240 to 22400 is over 4000 thousandths of the lower while bets are taken",
    )
    assert machine.state_hash() == before


def test_a_slipped_point_while_suspended_is_refused_by_the_book_sum() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, SuspendMarket(market_no=1))
    assert machine.apply(set_odds(22_400), AT_NS) == Refused(
        reason=Reason.BOOK_SUM_LOW,
        field="quotes",
        message="the book sums to 616 thousandths, below 1000",
    )


def test_odds_that_say_they_are_meant_are_taken() -> None:
    machine = open_machine(odds=ODDS)
    assert isinstance(machine.apply(set_odds(22_400, override=True), AT_NS), OddsSet)
    assert machine.price_image(1).odds_milli == (22_400, 3_400, 3_600)


@pytest.mark.parametrize(
    ("odds", "reason"),
    [
        ((20_000, 30_000, 30_000), Reason.BOOK_SUM_LOW),
        ((1_001, 10_000_000, 10_000_000), Reason.BOOK_SUM_LOW),
        ((3_000, 3_000, 3_000), Reason.ACCEPTED),
        ((3_001, 3_000, 3_000), Reason.BOOK_SUM_LOW),
    ],
)
def test_a_market_is_not_created_with_a_book_below_its_least_sum(odds, reason) -> None:
    command = replace(create(odds=odds), guard=GUARD)
    event = MarketMachine().apply(command, AT_NS)
    assert (event.reason if isinstance(event, Refused) else Reason.ACCEPTED) == reason
    for taken in (replace(command, override=True), replace(command, offered=False)):
        assert not isinstance(MarketMachine().apply(taken, AT_NS), Refused)


@given(odds=st.lists(st.integers(1_001, 10_000_000), min_size=2, max_size=6))
def test_the_book_sum_is_exact(odds: list[int]) -> None:
    exact = sum(Fraction(1_000, each) for each in odds)
    event = MarketMachine().apply(replace(create(odds=tuple(odds)), guard=GUARD), AT_NS)
    if exact >= 1:
        assert not isinstance(event, Refused)
    elif exact < 1 - Fraction(len(odds), 10**9):
        assert isinstance(event, Refused)


def test_a_tolerance_and_zero_lower_the_least_sum() -> None:
    for least, taken in ((1_000, False), (950, True), (0, True)):
        command = replace(
            create(odds=(2_100, 2_100)), guard=OddsGuard(book_milli_min=least, step_milli_max=0)
        )
        assert isinstance(MarketMachine().apply(command, AT_NS), Refused) is not taken


def test_steps_that_are_no_leaps_are_taken() -> None:
    """Four times at most, any step of a long shot, after a stop, and of what was not offered."""
    machine = open_machine(odds=(1_050, 20_000, 20_000))
    assert reason_of(machine, set_odds(1_050, 80_001)) == Reason.ACCEPTED
    assert reason_of(machine, set_odds(4_200, 1_200)) == Reason.ODDS_STEP
    assert reason_of(machine, set_odds(4_201)) == Reason.ODDS_STEP
    do(machine, SuspendMarket(market_no=1))
    assert reason_of(machine, set_odds(9_000, 1_100)) == Reason.ACCEPTED
    machine = open_machine(odds=ODDS)
    assert reason_of(machine, set_odds(2_240, active=False)) == Reason.ACCEPTED
    assert reason_of(machine, set_odds(1_010)) == Reason.ACCEPTED


def test_commands_of_older_journals_have_no_guard() -> None:
    machine = open_machine(odds=ODDS)
    old = {"do": "set_odds", "market_no": 1, "quotes": [{"outcome": 0, "odds_milli": 9_999_999}]}
    command = msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=SetOdds)
    assert isinstance(machine.apply(command, AT_NS), OddsSet)
    plain = SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=2_000),))
    assert msgspec.to_builtins(plain).keys() == {"do", "market_no", "quotes"}


ACTIVE = SetStatus(market_no=1, status=Status.ACTIVE)


@pytest.mark.parametrize("steps", [(set_odds(22_400),), (set_odds(22_400), ACTIVE)])
def test_a_feed_with_refused_odds_suspends_its_market_until_its_next_good_odds(
    steps: tuple[FeedStep, ...],
) -> None:
    machine = open_machine(odds=ODDS)
    update = FeedUpdate(market_no=1, source="f", position=1, steps=steps)
    event = machine.apply(update, AT_NS)
    assert isinstance(event, FeedApplied)
    assert isinstance(event.events[0], Refused)
    assert event.events[0].reason == Reason.ODDS_STEP
    assert len(event.events) == len(steps)
    image = machine.price_image(1)
    assert (image.status, image.odds_milli) == (Status.SUSPENDED, ODDS)
    assert event.version == image.version == 3
    good = (set_odds(2_300), ACTIVE)
    machine.apply(FeedUpdate(market_no=1, source="f", position=2, steps=good), AT_NS)
    assert machine.book_image(1).prices.status == Status.ACTIVE
    machine.check()
