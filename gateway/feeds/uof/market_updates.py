"""Build the market updates that change a status and nothing else.

Owns this one shape, which bet_stops, fixture changes and the producer watch share.
"""

from engine.common.commands import SetStatus
from engine.common.lifecycle import Status
from gateway.feeds.core.adapter import MARKET_NO_LATER, Mark, MarketUpdate
from gateway.feeds.uof.market_registry import ListedMarket


def status_update(
    listed: ListedMarket, mark: Mark | None, status: Status, why: str
) -> MarketUpdate:
    """Return the update that gives a market a status; `mark` None: no message causes it."""
    step = SetStatus(market_no=MARKET_NO_LATER, status=status, why=why)
    return MarketUpdate(key=listed.market.key, mark=mark, steps=(step,))


def suspension_of(key: str, why: str) -> MarketUpdate:
    """Return the update that suspends a market that is not followed."""
    step = SetStatus(market_no=MARKET_NO_LATER, status=Status.SUSPENDED, why=why)
    return MarketUpdate(key=key, mark=None, steps=(step,))
