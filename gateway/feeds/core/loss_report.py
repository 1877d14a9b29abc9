"""Report the markets that a feed names and that are not offered or not settled here.

Owns what of it was logged. The adapter says which of the feed's markets it cannot follow, the
creation of markets which were refused, and the status steps which were opened.
"""

import logging
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from gateway.feeds.core.adapter import Adapter
from gateway.feeds.core.market_creation import MarketCreation
from gateway.feeds.core.opened_markets import OpenedMarkets

logger = logging.getLogger("overround.feeds")

SHOWN_MAX: Final = 100
"""Markets of each list in statistics: the newest that are lost, the first that were not opened."""
LOGGED_IN_TICK_MAX: Final = 20
"""Lost markets that one tick logs; how many more there are is logged too."""
UNOPENED_EVERY_S: Final = 60.0
"""Seconds between two warnings that a feed has opened no market."""


class LossReport:
    """The lost and the unopened markets of one feed.

    Parameters
    ----------
    name : str
        The pipeline's name, for logs.
    adapter : callable
        Returns the feed's adapter.
    opened : OpenedMarkets
        Which markets were opened.
    creation : MarketCreation
        Which markets could not be created.
    """

    def __init__(
        self,
        *,
        name: str,
        adapter: Callable[[], Adapter],
        opened: OpenedMarkets,
        creation: MarketCreation,
    ) -> None:
        self._name: Final = name
        self._adapter: Final = adapter
        self._opened: Final = opened
        self._creation: Final = creation
        self._logged: dict[str, str] = {}
        self._unopened_s: float | None = None

    def stats(self) -> dict[str, Any]:
        """Return the figures by the names of `FeedStats`."""
        lost = list(self._lost().items())[-SHOWN_MAX:]
        return {"opened": len(self._opened), "unopened": self._unopened(), "lost": dict(lost)}

    def log_new(self, *, now_s: float) -> None:
        """Log markets that were lost since the last call, and a feed that opens none."""
        lost = self._lost()
        new = [market for market, why in lost.items() if self._logged.get(market) != why]
        for market in new[:LOGGED_IN_TICK_MAX]:
            logger.warning("%s: %s: %s", self._name, market, lost[market])
        if len(new) > LOGGED_IN_TICK_MAX:
            logger.warning("%s: %d more lost", self._name, len(new) - LOGGED_IN_TICK_MAX)
        self._logged = lost
        if len(self._opened):
            return
        if self._unopened_s is None:
            self._unopened_s = now_s
        if now_s - self._unopened_s < UNOPENED_EVERY_S:
            return
        self._unopened_s = now_s
        for market, why in islice(self._unopened().items(), 1):
            logger.warning("%s: no market is opened yet; %s: %s", self._name, market, why)

    def _lost(self) -> dict[str, str]:
        refused: Mapping[str, str] = self._creation.refused
        kept = islice(refused.items(), max(0, len(refused) - SHOWN_MAX), None)
        whys = {key: f"not created: {why.removeprefix(f'{key}: ')}" for key, why in kept}
        return {**self._adapter().lost(), **whys}

    def _unopened(self) -> dict[str, str]:
        unmade = islice(self._adapter().unopened().items(), SHOWN_MAX)
        return dict(islice({**self._opened.unopened(SHOWN_MAX), **dict(unmade)}.items(), SHOWN_MAX))
