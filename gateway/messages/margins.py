"""Messages about margins and skews that the desk keeps by scope.

Owns schemas only; engine.desk.scopes says which of several scopes holds for a market.
"""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.commands import MarketNoField
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.scopes import MarketScope

SCOPES_SHOWN_MAX: Final = 100
"""Scopes that one answer shows, with what is kept for them."""
MarginField = Annotated[dict[str, Any], Meta(max_length=16)]
SkewField = Annotated[dict[str, Any], Meta(max_length=16)]
SkipField = Annotated[int, Meta(ge=0, le=1_000_000)]


class KeepMargin(FromClient, frozen=True, kw_only=True, tag="keep_margin"):
    """Have the desk keep a margin, a skew or both for a scope, in place of those before.

    They are as in `reprice`; a `skew` of null keeps that there is none. Fixtures whose inputs the
    desk keeps are repriced by them at once and from then on, and boards by `create_board` when they
    are created; feeds and `reprice` have margins of their own. For each market the most specific
    scope holds, for margin and skew each by itself: the market, its type in its fixture, its
    fixture, what `keep_inputs` or `create_board` names, its type in its competition, its
    competition, and likewise its sport and the house. Answered by `margins_kept`.
    """

    id: IdField = 0
    scope: MarketScope
    margin: MarginField | UnsetType = UNSET
    skew: SkewField | UnsetType | None = UNSET


class ReleaseMargin(FromClient, frozen=True, kw_only=True, tag="release_margin"):
    """Keep nothing for a scope any longer, and reprice likewise; answered by `margins_kept`."""

    id: IdField = 0
    scope: MarketScope


class AskMargins(FromClient, frozen=True, kw_only=True, tag="margins"):
    """Ask what is kept, the most specific scopes first; answered by `margins_kept`.

    With a `market`, only the scopes that it is in. `skip` passes over the first of them.
    """

    id: IdField = 0
    market: MarketNoField | UnsetType = UNSET
    skip: SkipField = 0
    limit: Annotated[int, Meta(ge=1, le=SCOPES_SHOWN_MAX)] = SCOPES_SHOWN_MAX


class KeptMargin(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for one scope, who set it and when."""

    scope: MarketScope
    margin: dict[str, Any] | UnsetType = UNSET
    skew: dict[str, Any] | UnsetType | None = UNSET
    by: str = ""
    at: str = ""


class MarginsKept(FromGateway, frozen=True, kw_only=True, tag="margins_kept"):
    """What is kept, or what was asked to be, and how many there are in `total`.

    `fixtures` whose inputs are kept will be repriced.
    """

    id: int = 0
    margins: tuple[KeptMargin, ...] = ()
    total: int = 0
    fixtures: int = 0


MarginRequest = KeepMargin | ReleaseMargin | AskMargins
"""What asks about kept margins, or changes them."""
