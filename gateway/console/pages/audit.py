"""The audit trail: who asked for what, when, and what came of it, newest first and searchable.

Owns the table and the search. The lines are the desk's; they are asked for by the user's own
session, so who may not read them is refused there.
"""

from typing import Any, Final

from nicegui import ui

from gateway.client import GatewayError
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import Text, figures, key_buttons, time_text
from gateway.messages.audit import AuditTrailLine

REFRESH_S: Final = 10.0
"""A key asks at once."""
LINES: Final = 300
_SEARCH_MAX: Final = 64
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "No", "field": "number", "width": 80, "cellClass": ["num", "dim"],
     "headerClass": "num", "sort": "desc"},
    {"headerName": "When (UTC)", "field": "at", "width": 146, "cellClass": "dim"},
    {"headerName": "Who", "field": "by", "width": 150, "cellClass": "strong", "filter": True},
    {"headerName": "What", "field": "what", "width": 150, "filter": True},
    {"headerName": "About", "field": "about", "flex": 2, "minWidth": 120, "filter": True},
    {"headerName": "", "field": "refused", "width": 88,
     "cellClassRules": {"neg": "x != ''"}},
    {"headerName": "Result", "field": "result", "flex": 3, "minWidth": 160},
    {"headerName": "Request", "field": "request", "flex": 4, "minWidth": 160, "cellClass": "dim",
     "tooltipField": "request"},
)  # fmt: skip
_BUTTONS: Final = (
    ("search text", "f", False),
    ("who", "w", False),
    ("what", "t", False),
    ("refused only", "r", False),
    ("all", "a", False),
)


def audit(screen: Screen) -> None:
    """Build the page."""
    AuditPage(screen)


class AuditPage:
    """One screen of the audit trail."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._asked: dict[str, Any] = {"text": "", "by": "", "what": "", "refused": False}
        self._asking = False
        with ui.element("div").classes("strip"):
            Text("h1", "Audit")
            self._labels = figures(("lines shown", "search", "state"))
        key_buttons(_BUTTONS)
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "audit",
                COLUMNS,
                prompts={
                    "f": {"title": "text of a line"},
                    "w": {"title": "who"},
                    "t": {"title": "what: a message or command"},
                },
                tooltipShowDelay=300,
            )
        screen.on_key = self._on_key
        ui.timer(REFRESH_S, self._refresh)

    async def _on_key(self, key: str, _: str, text: str) -> None:
        asked = {"f": "text", "w": "by", "t": "what"}
        if key in asked:
            self._asked[asked[key]] = text.strip()[:_SEARCH_MAX]
        elif key == "r":
            self._asked["refused"] = not self._asked["refused"]
        elif key == "a":
            self._asked = {"text": "", "by": "", "what": "", "refused": False}
        else:
            return
        await self._refresh()

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        try:
            answer = await self._screen.user.session.audit_trail(limit=LINES, **self._asked)
        except GatewayError as error:
            self._labels["state"].text = str(error)[:TEXT_MAX]
            return
        finally:
            self._asking = False
        self._labels["state"].text = "more below" if answer.more else "all"
        self._labels["lines shown"].text = f"{len(answer.lines):,}"
        search = [f"{name}: {value}" for name, value in self._asked.items() if value]
        self._labels["search"].text = ", ".join(search) or "none"
        self._table.show([_row(line) for line in answer.lines])


def _row(line: AuditTrailLine) -> dict[str, Any]:
    return {
        "id": str(line.number),
        "number": line.number,
        "at": time_text(line.at),
        "by": line.by,
        "what": line.what,
        "about": line.about,
        "refused": "\u2715 refused" if line.refused else "",
        "result": line.result,
        "request": line.request,
    }
