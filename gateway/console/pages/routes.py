"""Which page is at which path, and which are in the menu.

Owns the two tables.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.console.pages.fixture import fixture_page
from gateway.console.pages.floor import floor

ROUTES: Final[dict[str, Callable[..., Any]]] = {
    "/": floor,
    "/fixture/{fixture}": fixture_page,
}
MENU: Final[tuple[tuple[str, str], ...]] = (("Floor", "/"),)
