"""Sessions of traders and feeds: the requests that each role may send.

Owns one method per request; bettor.py has the bettors'. It never reconnects by itself and never
sends a command twice.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    Deduction,
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
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import MarketEvent
from engine.common.ids import AccountNo, MarketNo
from engine.common.offers import OfferRule
from engine.common.previews import ExpectedMarket
from engine.common.units import Minor, Nanos
from gateway.client.acceptance import AcceptanceRequests
from gateway.client.books import BookRequests
from gateway.client.corrections import CorrectionRequests
from gateway.client.desk import DeskRequests
from gateway.client.errors import ConnectionLostError
from gateway.client.fixtures import FixtureCommands
from gateway.client.floor import FloorRequests
from gateway.client.kept_scopes import KeptScopeRequests
from gateway.client.session import Session
from gateway.client.stops import StopRequests
from gateway.client.system import SystemRequests
from gateway.client.watching import WatchRequests
from gateway.messages.account_bounds import AccountBounded, BoundAccount
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
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
from gateway.messages.offers import (
    FreeBetGiven,
    GiveFreeBet,
    ListOffers,
    OfferPut,
    Offers,
    PutOffer,
)
from gateway.messages.races import SettleRace
from gateway.messages.trader import (
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


class ControlSession(
    AcceptanceRequests,
    BookRequests,
    CorrectionRequests,
    DeskRequests,
    FixtureCommands,
    FloorRequests,
    KeptScopeRequests,
    StopRequests,
    SystemRequests,
    WatchRequests,
):
    """A trader's, feed's or quant's session: markets, books and commands.

    Each command method returns the market's event, or `Refused` with its reason.
    """

    async def control(
        self, commands: Sequence[TraderCommand], *, expected: Sequence[ExpectedMarket] = ()
    ) -> tuple[MarketEvent, ...]:
        """Run commands; return one event or refusal per command, in their order.

        One by which bets are paid is refused (955) where its market is not as `expected` any more.
        """
        answer = await self._request(
            Control, Controlled, commands=tuple(commands), expected=tuple(expected)
        )
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

    async def set_odds(
        self, market: MarketNo, quotes: Sequence[Quote], *, override: bool = False
    ) -> MarketEvent:
        """Set the odds of some or all outcomes, in one step.

        Odds that look like a mistake are refused, with the figure; `override` says that they are
        meant as they are.
        """
        return await self._command(
            SetOdds(market_no=MarketNo(market), quotes=tuple(quotes), override=override)
        )

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

    async def begin_play(self, market: MarketNo, *, from_ns: Nanos | None = None) -> MarketEvent:
        """Note that a market's match is in play, since a time (UTC nanoseconds) or now."""
        since = UNSET if from_ns is None else from_ns
        return await self._command(BeginPlay(market_no=MarketNo(market), from_ns=since))

    async def pay_early(
        self, market: MarketNo, *, outcome: int, lead: int, until_ns: Nanos | None = None
    ) -> MarketEvent:
        """Say that an outcome's side leads by so much: offers pay what was placed before it."""
        until = UNSET if until_ns is None else until_ns
        pay = PayEarly(market_no=MarketNo(market), outcome=outcome, lead=lead, until_ns=until)
        return await self._command(pay)

    async def reset_source(
        self, market: MarketNo, source: str, *, position: int = 0
    ) -> MarketEvent:
        """Set how far a market has followed a feed source; 0 lets every message count again."""
        reset = ResetSource(market_no=MarketNo(market), source=source, position=position)
        return await self._command(reset)

    async def suspend_all(self, *, fixture: str = "", why: str = "") -> SuspendedAll:
        """Suspend every market, or every market of a fixture."""
        return await self._request(SuspendAll, SuspendedAll, fixture=fixture, why=why)

    async def resume_all(self, *, fixture: str = "", force: bool = False) -> ResumedAll:
        """Undo one's own `suspend_all`, of a fixture or all; with `force` everybody's."""
        return await self._request(ResumeAll, ResumedAll, fixture=fixture, force=force)

    async def settle_race(
        self,
        market: MarketNo,
        order: Sequence[Sequence[str]],
        *,
        withdrawn: Sequence[str] = (),
        deductions: Sequence[Deduction] = (),
    ) -> tuple[MarketEvent, ...]:
        """Settle a race's win and place markets by its order of finish, dead heats together.

        Returns
        -------
        tuple of MarketEvent
            An event or refusal for the win market, then for each place market.
        """
        controlled = await self._request(
            SettleRace,
            Controlled,
            market=MarketNo(market),
            order=tuple(map(tuple, order)),
            withdrawn=tuple(withdrawn),
            deductions=tuple(deductions),
        )
        return controlled.events

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

    async def exposure(
        self, fixture: str, pricing: Any = None, *, goals: int = 8, lead: int = 0
    ) -> Exposure:
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
        lead : int
            With a model: the lead in goals, 1 to 10, whose early payout is priced; 0 for none.

        Raises
        ------
        RefusedError
            No market of this fixture, or a field of `pricing` is unknown or out of bounds.
        """
        document = {} if pricing is None else msgspec.to_builtins(pricing)
        return await self._request(
            AskExposure, Exposure, fixture=fixture, pricing=document, goals=goals, lead=lead
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

    async def set_offer(
        self, offer: int, *, name: str, currency: str, rule: OfferRule, active: bool = True
    ) -> OfferPut:
        """Set an offer in every account shard, or withdraw it with `active` false.

        Raises
        ------
        RefusedError
            The number has another rule, or a shard did not answer: send it again.
        """
        return await self._request(
            PutOffer, OfferPut, offer=offer, name=name, currency=currency, rule=rule, active=active
        )

    async def grant_free_bet(
        self, account: AccountNo, *, offer: int, amount_minor: Minor, expires_at_ns: Nanos, ref: str
    ) -> FreeBetGiven:
        """Grant an account a free bet, once for each `ref`; usable before `expires_at_ns`.

        Raises
        ------
        RefusedError
            No such account or offer, or the offer is no free bet or is withdrawn.
        """
        return await self._request(
            GiveFreeBet,
            FreeBetGiven,
            account=account,
            offer=offer,
            amount_minor=amount_minor,
            expires_at_ns=expires_at_ns,
            ref=ref,
        )

    async def set_account_bound(
        self, account: AccountNo, *, open_payout_minor_max: Minor
    ) -> AccountBounded:
        """Bound what an account's open bets can pay together, in base currency; 0: as the house.

        Raises
        ------
        RefusedError
            No such account, or its shard did not answer: send it again.
        """
        return await self._request(
            BoundAccount,
            AccountBounded,
            account=account,
            open_payout_minor_max=open_payout_minor_max,
        )

    async def offers(self) -> Offers:
        """Return all offers, with what each has cost so far."""
        return await self._request(ListOffers, Offers)


class FeedSession(Session):
    """A feed source's session: push a provider's messages, receive recovery requests.

    Recovery requests go to `on_request` after `attach`, the results of held messages to
    `on_released`.
    """

    def push(self, feed: str, bodies: Sequence[bytes]) -> "asyncio.Future[FeedPushed]":
        """Send messages, in order; return the future of their answer, when all are applied or held.

        A result that says `held` answers nothing yet: keep that message until `on_released` has its
        result, and send it again where that says `again`.

        After a `RefusedError` or `ConnectionLostError` the caller sends all unanswered messages
        again, in order, in a new session; each still counts once.
        """
        number, future = self._open_request()
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
