"""Boards: which markets may stand on one, and the way from odds in a row back to their quotes.

Owns what every board has in common, whatever prices it. Never prices anything.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from engine.common.commands import Quote
from engine.common.ids import MarketKey, parse_market_key
from engine.pricing.quoting import Quoted

BOARD_MARKETS_MAX: Final = 4096
"""Markets of one board; one with more is refused."""


class Placed(Protocol):
    """A market of a board, and the outcomes it holds in the board's arrays."""

    @property
    def key(self) -> str:
        """The market's key, as it was given."""
        ...

    @property
    def first(self) -> int:
        """Its first outcome's place."""
        ...

    @property
    def last(self) -> int:
        """The place behind its last outcome's."""
        ...


def board_keys(keys: Sequence[str]) -> list[MarketKey]:
    """Return the keys of one fixture's markets, parsed, in their order.

    Raises
    ------
    MalformedIdError
        When a key breaks the grammar of keys.
    ValueError
        When keys repeat, belong to several fixtures, or are none or too many.
    """
    if not 0 < len(keys) <= BOARD_MARKETS_MAX:
        raise ValueError(f"board: from 1 to {BOARD_MARKETS_MAX} markets")
    parsed = [parse_market_key(key) for key in keys]
    if len({str(key) for key in parsed}) != len(parsed):
        raise ValueError("board: a market is named twice")
    if len({key.fixture for key in parsed}) != 1:
        raise ValueError("board: markets of several fixtures")
    return parsed


def quotes_by_key(markets: Iterable[Placed], quoted: Quoted) -> dict[str, tuple[Quote, ...]]:
    """Return each market's quotes out of the odds of all outcomes, in the markets' order."""
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
