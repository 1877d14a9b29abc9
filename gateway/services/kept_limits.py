"""Have the desk keep limits by scope.

Owns the check against the house's cap. The desk keeps the limits and gives them to markets.
"""

from msgspec import UnsetType
from msgspec.structs import replace

from actors.desk_messages import AskLimits as AskDesk
from actors.desk_messages import DeskAnswer, LimitsPage
from actors.desk_messages import KeepLimits as KeepAtDesk
from actors.desk_messages import ReleaseLimits as ReleaseAtDesk
from actors.routes import Routes
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.desk import kept_limits
from gateway.market_limits import LimitRules
from gateway.messages.base import Error
from gateway.messages.kept_limits import (
    AskLimits,
    KeptLimits,
    KeptLimitsRequest,
    LimitsKept,
    ReleaseLimits,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.desk import DeskClient, not_done
from gateway.services.kept_scopes import kept_scope, named_scope
from gateway.services.utc_text import utc_text


class KeptLimitsService:
    """Kept limits, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Keeps them.
    routes : Routes
        The fixture of each market.
    limits : LimitRules
        The house's cap.
    """

    def __init__(self, *, desk: DeskClient, routes: Routes, limits: LimitRules) -> None:
        self._desk = desk
        self._routes = routes
        self._limits = limits

    async def answer(self, by: str, request: KeptLimitsRequest) -> ServerMessage:
        """Answer a request about kept limits."""
        if isinstance(request, AskLimits):
            number = MarketNo(0) if isinstance(request.market, UnsetType) else request.market
            ask = AskDesk(market_no=number, skip=request.skip, limit=request.limit)
            return _shown(request.id, await self._desk.ask(ask))
        scope = kept_scope(request.scope, self._routes)
        if isinstance(scope, Error):
            return replace(scope, id=request.id)
        if isinstance(request, ReleaseLimits):
            return _shown(request.id, await self._desk.ask(ReleaseAtDesk(by=by, scope=scope)))
        if not request.limits.names():
            code = int(Reason.FIELD_OUT_OF_BOUNDS)
            return Error(code=code, message="limits: name at least one limit", id=request.id)
        over = self._limits.over_cap(request.limits)
        if over:
            return Error(code=int(Reason.LIMIT_OVER_CAP), message=f"limits: {over}", id=request.id)
        kept = kept_limits.KeptLimits(scope=scope, limits=request.limits, by=by)
        return _shown(request.id, await self._desk.ask(KeepAtDesk(kept=kept)))


def _shown(number: int, answer: DeskAnswer) -> ServerMessage:
    if not isinstance(answer, LimitsPage):
        return not_done(answer, number)
    return LimitsKept(
        id=number,
        limits=tuple(
            KeptLimits(
                scope=named_scope(each.scope),
                limits=each.limits,
                by=each.by,
                at=utc_text(each.at_ns),
            )
            for each in answer.limits
        ),
        total=answer.total,
        markets=answer.markets,
    )
