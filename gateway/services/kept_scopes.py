"""What the desk keeps by scope, as one gateway asks for it, and scopes as messages name them.

Owns the way of a request to the desk and back. Which of several scopes holds are
engine.desk.scopes' rules; what is kept, the services of each kind check.
"""

from abc import ABC, abstractmethod
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from actors.desk_messages import (
    AskLimits,
    AskMargins,
    DeskAnswer,
    KeepLimits,
    KeepMargin,
    ReleaseLimits,
    ReleaseMargin,
)
from actors.routes import Routes
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.desk.scopes import Scope
from gateway.messages import kept_limits, margins
from gateway.messages.base import Error
from gateway.messages.protocol import ServerMessage
from gateway.messages.scopes import MarketScope, scope_fault
from gateway.services.desk import DeskClient

KeptRequest = margins.MarginRequest | kept_limits.KeptLimitsRequest
_ASK: Final[dict[type, type[AskMargins | AskLimits]]] = {
    margins.AskMargins: AskMargins,
    kept_limits.AskLimits: AskLimits,
}
_RELEASE: Final[dict[type, type[ReleaseMargin | ReleaseLimits]]] = {
    margins.ReleaseMargin: ReleaseMargin,
    kept_limits.ReleaseLimits: ReleaseLimits,
}


class KeptService(ABC):
    """One kind of thing that the desk keeps by scope, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Keeps them.
    routes : Routes
        The fixture of each market.
    """

    def __init__(self, *, desk: DeskClient, routes: Routes) -> None:
        self._desk = desk
        self._routes = routes

    async def answer(self, by: str, request: KeptRequest) -> ServerMessage:
        """Answer a request about what is kept."""
        if isinstance(request, margins.AskMargins | kept_limits.AskLimits):
            number = MarketNo(0) if isinstance(request.market, UnsetType) else request.market
            ask = _ASK[type(request)](market_no=number, skip=request.skip, limit=request.limit)
            return self._shown(request.id, await self._desk.ask(ask))
        scope = kept_scope(request.scope, self._routes)
        if isinstance(scope, Error):
            return replace(scope, id=request.id)
        release = _RELEASE.get(type(request))
        if release is not None:
            return self._shown(request.id, await self._desk.ask(release(by=by, scope=scope)))
        keep = await self._checked(by, scope, request)
        if isinstance(keep, Error):
            return replace(keep, id=request.id)
        return self._shown(request.id, await self._desk.ask(keep))

    @abstractmethod
    async def _checked(
        self, by: str, scope: Scope, request: KeptRequest
    ) -> KeepMargin | KeepLimits | Error:
        """Return what is to be kept, or what is wrong with it."""

    @abstractmethod
    def _shown(self, number: int, answer: DeskAnswer) -> ServerMessage:
        """Return the desk's answer as that of the request of a number."""


def kept_scope(named: MarketScope, routes: Routes) -> Scope | Error:
    """Return the scope that a message names, or what is wrong with it.

    A market's scope names its fixture too, by the gateway's copy of the directory.
    """
    fault = scope_fault(named)
    if named.outcomes is not UNSET:
        fault = "nothing is kept for single outcomes"
    if fault:
        return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"scope: {fault}")
    fixture = _text(named.fixture)
    number = MarketNo(0) if isinstance(named.market, UnsetType) else named.market
    if number:
        route = routes.markets.get(number)
        if route is None:
            message = f"{MESSAGES[Reason.MARKET_UNKNOWN]}: {number}"
            return Error(code=int(Reason.MARKET_UNKNOWN), message=message)
        fixture = route.key.partition("/")[0]
    return Scope(
        sport=_text(named.sport),
        competition=_text(named.competition),
        fixture=fixture,
        market_type=_text(named.type),
        market_no=number,
    )


def named_scope(scope: Scope) -> MarketScope:
    """Return a scope as messages name it."""
    if scope.market_no:
        return MarketScope(market=scope.market_no)
    return MarketScope(
        sport=scope.sport or UNSET,
        competition=scope.competition or UNSET,
        fixture=scope.fixture or UNSET,
        type=scope.market_type or UNSET,
        house=not (scope.sport or scope.competition or scope.fixture),
    )


def _text(field: str | UnsetType) -> str:
    return "" if isinstance(field, UnsetType) else field
