"""The traders of all matches of the demo, on one control session.

Owns which second each match has been played to, and that a match beside the main one is settled as
soon as its play is over. What a market is commanded to do is each trader's.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.common.commands import OutcomeResult
from engine.common.views import PriceImage
from gateway.client import ControlSession
from gateway.demo.trader import Trader
from gateway.messages.exposure import Exposure
from gateway.messages.trader import Book
from simulations.programme import Fixture
from simulations.trader import by_market_no


class Traders:
    """Follow the matches of a programme and command their markets.

    Parameters
    ----------
    fixtures : sequence of Fixture
        The matches, the main one first.
    session : ControlSession
        The traders' session.
    """

    def __init__(self, fixtures: Sequence[Fixture], session: ControlSession) -> None:
        self._fixtures: Final = tuple(fixtures)
        self._traders: Final = tuple(Trader(one.match, one.keys, session) for one in fixtures)
        self.main: Final = self._traders[0]

    @property
    def prices(self) -> list[PriceImage]:
        """The images of all markets, the main match's first."""
        return [image for trader in self._traders for image in trader.prices]

    @property
    def books(self) -> dict[int, Book]:
        """Latest book of every market, by number."""
        return {number: book for trader in self._traders for number, book in trader.books.items()}

    @property
    def exposure(self) -> Exposure | None:
        """The main match's exposure, as last received."""
        return self.main.exposure

    async def follow(self) -> None:
        """Subscribe to every match, and wait until the image of every market has arrived."""
        for trader in self._traders:
            await trader.follow()

    async def prepare(self, main_s: float) -> None:
        """Price the markets of every match that is played, before betting begins."""
        played = [
            trader.prepare(fixture.played_s(main_s))
            for fixture, trader in zip(self._fixtures, self._traders, strict=True)
            if not fixture.is_over(main_s)
        ]
        await asyncio.gather(*played)

    def step(self, main_s: float, *, reprice: bool) -> None:
        """Command every market whose state is wrong at this second of the main match."""
        for fixture, trader in zip(self._fixtures, self._traders, strict=True):
            if trader is not self.main and fixture.is_over(main_s):
                trader.settle_step()
            else:
                trader.step(fixture.played_s(main_s), reprice=reprice)

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets; return those that are not settled in time."""
        left = await asyncio.gather(
            *(trader.settle(deadline_s=deadline_s) for trader in self._traders)
        )
        return [market for some in left for market in some]

    def results(self) -> dict[int, Sequence[OutcomeResult]]:
        """Return the results of all markets, by number."""
        results: dict[int, Sequence[OutcomeResult]] = {}
        for trader in self._traders:
            state = trader.match.regular_state_at(trader.match.regular_s)
            results |= by_market_no(trader.trader.results(state), trader.prices)
        return results

    def ask_books(self) -> None:
        """Request some books of every match."""
        for trader in self._traders:
            trader.ask_books()

    async def close(self) -> None:
        """Cancel what is in progress."""
        for trader in self._traders:
            await trader.close()
