"""The floor: every fixture with its state, odds, worst case, expected profit, turnover and pace.

Owns the table's columns and what its keys do.
"""

import time
from typing import Any, Final

from nicegui import ui

from gateway.console.figures import known_sum
from gateway.console.house_stop import is_part, part_text
from gateway.console.lines import FixtureView
from gateway.console.model import Model
from gateway.console.pages.frame import REFRESH_S, Screen, Table
from gateway.console.pages.parts import Text, figures, keys_hint, money_text, tone
from gateway.console.undos import Undo

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
}
"""Each state has a sign and a word, beside its colour."""
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
    {"headerName": "Competition", "field": "competition", "flex": 2, "minWidth": 90,
     "filter": True, "cellClass": "dim"},
    {"headerName": "Start", "field": "start", ":valueFormatter": "Overround.start", "width": 82,
     "cellClass": ["num", "dim"], "headerClass": "num"},
    {"headerName": "State", "field": "state", "width": 104, "filter": True,
     "cellClassRules": {"warn": "['\u2016', '\u26a0', '\u2691'].some((sign) => x.includes(sign))",
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
    {"headerName": "Expected", "field": "expected", "flex": 1, "minWidth": 78, **_MONEY,
     "headerTooltip": "of markets where odds tell chances, without their margin; not by a model"},
    {"headerName": "Owner", "field": "owner", "width": 96, "filter": True},
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
                "X": {"title": "stop ALL bets of the house, because"},
            },
        )
    table.grid.on("rowDoubleClicked", lambda event: _open(event.args.get("rowId")))
    rows = _Rows(model)
    turn = 0

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
            return
        if key == "Y":
            await start_house(screen)
            return
        if row not in model.fixtures:
            return
        if key == "Enter":
            _open(row)
        elif key in ("s", "S"):
            await suspend_fixture(screen, row)
        elif key in ("r", "R"):
            await resume_fixture(screen, row)
        elif key == "c":
            await claim(screen, row)
        elif key == "h":
            await hand_over(screen, row, text)

    screen.on_key = on_key
    ui.timer(REFRESH_S, refresh)


async def suspend_fixture(screen: Screen, fixture: str, *, why: str = "by hand") -> None:
    """Suspend all markets of a fixture; undo resumes what this has suspended."""
    session = screen.user.session

    def undo(answer: Any) -> Undo | None:
        # What stood before is another's: an undo would take that back, too.
        if not answer.suspended:
            return None
        return Undo(
            f"undo: resume {fixture}", lambda: screen.user.session.resume_all(fixture=fixture)
        )

    await screen.act(
        f"suspend {fixture}", lambda: session.suspend_all(fixture=fixture, why=why), undo=undo
    )


async def resume_fixture(screen: Screen, fixture: str) -> None:
    """Resume what a suspension of the whole fixture holds."""
    session = screen.user.session
    await screen.act(f"resume {fixture}", lambda: session.resume_all(fixture=fixture))


async def stop_house(screen: Screen, why: str) -> None:
    """Refuse every new bet of the house; undo takes bets again if this has stopped it."""
    house, user = screen.model.house, screen.user
    undo = None
    if not house.banner:
        undo = Undo("undo: start the house", lambda: house.start(lambda: user.session))

    async def stop() -> None:
        await house.stop(lambda: user.session, why)

    if await screen.act("stop the house", stop, undo=undo) and is_part(house.house):
        screen.say(f"stop the house: {part_text(house.house)}", bad=True)


async def start_house(screen: Screen) -> None:
    """Take bets again."""
    house, user = screen.model.house, screen.user
    done = await screen.act("start the house", lambda: house.start(lambda: user.session))
    if done and (house.house.missing or house.house.stopped):
        missing = len(house.house.missing)
        screen.say(f"start the house: MISSING {missing} account shards: press Y again", bad=True)


def _open(fixture: Any) -> None:
    if isinstance(fixture, str):
        ui.navigate.to(f"/fixture/{fixture}")


class _Rows:
    """The rows of all fixtures; only those that changed are made anew."""

    def __init__(self, model: Model) -> None:
        self._model = model
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
                row = fixture_row(fixture, now_s)
                changed |= self.rows.get(name) != row
                self.rows[name] = row
        return changed


def fixture_row(fixture: FixtureView, now_s: float) -> dict[str, Any]:
    """Return a fixture's row."""
    lines, main, about = list(fixture.lines.values()), fixture.main, fixture.about
    odds: dict[str, int] = {}
    if main is not None and main.type == "1x2":
        odds = dict(zip(main.image.outcomes, main.image.odds_milli, strict=True))
    running = [line for line in lines if line.image.status not in ("settled", "cancelled")]
    return {
        "id": fixture.id,
        "fixture": fixture.name,
        "sport": "" if about is None else about.sport,
        "competition": "" if about is None else about.competition_name or about.competition,
        "start": None if about is None or not about.start_ms else about.start_ms,
        "owner": "" if about is None else about.owner.partition(":")[2],
        "state": state_text(fixture),
        "one": odds.get("home"),
        "draw": odds.get("draw"),
        "two": odds.get("away"),
        "markets": len(running),
        "suspended": sum(line.image.status == "suspended" for line in running),
        "pace": fixture.bets_a_minute(now_s),
        "bets": sum(line.bets for line in lines),
        "turnover": sum(line.stake_minor for line in lines),
        "worst": sum(line.worst_minor for line in running),
        "expected": known_sum([line.expected_minor for line in running]),
    }


def state_text(fixture: FixtureView) -> str:
    """Return a fixture's state, with a sign: what needs a person comes first."""
    if fixture.needs_settlement:
        return "\u2691 to settle"
    state = fixture.state()
    about = fixture.about
    if state == "active" and about is not None and about.state == "scheduled" and about.start_ms:
        return "\u25cb pre-match"
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
    for name in ("turnover", "worst", "expected"):
        value = known_sum([row[name] for row in rows]) or 0
        labels[name].text = money_text(value)
        labels[name].classes(replace=tone(value))
