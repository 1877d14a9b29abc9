"""The traders of all matches and races of the demo, on one control session.

Owns which second each match has been played to, and that a match beside the main one is settled as
soon as its play is over. What a market is commanded to do is each trader's.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.common.commands import OutcomeResult
from engine.common.fixtures import FixtureState
from engine.common.views import PriceImage
from gateway.client import ControlSession
from gateway.demo.fixtures import FixtureStates
from gateway.demo.race_trader import RaceTrader
from gateway.demo.trader import Trader
from gateway.messages.exposure import Exposure
from gateway.messages.trader import Book
from simulations.programme import Fixture
from simulations.races import Race
from simulations.trader import by_market_no


class Traders:
    """Follow the matches of a programme and command their markets.

    Parameters
    ----------
    fixtures : sequence of Fixture
        The matches, the main one first.
    session : ControlSession
        The traders' session.
    races : sequence of Race
        The races beside the matches.
    """

    def __init__(
        self, fixtures: Sequence[Fixture], session: ControlSession, races: Sequence[Race] = ()
    ) -> None:
        self._race_fixtures: Final = tuple(race.fixture for race in races)
        self._races: Final = tuple(RaceTrader(race, session) for race in races)
        self._fixtures: Final = tuple(fixtures)
        self._traders: Final = tuple(Trader(one.match, one.keys, session) for one in fixtures)
        self.main: Final = self._traders[0]
        self._states: Final = FixtureStates(session)

    @property
    def prices(self) -> list[PriceImage]:
        """The images of all markets, the main match's first and those of races last."""
        return [image for each in self._all for image in each.prices]

    @property
    def _all(self) -> tuple[Trader | RaceTrader, ...]:
        return (*self._traders, *self._races)

    @property
    def books(self) -> dict[int, Book]:
        """Latest book of every market, by number."""
        return {number: book for each in self._all for number, book in each.books.items()}

    @property
    def exposure(self) -> Exposure | None:
        """The main match's exposure, as last received."""
        return self.main.exposure

    async def follow(self) -> None:
        """Subscribe to every match and race, and wait until every market's image has arrived."""
        for each in self._all:
            await each.follow()

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
            over = fixture.is_over(main_s)
            state = FixtureState.ENDED if over else FixtureState.LIVE
            self._states.note(fixture.match.match, state)
            if trader is not self.main and over:
                trader.settle_step()
            else:
                trader.step(fixture.played_s(main_s), reprice=reprice)

    def leave_results(self) -> int:
        """Close the main match's markets; return how many wait for somebody to settle them."""
        self._states.note(self.main.match.match, FixtureState.ENDED)
        return len(self.main.close_step())

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets; return those that are not settled in time."""
        for fixture in (*(one.match.match for one in self._fixtures), *self._race_fixtures):
            self._states.note(fixture, FixtureState.ENDED)
        left = await asyncio.gather(*(each.settle(deadline_s=deadline_s) for each in self._all))
        return [market for some in left for market in some]

    def results(self) -> dict[int, Sequence[OutcomeResult]]:
        """Return the results of all markets, by number."""
        results: dict[int, Sequence[OutcomeResult]] = {}
        for trader in self._traders:
            state = trader.match.regular_state_at(trader.match.regular_s)
            results |= by_market_no(trader.trader.results(state), trader.prices)
        for race in self._races:
            results |= race.results()
        return results

    def ask_books(self) -> None:
        """Request some books of every match, and those of the races."""
        for each in self._all:
            each.ask_books()

    async def close(self) -> None:
        """Cancel what is in progress."""
        for each in self._all:
            await each.close()
        await self._states.close()
