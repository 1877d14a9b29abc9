"""Messages that stop, start and limit every market of a scope: from one outcome to the house.

Owns schemas, and which fields name a scope; gateway.services.scopes finds its markets.
"""

from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import LimitsPatch, MarketNoField, OutcomesField, WhyField
from engine.common.fixtures import CategoryField
from engine.common.ids import MarketNo
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField

MARKETS_SHOWN_MAX: Final = 1_000
"""Markets that an answer about a scope names."""
FIXTURES_SHOWN_MAX: Final = 100
"""Fixtures that an answer about a scope names."""
TypeField = Annotated[str, Meta(pattern=r"^[A-Za-z0-9:._-]{1,64}\Z")]


class MarketScope(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A part of the house whose markets are commanded together.

    It is one `market`, `fixture`, `competition` or `sport`, or the `house`.
    `outcomes` narrows a market to these; `type`, a market type such as `1x2`, narrows any of the
    others to its markets; `sport` may stand beside a competition, whose id another sport may have
    too. Competition and sport are those that `fixtures` states: a fixture that nobody has described
    is in none.
    """

    market: MarketNoField | UnsetType = UNSET
    outcomes: OutcomesField | UnsetType = UNSET
    fixture: FixtureField | UnsetType = UNSET
    type: TypeField | UnsetType = UNSET
    competition: CategoryField | UnsetType = UNSET
    sport: CategoryField | UnsetType = UNSET
    house: bool = False


class SuspendScope(FromClient, frozen=True, kw_only=True, tag="suspend"):
    """Suspend every market of a scope, or hold outcomes of one; answered by `scoped`.

    Markets are suspended as by `suspend_all`: the sender's stop stands beside those of others, and
    `resume` undoes exactly what the sender has done. With `preview` nothing changes. Markets that
    are created later are not in it. It is obeyed too when it has unknown fields, or a `why` that is
    too long.
    """

    id: IdField = 0
    scope: MarketScope
    why: WhyField = ""
    preview: bool = False


class ResumeScope(FromClient, frozen=True, kw_only=True, tag="resume"):
    """Undo the sender's `suspend` and `suspend_all` for a scope's markets; see `scoped`.

    Markets are resumed as by `resume_all`, whichever scope suspended them; where others' stops
    stand they stay suspended, and `scoped` names whose. A head trader undoes everybody's with
    `force`. Outcomes that are named are held no more. With `preview` nothing changes.
    """

    id: IdField = 0
    scope: MarketScope
    preview: bool = False
    force: bool = False


class LimitScope(FromClient, frozen=True, kw_only=True, tag="set_limits_of"):
    """Change the limits that the patch names of every market of a scope; answered by `scoped`.

    Bets accepted earlier stand. Markets that are created later have the limits that the house's
    rules give them, and those of `keep_limits`. With `preview` nothing changes.
    """

    id: IdField = 0
    scope: MarketScope
    limits: LimitsPatch
    preview: bool = False


class AcceptanceScope(FromClient, frozen=True, kw_only=True, tag="set_acceptance_of"):
    """Change how every market of a scope takes bets; answered by `scoped`.

    The patch names the delay, and when bets are referred to a trader (see `set_acceptance`). Bets
    that wait keep their time. Markets that are created later take bets at once, or as
    `keep_limits` says. With `preview` nothing changes.
    """

    id: IdField = 0
    scope: MarketScope
    acceptance: AcceptancePatch
    why: WhyField = ""
    preview: bool = False


class Scoped(FromGateway, frozen=True, kw_only=True, tag="scoped"):
    """What a scope has, and what became of it.

    The scope has `markets` in `fixtures` fixtures; `open` of the markets took bets by the images
    that the gateway has. Of these `changed` were suspended, resumed or limited; `released` are held
    no longer and keep their status, as their feed has stopped them or betting has ended;
    `unchanged` were so already, or their state does not allow it; `kept` were resumed and stay
    suspended, since the stops of `others` stand; `failed` names those refused otherwise, or
    without an answer, which may have changed; of these the stops of `owed` are kept, and given to
    their shells before those take bets again. `undescribed` counts fixtures with
    markets that are in no scope of the kind asked for, since nobody has said their sport or
    competition. The lists name the first of each, in the order of their numbers and ids.
    """

    id: int = 0
    preview: bool = False
    markets: int = 0
    fixtures: int = 0
    open: int = 0
    changed: int = 0
    released: int = 0
    unchanged: int = 0
    failed: tuple[int, ...] = ()
    undescribed: int = 0
    first_markets: tuple[MarketNo, ...] = ()
    first_fixtures: tuple[str, ...] = ()
    kept: int = 0
    others: tuple[str, ...] = ()
    owed: int = 0


ScopeRequest = SuspendScope | ResumeScope | LimitScope | AcceptanceScope


def scope_fault(scope: MarketScope) -> str:
    """Return why the fields of a scope name none; empty when they name one."""
    named = [
        name
        for name in ("market", "fixture", "competition", "sport")
        if getattr(scope, name) is not UNSET
    ] + ["house"] * scope.house
    if named not in (["competition", "sport"], *([one] for one in named)):
        return "name one of market, fixture, competition, sport and house"
    if scope.competition == "" or scope.sport == "":
        return "a competition and a sport have a name"
    if scope.outcomes is not UNSET and named != ["market"]:
        return "outcomes are those of a market"
    if scope.type is not UNSET and named == ["market"]:
        return "a market has its type"
    return ""
