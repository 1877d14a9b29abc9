"""Approvals: what a second person must decide, and what became of it.

Owns the table, its keys, and the previews that a person has looked at. Who may decide, and what is
carried out, is the desk's.
"""

from typing import Any, Final

from nicegui import ui

from engine.common.previews import Preview, PreviewCommand
from gateway.client import GatewayError
from gateway.console.command_texts import command_text
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import (
    ORDER,
    WHOLE,
    Text,
    figures,
    key_buttons,
    outcome_text,
    time_text,
)
from gateway.messages.approvals import ProposalLine

REFRESH_S: Final = 1.0
COMMANDS_SHOWN: Final = 1_024
"""More than a proposal has commands: their rows are in one order with those of others."""
LOOKED_MAX: Final = 64
"""Proposals of which a screen keeps the previews; past it those looked at first are dropped."""
_SIGNS: Final = {"open": "\u2691", "done": "\u2713", "approved": "\u2713", "rejected": "\u2715"}
_MONEY: Final[dict[str, Any]] = {
    ":valueFormatter": "Overround.money",
    "cellClass": "num",
    "headerClass": "num",
    "sortable": False,
    "width": 88,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "No", "field": "number", "width": 50, "cellClass": ["num", "dim"],
     "headerClass": "num", "sortable": False},
    {"headerName": "State", "field": "state", "width": 92, "filter": True, "sortable": False,
     "cellClassRules": {"warn": "x.includes('\u2691')"}},
    {"headerName": "Proposed by", "field": "by", "width": 105, "cellClass": "strong", **WHOLE},
    {"headerName": "Market", "field": "market", "flex": 2, "minWidth": 115, **WHOLE},
    {"headerName": "Command", "field": "command", "flex": 5, "minWidth": 220, **WHOLE},
    {"headerName": "Why", "field": "why", "flex": 2, "minWidth": 110, **WHOLE},
    {"headerName": "Proposed", "field": "change", **_MONEY,
     "headerTooltip": "what all its commands move, in base currency, when it was proposed"},
    {"headerName": "Moves now", "field": "moved", **_MONEY,
     "headerTooltip": "what the command moves, by the preview of Enter"},
    {"headerName": "Paid now", "field": "paid", **_MONEY},
    {"headerName": "Paid after", "field": "after", **_MONEY},
    {"headerName": "Accounts", "field": "accounts", "width": 78, "cellClass": "num",
     "headerClass": "num", "sortable": False},
    {"headerName": "Largest", "field": "largest", **_MONEY,
     "headerTooltip": "the largest change of one bet"},
    {"headerName": "Decided by", "field": "decided_by", "width": 120, **WHOLE},
    {"headerName": "Result", "field": "result", "flex": 2, "minWidth": 110, "cellClass": "dim",
     **WHOLE},
    {"headerName": "At (UTC)", "field": "at", "width": 150, "cellClass": "dim", **WHOLE},
    {"headerName": "Expires", "field": "expires", "width": 150, "cellClass": "dim", **WHOLE},
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
        self._lines: dict[int, ProposalLine] = {}
        self._looked: dict[int, tuple[Preview | str, ...]] = {}
        """By proposal the previews of its commands, or why there is none."""
        with ui.element("div").classes("strip"):
            Text("h1", "Approvals")
            self._labels = figures(("waiting", "shown", "state"))
        key_buttons(
            (("look", "Enter", False), ("approve", "a", False), ("reject", "j", True),
             ("withdraw", "w", False), ("waiting only", "f", False))
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
                row_class="(params) => params.data.first ? 'first' : ''",
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
        self._lines = {line.proposal: line for line in answer.proposals}
        self._show()

    def _show(self) -> None:
        self._table.show([row for line in self._lines.values() for row in self._rows(line)])

    def _rows(self, line: ProposalLine) -> list[dict[str, Any]]:
        """Return a row for each command of a proposal; what is of all of them is in the first."""
        looked = self._looked.get(line.proposal, ())
        first = {
            "state": f"{_SIGNS.get(line.state, '')} {line.state}".strip(),
            "by": line.by,
            "at": time_text(line.at),
            "change": line.change_minor,
            "why": line.why,
            "decided_by": line.decided_by,
            "result": line.result or line.decided_why,
            "expires": time_text(line.expires),
        }
        rows = []
        for at, command in enumerate(line.commands):
            row = dict.fromkeys(first) if at else first
            seen = looked[at] if at < len(looked) else ""
            rows.append(row | self._command(command, seen) | {
                "id": f"{line.proposal}-{at}",
                "order": line.proposal - at / COMMANDS_SHOWN,
                "number": line.proposal,
                "first": not at,
            })  # fmt: skip
        return rows

    def _command(self, command: PreviewCommand, seen: Preview | str) -> dict[str, Any]:
        """Return what a command is, and what its last preview said."""
        known = self._screen.model.lines.get(command.market_no)
        names = () if known is None else [outcome_text(name) for name in known.image.outcomes]
        where = "" if known is None else self._screen.model.name_of(known.fixture)
        text = command_text(command, names)
        if isinstance(seen, str) and seen:
            text += f"; NOT POSSIBLE NOW: {seen}"
        row: dict[str, Any] = {
            "market": f"{where} {known.name}" if known else f"market {command.market_no}",
            "command": text,
        }
        if isinstance(seen, Preview):
            row |= {
                "moved": seen.moved_minor,
                "paid": seen.payout_now_minor,
                "after": seen.payout_after_minor,
                "accounts": seen.accounts,
                "largest": seen.change_minor_max,
            }
        return row

    async def _preview(self, number: int) -> None:
        """Preview a proposal's commands, one after another, as they would be carried out now."""
        line, session = self._lines.get(number), self._screen.user.session
        if line is None:
            return
        found: list[Preview | str] = []
        for command in line.commands:
            try:
                found.append((await session.preview(command)).preview)
            except GatewayError as error:
                found.append(str(error))
        self._looked.pop(number, None)
        self._looked[number] = tuple(found)
        if len(self._looked) > LOOKED_MAX:
            del self._looked[next(iter(self._looked))]
        self._show()

    async def _on_key(self, key: str, row: str, text: str) -> None:
        if key == "f":
            self._open_only = not self._open_only
            await self._refresh()
            return
        name = row.partition("-")[0]
        if not (name.isascii() and name.isdigit() and len(name) <= 15):
            return
        number, session = int(name), self._screen.user.session
        if key == "Enter":
            await self._preview(number)
            return
        if key == "a" and number not in self._looked:
            self._screen.say(f"look at {number} first: Enter", bad=True)
            return
        if key in ("a", "j"):
            verb = "approve" if key == "a" else "reject"
            await self._screen.act(
                f"{verb} {number}", lambda: session.decide(number, approve=key == "a", why=text)
            )
        elif key == "w":
            await self._screen.act(f"withdraw {number}", lambda: session.withdraw_proposal(number))
        await self._refresh()
