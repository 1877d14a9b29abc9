"""The markets of a feed that it names and that cannot be offered or settled here, and why.

Owns the latest reason of each, for statistics, logs and the verdict on a recording. It decides
nothing and counts nothing.
"""

from typing import Final

LOSSES_MAX: Final = 1_024
"""Lost markets that are remembered; past it the oldest is dropped."""
WHY_SHOWN_CHARS_MAX: Final = 300


class Losses:
    """The markets of one feed that are lost, by key or by the feed's own name."""

    def __init__(self) -> None:
        self.whys: dict[str, str] = {}
        """Why each is lost, the newest last."""

    def note(self, market: str, why: str) -> bool:
        """Note that a market is lost; return whether that is new."""
        why = why[:WHY_SHOWN_CHARS_MAX]
        if self.whys.get(market) == why:
            return False
        self.whys.pop(market, None)
        self.whys[market] = why
        while len(self.whys) > LOSSES_MAX:
            del self.whys[next(iter(self.whys))]
        return True

    def clear(self, market: str) -> None:
        """Note that a market is lost no more."""
        self.whys.pop(market, None)
