"""The messages that ask whether a fixture's prices allow a sure profit, and answer it.

Owns the words; what they mean is `engine.pricing.arbitrage.search`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from gateway.messages.base import Asked, FixtureField, IdField, Sent

WhyLeftOut = Literal["halves", "order", "room", "time", "unheard", "unknown"]


class AskArbitrage(Asked, frozen=True, kw_only=True, tag="arbitrage"):
    """Ask for stakes on a football fixture that win whatever the score; answered by `arbitrage`.

    Prices are those that clients see, of active markets and offered outcomes. `state` is what has
    happened (as in `reprice`): a plan need not win at a score that can no longer be. Without it
    the score is 0:0.
    """

    id: IdField = 0
    fixture: FixtureField
    state: Annotated[dict[str, Any], Meta(max_length=16)] = field(default_factory=dict)


class ArbitrageStake(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A part of a plan: `stake_micro` is its share of all stakes, in millionths."""

    market: int
    key: str
    outcome: int
    name: str
    odds_milli: int
    stake_micro: int


class ArbitragePlan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stakes that return `return_micro` millionths of their sum, or more, at every score.

    Of all mixes of what is offered on one stretch of play it is the one that earns most for sure.
    """

    return_micro: int
    stakes: tuple[ArbitrageStake, ...]


class LeftOutMarket(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An active market that was not searched.

    `halves`: the scores of both halves settle it. `order`: who scores which goal does. `room`: more
    is offered than one search takes. `time`: the search took too long. `unheard`: its prices have
    not come yet. `unknown`: it has no rules here.
    """

    market: int
    key: str
    why: WhyLeftOut


class Arbitrage(Sent, frozen=True, kw_only=True, tag="arbitrage"):
    """Plans that win whatever the score, the most profitable first; none where nothing wins.

    Each stretch of play (the ninety minutes, a half, extra time) is searched by itself and has one
    plan at most. `markets` were searched; the `left_out` ones are named, up to a thousand.
    """

    id: int = 0
    fixture: str
    markets: int = 0
    plans: tuple[ArbitragePlan, ...] = ()
    left_out: tuple[LeftOutMarket, ...] = ()

    @property
    def found(self) -> bool:
        """Whether anything wins for sure."""
        return bool(self.plans)
