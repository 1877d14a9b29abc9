"""Rules that a trader sets: what is watched for, where, how severe it is, and what is done.

Owns the form of a rule and which actions suit which kind. Never acts: whoever hosts the rules sends
the commands.
"""

from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from engine.common.acceptance import DELAY_MS_MAX, REFERRAL_MS_MAX
from engine.common.ids import MARKET_NO_MAX, MarketNo
from engine.common.units import STAKE_MINOR_MAX, Minor
from engine.watch.arbitrage import ArbitrageRule
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.bounds import FeedLagRule, LiabilityRule
from engine.watch.identical import IdenticalRule
from engine.watch.kinds import Kind
from engine.watch.odds_apart import OddsApartRule
from engine.watch.pace import PaceRule

RULES_MAX: Final = 64
"""Rules of a house; each costs its share of every bet that is seen."""

RuleName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}\Z")]
OwnerField = Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z")]


class Severity(StrEnum):
    """How bad it is, from the least."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Action(StrEnum):
    """What is done when a rule finds something, beside the alert."""

    ALERT = "alert"
    """Nothing."""
    CUT_LIMITS = "cut_limits"
    """The market's limits on stakes and liability become `WatchRule.cut_to` of what they are."""
    RAISE_DELAY = "raise_delay"
    """Bets on the market, or on all markets of the fixture where none is named, wait for
    `WatchRule.delay_ms` at least."""
    REFER = "refer"
    """Bets on the market of `WatchRule.refer_minor_from` and more wait for a trader."""
    SUSPEND = "suspend"
    """The market, or all markets of the fixture where none is named, are suspended and held."""


_OF_MARKETS: Final = tuple(Action)
ACTIONS: Final[dict[type, tuple[Action, ...]]] = {
    LiabilityRule: _OF_MARKETS,
    PaceRule: _OF_MARKETS,
    IdenticalRule: _OF_MARKETS,
    OddsApartRule: _OF_MARKETS,
    NoBetStopRule: (Action.ALERT, Action.RAISE_DELAY, Action.SUSPEND),
    ArbitrageRule: (Action.ALERT, Action.SUSPEND),
    FeedLagRule: (Action.ALERT,),
}
"""The actions of the kinds that find markets or fixtures. The others alert: they find accounts, and
to limit a customer takes a person, or results in conflict, when betting is over."""


class Place(NamedTuple):
    """Where a market belongs; a fixture's own facts have no market."""

    fixture: str
    market_no: MarketNo = MarketNo(0)
    market_type: str = ""
    sport: str = ""
    competition: str = ""


class Scope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which markets a rule watches; what is left empty fits any."""

    sport: Annotated[str, Meta(max_length=64)] = ""
    competition: Annotated[str, Meta(max_length=128)] = ""
    fixture: Annotated[str, Meta(max_length=64)] = ""
    market_type: Annotated[str, Meta(max_length=48)] = ""
    market: Annotated[MarketNo, Meta(ge=0, le=MARKET_NO_MAX)] = MarketNo(0)

    def fits(self, place: Place) -> bool:
        """Say whether a place is in the scope. A fixture fits when one of its markets may."""
        return (
            self.sport in ("", place.sport)
            and self.competition in ("", place.competition)
            and self.fixture in ("", place.fixture)
            and (not place.market_no or self.market_type in ("", place.market_type))
            and (not place.market_no or self.market in (0, place.market_no))
        )


class WatchRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule. It is set whole: another rule of its name takes its place.

    `owner` is who answers for its alerts until someone else takes one. `cut_to` is what CUT_LIMITS
    leaves, as a share; `delay_ms` is what RAISE_DELAY raises a shorter delay to; from
    `refer_minor_from` on, in base currency, a stake waits for a trader after REFER, for
    `referral_ms` where the market refers nothing yet.
    """

    name: RuleName
    kind: Kind
    scope: Scope = Scope()
    severity: Severity = Severity.MEDIUM
    owner: OwnerField = ""
    action: Action = Action.ALERT
    cut_to: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.5
    delay_ms: Annotated[int, Meta(ge=1, le=DELAY_MS_MAX)] = 5_000
    refer_minor_from: Annotated[Minor, Meta(ge=1, le=STAKE_MINOR_MAX)] = Minor(1)
    referral_ms: Annotated[int, Meta(ge=1_000, le=REFERRAL_MS_MAX)] = 60_000
    on: bool = True

    @property
    def kind_name(self) -> str:
        """The tag of the rule's kind."""
        return str(self.kind.__struct_config__.tag)

    @property
    def allows(self) -> tuple[Action, ...]:
        """The actions that suit the rule's kind."""
        return ACTIONS.get(type(self.kind), (Action.ALERT,))
