"""Model inputs that the desk keeps for a fixture, so that no trader's program has to send them.

Owns what is kept and how a match's events and its clock change it. Prices are worked out by the
shells, from what `pricing_at` returns. Of football alone are events and the clock known; another
sport's state is set whole.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from engine.common.events import Refused
from engine.common.match_events import MatchEvent
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import NS_PER_MS, Nanos
from engine.pricing.football.model import CLOCK_S_MAX, RED_CARDS_MAX, MatchState, Period, Side

FIXTURES_MAX: Final = 4_096
"""Fixtures whose inputs are kept. Those of another take the room of one that is over, the one kept
for longest; while none is over they are refused with CAPACITY."""
FOOTBALL: Final = "football"


_BEGINS: Final[dict[MatchEvent, tuple[Period, int | None]]] = {
    MatchEvent.KICK_OFF: (Period.FIRST_HALF, 0),
    MatchEvent.HALF_TIME: (Period.HALF_TIME, None),
    MatchEvent.SECOND_HALF: (Period.SECOND_HALF, 2_700),
    MatchEvent.FULL_TIME: (Period.FULL_TIME, None),
    MatchEvent.EXTRA_FIRST: (Period.EXTRA_FIRST, 5_400),
    MatchEvent.EXTRA_HALF_TIME: (Period.EXTRA_HALF_TIME, None),
    MatchEvent.EXTRA_SECOND: (Period.EXTRA_SECOND, 6_300),
    MatchEvent.AFTER_EXTRA_TIME: (Period.AFTER_EXTRA_TIME, None),
}
"""The period that each of these begins, and its clock where the clock runs in it."""
_SIDED: Final = (
    MatchEvent.GOAL,
    MatchEvent.GOAL_CANCELLED,
    MatchEvent.RED_CARD,
    MatchEvent.RED_CARD_CANCELLED,
)


class KeptInputs(Struct, frozen=True, kw_only=True):
    """A fixture's inputs: what `reprice` takes, and since when the clock runs.

    `margin` and `skew` are those that whoever keeps the inputs has named; without them those of
    engine.desk.kept_margins hold. `state` is that of `since_ns` while the clock runs, else it
    stands. `builder_limits` are the limits of the fixture's bet builders by the house's rules, as
    the shells take them.
    """

    fixture: str
    sport: str
    model: dict[str, Any]
    state: dict[str, Any]
    margin: dict[str, Any] | None = None
    skew: dict[str, Any] | None = None
    builder_limits: dict[str, Any] | None = None
    since_ns: Nanos = Nanos(0)
    """When the clock began to run from `state`; 0: it stands."""
    by: str = ""
    at_ns: Nanos = Nanos(0)
    number: int = 0
    """How often the fixture's inputs have been changed: whoever changes them says which he saw."""

    def pricing_at(self, now_ns: Nanos) -> dict[str, Any]:
        """Return the fields of a reprice at a time, but for margin and skew."""
        return {
            "fixture": self.fixture,
            "sport": self.sport,
            "model": self.model,
            "state": self.state_at(now_ns),
            "builder_limits": self.builder_limits,
        }

    def state_at(self, now_ns: Nanos) -> dict[str, Any]:
        """Return the state at a time, with the clock moved on where it runs."""
        if not self.since_ns:
            return self.state
        passed_s = max(0, now_ns - self.since_ns) // (1_000 * NS_PER_MS)
        clock_s = min(CLOCK_S_MAX, int(self.state.get("clock_s", 0)) + passed_s)
        return self.state | {"clock_s": clock_s}


class InputsKept(Struct, frozen=True, kw_only=True, tag_field="doc", tag="inputs_kept"):
    """A fixture's inputs from now on."""

    inputs: KeptInputs


class InputsReleased(Struct, frozen=True, kw_only=True, tag_field="doc", tag="inputs_released"):
    """The desk keeps the fixture's inputs no longer; its odds stay as they are."""

    fixture: str
    by: str
    at_ns: Nanos


InputsDocument = InputsKept | InputsReleased


class Inputs:
    """The inputs of all fixtures that the desk prices.

    As in Approvals, what changes something returns a document, which the caller writes first.
    """

    def __init__(self) -> None:
        self.kept: dict[str, KeptInputs] = {}

    def keep(
        self, inputs: KeptInputs, *, keep_state: bool = False, after: int | None = None
    ) -> InputsKept | Refused:
        """Keep a fixture's inputs in place of those before.

        With `keep_state` the match goes on from where it is, its clock too, if any is kept; `after`
        is the number of the inputs that the caller saw, None for any.
        """
        before = self.kept.get(inputs.fixture)
        changed = _changed_since(before, after)
        if changed is not None:
            return changed
        if before is not None and keep_state and before.sport == inputs.sport:
            since_ns = inputs.at_ns if before.since_ns else Nanos(0)
            inputs = replace(inputs, state=before.state_at(inputs.at_ns), since_ns=since_ns)
        inputs = replace(inputs, number=1 if before is None else before.number + 1)
        if inputs.fixture not in self.kept and len(self.kept) >= FIXTURES_MAX:
            message = f"the inputs of {FIXTURES_MAX} fixtures are kept"
            return Refused(reason=Reason.CAPACITY, field="fixture", message=message)
        if inputs.since_ns and inputs.sport != FOOTBALL:
            message = f"no clock is kept for {inputs.sport}"
            return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="running", message=message)
        return InputsKept(inputs=inputs)

    def make_room(
        self, fixture: str, *, is_over: Callable[[str], bool], by: str, at_ns: Nanos
    ) -> InputsReleased | None:
        """Release the inputs of a fixture that is over where those of another have no room."""
        if fixture in self.kept or len(self.kept) < FIXTURES_MAX:
            return None
        over = next((kept for kept in self.kept if is_over(kept)), None)
        return None if over is None else InputsReleased(fixture=over, by=by, at_ns=at_ns)

    def release(self, fixture: str, *, by: str, at_ns: Nanos) -> InputsReleased | Refused:
        """Keep a fixture's inputs no longer."""
        if fixture not in self.kept:
            return _unknown(fixture)
        return InputsReleased(fixture=fixture, by=by, at_ns=at_ns)

    def happen(
        self,
        fixture: str,
        event: MatchEvent,
        side: Side | None,
        *,
        by: str,
        at_ns: Nanos,
        after: int | None = None,
    ) -> InputsKept | Refused:
        """Change a fixture's state by an event of its match, at the time of the event.

        `after` is as in `keep`: two people who say the same goal at once make one.
        """
        inputs = self.kept.get(fixture)
        if inputs is None:
            return _unknown(fixture)
        changed = _changed_since(inputs, after)
        if changed is not None:
            return changed
        if inputs.sport != FOOTBALL:
            message = f"events of {inputs.sport} are not known; keep its new state"
            return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="event", message=message)
        if (side is None) is (event in _SIDED):
            message = f"{event} is {'of a side' if event in _SIDED else 'of no side'}"
            return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="side", message=message)
        state = msgspec.convert(inputs.state_at(at_ns), MatchState)
        try:
            state = _after(state, event, side or "home")
        except ValueError as error:
            return Refused(reason=Reason.TRANSITION_NOT_ALLOWED, field="event", message=str(error))
        begun = _BEGINS.get(event)
        runs = bool(inputs.since_ns) if begun is None else begun[1] is not None
        return InputsKept(
            inputs=replace(
                inputs,
                state=msgspec.to_builtins(state),
                since_ns=at_ns if runs else Nanos(0),
                by=by,
                at_ns=at_ns,
                number=inputs.number + 1,
            )
        )

    def apply(self, document: InputsDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case InputsKept():
                self.kept[document.inputs.fixture] = document.inputs
            case InputsReleased():
                self.kept.pop(document.fixture, None)


def _after(state: MatchState, event: MatchEvent, side: Side) -> MatchState:
    """Return the state after an event.

    Raises
    ------
    ValueError
        When the event cannot happen in the state; the text says why.
    """
    begun = _BEGINS.get(event)
    if begun is not None:
        period, clock_s = begun
        if period <= state.period:
            raise ValueError(f"{event}: the match is in {state.period.name}")
        return state.at(period=period, clock_s=state.clock_s if clock_s is None else clock_s)
    if event is MatchEvent.GOAL:
        return state.scored(side=side)
    if event is MatchEvent.GOAL_CANCELLED:
        return state.without_goal(side=side)
    field = f"{side}_red_cards"
    cards = getattr(state, field) + (1 if event is MatchEvent.RED_CARD else -1)
    if not 0 <= cards <= RED_CARDS_MAX:
        raise ValueError(f"{event}: {side} would have {cards} red cards, 0 to {RED_CARDS_MAX}")
    return replace(state, **{field: cards})


def _changed_since(inputs: KeptInputs | None, after: int | None) -> Refused | None:
    """Return the refusal of a change that was made from inputs which are others by now."""
    number = 0 if inputs is None else inputs.number
    if after is None or after == number:
        return None
    by = "" if inputs is None else f", by {inputs.by}"
    message = f"{MESSAGES[Reason.INPUTS_CHANGED]}: {number} is the present one{by}"
    return Refused(reason=Reason.INPUTS_CHANGED, field="after", message=message)


def _unknown(fixture: str) -> Refused:
    message = f"{MESSAGES[Reason.INPUTS_UNKNOWN]}: {fixture}"
    return Refused(reason=Reason.INPUTS_UNKNOWN, field="fixture", message=message)
