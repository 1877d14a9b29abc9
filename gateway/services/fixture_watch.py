"""Send fixtures that change to the sessions that watch them.

Owns the watching sessions and the pace: ten times a second each session is sent the fixtures that
have changed, as they are then. What there is no room for is owed, and only its latest state is sent
later. Nothing is done while nobody watches.
"""

import asyncio
from collections.abc import Hashable
from typing import Final

from gateway.messages.fixtures import FixtureChanged
from gateway.net.codec import JSON, MSGPACK
from gateway.net.output import Output
from gateway.services.catalogue import FixtureCatalogue

PACE_S: Final = 0.1
"""Seconds between two turns."""
FIXTURES_SENT_MAX: Final = 16
"""Fixtures of one message."""
_CODECS: Final = (MSGPACK, JSON)


class _Watcher:
    """One session that watches, and the fixtures whose latest state is owed to it."""

    __slots__ = ("codec", "connection", "owed")

    def __init__(self, connection: Output, codec: int) -> None:
        self.connection = connection
        self.codec = codec
        self.owed: dict[str, None] = {}


class FixtureWatch:
    """All sessions of one gateway that watch fixtures.

    Parameters
    ----------
    catalogue : FixtureCatalogue
        The fixtures; it says which of them change.
    """

    def __init__(self, catalogue: FixtureCatalogue) -> None:
        self._catalogue = catalogue
        self._watchers: dict[Hashable, _Watcher] = {}
        self._changed: dict[str, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, session: Hashable, connection: Output, codec: int) -> None:
        """Send a session what changes from now on."""
        self._watchers.setdefault(session, _Watcher(connection, codec))
        self._catalogue.on_change = self._note

    def leave(self, session: Hashable) -> None:
        """Send a session nothing more."""
        self._watchers.pop(session, None)
        if self._watchers:
            return
        self._catalogue.on_change = None
        self._changed.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note(self, fixture: str) -> None:
        self._changed[fixture] = None
        self._begin_turn()

    def _begin_turn(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PACE_S, self._turn)

    def _turn(self) -> None:
        self._timer = None
        changed, self._changed = self._changed, {}
        frames: dict[tuple[int, tuple[str, ...]], bytes] = {}
        for watcher in self._watchers.values():
            watcher.owed.update(changed)
            self._send(watcher, frames)
            if watcher.owed:
                self._begin_turn()

    def _send(self, watcher: _Watcher, frames: dict[tuple[int, tuple[str, ...]], bytes]) -> None:
        """Send what is owed while there is room; sessions that are owed the same share frames."""
        names = tuple(watcher.owed)
        for start in range(0, len(names), FIXTURES_SENT_MAX):
            part = names[start : start + FIXTURES_SENT_MAX]
            frame = frames.get((watcher.codec, part))
            if frame is None:
                lines = (self._catalogue.line(name, for_bettors=False) for name in part)
                message = FixtureChanged(fixtures=tuple(line for line in lines if line is not None))
                frame = frames[watcher.codec, part] = _CODECS[watcher.codec].frame(message)
            if not watcher.connection.send_odds(frame):
                return
            for name in part:
                del watcher.owed[name]
