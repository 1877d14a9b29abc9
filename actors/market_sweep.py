"""Choose which markets are looked at next: changed ones first, then all others in turn.

Owns the order alone, so that a look at 40,000 markets asks for a few hundred at a time. A market
that changed is looked at soon, any other at the latest when its turn comes.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from engine.common.ids import MarketNo

CHANGED_MAX: Final = 65_536
"""Changed markets that wait; past it one waits for its turn as if it had not changed."""


class MarketSweep:
    """The markets that wait for a look."""

    def __init__(self) -> None:
        self._changed: dict[MarketNo, None] = {}
        self._after = MarketNo(0)

    def note(self, market_no: MarketNo) -> None:
        """Look at a market before those whose turn it is."""
        if len(self._changed) < CHANGED_MAX:
            self._changed[market_no] = None

    def take(self, numbers: Sequence[MarketNo], *, most: int) -> list[MarketNo]:
        """Return up to `most` of some markets, given by rising number; each once."""
        wanted = set(numbers)
        taken = {number: None for number in list(self._changed)[:most] if number in wanted}
        for number in list(self._changed)[:most]:
            del self._changed[number]
        first = bisect_right(numbers, self._after)
        for number in (*numbers[first:], *numbers[:first]):
            if len(taken) >= most:
                break
            taken[number] = None
            self._after = number
        return list(taken)
