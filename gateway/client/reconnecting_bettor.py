"""A bettor that outlives its connections and, where asked, finds out what became of every bet.

Owns the rule by which a bet whose answer was lost is sent again: always with the same ref and the
same content, which the account never books twice. It never invents an answer: without a certain one
the bet is `UnresolvedError`.

    async with stay_connected("ws://localhost:8480", token=token) as client:
        bet = await client.place(
            ref="a1", market=3, outcome=0, stake_minor=500, odds_milli=2_500, resolve=True
        )
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from actors.back_off import BackOff
from engine.common.ids import BetId, MarketNo
from engine.common.reasons import Reason
from engine.common.units import Minor, OddsMilli
from gateway.client.bettor import BettorSession
from gateway.client.errors import (
    ConnectionLostError,
    GatewayError,
    RefusedError,
    UnresolvedError,
)
from gateway.client.received import AccountEvent
from gateway.client.reconnecting import ReconnectingClient
from gateway.messages.bettor import (
    BalanceAnswer,
    Bet,
    HistoryAnswer,
    OpenBetsAnswer,
    PolicyName,
    SlipView,
    Watching,
)
from gateway.messages.builders import Builder, BuilderLeg
from gateway.messages.each_way import EachWay
from gateway.messages.slips import BetLines, Leg, PolicyOver, SlipBet

_NO_BET: Final = BetId(0)
_RETRY_MIN_S: Final = 0.1
_RETRY_MAX_S: Final = 1.0
_RETRY_JITTER: Final = 0.5
_PASSING: Final = frozenset(
    {Reason.BUSY, Reason.RATE_LIMITED, Reason.UNAVAILABLE, Reason.UNKNOWN, Reason.QUARANTINED}
)
"""Refusals of a message that say nothing about an earlier sending of the same bet."""


A = TypeVar("A", Bet, SlipBet)


class _Resolution(Generic[A]):
    """One bet or slip on its way to a certain answer."""

    def __init__(
        self,
        client: "ReconnectingBettor",
        ref: str,
        send: Callable[[BettorSession], asyncio.Future[A]],
    ) -> None:
        self.sent = False
        """Whether the bet may have reached a gateway, without a certain answer yet."""
        self.why = "no gateway was reached"
        """Why there is no certain answer yet."""
        self.limit: asyncio.Timeout | None = None
        """What ends it; moved by the time that the bet waits at its market."""
        self.within_s = 0.0
        self._client = client
        self._ref = ref
        self._send: Callable[[BettorSession], asyncio.Future[A]] = send
        self._back_off = BackOff(_RETRY_MIN_S, _RETRY_MAX_S, jitter=_RETRY_JITTER)

    def _waits_s(self, session: BettorSession) -> float:
        """Return for how long the bet still waits at its market, and allow for that time."""
        waits_s = session.waits_s(self._ref)
        if waits_s > -self.within_s and self.limit is not None:
            self.limit.reschedule(asyncio.get_running_loop().time() + waits_s + self.within_s)
        return waits_s

    async def run(self) -> A:
        """Send the bet until its answer is certain."""
        bet: A | None
        while True:
            session = await self._client.connected()
            try:
                bet = await self._round(session)
            except ConnectionLostError as error:
                self.why = str(error)
                session.abort()  # it may be closing still
                await session.wait_lost()
                continue
            except RefusedError as error:
                if not self.sent:
                    raise
                if error.reason not in _PASSING:
                    raise UnresolvedError(self._ref, str(error)) from error
                self.why = str(error)
                bet = None
            if bet is not None:
                return bet
            await asyncio.sleep(self._back_off.failed())

    async def _round(self, session: BettorSession) -> A | None:
        """Send the bet; return its answer when it is certain.

        The account repeats the answer of a bet that is decided, the gateway has a pending one
        decided by its market before the reconciler refuses it as abandoned, and one that the
        account does not know is booked, once.
        """
        sent_before = self.sent
        answer = self._send(session)  # nothing is sent if it raises
        self.sent = True
        try:
            bet = await self._client.answer(session, answer, waits_s=lambda: self._waits_s(session))
        except RefusedError:
            self.sent = sent_before  # this sending was refused as a message
            raise
        if bet.state == "unknown":
            self.why = bet.message
            return None
        if bet.final or bet.reason == Reason.BET_REF_REUSED or not sent_before:
            return bet
        # True of this sending. An earlier one may still be on its way through another gateway.
        self.why = f"{bet.reason}: {bet.message}"
        return None


class ReconnectingBettor(ReconnectingClient[BettorSession]):
    """A bettor's client: bets, balance, the account's events and prices."""

    _watching = False

    async def place(
        self,
        *,
        ref: str,
        market: MarketNo,
        outcome: int,
        stake_minor: Minor,
        odds_milli: OddsMilli,
        policy: PolicyName = "none",
        resolve: bool = False,
        within_s: float | None = None,
    ) -> Bet:
        """Place a bet, and await its answer.

        Parameters
        ----------
        resolve : bool
            False: the bet is sent once, in the present session, and its answer may be `unknown`.
            True: without an answer, or with that one, it is sent again with the same ref, over as
            many connections as it takes, until it is accepted or rejected.
        within_s : float, optional
            How long that may take, `settings.within_s` if not given. The bet may be booked at any
            time until then; `odds_milli` and `policy` guard it against odds that move meanwhile.

        Raises
        ------
        RefusedError
            The message does not fit its schema, or the role may not send it.
        ConnectionLostError
            Without `resolve`: there is no session, or it ended first.
        UnresolvedError
            With `resolve`: there was no certain answer in time, and the bet may be booked.
        BoundReachedError
            Too many requests wait; this bet was not sent.
        """
        fields: dict[str, Any] = {
            "market": market,
            "outcome": outcome,
            "stake_minor": stake_minor,
            "odds_milli": odds_milli,
            "policy": policy,
        }
        if not resolve:
            return await self.session.place(ref=ref, **fields)
        return await self._resolve(
            ref, lambda session: session.place_nowait(ref=ref, **fields), within_s=within_s
        )

    async def place_slip(
        self,
        *,
        ref: str,
        legs: Sequence[Leg],
        bets: Sequence[BetLines],
        policy: PolicyName = "none",
        policy_over: PolicyOver = "legs",
        offer: int = 0,
        free_bet: int = 0,
        resolve: bool = False,
        within_s: float | None = None,
    ) -> SlipBet:
        """Place a slip of several legs, and await its answer; parameters and errors as of `place`.

        `accumulator`, `named_bet`, `system` and `each_way` make the bets of the usual kinds.
        """
        fields: dict[str, Any] = {
            "legs": legs,
            "bets": bets,
            "policy": policy,
            "policy_over": policy_over,
            "offer": offer,
            "free_bet": free_bet,
        }
        if not resolve:
            return await self.session.place_slip(ref=ref, **fields)
        return await self._resolve(
            ref, lambda session: session.place_slip_nowait(ref=ref, **fields), within_s=within_s
        )

    async def build_bet(self, legs: Sequence[BuilderLeg]) -> Builder:
        """Return the market that sells some legs of one match together, or why there is none."""
        return await self._ask(lambda session: session.build_bet(legs))

    async def each_way(self, market: MarketNo) -> EachWay:
        """Return the place terms of a win market as they are now, and its place market."""
        return await self._ask(lambda session: session.each_way(market))

    async def _resolve(
        self,
        ref: str,
        send: Callable[[BettorSession], asyncio.Future[A]],
        *,
        within_s: float | None,
    ) -> A:
        """Send a bet or a slip until its answer is certain."""
        within_s = self.settings.within_s if within_s is None else within_s
        resolution = _Resolution(self, ref, send)
        with self._one_more_waits():
            try:
                async with asyncio.timeout(within_s) as resolution.limit:
                    resolution.within_s = within_s
                    return await resolution.run()
            except TimeoutError:
                why = f"no certain answer within {within_s:g} s; {resolution.why}"
                raise UnresolvedError(ref, why) from None
            except RefusedError:
                raise
            except GatewayError as error:
                if resolution.sent and not isinstance(error, UnresolvedError):
                    raise UnresolvedError(ref, str(error)) from error
                raise

    async def status(self, ref: str) -> SlipView | None:
        """Return a bet's slip, or None when the account has no bet with this ref."""
        return await self._ask(lambda session: session.status(ref))

    async def balance(self, *, before_free_bet: int = 0) -> BalanceAnswer:
        """Return the account's balance, with its newest free bets, or those before one."""
        return await self._ask(lambda session: session.balance(before_free_bet=before_free_bet))

    async def open_bets(self, *, after_bet_id: BetId = _NO_BET, limit: int = 100) -> OpenBetsAnswer:
        """Return a page of bets that are pending or unsettled, oldest first."""
        return await self._ask(
            lambda session: session.open_bets(after_bet_id=after_bet_id, limit=limit)
        )

    async def history(self, *, before_bet_id: BetId = _NO_BET, limit: int = 100) -> HistoryAnswer:
        """Return a page of settled bets, newest first; the next one is before its `before_bet_id`.

        There are no others when that is 0. A page may be empty although others follow.
        """
        return await self._ask(
            lambda session: session.history(before_bet_id=before_bet_id, limit=limit)
        )

    async def watch_account(self, *, on: bool = True) -> Watching:
        """Begin to receive the account's events, in this session and in those to come.

        Events between two sessions are lost: after a reconnection `status`, `balance` and
        `open_bets` say what became of bets.
        """
        answer = await self._ask(lambda session: session.watch_account(on=on))
        self._watching = on
        return answer

    def events(self) -> AsyncIterator[AccountEvent]:
        """Yield the account's events until the client ends."""
        return self.received.events(lambda: self._ended is not None)

    async def _resume(self, session: BettorSession) -> None:
        await super()._resume(session)
        if self._watching:
            await session.watch_account()
