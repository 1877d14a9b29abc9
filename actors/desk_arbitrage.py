"""Search the odds of fixtures for arbitrage, for the rules of the desk's watch.

Owns which fixtures wait for a search, and the images that are searched: odds as shells publish
them. A search runs in a thread, one at a time. Whether what it finds is an alert is a rule's
decision (engine.watch.arbitrage).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Final

from msgspec.structs import replace

from engine.common.arbitrage_plans import ArbitragePlan
from engine.common.ids import MarketNo
from engine.common.views import PriceDelta, PriceImage

FIXTURES_A_CHECK_MAX: Final = 4
"""Fixtures that are searched in one check, about one a second; the others wait for the next."""
SEARCH_S_MAX: Final = 1.0
"""Seconds of one search; markets not searched by then are left out."""
_YIELD_S: Final = 0.0005
"""Seconds that a search sleeps before each step, so that the desk goes on meanwhile."""
_SEARCH: Final = "engine.pricing.arbitrage.fixture_search"

logger = logging.getLogger("overround.desk")


class DeskArbitrage:
    """The searches of one desk.

    Parameters
    ----------
    in_scope : callable
        Says whether a rule watches a fixture.
    found : callable
        Takes a fixture and its best plan, None where there is none.
    clock_s : callable
        Monotonic seconds, for the end of a search; called from its thread.
    """

    def __init__(
        self,
        *,
        in_scope: Callable[[str], bool],
        found: Callable[[str, ArbitragePlan | None], None],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._in_scope = in_scope
        self._found = found
        self._clock_s = clock_s
        self._images: dict[str, dict[MarketNo, PriceImage]] = {}
        self._changed: dict[str, None] = {}
        """Fixtures to search, at most all there are; the one that waits longest first."""
        self.running: asyncio.Task[None] | None = None

    def take(self, fixture: str, prices: PriceImage | PriceDelta) -> None:
        """Take a market's odds and state; a change of a market that was never shown is left."""
        images = self._images.setdefault(fixture, {})
        if isinstance(prices, PriceImage):
            images[prices.market_no] = prices
        else:
            image = images.get(prices.market_no)
            if image is None:
                return
            images[prices.market_no] = replace(
                image,
                version=prices.version,
                status=prices.status,
                odds_milli=prices.odds_milli,
                active=prices.active,
            )
        self._changed[fixture] = None

    def search_all(self) -> None:
        """Search every fixture again, in their turns: other rules are set."""
        self._changed |= dict.fromkeys(self._images)

    def begin(self) -> None:
        """Search some of what has changed, if no search runs."""
        if self.running is None or self.running.done():
            taken = self._take()
            if taken:
                work = self._search(taken)
                self.running = asyncio.get_running_loop().create_task(work)

    def stop(self) -> None:
        """Search no more."""
        if self.running is not None:
            self.running.cancel()

    def _take(self) -> list[str]:
        taken: list[str] = []
        for fixture in list(self._changed):
            if len(taken) == FIXTURES_A_CHECK_MAX:
                break
            del self._changed[fixture]
            if self._in_scope(fixture):
                taken.append(fixture)
        return taken

    async def _search(self, fixtures: Iterable[str]) -> None:
        for fixture in fixtures:
            images = list(self._images[fixture].values())
            try:
                plan = await asyncio.to_thread(self._best, images)
            except Exception:  # one fixture's odds that cannot be searched hold up no other
                logger.exception("%s: not searched for arbitrage", fixture)
            else:
                self._found(fixture, plan)

    def _best(self, images: list[PriceImage]) -> ArbitragePlan | None:
        """Return the best plan that profits at every score from 0:0 on; in a thread.

        The present score is not asked for: a plan that profits at all scores is one at any.
        """
        module = import_module(_SEARCH)
        until_s = self._clock_s() + SEARCH_S_MAX

        def stop() -> bool:
            time.sleep(_YIELD_S)
            return self._clock_s() >= until_s

        plans = module.search(images, module.MatchState(), stop).plans
        return plans[0] if plans else None
