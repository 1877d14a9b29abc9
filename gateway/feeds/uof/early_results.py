"""Results, cancellations and roll-backs of markets whose odds have not come yet.

Owns their memory, so that a market is created with what ended it and bets on a known result are
never taken. Never decides what a market does with them.

Bounds: `EARLY_MARKETS_MAX` markets with `EARLY_PARTS_MAX` parts each. Past either the parts of the
market concerned longest ago, or the oldest part, are forgotten, and odds up to their time may not
create a market that is new to the feed, because what ended it may be among them. A start forgets
everything of the `HISTORY_MS` before it in the same way, so that such odds open no market either
that was closed at the start; older messages are no live feed's.
"""

from typing import Final, NamedTuple

from gateway.feeds.uof.messages import (
    BetCancel,
    BetSettlement,
    MarketSettled,
    MarketVoided,
    RollbackBetCancel,
    RollbackBetSettlement,
)

EARLY_MARKETS_MAX: Final = 1 << 14
EARLY_PARTS_MAX: Final = 16
HISTORY_MS: Final = 3 * 86_400_000
"""How far a provider's recovery reaches back: older messages come from a recording, whose time is
not ours."""
ResultMessage = BetSettlement | BetCancel | RollbackBetSettlement | RollbackBetCancel
ResultOfMarket = MarketSettled | MarketVoided
EarlyKey = tuple[str, int, tuple[tuple[str, str], ...]]
"""Event id, market id and sorted specifiers."""


class EarlyPart(NamedTuple):
    """One market's part of a message that came before the market's odds."""

    message: ResultMessage
    market: ResultOfMarket
    digest: int


class EarlyResults:
    """The parts that wait for their markets.

    Parameters
    ----------
    markets_max, parts_max : int
        Bounds (see the module).
    """

    def __init__(
        self, *, markets_max: int = EARLY_MARKETS_MAX, parts_max: int = EARLY_PARTS_MAX
    ) -> None:
        self._markets_max: Final = markets_max
        self._parts_max: Final = parts_max
        self._parts: dict[EarlyKey, list[EarlyPart]] = {}
        self.forgotten_ms = 0
        """Newest time, in ms, of what did not fit."""
        self._started_ms = 0

    def __len__(self) -> int:
        return len(self._parts)

    def start(self, at_ms: int) -> None:
        """Note when the feed was started, on our clock: nothing earlier is remembered."""
        self._started_ms = at_ms

    def forget_before(self, at_ms: int) -> None:
        """Note that what was sent up to a time may have been forgotten."""
        self.forgotten_ms = max(self.forgotten_ms, at_ms)

    def may_lack(self, at_ms: int) -> bool:
        """Say whether something newer than this time may have been forgotten."""
        since_ms = self._started_ms - at_ms
        return at_ms < self.forgotten_ms or 0 < since_ms <= HISTORY_MS

    def add(self, key: EarlyKey, part: EarlyPart) -> None:
        """Remember a part; the same one again changes nothing."""
        parts = self._parts.pop(key, [])
        if part not in parts:
            parts.append(part)
            parts.sort(key=_time)
        self._parts[key] = parts  # at the end: concerned last
        if len(parts) > self._parts_max:
            self.forget_before(parts.pop(0).message.timestamp)
        if len(self._parts) > self._markets_max:
            oldest = self._parts.pop(next(iter(self._parts)))
            self.forget_before(max(map(_time, oldest)))

    def take(self, key: EarlyKey) -> list[EarlyPart]:
        """Return a market's parts in the order of their times, and remember them no more."""
        return self._parts.pop(key, [])


def _time(part: EarlyPart) -> int:
    return part.message.timestamp
