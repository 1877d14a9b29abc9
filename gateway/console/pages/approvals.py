"""Approvals: what a second person must decide, and what became of it.

Owns the table and its keys. Who may decide, and what is carried out, is the desk's.
"""

from typing import Any, Final

import msgspec
from nicegui import ui

from engine.common.commands import SettleMarket
from engine.common.previews import PreviewCommand
from gateway.client import GatewayError
from gateway.console.model import Model
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import ORDER, Text, figures, key_buttons, outcome_text, time_text
from gateway.messages.approvals import ProposalLine

REFRESH_S: Final = 1.0
_SIGNS: Final = {"open": "\u2691", "done": "\u2713", "approved": "\u2713", "rejected": "\u2715"}
_COMMANDS_CHARS: Final = 400
COMMANDS_SHOWN_MAX: Final = 20
"""Commands of a proposal that are put in words."""
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "No", "field": "number", "width": 48, "cellClass": ["num", "dim"],
     "headerClass": "num"},
    {"headerName": "State", "field": "state", "width": 96, "filter": True,
     "cellClassRules": {"warn": "x.includes('\u2691')"}},
    {"headerName": "Proposed by", "field": "by", "width": 138, "cellClass": "strong"},
    {"headerName": "At (UTC)", "field": "at", "width": 146, "cellClass": "dim"},
    {"headerName": "Changes", "field": "change", "width": 92, ":valueFormatter": "Overround.money",
     "cellClass": "num", "headerClass": "num",
     "headerTooltip": "what it changes in what bets are paid, in base currency"},
    {"headerName": "Commands", "field": "commands", "flex": 4, "minWidth": 200,
     "tooltipField": "whole"},
    {"headerName": "Why", "field": "why", "flex": 2, "minWidth": 120, "tooltipField": "why"},
    {"headerName": "Decided by", "field": "decided_by", "width": 130},
    {"headerName": "Result", "field": "result", "flex": 2, "minWidth": 120, "cellClass": "dim"},
    {"headerName": "Expires", "field": "expires", "width": 146, "cellClass": "dim"},
)  # fmt: skip


def approvals(screen: Screen) -> None:
    """Build the page."""
    ApprovalsPage(screen)


class ApprovalsPage:
    """One screen of proposals."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._open_only = False
        self._asking = False
        with ui.element("div").classes("strip"):
            Text("h1", "Approvals")
            self._labels = figures(("waiting", "shown", "state"))
        key_buttons(
            (("approve", "a", False), ("reject", "j", True), ("withdraw", "w", False),
             ("waiting only", "f", False))
        )  # fmt: skip
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "approvals",
                COLUMNS,
                prompts={
                    "a": {"title": "approve, because", "row": True},
                    "j": {"title": "reject, because", "row": True},
                },
                tooltipShowDelay=300,
            )
        screen.on_key = self._on_key
        ui.timer(REFRESH_S, self._refresh)

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        try:
            state = "open" if self._open_only else ""
            answer = await self._screen.user.session.proposals(state=state)
        except GatewayError as error:
            self._labels["state"].text = str(error)[:TEXT_MAX]
            return
        finally:
            self._asking = False
        waiting = sum(line.state == "open" for line in answer.proposals)
        self._labels["waiting"].text = f"{waiting:,}"
        self._labels["waiting"].classes(replace="warn" if waiting else "")
        self._labels["shown"].text = f"{len(answer.proposals):,}"
        self._labels["state"].text = "waiting only" if self._open_only else "all"
        self._table.show([_row(line, self._screen.model) for line in answer.proposals])

    async def _on_key(self, key: str, row: str, text: str) -> None:
        if key == "f":
            self._open_only = not self._open_only
            await self._refresh()
            return
        if not (row.isascii() and row.isdigit() and len(row) <= 15):
            return
        number, session = int(row), self._screen.user.session
        if key in ("a", "j"):
            verb = "approve" if key == "a" else "reject"
            await self._screen.act(
                f"{verb} {number}", lambda: session.decide(number, approve=key == "a", why=text)
            )
        elif key == "w":
            await self._screen.act(f"withdraw {number}", lambda: session.withdraw_proposal(number))
        await self._refresh()


def command_text(command: PreviewCommand, model: Model) -> str:
    """Return what a command would do, in words: to which market, and which outcomes win."""
    what = str(command.__struct_config__.tag).replace("_", " ")
    line = model.lines.get(command.market_no)
    if line is None:
        return f"{what} {command.market_no}"
    text = f"{what}: {model.name_of(line.fixture)}, {line.name}"
    if isinstance(command, SettleMarket):
        pairs = zip(line.image.outcomes, command.results, strict=False)
        won = [outcome_text(name) for name, result in pairs if result.won]
        text += f": {', '.join(won) or 'nothing'} won"
    return text


def _row(line: ProposalLine, model: Model) -> dict[str, Any]:
    texts = [command_text(command, model) for command in line.commands[:COMMANDS_SHOWN_MAX]]
    return {
        "id": str(line.proposal),
        "order": line.proposal,
        "number": line.proposal,
        "state": f"{_SIGNS.get(line.state, '')} {line.state}".strip(),
        "by": line.by,
        "at": time_text(line.at),
        "change": line.change_minor,
        "commands": "; ".join(texts)[:_COMMANDS_CHARS],
        "whole": msgspec.json.encode(line.commands).decode()[:_COMMANDS_CHARS],
        "why": line.why,
        "decided_by": line.decided_by,
        "result": line.result or line.decided_why,
        "expires": time_text(line.expires),
    }
