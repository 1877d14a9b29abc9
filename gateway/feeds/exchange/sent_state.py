"""What was last sent to one market, and which messages of the stream it has had.

Owns the recognition of repeated messages. It does not decide what is sent next.
"""

from typing import Final

from engine.common.commands import Deduction, OutcomeResult
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Mark
from gateway.feeds.exchange.fair_price import FairMarket
from gateway.feeds.exchange.order_book import Market

SAME_TIME_MESSAGES_MAX: Final = 256
"""Messages of one market and millisecond that are distinguished; past it all are taken for new."""


class SentState:
    """What one market was last sent."""

    __slots__ = (
        "delay_ms",
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
        self.delay_ms: int | None = 0
        """The delay that the market was given; None after a restart, when that is not known."""
        self.fair: FairMarket | None = None
        self.fair_at_ns = 0
        self.pending: Mark | None = None
        self.results: tuple[tuple[OutcomeResult, ...], tuple[Deduction, ...]] | None = None
        self.stands = False
        """Results of before a restart stand; which results is not known here."""
        self.known_ms = -1
        """Position up to which the market has applied the stream before a restart."""
        self.newest_ms = -1
        self.newest: dict[int, None] = {}
        """The messages of the newest millisecond, by digest."""
        self.rewound = False
        """Whether a repetition is in progress: the order book is of an earlier time."""

    def applied_before(self, market: Market | None) -> bool:
        """Say whether a market applied, before a restart, what its order book holds now."""
        return market is not None and market.published_ms <= self.known_ms

    def is_repeated(self, mark: Mark) -> bool:
        """Say whether a message was received before: the times of one market only rise."""
        if mark.position < self.newest_ms:
            self.rewound = True
            return True
        if mark.position > self.newest_ms or mark.digest not in self.newest:
            return False
        self.rewound = mark.digest != next(reversed(self.newest))
        return True

    def note(self, mark: Mark) -> None:
        """Note a message that was not received before."""
        if mark.position > self.newest_ms or len(self.newest) >= SAME_TIME_MESSAGES_MAX:
            self.newest.clear()
        self.newest_ms, self.rewound = mark.position, False
        self.newest[mark.digest] = None
