"""What a session asks about margins, limits and delays that the desk keeps by scope.

Owns one method per request. It never reconnects by itself.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch
from engine.common.ids import MarketNo
from gateway.client.session import Session
from gateway.messages.kept_limits import AskLimits, KeepLimits, LimitsKept, ReleaseLimits
from gateway.messages.margins import AskMargins, KeepMargin, MarginsKept, ReleaseMargin
from gateway.messages.scopes import MarketScope

_ANY: Final = MarketNo(0)


class KeptScopeRequests(Session):
    """A session on the control listener, for what is kept by scope."""

    async def keep_margin(
        self,
        scope: MarketScope,
        *,
        margin: Any = UNSET,
        skew: Any = UNSET,
    ) -> MarginsKept:
        """Have the desk keep a margin, a skew or both for a scope, and reprice by them.

        Parameters
        ----------
        scope : MarketScope
            A market, a fixture, a competition, a sport or the house; a type narrows it.
        margin, skew : Struct or mapping
            As `reprice` takes them; a skew of None keeps that there is none.

        Raises
        ------
        RefusedError
            A field is unknown or out of bounds, there is no room, or the desk does not answer.
        """
        return await self._request(
            KeepMargin, MarginsKept, scope=scope, margin=_plain(margin), skew=_plain(skew)
        )

    async def release_margin(self, scope: MarketScope) -> MarginsKept:
        """Have the desk keep nothing for a scope any longer."""
        return await self._request(ReleaseMargin, MarginsKept, scope=scope)

    async def margins(
        self, *, market: MarketNo = _ANY, skip: int = 0, limit: int = 100
    ) -> MarginsKept:
        """Return what is kept, the most specific first; with a market, only what fits it."""
        return await self._request(
            AskMargins, MarginsKept, market=market or UNSET, skip=skip, limit=limit
        )

    async def keep_limits(
        self,
        scope: MarketScope,
        limits: LimitsPatch | UnsetType = UNSET,
        *,
        acceptance: AcceptancePatch | UnsetType = UNSET,
        limits_in_play: LimitsPatch | UnsetType = UNSET,
        acceptance_in_play: AcceptancePatch | UnsetType = UNSET,
    ) -> LimitsKept:
        """Have the desk keep limits, delay and referral for a scope, for later markets too.

        Parameters
        ----------
        scope : MarketScope
            A market, a fixture, a competition, a sport or the house; a type narrows it.
        limits, acceptance : patch, optional
            In place of the same part before; one without figures ends it.
        limits_in_play, acceptance_in_play : patch, optional
            What goes before them once the fixture is in play.

        Raises
        ------
        RefusedError
            A limit is over the house's cap, there is no room, or the desk does not answer.
        """
        return await self._request(
            KeepLimits,
            LimitsKept,
            scope=scope,
            limits=limits,
            acceptance=acceptance,
            limits_in_play=limits_in_play,
            acceptance_in_play=acceptance_in_play,
        )

    async def release_limits(self, scope: MarketScope) -> LimitsKept:
        """Have the desk keep no limits, delay and referral for a scope any longer."""
        return await self._request(ReleaseLimits, LimitsKept, scope=scope)

    async def kept_limits(
        self, *, market: MarketNo = _ANY, skip: int = 0, limit: int = 100
    ) -> LimitsKept:
        """Return what is kept, the most specific first; with a market, only what fits it."""
        return await self._request(
            AskLimits, LimitsKept, market=market or UNSET, skip=skip, limit=limit
        )


def _plain(value: Any) -> Any:
    return value if isinstance(value, UnsetType) else msgspec.to_builtins(value)
