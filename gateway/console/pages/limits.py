"""The form by which a person changes limits: of a market, of its type, or of its whole fixture.

Owns the form's fields and what it sends. What a limit may be is the market's and the house's.
"""

from typing import Any, Final

from msgspec.structs import asdict

from engine.common.commands import Limits, LimitsPatch
from gateway.console.lines import Line
from gateway.console.pages.forms import FormError, field, fields_of, read
from gateway.console.pages.frame import Screen
from gateway.console.undos import Undo
from gateway.messages.scopes import MarketScope

_WHERE: Final = ("this market", "this type in the fixture", "the whole fixture")
LIMITS: Final = (
    field("where", "of", options=_WHERE),
    *({**one, "fill": f"limit_{one['name']}", "changed": True} for one in fields_of(LimitsPatch)),
)
"""Filled with the market's limits; only those that a person changes are sent."""


def limit_fields(limits: Limits) -> dict[str, Any]:
    """Return a market's limits as the form is filled with them, in units of the base currency."""
    return {f"limit_{name}": f"{value / 100:.15g}" for name, value in asdict(limits).items()}


async def set_limits(screen: Screen, line: Line, values: dict[str, str]) -> bool:
    """Change the limits that a form names; undo sets one market's as they were."""
    if line.book is None:
        return False
    try:
        patch = read(LimitsPatch, values)
    except FormError as error:
        screen.say(str(error), bad=True)
        return False
    if not patch.names():
        screen.say("no limit is changed", bad=True)
        return False
    session, number, before = screen.user.session, line.number, line.book.limits
    where = values.get("where", "")
    if where not in _WHERE:
        screen.say("of: one of " + ", ".join(_WHERE), bad=True)
        return False
    if where == _WHERE[0]:
        back = LimitsPatch(**{name: getattr(before, name) for name in patch.names()})

        async def undo() -> Any:
            return (await session.set_limits(number, back),)

        async def change() -> Any:
            return (await session.set_limits(number, patch),)

        return await screen.act(
            f"limits of {line.name}", change, undo=Undo(f"undo: limits of {line.name}", undo)
        )
    scope = MarketScope(fixture=line.fixture)
    if where == _WHERE[1]:
        scope = MarketScope(fixture=line.fixture, type=line.type)
    return await screen.act(f"limits of {where}", lambda: session.set_limits_of(scope, patch))
