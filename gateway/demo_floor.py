"""The demo's trading floor: one trader's session that keeps a fixture's markets as they should be.

Owns the way from the match clock to commands over the control WebSocket. It says what should hold
and looks at what does, again and again: a command that met a dead market is given anew once the
market is back.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.commands import MarketCommand
from engine.events import Refused
from engine.lifecycle import Status
from engine.reasons import Reason
from engine.views import PriceImage
from gateway.client import ConnectionLostError, ControlSession, RefusedError
from gateway.demo_bettors import image_of
from gateway.wire import Book, TraderCommand
from simulations.desk import SUSPENDED_S, Desk
from simulations.timeline import MatchTimeline

_LOOK_S: Final = 0.02
_NO_TRADE: Final = frozenset({Status.SETTLED, Status.CANCELLED})


class Floor:
    """A trader at work.

    Parameters
    ----------
    match : MatchTimeline
        What is being played.
    keys : sequence of str
        The fixture's markets.
    session : ControlSession
        The trader's session, which follows the fixture's prices.
    """

    def __init__(self, match: MatchTimeline, keys: Sequence[str], session: ControlSession) -> None:
        self.match: Final = match
        self.desk: Final = Desk(match, keys)
        self.books: dict[int, Book] = {}
        """Latest book of every market, by number."""
        self.refused = 0
        self._keys: Final = tuple(keys)
        self._session = session
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}

    @property
    def prices(self) -> list[PriceImage]:
        """The markets as the gateway shows them, in the catalogue's order."""
        by_key = {market.key: market for market in self._session.prices.values()}
        return [image_of(by_key[key]) for key in self._keys if key in by_key]

    async def follow(self, *, deadline_s: float = 30.0) -> None:
        """Subscribe, and wait until every market is in sight.

        Raises
        ------
        TimeoutError
            When they are not in time.
        """
        async with asyncio.timeout(deadline_s):
            await self._session.subscribe(fixtures=[self.match.match])
            while len(self.prices) < len(self._keys):
                await asyncio.sleep(_LOOK_S)

    def shut(self, played_s: float) -> bool:
        """Say whether a goal of the last moments keeps the markets shut."""
        return any(
            goal.played_s <= played_s < goal.played_s + SUSPENDED_S
            for goal in self.match.regular_goals
        )

    def open(self) -> None:
        """Open the markets that have never been open."""
        self._give(self.desk.open(self.prices))

    def look(self, played_s: float, *, reprice: bool) -> None:
        """Command what is not as it should be at a second of play.

        Parameters
        ----------
        played_s : float
            The match clock.
        reprice : bool
            Move odds as well; otherwise only suspend, and only reopen what a goal had shut.
        """
        prices, shut = self.prices, self.shut(played_s)
        if shut:
            self._give(self.desk.suspend(prices, why="goal"))
        shut_now = [image for image in prices if image.status is Status.SUSPENDED]
        if reprice or (shut_now and not shut):
            state = self.match.regular_state_at(played_s)
            self._give(self.desk.reprice(state, prices, resume=not shut))

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets, again where no answer came; return those left unsettled."""
        state = self.match.regular_state_at(self.match.regular_s)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + deadline_s
        while left := [image for image in self.prices if image.status not in _NO_TRADE]:
            if loop.time() >= until_s:
                break
            self._give(self.desk.settle(state, left))
            await asyncio.sleep(_LOOK_S)
        return [f"{image.key} ({image.status.name.lower()})" for image in left]

    def ask_books(self) -> None:
        """Ask for every market's book, but for those not answered yet."""
        for number in self._session.prices:
            if number not in self._asking:
                task = asyncio.create_task(self._ask_book(number))
                self._asking[number] = task

    async def close(self) -> None:
        """Leave nothing under way."""
        tasks = [*self._busy.values(), *self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _give(self, commands: Sequence[MarketCommand]) -> None:
        """Send each market its commands, in order; one that has not answered yet waits its turn."""
        by_market: dict[int, list[TraderCommand]] = {}
        for command in commands:
            by_market.setdefault(command.market_no, []).append(command)  # type: ignore[union-attr,arg-type]
        for number, listed in by_market.items():
            if number not in self._busy:
                self._busy[number] = asyncio.create_task(self._send(number, listed))

    async def _send(self, number: int, commands: Sequence[TraderCommand]) -> None:
        try:
            events = await self._session.control(commands)
            refusals = [event for event in events if isinstance(event, Refused)]
            self.refused += len(refusals)
            if not refusals:
                await self._caught_up(number, max(event.version for event in events))  # type: ignore[union-attr]
        except (ConnectionLostError, RefusedError):
            self.refused += 1
        finally:
            del self._busy[number]

    async def _caught_up(self, number: int, version: int) -> None:
        """Wait a moment for the prices to show what was done, so that it is not done twice."""
        for _ in range(50):
            if self._session.prices[number].version >= version:
                return
            await asyncio.sleep(_LOOK_S)

    async def _ask_book(self, number: int) -> None:
        try:
            self.books[number] = await self._session.book(number)
        except (ConnectionLostError, RefusedError) as error:
            gone = isinstance(error, ConnectionLostError)
            if gone or error.reason is not Reason.UNAVAILABLE:
                self.refused += 1
        finally:
            del self._asking[number]
