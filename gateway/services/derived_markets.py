"""Find the markets that follow others, and have them created when they are asked for first.

Owns the calls to the shell of the markets that are followed, and to the supervisor. The shell
decides which market is meant, the supervisor how many there may be. Two gateways that ask at once
get one market: the directory has one of a key.
"""

from collections.abc import Callable
from typing import Final

from actors.messages import (
    CreateMarkets,
    DerivedAnswer,
    DerivedRequest,
    MarketRoute,
    decode_derived_answer,
    decode_market_answers,
    encode,
)
from actors.peer import Peer, PeerError, PeerRefusedError
from actors.routes import Routes
from engine.common.commands import CreateMarket
from engine.common.ids import AccountNo, MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import ODDS_MILLI_MIN, OddsMilli
from gateway.market_limits import LIVE, PREMATCH, LimitRules, tighter
from gateway.services.price_fanout import Fanout

_FIRST_ODDS_MILLI: Final = OddsMilli(ODDS_MILLI_MIN)
"""A new market is not on offer: no bet can be placed at these odds."""
_UNAVAILABLE: Final = DerivedAnswer(reason=Reason.UNAVAILABLE, message=MESSAGES[Reason.UNAVAILABLE])


class DerivedMarkets:
    """Markets that follow others, as a gateway finds them.

    Parameters
    ----------
    routes : Routes
        The shells of markets, and how to call them.
    fanout : Fanout
        Receives new markets and their odds.
    limits : LimitRules
        The limits of new markets, which are never above those of the markets that they follow.
    supervisor : callable
        Returns the supervisor that creates markets, None without one.
    timeout_s : float
        Seconds that an answer may take.
    """

    def __init__(
        self,
        *,
        routes: Routes,
        fanout: Fanout,
        limits: LimitRules,
        supervisor: Callable[[], Peer | None],
        timeout_s: float,
    ) -> None:
        self.routes: Final = routes
        self._fanout = fanout
        self._limits = limits
        self._supervisor = supervisor
        self._timeout_s = timeout_s

    async def find(
        self,
        request: DerivedRequest,
        *,
        beside: MarketRoute,
        sport: str,
        account_no: AccountNo | None = None,
    ) -> DerivedAnswer:
        """Return the market that is asked for, created if nobody has asked before; or why not.

        `beside` is a market that it follows, `account_no` the account against whose bound a bet
        builder counts. UNAVAILABLE where its shell or the supervisor is down.
        """
        try:
            answer = await self._ask(beside.shell, request)
            if answer.reason is Reason.ACCEPTED and not answer.market_no:
                reason, message = await self._create(
                    answer,
                    by=request.by,
                    beside=beside.market_no,
                    sport=sport,
                    account_no=account_no,
                )
                if reason is not Reason.ACCEPTED:
                    return DerivedAnswer(reason=reason, message=message)
                answer = await self._ask(beside.shell, request)
        except (PeerError, PeerRefusedError):
            return _UNAVAILABLE
        if answer.reason is Reason.ACCEPTED:
            if answer.image is None:  # created, and its shell has not taken it over yet
                return _UNAVAILABLE
            self._note(answer, shell=beside.shell)
        return answer

    async def _ask(self, shell: str, request: DerivedRequest) -> DerivedAnswer:
        peer = self.routes.peer(shell)
        if peer is None:
            raise PeerError(f"{shell} is down")
        raw = await peer.ask("derive", encode(request), timeout_s=self._timeout_s)
        return decode_derived_answer(raw)

    async def _create(
        self,
        answer: DerivedAnswer,
        *,
        by: str,
        beside: MarketNo,
        sport: str,
        account_no: AccountNo | None,
    ) -> tuple[Reason, str]:
        """Have a market created beside those that it follows; return why not, or ACCEPTED."""
        supervisor = self._supervisor()
        if supervisor is None:
            raise PeerError("no supervisor")
        limits, why = self._limits.of(
            answer.key, sport=sport, phase=LIVE if answer.live else PREMATCH
        )
        command = CreateMarket(
            market_no=MarketNo(0),
            key=answer.key,
            outcomes=answer.outcomes,
            odds_milli=(_FIRST_ODDS_MILLI,) * len(answer.outcomes),
            limits=tighter(limits, answer.limits),
            offered=False,
            limits_why=why,
        )
        payload = encode(
            CreateMarkets(by=by, markets=(command,), beside=beside, account_no=account_no)
        )
        raw = await supervisor.ask("create_markets", payload, timeout_s=self._timeout_s)
        (created,) = decode_market_answers(raw)
        if created.route is not None:
            return Reason.ACCEPTED, ""
        if created.refused is None:
            return Reason.UNAVAILABLE, MESSAGES[Reason.UNAVAILABLE]
        return created.refused.reason, created.refused.message

    def _note(self, answer: DerivedAnswer, *, shell: str) -> None:
        """Take a market over before its route and image arrive, so that the bettor may bet now."""
        route = MarketRoute(market_no=answer.market_no, key=answer.key, shell=shell)
        if route.market_no not in self.routes.markets:
            self.routes.update(version=0, shells=(), markets=(route,), peers={})
        if answer.image is not None:
            self._fanout.take_images((answer.image,))
