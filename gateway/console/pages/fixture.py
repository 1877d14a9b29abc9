"""One fixture: every market's odds, fair odds, margin, stake and profit by outcome, and its keys.

Owns the table and the actions. Charts are beside it, in charts.py.
"""

import time
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace
from nicegui import ui

from engine.common.ids import MarketNo
from gateway.console.lines import FixtureView, Line
from gateway.console.pages.charts import Charts
from gateway.console.pages.creation import MARKET, create_market
from gateway.console.pages.floor_rows import STATE_NAMES
from gateway.console.pages.forms import field
from gateway.console.pages.frame import REFRESH_S, TEXT_MAX, Screen, Table
from gateway.console.pages.limits import (
    ACCEPTANCE,
    LIMITS,
    acceptance_fields,
    limit_fields,
    set_acceptance,
    set_limits,
)
from gateway.console.pages.margins import MARGIN, keep_margin
from gateway.console.pages.match import KEYS, PROMPT, Match
from gateway.console.pages.odds import named, override_odds, release_odds, set_odds
from gateway.console.pages.parts import (
    Text,
    expected_text,
    figures,
    key_buttons,
    money_text,
    outcome_text,
)
from gateway.console.pages.stops import (
    lift_fixture,
    resume_fixture,
    suspend_fixture,
    suspend_part,
)
from gateway.console.undos import Undo
from gateway.messages.scopes import MarketScope
from gateway.messages.trader import Book

_MONEY: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.money",
    "cellClass": "num",
    "headerClass": "num",
    "sortable": False,
}
_PLAIN: Final[dict[str, Any]] = {"sortable": False}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Market", "field": "market", "flex": 2, "minWidth": 118, "cellClass": "strong",
     "filter": True, **_PLAIN},
    {"headerName": "State", "field": "state", "width": 104, "tooltipField": "state", **_PLAIN,
     "cellClassRules": {"warn": "x.includes('susp') || x.includes('quar') || x.includes('held')",
                        "dim": "x.includes('sett')"}},
    {"headerName": "Outcome", "field": "outcome", "flex": 2, "minWidth": 92, **_PLAIN},
    {"headerName": "Odds", "field": "odds", ":cellRenderer": "Overround.Odds", "width": 70,
     "headerClass": "num", **_PLAIN},
    {"headerName": "Marks", "field": "marks", "width": 76, "cellClass": "warn", **_PLAIN,
     "headerTooltip": "held by a trader; \u270e: odds of a trader that stand, and what is due"},
    {"headerName": "Fair", "field": "fair", ":valueFormatter": "Overround.odds", "width": 62,
     "cellClass": ["num", "dim"], "headerClass": "num", **_PLAIN,
     "headerTooltip": "odds without their margin, taken off in proportion; no model"},
    {"headerName": "Margin", "field": "margin", ":valueFormatter": "Overround.percent",
     "width": 62, "cellClass": "num", "headerClass": "num", **_PLAIN,
     "cellClassRules": {"neg": "x < 0"}},
    {"headerName": "Stake", "field": "stake", "width": 68, **_MONEY},
    {"headerName": "If it wins", "field": "profit", "width": 76, **_MONEY,
     "cellClassRules": {"neg": "x < 0", "pos": "x > 0"},
     "headerTooltip": "what the house keeps if this outcome wins"},
    {"headerName": "Limit", "field": "used", ":valueFormatter": "Overround.percent",
     "width": 60, "cellClass": "num", "headerClass": "num", **_PLAIN,
     "headerTooltip": "liability as a share of the outcome's limit",
     "cellClassRules": {"warn": "x > 750", "dim": "x <= 750"}},
    {"headerName": "Expected", "field": "expected", "width": 74, **_MONEY,
     "cellClassRules": {"neg": "x < 0"}},
    {"headerName": "Bets", "field": "bets", ":valueFormatter": "Overround.count", "width": 50,
     "cellClass": "num", "headerClass": "num", **_PLAIN},
)  # fmt: skip


def fixture_page(screen: Screen, fixture: str) -> None:
    """Build the page of a fixture."""
    view = screen.model.fixtures.get(fixture)
    if view is None:
        ui.label(f"no market of {fixture[:TEXT_MAX]} yet").classes("note")
        screen.model.recall(fixture[:TEXT_MAX])  # it may be done, and have left
        ui.timer(1.0, lambda: _again(screen, fixture))
        return
    FixturePage(screen, view)


def _again(screen: Screen, fixture: str) -> None:
    if fixture in screen.model.fixtures:
        ui.navigate.reload()


MATCH_S: Final = 0.25
"""Seconds between two looks at what the desk keeps of the match: it is asked once a second, and at
once after an event."""


class FixturePage:
    """One screen of one fixture."""

    def __init__(self, screen: Screen, view: FixtureView) -> None:
        self._screen = screen
        self._view = view
        self._seen = -1
        self._turn = 0
        self._labels: dict[str, Any] = {}
        self._rows: dict[int, list[dict[str, Any]]] = {}
        self._line_seen: dict[int, int] = {}
        screen.model.watch(view.id)
        ui.context.client.on_delete(self._closed)
        self._open = True
        self._match = Match(screen, view.id)
        self._strip()
        with ui.element("div").classes("split"):
            with ui.element("div"):
                self._table = Table(
                    screen,
                    "fixture",
                    COLUMNS,
                    row_class=_ROW_CLASS,
                    rowClassRules=_RULES,
                    prompts={
                        "o": {"title": "odds", "row": True, "fill": "odds"},
                        "p": {"title": "odds that stand", "row": True, "fill": "odds"},
                        "k": {"title": "delay and referral, of", "row": True, "fields": ACCEPTANCE},
                        "m": {"title": "limits, of", "row": True, "fields": LIMITS},
                        "n": {"title": "margin and skew, of", "row": True, "fields": _MARGIN},
                        "N": {"title": "a new market by hand", "fields": MARKET},
                        **PROMPT,
                    },
                )
            self._charts = Charts(screen, view)
        self._table.grid.on("cellFocused", self._focused, ["rowIndex"])
        screen.on_key = self._on_key
        screen.on_form = self._on_form
        ui.timer(REFRESH_S, self._refresh)
        ui.timer(MATCH_S, self._match.refresh)
        ui.timer(1.0, self._charts.refresh)
        ui.timer(1.0, lambda: screen.alerts.refresh(time.monotonic()))

    def _closed(self) -> None:
        if self._open:
            self._open = False
            self._screen.model.unwatch(self._view.id)

    # --- what is shown ---------------------------------------------------------------------------

    def _strip(self) -> None:
        with ui.element("div").classes("strip"):
            Text("h1", self._view.name)
            self._labels = figures(
                (
                    "score",
                    "clock",
                    "state",
                    "bets/min",
                    "bets",
                    "turnover",
                    "worst",
                    "expected",
                    "margin",
                    "alerts",
                    "owner",
                )
            )
        key_buttons(BUTTONS)

    def _refresh(self) -> None:
        view = self._view
        self._turn += 1
        if view.changed == self._seen and self._turn % 10:
            return
        self._seen = view.changed
        changed = []
        for number, line in view.lines.items():
            if self._line_seen.get(number) != line.changed:
                self._line_seen[number] = line.changed
                self._rows[number] = outcome_rows(line)
                changed.append(number)
        self._table.change([row for number in sorted(changed) for row in self._rows[number]])
        self._show_figures()

    def _show_figures(self) -> None:
        view, main = self._view, self._view.main
        about = view.about
        values = {
            "score": self._match.score or view.score_text,
            "clock": self._match.clock,
            "state": STATE_NAMES.get(view.state(), ""),
            "bets/min": f"{view.bets_a_minute(time.time()):,}",
            "bets": f"{view.bets:,}",
            "turnover": f"{view.turnover_minor // 100:,}",
            "worst": money_text(view.worst_minor),
            "expected": expected_text(view.expected_minor, of=view.running, unknown=view.unknown),
            "margin": ""
            if main is None or not main.sum_milli
            else f"{main.sum_milli / 10 - 100:.1f}%",
        }
        values["alerts"] = self._screen.alerts.of_fixture(view.id) or "none"
        values["owner"] = ("" if about is None else about.owner.partition(":")[2]) or "nobody"
        for name, text in values.items():
            self._labels[name].text = text or "\u2013"

    # --- forms -----------------------------------------------------------------------------------

    async def _on_form(self, key: str, row: str, values: dict[str, str]) -> bool:
        found = self._screen.model.outcome_of(row)
        if key == "N":
            return await create_market(self._screen, values)
        if found is None:
            return False
        line = found[0]
        if key == "k":
            return await set_acceptance(self._screen, line, values)
        if key == "m":
            return await set_limits(self._screen, line, values)
        return key == "n" and await self._keep_margin(line, values)

    async def _keep_margin(self, line: Line, values: dict[str, str]) -> bool:
        """Have the desk keep a margin or a skew for a market, or what it is a part of."""
        about = self._view.about
        scopes = {
            _WHERE[0]: MarketScope(market=line.number),
            _WHERE[1]: self._type_of(line),
            _WHERE[2]: MarketScope(fixture=line.fixture),
        }
        if about is not None and about.competition:
            whole = MarketScope(competition=about.competition, sport=about.sport or UNSET)
            scopes[_WHERE[3]] = whole
            scopes[_WHERE[4]] = replace(whole, type=line.type)
        scope = scopes.get(values.get("where", ""))
        if scope is None:
            self._screen.say("of: one of " + ", ".join(scopes), bad=True)
            return False
        return await keep_margin(self._screen, scope, values)

    # --- keys ------------------------------------------------------------------------------------

    def _focused(self, event: Any) -> None:
        index = event.args.get("rowIndex") if isinstance(event.args, dict) else None
        rows = [row for number in sorted(self._rows) for row in self._rows[number]]
        if isinstance(index, int) and 0 <= index < len(rows):
            self._charts.choose(int(rows[index]["id"].partition("-")[0]))

    async def _on_key(self, key: str, row: str, text: str) -> None:
        screen, fixture = self._screen, self._view.id
        found = screen.model.outcome_of(row)
        if key == "S":
            await suspend_fixture(screen, fixture)
        elif key in KEYS:
            await self._match.on_key(key, text)
        elif key == "R":
            await resume_fixture(screen, fixture)
        elif key == "F":
            await lift_fixture(screen, fixture)
        elif found is None:
            return
        else:
            await self._on_outcome_key(key, *found, text)

    async def _on_outcome_key(self, key: str, line: Line, outcome: int, text: str) -> None:
        if key == "s":
            await self._suspend(line)
        elif key == "r":
            await self._resume(line)
        elif key == "o":
            await set_odds(self._screen, line, outcome, text)
        elif key == "p":
            await override_odds(self._screen, line, outcome, text)
        elif key == "l":
            await release_odds(self._screen, line, outcome)
        elif key == "x":
            await self._hold(line, outcome)
        elif key == "t":
            await suspend_part(
                self._screen, self._type_of(line), f"all {line.type} of it", why="by hand"
            )
        elif key == "T":
            session, scope = self._screen.user.session, self._type_of(line)
            await self._screen.act(
                f"resume all {line.type} of it", lambda: session.resume_scope(scope)
            )

    def _type_of(self, line: Line) -> MarketScope:
        return MarketScope(fixture=line.fixture, type=line.type)

    async def _suspend(self, line: Line) -> None:
        number, screen = line.number, self._screen
        version = line.image.version

        def undo(answer: tuple[Any, ...]) -> Undo | None:
            # An unchanged version means that it was suspended before, by somebody else.
            if answer[0].version == version:
                return None
            return Undo(f"undo: resume {line.name}", lambda: _one(screen, "resume", number))

        await screen.act(f"suspend {line.name}", lambda: _one(screen, "suspend", number), undo=undo)

    async def _resume(self, line: Line) -> None:
        number, screen = line.number, self._screen
        undo = Undo(f"undo: suspend {line.name}", lambda: _one(screen, "suspend", number))
        await screen.act(f"resume {line.name}", lambda: _one(screen, "resume", number), undo=undo)

    async def _hold(self, line: Line, outcome: int) -> None:
        """Hold one outcome, or resume it where it is held."""
        session, number, name = self._screen.user.session, line.number, named(line, outcome)
        held = line.book is not None and any(line.book.outcome_held[outcome : outcome + 1])

        def hold() -> Any:
            return _answers(session.suspend_outcomes(number, [outcome], why="by hand"))

        def resume() -> Any:
            return _answers(session.resume_outcomes(number, [outcome]))

        if held:
            await self._screen.act(f"resume {name}", resume, undo=Undo(f"undo: hold {name}", hold))
        else:
            await self._screen.act(f"hold {name}", hold, undo=Undo(f"undo: resume {name}", resume))


async def _one(screen: Screen, method: str, number: MarketNo) -> Any:
    """Command one market in the user's session, and return its event in a tuple."""
    return await _answers(getattr(screen.user.session, method)(number))


async def _answers(work: Any) -> tuple[Any, ...]:
    return (await work,)


_WHERE: Final = (
    "this market",
    "this type in the fixture",
    "the whole fixture",
    "its competition",
    "this type in its competition",
)
_MARGIN: Final = (field("where", "of", options=_WHERE), *MARGIN)
BUTTONS: Final = (
    ("suspend", "s", True),
    ("all", "S", True),
    ("danger", "d", True),
    ("goal home", "g", True),
    ("away", "G", True),
    ("card home", "c", True),
    ("away", "C", True),
    ("period", "h", True),
    ("type", "t", True),
    ("hold outcome", "x", True),
    ("resume", "r", False),
    ("all", "R", False),
    ("type", "T", False),
    ("others' stops too", "F", False),
    ("odds", "o", False),
    ("override", "p", False),
    ("release", "l", False),
    ("inputs", "i", False),
    ("limits", "m", False),
    ("delay", "k", False),
    ("margin", "n", False),
    ("new market", "N", False),
    ("undo", "u", False),
)
_ROW_CLASS: Final = "(params) => params.data.first ? 'first' : ''"
_RULES: Final = {"suspended": "data.shut"}


def outcome_rows(line: Line) -> list[dict[str, Any]]:
    """Return a market's rows, one for each outcome; what is of the market is on the first."""
    image, book = line.image, line.book
    state = STATE_NAMES.get(image.stale or image.status, image.status)
    if line.held:
        state += f" held by {line.held_by}" if line.held_by else " held"
    limit = 0 if book is None else book.limits.outcome_liability_minor_max
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(image.outcomes):
        first = number == 0
        fair = line.fair[number] if line.fair else 0.0
        offered = image.active[number]
        row: dict[str, Any] = {
            "id": f"{line.number}-{number}",
            "first": first,
            "shut": image.status in ("suspended", "handed_over") or bool(image.stale),
            "name": f"{line.name}: {outcome_text(name)}",
            "market": line.name if first else "",
            "outcome": outcome_text(name),
            "marks": _marks(book, number, offered=offered),
            "odds": image.odds_milli[number],
            "fair": round(1_000 / fair) if fair else None,
            "margin": line.sum_milli - 1_000 if first and line.sum_milli else None,
            "expected": line.expected_minor if first else None,
            "bets": line.bets if first else None,
            "state": state if first else "",
        }
        if book is not None:
            liability = book.liability_minor[number]
            row["stake"] = book.stake_minor[number] if book.stake_minor else None
            row["profit"] = -liability
            row |= limit_fields(book.limits) | acceptance_fields(book.acceptance)
            row["used"] = round(1_000 * liability / limit) if limit and liability > 0 else None
        rows.append(row)
    return rows


def _marks(book: Book | None, outcome: int, *, offered: bool) -> str:
    """Return what stands on an outcome: a trader's hold, odds of a trader, not offered."""
    marks = []
    if book is not None and any(book.outcome_held[outcome : outcome + 1]):
        marks.append("\u2016 held")
    elif not offered:
        marks.append("\u2298 off")
    if book is not None and any(book.overridden[outcome : outcome + 1]):
        due = book.due_odds_milli[outcome] if book.due_odds_milli else 0
        marks.append(f"\u270e {due / 1_000:g}" if due else "\u270e")
    return " ".join(marks)
