"""Feed updates: each message counts once and in the order of its source, also when repeated."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import (
    DIGEST_MAX,
    NAME_CHARS_MAX,
    SOURCES_MAX,
    STEPS_MAX,
    TIME_NS_MAX,
    CancelBets,
    FeedStep,
    FeedUpdate,
    OpenMarket,
    Quote,
    ResetSource,
    ResumeMarket,
    RollBackCancel,
    SetOdds,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    FeedApplied,
    FeedRefused,
    MarketSettled,
    OddsSet,
    Refused,
    SourceReset,
    StatusSet,
)
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.market.feed_positions import DIGESTS_KEPT
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, bet, do, open_machine, place, won

STOP = SetStatus(market_no=1, status=Status.SUSPENDED)


def update(
    position: int, *steps: FeedStep, source: str = "uof:1/odds", digest: int = 0, market: int = 1
) -> FeedUpdate:
    return FeedUpdate(
        market_no=market, source=source, position=position, digest=digest, steps=steps or (STOP,)
    )


def refusal(machine: MarketMachine, command: FeedUpdate) -> tuple[Reason, str]:
    """Apply a message that must be refused and change nothing; return reason and field."""
    before = machine.state_hash()
    event = machine.apply(command, AT_NS)
    assert isinstance(event, Refused), event
    assert event.message
    assert machine.state_hash() == before
    return event.reason, event.field


def test_steps_are_applied_in_order_and_their_events_returned_together() -> None:
    machine = open_machine()
    quotes = (Quote(outcome=0, odds_milli=3_000),)
    event = machine.apply(update(7, STOP, SetOdds(market_no=1, quotes=quotes)), AT_NS)
    assert event == FeedApplied(
        market_no=1,
        version=4,
        source="uof:1/odds",
        position=7,
        events=(
            StatusSet(market_no=1, version=3, status=Status.SUSPENDED),
            OddsSet(market_no=1, version=4, quotes=quotes),
        ),
    )
    assert machine.feed_positions(1) == {"uof:1/odds": 7}
    machine.check()


def test_a_refused_step_stops_no_later_step_and_the_position_counts() -> None:
    machine = open_machine()
    steps = (
        OpenMarket(market_no=1),
        SettleMarket(market_no=1, results=won(True)),
        SettleMarket(market_no=1, results=won(True, False, False)),
    )
    event = machine.apply(update(7, *steps), AT_NS)
    assert isinstance(event, FeedApplied)
    assert [type(each) for each in event.events] == [Refused, Refused, MarketSettled]
    assert refusal(machine, update(7, *steps)) == (Reason.FEED_POSITION_KNOWN, "position")
    event = machine.apply(update(8, OpenMarket(market_no=1)), AT_NS)
    assert isinstance(event, FeedApplied)
    assert event.version == machine.price_delta(1).version
    assert machine.feed_positions(1) == {"uof:1/odds": 8}


def test_a_repeated_message_and_one_at_a_lower_position_are_refused() -> None:
    machine = open_machine()
    do(machine, update(7, digest=3))
    for command in (update(7, digest=3), update(6, digest=3), update(6, digest=4)):
        assert refusal(machine, command) == (Reason.FEED_POSITION_KNOWN, "position")
    do(machine, update(7, digest=4))
    for command in (update(7, digest=3), update(7, digest=4)):
        assert refusal(machine, command) == (Reason.FEED_POSITION_KNOWN, "position")
    do(machine, update(8, digest=3), update(9, digest=3))


def test_every_source_and_market_has_a_position_of_its_own() -> None:
    machine = open_machine(markets=2)
    other = SetStatus(market_no=2, status=Status.SUSPENDED)
    do(
        machine,
        update(9),
        update(5, source="uof:1/result"),
        update(4, source="uof:3/odds"),
        update(3, other, market=2),
    )
    assert machine.feed_positions(1) == {"uof:1/odds": 9, "uof:1/result": 5, "uof:3/odds": 4}
    assert machine.feed_positions(2) == {"uof:1/odds": 3}
    assert open_machine().feed_positions(1) == {}
    with pytest.raises(KeyError):
        machine.feed_positions(3)


def test_at_one_position_the_oldest_digest_past_the_bound_is_forgotten() -> None:
    machine = open_machine()
    do(machine, *[update(7, digest=digest) for digest in range(DIGESTS_KEPT)])
    assert refusal(machine, update(7, digest=0))[0] == Reason.FEED_POSITION_KNOWN
    do(machine, update(7, digest=DIGESTS_KEPT))
    assert refusal(machine, update(7, digest=1))[0] == Reason.FEED_POSITION_KNOWN
    do(machine, update(7, digest=0))
    assert MarketMachine.load(machine.dump()).dump() == machine.dump()


def test_a_source_past_the_bound_is_refused() -> None:
    machine = open_machine()
    do(machine, *[update(1, source=f"s{number:02}") for number in range(SOURCES_MAX)])
    assert refusal(machine, update(1, source="more")) == (Reason.CAPACITY, "source")
    do(machine, update(2, source="s00"))


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (update(1, STOP, SetStatus(market_no=2, status=Status.ACTIVE)), "steps"),
        (update(1, *[STOP] * (STEPS_MAX + 1)), "steps"),
        (FeedUpdate(market_no=1, source="s", position=1, steps=()), "steps"),
        (update(1, source=""), "source"),
        (update(1, source="s" * (NAME_CHARS_MAX + 1)), "source"),
        (update(-1), "position"),
        (update(TIME_NS_MAX + 1), "position"),
        (update(1, digest=-1), "digest"),
        (update(1, digest=DIGEST_MAX + 1), "digest"),
    ],
)
def test_a_message_with_a_field_out_of_bounds_is_refused_and_the_field_named(
    command, field
) -> None:
    assert refusal(open_machine(markets=2), command) == (Reason.FIELD_OUT_OF_BOUNDS, field)


@pytest.mark.parametrize(
    "opening", [SetStatus(market_no=1, status=Status.ACTIVE), ResumeMarket(market_no=1)]
)
def test_a_market_is_not_opened_by_a_message_whose_odds_were_refused(opening: FeedStep) -> None:
    machine = open_machine()
    refused = SetOdds(market_no=1, quotes=(Quote(outcome=99, odds_milli=3_000),))
    event = machine.apply(update(1, STOP, refused, opening), AT_NS)
    assert isinstance(event, FeedApplied)
    assert isinstance(event.events[1], Refused)
    assert isinstance(event.events[2], StatusSet)
    assert event.events[2].why == "no price"
    assert machine.price_delta(1).status is Status.SUSPENDED


def test_a_message_for_an_unknown_market_is_refused() -> None:
    other = SetStatus(market_no=9, status=Status.ACTIVE)
    command = update(1, other, market=9)
    assert refusal(open_machine(), command) == (Reason.MARKET_UNKNOWN, "market_no")


STEPS = (
    SetStatus(market_no=1, status=Status.ACTIVE),
    STOP,
    SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=1_500),)),
    SetOdds(market_no=1, quotes=(Quote(outcome=0, odds_milli=1_600),)),
    SettleMarket(market_no=1, results=won(True, False, False)),
    SettleMarket(market_no=1, results=won(False, True, False)),
    CancelBets(market_no=1, from_ns=5),
    RollBackCancel(market_no=1, from_ns=5),
)


@settings(max_examples=80, deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from(("uof:1/odds", "uof:1/result")),
            st.integers(0, 2),
            st.lists(st.sampled_from(STEPS), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=12,
    ),
    seed=st.integers(0, 1 << 16),
)
def test_messages_repeated_in_any_order_change_nothing(messages, seed) -> None:
    once, repeated = open_machine(), open_machine()
    for machine in (once, repeated):
        place(machine, bet(1), bet(2, outcome=1, odds=3_200))
    rng, applied, positions = random.Random(seed), [], {"uof:1/odds": 0, "uof:1/result": 0}
    for digest, (source, ahead, steps) in enumerate(messages):
        positions[source] += ahead
        message = update(positions[source], *steps, source=source, digest=digest)
        assert isinstance(once.apply(message, AT_NS), FeedApplied)
        applied.append(message)
        assert isinstance(repeated.apply(message, AT_NS), FeedApplied)
        for earlier in rng.choices(applied, k=rng.randrange(4)):
            assert refusal(repeated, earlier)[0] == Reason.FEED_POSITION_KNOWN
        repeated = MarketMachine.load(repeated.dump())
    assert repeated.state_hash() == once.state_hash()
    repeated.check()


TEN_YEARS_MS = 10 * 365 * 86_400_000


def ahead(position: int, *steps: FeedStep, bound: int) -> FeedUpdate:
    return replace(update(position, *steps), position_max=bound)


def test_a_position_ahead_of_the_bound_suspends_the_market_and_the_next_message_counts() -> None:
    machine = open_machine()
    opening = SetStatus(market_no=1, status=Status.ACTIVE)
    do(machine, ahead(1_000, opening, bound=1_000))
    event = machine.apply(ahead(1_001 + TEN_YEARS_MS, opening, bound=1_001), AT_NS)
    assert isinstance(event, FeedRefused)
    assert (event.reason, event.source) == (Reason.FEED_POSITION_AHEAD, "uof:1/odds")
    assert event.version == machine.price_delta(1).version
    assert machine.price_delta(1).status is Status.SUSPENDED
    assert machine.feed_positions(1) == {"uof:1/odds": 1_000}
    place(machine, bet(1))
    assert machine.bets()["reason"].tolist() == [Reason.MARKET_SUSPENDED]
    assert isinstance(machine.apply(ahead(1_002, opening, bound=1_002), AT_NS), FeedApplied)
    assert machine.price_delta(1).status is Status.ACTIVE
    machine.check()


def test_a_position_ahead_that_is_repeated_stays_refused_as_ahead() -> None:
    machine = open_machine()
    command = ahead(TEN_YEARS_MS, bound=1_000)
    first, second = machine.apply(command, AT_NS), machine.apply(command, AT_NS)
    assert isinstance(first, FeedRefused)
    assert first == second


def test_a_message_delivered_again_after_the_clock_went_back_changes_nothing() -> None:
    machine = open_machine()
    do(machine, ahead(1_000, SetStatus(market_no=1, status=Status.ACTIVE), bound=1_000))
    again = refusal(machine, ahead(1_000, bound=900))
    assert again == (Reason.FEED_POSITION_KNOWN, "position")
    assert machine.price_delta(1).status is Status.ACTIVE


def test_a_position_ahead_leaves_a_traders_hold_and_a_market_out_of_betting_as_they_are() -> None:
    machine = open_machine()
    do(machine, SuspendMarket(market_no=1))
    machine.apply(ahead(TEN_YEARS_MS, bound=1_000), AT_NS)
    active = SetStatus(market_no=1, status=Status.ACTIVE)
    event = machine.apply(ahead(1, active, bound=1_000), AT_NS)
    assert isinstance(event, FeedApplied)
    assert [getattr(each, "reason", None) for each in event.events] == [Reason.MARKET_HELD]
    do(machine, SettleMarket(market_no=1, results=won(True, False, False)))
    assert refusal(machine, ahead(TEN_YEARS_MS, bound=1_000)) == (
        Reason.FEED_POSITION_AHEAD,
        "position",
    )


def test_a_reset_source_is_followed_from_its_new_position_on() -> None:
    machine = open_machine()
    do(machine, update(TEN_YEARS_MS), update(5, source="uof:1/result"))
    assert refusal(machine, update(7)) == (Reason.FEED_POSITION_KNOWN, "position")
    event = machine.apply(ResetSource(market_no=1, source="uof:1/odds", position=6), AT_NS)
    assert event == SourceReset(
        market_no=1,
        version=machine.price_delta(1).version,
        source="uof:1/odds",
        position=6,
        before=TEN_YEARS_MS,
    )
    assert machine.feed_positions(1) == {"uof:1/odds": 6, "uof:1/result": 5}
    assert refusal(machine, update(5)) == (Reason.FEED_POSITION_KNOWN, "position")
    do(machine, update(7))
    do(machine, ResetSource(market_no=1, source="uof:1/odds"), update(1))
    assert MarketMachine.load(machine.dump()).dump() == machine.dump()
    machine.check()


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (ResetSource(market_no=9, source="s"), Reason.MARKET_UNKNOWN, "market_no"),
        (ResetSource(market_no=1, source="never"), Reason.FEED_SOURCE_UNKNOWN, "source"),
        (ResetSource(market_no=1, source=""), Reason.FIELD_OUT_OF_BOUNDS, "source"),
        (
            ResetSource(market_no=1, source="s", position=-1),
            Reason.FIELD_OUT_OF_BOUNDS,
            "position",
        ),
    ],
)
def test_a_reset_that_fits_nothing_is_refused(
    command: ResetSource, reason: Reason, field: str
) -> None:
    machine = open_machine()
    do(machine, update(1, source="s"))
    before = machine.state_hash()
    event = machine.apply(command, AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (reason, field)
    assert machine.state_hash() == before
