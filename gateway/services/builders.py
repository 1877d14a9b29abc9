"""Answer which market sells some legs of one match together, and have it created at first.

Owns the rate at which accounts may ask, and the calls to the legs' shell and to the supervisor. The
shell decides which legs go together and at which odds; the supervisor how many builders there may
be. Two gateways that ask for the same legs at once get one market: the directory has one of a key.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from actors.messages import (
    BuilderAnswer,
    BuilderRequest,
    CreateMarkets,
    MarketRoute,
    decode_builder_answer,
    decode_market_answers,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import CreateMarket
from engine.common.ids import AccountNo, MarketNo
from engine.common.reasons import MESSAGES, RETRYABLE, Reason
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from gateway.market_limits import LIVE, PREMATCH, LimitRules, tighter
from gateway.messages.builders import BuildBet, Builder, BuilderLeg
from gateway.messages.market import STATUS_NAMES
from gateway.services.price_fanout import Fanout
from gateway.settings import GatewaySettings

ACCOUNTS_MAX: Final = 65_536
"""Accounts whose rate is kept; past it the one that asked longest ago may ask as a new one."""
_YES: Final = "yes"
_SPORT: Final = "football"
_FIRST_ODDS_MILLI: Final = OddsMilli(ODDS_MILLI_MIN)
"""A new builder is not on offer: no bet can be placed at these odds."""
_MINUTE_S: Final = 60.0


class BuilderService:
    """Bet builders, as bettors ask for them.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    fanout : Fanout
        Receives new builders and their odds.
    settings : GatewaySettings
        The rate, and how long an answer may take.
    limits : LimitRules
        The limits of new builders, which are never above their legs'.
    supervisor : callable
        Returns the supervisor that creates markets, None without one.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        fanout: Fanout,
        settings: GatewaySettings,
        limits: LimitRules,
        supervisor: Callable[[], Peer | None],
    ) -> None:
        self._routes = routes
        self._fanout = fanout
        self._limits = limits
        self._supervisor = supervisor
        self._timeout_s = settings.control_timeout_ms / 1_000
        self._a_minute = settings.builders_a_minute
        self._left: dict[AccountNo, tuple[float, float]] = {}
        """By account, how many it might ask for at a time of the loop's clock."""

    async def build(self, account_no: AccountNo, by: str, request: BuildBet) -> Builder:
        """Return the market that sells some legs, created if nobody has asked for them before."""
        if not self._within_rate(account_no):
            return _refused(request, Reason.RATE_LIMITED)
        markets: list[MarketRoute] = []
        for leg in request.legs:
            route = self._routes.markets.get(leg.market)
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
        try:
            answer = await self._ask(first.shell, asked)
            if answer.reason is Reason.ACCEPTED and not answer.market_no:
                reason, message = await self._create(answer, by=by, beside=first.market_no)
                if reason is not Reason.ACCEPTED:
                    return _refused(request, reason, message=message)
                answer = await self._ask(first.shell, asked)
        except (PeerError, PeerRefusedError):
            return _refused(request, Reason.UNAVAILABLE)
        if answer.reason is Reason.ACCEPTED and answer.market_no:
            self._note(answer, shell=first.shell)
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

    async def _ask(self, shell: str, request: BuilderRequest) -> BuilderAnswer:
        peer = self._routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        raw = await peer.ask("build", encode(request), timeout_s=self._timeout_s)
        return decode_builder_answer(raw)

    async def _create(
        self, answer: BuilderAnswer, *, by: str, beside: MarketNo
    ) -> tuple[Reason, str]:
        """Have a builder created beside its legs; return why not, or ACCEPTED."""
        supervisor = self._supervisor()
        if supervisor is None:
            raise PeerError("no supervisor")
        phase = LIVE if answer.live else PREMATCH
        limits, why = self._limits.of(answer.key, sport=_SPORT, phase=phase)
        command = CreateMarket(
            market_no=MarketNo(0),
            key=answer.key,
            outcomes=(_YES,),
            odds_milli=(_FIRST_ODDS_MILLI,),
            limits=tighter(limits, answer.limits),
            offered=False,
            limits_why=why,
        )
        payload = encode(CreateMarkets(by=by, markets=(command,), beside=beside))
        raw = await supervisor.ask("create_markets", payload, timeout_s=self._timeout_s)
        (created,) = decode_market_answers(raw)
        if created.route is None:
            refused = created.refused
            if refused is None:
                return Reason.UNAVAILABLE, MESSAGES[Reason.UNAVAILABLE]
            return refused.reason, refused.message
        return Reason.ACCEPTED, ""

    def _note(self, answer: BuilderAnswer, *, shell: str) -> None:
        """Take a market over before its route and image arrive, so that the bettor may bet now."""
        route = MarketRoute(market_no=answer.market_no, key=answer.key, shell=shell)
        if route.market_no not in self._routes.markets:
            self._routes.update(version=0, shells=(), markets=(route,), peers={})
        if answer.image is not None:
            self._fanout.take_images((answer.image,))


def _message(request: BuildBet, answer: BuilderAnswer) -> Builder:
    legs = tuple(BuilderLeg(market=no, outcome=outcome) for no, outcome in answer.legs)
    if answer.reason is not Reason.ACCEPTED:
        return _refused(request, answer.reason, legs, answer.message)
    image = answer.image
    if image is None:  # created, and its shell has not taken it over yet
        return _refused(request, Reason.UNAVAILABLE)
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
