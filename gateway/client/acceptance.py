"""How markets take bets, and the bets that wait for a trader, as a control session commands them.

Owns one method per request. Never sends a command twice.
"""

from abc import abstractmethod

from msgspec import UNSET, UnsetType

from engine.common.acceptance import (
    AcceptancePatch,
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    SetAcceptance,
)
from engine.common.events import MarketEvent
from engine.common.ids import BetId, MarketNo
from engine.common.units import Minor, OddsMilli
from gateway.client.session import Session
from gateway.messages.referrals import AskReferrals, Referred
from gateway.messages.scopes import AcceptanceScope, MarketScope, Scoped
from gateway.messages.trader import TraderCommand


class AcceptanceRequests(Session):
    """The part of a trader's session that delays bets, and decides those that wait for a trader."""

    @abstractmethod
    async def _command(self, command: TraderCommand) -> MarketEvent:
        """Run one command."""

    async def set_acceptance(
        self, market: MarketNo, acceptance: AcceptancePatch, *, why: str = ""
    ) -> MarketEvent:
        """Change the named figures of how a market takes bets: its delay, what is referred."""
        return await self._command(
            SetAcceptance(market_no=MarketNo(market), acceptance=acceptance, why=why)
        )

    async def set_acceptance_of(
        self,
        scope: MarketScope,
        acceptance: AcceptancePatch,
        *,
        why: str = "",
        preview: bool = False,
    ) -> Scoped:
        """Change how every market of a scope takes bets; a preview changes nothing."""
        return await self._request(
            AcceptanceScope, Scoped, scope=scope, acceptance=acceptance, why=why, preview=preview
        )

    async def referrals(self) -> Referred:
        """Return the bets that wait for a trader, those that are due first in front."""
        return await self._request(AskReferrals, Referred)

    async def accept_referral(
        self,
        market: MarketNo,
        bet_id: BetId,
        *,
        why: str = "",
        now_milli: OddsMilli | UnsetType = UNSET,
    ) -> MarketEvent:
        """Take a bet that waits, whole and at the odds that its bettor saw.

        It is refused where the odds are below `now_milli`, which the trader saw; without it, where
        they are below the bet's own.
        """
        return await self._command(
            AcceptReferral(
                market_no=MarketNo(market), bet_id=BetId(bet_id), why=why, now_milli=now_milli
            )
        )

    async def decline_referral(
        self, market: MarketNo, bet_id: BetId, *, why: str = ""
    ) -> MarketEvent:
        """Refuse a bet that waits."""
        return await self._command(
            DeclineReferral(market_no=MarketNo(market), bet_id=BetId(bet_id), why=why)
        )

    async def offer_referral(
        self,
        market: MarketNo,
        bet_id: BetId,
        *,
        stake_minor: Minor,
        odds_milli: OddsMilli,
        window_ms: int = 30_000,
        why: str = "",
        now_milli: OddsMilli | UnsetType = UNSET,
    ) -> MarketEvent:
        """Offer the bettor of a bet that waits another stake or other odds, for a while.

        It is refused where the odds are below `now_milli`; without it, where they are below the
        offer.
        """
        return await self._command(
            OfferReferral(
                market_no=MarketNo(market),
                bet_id=BetId(bet_id),
                stake_minor=Minor(stake_minor),
                odds_milli=OddsMilli(odds_milli),
                window_ms=window_ms,
                why=why,
                now_milli=now_milli,
            )
        )
