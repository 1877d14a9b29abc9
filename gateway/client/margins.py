"""What a session asks about margins and skews that the desk keeps by scope.

Owns one method per request. It never reconnects by itself.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from engine.common.ids import MarketNo
from gateway.client.session import Session
from gateway.messages.margins import AskMargins, KeepMargin, MarginsKept, ReleaseMargin
from gateway.messages.scopes import MarketScope

_ANY: Final = MarketNo(0)


class MarginRequests(Session):
    """A session on the control listener, for margins and skews by scope."""

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


def _plain(value: Any) -> Any:
    return value if isinstance(value, UnsetType) else msgspec.to_builtins(value)
