"""Answer which market sells some legs of one match together.

Owns the rate at which accounts may ask, and that legs are of one fixture and one shell. The shell
decides which legs go together and at which odds.
"""

import asyncio
from typing import Final

from actors.messages import BuilderRequest, DerivedAnswer, MarketRoute
from engine.common.ids import AccountNo
from engine.common.reasons import MESSAGES, RETRYABLE, Reason
from gateway.messages.builders import BuildBet, Builder, BuilderLeg
from gateway.messages.market import STATUS_NAMES
from gateway.services.derived_markets import DerivedMarkets

ACCOUNTS_MAX: Final = 65_536
"""Accounts whose rate is kept; past it the one that asked longest ago may ask as a new one."""
_SPORT: Final = "football"
_MINUTE_S: Final = 60.0


class BuilderService:
    """Bet builders, as bettors ask for them.

    Parameters
    ----------
    markets : DerivedMarkets
        Finds and creates them.
    a_minute : int
        How many an account may ask for in a minute, and at once.
    """

    def __init__(self, markets: DerivedMarkets, *, a_minute: int) -> None:
        self._markets = markets
        self._a_minute = a_minute
        self._left: dict[AccountNo, tuple[float, float]] = {}
        """By account, how many it might ask for at a time of the loop's clock."""

    async def build(self, account_no: AccountNo, by: str, request: BuildBet) -> Builder:
        """Return the market that sells some legs, created if nobody has asked for them before."""
        if not self._within_rate(account_no):
            return _refused(request, Reason.RATE_LIMITED)
        markets: list[MarketRoute] = []
        for leg in request.legs:
            route = self._markets.routes.markets.get(leg.market)
            if route is None:
                return _refused(request, Reason.MARKET_UNKNOWN, (leg,))
            markets.append(route)
        first = markets[0]
        for leg, route in zip(request.legs, markets, strict=True):
            if route.key.partition("/")[0] != first.key.partition("/")[0]:
                message = "they are of different fixtures"
                return _refused(request, Reason.LEGS_NOT_JOINED, (request.legs[0], leg), message)
            if route.shell != first.shell:
                message = "their markets are in different shells (supervisor.markets_per_actor)"
                return _refused(request, Reason.LEGS_NOT_JOINED, (request.legs[0], leg), message)
        asked = BuilderRequest(by=by, legs=tuple((leg.market, leg.outcome) for leg in request.legs))
        answer = await self._markets.find(asked, beside=first, sport=_SPORT, account_no=account_no)
        return _message(request, answer)

    def _within_rate(self, account_no: AccountNo) -> bool:
        now_s = asyncio.get_running_loop().time()
        left, at_s = self._left.pop(account_no, (float(self._a_minute), now_s))
        left = min(float(self._a_minute), left + (now_s - at_s) * self._a_minute / _MINUTE_S)
        within = left >= 1.0
        self._left[account_no] = (left - within, now_s)
        if len(self._left) > ACCOUNTS_MAX:
            del self._left[next(iter(self._left))]
        return within


def _message(request: BuildBet, answer: DerivedAnswer) -> Builder:
    legs = tuple(BuilderLeg(market=no, outcome=outcome) for no, outcome in answer.legs)
    image = answer.image
    if image is None:
        return _refused(request, answer.reason, legs, answer.message)
    return Builder(
        id=request.id,
        market=image.market_no,
        outcome=answer.outcome,
        key=image.key,
        odds_milli=image.odds_milli[answer.outcome],
        status=STATUS_NAMES[image.status],
        offered=image.active[answer.outcome],
        version=image.version,
        legs=legs,
        implied=tuple(BuilderLeg(market=no, outcome=at) for no, at in answer.implied),
    )


def _refused(
    request: BuildBet, reason: Reason, legs: tuple[BuilderLeg, ...] = (), message: str = ""
) -> Builder:
    return Builder(
        id=request.id,
        legs=legs,
        reason=int(reason),
        message=message or MESSAGES[reason],
        retryable=reason in RETRYABLE,
    )
