"""Messages about model inputs that the desk keeps, and events of a match that change them.

Owns schemas only; engine.desk.kept_inputs says what events do.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from engine.common.board_inputs import ExpectedGoals, FittedMarkets
from engine.common.match_events import MatchEvent
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField, enumerated

EventField = Annotated[str, Meta(max_length=32), enumerated(MatchEvent)]


class KeepInputs(FromClient, frozen=True, kw_only=True, tag="keep_inputs"):
    """Have the desk keep a fixture's model, state, margin and skew, and reprice by them.

    `pricing` is as `reprice` takes it. For football the model may come from `expect` or from `fit`
    instead, as in `create_board`. While the clock is `running` (football), the desk moves it on and
    reprices by itself. Other pricing of the fixture goes on to hold until the next repricing, so a
    fixture is priced in one way at a time. Answered by `inputs_kept`.
    """

    id: IdField = 0
    fixture: FixtureField
    pricing: Annotated[dict[str, Any], Meta(max_length=5)] = field(default_factory=dict)
    expect: ExpectedGoals | None = None
    fit: FittedMarkets = ()
    running: bool = False


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
    `reopen`, resumed as by `resume_all`. Goals and red cards are of a `side`, periods of none. The
    suspension is obeyed even where the rest is refused. Answered by `inputs_kept`.
    """

    id: IdField = 0
    fixture: FixtureField
    event: EventField
    side: Literal["home", "away"] | None = None
    reopen: bool = False


class InputsKept(FromGateway, frozen=True, kw_only=True, tag="inputs_kept"):
    """A fixture's inputs, with the state as it is now, and what came of the request.

    `repriced` markets have new odds; `refused` ones do not, the first of them for `why`.
    `suspended` and `resumed` count markets as `suspended_all` and `resumed_all` do. Without inputs,
    the `sport` is empty. `at` is when and `by` who set them last.
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


InputsRequest = KeepInputs | AskInputs | ReleaseInputs | HappenInMatch
