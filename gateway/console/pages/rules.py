"""The rules by which the desk watches: listed, set, changed, switched and removed.

Owns the table, the form and its keys. What a rule may be, and what it finds, is the desk's.
"""

from typing import Any, Final, get_args

import msgspec
from msgspec.structs import replace
from nicegui import ui

from engine.watch.kinds import Kind
from engine.watch.rules import Scope, WatchRule
from gateway.client import ControlSession, GatewayError
from gateway.console.pages.forms import FormError, field, fields_of, label_of, read, values_of
from gateway.console.pages.frame import TEXT_MAX, Screen, Table
from gateway.console.pages.parts import Text, figures, key_buttons
from gateway.console.undos import Undo, require

REFRESH_S: Final = 2.0
KINDS: Final[dict[str, type[msgspec.Struct]]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Kind)
}
COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"headerName": "Rule", "field": "name", "width": 170, "cellClass": "strong", "filter": True},
    {"headerName": "", "field": "state", "width": 70, "cellClassRules": {"dim": "x == 'off'"}},
    {"headerName": "Kind", "field": "kind", "width": 120, "filter": True},
    {"headerName": "Looks for", "field": "parameters", "flex": 3, "minWidth": 200,
     "tooltipField": "parameters"},
    {"headerName": "Where", "field": "where", "flex": 2, "minWidth": 110},
    {"headerName": "Severity", "field": "severity", "width": 90, "filter": True,
     "cellClassRules": {"neg": "x == 'critical'", "warn": "x == 'high'"}},
    {"headerName": "Does", "field": "does", "width": 130},
    {"headerName": "Owner", "field": "owner", "width": 120, "filter": True},
)  # fmt: skip


def _form(*, fill: bool) -> list[dict[str, Any]]:
    """Return the form of a rule; each kind has its own parameters."""
    first, *rest = fields_of(WatchRule, leave=("kind", "scope"), fill=fill)
    kind = field("kind", options=list(KINDS), **({"fill": "kind"} if fill else {}))
    own = [
        one
        for tag, struct in KINDS.items()
        for one in fields_of(struct, prefix=f"{tag}.", fill=fill, of=("kind", tag))
    ]
    return [first, kind, *own, *rest, *fields_of(Scope, prefix="scope.", fill=fill)]


PROMPTS: Final[dict[str, dict[str, Any]]] = {
    "n": {"title": "a new rule", "fields": _form(fill=False)},
    "e": {"title": "change", "row": True, "fields": _form(fill=True)},
}


def rules_page(screen: Screen) -> None:
    """Build the page."""
    RulesPage(screen)


class RulesPage:
    """One screen of the desk's rules."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._rules: dict[str, WatchRule] = {}
        with ui.element("div").classes("strip"):
            Text("h1", "Rules")
            self._labels = figures(("rules", "on", "bets seen", "bets missed", "state"))
        key_buttons(
            (
                ("new", "n", False),
                ("change", "e", False),
                ("on, off", "o", False),
                ("remove", "d", True),
                ("what to do", "Enter", False),
                ("its alerts", "a", False),
                ("undo", "u", False),
            )
        )
        with ui.element("div").classes("fill"):
            self._table = Table(screen, "rules", COLUMNS, prompts=PROMPTS, tooltipShowDelay=300)
        screen.on_key = self._on_key
        screen.on_form = self._on_form
        ui.timer(REFRESH_S, self._refresh)

    async def _refresh(self) -> None:
        try:
            answer = await self._screen.user.session.rules()
        except GatewayError as error:
            self._labels["state"].text = str(error)[:TEXT_MAX]
            return
        self._rules = {rule.name: rule for rule in answer.rules}
        texts = {
            "rules": f"{len(answer.rules):,}",
            "on": f"{sum(rule.on for rule in answer.rules):,}",
            "bets seen": f"{answer.bets_seen:,}",
            "bets missed": f"{answer.bets_missed:,}",
            "state": "",
        }
        for name, text in texts.items():
            self._labels[name].text = text
        self._table.show([_row(rule) for rule in answer.rules])

    async def _on_form(self, _key: str, _row: str, values: dict[str, str]) -> bool:
        """Set the rule that a form says; undo sets the one before, or removes it."""
        screen, session = self._screen, self._screen.user.session
        try:
            rule = rule_of(values)
        except FormError as error:
            screen.say(str(error), bad=True)
            return False
        name = rule.name
        undo = undo_of_rule(session, name, left=rule, before=self._rules.get(name))
        done = await screen.act(f"rule {name}", lambda: session.set_rule(rule), undo=undo)
        await self._refresh()
        return done

    async def _on_key(self, key: str, row: str, _text: str) -> None:
        screen, session, rule = self._screen, self._screen.user.session, self._rules.get(row)
        if rule is None:
            return
        if key == "o":
            turned = replace(rule, on=not rule.on)
            await screen.act(
                f"rule {row} {'on' if turned.on else 'off'}",
                lambda: session.set_rule(turned),
                undo=undo_of_rule(session, row, left=turned, before=rule),
            )
        elif key == "d":
            undo = undo_of_rule(session, row, left=None, before=rule)
            await screen.act(f"remove rule {row}", lambda: session.remove_rule(row), undo=undo)
        elif key == "Enter":
            ui.navigate.to(f"/guide/{rule.kind_name}")
        elif key == "a":
            ui.navigate.to("/alerts")
        await self._refresh()


def rule_of(values: dict[str, str]) -> WatchRule:
    """Return the rule that a form's fields make.

    Raises
    ------
    FormError
        A field is missing or out of bounds; the message names it.
    """
    kind = KINDS.get(values.get("kind", ""))
    if kind is None:
        raise FormError("kind: one of " + ", ".join(KINDS))
    return read(
        WatchRule,
        values,
        kind=read(kind, values, prefix=f"{values['kind']}."),
        scope=read(Scope, values, prefix="scope."),
    )


def undo_of_rule(
    session: ControlSession, name: str, *, left: WatchRule | None, before: WatchRule | None
) -> Undo:
    """Return what sets the rule of before, or removes it, where it is what the action left."""

    async def back() -> Any:
        rules = {rule.name: rule for rule in (await session.rules()).rules}
        require(rules.get(name) == left, "the rule has")
        return await (session.remove_rule(name) if before is None else session.set_rule(before))

    return Undo(f"undo: {'remove rule' if before is None else 'rule'} {name}", back)


def _row(rule: WatchRule) -> dict[str, Any]:
    kind, tag = values_of(rule.kind), rule.kind_name
    scope = {name: text for name, text in values_of(rule.scope).items() if text not in ("", "0")}
    cut = f" to {rule.cut_to:g}" if rule.action == "cut_limits" else ""
    return {
        **values_of(rule),
        **values_of(rule.kind, prefix=f"{tag}."),
        **{f"scope.{name}": text for name, text in scope.items()},
        "id": rule.name,
        "kind": tag,
        "scope": "",
        "state": "\u25cf on" if rule.on else "off",
        "parameters": ", ".join(f"{label_of(name)} {text}" for name, text in kind.items()),
        "where": ", ".join(f"{label_of(name)} {text}" for name, text in scope.items()) or "all",
        "does": f"{label_of(rule.action)}{cut}",
    }
