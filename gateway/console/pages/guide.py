"""The page that says what a kind of alert or a quarantine means, and what to do about it.

Owns the page; gateway.console.guide has the text.
"""

from typing import Final

from nicegui import ui

from gateway.console.guide import OPERATIONS, QUARANTINE, WATCHING, heading_of, sections
from gateway.console.pages.frame import Screen
from gateway.console.pages.parts import Text
from gateway.console.pages.rules import KINDS

_WHOLE: Final = "Rules and alerts"
QUARANTINE_PATH: Final = "/guide/quarantine"


def guide_page(screen: Screen, kind: str = "") -> None:
    """Build the page of a kind of rule; without one, that of rules and alerts."""
    screen.on_key = None
    with ui.element("div").classes("strip"):
        Text("h1", "What to do")
        ui.link("rules", "/rules")
        for name in KINDS:
            ui.link(heading_of(name), f"/guide/{name}")
        ui.link("Quarantine", QUARANTINE_PATH)
    with ui.element("div").classes("guide"):
        document, heading = WATCHING, heading_of(kind) if kind in KINDS else _WHOLE
        if kind == QUARANTINE_PATH.rpartition("/")[2]:
            document, heading = OPERATIONS, QUARANTINE
        Text("h2", heading)
        for part in sections(document).get(heading, ()):
            Text(part.tag, part.text)
