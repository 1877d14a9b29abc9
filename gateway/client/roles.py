"""The client library: sessions of bettors, traders and feeds, for tests, demos and users.

Owns what a caller may ask. It never connects again by itself and never sends a bet twice: after
`ConnectionLostError` the caller opens a new session and asks `status` for the refs that are open,
or places them again with the same ref.

    async with connect("ws://localhost:8480", token=token) as client:
        await client.subscribe(fixtures=["wc22-64"])
        bet = await client.place(ref="a1", market=3, outcome=0, stake_minor=500, odds_milli=2_500)
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

import msgspec

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import MarketEvent
from engine.common.ids import MarketNo
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
    SuspendAll,
    SuspendedAll,
    TraderCommand,
)

S = TypeVar("S", bound=Session)


class BettorSession(Session):
    """A bettor's session: bets, money and the account's events."""

    async def place(
        self,
        *,
        ref: str,
        market: int,
        outcome: int,
        stake_minor: int,
        odds_milli: int,
        policy: PolicyName = "none",
    ) -> Bet:
        """Bet, and await the answer: accepted, rejected with its reason, or unknown.

        Raises
        ------
        RefusedError
            The message was outside its schema, or not allowed.
        ConnectionLostError
            The session ended first; ask `status` in the next one.
        """
        future = self.place_nowait(
            ref=ref,
            market=market,
            outcome=outcome,
            stake_minor=stake_minor,
            odds_milli=odds_milli,
            policy=policy,
        )
        if self._wire.paused:
            await self.drain()
        return await future

    def place_nowait(
        self,
        *,
        ref: str,
        market: int,
        outcome: int,
        stake_minor: int,
        odds_milli: int,
        policy: PolicyName = "none",
    ) -> "asyncio.Future[Bet]":
        """Bet, and return the future of the answer."""
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
        """Bet, and have `on_bet` called with the answer: the cheapest way to make load."""
        self.send(bet)

    async def place_many(self, bets: Sequence[Selection]) -> list[Bet]:
        """Place independent bets in one message, and await all answers, in the order given."""
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
        """Return what became of a bet, or None when the account knows no such ref."""
        try:
            answer = await self._ask(AskStatus, SlipAnswer, ref=ref)
        except RefusedError as error:
            if error.reason is Reason.BET_UNKNOWN:
                return None
            raise
        return answer.slip

    async def balance(self) -> BalanceAnswer:
        """Return the account's money."""
        return await self._ask(AskBalance, BalanceAnswer)

    async def open_bets(self, *, after_bet_id: int = 0, limit: int = 100) -> OpenBetsAnswer:
        """Return a page of bets that are pending or unsettled, oldest first."""
        return await self._ask(AskOpenBets, OpenBetsAnswer, after_bet_id=after_bet_id, limit=limit)

    async def watch_account(self, *, on: bool = True) -> Watching:
        """Begin (or end) to receive the account's events."""
        return await self._ask(WatchAccount, Watching, on=on)

    async def events(self) -> AsyncIterator[AccountEvent]:
        """Yield the account's events, until the session is over."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self.lost is not None:
                return
            await self._wait_update()


class ControlSession(Session):
    """A trader's, feed's or quant's session: markets, books and commands.

    Each command method returns the market's event: what happened, or `Refused` with its reason.
    """

    async def control(self, commands: Sequence[TraderCommand]) -> tuple[MarketEvent, ...]:
        """Run commands; one event or refusal for each, in their order."""
        answer = await self._ask(Control, Controlled, commands=tuple(commands))
        return answer.events

    async def _command(self, command: TraderCommand) -> MarketEvent:
        (event,) = await self.control([command])
        return event

    async def open_market(self, market: int) -> MarketEvent:
        """Begin to take bets."""
        return await self._command(OpenMarket(market_no=MarketNo(market)))

    async def suspend(self, market: int, *, why: str = "") -> MarketEvent:
        """Stop taking bets for a while."""
        return await self._command(SuspendMarket(market_no=MarketNo(market), why=why))

    async def resume(self, market: int) -> MarketEvent:
        """Take bets again."""
        return await self._command(ResumeMarket(market_no=MarketNo(market)))

    async def hand_over(self, market: int) -> MarketEvent:
        """Suspend until another producer's odds come."""
        return await self._command(HandOverMarket(market_no=MarketNo(market)))

    async def close_market(self, market: int) -> MarketEvent:
        """End betting for good."""
        return await self._command(CloseMarket(market_no=MarketNo(market)))

    async def set_odds(self, market: int, quotes: Sequence[Quote]) -> MarketEvent:
        """Set the odds of some or all outcomes, at once."""
        return await self._command(SetOdds(market_no=MarketNo(market), quotes=tuple(quotes)))

    async def set_limits(self, market: int, limits: Limits) -> MarketEvent:
        """Replace a market's limits."""
        return await self._command(SetLimits(market_no=MarketNo(market), limits=limits))

    async def settle(self, market: int, results: Sequence[OutcomeResult]) -> MarketEvent:
        """Settle every outcome, or settle again."""
        return await self._command(SettleMarket(market_no=MarketNo(market), results=tuple(results)))

    async def cancel(self, market: int, *, why: str = "") -> MarketEvent:
        """Void the market: every bet is refunded."""
        return await self._command(CancelMarket(market_no=MarketNo(market), why=why))

    async def cancel_bets(
        self, market: int, *, from_ns: int | None = None, until_ns: int | None = None, why: str = ""
    ) -> MarketEvent:
        """Void the bets placed from one time up to another, UTC nanoseconds; None is open."""
        return await self._command(
            CancelBets(
                market_no=MarketNo(market),
                from_ns=_nanos(from_ns),
                until_ns=_nanos(until_ns),
                why=why,
            )
        )

    async def roll_back_cancel(
        self, market: int, *, from_ns: int | None = None, until_ns: int | None = None, why: str = ""
    ) -> MarketEvent:
        """Take back the cancellation of just this window, or of the market."""
        return await self._command(
            RollBackCancel(
                market_no=MarketNo(market),
                from_ns=_nanos(from_ns),
                until_ns=_nanos(until_ns),
                why=why,
            )
        )

    async def roll_back_settlement(self, market: int, *, why: str = "") -> MarketEvent:
        """Take back the results: payouts are reversed and bets are open again."""
        return await self._command(RollBackSettlement(market_no=MarketNo(market), why=why))

    async def suspend_all(self, *, fixture: str = "", why: str = "") -> SuspendedAll:
        """Suspend every market, or every market of a fixture."""
        return await self._ask(SuspendAll, SuspendedAll, fixture=fixture, why=why)

    async def reprice(
        self, fixture: str, pricing: Any, *, suspend: str = "", resume: bool = False
    ) -> tuple[MarketEvent, ...]:
        """Have a fixture's markets priced in their shells, each shell's as one journal record.

        Parameters
        ----------
        fixture : str
            The fixture whose markets are priced; those the model does not know stay as they are.
        pricing : Struct or mapping
            `model`, `state` and optionally `margin` (engine.pricing: MatchModel, MatchState,
            Margin).
        suspend : str
            When not empty, why active markets are suspended first.
        resume : bool
            Whether suspended markets take bets again afterwards.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `pricing` is unknown or out of bounds.
        """
        document = msgspec.to_builtins(pricing)
        answer = await self._ask(
            Reprice, Controlled, fixture=fixture, pricing=document, suspend=suspend, resume=resume
        )
        return answer.events

    async def list_markets(
        self, *, fixture: str = "", after: int = -1, limit: int = 1_000
    ) -> Markets:
        """Return a page of markets, ascending by number."""
        return await self._ask(ListMarkets, Markets, fixture=fixture, after=after, limit=limit)

    async def book(self, market: int) -> Book:
        """Return a market's image with limits and liability per outcome."""
        return await self._ask(AskBook, Book, market=market)

    async def exposure(self, fixture: str, pricing: Any = None, *, goals: int = 8) -> Exposure:
        """Return what a football fixture's open bets make or lose by score, in base currency.

        Parameters
        ----------
        fixture : str
            The fixture, of football.
        pricing : Struct or mapping
            `state` and `model`, both optional (engine.pricing: MatchState, MatchModel): scores
            that can no longer happen are left out, and with a model the expected profit comes too.
        goals : int
            How many more goals of each side the rows of `profit_minor` reach, 0 to 31.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `pricing` is unknown or out of bounds.
        """
        document = {} if pricing is None else msgspec.to_builtins(pricing)
        return await self._ask(
            AskExposure, Exposure, fixture=fixture, pricing=document, goals=goals
        )

    async def arbitrage(self, fixture: str, state: Any = None) -> Arbitrage:
        """Return stakes on what a football fixture offers that win whatever the score, if any do.

        Parameters
        ----------
        fixture : str
            The fixture, of football.
        state : Struct or mapping
            What has happened (engine.pricing: MatchState): scores that can no longer be need no
            stake. Without it the score is 0:0.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `state` is unknown or out of bounds.
        """
        document = {} if state is None else msgspec.to_builtins(state)
        return await self._ask(AskArbitrage, Arbitrage, fixture=fixture, state=document)


class FeedSession(Session):
    """A source's session: a provider's messages in, and what the provider is to be asked for.

    Wishes come to `on_request` once `attach` was called.
    """

    def push(self, feed: str, bodies: Sequence[bytes]) -> "asyncio.Future[FeedPushed]":
        """Send messages, in order; return the future of their answer, when all are obeyed.

        After a `RefusedError` or `ConnectionLostError` all that is unanswered is to be sent again,
        in order, in another session; it counts once all the same.
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
        """Begin to receive a feed's wishes, those that are open first."""
        return await self._ask(FeedAttach, FeedAttached, feed=feed)

    def request_done(self, feed: str, *, producer: int, request_id: int) -> None:
        """Say that the provider was asked for what a wish wanted."""
        self.send(FeedRequestDone(feed=feed, producer=producer, request_id=request_id))

    async def stats(self, feed: str) -> FeedStats:
        """Return how a feed fares."""
        return await self._ask(AskFeedStats, FeedStats, feed=feed)


class Opening(Generic[S]):
    """A session about to be opened: await it, or use it as an async context."""

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


def _nanos(time_ns: int | None) -> Nanos | None:
    return None if time_ns is None else Nanos(time_ns)
