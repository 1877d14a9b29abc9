"""Messages about limits and delays that the desk keeps by scope, for later markets too.

Owns schemas only; engine.desk.kept_limits says which limits a market is due.
"""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch, MarketNoField
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.messages.margins import SCOPES_SHOWN_MAX, SkipField
from gateway.messages.scopes import MarketScope


class KeepLimits(FromClient, frozen=True, kw_only=True, tag="keep_limits"):
    """Have the desk keep limits, delay and referral for a scope; answered by `limits_kept`.

    Each of the four parts that is named takes the place of the same part before, and one without
    figures ends it; the others are kept on. Every market of the scope is given them as by
    `set_limits` and `set_acceptance`, those that are created later within a moment. Once a fixture
    is in play, its markets are given the parts for play, whose figures go before the same ones of
    the others. Each figure is that of the most specific scope that names it, in the order of
    `keep_margin`. A market is given each once: what is set on the market itself afterwards stands
    until another figure holds. Markets that follow others (bet builders, places) are given none.
    """

    id: IdField = 0
    scope: MarketScope
    limits: LimitsPatch | UnsetType = UNSET
    acceptance: AcceptancePatch | UnsetType = UNSET
    limits_in_play: LimitsPatch | UnsetType = UNSET
    acceptance_in_play: AcceptancePatch | UnsetType = UNSET


class ReleaseLimits(FromClient, frozen=True, kw_only=True, tag="release_limits"):
    """Keep nothing for a scope any longer; answered by `limits_kept`.

    Where a wider scope names a figure, its markets are given that; else they have what they have.
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
    limits: LimitsPatch | UnsetType = UNSET
    acceptance: AcceptancePatch | UnsetType = UNSET
    limits_in_play: LimitsPatch | UnsetType = UNSET
    acceptance_in_play: AcceptancePatch | UnsetType = UNSET
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
