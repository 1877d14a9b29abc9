"""Rows of a table that several screens show: each change is found and encoded once for all of them.

Owns the rows as they are now and the newest changes by number. It knows no page and sends nothing.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import msgspec

CHANGES_MAX: Final = 64
"""Changes that are kept; a screen that is further behind is sent every row."""

Row = dict[str, Any]


def change_of(before: Row | None, row: Row) -> Row | None:
    """Return what to send of a row: the whole new one, or its id and what is other than before."""
    if before is None:
        return row
    if before == row:
        return None
    changed = {name: value for name, value in row.items() if before.get(name, ...) != value}
    for name in before.keys() - row.keys():
        changed[name] = None
    return {"id": row["id"], **changed}


class SharedRows:
    """Rows by their ids, and what has changed of them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.number = 0
        """The number of the newest change."""
        self.encoded = 0
        """Changes and whole tables that were encoded."""
        self._changes: deque[tuple[int, str]] = deque(maxlen=CHANGES_MAX)
        self._whole = (-1, "")

    def take(self, rows: Iterable[Row], *, gone: Iterable[str] = ()) -> bool:
        """Take rows that may have changed, and ids of rows that are no more; say if any did."""
        add: list[Row] = []
        update: list[Row] = []
        for row in rows:
            before = self.rows.get(row["id"])
            change = change_of(before, row)
            if change is not None:
                (add if before is None else update).append(change)
                self.rows[row["id"]] = row
        remove = [{"id": name} for name in gone if self.rows.pop(name, None) is not None]
        if not (add or update or remove):
            return False
        self.number += 1
        self._changes.append((self.number, self._encode(add, update, remove)))
        return True

    def since(self, number: int) -> list[str]:
        """Return the changes after a number, oldest first: below 0 and from long ago every row."""
        if number == self.number:
            return []
        first = self._changes[0][0] if self._changes else self.number + 1
        if number >= 0 and number + 1 >= first:
            return [text for at, text in self._changes if at > number]
        if self._whole[0] != self.number:
            self._whole = self.number, self._encode(list(self.rows.values()), [], [])
        return [self._whole[1]]

    def _encode(self, add: list[Row], update: list[Row], remove: list[Row]) -> str:
        self.encoded += 1
        return msgspec.json.encode({"add": add, "update": update, "remove": remove}).decode()
