"""A trader's marks on outcomes: they stand whatever feeds, models and statuses do meanwhile."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import (
    CancelMarket,
    CloseMarket,
    FeedStep,
    FeedUpdate,
    HandOverMarket,
    MarketCommand,
    OpenMarket,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SetStatus,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    FeedApplied,
    MarketEvent,
    OddsOverridden,
    OddsReleased,
    OddsSet,
    OutcomesResumed,
    OutcomesSuspended,
    Refused,
)
from engine.common.lifecycle import Status
from engine.common.odds_guard import OddsGuard
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import Reason
from engine.common.rows import Policy
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, bet, do, open_machine, reasons, won

ODDS = (2_240, 3_400, 3_600)
GUARD = OddsGuard(book_milli_min=1_000, step_milli_max=4_000)
TAKEN, OFF = Reason.ACCEPTED, Reason.OUTCOME_INACTIVE


def override(*pairs: tuple[int, int], **fields: Any) -> OverrideOdds:
    quotes = tuple(StandingOdds(outcome=at, odds_milli=milli) for at, milli in pairs)
    return OverrideOdds(market_no=1, quotes=quotes, **fields)


def odds(*pairs: tuple[int, int], active: bool = True, **fields: Any) -> SetOdds:
    quotes = tuple(Quote(outcome=at, odds_milli=milli, active=active) for at, milli in pairs)
    return SetOdds(market_no=1, quotes=quotes, **fields)


def fed(position: int, *steps: FeedStep) -> FeedUpdate:
    return FeedUpdate(market_no=1, source="f", position=position, steps=steps)


def shown(machine: MarketMachine) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    image = machine.price_image(1)
    return image.odds_milli, image.active


def taken(machine: MarketMachine, *outcomes: int) -> list[int]:
    """Return the reasons of bets on outcomes at whatever odds are offered."""
    first = machine.bets_len + 1
    rows = [
        bet(first + at, outcome=outcome, policy=Policy.ANY) for at, outcome in enumerate(outcomes)
    ]
    return reasons(machine, *rows)


def reason_of(event: MarketEvent) -> Reason:
    return event.reason if isinstance(event, Refused) else Reason.ACCEPTED


def test_a_held_outcome_takes_no_bet_until_a_trader_resumes_it() -> None:
    machine = open_machine(odds=ODDS)
    version = machine.price_delta(1).version
    held = machine.apply(SuspendOutcomes(market_no=1, outcomes=(1,), why="injury"), AT_NS)
    assert held == OutcomesSuspended(market_no=1, version=version + 1, outcomes=(1,), why="injury")
    assert taken(machine, 0, 1, 2) == [TAKEN, OFF, TAKEN]
    said = machine.apply(odds((1, 3_000)), AT_NS)
    assert isinstance(said, OddsSet)
    assert said.quotes == (Quote(outcome=1, odds_milli=3_000, active=False),)
    do(machine, fed(1, SetStatus(market_no=1, status=Status.ACTIVE), odds((1, 2_900))))
    do(machine, SuspendMarket(market_no=1), ResumeMarket(market_no=1))
    assert taken(machine, 1) == [OFF]
    assert machine.book_image(1).outcome_held == (False, True, False)
    resumed = machine.apply(ResumeOutcomes(market_no=1, outcomes=(1,)), AT_NS)
    assert isinstance(resumed, OutcomesResumed)
    assert resumed.outcomes == (1,)
    assert shown(machine) == ((2_240, 2_900, 3_600), (True,) * 3)
    assert taken(machine, 1) == [TAKEN]


def test_a_resumed_outcome_is_not_offered_where_its_last_odds_say_so() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, SuspendOutcomes(market_no=1, outcomes=(0, 1)), odds((0, 2_000), active=False))
    do(machine, ResumeOutcomes(market_no=1))
    assert taken(machine, 0, 1) == [OFF, TAKEN]


def test_overridden_odds_stand_while_the_others_move_and_are_as_last_said_after() -> None:
    machine = open_machine(odds=ODDS)
    event = machine.apply(override((0, 2_500), why="team news"), AT_NS)
    assert isinstance(event, OddsOverridden)
    for step, position in ((odds((0, 2_000), (1, 3_500)), 1), (odds((0, 2_100)), 2)):
        do(machine, fed(position, step))
    said = machine.apply(odds((0, 2_150)), AT_NS)
    assert isinstance(said, OddsSet)
    assert said.quotes[0].odds_milli == 2_500, "a trader's plain odds do not replace it either"
    assert shown(machine)[0] == (2_500, 3_500, 3_600)
    image = machine.book_image(1)
    assert (image.overridden, image.due_odds_milli) == (
        (True, False, False),
        (2_150, 3_500, 3_600),
    )
    do(machine, override((0, 2_600)))
    released = machine.apply(ReleaseOdds(market_no=1), AT_NS)
    assert isinstance(released, OddsReleased)
    assert released.quotes == (StandingOdds(outcome=0, odds_milli=2_150),)
    assert shown(machine)[0] == (2_150, 3_500, 3_600)


def test_an_override_does_not_offer_what_its_feed_does_not_offer() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, override((0, 2_500)), fed(1, odds((0, 2_000), active=False)))
    assert shown(machine) == ((2_500, 3_400, 3_600), (False, True, True))


@pytest.mark.parametrize(
    "command",
    [
        SuspendOutcomes(market_no=1, outcomes=(1,)),
        ResumeOutcomes(market_no=1, outcomes=(1,)),
        override((1, 3_000)),
        ReleaseOdds(market_no=1),
    ],
)
def test_the_same_mark_again_changes_nothing_and_is_no_refusal(command: MarketCommand) -> None:
    machine = open_machine(odds=ODDS)
    do(machine, command)
    version, state = machine.price_delta(1).version, machine.state_hash()
    event = machine.apply(command, AT_NS + 1)
    assert not isinstance(event, Refused)
    assert event.version == version
    assert machine.state_hash() == state


@pytest.mark.parametrize(
    "end",
    [CloseMarket(market_no=1), CancelMarket(market_no=1),
     SettleMarket(market_no=1, results=won(True, False, False))],
)  # fmt: skip
def test_no_mark_changes_once_betting_has_ended_and_those_that_stand_come_back(
    end: MarketCommand,
) -> None:
    machine = open_machine(odds=ODDS)
    do(machine, SuspendOutcomes(market_no=1, outcomes=(2,)), override((0, 2_500)), end)
    for command in (
        SuspendOutcomes(market_no=1, outcomes=(1,)),
        ResumeOutcomes(market_no=1),
        override((0, 2_000)),
        ReleaseOdds(market_no=1),
    ):
        assert reason_of(machine.apply(command, AT_NS)) is Reason.TRANSITION_NOT_ALLOWED
    if isinstance(end, CloseMarket):
        return
    undo = RollBackCancel(market_no=1)
    do(machine, undo if isinstance(end, CancelMarket) else RollBackSettlement(market_no=1))
    do(machine, ResumeMarket(market_no=1))
    assert taken(machine, 0, 2) == [TAKEN, OFF]
    assert shown(machine)[0][0] == 2_500


def test_a_stop_of_outcomes_is_obeyed_where_it_can_be() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, SuspendOutcomes(market_no=1, outcomes=(9, 1, 1)))
    assert machine.book_image(1).outcome_held == (False, True, False)
    event = machine.apply(SuspendOutcomes(market_no=1, outcomes=(9,)), AT_NS)
    assert reason_of(event) is Reason.OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    ("command", "reason", "field"),
    [
        (ResumeOutcomes(market_no=1, outcomes=(3,)), Reason.OUTCOME_UNKNOWN, "outcomes[0]"),
        (ReleaseOdds(market_no=1, outcomes=(1, 1)), Reason.FIELD_OUT_OF_BOUNDS, "outcomes"),
        (override((3, 2_000)), Reason.OUTCOME_UNKNOWN, "quotes[0].outcome"),
        (override((1, 2_000), (1, 2_000)), Reason.FIELD_OUT_OF_BOUNDS, "quotes[1].outcome"),
        (override((0, 1_000)), Reason.ODDS_OUT_OF_BOUNDS, "quotes[0].odds_milli"),
    ],
)
def test_a_mark_that_means_nothing_is_refused_and_names_its_field(
    command: MarketCommand, reason: Reason, field: str
) -> None:
    machine = open_machine(odds=ODDS)
    state = machine.state_hash()
    event = machine.apply(command, AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (reason, field)
    assert machine.state_hash() == state


def test_a_decided_outcome_can_be_held_but_takes_no_odds() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, SettleMarket(market_no=1, outcomes=(0,), results=won(False)))
    assert reason_of(machine.apply(override((0, 2_000)), AT_NS)) is Reason.ODDS_DECIDED
    do(machine, SuspendOutcomes(market_no=1, outcomes=(0,)))
    do(machine, RollBackSettlement(market_no=1, outcomes=(0,)), odds((0, 2_000)))
    assert taken(machine, 0) == [OFF]


# --- guards ----------------------------------------------------------------------------------


def test_an_override_is_guarded_as_odds_are_unless_it_is_meant() -> None:
    machine = open_machine(odds=ODDS)
    for command, reason in (
        (override((0, 22_400), guard=GUARD), Reason.ODDS_STEP),
        (override((0, 2_700), guard=GUARD), Reason.BOOK_SUM_LOW),
        (override((0, 2_700), guard=GUARD, override=True), Reason.ACCEPTED),
    ):
        assert reason_of(machine.apply(command, AT_NS)) is reason


def test_a_feeds_odds_that_make_the_offered_book_too_low_stop_the_market() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, override((0, 2_300)))
    event = machine.apply(fed(1, odds((0, 1_500), (1, 5_000), (2, 8_000), guard=GUARD)), AT_NS)
    assert isinstance(event, FeedApplied)
    assert reason_of(event.events[0]) is Reason.BOOK_SUM_LOW
    assert machine.price_image(1).status is Status.SUSPENDED


def test_a_release_into_a_book_that_is_too_low_is_refused_unless_it_is_meant() -> None:
    machine = open_machine(odds=ODDS)
    do(machine, override((0, 1_500), (1, 2_500)), fed(1, odds((0, 5_000), (1, 3_900), (2, 1_900))))
    partly = ReleaseOdds(market_no=1, outcomes=(0,), guard=GUARD)
    assert not isinstance(machine.apply(partly, AT_NS), Refused)
    do(machine, override((0, 1_500)), fed(2, odds((2, 6_000))))
    event = machine.apply(partly, AT_NS)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.BOOK_SUM_LOW, "outcomes")
    assert machine.price_image(1).odds_milli[0] == 1_500
    do(machine, msgspec.structs.replace(partly, override=True))


# --- any sequence ----------------------------------------------------------------------------

OUTCOMES = st.integers(0, 2)
QUOTES = st.lists(
    st.builds(
        Quote, outcome=OUTCOMES, odds_milli=st.sampled_from((1_500, 2_500, 9_000)),
        active=st.booleans(),
    ),
    min_size=1, max_size=3, unique_by=lambda quote: quote.outcome,
).map(tuple)  # fmt: skip
STEPS: st.SearchStrategy[FeedStep] = st.one_of(
    st.builds(SetOdds, market_no=st.just(1), quotes=QUOTES),
    st.builds(
        SetOdds, market_no=st.just(1), quotes=QUOTES, guard=st.just(OddsGuard(step_milli_max=3_000))
    ),
    st.sampled_from(
        [kind(market_no=1) for kind in (SuspendMarket, ResumeMarket, OpenMarket, HandOverMarket)]
    ),
    st.builds(
        SetStatus,
        market_no=st.just(1),
        status=st.sampled_from((Status.ACTIVE, Status.SUSPENDED, Status.INACTIVE)),
    ),
    st.builds(
        lambda at, first: SettleMarket(market_no=1, outcomes=(at,), results=won(first)),
        OUTCOMES,
        st.booleans(),
    ),
    st.just(SettleMarket(market_no=1, results=won(True, False, False))),
    st.builds(lambda at: RollBackSettlement(market_no=1, outcomes=(at,)), OUTCOMES),
    st.just(RollBackSettlement(market_no=1)),
    st.sampled_from([CancelMarket(market_no=1), RollBackCancel(market_no=1)]),
)
STREAM = st.lists(st.tuples(st.booleans(), st.lists(STEPS, min_size=1, max_size=3)), max_size=12)
PAIRS = st.dictionaries(OUTCOMES, st.sampled_from((1_400, 3_100, 20_000)), min_size=1)


@settings(max_examples=80, deadline=None)
@given(stream=STREAM, standing=PAIRS, held=st.sets(OUTCOMES, min_size=1), reload=st.booleans())
def test_marks_stand_through_any_commands_and_what_was_said_holds_after_them(
    stream: list[tuple[bool, list[FeedStep]]],
    standing: dict[int, int],
    held: set[int],
    reload: bool,
) -> None:
    """Beside a market without marks, which every other command is given too."""
    machine, plain = open_machine(odds=ODDS), open_machine(odds=ODDS)
    do(machine, override(*standing.items()), SuspendOutcomes(market_no=1, outcomes=tuple(held)))
    for at, (by_feed, steps) in enumerate(stream, start=1):
        for command in (fed(at, *steps),) if by_feed else steps:
            one, other = machine.apply(command, AT_NS + at), plain.apply(command, AT_NS + at)
            assert reason_of(one) is reason_of(other)
        machine.check()
        if reload:
            machine = MarketMachine.load(machine.dump())
        image, without = machine.price_image(1), plain.price_image(1)
        assert image.status is without.status
        for outcome in range(3):
            assert image.odds_milli[outcome] == standing.get(outcome, without.odds_milli[outcome])
            assert image.active[outcome] == (without.active[outcome] and outcome not in held)
        if image.status is Status.ACTIVE:
            assert {taken(machine, outcome)[0] for outcome in held} == {OFF}
    if plain.price_image(1).status not in (Status.SETTLED, Status.CANCELLED):
        do(machine, ReleaseOdds(market_no=1), ResumeOutcomes(market_no=1))
        assert shown(machine) == shown(plain)
        assert machine.dump()["due"] == []
    assert machine.given_delta(1).odds_milli == plain.price_image(1).odds_milli
    assert machine.given_delta(1).active == plain.price_image(1).active


@pytest.mark.parametrize(
    "due", [[], [[1, 0, 2_000], [1, 1, 2_000]], [[1, 3, 2_000]], [[2, 0, 2_000]], [[1, 0, 7]], [1]]
)
def test_a_dump_whose_due_odds_do_not_fit_is_refused(due: list[Any]) -> None:
    machine = open_machine(odds=ODDS)
    do(machine, override((0, 2_500)))
    document = machine.dump()
    MarketMachine.load(document)
    with pytest.raises(ValueError, match="due"):
        MarketMachine.load(document | {"due": due})
