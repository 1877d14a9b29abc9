"""Settlement: what is over and has no result, and what a result would pay before it is given.

Owns the table, the results that a person has marked and not sent yet, and the preview. What a
preview says, and what a settlement does, is the market's.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from nicegui import ui

from engine.common.commands import CancelMarket, OutcomeResult, RollBackSettlement, SettleMarket
from engine.common.events import MarketSettled
from engine.common.previews import ExpectedMarket, Preview, PreviewCommand, expected_of
from engine.common.stated_matches import StatedMatch
from gateway.client import GatewayError
from gateway.console.command_texts import result_text
from gateway.console.lines import DECIDED, Line
from gateway.console.pages.frame import TEXT_MAX, Screen, Table, UndoOf
from gateway.console.pages.parts import (
    ORDER,
    Text,
    figures,
    key_buttons,
    money_text,
    outcome_text,
    tone,
)
from gateway.console.undos import NotUndoneError, Undo
from gateway.messages.settlement_work import MatchLine, SettlementLine

REFRESH_S: Final = 0.5
CONFLICTS_S: Final = 2.0
_WHY_CHARS: Final = 40
MATCHES_SHOWN: Final = 2
"""Matches in conflict of which it is shown what each source states."""
MARKETS_MAX: Final = 300
"""Markets shown, those without results first."""
_MONEY: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.money",
    "cellClass": "num",
    "headerClass": "num",
    "cellClassRules": {"neg": "x < 0"},
    "sortable": False,
    "width": 110,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "Fixture", "field": "fixture", "flex": 2, "minWidth": 120, "filter": True,
     "sortable": False, "cellClass": "strong"},
    {"headerName": "Market", "field": "market", "flex": 2, "minWidth": 120, "filter": True,
     "sortable": False},
    {"headerName": "State", "field": "state", "width": 110, "sortable": False, "filter": True,
     "cellClassRules": {"warn": "x.includes('\u2691') || x.includes('\u26a1')"}},
    {"headerName": "Outcome", "field": "outcome", "flex": 1, "minWidth": 100, "sortable": False},
    {"headerName": "Result", "field": "result", "width": 90, "sortable": False,
     "cellClass": "strong"},
    {"headerName": "Feeds say", "field": "feeds", "flex": 1, "minWidth": 110, "cellClass": "warn",
     "sortable": False, "tooltipField": "feeds",
     "headerTooltip": "results of this outcome of which two feeds differ"},
    {"headerName": "Stake", "field": "stake", **_MONEY},
    {"headerName": "If it wins", "field": "profit", **_MONEY},
    {"headerName": "Bets", "field": "bets", "width": 70, "cellClass": "num", "headerClass": "num",
     "sortable": False},
    {"headerName": "House so far", "field": "house", **_MONEY},
)  # fmt: skip
_BUTTONS: Final = (
    ("wins", "w", False),
    ("void", "v", False),
    ("preview", "Enter", False),
    ("settle", "y", False),
    ("propose", "p", False),
    ("preview cancelling all", "n", False),
    ("preview roll back", "b", False),
    ("undo", "u", False),
)
_FIGURES: Final = (
    "preview", "bets", "accounts", "stake", "paid now", "paid after", "house now", "house after",
    "largest change", "moved", "conflicts", "matches in conflict", "not shown",
)  # fmt: skip


def settlement(screen: Screen) -> None:
    """Build the page."""
    SettlementPage(screen)


class SettlementPage:
    """One screen of what is to be settled."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._marks: dict[int, dict[int, str]] = {}
        self._pending: tuple[str, Line, PreviewCommand, ExpectedMarket] | None = None
        """What `y` sends: it has been previewed."""
        self._conflicts: dict[int, SettlementLine] = {}
        with ui.element("div").classes("strip"):
            Text("h1", "Settlement")
            self._labels = figures(_FIGURES)
        key_buttons(_BUTTONS)
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "settlement",
                COLUMNS,
                prompts={"p": {"title": "propose what was previewed, because"}},
                row_class="(params) => params.data.first ? 'first' : ''",
            )
        self._labels["preview"].text = "mark a result, then Enter"
        screen.on_key = self._on_key
        self._refresh()
        ui.timer(REFRESH_S, self._refresh)
        ui.timer(CONFLICTS_S, self._ask_conflicts)

    async def _ask_conflicts(self) -> None:
        """Ask of which results feeds differ; without an answer the last ones stay."""
        try:
            answer = await self._screen.user.session.settlement_work(conflicts=True)
        except GatewayError as error:
            self._labels["conflicts"].text = str(error)[:_WHY_CHARS]
            return
        self._conflicts = {line.market: line for line in answer.lines}
        self._labels["conflicts"].text = "unknown" if answer.unknown else f"{answer.conflicts:,}"
        self._labels["conflicts"].classes(replace="warn" if answer.conflicts else "")
        label = self._labels["matches in conflict"]
        label.text = "unknown" if answer.unknown else matches_text(answer.matches)
        label.classes(replace="warn" if answer.matches else "")

    def _refresh(self) -> None:
        model = self._screen.model
        lines = [
            line
            for view in model.fixtures.values()
            if view.needs_settlement or view.running - view.status_count("closed") < len(view.lines)
            for line in view.lines.values()
            if view.needs_settlement
            or line.image.status in DECIDED
            or line.image.status == "closed"
        ]
        shown = {line.number for line in lines}
        lines += [
            model.lines[number]
            for number in self._conflicts
            if number in model.lines and number not in shown
        ]
        lines.sort(
            key=lambda line: (
                line.number not in self._conflicts,
                line.image.status in DECIDED,
                line.fixture,
                line.number,
            )
        )
        self._labels["not shown"].text = f"{max(len(lines) - MARKETS_MAX, 0):,}"
        rows = [row for line in lines[:MARKETS_MAX] for row in self._rows(line)]
        self._table.show([{**row, "order": -place} for place, row in enumerate(rows)])

    def _rows(self, line: Line) -> list[dict[str, Any]]:
        book, marks = line.book, self._marks.get(line.number, {})
        state = line.image.status
        shown = f"\u2713 {state}" if state in DECIDED else f"\u2691 {state}"
        conflict = self._conflicts.get(line.number)
        if conflict is not None:
            shown = f"\u26a1 {state}"
        return [
            {
                "id": f"{line.number}-{number}",
                "first": number == 0,
                "fixture": self._screen.model.name_of(line.fixture) if number == 0 else "",
                "market": line.name if number == 0 else "",
                "state": shown if number == 0 else "",
                "outcome": outcome_text(outcome),
                "result": marks.get(number, ""),
                "feeds": "" if conflict is None else feeds_text(conflict, number),
                "stake": None if book is None or not book.stake_minor else book.stake_minor[number],
                "profit": None if book is None else -book.liability_minor[number],
                "bets": line.bets if number == 0 else None,
                "house": book.result.profit_minor if book is not None and number == 0 else None,
            }
            for number, outcome in enumerate(line.image.outcomes)
        ]

    # --- keys ------------------------------------------------------------------------------------

    async def _on_key(self, key: str, row: str, text: str) -> None:
        if key == "y":
            await self._send()
            return
        if key == "p":
            await self._propose(text)
            return
        found = self._screen.model.outcome_of(row)
        if found is None:
            return
        line, outcome = found
        if key in ("w", "v"):
            self._mark(line, outcome, {"w": "\u2713 wins", "v": "\u2205 void"}[key])
        elif key == "Enter":
            results = self._results(line)
            if results is None:
                self._screen.say("mark what wins with w, or is void with v", bad=True)
                return
            await self._preview(
                "settle", line, SettleMarket(market_no=line.number, results=results)
            )
        elif key == "n":
            await self._preview("cancel", line, CancelMarket(market_no=line.number, why="by hand"))
        elif key == "b":
            await self._preview(
                "roll back", line, RollBackSettlement(market_no=line.number, why="by hand")
            )

    def _mark(self, line: Line, outcome: int, mark: str) -> None:
        """Mark an outcome, or take its mark away; what was previewed does not stand any more."""
        marks = self._marks.setdefault(line.number, {})
        if marks.get(outcome) == mark:
            del marks[outcome]
        else:
            marks[outcome] = mark
        self._pending = None
        self._refresh()

    def _results(self, line: Line) -> tuple[OutcomeResult, ...] | None:
        """Return the marked results: what is not marked loses; None where nothing is."""
        marks = self._marks.get(line.number, {})
        if not marks:
            return None
        return tuple(
            OutcomeResult(
                won="wins" in marks.get(number, ""),
                void_halves=2 if "void" in marks.get(number, "") else 0,
            )
            for number in range(len(line.image.outcomes))
        )

    async def _preview(self, what: str, line: Line, command: PreviewCommand) -> None:
        self._pending = None
        preview: Preview | None = None

        async def ask() -> None:
            nonlocal preview
            preview = (await self._screen.user.session.preview(command)).preview

        if not await self._screen.act(f"preview {what} {line.name}", ask) or preview is None:
            return
        self._pending = (what, line, command, expected_of(preview))
        amounts = {
            "stake": preview.stake_minor,
            "paid now": preview.payout_now_minor,
            "paid after": preview.payout_after_minor,
            "house now": preview.house_now_minor,
            "house after": preview.house_after_minor,
            "largest change": preview.change_minor_max,
            "moved": preview.moved_minor,
        }
        self._labels["preview"].text = f"{what} {line.fixture} {line.name}: y sends it"
        self._labels["bets"].text = f"{preview.bets:,}"
        self._labels["accounts"].text = f"{preview.accounts:,}"
        for name, minor in amounts.items():
            self._labels[name].text = money_text(minor)
            self._labels[name].classes(replace=tone(minor))

    async def _send(self) -> None:
        """Send what was previewed, once, if the market is still as it was then."""
        if self._pending is None:
            self._screen.say("preview first", bad=True)
            return
        what, line, command, seen = self._pending
        self._pending = None
        session = self._screen.user.session
        undo = None
        if isinstance(command, SettleMarket):
            undo = self._roll_back_of(line)
        if await self._screen.act(
            f"{what} {line.name}", lambda: session.control([command], expected=[seen]), undo=undo
        ):
            self._marks.pop(line.number, None)
            self._labels["preview"].text = f"{what} {line.fixture} {line.name}: done"

    def _roll_back_of(self, line: Line) -> UndoOf:
        """Return what makes a settlement's undo of its answer: a roll-back of that one only."""
        session = self._screen.user.session

        def of(answer: tuple[Any, ...]) -> Undo | None:
            made = [one.settlement_no for one in answer if isinstance(one, MarketSettled)]

            async def roll_back() -> Any:
                book = await session.book(line.number)
                if book.settlement_no != made[0]:
                    raise NotUndoneError(f"settlement {made[0]} does not stand any more")
                return await session.control(
                    [RollBackSettlement(market_no=line.number, why="undo")]
                )

            return Undo(f"undo: roll back {line.name}", roll_back) if made else None

        return of

    async def _propose(self, why: str) -> None:
        """Propose what was previewed to a second person, who finds it under approvals."""
        if self._pending is None:
            self._screen.say("preview first", bad=True)
            return
        what, line, command, _ = self._pending
        session = self._screen.user.session
        if await self._screen.act(
            f"propose to {what} {line.name}", lambda: session.propose([command], why=why)
        ):
            self._pending = None
            self._labels["preview"].text = f"{what} {line.fixture} {line.name}: proposed"


def matches_text(matches: Sequence[MatchLine]) -> str:
    """Return how many matches sources differ about, and what each states of the first ones."""
    texts = [f"{len(matches):,}"]
    for line in matches[:MATCHES_SHOWN]:
        said = ", ".join(_stated_text(one, line.differ) for one in line.statements)
        texts.append(f"{line.fixture}: {said}")
    return "; ".join(texts)[:TEXT_MAX]


def _stated_text(stated: StatedMatch, differ: Collection[str]) -> str:
    parts = [stated.source]
    if stated.state is not None and "state" in differ:
        parts.append(stated.state.value)
    if stated.score is not None and "score" in differ:
        parts.append("{}:{}".format(*stated.score))
    return " ".join(parts)


def feeds_text(line: SettlementLine, outcome: int) -> str:
    """Return what each feed states of an outcome of which two differ."""
    if outcome not in line.differ:
        return ""
    said = []
    for one in line.statements:
        results = {stated.outcome: stated.result for stated in one.results}
        if one.cancelled:
            said.append(f"{one.feed} cancelled")
        elif outcome in results:
            said.append(f"{one.feed} {result_text(results[outcome])}")
    return ", ".join(said)
