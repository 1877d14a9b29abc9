"""Prices of our own for the matches of a feed: when a match is to be priced anew, stopped, resumed.

Owns the orders to price a fixture. Such an order reaches every market of the fixture that our
model knows, also those that the feed does not have; so it stops when the feed does, and resumes
only when nothing that the feed has shut would be opened by it.
"""

from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

from engine.common.commands import WHY_CHARS_MAX
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import Mark, PriceFixture
from gateway.feeds.uof.market_registry import Listed, UofBook, price_source
from gateway.feeds.uof.match_state import Matches, Seen
from gateway.feeds.uof.messages import MarketOdds, OddsChange

SPORT: Final = "football"


class OwnPrices:
    """The matches of one feed that our model prices.

    Parameters
    ----------
    feed : str
        The feed's name.
    book : UofBook
        Its markets.
    trusted : callable
        Says whether a producer can be trusted now.
    """

    def __init__(self, feed: str, book: UofBook, trusted: Callable[[int], bool]) -> None:
        self._feed: Final = feed
        self._book: Final = book
        self._trusted: Final = trusted
        self._matches: Final = Matches()
        self._begun_ns = 0
        self._said = 0

    def begin(self, *, at_ns: int) -> None:
        """Learn when this life began, so that none of its orders is taken for one before it."""
        self._begun_ns = at_ns

    def prices(self, listed: Listed) -> bool:
        """Say whether a market takes our price and not the feed's."""
        return listed.market.sport == SPORT

    def has_model(self, event_id: str) -> bool:
        """Say whether a match can be priced."""
        return self._matches.latest(event_id) is not None

    def see(
        self, message: OddsChange, found: Sequence[tuple[MarketOdds, Listed | None]]
    ) -> Seen | None:
        """Take a message that counts for its match; return what is to be priced anew, if any."""
        rank = self._book.rank(message.product)
        of_match = self._book.of_event(message.event_id)
        if any(self._book.rank(listed.owner) > rank for listed in of_match if listed.owner):
            return None
        listed_as = {id(market): listed for market, listed in found}
        return self._matches.see(message, lambda market: listed_as[id(market)])

    def price(self, message: OddsChange, seen: Seen, digest: int) -> PriceFixture:
        """Return the order to price a match anew; a goal stops bets first."""
        return self._order(
            message.event_id, message.product, message.timestamp, seen, digest,
            suspend="goal" if seen.goal else "",
        )  # fmt: skip

    def stop(
        self, event_id: str, producer: int, at_ms: int, digest: int, why: str
    ) -> list[PriceFixture]:
        """Return the order to stop bets on a match, if it has prices of ours."""
        seen = self._matches.latest(event_id)
        if seen is None:
            return []
        return [self._order(event_id, producer, at_ms, seen, digest, suspend=why)]

    def turn(self, producer: int, why: str) -> list[PriceFixture]:
        """Return the orders to stop a producer's matches, or to resume them where `why` is empty.

        They have no message: their place is that of the news before them, told apart by a number
        and by the life that gives it.
        """
        events = {
            listed.market.key.partition("/")[0]: None
            for listed in self._book
            if listed.owner == producer and self.prices(listed) and not listed.over
        }
        orders: list[PriceFixture] = []
        for event_id in events:
            seen, seen_ms = self._matches.latest(event_id), self._matches.seen_ms(event_id)
            if seen is not None:
                self._said += 1
                digest = crc32(f"{self._begun_ns}/{self._said}".encode())
                orders.append(self._order(event_id, producer, seen_ms, seen, digest, suspend=why))
        return orders

    def _order(
        self, event_id: str, producer: int, at_ms: int, seen: Seen, digest: int, *, suspend: str
    ) -> PriceFixture:
        shut = any(
            listed.told is Status.SUSPENDED and not listed.over
            for listed in self._book.of_event(event_id)
            if self.prices(listed)
        )
        return PriceFixture(
            fixture=event_id,
            mark=Mark(source=price_source(self._feed, producer), position=at_ms, digest=digest),
            sport=SPORT,
            model=seen.model,
            state=seen.state,
            suspend=suspend[:WHY_CHARS_MAX],
            resume=not shut and self._trusted(producer),
        )
