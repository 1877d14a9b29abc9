"""Small parts that pages are made of: texts in a tag, figures with a name, keys with a label.

Owns no state. Every text is set as text, never as markup.
"""

from collections.abc import Sequence
from typing import Any, Final

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

ORDER: Final[dict[str, Any]] = {"field": "order", "hide": True, "sort": "desc"}
"""A column that is not shown: rows are in its order, however late they came."""
WHOLE: Final[dict[str, Any]] = {"wrapText": True, "autoHeight": True, "sortable": False}
"""Of a column with texts of which nothing may be cut."""

_ODDS_MILLI_MIN: Final = 1_001
_ODDS_MILLI_MAX: Final = 10_000_000


class Text(TextElement):
    """A text in a tag of its own."""

    def __init__(self, tag: str, text: str = "", *, classes: str = "") -> None:
        super().__init__(tag=tag, text=text)
        if classes:
            self.classes(classes)


def figures(names: Sequence[str]) -> dict[str, Text]:
    """Add a figure under each name, and return where its text goes."""
    found: dict[str, Text] = {}
    for name in names:
        with ui.element("div").classes("fig"):
            Text("small", name)
            found[name] = Text("span")
    return found


def key_buttons(buttons: Sequence[tuple[str, str, bool]]) -> None:
    """Add a button for each action, by its text, its key, and whether it stops betting."""
    with ui.element("div").classes("keys"):
        for text, key, stops in buttons:
            button = ui.element("button").classes("act stop" if stops else "act")
            button.on("click", js_handler=f"() => Overround.press({key!r})").props(
                f"data-key={key}"
            )
            with button:
                Text("span", text)
                Text("kbd", key)


def money_text(minor: int) -> str:
    """Return an amount in whole units, with a true minus sign."""
    return f"{round(minor / 100) or 0:,}".replace("-", "\u2212")


def expected_text(known_minor: int | None, *, of: int, unknown: int) -> str:
    """Return the sum of markets' expected profit, and of how many it is where not of all."""
    if known_minor is None:
        return ""
    return money_text(known_minor) + part_text(of=of, unknown=unknown)


def part_text(*, of: int, unknown: int) -> str:
    """Return of how many markets a sum is, where it is not of all of them."""
    return f" ({of - unknown:,} of {of:,} markets)" if unknown else ""


def time_text(iso: str) -> str:
    """Return a time in ISO 8601 to the second, as a table shows it."""
    return iso[:19].replace("T", " ")


def outcome_text(name: str) -> str:
    """Return an outcome's name for people."""
    return name.replace("_", " ")


def worst_text(worst_minor: int, *, unread: int) -> str:
    """Return a sum of worst cases; a loss is at least that where books have not arrived."""
    if not unread:
        return money_text(worst_minor)
    return f"at least {money_text(worst_minor)} ({unread:,} books unknown)"


def tone(value: int) -> str:
    """Return the class that an amount's text has."""
    return "neg" if value < 0 else ""


def odds_milli_of(text: str) -> int | None:
    """Return odds in thousandths, as a person writes them; None for what is none."""
    clean = text.strip().replace(",", ".")
    whole, _, parts = clean.partition(".")
    if not (whole + parts).isascii() or not (whole + parts).isdigit() or len(clean) > 12:
        return None
    milli = int(whole or "0") * 1_000 + int((parts + "000")[:3])
    return milli if _ODDS_MILLI_MIN <= milli <= _ODDS_MILLI_MAX else None
