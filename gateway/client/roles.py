"""Sessions of bettors, traders and feeds: the requests that each role may send.

Owns one method per request. It never reconnects by itself and never sends a bet twice: after
`ConnectionLostError` the caller opens a new session, and either asks `status` for the refs without
an answer or places them again with the same refs.

    async with connect("ws://localhost:8480", token=token) as client:
        await client.subscribe(fixtures=["wc22-64"])
        bet = await client.place(ref="a1", market=3, outcome=0, stake_minor=500, odds_milli=2_500)
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from types import TracebackType
from typing import Any, Final, Generic, TypeVar

import msgspec

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    LimitsPatch,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResetSource,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import MarketEvent
from engine.common.ids import BetId, MarketNo
from engine.common.reasons import Reason
from engine.common.units import Minor, Nanos, OddsMilli
from gateway.client.session import (
    AccountEvent,
    CodecName,
    ConnectionLostError,
    RefusedError,
    Session,
)
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.bettor import (
    AskBalance,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
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
from gateway.messages.exposure import AskExposure, Exposure
from gateway.messages.feed import (
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedPush,
    FeedPushed,
    FeedRequestDone,
    FeedStats,
)
from gateway.messages.trader import (
    AskBook,
    Book,
    Control,
    Controlled,
    ListMarkets,
    Markets,
    Reprice,
    ResumeAll,
    ResumedAll,
    SuspendAll,
    SuspendedAll,
    TraderCommand,
)

S = TypeVar("S", bound=Session)
_NO_BET: Final = BetId(0)


class BettorSession(Session):
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
            The session ended first; ask `status` in a new one.
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
        return self._expect(ref)

    def send_place(self, bet: Place) -> None:
        """Place a bet whose answer goes to `on_bet`; the cheapest way to generate load."""
        self.send(bet)

    async def place_many(self, bets: Sequence[Selection]) -> list[Bet]:
        """Place independent bets in one message, and await all answers, in the given order."""
        number = self._number()
        refs = tuple(bet.ref for bet in bets)
        self.send(PlaceMany(id=number, bets=tuple(bets)))
        self._many[number] = refs
        futures = [self._expect(ref) for ref in refs]
        try:
            return list(await asyncio.gather(*futures))
        finally:
            self._many.pop(number, None)

    def _expect(self, ref: str) -> "asyncio.Future[Bet]":
        future: asyncio.Future[Bet] = self._loop.create_future()
        if ref in self._bets:
            self._repeats.setdefault(ref, deque()).append(future)
        else:
            self._bets[ref] = future
        return future

    async def status(self, ref: str) -> SlipView | None:
        """Return a bet's slip, or None when the account has no bet with this ref."""
        try:
            answer = await self._request(AskStatus, SlipAnswer, ref=ref)
        except RefusedError as error:
            if error.reason is Reason.BET_UNKNOWN:
                return None
            raise
        return answer.slip

    async def balance(self) -> BalanceAnswer:
        """Return the account's balance."""
        return await self._request(AskBalance, BalanceAnswer)

    async def open_bets(self, *, after_bet_id: BetId = _NO_BET, limit: int = 100) -> OpenBetsAnswer:
        """Return a page of bets that are pending or unsettled, oldest first."""
        return await self._request(
            AskOpenBets, OpenBetsAnswer, after_bet_id=after_bet_id, limit=limit
        )

    async def watch_account(self, *, on: bool = True) -> Watching:
        """Begin to receive the account's events; with `on` False, stop."""
        return await self._request(WatchAccount, Watching, on=on)

    async def events(self) -> AsyncIterator[AccountEvent]:
        """Yield the account's events until the session ends."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self.lost is not None:
                return
            await self._wait_update()


class ControlSession(Session):
    """A trader's, feed's or quant's session: markets, books and commands.

    Each command method returns the market's event, or `Refused` with its reason.
    """

    async def control(self, commands: Sequence[TraderCommand]) -> tuple[MarketEvent, ...]:
        """Run commands; return one event or refusal per command, in their order."""
        answer = await self._request(Control, Controlled, commands=tuple(commands))
        return answer.events

    async def _command(self, command: TraderCommand) -> MarketEvent:
        (event,) = await self.control([command])
        return event

    async def open_market(self, market: MarketNo) -> MarketEvent:
        """Open a market for bets."""
        return await self._command(OpenMarket(market_no=MarketNo(market)))

    async def suspend(self, market: MarketNo, *, why: str = "") -> MarketEvent:
        """Suspend a market: it takes no bets until it is resumed."""
        return await self._command(SuspendMarket(market_no=MarketNo(market), why=why))

    async def resume(self, market: MarketNo) -> MarketEvent:
        """Resume a suspended market."""
        return await self._command(ResumeMarket(market_no=MarketNo(market)))

    async def hand_over(self, market: MarketNo) -> MarketEvent:
        """Suspend a market until another producer sets its odds."""
        return await self._command(HandOverMarket(market_no=MarketNo(market)))

    async def close_market(self, market: MarketNo) -> MarketEvent:
        """Close a market: it never takes bets again."""
        return await self._command(CloseMarket(market_no=MarketNo(market)))

    async def set_odds(self, market: MarketNo, quotes: Sequence[Quote]) -> MarketEvent:
        """Set the odds of some or all outcomes, in one step."""
        return await self._command(SetOdds(market_no=MarketNo(market), quotes=tuple(quotes)))

    async def set_limits(self, market: MarketNo, limits: LimitsPatch) -> MarketEvent:
        """Change the limits of a market that the patch names; the others stay as they are."""
        return await self._command(SetLimits(market_no=MarketNo(market), limits=limits))

    async def settle(self, market: MarketNo, results: Sequence[OutcomeResult]) -> MarketEvent:
        """Settle a market by the results of all outcomes; a second call replaces the first."""
        return await self._command(SettleMarket(market_no=MarketNo(market), results=tuple(results)))

    async def cancel(self, market: MarketNo, *, why: str = "") -> MarketEvent:
        """Cancel a market: every bet is void and refunded."""
        return await self._command(CancelMarket(market_no=MarketNo(market), why=why))

    async def cancel_bets(
        self,
        market: MarketNo,
        *,
        from_ns: Nanos | None = None,
        until_ns: Nanos | None = None,
        why: str = "",
    ) -> MarketEvent:
        """Void the bets placed in a window, UTC nanoseconds; None leaves that side open."""
        return await self._command(
            CancelBets(
                market_no=MarketNo(market),
                from_ns=from_ns,
                until_ns=until_ns,
                why=why,
            )
        )

    async def roll_back_cancel(
        self,
        market: MarketNo,
        *,
        from_ns: Nanos | None = None,
        until_ns: Nanos | None = None,
        why: str = "",
    ) -> MarketEvent:
        """Roll back the cancellation of exactly this window, or of the market."""
        return await self._command(
            RollBackCancel(market_no=MarketNo(market), from_ns=from_ns, until_ns=until_ns, why=why)
        )

    async def roll_back_settlement(self, market: MarketNo, *, why: str = "") -> MarketEvent:
        """Roll back a settlement: payouts are reversed and bets are open again."""
        return await self._command(RollBackSettlement(market_no=MarketNo(market), why=why))

    async def reset_source(
        self, market: MarketNo, source: str, *, position: int = 0
    ) -> MarketEvent:
        """Set how far a market has followed a feed source; 0 lets every message count again."""
        reset = ResetSource(market_no=MarketNo(market), source=source, position=position)
        return await self._command(reset)

    async def suspend_all(self, *, fixture: str = "", why: str = "") -> SuspendedAll:
        """Suspend every market, or every market of a fixture."""
        return await self._request(SuspendAll, SuspendedAll, fixture=fixture, why=why)

    async def resume_all(self, *, fixture: str = "") -> ResumedAll:
        """Undo `suspend_all` for every market, or for a fixture, where nobody else stopped it."""
        return await self._request(ResumeAll, ResumedAll, fixture=fixture)

    async def reprice(
        self, fixture: str, pricing: Any, *, suspend: str = "", resume: bool = False
    ) -> tuple[MarketEvent, ...]:
        """Reprice a fixture's markets inside their shells, in one journal record per shell.

        Parameters
        ----------
        fixture : str
            The fixture whose markets are priced; markets unknown to the model keep their odds.
        pricing : Struct or mapping
            `model`, `state` and optionally `margin` (engine.pricing: MatchModel, MatchState,
            Margin).
        suspend : str
            When not empty, active markets are suspended first, with this reason.
        resume : bool
            Whether suspended markets are resumed afterwards.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `pricing` is unknown or out of bounds.
        """
        document = msgspec.to_builtins(pricing)
        answer = await self._request(
            Reprice, Controlled, fixture=fixture, pricing=document, suspend=suspend, resume=resume
        )
        return answer.events

    async def list_markets(
        self, *, fixture: str = "", after: int = -1, limit: int = 1_000
    ) -> Markets:
        """Return a page of markets, ascending by number."""
        return await self._request(ListMarkets, Markets, fixture=fixture, after=after, limit=limit)

    async def book(self, market: MarketNo) -> Book:
        """Return a market's image with limits and liability per outcome."""
        return await self._request(AskBook, Book, market=market)

    async def exposure(self, fixture: str, pricing: Any = None, *, goals: int = 8) -> Exposure:
        """Return the profit of a football fixture's open bets by score, in base currency.

        Parameters
        ----------
        fixture : str
            The fixture, of football.
        pricing : Struct or mapping
            `state` and `model`, both optional (engine.pricing: MatchState, MatchModel). With a
            state, impossible scores are left out; with a model, the expected profit is answered.
        goals : int
            Further goals of each side that the rows of `profit_minor` cover, 0 to 31.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `pricing` is unknown or out of bounds.
        """
        document = {} if pricing is None else msgspec.to_builtins(pricing)
        return await self._request(
            AskExposure, Exposure, fixture=fixture, pricing=document, goals=goals
        )

    async def arbitrage(self, fixture: str, state: Any = None) -> Arbitrage:
        """Return stakes on a football fixture's outcomes that profit at every score, if any do.

        Parameters
        ----------
        fixture : str
            The fixture, of football.
        state : Struct or mapping
            The match's state (engine.pricing: MatchState): impossible scores need no profit.
            Without it the score is 0:0.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `state` is unknown or out of bounds.
        """
        document = {} if state is None else msgspec.to_builtins(state)
        return await self._request(AskArbitrage, Arbitrage, fixture=fixture, state=document)


class FeedSession(Session):
    """A feed source's session: push a provider's messages, receive recovery requests.

    Recovery requests go to `on_request` after `attach`.
    """

    def push(self, feed: str, bodies: Sequence[bytes]) -> "asyncio.Future[FeedPushed]":
        """Send messages, in order; return the future of their answer, when all are applied.

        After a `RefusedError` or `ConnectionLostError` the caller sends all unanswered messages
        again, in order, in a new session; each still counts once.
        """
        number = self._number()
        future: asyncio.Future[FeedPushed] = self._loop.create_future()
        self._requests[number] = future
        future.add_done_callback(lambda _: self._requests.pop(number, None))
        try:
            self.send(FeedPush(id=number, feed=feed, bodies=tuple(bodies)))
        except ConnectionLostError as error:
            future.set_exception(error)
        return future

    async def attach(self, feed: str) -> FeedAttached:
        """Begin to receive a feed's recovery requests, open ones first."""
        return await self._request(FeedAttach, FeedAttached, feed=feed)

    def request_done(self, feed: str, *, producer: int, request_id: int) -> None:
        """Report that a recovery request was passed to the provider."""
        self.send(FeedRequestDone(feed=feed, producer=producer, request_id=request_id))

    async def stats(self, feed: str) -> FeedStats:
        """Return a feed's statistics."""
        return await self._request(AskFeedStats, FeedStats, feed=feed)


class Opening(Generic[S]):
    """An unopened session: await it, or use it as an asynchronous context manager."""

    def __init__(
        self, session: type[S], url: str, *, token: str, codec: CodecName, **options: Any
    ) -> None:
        self._kind = session
        self._url = url
        self._token = token
        self._codec = codec
        self._options = options
        self._session: S | None = None

    async def _open(self) -> S:
        session = self._kind(self._codec)
        await session.open(self._url, token=self._token, **self._options)
        self._session = session
        return session

    def __await__(self) -> Generator[Any, None, S]:
        return self._open().__await__()

    async def __aenter__(self) -> S:
        return await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()


def connect(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    open_timeout_s: float = 10.0,
) -> Opening[BettorSession]:
    """Open a session on a gateway's bets listener."""
    return Opening(
        BettorSession, url, token=token, codec=codec, origin=origin, open_timeout_s=open_timeout_s
    )


def connect_control(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    origin: str | None = None,
    open_timeout_s: float = 10.0,
) -> Opening[ControlSession]:
    """Open a session on a gateway's control listener."""
    return Opening(
        ControlSession, url, token=token, codec=codec, origin=origin, open_timeout_s=open_timeout_s
    )


def connect_feed(
    url: str,
    *,
    token: str,
    codec: CodecName = "msgpack",
    open_timeout_s: float = 10.0,
) -> Opening[FeedSession]:
    """Open a session on a gateway's feed listener."""
    return Opening(
        FeedSession, url, token=token, codec=codec, origin=None, open_timeout_s=open_timeout_s
    )
