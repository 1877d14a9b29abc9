"""Messages about limits that the desk keeps by scope, also for markets that are created later.

Owns schemas only; engine.desk.kept_limits says which limits a market is due.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.commands import LimitsPatch, MarketNoField
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.margins import SCOPES_SHOWN_MAX, SkipField
from gateway.messages.scopes import MarketScope


class KeepLimits(FromClient, frozen=True, kw_only=True, tag="keep_limits"):
    """Have the desk keep limits for a scope, in place of those before; answered by `limits_kept`.

    Every market of the scope is given them as by `set_limits`, those that are created later within
    a moment. Each limit is that of the most specific scope that names it, in the order of
    `keep_margin`. A market is given each once: what `set_limits` says of it afterwards stands until
    other limits are kept. Markets that follow others (bet builders, places) are given none.
    """

    id: IdField = 0
    scope: MarketScope
    limits: LimitsPatch


class ReleaseLimits(FromClient, frozen=True, kw_only=True, tag="release_limits"):
    """Keep nothing for a scope any longer; answered by `limits_kept`.

    Where a wider scope names a limit, its markets are given that; else they have what they have.
    """

    id: IdField = 0
    scope: MarketScope


class AskLimits(FromClient, frozen=True, kw_only=True, tag="kept_limits"):
    """Ask what is kept, the most specific scopes first; answered by `limits_kept`.

    With a `market`, only the scopes that it is in. `skip` passes over the first of them.
    """

    id: IdField = 0
    market: MarketNoField | UnsetType = UNSET
    skip: SkipField = 0
    limit: Annotated[int, Meta(ge=1, le=SCOPES_SHOWN_MAX)] = SCOPES_SHOWN_MAX


class KeptLimits(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept for one scope, who set it and when."""

    scope: MarketScope
    limits: LimitsPatch
    by: str = ""
    at: str = ""


class LimitsKept(FromGateway, frozen=True, kw_only=True, tag="limits_kept"):
    """What is kept, or what was asked to be, and how many there are in `total`.

    `markets` may be in the scope, and are given what they are due.
    """

    id: int = 0
    limits: tuple[KeptLimits, ...] = ()
    total: int = 0
    markets: int = 0


KeptLimitsRequest = KeepLimits | ReleaseLimits | AskLimits
"""What asks about kept limits, or changes them."""
