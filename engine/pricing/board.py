"""Check a board's market keys, and split arrays of odds into each market's quotes.

A board is a set of markets of one fixture that are priced in one pass. Owns what the boards of all
sports share; never prices anything.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from engine.common.commands import Quote
from engine.common.ids import MarketKey, parse_market_key
from engine.pricing.quoting import Quoted

BOARD_MARKETS_MAX: Final = 4096
"""Markets of one board; a board with more is refused."""


class BoardMarket(Protocol):
    """A market's key and the range ``first:last`` of its outcomes in the board's arrays."""

    @property
    def key(self) -> str:
        """The market's key, as the caller gave it."""
        ...

    @property
    def first(self) -> int:
        """Index of the market's first outcome."""
        ...

    @property
    def last(self) -> int:
        """One past the index of the market's last outcome."""
        ...


def board_keys(keys: Sequence[str]) -> list[MarketKey]:
    """Parse the market keys of one fixture; the order is kept.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    ValueError
        When a key repeats, when keys belong to several fixtures, or when there are none or more
        than `BOARD_MARKETS_MAX`.
    """
    if not 0 < len(keys) <= BOARD_MARKETS_MAX:
        raise ValueError(f"board: from 1 to {BOARD_MARKETS_MAX} markets")
    parsed = [parse_market_key(key) for key in keys]
    if len({str(key) for key in parsed}) != len(parsed):
        raise ValueError("board: a market key occurs twice")
    if len({key.fixture for key in parsed}) != 1:
        raise ValueError("board: markets of several fixtures")
    return parsed


def quotes_by_key(markets: Iterable[BoardMarket], quoted: Quoted) -> dict[str, tuple[Quote, ...]]:
    """Split the odds of all outcomes into each market's quotes, in the markets' order."""
    odds_milli, offered = quoted.odds_milli.tolist(), quoted.offered.tolist()
    return {
        market.key: tuple(
            [
                Quote(outcome=k - market.first, odds_milli=odds_milli[k], active=offered[k])
                for k in range(market.first, market.last)
            ]
        )
        for market in markets
    }
