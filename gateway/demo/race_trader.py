"""The demo's trader of a race: it opens place betting, and settles when the race is run.

Owns the commands to the race's markets. Their odds stay as they are. Like the trader of a match it
compares at every step the state of each market with the one it should have.
"""

import asyncio
from typing import Final

from engine.common.commands import CloseMarket, OutcomeResult, SettleMarket
from engine.common.ids import MarketNo, parse_market_key
from engine.common.lifecycle import Status
from engine.common.views import PriceImage
from gateway.client import ConnectionLostError, ControlSession, RefusedError
from gateway.demo.bettors import image_of
from gateway.messages.trader import Book, TraderCommand
from simulations.races import Race

_POLL_S: Final = 0.02
_NO_TRADE: Final = frozenset({Status.SETTLED, Status.CANCELLED})


class RaceTrader:
    """Follow a race's markets and command them.

    Parameters
    ----------
    race : Race
        The race.
    session : ControlSession
        The traders' session.
    """

    def __init__(self, race: Race, session: ControlSession) -> None:
        self.race: Final = race
        self.books: dict[int, Book] = {}
        self._session = session
        self._asking: dict[int, asyncio.Task[None]] = {}

    @property
    def prices(self) -> list[PriceImage]:
        """The images of the race's markets, that to win first."""
        own = [
            image_of(market)
            for market in self._session.prices.values()
            if parse_market_key(market.key).fixture == self.race.fixture
        ]
        return sorted(own, key=lambda image: image.market_no)

    async def follow(self, *, deadline_s: float = 30.0) -> None:
        """Subscribe, and wait until the image of the market to win has arrived.

        Raises
        ------
        TimeoutError
            When it does not arrive in time.
        """
        async with asyncio.timeout(deadline_s):
            await self._session.subscribe(fixtures=[self.race.fixture])
            while not self.prices:
                await asyncio.sleep(_POLL_S)

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets, again where one is not settled; return those left."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + deadline_s
        while left := [image for image in self.prices if image.status not in _NO_TRADE]:
            if loop.time() >= until_s:
                break
            for image in left:
                await self._settle(image)
            await asyncio.sleep(_POLL_S)
        return [f"{image.key} ({image.status.name.lower()})" for image in left]

    async def _settle(self, image: PriceImage) -> None:
        number, results = image.market_no, self.race.results(image.key)
        commands: list[TraderCommand] = [
            CloseMarket(market_no=number),
            SettleMarket(market_no=number, results=results),
        ]
        try:
            await self._session.control(commands)
        except (ConnectionLostError, RefusedError):
            return  # its process is being replaced: it is settled at a later turn

    def results(self) -> dict[int, tuple[OutcomeResult, ...]]:
        """Return the results of the race's markets, by number."""
        return {image.market_no: self.race.results(image.key) for image in self.prices}

    def ask_books(self) -> None:
        """Request the book of each market whose last request was answered."""
        for image in self.prices:
            if image.market_no not in self._asking:
                task = asyncio.create_task(self._ask_book(image.market_no))
                self._asking[image.market_no] = task

    async def _ask_book(self, number: MarketNo) -> None:
        try:
            self.books[number] = await self._session.book(number)
        except (ConnectionLostError, RefusedError):
            return  # the picture stays as it is
        finally:
            del self._asking[number]

    async def close(self) -> None:
        """Cancel what is in progress."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
