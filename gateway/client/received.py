"""What a client has received and its caller has not read yet: prices and account events.

Owns the latest prices and the account events. A reconnecting client hands the same object to each
of its sessions, so that prices continue by version and nothing unread is lost with a connection.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

from gateway.messages.bet_stream import BetSeen
from gateway.messages.bettor import BetEvent, FreeBetEvent, MoneyEvent
from gateway.messages.market import Market, Odds
from gateway.messages.watching import AlertSeen

AccountEvent = BetEvent | MoneyEvent | FreeBetEvent
BETS_SEEN_KEPT_MAX: Final = 1_024
"""Messages of bets shown that are kept for a slow reader; past it the oldest are dropped."""
ALERTS_SEEN_KEPT_MAX: Final = 1_024
"""Alerts that were sent and are kept for a slow reader; past it the oldest are dropped."""
EVENTS_KEPT_MAX: Final = 65_536
"""Account events kept for a slow reader; past it the oldest are dropped and counted."""


class Received:
    """Latest prices by market, which of them changed, and account events in their order."""

    def __init__(self) -> None:
        self.prices: dict[int, Market] = {}
        self.events_dropped = 0
        """Account events that were dropped because nobody read them."""
        self._changed: dict[int, None] = {}
        self._events: deque[AccountEvent] = deque(maxlen=EVENTS_KEPT_MAX)
        self._bets_seen: deque[BetSeen] = deque(maxlen=BETS_SEEN_KEPT_MAX)
        self._alerts_seen: deque[AlertSeen] = deque(maxlen=ALERTS_SEEN_KEPT_MAX)
        self._arrived = asyncio.Event()

    @property
    def events_waiting(self) -> int:
        """Number of account events that nobody has read yet."""
        return len(self._events)

    def take_image(self, image: Market) -> Market | None:
        """Take an image; return it, or None when the one held is as new."""
        held = self.prices.get(image.market)
        if held is not None and not held.stale and held.version > image.version:
            return None
        if held == image:
            return None
        return self._change(image)

    def take_odds(self, odds: Odds) -> Market | None:
        """Take changed odds; return the new image, or None when they are not newer."""
        held = self.prices.get(odds.market)
        if held is None or (not held.stale and held.version > odds.version):
            return None
        image = Market(
            market=held.market,
            key=held.key,
            status=odds.status,
            version=odds.version,
            outcomes=held.outcomes,
            odds_milli=odds.odds_milli,
            active=odds.active,
            stale=odds.stale,
        )
        return None if image == held else self._change(image)

    def _change(self, market: Market) -> Market:
        self.prices[market.market] = market
        self._changed[market.market] = None
        self._arrived.set()
        return market

    def forget(self, covered: Callable[[Market], bool]) -> None:
        """Forget the images of the markets that are not covered any more."""
        for number in [no for no, image in self.prices.items() if not covered(image)]:
            del self.prices[number]
            self._changed.pop(number, None)

    def release(self, markets: Iterable[int]) -> None:
        """Forget some markets' images."""
        for number in markets:
            self.prices.pop(number, None)
            self._changed.pop(number, None)

    def take_pushed(self, message: AccountEvent | BetSeen | AlertSeen) -> None:
        """Keep what the gateway sent unasked until it is read."""
        if isinstance(message, BetSeen):
            self.take_bets_seen(message)
        elif isinstance(message, AlertSeen):
            self._alerts_seen.append(message)
            self._arrived.set()
        else:
            self.take_event(message)

    def take_event(self, event: AccountEvent) -> None:
        """Keep an account event until it is read."""
        self.events_dropped += len(self._events) == EVENTS_KEPT_MAX
        self._events.append(event)
        self._arrived.set()

    def take_bets_seen(self, seen: BetSeen) -> None:
        """Keep bets that were shown until they are read; those of the oldest message may go."""
        if len(self._bets_seen) == BETS_SEEN_KEPT_MAX:
            lost = self._bets_seen.popleft()
            seen = BetSeen(bets=seen.bets, missed=seen.missed + lost.missed + len(lost.bets))
        self._bets_seen.append(seen)
        self._arrived.set()

    def unread_bets_seen(self) -> tuple[BetSeen, ...]:
        """Return the bets that were shown and that nobody has read yet, and take them as read."""
        unread = tuple(self._bets_seen)
        self._bets_seen.clear()
        return unread

    def wake(self) -> None:
        """Let readers see that the end may have come."""
        self._arrived.set()

    async def updates(self, ended: Callable[[], bool]) -> AsyncIterator[Market]:
        """Yield each changed market's latest image until the end."""
        while True:
            while self._changed:
                number = next(iter(self._changed))
                del self._changed[number]
                yield self.prices[number]
            if ended():
                return
            await self._wait()

    async def events(self, ended: Callable[[], bool]) -> AsyncIterator[AccountEvent]:
        """Yield account events, oldest first, until the end."""
        while True:
            while self._events:
                yield self._events.popleft()
            if ended():
                return
            await self._wait()

    async def bets_seen(self, ended: Callable[[], bool]) -> AsyncIterator[BetSeen]:
        """Yield bets as they were shown, oldest first, until the end."""
        while True:
            while self._bets_seen:
                yield self._bets_seen.popleft()
            if ended():
                return
            await self._wait()

    async def alerts_seen(self, ended: Callable[[], bool]) -> AsyncIterator[AlertSeen]:
        """Yield alerts as they changed, oldest first, until the end."""
        while True:
            while self._alerts_seen:
                yield self._alerts_seen.popleft()
            if ended():
                return
            await self._wait()

    async def _wait(self) -> None:
        self._arrived.clear()
        await self._arrived.wait()
