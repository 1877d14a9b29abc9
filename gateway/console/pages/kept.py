"""What the desk keeps by scope: margins, skews, limits and delays, from a market to the house.

Owns the table, its forms and keys. Which of several scopes holds for a market is the desk's.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET
from nicegui import ui

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch
from engine.desk.kept_limits import PARTS
from gateway.client import GatewayError
from gateway.console.pages.forms import (
    FormError,
    field,
    fields_of,
    label_of,
    read,
    values_of,
)
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.margins import MARGIN, METHODS, keep_margin, scope_text
from gateway.console.pages.parts import Text, figures, key_buttons
from gateway.console.undos import Undo, require
from gateway.messages.kept_limits import KeptLimits
from gateway.messages.margins import KeptMargin
from gateway.messages.scopes import MarketScope

REFRESH_S: Final = 2.0
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "What", "field": "what", "width": 100, "filter": True},
    {"headerName": "Of", "field": "of", "flex": 2, "minWidth": 160, "cellClass": "strong",
     "filter": True},
    {"headerName": "Kept", "field": "kept", "flex": 4, "minWidth": 240, "tooltipField": "kept"},
    {"headerName": "By", "field": "by", "width": 170, "filter": True},
    {"headerName": "At (UTC)", "field": "at", "width": 190, "cellClass": "dim"},
)  # fmt: skip
MARGIN_DEFAULTS: Final[dict[str, Any]] = {
    "method_by_type": {},
    "book_milli_by_type": {},
    "bands": [],
    "bands_by_type": {},
    "leg_milli": 30,
    "rounding": 0,
    "capped": True,
}
"""What is not worth a word; pricing is not loaded here, and a test compares them."""
_SCOPE: Final = tuple(fields_of(MarketScope, prefix="of.", leave=("outcomes",)))
_WHEN: Final = ("from now on", "once in play")
_LIMITS: Final = (
    field("when", "hold", options=_WHEN),
    *({**one, "value": ""} for one in fields_of(LimitsPatch)),
    *({**one, "value": ""} for one in fields_of(AcceptancePatch)),
)


def kept_page(screen: Screen) -> None:
    """Build the page."""
    KeptPage(screen)


class KeptPage:
    """One screen of what is kept by scope."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._kept: dict[str, KeptMargin | KeptLimits] = {}
        with ui.element("div").classes("strip"):
            Text("h1", "Margins, limits, delays")
            self._labels = figures(("margins and skews", "limits", "state"))
        key_buttons(
            (("keep a margin or skew", "n", False), ("keep limits and delay", "m", False),
             ("release", "d", False), ("undo", "u", False))
        )  # fmt: skip
        with ui.element("div").classes("fill"):
            self._table = Table(
                screen,
                "kept",
                COLUMNS,
                prompts={
                    "n": {"title": "a margin or skew that the desk keeps",
                          "fields": (*_SCOPE, *MARGIN)},
                    "m": {"title": "limits and delay that the desk keeps, for later markets too",
                          "fields": (*_SCOPE, *_LIMITS)},
                },
                tooltipShowDelay=300,
            )  # fmt: skip
        screen.on_key = self._on_key
        screen.on_form = self._on_form
        ui.timer(REFRESH_S, self._refresh)

    async def _refresh(self) -> None:
        session = self._screen.user.session
        try:
            margins = await session.margins()
            limits = await session.kept_limits()
        except GatewayError as error:
            self._labels["state"].text = str(error)[:TEXT_MAX]
            return
        self._labels["margins and skews"].text = f"{margins.total:,}"
        self._labels["limits"].text = f"{limits.total:,}"
        self._labels["state"].text = ""
        kept: list[KeptMargin | KeptLimits] = [*margins.margins, *limits.limits]
        self._kept = {_id(one): one for one in kept}
        self._table.show([_row(name, one) for name, one in self._kept.items()])

    async def _on_form(self, key: str, _row: str, values: dict[str, str]) -> bool:
        screen, session = self._screen, self._screen.user.session
        try:
            scope = read(MarketScope, values, prefix="of.")
            parts = _parts(values)
        except FormError as error:
            screen.say(str(error), bad=True)
            return False
        if key == "n":
            done = await keep_margin(screen, scope, values)
        elif not parts:
            screen.say("neither a limit nor a delay is given", bad=True)
            done = False
        else:
            done = await screen.act(
                f"limits of {scope_text(scope)}", lambda: session.keep_limits(scope, **parts)
            )
        await self._refresh()
        return done

    async def _on_key(self, key: str, row: str, _text: str) -> None:
        kept, session = self._kept.get(row), self._screen.user.session
        if key != "d" or kept is None:
            return
        name = scope_text(kept.scope)

        async def keep_again() -> Any:
            margins, limits = await session.margins(), await session.kept_limits()
            now: list[KeptMargin | KeptLimits] = [*margins.margins, *limits.limits]
            require(row not in map(_id, now), "what is kept has")
            if isinstance(kept, KeptMargin):
                return await session.keep_margin(kept.scope, margin=kept.margin, skew=kept.skew)
            parts = {name: getattr(kept, name) for name in PARTS}
            return await session.keep_limits(kept.scope, **parts)

        if isinstance(kept, KeptMargin):
            await self._screen.act(
                f"release the margin of {name}",
                lambda: session.release_margin(kept.scope),
                undo=Undo(f"undo: margin of {name}", keep_again),
            )
        else:
            await self._screen.act(
                f"release the limits of {name}",
                lambda: session.release_limits(kept.scope),
                undo=Undo(f"undo: limits of {name}", keep_again),
            )
        await self._refresh()


def _id(kept: KeptMargin | KeptLimits) -> str:
    what = "margin" if isinstance(kept, KeptMargin) else "limits"
    return f"{what} of {scope_text(kept.scope)}"


def _row(name: str, kept: KeptMargin | KeptLimits) -> dict[str, Any]:
    if isinstance(kept, KeptLimits):
        what, text = "limits", limits_text(kept)
    else:
        what, text = "margin", margin_text(kept)
    return {
        "id": name,
        "name": name,
        "what": what,
        "of": scope_text(kept.scope),
        "kept": text,
        "by": kept.by,
        "at": kept.at,
    }


def _parts(values: dict[str, str]) -> dict[str, Any]:
    """Return the parts of what is kept that a form names; empty where it names none.

    Raises
    ------
    FormError
        A figure is out of bounds, or it is not said when it holds.
    """
    when = values.get("when", _WHEN[0])
    if when not in _WHEN:
        raise FormError("hold: one of " + ", ".join(_WHEN))
    tail = "_in_play" if when == _WHEN[1] else ""
    given: dict[str, LimitsPatch | AcceptancePatch]
    given = {"limits": read(LimitsPatch, values), "acceptance": read(AcceptancePatch, values)}
    return {name + tail: part for name, part in given.items() if part.names()}


def limits_text(kept: KeptLimits) -> str:
    """Return what is kept of limits, delay and referral, for people."""
    texts = []
    for name in PARTS:
        part = getattr(kept, name)
        if part is UNSET:
            continue
        values, when = values_of(part), "in play " if name.endswith("_in_play") else ""
        texts += [f"{when}{label_of(figure)} {values[figure]}" for figure in part.names()]
    return ", ".join(texts)


def margin_text(kept: KeptMargin) -> str:
    """Return what is kept of margin and skew, for people."""
    parts = []
    if isinstance(kept.margin, dict):
        rest = dict(kept.margin)
        book = rest.pop("book_milli", None)
        parts += [] if book is None else [f"margin {book / 10 - 100:g}%"]
        method = rest.pop("method", None)
        parts += [name for name, number in METHODS.items() if number == method]
        parts += [
            f"{name} {value}" for name, value in rest.items() if value != MARGIN_DEFAULTS.get(name)
        ]
    if isinstance(kept.skew, dict):
        parts.append(f"skew {msgspec.json.encode(kept.skew).decode()}")
    elif kept.skew is None:
        parts.append("no skew")
    return ", ".join(parts)
