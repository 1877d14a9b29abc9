"""The floor: every fixture with its state, odds, worst case, expected profit, turnover and pace.

Owns the table's columns and what its keys do.
"""

import time
from typing import Any, Final

from nicegui import ui

from gateway.console.model import Model
from gateway.console.pages.creation import BOARD, MARKET, create_board, create_market
from gateway.console.pages.frame import REFRESH_S, Screen, Table
from gateway.console.pages.parts import Text, figures, key_buttons
from gateway.console.pages.stops import (
    lift_fixture,
    resume_competition,
    resume_fixture,
    start_house,
    stop_house,
    suspend_competition,
    suspend_fixture,
)

POLL_S: Final = 0.5
_NEGATIVE: Final = {"neg": "x < 0"}
_MONEY: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.money",
    "cellClass": "num",
    "headerClass": "num",
    "cellClassRules": _NEGATIVE,
}
_COUNT: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.count",
    "cellClass": "num",
    "headerClass": "num",
}
_ODDS: Final[dict[str, Any]] = {
    ":cellRenderer": "Overround.Odds",
    "headerClass": "num",
    "width": 58,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Fixture", "field": "fixture", "flex": 3, "minWidth": 150, "filter": True,
     "cellClass": "strong"},
    {"headerName": "Sport", "field": "sport", "width": 72, "filter": True, "cellClass": "dim",
     ":hide": "window.innerWidth < 1500"},
    {"headerName": "Competition", "field": "competition", "flex": 2, "minWidth": 56,
     "filter": True, "cellClass": "dim"},
    {"headerName": "Start", "field": "start", ":valueFormatter": "Overround.start", "width": 96,
     "cellClass": ["num", "dim"], "headerClass": "num"},
    {"headerName": "State", "field": "state", "width": 100, "filter": True,
     "tooltipField": "state",
     "cellClassRules": {"warn": "[...'\u2016\u26a0\u2691\u25d4'].some((sign) => x.includes(sign))",
                        "dim": "x.includes('settled')"}},
    {"headerName": "Score", "field": "score_now", "width": 50, "cellClass": ["num", "strong"],
     "headerClass": "num", "headerTooltip": "goals, as whoever reprices the markets states them"},
    {"headerName": "Alerts", "field": "alerts", "width": 56, "cellClass": "warn",
     "headerTooltip": "alerts to work on, and the sign of the worst"},
    {"headerName": "1", "field": "one", **_ODDS},
    {"headerName": "X", "field": "draw", **_ODDS},
    {"headerName": "2", "field": "two", **_ODDS},
    {"headerName": "Mkts", "field": "markets", "width": 44, **_COUNT},
    {"headerName": "Susp.", "field": "suspended", "width": 52, **_COUNT,
     "cellClassRules": {"warn": "x > 0"}},
    {"headerName": "Bets/min", "field": "pace", "width": 70, **_COUNT},
    {"headerName": "Bets", "field": "bets", "width": 52, **_COUNT},
    {"headerName": "Turnover", "field": "turnover", "flex": 1, "minWidth": 70, **_MONEY},
    {"headerName": "Worst", "field": "worst", "flex": 1, "minWidth": 80, "sort": "asc", **_MONEY,
     "headerTooltip": "sum of each open market's worst outcome"},
    {"headerName": "By score", "field": "score", "flex": 1, "minWidth": 70, **_MONEY,
     "headerTooltip": "all markets of a football match together, at its worst score"},
    {"headerName": "Expected", "field": "expected", "flex": 1, "minWidth": 78, **_MONEY,
     ":valueFormatter": "Overround.known",
     "headerTooltip": "of markets where odds tell chances, without their margin; not by a model;"
                      " ? where some or all markets tell none"},
    {"headerName": "Owner", "field": "owner", "width": 60, "filter": True},
)  # fmt: skip


def floor(screen: Screen) -> None:
    """Build the page."""
    model = screen.model
    labels = _strip()
    with ui.element("div").classes("fill"):
        table = Table(
            screen,
            "floor",
            COLUMNS,
            prompts={
                "h": {"title": "hand over to", "row": True},
                "k": {"title": "suspend the whole competition of, because", "row": True},
                "n": {"title": "a football fixture and its board", "fields": BOARD},
                "N": {"title": "a new market by hand", "fields": MARKET},
                "X": {"title": "stop ALL bets of the house, because"},
            },
        )
    table.grid.on("rowDoubleClicked", lambda event: _open(event.args.get("rowId")))
    rows, seen = screen.screens.floor, -1

    async def poll() -> None:
        """Ask what only a look at the floor needs: alerts, and worst cases by score in turn."""
        now_s = time.monotonic()
        await screen.alerts.refresh(now_s)
        await model.exposures.turn(lambda: _by_score(model), now_s)

    def refresh() -> None:
        nonlocal seen
        rows.refresh(time.time())
        for change in rows.shared.since(seen):
            table.apply(change)
        seen = rows.shared.number
        for name, (text, tone_class) in rows.sums.items():
            if labels[name].text != text:
                labels[name].text = text
                labels[name].classes(replace=tone_class)

    async def on_key(key: str, row: str, text: str) -> None:
        if key == "X":
            await stop_house(screen, text)
        elif key == "Y":
            await start_house(screen)
        elif row in model.fixtures:
            await _on_row(screen, key, row, text)

    async def on_form(key: str, _row: str, values: dict[str, str]) -> bool:
        create = create_board if key == "n" else create_market
        return await create(screen, values)

    screen.on_key = on_key
    screen.on_form = on_form
    ui.timer(REFRESH_S, refresh)
    ui.timer(POLL_S, poll)


async def _on_row(screen: Screen, key: str, row: str, text: str) -> None:
    """Do what a key means for the fixture of a row."""
    if key == "Enter":
        _open(row)
    elif key == "a":
        ui.navigate.to(f"/alerts/{row}")
    elif key in ("s", "S"):
        await suspend_fixture(screen, row)
    elif key in ("r", "R"):
        await resume_fixture(screen, row)
    elif key == "F":
        await lift_fixture(screen, row)
    elif key == "k":
        await suspend_competition(screen, row, text)
    elif key == "K":
        await resume_competition(screen, row)
    elif key == "c":
        await claim(screen, row)
    elif key == "h":
        await hand_over(screen, row, text)


def _by_score(model: Model) -> list[str]:
    """Return the fixtures whose worst score is asked for: football's, of which no book tells it."""
    return [
        name
        for name, fixture in model.fixtures.items()
        if fixture.about is not None
        and fixture.about.sport == "football"
        and fixture.score_minor is None
        and fixture.bets
    ]


def _open(fixture: Any) -> None:
    if isinstance(fixture, str):
        ui.navigate.to(f"/fixture/{fixture}")


async def claim(screen: Screen, fixture: str) -> None:
    """Claim a fixture, or release it where the user holds it."""
    me = f"{screen.user.role}:{screen.user.sub}"
    about = screen.model.fixtures[fixture].about
    mine = about is not None and about.owner == me

    async def change() -> None:
        line = await screen.user.session.claim_fixture(fixture, owner="" if mine else None)
        screen.model.take_fixture(line)

    await screen.act(f"{'release' if mine else 'claim'} {fixture}", change)


async def hand_over(screen: Screen, fixture: str, owner: str) -> None:
    """Hand a fixture over to another person, ``role:name`` or a trader's name."""
    to = owner.strip() if ":" in owner else f"trader:{owner.strip()}"

    async def change() -> None:
        line = await screen.user.session.claim_fixture(fixture, owner=to, take_over=True)
        screen.model.take_fixture(line)

    await screen.act(f"hand {fixture} over to {to}", change)


_BUTTONS: Final = (
    ("open", "Enter", False),
    ("suspend", "s", True),
    ("resume", "r", False),
    ("suspend competition", "k", True),
    ("resume it", "K", False),
    ("lift all stops", "F", False),
    ("claim, release", "c", False),
    ("hand over", "h", False),
    ("alerts", "a", False),
    ("new board", "n", False),
    ("new market", "N", False),
    ("stop house", "X", True),
    ("start", "Y", False),
    ("undo", "u", False),
)


def _strip() -> dict[str, Text]:
    with ui.element("div").classes("strip"):
        Text("h1", "Floor")
        labels = figures(("fixtures", "suspended", "bets/min", "turnover", "worst", "expected"))
    key_buttons(_BUTTONS)
    return labels
