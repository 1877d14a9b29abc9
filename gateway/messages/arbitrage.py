"""Messages about arbitrage: whether a fixture's odds allow a profit at every score.

Owns schemas only; engine.pricing.arbitrage.search computes the plans.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from engine.common.ids import MarketNo
from engine.common.units import OddsMilli
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField

WhyLeftOut = Literal["halves", "order", "room", "time", "unheard", "unknown"]


class AskArbitrage(FromClient, frozen=True, kw_only=True, tag="arbitrage"):
    """Ask for stakes on a football fixture that profit at every score; answered by `arbitrage`.

    The search uses the odds that clients see, of active markets and offered outcomes. `state` is
    the match's state (as in `reprice`): a plan need not profit at impossible scores. Without it the
    score is 0:0.
    """

    id: IdField = 0
    fixture: FixtureField
    state: Annotated[dict[str, Any], Meta(max_length=16)] = field(default_factory=dict)


class ArbitrageStake(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One stake of a plan: `stake_micro` is its share of all stakes, in millionths."""

    market: MarketNo
    key: str
    outcome: int
    name: str
    odds_milli: OddsMilli
    stake_micro: int


class ArbitragePlan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stakes that return at least `return_micro` millionths of their sum at every score.

    Among all stakes on one period of play, the plan has the highest guaranteed return.
    """

    return_micro: int
    stakes: tuple[ArbitrageStake, ...]


class LeftOutMarket(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An active market that was not searched.

    `halves`: the scores of both halves settle it. `order`: the order of goals settles it. `room`:
    the fixture offers more than one search takes. `time`: the search took too long. `unheard`: the
    market's odds have not arrived yet. `unknown`: the engine has no rules for its type.
    """

    market: MarketNo
    key: str
    why: WhyLeftOut


class Arbitrage(FromGateway, frozen=True, kw_only=True, tag="arbitrage"):
    """Plans that profit at every score, the most profitable first; empty when there is none.

    Each period of play (the ninety minutes, a half, extra time) is searched separately and has at
    most one plan. `markets` counts the markets searched; `left_out` names up to a thousand others.
    """

    id: int = 0
    fixture: str
    markets: int = 0
    plans: tuple[ArbitragePlan, ...] = ()
    left_out: tuple[LeftOutMarket, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is any plan."""
        return bool(self.plans)
