"""Answer the place terms of a race, and which place market pays them.

Owns nothing durable: the win market's shell has the terms, by the runners left.
"""

from typing import Final

from actors.messages import DerivedAnswer, PlaceMarketRequest
from engine.common.reasons import MESSAGES, RETRYABLE, Reason
from gateway.messages.each_way import AskEachWay, EachWay
from gateway.messages.market import STATUS_NAMES
from gateway.services.derived_markets import DerivedMarkets

_SPORT: Final = "race"


class EachWayService:
    """Place terms, as bettors ask for them.

    Parameters
    ----------
    markets : DerivedMarkets
        Finds place markets, and has them created.
    """

    def __init__(self, markets: DerivedMarkets) -> None:
        self._markets = markets

    async def terms(self, by: str, request: AskEachWay) -> EachWay:
        """Return the terms of a win market, and its place market, created at the first request."""
        win = self._markets.routes.markets.get(request.market)
        if win is None:
            reason = Reason.MARKET_UNKNOWN
            return _message(request, DerivedAnswer(reason=reason, message=MESSAGES[reason]))
        asked = PlaceMarketRequest(by=by, market_no=win.market_no)
        return _message(request, await self._markets.find(asked, beside=win, sport=_SPORT))


def _message(request: AskEachWay, answer: DerivedAnswer) -> EachWay:
    image = answer.image
    if image is None:
        return EachWay(
            id=request.id,
            reason=int(answer.reason),
            message=answer.message,
            retryable=answer.reason in RETRYABLE,
        )
    return EachWay(
        id=request.id,
        market=image.market_no,
        key=image.key,
        places=answer.places,
        odds_num=answer.odds_num,
        odds_den=answer.odds_den,
        odds_milli=image.odds_milli,
        active=image.active,
        status=STATUS_NAMES[image.status],
        version=image.version,
    )
