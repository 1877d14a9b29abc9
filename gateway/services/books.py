"""Answer what markets' books hold: one market's, or those of many in one request.

Owns the calls to the shells that host the markets; it changes nothing.
"""

import asyncio

from actors.messages import decode_book_images
from actors.peer import PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.views import BookImage
from gateway.messages.base import Error
from gateway.messages.books import AskBooks, Books
from gateway.messages.market import STATUS_NAMES
from gateway.messages.protocol import ServerMessage
from gateway.messages.trader import AskBook, Book


class BookService:
    """Books by market.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    timeout_s : float
        Seconds that a shell's answer may take.
    """

    def __init__(self, *, routes: Routes, timeout_s: float) -> None:
        self._routes = routes
        self._timeout_s = timeout_s

    async def book(self, request: AskBook) -> ServerMessage:
        """Return a market's image with limits and liability."""
        shell = self._routes.market_shell(request.market)
        if shell is None:
            return _error(Reason.MARKET_UNKNOWN, request.id)
        books = await self._of_shell(shell, [request.market], number=request.id)
        if books is None:
            return _error(Reason.UNAVAILABLE, request.id)
        return books[0] if books else _error(Reason.MARKET_UNKNOWN, request.id)

    async def books(self, request: AskBooks) -> ServerMessage:
        """Return the books of markets, with one call to each shell that hosts some of them."""
        by_shell: dict[str, list[MarketNo]] = {}
        for number in dict.fromkeys(request.markets):
            shell = self._routes.market_shell(number)
            if shell is not None:
                by_shell.setdefault(shell, []).append(number)
        answers = await asyncio.gather(*(self._of_shell(*one) for one in by_shell.items()))
        books = tuple(book for answer in answers for book in answer or ())
        known = {book.market for book in books}
        unheard = tuple(number for number in request.markets if number not in known)
        return Books(id=request.id, books=books, unheard=unheard)

    async def _of_shell(
        self, shell: str, markets: list[MarketNo], *, number: int = 0
    ) -> list[Book] | None:
        """Return books of a shell's markets; None when it does not answer."""
        peer = self._routes.peer(shell)
        if peer is None:
            return None
        try:
            raw = await peer.ask("book_images", markets, timeout_s=self._timeout_s)
        except (PeerError, PeerRefusedError):
            return None
        stale = shell in self._routes.quarantined
        return [_book(image, number=number, stale=stale) for image in decode_book_images(raw)]


def _book(image: BookImage, *, number: int, stale: bool) -> Book:
    prices = image.prices
    return Book(
        id=number,
        market=prices.market_no,
        key=prices.key,
        status=STATUS_NAMES[prices.status],
        version=prices.version,
        outcomes=prices.outcomes,
        odds_milli=prices.odds_milli,
        active=prices.active,
        limits=image.limits,
        bets=image.bets,
        stake_taken_minor=image.stake_taken_minor,
        payout_minor=image.payout_minor,
        liability_minor=image.liability_minor,
        stake_minor=image.stake_minor,
        settlement_no=image.settlement_no,
        held=image.held,
        results_stand=image.results_stand,
        windows=image.windows,
        stale="quarantined" if stale else "",
        results=image.results,
        result=image.result,
        fixture_worst_minor=image.fixture_worst_minor,
        outcome_held=image.outcome_held,
        overridden=image.overridden,
        due_odds_milli=image.due_odds_milli,
        acceptance=image.acceptance,
        stopped_by=image.stopped_by,
        held_alone=image.held_alone,
    )


def _error(reason: Reason, number: int) -> Error:
    return Error(code=int(reason), message=MESSAGES[reason], id=number)
