"""Tell gateways and the part that watches a match's score when a repricing has changed it.

Owns what was sent last of each fixture. Never decides a score: who reprices states it.
"""

from collections.abc import Mapping
from typing import Final

from actors.peer import Peer

WATCHER: Final = "desk"
"""The part that watches; the supervisor announces it to shells among the gateways."""
FIXTURES_MAX: Final = 1_024
"""Fixtures whose last score is remembered; past it that of the oldest is sent again."""


class MatchNotices:
    """The scores of the fixtures that one shell reprices."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[bool, int, int]] = {}

    def send(
        self,
        gateways: Mapping[str, Peer],
        fixture: str,
        score: tuple[bool, int, int] | None,
        *,
        stopped: bool,
    ) -> None:
        """Notify everybody of a match in play or not, and both sides' goals, if they are new.

        `stopped` says that the repricing suspended the markets before it changed their odds.
        """
        if score is None or self._last.get(fixture) == score:
            return
        self._last[fixture] = score
        if len(self._last) > FIXTURES_MAX:
            del self._last[next(iter(self._last))]
        for gateway in gateways.values():
            gateway.notify("on_match", fixture, *score, stopped)

    def repeat(self, gateway: Peer) -> None:
        """Tell one that is new, or may have missed some, how all matches stand."""
        for fixture, score in self._last.items():
            gateway.notify("on_match_again", fixture, *score)
