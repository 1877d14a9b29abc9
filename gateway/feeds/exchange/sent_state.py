"""What the exchange's adapter remembers of one market: what it was told, and what was heard of it.

Owns the answer to whether a message was heard before. Never decides what a market is told next.
"""

from typing import Final

from engine.common.commands import Deduction, OutcomeResult
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Mark
from gateway.feeds.exchange.fair_price import FairMarket

MOMENT_MESSAGES_MAX: Final = 256
"""Messages of one market and millisecond that are told apart; past it the moment begins anew."""


class SentState:
    """What one market was last told."""

    __slots__ = (
        "exists",
        "fair",
        "fair_at_ns",
        "known_ms",
        "newest",
        "newest_ms",
        "pending",
        "results",
        "rewound",
        "stands",
        "status",
        "version",
    )

    def __init__(self) -> None:
        self.exists = False
        self.status: Status | None = None
        self.version = 0
        self.fair: FairMarket | None = None
        self.fair_at_ns = 0
        self.pending: Mark | None = None
        self.results: tuple[tuple[OutcomeResult, ...], tuple[Deduction, ...]] | None = None
        self.stands = False
        self.known_ms = -1
        """How far the market had obeyed an earlier life of ours."""
        self.newest_ms = -1
        self.newest: dict[int, None] = {}
        """The messages of the newest moment, by digest."""
        self.rewound = False
        """Whether what came again is not at its end yet: the book is of an earlier moment."""

    def is_repeated(self, mark: Mark) -> bool:
        """Say whether a message was heard before: a market's moments only rise."""
        if mark.position < self.newest_ms:
            self.rewound = True
            return True
        if mark.position > self.newest_ms or mark.digest not in self.newest:
            return False
        self.rewound = mark.digest != next(reversed(self.newest))
        return True

    def hear(self, mark: Mark) -> None:
        """Take note of a message that was not heard before."""
        if mark.position > self.newest_ms or len(self.newest) >= MOMENT_MESSAGES_MAX:
            self.newest.clear()
        self.newest_ms, self.rewound = mark.position, False
        self.newest[mark.digest] = None
        """Results stand since before a restart; which, is not known here."""
