"""The system: gateways, shells, alarms, feeds and every metric, and this console itself.

Owns two tables. What it shows is what `/readyz` and `/metrics` of the gateways say.
"""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from nicegui import ui

from gateway.console.pages.frame import Screen, Table
from gateway.console.pages.parts import Text, figures
from gateway.console.system_state import GatewayState, facts, gateway_state

ASK_S: Final = 2.0
_TEXT: Final[dict[str, Any]] = {"filter": True}
GATEWAYS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Gateway", "field": "id", "width": 190, "cellClass": "strong"},
    {"headerName": "State", "field": "state", "width": 130,
     "cellClassRules": {"warn": "x.includes('\u26a0')"}},
    {"headerName": "Markets", "field": "markets", "width": 80, "cellClass": "num",
     "headerClass": "num"},
    {"headerName": "No price", "field": "without", "width": 80, "cellClass": "num",
     "headerClass": "num"},
    {"headerName": "Stale", "field": "stale", "width": 70, "cellClass": "num",
     "headerClass": "num", "cellClassRules": {"warn": "x > 0"}},
    {"headerName": "Shells", "field": "shells", "flex": 1, "minWidth": 120},
    {"headerName": "Quarantined", "field": "quarantined", "flex": 1, "minWidth": 110,
     "cellClass": "warn"},
    {"headerName": "Parts down", "field": "down", "flex": 1, "minWidth": 100, "cellClass": "warn"},
    {"headerName": "Alarms", "field": "alarms", "flex": 2, "minWidth": 120, "cellClass": "warn"},
    {"headerName": "Clocks", "field": "clocks", "width": 130, "cellClass": "dim"},
)  # fmt: skip
METRICS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Metric", "field": "metric", "flex": 2, "minWidth": 260, **_TEXT},
    {"headerName": "Labels", "field": "labels", "flex": 1, "minWidth": 140, **_TEXT},
    {"headerName": "Value", "field": "value", "width": 130, "cellClass": "num",
     "headerClass": "num", ":valueFormatter": "Overround.count"},
    {"headerName": "A second", "field": "rate", "width": 100, "cellClass": "num",
     "headerClass": "num", ":valueFormatter": "Overround.count"},
    {"headerName": "Meaning", "field": "meaning", "flex": 4, "minWidth": 200,
     "cellClass": "dim", **_TEXT},
)  # fmt: skip


def system(screen: Screen) -> None:
    """Build the page."""
    SystemPage(screen)


class SystemPage:
    """One screen of the system."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._before: dict[str, float] = {}
        self._asking = False
        with ui.element("div").classes("strip"):
            Text("h1", "System")
            self._labels = figures(
                ("gateways", "fixtures", "markets", "screens", "users", "console memory, MiB")
            )
        with ui.element("div").classes("some"):
            self._gateways = Table(screen, "gateways", GATEWAYS, main=False)
        with ui.element("div").classes("fill"):
            self._metrics = Table(screen, "metrics", METRICS)
        screen.on_key = None
        ui.timer(ASK_S, self._refresh)

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        model = self._screen.model
        try:
            states = await asyncio.gather(*map(gateway_state, model.urls))
        finally:
            self._asking = False
        self._gateways.show([{"id": one.url.partition("//")[2], **facts(one)} for one in states])
        self._metrics.show([row for one in states for row in self._rows(one)])
        values = {
            "gateways": sum(one.readiness is not None for one in states),
            "fixtures": len(model.fixtures),
            "markets": len(model.lines),
            "screens": self._screen.screens.open,
            "users": len(self._screen.screens.users),
            "console memory, MiB": _resident_bytes() >> 20,
        }
        for name, value in values.items():
            self._labels[name].text = f"{value:,}"

    def _rows(self, state: GatewayState) -> list[dict[str, Any]]:
        rows = []
        for sample in state.samples:
            name = f"{state.url} {sample.name} {sample.labels}"
            before = self._before.get(name)
            self._before[name] = sample.value
            counts = sample.name.endswith("_total")
            rows.append(
                {
                    "id": name,
                    "metric": sample.name.removeprefix("overround_"),
                    "labels": sample.labels,
                    "value": sample.value,
                    "rate": (sample.value - before) / ASK_S
                    if counts and before is not None
                    else None,
                    "meaning": sample.help,
                }
            )
        return rows


def _resident_bytes() -> int:
    """Return the memory that this process holds now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
