"""The desk that answers whether a fixture's prices allow a sure profit.

Owns whose prices are searched, for how long, and the last answer of each fixture. Never searches on
the event loop, never changes odds, and asks no shell: what clients see is what they can bet on.
"""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from engine.common.reasons import Reason
from engine.common.views import PriceImage
from gateway.messages.arbitrage import Arbitrage, AskArbitrage, LeftOutMarket
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.services.price_fanout import Fanout, Topic

if TYPE_CHECKING:
    from engine.pricing.football.model import MatchState
    from gateway.services.arbitrage_search import Found

    Search = Callable[[list[PriceImage], MatchState, Callable[[], bool]], Found]

FIXTURES_MAX: Final = 64
"""Fixtures whose last answer is kept; past it the one asked for longest ago is searched anew."""
SEARCH_S_MAX: Final = 3.0
"""Seconds that one question may search: a whole board takes a tenth of it. What is not done by then
is answered as left out."""
LINES_MAX: Final = 1_000
"""Markets left out that an answer names."""

_SEARCH: Final = "gateway.services.arbitrage_search"
_REST_S: Final = 0.0005
"""What the search gives way for between two steps: it is plain Python, and bets share its lock."""


class _Kept(NamedTuple):
    versions: tuple[tuple[int, int], ...]
    state: "MatchState"
    found: "Found"


class ArbitrageService:
    """The way from prices to plans.

    One fixture is searched at a time, beside the event loop and not on it; questions meanwhile
    wait. Where no price has moved since the last answer, that is the answer.

    Parameters
    ----------
    fanout : Fanout
        The prices last heard.
    """

    def __init__(self, *, fanout: Fanout) -> None:
        self._fanout = fanout
        self._kept: dict[str, _Kept] = {}
        self._searching = asyncio.Lock()

    async def arbitrage(self, ask: AskArbitrage) -> ServerMessage:
        """Search what the fixture offers for stakes that win whatever the score."""
        module = await asyncio.to_thread(import_module, _SEARCH)
        try:
            state: MatchState = msgspec.convert(ask.state, module.MatchState)
        except msgspec.ValidationError as error:
            return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"state: {error}", id=ask.id)
        async with self._searching:
            topics = [
                topic for topic in self._fanout.topics.values() if topic.fixture == ask.fixture
            ]
            if not topics:
                return Error(
                    code=int(Reason.MARKET_UNKNOWN),
                    message=f"no market of {ask.fixture}",
                    id=ask.id,
                )
            found = await self._search(ask.fixture, topics, state, module.search)
        unheard = [
            LeftOutMarket(market=topic.market_no, key=topic.key, why="unheard")
            for topic in topics
            if topic.prices is None
        ]
        return Arbitrage(
            id=ask.id,
            fixture=ask.fixture,
            markets=found.markets,
            plans=found.plans,
            left_out=(*found.left_out, *unheard)[:LINES_MAX],
        )

    async def _search(
        self, fixture: str, topics: list[Topic], state: "MatchState", search: "Search"
    ) -> "Found":
        """Return what is found at these prices, from memory where nothing has moved."""
        images = [topic.prices for topic in topics if topic.prices is not None]
        versions = tuple((image.market_no, image.version) for image in images)
        kept = self._kept.pop(fixture, None)
        if kept is None or (kept.versions, kept.state) != (versions, state):
            until = _Until(SEARCH_S_MAX)
            try:
                found = await asyncio.to_thread(search, images, state, until)
            finally:
                until.over = True  # whoever asked may be gone, and the thread would go on
            kept = _Kept(versions, state, found)
        if not any(market.why == "time" for market in kept.found.left_out):
            self._kept[fixture] = kept
            if len(self._kept) > FIXTURES_MAX:
                del self._kept[next(iter(self._kept))]
        return kept.found


class _Until:
    """Says, when a search asks, whether it is time to give up."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._end_s = time.monotonic() + seconds

    def __call__(self) -> bool:
        time.sleep(_REST_S)
        return self.over or time.monotonic() >= self._end_s
