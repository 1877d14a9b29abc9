"""Which page is at which path, and which are in the menu.

Owns the two tables.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.console.pages.audit import audit
from gateway.console.pages.fixture import fixture_page
from gateway.console.pages.floor import floor
from gateway.console.pages.risk import risk
from gateway.console.pages.settlement import settlement
from gateway.console.pages.system import system

ROUTES: Final[dict[str, Callable[..., Any]]] = {
    "/": floor,
    "/fixture/{fixture}": fixture_page,
    "/settlement": settlement,
    "/risk": risk,
    "/audit": audit,
    "/system": system,
}
MENU: Final[tuple[tuple[str, str], ...]] = (
    ("Floor", "/"),
    ("Settlement", "/settlement"),
    ("Risk", "/risk"),
    ("Audit", "/audit"),
    ("System", "/system"),
)
