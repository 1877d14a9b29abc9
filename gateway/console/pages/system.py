"""The system: gateways, shells, reconciliation, alarms, feeds and metrics, and this console itself.

Owns three tables, and what it says of a shell in quarantine. What it shows is what the gateways'
`/readyz` and `/metrics` and the message `shells` say.
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Any, Final

from nicegui import ui

from gateway.client import GatewayError
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.guide import QUARANTINE_PATH
from gateway.console.pages.parts import ORDER, Text, figures, key_buttons
from gateway.console.system_state import GatewayState, facts, gateway_state
from gateway.messages.shells import Reconciliation, ShellLine, Shells

ASK_S: Final = 2.0
TROUBLES_MAX: Final = 4
"""Shells in quarantine, differences and failing tasks that are written out."""
_WHY_CHARS: Final = 600
_SIGNS: Final = {
    "serving": "\u25cf",
    "quarantined": "\u26a0",
    "starting": "\u25cc",
    "down": "\u2715",
}
_TEXT: Final[dict[str, Any]] = {"filter": True}
_NUMBER: Final[dict[str, Any]] = {
    "cellClass": "num", "headerClass": "num", ":valueFormatter": "Overround.count",
}  # fmt: skip
_BYTES: Final[dict[str, Any]] = {**_NUMBER, ":valueFormatter": "Overround.bytes"}
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
SHELLS: Final[tuple[dict[str, Any], ...]] = (
    ORDER,
    {"headerName": "Shell", "field": "name", "width": 118, "cellClass": "strong", **_TEXT},
    {"headerName": "State", "field": "state", "width": 110, **_TEXT,
     "cellClassRules": {"warn": "!x.includes('\u25cf')"}},
    {"headerName": "Markets", "field": "markets", "width": 76, **_NUMBER},
    {"headerName": "Bets", "field": "bets", "width": 76, **_NUMBER},
    {"headerName": "Last record", "field": "seq", "width": 92, **_NUMBER},
    {"headerName": "Journal", "field": "journal", "width": 84, **_BYTES},
    {"headerName": "Files", "field": "segments", "width": 56, **_NUMBER},
    {"headerName": "Snapshot", "field": "snapshot", "flex": 1, "minWidth": 150, "cellClass": "dim",
     "headerTooltip": "the newest one: its age, its size, and the record that it was taken after"},
    {"headerName": "To replay", "field": "replay", "width": 84, **_BYTES,
     "headerTooltip": "journaled since the last snapshot: what a start reads again"},
    {"headerName": "Restarts", "field": "restarts", "width": 76, **_NUMBER,
     "headerTooltip": "in the present window; past supervisor.restarts_max it is quarantined",
     "cellClassRules": {"warn": "x > 0"}},
    {"headerName": "Outage ms", "field": "outage", "width": 86, **_NUMBER,
     "headerTooltip": "how long the last outage took"},
    {"headerName": "Recovery ms", "field": "recovery", "width": 106, **_NUMBER,
     "headerTooltip": "how long the last start took to read snapshot and journal"},
    {"headerName": "Pid", "field": "pid", "width": 72, "cellClass": ["num", "dim"],
     "headerClass": "num"},
    {"headerName": "Why", "field": "why", "flex": 2, "minWidth": 120, "cellClass": "warn",
     "tooltipField": "why"},
)  # fmt: skip
FIGURES: Final = (
    "gateways", "shells", "quarantined", "fixtures", "markets", "journals, MiB",
    "carried", "compared", "differences", "disputes", "screens", "users",
    "console, MiB",
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
        self._lines: tuple[str, ...] = ()
        with ui.element("div").classes("strip"):
            Text("h1", "System")
            self._labels = figures(FIGURES)
        key_buttons((("what to do about a quarantine", "Enter", False),))
        self._troubles = ui.element("div").classes("troubles")
        self._troubles.set_visibility(False)
        with ui.element("div").classes("few"):
            self._gateways = Table(screen, "gateways", GATEWAYS, main=False)
        with ui.element("div").classes("fill"):
            self._shells = Table(screen, "shells", SHELLS, tooltipShowDelay=300)
        with ui.element("div").classes("fill"):
            self._metrics = Table(screen, "metrics", METRICS, main=False)
        screen.on_key = self._on_key
        ui.timer(ASK_S, self._refresh)

    async def _on_key(self, key: str, _row: str, _text: str) -> None:
        if key == "Enter":
            ui.navigate.to(QUARANTINE_PATH)

    async def _refresh(self) -> None:
        if self._asking:
            return
        self._asking = True
        model = self._screen.model
        try:
            states = await asyncio.gather(*map(gateway_state, model.urls))
            await self._refresh_shells()
        finally:
            self._asking = False
        self._gateways.show([{"id": one.url.partition("//")[2], **facts(one)} for one in states])
        self._metrics.show([row for one in states for row in self._rows(one)])
        self._figures(
            {
                "gateways": sum(one.readiness is not None for one in states),
                "fixtures": len(model.fixtures),
                "markets": len(model.lines),
                "screens": self._screen.screens.open,
                "users": len(self._screen.screens.users),
                "console, MiB": _resident_bytes() >> 20,
            }
        )

    def _figures(self, values: dict[str, int]) -> None:
        for name, value in values.items():
            self._labels[name].text = f"{value:,}"

    async def _refresh_shells(self) -> None:
        """Show the shells; where they are not known, say why."""
        try:
            answer = await self._screen.user.session.shells()
        except GatewayError as error:
            self._labels["shells"].text = str(error)[:TEXT_MAX]
            return
        done = answer.reconciliation
        self._shells.show(shell_rows(answer.shells, now_ms=time.time_ns() // 1_000_000))
        self._figures(
            {
                "shells": sum(answer.states.values()),
                "quarantined": answer.states.get("quarantined", 0),
                "journals, MiB": sum(one.journal_bytes for one in answer.shells) >> 20,
                "carried": done.settled,
                "compared": done.compared,
                "differences": done.differences_found,
                "disputes": done.disputes,
            }
        )
        for name in ("quarantined", "differences", "disputes"):
            self._labels[name].classes(replace="" if self._labels[name].text == "0" else "warn")
        self._show_troubles(troubles(answer))

    def _show_troubles(self, lines: tuple[str, ...]) -> None:
        if lines == self._lines:
            return
        self._lines = lines
        self._troubles.set_visibility(bool(lines))
        self._troubles.clear()
        with self._troubles:
            for line in lines:
                Text("div", line)

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


def shell_rows(shells: tuple[ShellLine, ...], *, now_ms: int) -> list[dict[str, Any]]:
    """Return the rows of shells, those that do not serve in front as they came."""
    return [
        {
            "id": one.name,
            "order": -place,
            "name": one.name,
            "state": f"{_SIGNS.get(one.state, '')} {one.state}".strip(),
            "why": one.why or one.snapshot_trouble,
            "markets": one.markets if one.kind == "market" else None,
            "bets": one.bets,
            "seq": one.seq,
            "journal": one.journal_bytes or None,
            "segments": one.journal_segments or None,
            "snapshot": snapshot_text(one, now_ms=now_ms),
            "replay": one.unsnapshotted_bytes if one.journal_bytes else None,
            "restarts": one.restarts,
            "outage": one.outage_ms or None,
            "recovery": one.recovery_ms,
            "pid": one.pid or None,
        }
        for place, one in enumerate(shells)
    ]


def snapshot_text(shell: ShellLine, *, now_ms: int) -> str:
    """Return what the newest snapshot is, in words."""
    if not shell.snapshot_seq:
        return "none yet"
    if not shell.snapshot_ms:
        return f"of record {shell.snapshot_seq:,}"
    minutes = max(now_ms - shell.snapshot_ms, 0) // 60_000
    age = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return f"{age} ago, {shell.snapshot_bytes / (1 << 20):.1f} MiB, record {shell.snapshot_seq:,}"


def troubles(answer: Shells) -> tuple[str, ...]:
    """Return what a person must see to: shells in quarantine with their steps, and differences."""
    lines = []
    held = [one for one in answer.shells if one.state == "quarantined"]
    for one in held[:TROUBLES_MAX]:
        lines.append(f"\u26a0 {one.name} is quarantined and refuses bets: {one.why[:_WHY_CHARS]}")
        lines.append(
            f"1. overround journal verify {one.folder}  \u2502  2. damaged: put back a copy that"
            " holds every record, never cut a journal  \u2502  3. kill -HUP the process of"
            " overround serve"
        )
    lines += _of_reconciliation(answer.reconciliation)
    return tuple(lines)


def _of_reconciliation(done: Reconciliation) -> list[str]:
    return [
        *(f"\u26a0 difference: {text[:_WHY_CHARS]}" for text in done.differences[:TROUBLES_MAX]),
        *(f"\u26a0 tried again: {text[:_WHY_CHARS]}" for text in done.troubles[:TROUBLES_MAX]),
    ]


def _resident_bytes() -> int:
    """Return the memory that this process holds now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
