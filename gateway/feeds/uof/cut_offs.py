"""The times at which a feed's markets stop taking bets by themselves, without another message.

Owns two times: the start of an event, at which its pre-match markets stop, and the `next_betstop`
of a market. Both are the provider's, in milliseconds, and may move. It reads no clock, and keeps at
most `STARTS_MAX` starts: past it the one that was given longest ago is dropped.
"""

from collections import OrderedDict
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from gateway.feeds.uof.market_registry import ListedMarket

STARTS_MAX: Final = 1 << 16
NO_BETSTOP: Final = 0


class _Start(NamedTuple):
    at_ms: int
    given_ms: int
    """Timestamp of the message that gave it; 0: it had none."""


class Due(NamedTuple):
    """What stops now: the pre-match markets of events, and single markets."""

    event_ids: list[str]
    markets: list[ListedMarket]


class CutOffs:
    """The cut-offs of one feed.

    Parameters
    ----------
    before_start_ms : int
        How long before the start of an event its pre-match markets stop.
    starts_max : int
        Starts kept.
    """

    def __init__(self, *, before_start_ms: int = 0, starts_max: int = STARTS_MAX) -> None:
        self._before_start_ms: Final = before_start_ms
        self._starts_max: Final = starts_max
        self._now_ms = 0
        self._starts: OrderedDict[str, _Start] = OrderedDict()
        self._due_starts: list[tuple[int, str]] = []
        self._due_markets: list[tuple[int, int, ListedMarket]] = []
        """Times, a number that orders equal ones, and markets; a market whose time has moved since
        is in it more than once, and the lists are rid of these when they are twice too long."""
        self._numbered = 0
        self._markets: dict[str, None] = {}

    def set_start(self, event_id: str, at_ms: int, *, given_ms: int) -> None:
        """Set or move the start of an event, unless a newer message has."""
        known = self._starts.get(event_id)
        if known is not None and 0 < given_ms < known.given_ms:
            return
        self._starts[event_id] = _Start(at_ms, given_ms)
        self._starts.move_to_end(event_id)
        while len(self._starts) > self._starts_max:
            self._starts.popitem(last=False)
        heappush(self._due_starts, (at_ms - self._before_start_ms, event_id))
        if len(self._due_starts) > 2 * self._starts_max:
            self._due_starts = [(self._stop_ms(one), one) for one in self._starts]
            heapify(self._due_starts)

    def set_betstop(self, listed: ListedMarket, at_ms: int) -> None:
        """Set or move the time at which a market stops; `NO_BETSTOP`: it has none any more."""
        if at_ms == listed.betstop_ms:
            return
        listed.betstop_ms = at_ms
        if at_ms == NO_BETSTOP:
            self._markets.pop(listed.market.key, None)
            return
        self._markets[listed.market.key] = None
        self._numbered += 1
        heappush(self._due_markets, (at_ms, self._numbered, listed))
        if len(self._due_markets) > 2 * len(self._markets) + 16:
            self._due_markets = [one for one in self._due_markets if one[0] == one[2].betstop_ms]
            heapify(self._due_markets)

    def has_started(self, event_id: str) -> bool:
        """Say whether the pre-match markets of an event have stopped."""
        return event_id in self._starts and self._stop_ms(event_id) <= self._now_ms

    def is_stopped(self, listed: ListedMarket) -> bool:
        """Say whether the `next_betstop` of a market has passed."""
        return NO_BETSTOP < listed.betstop_ms <= self._now_ms

    def advance(self, now_ms: int) -> Due:
        """Take the time, and return what stops between the time before and this one."""
        self._now_ms = max(now_ms, self._now_ms)
        due = Due([], [])
        while self._due_starts and self._due_starts[0][0] <= self._now_ms:
            at_ms, event_id = heappop(self._due_starts)
            if event_id in self._starts and self._stop_ms(event_id) == at_ms:
                due.event_ids.append(event_id)
        while self._due_markets and self._due_markets[0][0] <= self._now_ms:
            at_ms, _, listed = heappop(self._due_markets)
            if listed.betstop_ms == at_ms:
                self._markets.pop(listed.market.key, None)
                due.markets.append(listed)
        return due

    def _stop_ms(self, event_id: str) -> int:
        return self._starts[event_id].at_ms - self._before_start_ms
