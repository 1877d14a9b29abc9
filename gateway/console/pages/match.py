"""A fixture's match: score and clock where the desk keeps its inputs, and what happens in it.

Owns the keys of a match's events. Where the desk keeps no inputs an event only suspends; a trader
gives them with a key, or a program does.
"""

import time
from typing import Any, Final

from engine.common.board_inputs import ExpectedGoals
from engine.common.match_events import MatchEvent
from engine.common.reasons import Reason
from gateway.client import GatewayError, RefusedError
from gateway.console.pages.frame import Screen
from gateway.console.pages.stops import suspend_fixture
from gateway.console.undos import Undo
from gateway.messages.inputs import InputsKept

_ASK_EVERY_S: Final = 1.0
_PERIODS: Final = (
    "before",
    "1st",
    "half-time",
    "2nd",
    "full time",
    "ET 1",
    "ET half",
    "ET 2",
    "end",
)
"""By the number of a football match's period."""
_NEXT: Final[dict[int, MatchEvent]] = {
    0: MatchEvent.KICK_OFF,
    1: MatchEvent.HALF_TIME,
    2: MatchEvent.SECOND_HALF,
    3: MatchEvent.FULL_TIME,
    4: MatchEvent.EXTRA_FIRST,
    5: MatchEvent.EXTRA_HALF_TIME,
    6: MatchEvent.EXTRA_SECOND,
    7: MatchEvent.AFTER_EXTRA_TIME,
}
_SIDED: Final = {
    "g": (MatchEvent.GOAL, "home"),
    "G": (MatchEvent.GOAL, "away"),
    "c": (MatchEvent.RED_CARD, "home"),
    "C": (MatchEvent.RED_CARD, "away"),
}
_CANCELLED: Final = {
    MatchEvent.GOAL: MatchEvent.GOAL_CANCELLED,
    MatchEvent.RED_CARD: MatchEvent.RED_CARD_CANCELLED,
}
_WITHOUT: Final = {"g": "goal", "G": "goal", "c": "red card", "C": "red card", "h": "end of half"}
"""Why a fixture is suspended whose inputs nobody keeps."""
KEYS: Final = frozenset({"d", "h", "i", *_SIDED})
PROMPT: Final = {"i": {"title": "expected goals and home's supremacy, as 2.6 0.4", "row": False}}


class Match:
    """One fixture's match, as one screen sees it."""

    def __init__(self, screen: Screen, fixture: str) -> None:
        self._screen = screen
        self._fixture = fixture
        self._kept: InputsKept | None = None
        self._asked_s = 0.0
        self._sees = screen.user.role != "viewer"

    async def refresh(self) -> None:
        """Ask the desk what it keeps, once a second."""
        if not self._sees or time.monotonic() - self._asked_s < _ASK_EVERY_S:
            return
        self._asked_s = time.monotonic()
        try:
            self._kept = await self._screen.user.session.inputs(self._fixture)
        except RefusedError as error:
            if error.reason is Reason.INPUTS_UNKNOWN:
                self._kept = None
        except GatewayError:  # it connects again; the last state stays
            return

    @property
    def score(self) -> str:
        """The score and the period; empty where nobody keeps the match."""
        if self._kept is None or self._kept.sport != "football":
            return ""
        parts = ("first_half", "second_half", "extra_first", "extra_second")
        state = self._kept.state
        home, away = (
            sum(int(state.get(part, {}).get(side, 0)) for part in parts)
            for side in ("home", "away")
        )
        cards = f" \u25ae{state.get('home_red_cards', 0)}:{state.get('away_red_cards', 0)}"
        red = state.get("home_red_cards", 0) or state.get("away_red_cards", 0)
        return f"{home}:{away}{cards if red else ''}"

    @property
    def clock(self) -> str:
        """The period and the clock, as broadcasters count it."""
        if self._kept is None or self._kept.sport != "football":
            return ""
        clock_s, period = int(self._kept.state.get("clock_s", 0)), self._period
        shown = f" {clock_s // 60}:{clock_s % 60:02}" if self._kept.running else ""
        return f"{_PERIODS[period]}{shown}" if period < len(_PERIODS) else ""

    @property
    def _period(self) -> int:
        return 0 if self._kept is None else int(self._kept.state.get("period", 0))

    async def on_key(self, key: str, text: str) -> None:
        """Do what a key of the match means."""
        if key == "d":
            await suspend_fixture(self._screen, self._fixture, why="danger")
        elif key == "i":
            await self._keep(text)
        elif self._kept is None or self._kept.sport != "football":
            await suspend_fixture(self._screen, self._fixture, why=_WITHOUT[key])
        elif key in _SIDED:
            await self._happen(*_SIDED[key])
        elif self._period in _NEXT:
            await self._happen(_NEXT[self._period])

    async def _happen(self, event: MatchEvent, side: Any = None) -> None:
        session, fixture = self._screen.user.session, self._fixture
        name = f"{event.replace('_', ' ')}{f' {side}' if side else ''}"
        cancelled = _CANCELLED.get(event)
        after = None if self._kept is None else self._kept.number
        undo = None
        if cancelled is not None:
            # Refused once something else has happened: it would cancel another one's.
            own = None if after is None else after + 1
            undo = Undo(
                f"undo: {name}",
                lambda: session.match_event(fixture, cancelled, side=side, after=own),
            )
        done = await self._screen.act(
            f"{name} of {fixture}",
            lambda: session.match_event(fixture, event, side=side, after=after),
            undo=undo,
        )
        if done:
            self._asked_s = 0.0

    async def _keep(self, text: str) -> None:
        """Have the desk keep the inputs that a person types: expected goals and supremacy."""
        session, screen = self._screen.user.session, self._screen
        expect = _expected(text)
        if expect is None:
            screen.say("expected goals and supremacy: as 2.6 0.4", bad=True)
            return
        kept = self._kept
        pricing: dict[str, Any] = {}
        if kept is not None:
            named = {"margin": kept.margin, "skew": kept.skew}
            pricing = {name: given for name, given in named.items() if given is not None}
        after = 0 if kept is None else kept.number
        await screen.act(
            f"{self._fixture}: {expect.total:g} goals expected, supremacy {expect.supremacy:g}",
            lambda: session.keep_inputs(self._fixture, pricing, expect=expect, after=after),
        )
        self._asked_s = 0.0


def _expected(text: str) -> ExpectedGoals | None:
    """Return what a person typed; None for what is none."""
    parts = text.replace(",", ".").split()
    try:
        figures = [float(part) for part in parts]
    except ValueError:
        return None
    if len(figures) != 2 or not (0 < figures[0] <= 12 and -12 <= figures[1] <= 12):
        return None
    return ExpectedGoals(total=figures[0], supremacy=figures[1])
