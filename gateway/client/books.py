"""What a session on the control listener asks about markets' books.

Owns one method per request; roles.py has the session that sends them.
"""

from collections.abc import Sequence

from engine.common.ids import MarketNo
from gateway.client.session import Session
from gateway.messages.books import AskBooks, Books
from gateway.messages.trader import AskBook, Book


class BookRequests(Session):
    """A session on the control listener, for books."""

    async def book(self, market: MarketNo) -> Book:
        """Return a market's image with limits and liability per outcome."""
        return await self._request(AskBook, Book, market=market)

    async def books(self, markets: Sequence[MarketNo]) -> Books:
        """Return the books of up to 256 markets; those without an answer are `unheard`."""
        return await self._request(AskBooks, Books, markets=tuple(markets))
