"""The demo's trading floor: one trader's session that keeps a fixture's markets as they should be.

Owns the way from the match clock to messages over the control WebSocket: prices are the shells', so
that a goal is one message. It says what should hold and looks at what does, again and again: a
market that was down when the others were told is told once it is back.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from engine.common.commands import MarketCommand
from engine.common.events import MarketEvent, OddsSet, Refused
from engine.common.lifecycle import Status
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from engine.pricing.football.axes import Scope
from engine.pricing.football.exposure import Outlook
from engine.pricing.football.model import MatchState
from gateway.client import ConnectionLostError, ControlSession, RefusedError
from gateway.demo.bettors import image_of
from gateway.messages.exposure import Exposure
from gateway.messages.trader import Book, TraderCommand
from simulations.timeline import MatchTimeline
from simulations.trader import SUSPENDED_S, MatchTrader

BOOKS_ASKED_MAX: Final = 16
"""Books that one look asks for; the market that everybody watches is always among them."""
IN_FLIGHT_MAX: Final = 32
"""Markets with commands of their own under way; the others wait for the next look."""
_LOOK_S: Final = 0.02
_AGAIN_S: Final = 0.25
"""Seconds between two tries to reopen what stayed shut."""
_PATIENCE_S: Final = 1.0
"""Seconds for which an answer, or the prices that show it, are waited for before looking again."""
_NO_TRADE: Final = frozenset({Status.SETTLED, Status.CANCELLED})


class _Held(NamedTuple):
    """The odds of a market, as last heard: their version, and how many goals they know of."""

    version: int
    goals: int


class Trader:
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
        self.trader: Final = MatchTrader(match, keys)
        self.books: dict[int, Book] = {}
        """Latest book of every market, by number."""
        self.exposure: Exposure | None = None
        """What the fixture's open bets make or lose by score, as last heard."""
        self.refused = 0
        self._keys: Final = tuple(keys)
        self._session = session
        self._state: MatchState = match.state_at(-1)
        self._goals_first = -1
        """Goals at the first look: odds of markets not heard of since may know of as many."""
        self._goals = -1
        self._held: dict[int, _Held] = {}
        self._repricing: dict[asyncio.Task[None], None] = {}
        self._repriced_s = self._reopened_s = -1e9
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._asking_exposure: asyncio.Task[None] | None = None
        self._next_book = 0

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

    async def prepare(self, played_s: float) -> None:
        """Have everything priced before anybody bets: a shell's first pricing takes a second."""
        state = self._state = self.match.regular_state_at(played_s)
        await asyncio.gather(self._send_reprice(state, "", resume=False), self.on_exposure(state))

    def shut(self, played_s: float) -> bool:
        """Say whether a goal of the last moments keeps the markets shut."""
        return any(
            goal.played_s <= played_s < goal.played_s + SUSPENDED_S
            for goal in self.match.regular_goals
        )

    def look(self, played_s: float, *, reprice: bool) -> None:
        """Command what is not as it should be at a second of play.

        Parameters
        ----------
        played_s : float
            The match clock.
        reprice : bool
            Move odds as well; otherwise only suspend, and only reopen what a goal had shut.
        """
        now_s = asyncio.get_running_loop().time()
        state = self._state = self.match.regular_state_at(played_s)
        shut, goals = self.shut(played_s), len(state.order)
        if self._goals < 0:
            self._goals = self._goals_first = goals
        if goals != self._goals:
            self._goals = goals
            self._reprice(state, suspend="goal", resume=not shut)
            return
        if self._repricing and now_s - self._repriced_s < _PATIENCE_S:
            return
        prices = self.prices
        self._give(self.trader.close(state, prices))
        self._give(self.trader.suspend(self._behind(prices, shut=shut), why="goal"))
        reopen = not shut and now_s - self._reopened_s >= _AGAIN_S and self._left_shut(prices)
        if reprice or reopen:
            self._reprice(state, resume=not shut)

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets, again where no answer came; return those left unsettled."""
        state = self.match.regular_state_at(self.match.regular_s)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + deadline_s
        while left := [image for image in self.prices if image.status not in _NO_TRADE]:
            if loop.time() >= until_s:
                break
            self._give(self.trader.settle(state, left))
            await asyncio.sleep(_LOOK_S)
        return [f"{image.key} ({image.status.name.lower()})" for image in left]

    def ask_books(self) -> None:
        """Ask for the book of the first market and of some others in turn."""
        numbers = [image.market_no for image in self.prices]
        at, self._next_book = self._next_book, self._next_book + BOOKS_ASKED_MAX - 1
        turn = [numbers[(at + k) % len(numbers)] for k in range(BOOKS_ASKED_MAX - 1)]
        for number in dict.fromkeys([*numbers[:1], *turn]):
            if number not in self._asking:
                self._asking[number] = asyncio.create_task(self._ask_book(number))

    def ask_exposure(self) -> None:
        """Ask for the fixture's exposure in the background, unless that is being asked already.

        Once the whistle has gone there is one score left, and nothing to be exposed to.
        """
        if self._state.over(Scope.REGULAR):
            return
        if self._asking_exposure is None or self._asking_exposure.done():
            self._asking_exposure = asyncio.create_task(self.on_exposure(self._state))

    async def on_exposure(self, state: MatchState) -> None:
        """Ask for the fixture's exposure in a state; without an answer the last one stays."""
        outlook = Outlook(state=state, model=self.trader.model)
        try:
            self.exposure = await self._session.exposure(self.match.match, outlook, goals=0)
        except (ConnectionLostError, RefusedError):
            self.refused += 1

    async def close(self) -> None:
        """Leave nothing under way."""
        tasks = [*self._busy.values(), *self._asking.values(), *self._repricing]
        if self._asking_exposure is not None:
            tasks.append(self._asking_exposure)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what is not as it should be -------------------------------------------------------------

    def _behind(self, prices: Iterable[PriceImage], *, shut: bool) -> list[PriceImage]:
        """Return the markets that take bets while a goal keeps them shut, or on odds before it."""
        return [
            image
            for image in prices
            if image.status is Status.ACTIVE and (shut or self._known(image) != self._goals)
        ]

    def _known(self, image: PriceImage) -> int:
        """Return how many goals a market's odds know of."""
        held = self._held.get(image.market_no)
        return self._goals_first if held is None else held.goals

    def _left_shut(self, prices: Iterable[PriceImage]) -> bool:
        """Say whether anything is suspended that no goal keeps shut and no score has decided."""
        decided = self.trader.decided(self._state)
        return any(
            image.status is Status.SUSPENDED and image.key not in decided for image in prices
        )

    # --- to the shells ---------------------------------------------------------------------------

    def _reprice(self, state: MatchState, *, suspend: str = "", resume: bool) -> None:
        """Have every shell of the fixture price its markets."""
        self._repriced_s = asyncio.get_running_loop().time()
        if resume:
            self._reopened_s = self._repriced_s
        task = asyncio.create_task(self._send_reprice(state, suspend, resume=resume))
        self._repricing[task] = None
        task.add_done_callback(self._repricing.pop)

    async def _send_reprice(self, state: MatchState, suspend: str, *, resume: bool) -> None:
        try:
            events = await self._session.reprice(
                self.match.match, self.trader.pricing(state), suspend=suspend, resume=resume
            )
        except (ConnectionLostError, RefusedError):
            self.refused += 1
            return
        for event in events:
            if isinstance(event, OddsSet):
                held = self._held.get(event.market_no)
                # Calls may overtake each other: the odds that stand are those of the last version.
                if held is None or event.version > held.version:
                    self._held[event.market_no] = _Held(event.version, len(state.order))
        await self._caught_up(events)

    def _give(self, commands: Sequence[MarketCommand]) -> None:
        """Send each market its commands, in order; one that has not answered yet waits its turn."""
        by_market: dict[int, list[TraderCommand]] = {}
        for command in commands:
            by_market.setdefault(command.market_no, []).append(command)  # type: ignore[union-attr,arg-type]
        for number, listed in by_market.items():
            if number not in self._busy and len(self._busy) < IN_FLIGHT_MAX:
                self._busy[number] = asyncio.create_task(self._send(number, listed))

    async def _send(self, number: int, commands: Sequence[TraderCommand]) -> None:
        try:
            await self._caught_up(await self._session.control(commands))
        except (ConnectionLostError, RefusedError):
            self.refused += 1
        finally:
            del self._busy[number]

    async def _caught_up(self, events: Sequence[MarketEvent]) -> None:
        """Wait a moment for the prices to show what was done, so that it is not done twice."""
        versions: dict[int, int] = {}
        for event in events:
            if isinstance(event, Refused):
                self.refused += 1
            else:
                versions[event.market_no] = event.version  # type: ignore[union-attr]
        for _ in range(int(_PATIENCE_S / _LOOK_S)):
            prices = self._session.prices
            if all(prices[number].version >= version for number, version in versions.items()):
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
