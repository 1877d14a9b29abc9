"""A bettor's session: bets, balance and the account's events.

Owns one method per request. It never reconnects by itself and never sends a bet twice: after
`ConnectionLostError` the caller opens a new session, and either asks `status` for the refs without
an answer or places them again with the same refs. reconnecting_bettor.py does that for callers.

    async with connect("ws://localhost:8480", token=token) as client:
        await client.subscribe(fixtures=["wc22-64"])
        bet = await client.place(ref="a1", market=3, outcome=0, stake_minor=500, odds_milli=2_500)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from engine.common.ids import BetId, MarketNo
from engine.common.reasons import Reason
from engine.common.units import Minor, OddsMilli
from gateway.client.errors import BoundReachedError, RefusedError
from gateway.client.fixtures import FixtureQueries
from gateway.client.received import AccountEvent
from gateway.client.session import BETS_OPEN_MAX
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
    HistoryAnswer,
    OpenBetsAnswer,
    Place,
    PlaceMany,
    PolicyName,
    Selection,
    SlipAnswer,
    SlipView,
    WatchAccount,
    Watching,
)
from gateway.messages.builders import BuildBet, Builder, BuilderLeg
from gateway.messages.each_way import AskEachWay, EachWay
from gateway.messages.slips import BetLines, Leg, PlaceSlip, PolicyOver, SlipBet

_NO_BET: Final = BetId(0)


class BettorSession(FixtureQueries):
    """A bettor's session: bets, balance and the account's events."""

    async def place(
        self,
        *,
        ref: str,
        market: MarketNo,
        outcome: int,
        stake_minor: Minor,
        odds_milli: OddsMilli,
        policy: PolicyName = "none",
    ) -> Bet:
        """Place a bet, and await its answer: accepted, rejected with a reason, or unknown.

        Raises
        ------
        RefusedError
            The message does not fit its schema, or the role may not send it.
        ConnectionLostError
            The session ended first; ask `status` in a new one, or place the bet again.
        BoundReachedError
            Too many bets wait for their answers; this one was not sent.
        """
        future = self.place_nowait(
            ref=ref,
            market=market,
            outcome=outcome,
            stake_minor=stake_minor,
            odds_milli=odds_milli,
            policy=policy,
        )
        if self._connection.paused:
            await self.drain()
        return await future

    def place_nowait(
        self,
        *,
        ref: str,
        market: MarketNo,
        outcome: int,
        stake_minor: Minor,
        odds_milli: OddsMilli,
        policy: PolicyName = "none",
    ) -> "asyncio.Future[Bet]":
        """Place a bet, and return the future of its answer."""
        self._check_room(1)
        self.send(
            Place(
                ref=ref,
                market=MarketNo(market),
                outcome=outcome,
                stake_minor=Minor(stake_minor),
                odds_milli=OddsMilli(odds_milli),
                policy=policy,
            )
        )
        return self._bets.add(ref)

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
    ) -> SlipBet:
        """Place a slip of several legs, and await its answer, as of `place`.

        It may take an `offer` of the house, or have a `free_bet` of the account pay its stake.

        `accumulator`, `named_bet`, `system` and `each_way` make the bets of the usual kinds.

        Raises
        ------
        RefusedError, ConnectionLostError, BoundReachedError
            As of `place`.
        """
        future = self.place_slip_nowait(
            ref=ref,
            legs=legs,
            bets=bets,
            policy=policy,
            policy_over=policy_over,
            offer=offer,
            free_bet=free_bet,
        )
        if self._connection.paused:
            await self.drain()
        return await future

    def place_slip_nowait(
        self,
        *,
        ref: str,
        legs: Sequence[Leg],
        bets: Sequence[BetLines],
        policy: PolicyName = "none",
        policy_over: PolicyOver = "legs",
        offer: int = 0,
        free_bet: int = 0,
    ) -> "asyncio.Future[SlipBet]":
        """Place a slip, and return the future of its answer."""
        self._check_room(1)
        self.send(
            PlaceSlip(
                ref=ref,
                legs=tuple(legs),
                bets=tuple(bets),
                policy=policy,
                policy_over=policy_over,
                offer=offer,
                free_bet=free_bet,
            )
        )
        return self._slips.add(ref)

    async def build_bet(self, legs: Sequence[BuilderLeg]) -> Builder:
        """Return the market that sells some legs of one match together, or why there is none.

        `place` then takes its number, outcome and odds, as those of any market.
        """
        return await self._request(BuildBet, Builder, legs=tuple(legs))

    async def each_way(self, market: MarketNo) -> EachWay:
        """Return the place terms of a win market as they are now, and its place market."""
        return await self._request(AskEachWay, EachWay, market=market)

    def send_place(self, bet: Place) -> None:
        """Place a bet whose answer goes to `on_bet`; the cheapest way to generate load."""
        self.send(bet)

    def send_place_slip(self, slip: PlaceSlip) -> None:
        """Place a slip whose answer goes to `on_slip`, as `send_place` does with a bet."""
        self.send(slip)

    async def place_many(self, bets: Sequence[Selection]) -> list[Bet]:
        """Place independent bets in one message, and await all answers, in the given order."""
        self._check_room(len(bets))
        number = self._number()
        refs = tuple(bet.ref for bet in bets)
        self.send(PlaceMany(id=number, bets=tuple(bets)))
        self._many[number] = refs
        futures = [self._bets.add(ref) for ref in refs]
        try:
            return list(await asyncio.gather(*futures))
        finally:
            self._many.pop(number, None)

    def _check_room(self, bets: int) -> None:
        if self._bets.open + self._slips.open + bets > BETS_OPEN_MAX:
            raise BoundReachedError("bets without an answer", BETS_OPEN_MAX)

    async def status(self, ref: str) -> SlipView | None:
        """Return a bet's slip, or None when the account has no bet with this ref."""
        try:
            answer = await self._request(AskStatus, SlipAnswer, ref=ref)
        except RefusedError as error:
            if error.reason is Reason.BET_UNKNOWN:
                return None
            raise
        return answer.slip

    async def balance(self, *, before_free_bet: int = 0) -> BalanceAnswer:
        """Return the account's balance, with its newest free bets, or those before one."""
        return await self._request(AskBalance, BalanceAnswer, before_free_bet=before_free_bet)

    async def open_bets(self, *, after_bet_id: BetId = _NO_BET, limit: int = 100) -> OpenBetsAnswer:
        """Return a page of bets that are pending or unsettled, oldest first."""
        return await self._request(
            AskOpenBets, OpenBetsAnswer, after_bet_id=after_bet_id, limit=limit
        )

    async def history(self, *, before_bet_id: BetId = _NO_BET, limit: int = 100) -> HistoryAnswer:
        """Return a page of settled bets, newest first; the next one is before its `before_bet_id`.

        There are no others when that is 0. A page may be empty although others follow.
        """
        return await self._request(
            AskHistory, HistoryAnswer, before_bet_id=before_bet_id, limit=limit
        )

    async def watch_account(self, *, on: bool = True) -> Watching:
        """Begin to receive the account's events; with `on` False, stop."""
        return await self._request(WatchAccount, Watching, on=on)

    def events(self) -> AsyncIterator[AccountEvent]:
        """Yield the account's events until the session ends."""
        return self.received.events(lambda: self.lost is not None)
