"""Kept inputs: a match's events and its clock change the state as the match does."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.events import Refused
from engine.common.match_events import MatchEvent
from engine.common.reasons import Reason
from engine.desk import kept_inputs
from engine.desk.kept_inputs import Inputs, InputsKept, KeptInputs
from engine.pricing.football.axes import Scope
from engine.pricing.football.model import MatchState, Period, Side

S = 1_000_000_000
EVENT_SIDES: list[tuple[MatchEvent, Side | None]] = [
    (MatchEvent.GOAL, "home"),
    (MatchEvent.GOAL, "away"),
    (MatchEvent.GOAL_CANCELLED, "home"),
    (MatchEvent.GOAL_CANCELLED, "away"),
    (MatchEvent.RED_CARD, "home"),
    (MatchEvent.RED_CARD_CANCELLED, "home"),
    *((event, None) for event in kept_inputs._BEGINS),
]


def inputs_of(**fields: Any) -> KeptInputs:
    return KeptInputs(
        fixture="cup-1",
        **{"sport": "football", "model": {"home_rate": 1.5, "away_rate": 1.0}, "state": {}}
        | fields,
    )


def kept(inputs: KeptInputs) -> Inputs:
    all_inputs = Inputs()
    document = all_inputs.keep(inputs)
    assert isinstance(document, InputsKept)
    all_inputs.apply(document)
    return all_inputs


def happen(all_inputs: Inputs, event: MatchEvent, side: Side | None, at_s: int) -> Reason | None:
    document = all_inputs.happen("cup-1", event, side, by="trader:anna", at_ns=at_s * S)
    if isinstance(document, Refused):
        return document.reason
    all_inputs.apply(document)
    return None


def state_at(all_inputs: Inputs, at_s: int) -> MatchState:
    return msgspec.convert(all_inputs.kept["cup-1"].pricing_at(at_s * S)["state"], MatchState)


def test_a_match_is_followed_from_its_kick_off_to_its_end() -> None:
    match = kept(inputs_of())
    assert state_at(match, 50) == MatchState()
    happen(match, MatchEvent.KICK_OFF, None, 100)
    assert state_at(match, 160).clock_s == 60
    happen(match, MatchEvent.GOAL, "away", 700)
    happen(match, MatchEvent.RED_CARD, "home", 800)
    happen(match, MatchEvent.HALF_TIME, None, 2_900)
    assert state_at(match, 3_500).clock_s == 2_800
    happen(match, MatchEvent.SECOND_HALF, None, 3_900)
    happen(match, MatchEvent.GOAL, "home", 3_960)
    happen(match, MatchEvent.GOAL_CANCELLED, "home", 4_000)
    happen(match, MatchEvent.GOAL, "home", 4_300)
    state = state_at(match, 4_310)
    assert (state.period, state.clock_s, state.order) == (Period.SECOND_HALF, 3_110, "ah")
    assert state.score(Scope.REGULAR) == (1, 1)
    assert state.home_red_cards == 1
    happen(match, MatchEvent.FULL_TIME, None, 6_900)
    assert state_at(match, 9_000).period is Period.FULL_TIME
    assert happen(match, MatchEvent.GOAL, "home", 6_950) is Reason.TRANSITION_NOT_ALLOWED
    assert happen(match, MatchEvent.KICK_OFF, None, 6_950) is Reason.TRANSITION_NOT_ALLOWED


@given(st.lists(st.tuples(st.sampled_from(EVENT_SIDES), st.integers(0, 900)), max_size=40))
def test_every_state_that_events_lead_to_is_one_that_a_match_can_be_in(
    events: list[tuple[tuple[MatchEvent, Side | None], int]],
) -> None:
    match, now_s = kept(inputs_of()), 1
    goals = {"home": 0, "away": 0}
    for (event, side), passed_s in events:
        now_s += passed_s
        refused = happen(match, event, side, now_s)
        if refused is None and side is not None and "goal" in event:
            goals[side] += 1 if event is MatchEvent.GOAL else -1
        state = state_at(match, now_s)
        total = (state.score(Scope.REGULAR), state.score(Scope.EXTRA_TIME))
        assert tuple(map(sum, zip(*total, strict=True))) == (goals["home"], goals["away"])


@given(st.sampled_from(EVENT_SIDES[:2]))
def test_a_cancelled_goal_leaves_the_state_before_it(goal: tuple[MatchEvent, Side]) -> None:
    match = kept(inputs_of(state={"period": 1, "first_half": {"home": 1}, "order": "h"}))
    before = state_at(match, 10)
    happen(match, *goal, 10)
    happen(match, MatchEvent.GOAL_CANCELLED, goal[1], 10)
    assert state_at(match, 10) == before


@pytest.mark.parametrize(
    ("event", "side", "field"),
    [
        (MatchEvent.GOAL, None, "side"),
        (MatchEvent.HALF_TIME, "home", "side"),
        (MatchEvent.RED_CARD_CANCELLED, "home", "event"),
        (MatchEvent.GOAL_CANCELLED, "home", "event"),
    ],
)
def test_an_event_that_cannot_be_is_refused(
    event: MatchEvent, side: Side | None, field: str
) -> None:
    match = kept(inputs_of(state={"period": 1}))
    refused = match.happen("cup-1", event, side, by="trader:anna", at_ns=5)
    assert isinstance(refused, Refused)
    assert refused.field == field


def test_other_sports_have_no_events_and_no_clock_and_unknown_fixtures_no_inputs() -> None:
    tennis = kept(inputs_of(sport="tennis"))
    assert happen(tennis, MatchEvent.GOAL, "home", 5) is Reason.FIELD_OUT_OF_BOUNDS
    running = tennis.keep(inputs_of(sport="tennis", since_ns=5))
    assert isinstance(running, Refused)
    for refused in (
        tennis.release("cup-2", by="trader:anna", at_ns=5),
        tennis.happen("cup-2", MatchEvent.GOAL, "home", by="trader:anna", at_ns=5),
    ):
        assert isinstance(refused, Refused)
        assert refused.reason is Reason.INPUTS_UNKNOWN


def test_fixtures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_inputs, "FIXTURES_MAX", 1)
    match = kept(inputs_of())
    other = match.keep(KeptInputs(fixture="cup-2", sport="football", model={}, state={}))
    assert isinstance(other, Refused)
    assert other.reason is Reason.CAPACITY
    assert isinstance(match.keep(inputs_of(state={"period": 1})), InputsKept)
