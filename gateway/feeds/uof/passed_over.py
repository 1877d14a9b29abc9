"""Count the parts of messages that were passed over, and keep the last reasons.

Owns these figures for people to read. It decides nothing.
"""

from collections import deque
from typing import Final

from gateway.feeds.core.adapter import REFUSALS_KEPT
from gateway.feeds.core.losses import Losses

REASON_CHARS_MAX: Final = 300


class PassedOver:
    """The parts of one feed's messages that no market followed."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        """How often something was passed over, by reason."""
        self.refusals: deque[str] = deque(maxlen=REFUSALS_KEPT)
        """The last reasons, each with what was passed over."""
        self.losses: Final = Losses()
        """The markets that could not be added or settled."""
        self.last = ""
        """The newest reason of the current message; the adapter clears it before each message."""

    def add(self, reason: str, what: str) -> None:
        """Count a part that was passed over, and keep its reason."""
        self.count(reason)
        self.last = f"{reason}: {what}"[:REASON_CHARS_MAX]
        self.refusals.append(self.last)

    def lose(self, reason: str, market: str, why: str) -> None:
        """Count a market that could not be added or settled, and keep why."""
        self.add(reason, f"{market}: {why}")
        self.losses.note(market, f"{reason}: {why}")

    def count(self, reason: str) -> None:
        """Count something that needs no further text."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
