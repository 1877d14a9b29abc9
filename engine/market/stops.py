"""Who holds a market: those who stopped it with others, and a trader who stopped it alone.

Owns the names, their bound, and how the book's flags follow from them. A market that anything holds
is not ACTIVE; status_transitions says which command takes off what.

Bounds: a market keeps `NAMES_MAX` names. The stop of anybody further is kept as that of SEVERAL,
which only a resumption of everybody's stops takes off: no stop is refused for want of room, and
none is lost.
"""

from collections.abc import Sequence
from typing import Any, Final

from engine.common.house import AUTHOR_CHARS_MAX
from engine.common.ids import MARKET_NO_MAX
from engine.common.people import is_one_person
from engine.common.state_hash import Reader
from engine.market.book import MARKET_HELD, MARKET_HELD_WITH_ALL, Book

NAMES_MAX: Final = 7
"""People whose stops of one market are kept by name."""
SEVERAL: Final = "several"
"""The name of stops past that. Nobody has it: the names of callers have a colon."""
UNNAMED: Final = ""
"""Whoever stopped a market before stops were kept by name; anybody may take that off."""
_FIELDS: Final = ("market_no", "names")


def stoppers(book: Book, slot: int) -> tuple[str, ...]:
    """Return who holds a market with others, each once, in the order of their stops."""
    named = book.stopped_by.get(slot)
    if named is not None:
        return named
    return (UNNAMED,) if book.has_flag(slot, MARKET_HELD_WITH_ALL) else ()


def is_held_alone(book: Book, slot: int) -> bool:
    """Say whether a trader's command to the market alone holds it, whoever else does."""
    return book.has_flag(slot, MARKET_HELD) and not book.has_flag(slot, MARKET_HELD_WITH_ALL)


def hold(book: Book, slot: int, who: tuple[str, ...], *, alone: bool) -> None:
    """Write who holds a market, and whether a command to it alone does; nobody releases it.

    A stop without a name ends where a command to the market alone holds it.
    """
    if who in ((), (UNNAMED,)):
        book.stopped_by.pop(slot, None)
    else:
        book.stopped_by[slot] = who
    book.set_flag(slot, MARKET_HELD, on=alone or bool(who))
    book.set_flag(slot, MARKET_HELD_WITH_ALL, on=bool(who) and not alone)


def hold_alone(book: Book, slot: int) -> None:
    """Hold a market by a command to it alone; the stops of others stand beside that."""
    hold(book, slot, stoppers(book, slot), alone=True)


def with_one_more(who: tuple[str, ...], by: str) -> tuple[str, ...]:
    """Return who holds a market once somebody more does; unchanged where this one is kept."""
    if any(is_one_person(by, name) for name in who):
        return who
    if len(who) - (SEVERAL in who) < NAMES_MAX:
        return (*who, by)
    return who if SEVERAL in who else (*who, SEVERAL)


def without(who: tuple[str, ...], by: str) -> tuple[str, ...]:
    """Return who holds a market once somebody's own stop is off, and any without a name."""
    return tuple(name for name in who if name != UNNAMED and not is_one_person(by, name))


# --- state as a document --------------------------------------------------------------------------


def dump_stops(book: Book) -> list[list[Any]]:
    """Return the names that are kept: market and names, in the book's order."""
    return [[int(book.market_no(slot)), list(who)] for slot, who in sorted(book.stopped_by.items())]


def load_stops(book: Book, items: Sequence[Any]) -> dict[int, tuple[str, ...]]:
    """Return what `dump_stops` returned by slot; a ValueError names what is wrong."""
    numbers = book.markets["market_no"][: book.markets_len].tolist()
    slots = {number: slot for slot, number in enumerate(numbers)}
    stopped_by: dict[int, tuple[str, ...]] = {}
    last = -1
    for item in items:
        if not isinstance(item, list | tuple) or len(item) != len(_FIELDS):
            raise ValueError("stops: not a market and its names")
        reader = Reader(dict(zip(_FIELDS, item, strict=True)), name="stops")
        number = reader.integer("market_no", low=0, high=MARKET_NO_MAX)
        if number not in slots:
            raise reader.fail("market_no", f"no market {number}")
        slot = slots[number]
        if slot <= last:
            raise reader.fail("market_no", "out of order")
        last = slot
        stopped_by[slot] = tuple(reader.texts("names"))
    return stopped_by


def stops_fault(book: Book) -> str:
    """Return why the names do not go with each other or the flags; empty where they do."""
    for slot, who in book.stopped_by.items():
        named = [name for name in who if name not in (SEVERAL, UNNAMED)]
        if not named and SEVERAL not in who:
            return "nobody is named"
        if len(who) != len(dict.fromkeys(who)) or len(who) > NAMES_MAX + 1:
            return "a name is given twice, or too many are"
        if any(len(name) > AUTHOR_CHARS_MAX for name in who):
            return f"a name has at most {AUTHOR_CHARS_MAX} characters"
        if not book.has_flag(slot, MARKET_HELD):
            return "somebody holds a market that is not held"
    return ""
