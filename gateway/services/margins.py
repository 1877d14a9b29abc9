"""Have the desk keep margins and skews by scope, and say by which ones a board is priced.

Owns the checks of what is to be kept. The desk keeps it, and knows which scope holds.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from actors.desk_messages import AskPricing, DeskAnswer, MarginPage, PricingPage
from actors.desk_messages import KeepMargin as KeepAtDesk
from engine.common.reasons import Reason
from engine.desk import kept_margins
from engine.desk.kept_margins import FixtureMargins
from engine.desk.scopes import Scope
from engine.watch.rules import Place
from gateway.messages.base import Error
from gateway.messages.margins import KeepMargin, KeptMargin, MarginsKept
from gateway.messages.protocol import ServerMessage
from gateway.services.desk import not_done
from gateway.services.kept_scopes import KeptRequest, KeptService, named_scope
from gateway.services.utc_text import utc_text

BYTES_MAX: Final = 8_192
"""Of a margin and a skew together, encoded: the desk answers with a hundred of them."""


class MarginService(KeptService):
    """Kept margins and skews, from one gateway."""

    async def _checked(self, by: str, scope: Scope, request: KeptRequest) -> KeepAtDesk | Error:
        assert isinstance(request, KeepMargin)
        kept = await asyncio.to_thread(_checked, by, scope, request)
        if isinstance(kept, str):
            return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=kept)
        return KeepAtDesk(kept=kept)

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

    def _shown(self, number: int, answer: DeskAnswer) -> ServerMessage:
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
