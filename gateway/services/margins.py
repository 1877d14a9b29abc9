"""Have the desk keep margins and skews by scope, and say by which ones a board is priced.

Owns the checks of what is to be kept. The desk keeps it, and knows which scope holds.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from actors.desk_messages import AskMargins as AskDesk
from actors.desk_messages import AskPricing, DeskAnswer, MarginPage, PricingPage
from actors.desk_messages import KeepMargin as KeepAtDesk
from actors.desk_messages import ReleaseMargin as ReleaseAtDesk
from actors.routes import Routes
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.desk import kept_margins
from engine.desk.kept_margins import FixtureMargins
from engine.desk.scopes import Scope
from engine.watch.rules import Place
from gateway.messages.base import Error
from gateway.messages.margins import (
    AskMargins,
    KeepMargin,
    KeptMargin,
    MarginRequest,
    MarginsKept,
    ReleaseMargin,
)
from gateway.messages.protocol import ServerMessage
from gateway.services.desk import DeskClient, not_done
from gateway.services.kept_scopes import kept_scope, named_scope
from gateway.services.utc_text import utc_text

BYTES_MAX: Final = 8_192
"""Of a margin and a skew together, encoded: the desk answers with a hundred of them."""


class MarginService:
    """Kept margins and skews, from one gateway.

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

    async def answer(self, by: str, request: MarginRequest) -> ServerMessage:
        """Answer a request about kept margins."""
        if isinstance(request, AskMargins):
            number = MarketNo(0) if isinstance(request.market, UnsetType) else request.market
            ask = AskDesk(market_no=number, skip=request.skip, limit=request.limit)
            return _shown(request.id, await self._desk.ask(ask))
        scope = kept_scope(request.scope, self._routes)
        if isinstance(scope, Error):
            return msgspec.structs.replace(scope, id=request.id)
        if isinstance(request, ReleaseMargin):
            return _shown(request.id, await self._desk.ask(ReleaseAtDesk(by=by, scope=scope)))
        kept = await asyncio.to_thread(_checked, by, scope, request)
        if isinstance(kept, str):
            code = int(Reason.FIELD_OUT_OF_BOUNDS)
            return Error(code=code, message=kept, id=request.id)
        return _shown(request.id, await self._desk.ask(KeepAtDesk(kept=kept)))

    async def of_board(
        self, places: Sequence[Place], pricing: dict[str, Any]
    ) -> FixtureMargins | Error:
        """Return by which margins and skews markets of a fixture, at least one, are priced.

        What `pricing` names is as `create_board` takes it. A house without a desk keeps none.
        """
        own = kept_margins.KeptMargin(
            scope=Scope(fixture=places[0].fixture),
            margin=UNSET if pricing.get("margin") is None else pricing["margin"],
            skew=UNSET if pricing.get("skew") is None else pricing["skew"],
        )
        if self._desk.peer is None:
            return kept_margins.Margins().of_fixture(places, own)
        answer = await self._desk.ask(AskPricing(places=tuple(places), own=own))
        return answer.margins if isinstance(answer, PricingPage) else not_done(answer, 0)


def _checked(by: str, scope: Scope, request: KeepMargin) -> kept_margins.KeptMargin | str:
    """Return what is to be kept, or what is wrong with it.

    Loads pricing, which bets do not need: in a thread.
    """
    from engine.pricing.quoting import Margin  # noqa: PLC0415 - see above
    from engine.pricing.skew import Skew  # noqa: PLC0415 - see above

    margin: dict[str, Any] | UnsetType = UNSET
    skew: dict[str, Any] | UnsetType | None = UNSET
    try:
        if not isinstance(request.margin, UnsetType):
            margin = msgspec.to_builtins(msgspec.convert(request.margin, Margin))
        if not isinstance(request.skew, UnsetType):
            skew = msgspec.to_builtins(msgspec.convert(request.skew, Skew | None))
    except msgspec.ValidationError as error:
        return f"margin, skew: {error}"
    kept = kept_margins.KeptMargin(scope=scope, margin=margin, skew=skew, by=by)
    if margin is UNSET and skew is UNSET:
        return "margin: name a margin, a skew or both"
    size = len(msgspec.msgpack.encode(kept))
    return kept if size <= BYTES_MAX else f"margin: {size} bytes, at most {BYTES_MAX}"


def _shown(number: int, answer: DeskAnswer) -> ServerMessage:
    if not isinstance(answer, MarginPage):
        return not_done(answer, number)
    return MarginsKept(
        id=number,
        margins=tuple(
            KeptMargin(
                scope=named_scope(each.scope),
                margin=each.margin,
                skew=each.skew,
                by=each.by,
                at=utc_text(each.at_ns),
            )
            for each in answer.margins
        ),
        total=answer.total,
        fixtures=answer.fixtures,
    )
