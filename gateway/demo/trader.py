"""The demo's trader: one control session that keeps a fixture's markets in the right state.

Owns the commands that follow from the match clock. The shells price, so a goal is one message. At
every step the trader compares the state that each market should have with the state it shows, so a
market whose process was down gets its commands when the process is back.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from engine.common.commands import CloseMarket, MarketCommand
from engine.common.events import MarketEvent, OddsSet, Refused
from engine.common.ids import MarketNo
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

BOOKS_PER_POLL_MAX: Final = 16
"""Books requested at a time; that of the first market is always among them."""
IN_FLIGHT_MAX: Final = 32
"""Markets with commands in flight; the others wait for the next step."""
_POLL_S: Final = 0.02
_RETRY_S: Final = 0.25
"""Seconds between two attempts to reopen markets that stayed suspended."""
_PATIENCE_S: Final = 1.0
"""Longest wait for an answer, and for the prices that show its effect, in seconds."""
_NO_TRADE: Final = frozenset({Status.SETTLED, Status.CANCELLED})


class _Held(NamedTuple):
    """The version of a market's odds, and the number of goals they take into account."""

    version: int
    goals: int


class Trader:
    """Follow a match and command its markets.

    Parameters
    ----------
    match : MatchTimeline
        The match that is played.
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
        """Profit and loss of the fixture's open bets by score, as last received."""
        self.refused = 0
        self._keys: Final = tuple(keys)
        self._session = session
        self._state: MatchState = match.state_at(-1)
        self._goals_first = -1
        """Goals at the first step: odds not repriced since may take as many into account."""
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
        """The markets' images as the gateway sent them, in the catalogue's order."""
        by_key = {market.key: market for market in self._session.prices.values()}
        return [image_of(by_key[key]) for key in self._keys if key in by_key]

    async def follow(self, *, deadline_s: float = 30.0) -> None:
        """Subscribe, and wait until the image of every market has arrived.

        Raises
        ------
        TimeoutError
            When one does not arrive in time.
        """
        async with asyncio.timeout(deadline_s):
            await self._session.subscribe(fixtures=[self.match.match])
            while len(self.prices) < len(self._keys):
                await asyncio.sleep(_POLL_S)

    async def prepare(self, played_s: float) -> None:
        """Price every market before betting begins: a shell's first pricing takes a second.

        The markets are stopped meanwhile, because the opening odds may be far from the match's and
        a leap of the odds while bets are taken is refused.
        """
        state = self._state = self.match.regular_state_at(played_s)
        resume = not self.shut(played_s)
        await asyncio.gather(
            self._send_reprice(state, "first prices", resume=resume), self.on_exposure(state)
        )

    def shut(self, played_s: float) -> bool:
        """Say whether a recent goal keeps the markets suspended."""
        return any(
            goal.played_s <= played_s < goal.played_s + SUSPENDED_S
            for goal in self.match.regular_goals
        )

    def step(self, played_s: float, *, reprice: bool) -> None:
        """Command every market whose state is wrong at this second of play.

        Parameters
        ----------
        played_s : float
            The match clock.
        reprice : bool
            Move odds as well; otherwise only suspend, and only reopen after a goal.
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
        self._command(self.trader.close(state, prices))
        self._command(self.trader.suspend(self._on_old_odds(prices, shut=shut), why="goal"))
        reopen = not shut and now_s - self._reopened_s >= _RETRY_S and self._left_suspended(prices)
        if reprice or reopen:
            self._reprice(state, resume=not shut)

    async def settle(self, *, deadline_s: float) -> list[str]:
        """Close and settle all markets, repeat where no answer came; return the unsettled ones."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + deadline_s
        while left := self.settle_step():
            if loop.time() >= until_s:
                break
            await asyncio.sleep(_POLL_S)
        return [f"{image.key} ({image.status.name.lower()})" for image in left]

    def settle_step(self) -> list[PriceImage]:
        """Command every market that is not settled to close and settle; return these markets."""
        state = self._state = self.match.regular_state_at(self.match.regular_s)
        left = [image for image in self.prices if image.status not in _NO_TRADE]
        self._command(self.trader.settle(state, left))
        return left

    def close_step(self) -> list[PriceImage]:
        """Close every market that still takes bets; return those that have no result yet."""
        self._state = self.match.regular_state_at(self.match.regular_s)
        left = [image for image in self.prices if image.status not in _NO_TRADE]
        self._command(
            [
                CloseMarket(market_no=image.market_no)
                for image in left
                if image.status is not Status.CLOSED
            ]
        )
        return left

    def ask_books(self) -> None:
        """Request the book of the first market and, in turn, of some others."""
        numbers = [image.market_no for image in self.prices]
        at, self._next_book = self._next_book, self._next_book + BOOKS_PER_POLL_MAX - 1
        turn = [numbers[(at + k) % len(numbers)] for k in range(BOOKS_PER_POLL_MAX - 1)]
        for number in dict.fromkeys([*numbers[:1], *turn]):
            if number not in self._asking:
                self._asking[number] = asyncio.create_task(self._ask_book(number))

    def ask_exposure(self) -> None:
        """Request the fixture's exposure in the background, one request at a time.

        Nothing is requested after regular time: one score is left, and no exposure.
        """
        if self._state.over(Scope.REGULAR):
            return
        if self._asking_exposure is None or self._asking_exposure.done():
            self._asking_exposure = asyncio.create_task(self.on_exposure(self._state))

    async def on_exposure(self, state: MatchState) -> None:
        """Request the fixture's exposure in a state; without an answer the last one is kept."""
        outlook = Outlook(state=state, model=self.trader.model)
        try:
            self.exposure = await self._session.exposure(self.match.match, outlook, goals=0)
        except (ConnectionLostError, RefusedError):
            self.refused += 1

    async def close(self) -> None:
        """Cancel what is in progress."""
        tasks = [*self._busy.values(), *self._asking.values(), *self._repricing]
        if self._asking_exposure is not None:
            tasks.append(self._asking_exposure)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- comparing states -------------------------------------------------------------

    def _on_old_odds(self, prices: Iterable[PriceImage], *, shut: bool) -> list[PriceImage]:
        """Return active markets that should be suspended, or whose odds precede the last goal."""
        return [
            image
            for image in prices
            if image.status is Status.ACTIVE and (shut or self._goals_known(image) != self._goals)
        ]

    def _goals_known(self, image: PriceImage) -> int:
        """Return how many goals a market's odds take into account."""
        held = self._held.get(image.market_no)
        return self._goals_first if held is None else held.goals

    def _left_suspended(self, prices: Iterable[PriceImage]) -> bool:
        """Say whether a market is suspended that neither a goal nor the score keeps so."""
        decided = self.trader.decided(self._state)
        return any(
            image.status is Status.SUSPENDED and image.key not in decided for image in prices
        )

    # --- to the shells ---------------------------------------------------------------------------

    def _reprice(self, state: MatchState, *, suspend: str = "", resume: bool) -> None:
        """Send a reprice to every shell that hosts the fixture."""
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
                # Answers may overtake each other: the highest version holds.
                if held is None or event.version > held.version:
                    self._held[event.market_no] = _Held(event.version, len(state.order))
        await self._wait_for_prices(events)

    def _command(self, commands: Sequence[MarketCommand]) -> None:
        """Send each market its commands in order; skip markets that have not answered yet."""
        by_market: dict[int, list[TraderCommand]] = {}
        for command in commands:
            by_market.setdefault(command.market_no, []).append(command)  # type: ignore[union-attr,arg-type]
        for number, listed in by_market.items():
            if number not in self._busy and len(self._busy) < IN_FLIGHT_MAX:
                self._busy[number] = asyncio.create_task(self._send(number, listed))

    async def _send(self, number: int, commands: Sequence[TraderCommand]) -> None:
        try:
            await self._wait_for_prices(await self._session.control(commands))
        except (ConnectionLostError, RefusedError):
            self.refused += 1
        finally:
            del self._busy[number]

    async def _wait_for_prices(self, events: Sequence[MarketEvent]) -> None:
        """Wait until the prices show the commands' effect, so that no command is sent twice."""
        versions: dict[int, int] = {}
        for event in events:
            if isinstance(event, Refused):
                self.refused += 1
            else:
                versions[event.market_no] = event.version  # type: ignore[union-attr]
        for _ in range(int(_PATIENCE_S / _POLL_S)):
            prices = self._session.prices
            if all(prices[number].version >= version for number, version in versions.items()):
                return
            await asyncio.sleep(_POLL_S)

    async def _ask_book(self, number: MarketNo) -> None:
        try:
            self.books[number] = await self._session.book(number)
        except (ConnectionLostError, RefusedError) as error:
            gone = isinstance(error, ConnectionLostError)
            if gone or error.reason is not Reason.UNAVAILABLE:
                self.refused += 1
        finally:
            del self._asking[number]
