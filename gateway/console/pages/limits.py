"""The forms for limits, delay and referral: of a market, of its type, or of its whole fixture.

Owns the forms' fields and what they send. What a limit may be is the market's and the house's.
"""

from typing import Any, Final

from msgspec.structs import asdict

from engine.common.acceptance import Acceptance, AcceptancePatch
from engine.common.commands import Limits, LimitsPatch
from gateway.console.lines import Line
from gateway.console.pages.forms import FormError, field, fields_of, read, values_of
from gateway.console.pages.frame import Screen
from gateway.console.undos import Undo, require
from gateway.messages.scopes import MarketScope

_WHERE: Final = ("this market", "this type in the fixture", "the whole fixture")
LIMITS: Final = (
    field("where", "of", options=_WHERE),
    *({**one, "fill": f"limit_{one['name']}", "changed": True} for one in fields_of(LimitsPatch)),
)
"""Filled with the market's limits; only those that a person changes are sent."""


ACCEPTANCE: Final = (
    field("where", "of", options=_WHERE),
    *(
        {**one, "fill": f"acceptance_{one['name']}", "changed": True}
        for one in fields_of(AcceptancePatch)
    ),
    field("why", "reason"),
)
"""How bets are taken: the delay, and what is referred to a trader."""


def acceptance_fields(acceptance: Acceptance) -> dict[str, Any]:
    """Return how a market takes bets as the form is filled with it."""
    return values_of(acceptance, prefix="acceptance_")


def limit_fields(limits: Limits) -> dict[str, Any]:
    """Return a market's limits as the form is filled with them, in units of the base currency."""
    return {f"limit_{name}": f"{value / 100:.15g}" for name, value in asdict(limits).items()}


def _as_named(patch: LimitsPatch | AcceptancePatch, now: Any) -> bool:
    """Whether everything that a patch has named is still as it said."""
    return all(getattr(now, name) == getattr(patch, name) for name in patch.names())


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
            now = (await session.book(number)).limits
            require(_as_named(patch, now), "the limits have")
            return (await session.set_limits(number, back),)

        async def change() -> Any:
            return (await session.set_limits(number, patch),)

        return await screen.act(
            f"limits of {line.name}", change, undo=Undo(f"undo: limits of {line.name}", undo)
        )
    return await screen.act(
        f"limits of {where}", lambda: session.set_limits_of(_scope(line, where), patch)
    )


async def set_acceptance(screen: Screen, line: Line, values: dict[str, str]) -> bool:
    """Change how bets are taken; undo sets one market's delay and referral as they were."""
    if line.book is None:
        return False
    where, why = values.get("where", ""), values.get("why", "")
    try:
        patch = read(AcceptancePatch, values)
    except FormError as error:
        screen.say(str(error), bad=True)
        return False
    if not patch.names() or where not in _WHERE:
        wrong = "nothing is changed" if where in _WHERE else "of: one of " + ", ".join(_WHERE)
        screen.say(wrong, bad=True)
        return False
    session, number, before = screen.user.session, line.number, line.book.acceptance
    if where == _WHERE[0]:
        back = AcceptancePatch(**{name: getattr(before, name) for name in patch.names()})

        async def undo() -> Any:
            now = (await session.book(number)).acceptance
            require(_as_named(patch, now), "delay or referral has")
            return (await session.set_acceptance(number, back),)

        async def change() -> Any:
            return (await session.set_acceptance(number, patch, why=why),)

        label = f"delay and referral of {line.name}"
        return await screen.act(label, change, undo=Undo(f"undo: {label}", undo))
    return await screen.act(
        f"delay and referral of {where}",
        lambda: session.set_acceptance_of(_scope(line, where), patch, why=why),
    )


def _scope(line: Line, where: str) -> MarketScope:
    if where == _WHERE[1]:
        return MarketScope(fixture=line.fixture, type=line.type)
    return MarketScope(fixture=line.fixture)
