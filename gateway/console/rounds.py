"""Which books the console asks for next.

Owns the markets whose book may have changed, and where the turn of the shown ones stands.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from engine.common.ids import MarketNo

ROUND_MAX: Final = 128
"""Books asked for in one round. A market's shell takes some 50 us for each, in which it takes no
bet: five rounds a second are 32 ms of a second of all shells together."""
CHANGED_MAX: Final = 96
"""Of them those that may have changed, so that shown ones always have a part of a round."""
UNSEEN_MAX: Final = 64
"""Of these those that no screen shows: they are in the sums of the floor only."""
CALM_MAX: Final = 16
"""Shown ones of a round while no decided bet was missed: what changes then is asked for anyway."""


class Rounds:
    """Changed markets in the order in which they changed, then shown ones in turn."""

    def __init__(self) -> None:
        self._changed: dict[MarketNo, None] = {}
        self._turn = 0

    def changed(self, numbers: Iterable[MarketNo]) -> None:
        """Ask for these soon; one that waits already keeps its place."""
        for number in numbers:
            self._changed[number] = None

    def next(self, shown: Sequence[MarketNo], *, calm: bool = False) -> list[MarketNo]:
        """Return the markets of one round, `shown` being those that screens show now.

        While it is calm, every change is known, and few of the shown ones have their turn.
        """
        seen = set(shown)
        first: dict[MarketNo, None] = {}
        unseen = 0
        for number in self._changed:
            if len(first) == CHANGED_MAX:
                break
            if number in seen or unseen < UNSEEN_MAX:
                unseen += number not in seen
                first[number] = None
        for number in first:
            del self._changed[number]
        self._turn %= max(len(shown), 1)
        passed = 0
        most = CALM_MAX if calm else ROUND_MAX
        for number in (*shown[self._turn :], *shown[: self._turn]):
            if len(first) == ROUND_MAX or passed == most:
                break
            first[number] = None
            passed += 1
        self._turn += passed
        return list(first)
