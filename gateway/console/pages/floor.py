"""The floor: every fixture with its state, odds, worst case, expected profit, turnover and pace.

Owns the table's columns and what its keys do.
"""

import time
from collections.abc import Collection
from typing import Any, Final

from nicegui import ui

from gateway.console.figures import known_sum
from gateway.console.lines import FixtureView
from gateway.console.model import Model
from gateway.console.pages.frame import REFRESH_S, Screen, Table
from gateway.console.pages.parts import Text, figures, keys_hint, money_text, tone
from gateway.console.pages.stops import (
    resume_competition,
    resume_fixture,
    start_house,
    stop_house,
    suspend_competition,
    suspend_fixture,
)

STATE_NAMES: Final = {
    "active": "\u25cf live",
    "suspended": "\u2016 suspended",
    "handed_over": "\u21c4 handed over",
    "inactive": "\u25cb not open",
    "closed": "\u25a0 closed",
    "settled": "\u2713 settled",
    "cancelled": "\u2715 cancelled",
    "quarantined": "\u26a0 quarantined",
    "empty": "",
    "soon": "\u25d4 starts soon",
    "due": "\u25d4 start is due",
    "pre-match": "\u25cb pre-match",
    "to settle": "\u2691 to settle",
    "feed lost": "\u26a0 feed lost",
}
"""Each state has a sign and a word, beside its colour."""
POLL_S: Final = 0.5
SOON_S: Final = 15 * 60
"""Seconds before its start from which a fixture is about to start."""
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
    "width": 66,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Fixture", "field": "fixture", "flex": 3, "minWidth": 160, "filter": True,
     "cellClass": "strong"},
    {"headerName": "Sport", "field": "sport", "width": 76, "filter": True, "cellClass": "dim"},
    {"headerName": "Competition", "field": "competition", "flex": 2, "minWidth": 80,
     "filter": True, "cellClass": "dim"},
    {"headerName": "Start", "field": "start", ":valueFormatter": "Overround.start", "width": 82,
     "cellClass": ["num", "dim"], "headerClass": "num"},
    {"headerName": "State", "field": "state", "width": 108, "filter": True,
     "cellClassRules": {"warn": "[...'\u2016\u26a0\u2691\u25d4'].some((sign) => x.includes(sign))",
                        "dim": "x.includes('settled')"}},
    {"headerName": "1", "field": "one", **_ODDS},
    {"headerName": "X", "field": "draw", **_ODDS},
    {"headerName": "2", "field": "two", **_ODDS},
    {"headerName": "Mkts", "field": "markets", "width": 66, **_COUNT},
    {"headerName": "Susp.", "field": "suspended", "width": 58, **_COUNT,
     "cellClassRules": {"warn": "x > 0"}},
    {"headerName": "Bets/min", "field": "pace", "width": 74, **_COUNT},
    {"headerName": "Bets", "field": "bets", "width": 68, **_COUNT},
    {"headerName": "Turnover", "field": "turnover", "flex": 1, "minWidth": 78, **_MONEY},
    {"headerName": "Worst", "field": "worst", "flex": 1, "minWidth": 78, "sort": "asc", **_MONEY,
     "headerTooltip": "sum of each open market's worst outcome"},
    {"headerName": "By score", "field": "score", "flex": 1, "minWidth": 78, **_MONEY,
     "headerTooltip": "all markets of a football match together, at its worst score"},
    {"headerName": "Expected", "field": "expected", "flex": 1, "minWidth": 78, **_MONEY,
     ":valueFormatter": "Overround.known",
     "headerTooltip": "of markets where odds tell chances, without their margin; not by a model;"
                      " ? where some or all markets tell none"},
    {"headerName": "Alerts", "field": "alerts", "width": 66, "cellClass": "warn",
     "headerTooltip": "alerts to work on, and the sign of the worst"},
    {"headerName": "Owner", "field": "owner", "width": 84, "filter": True},
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
                "X": {"title": "stop ALL bets of the house, because"},
            },
        )
    table.grid.on("rowDoubleClicked", lambda event: _open(event.args.get("rowId")))
    rows = _Rows(screen)
    turn = 0

    async def poll() -> None:
        """Ask what only a look at the floor needs: alerts, and worst cases by score in turn."""
        now_s = time.monotonic()
        await screen.alerts.refresh(now_s)
        await model.exposures.turn(lambda: _by_score(model), now_s)

    def refresh() -> None:
        nonlocal turn
        changed = rows.refresh()
        turn += 1
        if changed or turn % 10 == 1:
            table.show(list(rows.rows.values()))
            _show_sums(labels, list(rows.rows.values()))

    async def on_key(key: str, row: str, text: str) -> None:
        if key == "X":
            await stop_house(screen, text)
        elif key == "Y":
            await start_house(screen)
        elif row in model.fixtures:
            await _on_row(screen, key, row, text)

    screen.on_key = on_key
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


class _Rows:
    """The rows of all fixtures; only those that changed are made anew."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._model = screen.model
        self._seen: dict[str, int] = {}
        self._paced_s = 0.0
        self.rows: dict[str, dict[str, Any]] = {}

    def refresh(self) -> bool:
        """Bring the rows up to date; say whether any changed."""
        now_s = time.time()
        pace = now_s - self._paced_s >= 1.0
        if pace:
            self._paced_s = now_s
        changed = False
        for name, fixture in self._model.fixtures.items():
            if pace or self._seen.get(name) != fixture.changed:
                self._seen[name] = fixture.changed
                row = fixture_row(self._screen, fixture, now_s)
                changed |= self.rows.get(name) != row
                self.rows[name] = row
        return changed


def fixture_row(screen: Screen, fixture: FixtureView, now_s: float) -> dict[str, Any]:
    """Return a fixture's row."""
    main, about, score = fixture.main, fixture.about, fixture.score_minor
    odds: dict[str, int] = {}
    if main is not None and main.type == "1x2":
        odds = dict(zip(main.image.outcomes, main.image.odds_milli, strict=True))
    return {
        "id": fixture.id,
        "fixture": fixture.name,
        "sport": "" if about is None else about.sport,
        "competition": "" if about is None else about.competition_name or about.competition,
        "start": None if about is None or not about.start_ms else about.start_ms,
        "owner": "" if about is None else about.owner.partition(":")[2],
        "state": state_text(fixture, now_s, screen.alerts.lost_feeds),
        "one": odds.get("home"),
        "draw": odds.get("draw"),
        "two": odds.get("away"),
        "markets": fixture.running,
        "suspended": fixture.status_count("suspended"),
        "pace": fixture.bets_a_minute(now_s),
        "bets": fixture.bets,
        "turnover": fixture.turnover_minor,
        "worst": fixture.worst_minor,
        "score": screen.model.exposures.worst_minor(fixture.id) if score is None else score,
        "expected": fixture.expected_minor,
        "unknown": fixture.unknown,
        "alerts": screen.alerts.of_fixture(fixture.id),
    }


def state_text(fixture: FixtureView, now_s: float, lost_feeds: Collection[str]) -> str:
    """Return a fixture's state, with a sign: what needs a person comes first.

    Its feed is lost where every feed that describes it is among those that the desk's rules have
    found late or silent.
    """
    if fixture.needs_settlement:
        return STATE_NAMES["to settle"]
    state, about = fixture.state(), fixture.about
    if about is None or state not in ("active", "suspended", "handed_over", "inactive"):
        return STATE_NAMES.get(state, state)
    if about.external_ids and all(feed in lost_feeds for feed in about.external_ids):
        return STATE_NAMES["feed lost"]
    if state == "active" and about.state == "scheduled" and about.start_ms:
        left_s = about.start_ms / 1_000 - now_s
        waits = "due" if left_s < 0 else "soon" if left_s <= SOON_S else "pre-match"
        return STATE_NAMES[waits]
    return STATE_NAMES.get(state, state)


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


def _strip() -> dict[str, Text]:
    with ui.element("div").classes("strip"):
        Text("h1", "Floor")
        labels = figures(("fixtures", "suspended", "bets/min", "turnover", "worst", "expected"))
        ui.element("div").classes("grow")
        keys_hint(
            (
                ("open", "Enter"),
                ("suspend", "s"),
                ("resume", "r"),
                ("claim, release", "c"),
                ("hand over", "h"),
                ("competition", "k"),
                ("resume it", "K"),
                ("alerts", "a"),
                ("stop house", "X"),
                ("start", "Y"),
                ("undo", "u"),
            )
        )
    return labels


def _show_sums(labels: dict[str, Text], rows: list[dict[str, Any]]) -> None:
    labels["fixtures"].text = f"{len(rows):,}"
    labels["suspended"].text = f"{sum(row['suspended'] for row in rows):,}"
    labels["bets/min"].text = f"{sum(row['pace'] for row in rows):,}"
    for name in ("turnover", "worst"):
        value = sum(row[name] for row in rows)
        labels[name].text = money_text(value)
        labels[name].classes(replace=tone(value))
    known = known_sum([row["expected"] for row in rows])
    markets = sum(row["markets"] for row in rows)
    left = markets - sum(row["unknown"] for row in rows)
    part = "" if left == markets else f" of {left:,} markets"
    labels["expected"].text = "" if known is None else money_text(known) + part
    labels["expected"].classes(replace=tone(known or 0))
