"""What a trader's session stops, holds and overrides: outcomes, the house, and odds that stand.

Owns one method per command. It never sends a command twice.
"""

from collections.abc import Mapping, Sequence

from engine.common.commands import LimitsPatch
from engine.common.events import MarketEvent
from engine.common.ids import MarketNo
from engine.common.outcome_marks import (
    OutcomeCommand,
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.units import OddsMilli
from gateway.client.session import Session
from gateway.messages.house import AskHouse, House, StartTheHouse, StopTheHouse
from gateway.messages.scopes import LimitScope, MarketScope, ResumeScope, Scoped, SuspendScope
from gateway.messages.trader import Control, Controlled


class StopRequests(Session):
    """The part of a trader's session that stops betting and lets odds stand."""

    async def _mark(self, command: OutcomeCommand) -> MarketEvent:
        answer = await self._request(Control, Controlled, commands=(command,))
        (event,) = answer.events
        return event

    async def suspend_outcomes(
        self, market: MarketNo, outcomes: Sequence[int], *, why: str = ""
    ) -> MarketEvent:
        """Hold outcomes of a market: no bet on them is taken until they are resumed."""
        return await self._mark(
            SuspendOutcomes(market_no=MarketNo(market), outcomes=tuple(outcomes), why=why)
        )

    async def resume_outcomes(self, market: MarketNo, outcomes: Sequence[int] = ()) -> MarketEvent:
        """Resume held outcomes, or all of the market where none is named."""
        return await self._mark(
            ResumeOutcomes(market_no=MarketNo(market), outcomes=tuple(outcomes))
        )

    async def suspend_scope(
        self, scope: MarketScope, *, why: str = "", preview: bool = False
    ) -> Scoped:
        """Suspend every market of a scope, or hold outcomes of one; a preview changes nothing."""
        return await self._request(SuspendScope, Scoped, scope=scope, why=why, preview=preview)

    async def resume_scope(
        self, scope: MarketScope, *, preview: bool = False, force: bool = False
    ) -> Scoped:
        """Undo one's own suspensions of a scope's markets; with `force` everybody's.

        Where others' stand, `others` names whose. A preview changes nothing.
        """
        return await self._request(ResumeScope, Scoped, scope=scope, preview=preview, force=force)

    async def set_limits_of(
        self, scope: MarketScope, limits: LimitsPatch, *, preview: bool = False
    ) -> Scoped:
        """Change the named limits of every market of a scope; a preview changes nothing."""
        return await self._request(LimitScope, Scoped, scope=scope, limits=limits, preview=preview)

    async def stop_house(self, *, why: str = "") -> House:
        """Have every account shard refuse new bets; `missing` names shards without an answer."""
        return await self._request(StopTheHouse, House, why=why)

    async def start_house(self) -> House:
        """Have every account shard take bets again; `missing` names shards without an answer."""
        return await self._request(StartTheHouse, House)

    async def house(self) -> House:
        """Ask in how many account shards the house is stopped, by whom, why and since when."""
        return await self._request(AskHouse, House)

    async def override_odds(
        self, market: MarketNo, odds_milli: Mapping[int, int], *, why: str = "", meant: bool = False
    ) -> MarketEvent:
        """Set odds, by outcome, that stand until they are released.

        Odds that look like a mistake are refused, with the figure; `meant` says that they are meant
        as they are.
        """
        quotes = tuple(
            StandingOdds(outcome=outcome, odds_milli=OddsMilli(milli))
            for outcome, milli in odds_milli.items()
        )
        return await self._mark(
            OverrideOdds(market_no=MarketNo(market), quotes=quotes, why=why, override=meant)
        )

    async def release_odds(
        self, market: MarketNo, outcomes: Sequence[int] = (), *, meant: bool = False
    ) -> MarketEvent:
        """Give outcomes, or all where none is named, the odds that were given them last.

        Refused where the book would sum to too little, unless that is `meant`.
        """
        return await self._mark(
            ReleaseOdds(market_no=MarketNo(market), outcomes=tuple(outcomes), override=meant)
        )
