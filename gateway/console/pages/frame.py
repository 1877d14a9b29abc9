"""The frame of every page: the bar, the palette, keys, undo, and the user's own session.

Owns one `Screen` for each open page. Pages give it their rows, keys and actions.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from nicegui import ui

from engine.common.events import Refused
from gateway.client import GatewayError
from gateway.console.guard import token_of
from gateway.console.layouts import Layouts, columns_of
from gateway.console.model import Model
from gateway.console.open_alerts import OpenAlerts
from gateway.console.pages.floor_rows import FloorRows
from gateway.console.pages.parts import Text
from gateway.console.shared_rows import Row, change_of
from gateway.console.undos import NotUndoneError, Undo, Undos
from gateway.console.users import NotOfTheFloorError, User, Users, UsersFullError
from gateway.console.waiting_bets import WaitingBets

REFRESH_S: Final = 0.1
"""At most ten updates a second of a screen; only what has changed since the last is sent."""
TEXT_MAX: Final = 200
HITS_MAX: Final = 12
TICKER: Final = "/ticker"
REFERRALS: Final = "/referrals"
_OF_BETTORS: Final = (TICKER, REFERRALS)
"""Pages of single bettors' bets, which are not of every role's menu."""
_DIGITS_MAX: Final = 19
INK_DARK: Final = {"text": "#a9b7c4", "line": "#2b3947", "one": "#66b6ff", "two": "#ffc069"}
INK_LIGHT: Final = {"text": "#45525e", "line": "#dde3e8", "one": "#0a5fb4", "two": "#a35200"}

Action = Callable[[], Awaitable[Any]]
UndoOf = Callable[[Any], "Undo | None"]
"""Returns how an answer is taken back; None where nothing was done that could be."""
KeyHandler = Callable[[str, str, str], Awaitable[None]]
FormHandler = Callable[[str, str, dict[str, str]], Awaitable[bool]]
"""Takes a form's key, the row and the fields that were filled in; says whether it was done."""
FIELDS_MAX: Final = 40
_ENDED_S: Final = 1.0
"""How soon a page shows nothing more after its user's token has ended."""
CONNECTED_S: Final = 60.0
"""Seconds that a browser has to open a page's socket; a busy one takes its time."""


class Hit(NamedTuple):
    """One result of the palette."""

    kind: str
    text: str
    path: str


class Screens:
    """All open pages of the process, and what they share."""

    def __init__(
        self,
        *,
        model: Model,
        users: Users,
        layouts: Layouts,
        screens_max: int,
        routes: dict[str, Callable[..., Any]],
        menu: Sequence[tuple[str, str]],
    ) -> None:
        self.routes = routes
        self.menu = menu
        self.model = model
        self.users = users
        self.layouts = layouts
        self.screens_max = screens_max
        self.open = 0
        self.alerts = OpenAlerts(lambda: model.session)
        self.waiting = WaitingBets(lambda: model.session)
        self.floor = FloorRows(model, self.alerts)


class Screen:
    """One open page of one user."""

    def __init__(self, screens: Screens, user: User) -> None:
        self.screens = screens
        self.model = screens.model
        self.alerts = screens.alerts
        self.waiting = screens.waiting
        self.user = user
        self.layouts = screens.layouts
        self.layout = screens.layouts.of(user.sub)
        self.dark = ui.dark_mode(value=self.layout.dark is not False)
        self.on_key: KeyHandler | None = None
        self.on_form: FormHandler | None = None
        self.table: int | None = None
        """The table of the page whose keys count."""
        self.undos = Undos()
        self.last = ""
        """What the last action did, in words."""

    # --- actions ---------------------------------------------------------------------------------

    async def act(self, label: str, action: Action, *, undo: UndoOf | Undo | None = None) -> bool:
        """Run an action in the user's session and say what came of it; return whether it was done.

        The gateway's refusals are shown as they are. Its `undo` is kept if it was done.
        """
        try:
            answer = await action()
        except (GatewayError, NotUndoneError) as error:
            self.say(f"{label}: {error}", bad=True)
            return False
        refused = [one for one in _events(answer) if isinstance(one, Refused)]
        for one in refused[:3]:
            field = f" ({one.field})" if one.field else ""
            self.say(f"{label}: {one.reason.name}{field}: {one.message}", bad=True)
        if refused and len(refused) == len(_events(answer)):
            return False
        text, bad = outcome_text(answer)
        self.say(f"{label}{text}", bad=bad)
        kept = undo(answer) if callable(undo) else undo
        if kept is not None:
            self.undos.push(kept, time.monotonic())
        return True

    async def undo(self) -> None:
        """Take back the last action that can be."""
        try:
            undo = self.undos.pop(time.monotonic())
        except NotUndoneError as error:
            self.say(str(error), bad=True)
            return
        await self.act(undo.label, undo.action)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a line, as text."""
        self.last = text[:TEXT_MAX]
        ui.notify(
            text[:TEXT_MAX],
            type="negative" if bad else "info",
            position="bottom-left",
            timeout=6_000 if bad else 2_500,
        )

    # --- keys and palette ------------------------------------------------------------------------

    async def key(self, arguments: Any) -> None:
        """Handle a key that the browser sends: its name, the focused row, and what was typed.

        A key of a page that the browser still shows while the next one is built is left out: it
        would mean something else there, and what is typed after it would be taken for keys.
        """
        if not isinstance(arguments, dict) or arguments.get("table") != self.table:
            return
        key, row, text = (
            str(arguments.get(name, ""))[:TEXT_MAX] for name in ("key", "row", "text")
        )
        values = arguments.get("values")
        if isinstance(values, dict):
            if self.on_form is not None:
                await self._form(self.on_form, key, row, values)
        elif key == "u":
            await self.undo()
        elif self.on_key is not None:
            await self.on_key(key, row, text)

    async def _form(self, on_form: FormHandler, key: str, row: str, values: dict[Any, Any]) -> None:
        """Hand a filled form on, and tell the browser whether it may close it."""
        texts = {
            str(name)[:TEXT_MAX]: str(value)[:TEXT_MAX].strip()
            for name, value in list(values.items())[:FIELDS_MAX]
        }
        done = await on_form(key, row, {name: text for name, text in texts.items() if text})
        answer = msgspec.json.encode([done, "" if done else self.last]).decode()
        ui.run_javascript(f"Overround.answered(...{answer})")

    def columns(self, arguments: Any) -> None:
        """Keep how a user has arranged a table, within the layout's bounds."""
        if not isinstance(arguments, dict):
            return
        name, state = arguments.get("name"), columns_of(arguments.get("state"))
        if not isinstance(name, str) or state is None:
            return
        before = self.layout.grids.get(name)
        self.layout.grids[name] = state
        if not self.layouts.save(self.user.sub):
            del self.layout.grids[name]
            if before is not None:
                self.layout.grids[name] = before

    def toggle_dark(self) -> None:
        """Change between dark and light, and keep it."""
        self.dark.value = not self.dark.value
        self.layout.dark = bool(self.dark.value)
        self.layouts.save(self.user.sub)
        ui.navigate.reload()  # charts are drawn in the colours that they began with

    @property
    def ink(self) -> dict[str, str]:
        """Colours of charts in the screen's theme: text, lines, and series in turn."""
        return INK_DARK if self.dark.value else INK_LIGHT


class Palette:
    """Search of pages, fixtures and markets, by words in any order.

    Its field is the browser's own, so that what is typed after its key is never a command.
    """

    def __init__(self, model: Model, pages: Sequence[Hit]) -> None:
        self._model = model
        self._pages = pages

    def find(self, text: Any) -> None:
        """Send the browser what a text finds."""
        wanted = str(text)[:TEXT_MAX].lower().split()
        hits = msgspec.json.encode([self._hits(wanted), str(text)[:TEXT_MAX].strip()]).decode()
        ui.run_javascript(f"(([hits, text]) => Overround.found(text, hits))({hits})")

    def _hits(self, wanted: Sequence[str]) -> list[Hit]:
        hits = [hit for hit in self._pages if _matches(wanted, hit.text)]
        number = wanted[-1] if wanted else ""
        if number.isascii() and number.isdigit() and len(number) <= _DIGITS_MAX:
            hits.append(Hit("account", number, f"/account/{number}"))
            hits.append(Hit("bet", number, f"/bet/{number}"))
        names: dict[str, str] = {}
        for fixture, view in self._model.fixtures.items():
            names[fixture] = fixture if view.name == fixture else f"{view.name} {fixture}"
            if _matches(wanted, names[fixture]):
                hits.append(Hit("fixture", names[fixture], f"/fixture/{fixture}"))
            if len(hits) >= HITS_MAX:
                return hits
        for line in self._model.lines.values() if wanted else ():
            if len(hits) >= HITS_MAX:
                return hits
            name = f"{names.get(line.fixture, line.fixture)} {line.name}"
            if _matches(wanted, name):
                path = f"/fixture/{line.fixture}?market={line.number}"
                hits.append(Hit("market", name, path))
        return hits

    def go(self, path: Any) -> None:
        """Open a page of this console."""
        if isinstance(path, str) and path.startswith("/") and not path.startswith("//"):
            ui.navigate.to(path[:TEXT_MAX])


def _matches(wanted: Sequence[str], text: str) -> bool:
    lower = text.lower()
    return all(word in lower for word in wanted)


def _events(answer: Any) -> tuple[Any, ...]:
    """Return the events of an answer: a tuple of them, one, or none."""
    events = getattr(answer, "events", answer)
    if isinstance(events, tuple):
        return events
    return (answer,) if isinstance(answer, Refused) else ()


def outcome_text(answer: Any) -> tuple[str, bool]:
    """Return what an answer counts, and whether a person must know of something not done."""
    parts = [
        f"{getattr(answer, name)} {name}"
        for name in ("created", "suspended", "resumed", "changed", "released", "unchanged")
        if isinstance(getattr(answer, name, None), int)
    ]
    failed = len(getattr(answer, "failed", ()))
    refused, why = getattr(answer, "refused", 0), getattr(answer, "why", "")
    if failed:
        parts.append(f"{failed} FAILED")
    if owed := getattr(answer, "owed", 0):
        parts.append(f"{owed} of them kept, until their shells answer")
    if refused:
        parts.append(f"{refused} REFUSED")
    others = {name for each in (answer, *_events(answer)) for name in getattr(each, "others", ())}
    if others:
        kept = getattr(answer, "kept", 0)
        parts.append(f"{kept or ''} STOPPED by {', '.join(sorted(others))}".strip())
    bad = bool(failed) or bool(refused) or bool(others)
    if bad and why:
        parts.append(str(why))
    return f": {', '.join(parts)}" if parts else "", bad


# --- building ------------------------------------------------------------------------------------


async def show(screens: Screens) -> None:
    """Build a page for the request that this is called in."""
    client = ui.context.client
    ui.add_head_html('<link rel="stylesheet" href="/static/console.css">')
    ui.add_head_html('<script src="/static/console.js"></script>')
    token = token_of(client.request.headers.raw)
    # The rest follows over the socket: a gateway that answers slowly must not fail the page.
    try:
        await client.connected(timeout=CONNECTED_S)
    except TimeoutError:
        return  # whoever asked for the page has left
    if screens.open >= screens.screens_max:
        ui.label(f"console.screens_max: {screens.screens_max} pages are open").classes("note")
        return
    try:
        user = await screens.users.of(token)
    except (GatewayError, NotOfTheFloorError, UsersFullError) as error:
        with ui.element("div").classes("note"):
            ui.label(str(error)[:TEXT_MAX])
            ui.link("log in again", "/login")
        return
    screen = Screen(screens, user)
    _count(screens, user, client)

    def of_user(handle: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Take nothing more from a page whose user's token has ended."""
        return lambda event: None if user.ended else handle(event.args)

    menu = [one for one in screens.menu if user.sees_bets or one[1] not in _OF_BETTORS]
    _bar(screen, menu)
    palette = Palette(screen.model, [Hit("page", text, path) for text, path in menu])
    ui.on("find", of_user(palette.find))
    ui.on("go", of_user(palette.go))
    ui.on("key", of_user(screen.key))
    ui.on("columns", of_user(screen.columns))
    ui.sub_pages(screens.routes, data={"screen": screen})
    ui.timer(_ENDED_S, lambda: _end(client) if user.ended else None)


def _end(client: Any) -> None:
    """Show nothing more: much of a page is read in this process's own session, not the user's."""
    client.content.clear()
    with client.content, ui.element("div").classes("note"):
        ui.label("the token is not valid any more")
        with ui.element("form").props("method=get action=/login"):
            Text("button", "log in again", classes="act").props("type=submit")


def _count(screens: Screens, user: User, client: Any) -> None:
    """Count a page from its making to its end."""
    screens.open += 1
    user.screens += 1

    def closed() -> None:
        screens.open -= 1
        user.screens -= 1

    client.on_delete(closed)


def _bar(screen: Screen, menu: Sequence[tuple[str, str]]) -> None:
    model = screen.model
    with ui.element("div").classes("bar"):
        ui.link("Overround", "/").classes("brand")
        for text, path in menu:
            ui.link(text, path)
        ui.element("div").classes("grow")
        lost = ui.label("").classes("lost")
        lost.set_visibility(False)
        now = ui.label("").classes("say")
        search = ui.element("button").classes("act")
        search.on("click", js_handler="() => Overround.openPalette()")
        with search:
            Text("span", "search")
            Text("kbd", "/")
        keys = ui.element("button").classes("act")
        keys.on("click", js_handler="() => Overround.openHelp()")
        keys.props('title="keys of this page"')
        with keys:
            Text("kbd", "?")
        Text("button", "theme", classes="act").on("click", screen.toggle_dark)
        ui.label(f"{screen.user.role}:{screen.user.sub}").classes("say")
        with ui.element("form").props("method=post action=/logout"):
            Text("button", "log out", classes="act").props("type=submit")

    def tick() -> None:
        now.text = time.strftime("%H:%M:%S")
        lines = [model.house.banner]
        if model.state != "connected":
            lines.append(f"gateway {model.state} {model.why}")
        lost.text = "  ".join(line for line in lines if line)[:TEXT_MAX]
        lost.set_visibility(bool(lost.text))

    ui.timer(1.0, tick)


class Table:
    """A table of rows by id that sends only the rows that changed.

    Parameters
    ----------
    screen : Screen
        Whose it is.
    name : str
        Its name in the layout.
    columns : sequence of dict
        AG Grid's column definitions.
    prompts : dict
        By key: the field that the browser opens at it; `row` says that it is of the focused row.
    row_class : str
        A script's function that returns a row's class.
    main : bool
        Whether keys are of its focused row.
    options : dict
        Further options of the grid.
    """

    def __init__(
        self,
        screen: Screen,
        name: str,
        columns: Sequence[dict[str, Any]],
        *,
        prompts: dict[str, dict[str, Any]] | None = None,
        row_class: str = "",
        main: bool = True,
        **options: Any,
    ) -> None:
        self._sent: dict[str, Row] = {}
        saved = screen.layout.grids.get(name)
        self.grid = ui.aggrid(
            {
                "columnDefs": list(columns),
                "rowData": [],
                ":getRowId": "(params) => params.data.id",
                "rowHeight": 24,
                "headerHeight": 26,
                "animateRows": False,
                "suppressMenuHide": True,
                "suppressScrollOnNewData": True,
                "defaultColDef": {"resizable": True, "sortable": True, "suppressMovable": False},
                **options,
            },
            theme="balham",
            auto_size_columns=False,
        )
        if row_class:
            self.grid.options[":getRowClass"] = row_class
        number = self.grid.id
        if saved:
            self.grid.options[":onFirstDataRendered"] = (
                "(params) => params.api.applyColumnState({state: params.context?.saved ?? [],"
                " applyOrder: true})"
            )
            self.grid.options["context"] = {"saved": msgspec.to_builtins(saved)}
        for event in ("columnMoved", "columnResized", "sortChanged", "columnVisible"):
            keep = f"(event) => Overround.columns({number}, '{name}', event)"
            self.grid.on(event, js_handler=keep)
        if main:
            screen.table = number
            asks = msgspec.json.encode(prompts or {}).decode()
            ui.run_javascript(f"Overround.use({number}, {asks})")

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows: send what is new or changed of them, and drop the others."""
        names = {row["id"] for row in rows}
        self.change(rows, gone=[name for name in self._sent if name not in names])

    def change(self, rows: Sequence[Row], *, gone: Sequence[str] = ()) -> None:
        """Send what is new or changed of some rows, and drop others; the rest stays."""
        add: list[Row] = []
        update: list[Row] = []
        for row in rows:
            before = self._sent.get(row["id"])
            change = change_of(before, row)
            if change is not None:
                (add if before is None else update).append(change)
                self._sent[row["id"]] = row
        for name in gone:
            del self._sent[name]
        if add or update or gone:
            remove = [{"id": name} for name in gone]
            change = {"add": add, "update": update, "remove": remove}
            self.apply(msgspec.json.encode(change).decode())

    def apply(self, change: str) -> None:
        """Send a change of rows, encoded: what it has of a row is put over what is shown."""
        with contextlib.suppress(RuntimeError):  # the page was closed meanwhile
            ui.run_javascript(f"Overround.apply({self.grid.id}, {change})")
