"""Alerts: what the desk's rules have found, who works on it, and how it ended.

Owns the table and its keys. Rules and alerts are the desk's.
"""

from typing import Any, Final

from nicegui import ui

from engine.watch.alerts import AlertStatus
from gateway.client import GatewayError
from gateway.console.open_alerts import SIGNS
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import ORDER, Text, figures, key_buttons
from gateway.messages.watching import AlertView

REFRESH_S: Final = 1.0
LINES: Final = 300
_NOTE_MAX: Final = 200
_FIXTURE_MAX: Final = 64
_STATUS_KEYS: Final = {
    "i": AlertStatus.INVESTIGATING,
    "v": AlertStatus.RESOLVED,
    "d": AlertStatus.DISMISSED,
    "p": AlertStatus.FALSE_POSITIVE,
    "e": AlertStatus.OPEN,
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "No", "field": "number", "width": 66, "cellClass": ["num", "dim"],
     "headerClass": "num"},
    {"headerName": "Severity", "field": "severity", "width": 96, "filter": True,
     "cellClassRules": {"neg": "x.includes('critical')", "warn": "x.includes('high')"}},
    {"headerName": "Status", "field": "status", "width": 116, "filter": True},
    {"headerName": "Rule", "field": "rule", "width": 150, "cellClass": "strong", "filter": True},
    {"headerName": "Kind", "field": "kind", "width": 130, "filter": True},
    {"headerName": "Subject", "field": "subject", "flex": 2, "minWidth": 130, "filter": True},
    {"headerName": "Figures", "field": "figures", "flex": 3, "minWidth": 160,
     "tooltipField": "figures"},
    {"headerName": "Times", "field": "times", "width": 66, "cellClass": "num",
     "headerClass": "num"},
    {"headerName": "Last (UTC)", "field": "last", "width": 150, "cellClass": "dim"},
    {"headerName": "Did", "field": "action", "width": 90},
    {"headerName": "Owner", "field": "owner", "width": 120},
    {"headerName": "Note", "field": "note", "flex": 1, "minWidth": 90},
)  # fmt: skip


def alerts(screen: Screen, fixture: str = "") -> None:
    """Build the page, of one fixture's alerts where it names one."""
    AlertsPage(screen, fixture[:_FIXTURE_MAX])


class AlertsPage:
    """One screen of alerts."""

    def __init__(self, screen: Screen, fixture: str) -> None:
        self._screen = screen
        self._fixture = fixture
        self._open_only = True
        self._asking = False
        self._shown: dict[int, AlertView] = {}
        with ui.element("div").classes("strip"):
            Text("h1", f"Alerts of {fixture}" if fixture else "Alerts")
            self._labels = figures(("open", "shown", "critical", "state"))
        key_buttons(
            (
                ("what to do", "Enter", False),
                ("rules", "r", False),
                ("take", "t", False),
                ("investigate", "i", False),
                ("resolved", "v", False),
                ("dismiss", "d", False),
                ("false positive", "p", False),
                ("reopen", "e", False),
                ("note", "n", False),
                ("fixture", "f", False),
                ("account", "a", False),
                ("open, all", "o", False),
            )
        )
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "alerts",
                COLUMNS,
                prompts={"n": {"title": "note on alert", "row": True}},
                tooltipShowDelay=300,
            )
        screen.on_key = self._on_key
        ui.timer(REFRESH_S, self._refresh)

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        try:
            session = self._screen.user.session
            answer = await session.alerts(
                open_only=self._open_only, fixture=self._fixture, limit=LINES
            )
        except GatewayError as error:
            self._labels["state"].text = str(error)[:TEXT_MAX]
            return
        finally:
            self._asking = False
        self._shown = {alert.number: alert for alert in answer.alerts}
        critical = sum(alert.severity == "critical" for alert in answer.alerts)
        self._labels["open"].text = f"{sum(one.status == 'open' for one in answer.alerts):,}"
        self._labels["shown"].text = f"{len(answer.alerts):,}"
        self._labels["critical"].text = f"{critical:,}"
        self._labels["critical"].classes(replace="neg" if critical else "")
        self._labels["state"].text = "open only" if self._open_only else "all"
        self._table.show([_row(alert) for alert in answer.alerts])

    async def _on_key(self, key: str, row: str, text: str) -> None:
        if key == "o":
            self._open_only = not self._open_only
            await self._refresh()
            return
        if key == "r":
            ui.navigate.to("/rules")
            return
        alert = self._shown.get(int(row)) if row.isascii() and row.isdigit() else None
        if alert is None:
            return
        session, number = self._screen.user.session, alert.number
        if key == "Enter":
            ui.navigate.to(f"/guide/{alert.kind}")
        elif key in _STATUS_KEYS:
            status = _STATUS_KEYS[key]
            await self._screen.act(
                f"alert {number} {status.value}", lambda: session.work_alert(number, status=status)
            )
        elif key == "t":
            me = f"{self._screen.user.role}:{self._screen.user.sub}"
            await self._screen.act(
                f"take alert {number}", lambda: session.work_alert(number, owner=me)
            )
        elif key == "n":
            note = text[:_NOTE_MAX]
            await self._screen.act(
                f"note on alert {number}", lambda: session.work_alert(number, note=note)
            )
        elif key == "f" and alert.fixture in self._screen.model.fixtures:
            ui.navigate.to(f"/fixture/{alert.fixture}")
        elif key == "a" and alert.accounts:
            ui.navigate.to(f"/account/{alert.accounts[0]}")
        await self._refresh()


def _row(alert: AlertView) -> dict[str, Any]:
    figures_text = ", ".join(f"{name} {value:g}" for name, value in alert.figures.items())
    return {
        "id": str(alert.number),
        "order": alert.number,
        "number": alert.number,
        "severity": f"{SIGNS.get(alert.severity, '')} {alert.severity}".strip(),
        "status": alert.status,
        "rule": alert.rule,
        "kind": alert.kind,
        "subject": alert.subject,
        "figures": figures_text,
        "times": alert.times,
        "last": alert.last_at,
        "action": alert.action,
        "owner": alert.owner,
        "note": alert.note,
    }
