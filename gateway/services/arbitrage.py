"""Answer whether a fixture's odds allow arbitrage: stakes that profit at every score.

Owns which markets are searched, for how long, and the last answer of each fixture. It never
searches on the event loop, never changes odds and calls no shell: it searches the odds that clients
see, since those are the odds that they can bet at.
"""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from engine.common.arbitrage_plans import LeftOutMarket
from engine.common.reasons import Reason
from engine.common.views import PriceImage
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.services.price_fanout import Fanout, Topic

if TYPE_CHECKING:
    from engine.pricing.arbitrage.fixture_search import Found
    from engine.pricing.football.model import MatchState

    Search = Callable[[list[PriceImage], MatchState, Callable[[], bool]], Found]

FIXTURES_MAX: Final = 64
"""Fixtures whose last answer is kept; past it the least recently requested one is dropped."""
SEARCH_S_MAX: Final = 3.0
"""Seconds that one request may search; all markets of a fixture take about a tenth of it. Markets
not searched by then are answered as left out."""
LINES_MAX: Final = 1_000
"""Most left-out markets that an answer names."""

_SEARCH: Final = "engine.pricing.arbitrage.fixture_search"
_YIELD_S: Final = 0.0005
"""Seconds that the search sleeps before each step, so that bets get the interpreter lock."""


class _Kept(NamedTuple):
    versions: tuple[tuple[int, int], ...]
    state: "MatchState"
    found: "Found"


class ArbitrageService:
    """Search a fixture's odds for arbitrage.

    One fixture is searched at a time, in a thread; other requests wait. A request finds the last
    answer again while no odds and no state have changed since.

    Parameters
    ----------
    fanout : Fanout
        The odds last received.
    fixtures_max : int
        Fixtures whose last answer is kept.
    clock_s : callable, optional
        Monotonic seconds, for the end of a search; called from its thread.
    """

    def __init__(
        self,
        *,
        fanout: Fanout,
        fixtures_max: int = FIXTURES_MAX,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fanout = fanout
        self._fixtures_max = fixtures_max
        self._clock_s = clock_s
        self._kept: dict[str, _Kept] = {}
        self._searching = asyncio.Lock()

    async def arbitrage(self, request: AskArbitrage) -> ServerMessage:
        """Search the fixture's odds for stakes that profit at every score."""
        module = await asyncio.to_thread(import_module, _SEARCH)
        try:
            state: MatchState = msgspec.convert(request.state, module.MatchState)
        except msgspec.ValidationError as error:
            return Error(
                code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"state: {error}", id=request.id
            )
        async with self._searching:
            topics = [
                topic for topic in self._fanout.topics.values() if topic.fixture == request.fixture
            ]
            if not topics:
                return Error(
                    code=int(Reason.MARKET_UNKNOWN),
                    message=f"no market of {request.fixture}",
                    id=request.id,
                )
            found = await self._search(request.fixture, topics, state, module.search)
        without_prices = [
            LeftOutMarket(market=topic.market_no, key=topic.key, why="unheard")
            for topic in topics
            if topic.prices is None
        ]
        return Arbitrage(
            id=request.id,
            fixture=request.fixture,
            markets=found.markets,
            plans=found.plans,
            left_out=(*found.left_out, *without_prices)[:LINES_MAX],
        )

    async def _search(
        self, fixture: str, topics: list[Topic], state: "MatchState", search: "Search"
    ) -> "Found":
        """Return the result at these odds; the last result where nothing has changed."""
        images = [topic.shown for topic in topics if topic.shown is not None]
        versions = tuple((image.market_no, image.version) for image in images)
        kept = self._kept.pop(fixture, None)
        if kept is None or (kept.versions, kept.state) != (versions, state):
            deadline = _Deadline(SEARCH_S_MAX, self._clock_s)
            try:
                found = await asyncio.to_thread(search, images, state, deadline)
            finally:
                deadline.passed = True  # when the session was cancelled, end the thread too
            kept = _Kept(versions, state, found)
        if not any(market.why == "time" for market in kept.found.left_out):
            self._kept[fixture] = kept
            if len(self._kept) > self._fixtures_max:
                del self._kept[next(iter(self._kept))]
        return kept.found


class _Deadline:
    """Decide before each step of a search whether the search must stop."""

    def __init__(self, seconds: float, clock_s: Callable[[], float]) -> None:
        self.passed = False
        self._clock_s = clock_s
        self._end_s = clock_s() + seconds

    def __call__(self) -> bool:
        time.sleep(_YIELD_S)
        return self.passed or self._clock_s() >= self._end_s
