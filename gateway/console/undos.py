"""What one screen can take back, the last first, and for how long.

Owns the list and its bounds. What came of an action long ago may be others' by now, so it is taken
back by a command of its own.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

UNDO_MAX: Final = 20
UNDO_S: Final = 60.0
"""Seconds for which an action can be taken back."""


class NotUndoneError(Exception):
    """An action is not taken back: what it made does not stand any more."""


def require(unchanged: bool, what: str) -> None:  # noqa: FBT001
    """Refuse to take back what others may have changed since.

    Raises
    ------
    NotUndoneError
        It is not as the action left it.
    """
    if not unchanged:
        raise NotUndoneError(f"not sent, {what} changed since")


class Undo(NamedTuple):
    """What can be taken back, and how."""

    label: str
    action: Callable[[], Awaitable[Any]]


class Undos:
    """The last actions of a screen that can be taken back."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, Undo]] = []

    def push(self, undo: Undo, now_s: float) -> None:
        """Keep one more; past the bound the oldest goes."""
        self._kept.append((now_s, undo))
        del self._kept[:-UNDO_MAX]

    def pop(self, now_s: float) -> Undo:
        """Return the last one, and keep it no longer.

        Raises
        ------
        NotUndoneError
            There is none, or it is too old: then so are those before it, and all go.
        """
        if not self._kept:
            raise NotUndoneError("nothing to undo")
        at_s, undo = self._kept.pop()
        if now_s - at_s > UNDO_S:
            self._kept.clear()
            raise NotUndoneError(f"{undo.label}: not sent, older than {UNDO_S:.0f} s")
        return undo
