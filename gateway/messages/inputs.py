"""Messages about model inputs that the desk keeps, and events of a match that change them.

Owns schemas only; engine.desk.kept_inputs says what events do.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, field

from engine.common.board_inputs import ExpectedGoals, FittedMarkets
from engine.common.match_events import MatchEvent
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField, enumerated

NumberField = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
EVENT_CHARS_MAX: Final = 32
EventField = Annotated[str, Meta(max_length=EVENT_CHARS_MAX), enumerated(MatchEvent)]


class KeepInputs(FromClient, frozen=True, kw_only=True, tag="keep_inputs"):
    """Have the desk keep a fixture's model, state, margin and skew, and reprice by them.

    `pricing` is as `reprice` takes it; where it names no margin or skew, those of `keep_margin`
    hold. For football the model may come from `expect` or from `fit`
    instead, as in `create_board`. While the clock is `running` (football), the desk moves it on and
    reprices by itself. Without a `state` the match goes on from where it is kept, its clock too.
    `after` is the number of the inputs that the sender saw: others by now refuse the request (972).
    Other pricing of the fixture goes on to hold until the next repricing, so a fixture is priced in
    one way at a time. Answered by `inputs_kept`.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=5)] = field(default_factory=dict)
    expect: ExpectedGoals | None = None
    fit: FittedMarkets = ()
    running: bool = False
    after: NumberField | None = None


class AskInputs(FromClient, frozen=True, kw_only=True, tag="inputs"):
    """Ask for the inputs that the desk keeps of a fixture; answered by `inputs_kept`."""

    id: IdField = 0
    fixture: FixtureField


class ReleaseInputs(FromClient, frozen=True, kw_only=True, tag="release_inputs"):
    """Keep a fixture's inputs no longer; its odds stay. Answered by `inputs_kept`, without any."""

    id: IdField = 0
    fixture: FixtureField


class HappenInMatch(FromClient, frozen=True, kw_only=True, tag="match_event"):
    """Say what has happened in a football match whose inputs the desk keeps.

    The fixture is suspended as by `suspend_all`, the state changed, the fixture repriced and, with
    `reopen`, what this message suspended is resumed, unless a market refused its odds or did not
    answer. Goals and red cards are of a `side`, periods of none. `after` is as in `keep_inputs`, so
    that a goal which two people send counts once. The suspension is obeyed even where the rest is
    refused, and where a shell is down until it answers, for a minute. Answered by `inputs_kept`.
    """

    id: IdField = 0
    fixture: FixtureField
    event: EventField
    side: Literal["home", "away"] | None = None
    reopen: bool = False
    after: NumberField | None = None


class InputsKept(FromGateway, frozen=True, kw_only=True, tag="inputs_kept"):
    """A fixture's inputs, with the state as it is now, and what came of the request.

    Margin and skew are those that `keep_inputs` named. `repriced` markets have new odds; `refused`
    ones do not, the first of them for `why`. `suspended` and `resumed` count markets, and `failed`
    names up to a thousand whose suspension has no answer: it is kept, and their shells get it
    before they take bets again. `others` names those whose stops keep
    markets stopped after a `reopen`. Without inputs, the `sport` is empty.
    `at` is when and `by` who set them last, and `number` how often they were set.
    """

    id: int = 0
    fixture: str
    sport: str = ""
    model: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    margin: dict[str, Any] | None = None
    skew: dict[str, Any] | None = None
    running: bool = False
    by: str = ""
    at: str = ""
    repriced: int = 0
    refused: int = 0
    why: str = ""
    suspended: int = 0
    resumed: int = 0
    failed: tuple[int, ...] = ()
    number: int = 0
    others: tuple[str, ...] = ()


InputsRequest = KeepInputs | AskInputs | ReleaseInputs | HappenInMatch
