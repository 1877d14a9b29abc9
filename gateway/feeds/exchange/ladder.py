"""One side of a runner: its price levels, by price or by index, best first.

Owns the levels and their order, and their bounds. It does not know which side it is used for.
Prices are kept as the numbers that the stream sends; thousandths are made on reading.
"""

from itertools import islice
from typing import Final, NamedTuple

from sortedcontainers import SortedList

from engine.common.units import OddsMilli
from gateway.feeds.exchange.messages import Level, Place

LEVELS_MAX: Final = 2_048
"""Levels of one ladder, of which the exchange's own has 350; past it the ladder is cleared and
counted, which leaves the runner without a price on that side."""
PLACES_MAX: Final = 64
"""Levels by index of one side, of which the exchange sends 10; past it they are cleared."""


class PricePoint(NamedTuple):
    """One level of a ladder in our units: odds in thousandths, size in currency."""

    odds_milli: OddsMilli
    size: float


class Ladder:
    """One side of one runner, or the volume traded at each price.

    `levels` maps each price to its size. The prices are kept in order beside it, so that the best
    few are at hand after every message. A reader of all levels has them put into that order too,
    where they stay until a price is added: a level that only changes its size moves nothing.

    Parameters
    ----------
    best_is_high : bool
        Whether the best price is the highest: what is available to back.
    """

    __slots__ = ("_best", "_best_is_high", "_in_order", "_prices", "levels", "ranked_levels")

    def __init__(self, *, best_is_high: bool = False) -> None:
        self._best: tuple[int, tuple[Level, ...]] | None = None
        self._best_is_high = best_is_high
        self._prices: SortedList[float] = SortedList()
        self._in_order = True
        self.levels: dict[float, float] = {}
        self.ranked_levels: tuple[Level, ...] | None = ()

    def take(self, changes: list[Level]) -> bool:
        """Apply changed levels; a size of 0 removes one. Return whether all found room."""
        self.ranked_levels = self._best = None
        levels = self.levels
        if levels:
            self._apply(changes)
        else:
            for price, size in changes:
                if size:
                    levels[price] = size
                else:
                    levels.pop(price, None)
            self._prices.update(levels)  # one sort of a fresh image instead of many insertions
            self._in_order = False
        if len(levels) > LEVELS_MAX:
            self.clear()
            return False
        return True

    def _apply(self, changes: list[Level]) -> None:
        levels, prices = self.levels, self._prices
        for price, size in changes:
            if not size:
                if levels.pop(price, None) is not None:
                    prices.remove(price)
            else:
                if price not in levels:
                    prices.add(price)
                    self._in_order = False
                levels[price] = size

    def clear(self) -> None:
        """Remove every level."""
        self.ranked_levels = self._best = None
        self.levels.clear()
        self._prices.clear()
        self._in_order = True

    def ranked(self) -> tuple[Level, ...]:
        """Return the levels, best first."""
        if self.ranked_levels is None:
            if not self._in_order:
                self.levels = dict(self._first(len(self.levels)))
                self._in_order = True
            self.ranked_levels = tuple(self.levels.items())
        return self.ranked_levels

    def best(self, count: int) -> tuple[Level, ...]:
        """Return the best few levels, best first; they are remembered until a level changes."""
        if self._best is None or self._best[0] != count:
            self._best = count, self._first(count)
        return self._best[1]

    def _first(self, count: int) -> tuple[Level, ...]:
        best_first = reversed(self._prices) if self._best_is_high else iter(self._prices)
        prices = tuple(islice(best_first, count))
        return tuple(zip(prices, map(self.levels.__getitem__, prices), strict=True))


class Places:
    """One side of one runner by level index, as a subscription to best offers sends it."""

    __slots__ = ("levels", "ranked_levels")

    def __init__(self) -> None:
        self.levels: dict[float, Place] = {}
        self.ranked_levels: tuple[Level, ...] | None = None

    def take(self, changes: list[Place]) -> None:
        """Apply changed levels; a size of 0 removes one."""
        self.ranked_levels = None
        for place in changes:
            if place[2] > 0.0:
                self.levels[place[0]] = place
            else:
                self.levels.pop(place[0], None)
        if len(self.levels) > PLACES_MAX:
            self.levels.clear()

    def ranked(self) -> tuple[Level, ...]:
        """Return the levels in the order of their index, best first."""
        if self.ranked_levels is None:
            places = sorted(self.levels.values())
            self.ranked_levels = tuple((price, size) for _, price, size in places)
        return self.ranked_levels


def price_points(levels: tuple[Level, ...]) -> tuple[PricePoint, ...]:
    """Return levels with their prices rounded to the nearest thousandth."""
    return tuple(PricePoint(OddsMilli(round(price * 1_000)), size) for price, size in levels)
