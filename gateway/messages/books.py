"""Messages about the books of several markets at once, as a trader's screen needs them.

Owns schemas only; gateway.services.books asks the shells.
"""

from typing import Annotated, Final

from msgspec import Meta

from engine.common.commands import MarketNoField
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.trader import Book

BOOKS_MAX: Final = 256
"""Most books of one request."""


class AskBooks(FromClient, frozen=True, kw_only=True, tag="books"):
    """Ask for the books of markets, each as `book` has it; answered by `books`."""

    id: IdField = 0
    markets: Annotated[tuple[MarketNoField, ...], Meta(min_length=1, max_length=BOOKS_MAX)]


class Books(FromGateway, frozen=True, kw_only=True, tag="books"):
    """Books, in no order; `unheard` markets are unknown, or their shell did not answer."""

    id: int = 0
    books: tuple[Book, ...] = ()
    unheard: tuple[int, ...] = ()
