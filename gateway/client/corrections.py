"""Requests of a trader's session about bets that are accepted already.

Owns one method per request. Never sends a command twice.
"""

from abc import abstractmethod
from collections.abc import Mapping

from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.events import MarketEvent
from engine.common.ids import MarketNo
from engine.common.previews import PreviewCommand
from engine.common.units import OddsMilli
from gateway.client.session import Session
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.trader import TraderCommand


class CorrectionRequests(Session):
    """What a control session asks about accepted bets, and how it corrects them."""

    @abstractmethod
    async def _command(self, command: TraderCommand) -> MarketEvent:
        """Run one command."""

    async def preview(self, command: PreviewCommand) -> Previewed:
        """Return what a command would do to its market's bets: which bets, whose, how much.

        Nothing changes. RefusedError has the reason for which the command would be refused.
        """
        return await self._request(AskPreview, Previewed, command=command)

    async def void_bets(self, market: MarketNo, bets: ChosenBets, *, why: str = "") -> MarketEvent:
        """Refund the chosen bets of a market; its event has the correction's number."""
        return await self._command(VoidBets(market_no=MarketNo(market), bets=bets, why=why))

    async def correct_odds(
        self,
        market: MarketNo,
        odds_milli: Mapping[int, OddsMilli],
        *,
        bets: ChosenBets | None = None,
        why: str = "",
    ) -> MarketEvent:
        """Settle the chosen bets of a market (all by default) at other odds, by outcome."""
        quotes = tuple(
            CorrectedQuote(outcome=outcome, odds_milli=odds) for outcome, odds in odds_milli.items()
        )
        correct = CorrectOdds(
            market_no=MarketNo(market), quotes=quotes, bets=bets or ChosenBets(), why=why
        )
        return await self._command(correct)

    async def restore_bets(
        self, market: MarketNo, correction: int, *, why: str = ""
    ) -> MarketEvent:
        """Roll back one correction of a market, by its event's `settlement_no`."""
        restore = RestoreBets(market_no=MarketNo(market), correction_no=correction, why=why)
        return await self._command(restore)
