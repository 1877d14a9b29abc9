"""One fixture: every market's odds, fair odds, margin, stake and profit by outcome, and its keys.

Owns the table and the actions. Charts are beside it, in charts.py.
"""

import time
from typing import Any, Final

from nicegui import ui

from engine.common.commands import Quote
from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.console.model import FixtureView, Line
from gateway.console.pages.charts import Charts
from gateway.console.pages.floor import STATE_NAMES, resume_fixture, suspend_fixture
from gateway.console.pages.frame import REFRESH_S, TEXT_MAX, Screen, Table, Undo
from gateway.console.pages.parts import Text, figures, key_buttons, money_text

_ODDS_MILLI_MIN: Final = 1_001
_ODDS_MILLI_MAX: Final = 10_000_000
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
    {"headerName": "State", "field": "state", "width": 108, **_PLAIN,
     "cellClassRules": {"warn": "x.includes('susp') || x.includes('quar') || x.includes('held')",
                        "dim": "x.includes('sett')"}},
    {"headerName": "Outcome", "field": "outcome", "flex": 2, "minWidth": 90, **_PLAIN},
    {"headerName": "Odds", "field": "odds", ":cellRenderer": "Overround.Odds", "width": 84,
     "headerClass": "num", **_PLAIN},
    {"headerName": "Fair", "field": "fair", ":valueFormatter": "Overround.odds", "width": 74,
     "cellClass": ["num", "dim"], "headerClass": "num", **_PLAIN,
     "headerTooltip": "odds without their margin, taken off in proportion; no model"},
    {"headerName": "Margin %", "field": "margin", ":valueFormatter": "Overround.percent",
     "width": 76, "cellClass": "num", "headerClass": "num", **_PLAIN,
     "cellClassRules": {"neg": "x < 0"}},
    {"headerName": "Stake", "field": "stake", "width": 80, **_MONEY},
    {"headerName": "If it wins", "field": "profit", "width": 84, **_MONEY,
     "cellClassRules": {"neg": "x < 0", "pos": "x > 0"},
     "headerTooltip": "what the house keeps if this outcome wins"},
    {"headerName": "Limit %", "field": "used", ":valueFormatter": "Overround.percent",
     "width": 66, "cellClass": "num", "headerClass": "num", **_PLAIN,
     "headerTooltip": "liability as a share of the outcome's limit",
     "cellClassRules": {"warn": "x > 750", "dim": "x <= 750"}},
    {"headerName": "Expected", "field": "expected", "width": 80, **_MONEY,
     "cellClassRules": {"neg": "x < 0"}},
    {"headerName": "Bets", "field": "bets", ":valueFormatter": "Overround.count", "width": 58,
     "cellClass": "num", "headerClass": "num", **_PLAIN},
)  # fmt: skip


def fixture_page(screen: Screen, fixture: str) -> None:
    """Build the page of a fixture."""
    view = screen.model.fixtures.get(fixture)
    if view is None:
        ui.label(f"no market of {fixture[:TEXT_MAX]} yet").classes("note")
        ui.timer(1.0, lambda: _again(screen, fixture))
        return
    FixturePage(screen, view)


def _again(screen: Screen, fixture: str) -> None:
    if fixture in screen.model.fixtures:
        ui.navigate.reload()


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
        self._strip()
        with ui.element("div").classes("split"):
            with ui.element("div"):
                self._table = Table(
                    screen,
                    "fixture",
                    COLUMNS,
                    **{":getRowClass": _ROW_CLASS, "rowClassRules": _RULES},
                    prompts={"o": {"title": "odds", "row": True, "fill": "odds"}},
                )
            self._charts = Charts(screen, view)
        self._table.grid.on("cellFocused", self._focused, ["rowIndex"])
        screen.on_key = self._on_key
        ui.timer(REFRESH_S, self._refresh)
        ui.timer(1.0, self._charts.refresh)

    def _closed(self) -> None:
        if self._open:
            self._open = False
            self._screen.model.unwatch(self._view.id)

    # --- what is shown ---------------------------------------------------------------------------

    def _strip(self) -> None:
        with ui.element("div").classes("strip"):
            Text("h1", self._view.id)
            self._labels = figures(
                ("state", "bets/min", "bets", "turnover", "worst", "expected", "margin %")
            )
        key_buttons(BUTTONS)

    def _refresh(self) -> None:
        view = self._view
        self._turn += 1
        if view.changed == self._seen and self._turn % 10:
            return
        self._seen = view.changed
        for number, line in view.lines.items():
            if self._line_seen.get(number) != line.changed:
                self._line_seen[number] = line.changed
                self._rows[number] = outcome_rows(line)
        self._table.show([row for number in sorted(self._rows) for row in self._rows[number]])
        self._show_figures()

    def _show_figures(self) -> None:
        lines = list(self._view.lines.values())
        running = [line for line in lines if line.image.status not in ("settled", "cancelled")]
        main = self._view.main
        worst = sum(line.worst_minor for line in running)
        values = {
            "state": STATE_NAMES.get(self._view.state(), ""),
            "bets/min": f"{self._view.bets_a_minute(time.time()):,}",
            "bets": f"{sum(line.bets for line in lines):,}",
            "turnover": f"{sum(line.stake_minor for line in lines) // 100:,}",
            "worst": money_text(worst),
            "expected": money_text(sum(line.expected_minor or 0 for line in running)),
            "margin %": ""
            if main is None or not main.sum_milli
            else f"{main.sum_milli / 10 - 100:.1f}",
        }
        for name, text in values.items():
            self._labels[name].text = text

    # --- keys ------------------------------------------------------------------------------------

    def _focused(self, event: Any) -> None:
        index = event.args.get("rowIndex") if isinstance(event.args, dict) else None
        rows = [row for number in sorted(self._rows) for row in self._rows[number]]
        if isinstance(index, int) and 0 <= index < len(rows):
            self._charts.choose(int(rows[index]["id"].partition("-")[0]))

    async def _on_key(self, key: str, row: str, text: str) -> None:
        screen, fixture = self._screen, self._view.id
        line, outcome = self._of(row)
        stops = {"S": "by hand", "d": "danger", "g": "goal", "c": "red card", "h": "end of half"}
        if key in stops:
            await suspend_fixture(screen, fixture, why=stops[key])
        elif key == "R":
            await resume_fixture(screen, fixture)
        elif line is None:
            return
        elif key == "s":
            await self._suspend(line)
        elif key == "r":
            await self._resume(line)
        elif key == "o":
            await self._set_odds(line, outcome, text)

    def _of(self, row: str) -> tuple[Line | None, int]:
        """Return the market and outcome that a row's id names."""
        number, _, outcome = row.partition("-")
        if not (number.isascii() and number.isdigit() and outcome.isascii() and outcome.isdigit()):
            return None, 0
        line = self._view.lines.get(int(number[:12]))
        if line is None or int(outcome[:6]) >= len(line.image.outcomes):
            return None, 0
        return line, int(outcome[:6])

    async def _suspend(self, line: Line) -> None:
        number, screen = line.number, self._screen
        undo = Undo(f"undo: resume {line.name}", lambda: _one(screen, "resume", number))
        await screen.act(f"suspend {line.name}", lambda: _one(screen, "suspend", number), undo=undo)

    async def _resume(self, line: Line) -> None:
        number, screen = line.number, self._screen
        undo = Undo(f"undo: suspend {line.name}", lambda: _one(screen, "suspend", number))
        await screen.act(f"resume {line.name}", lambda: _one(screen, "resume", number), undo=undo)

    async def _set_odds(self, line: Line, outcome: int, text: str) -> None:
        """Set one outcome's odds; undo sets what they were."""
        screen, number, before = self._screen, line.number, line.image.odds_milli[outcome]
        milli = odds_milli_of(text)
        if milli is None:
            screen.say("odds: 1.001 to 10000", bad=True)
            return

        def set_to(odds_milli: int) -> Any:
            quote = Quote(outcome=outcome, odds_milli=OddsMilli(odds_milli))
            return _answers(screen.user.session.set_odds(number, [quote]))

        name = f"{line.name} {line.image.outcomes[outcome]}"
        undo = None
        if before:
            undo = Undo(f"undo: {name} {before / 1_000:g}", lambda: set_to(before))
        await screen.act(f"{name} {milli / 1_000:g}", lambda: set_to(milli), undo=undo)


async def _one(screen: Screen, method: str, number: MarketNo) -> Any:
    """Command one market in the user's session, and return its event in a tuple."""
    return await _answers(getattr(screen.user.session, method)(number))


async def _answers(work: Any) -> tuple[Any, ...]:
    return (await work,)


BUTTONS: Final = (
    ("suspend market", "s", True),
    ("suspend fixture", "S", True),
    ("danger", "d", True),
    ("goal", "g", True),
    ("red card", "c", True),
    ("end of half", "h", True),
    ("resume market", "r", False),
    ("resume fixture", "R", False),
    ("set odds", "o", False),
    ("undo", "u", False),
)
_ROW_CLASS: Final = "(params) => params.data.first ? 'first' : ''"
_RULES: Final = {"suspended": "data.shut"}


def outcome_rows(line: Line) -> list[dict[str, Any]]:
    """Return a market's rows, one for each outcome; what is of the market is on the first."""
    image, book = line.image, line.book
    state = STATE_NAMES.get(image.stale or image.status, image.status)
    if line.held:
        state += " held"
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
            "name": f"{line.name}: {name}",
            "market": line.name if first else "",
            "outcome": name if offered else f"{name} \u2298",
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
            row["used"] = round(1_000 * liability / limit) if limit and liability > 0 else None
        rows.append(row)
    return rows


def odds_milli_of(text: str) -> int | None:
    """Return odds in thousandths, as a person writes them; None for what is none."""
    clean = text.strip().replace(",", ".")
    whole, _, parts = clean.partition(".")
    if not (whole + parts).isascii() or not (whole + parts).isdigit() or len(clean) > 12:
        return None
    milli = int(whole or "0") * 1_000 + int((parts + "000")[:3])
    return milli if _ODDS_MILLI_MIN <= milli <= _ODDS_MILLI_MAX else None
