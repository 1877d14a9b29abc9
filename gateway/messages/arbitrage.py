"""Messages about arbitrage: whether a fixture's odds allow a profit at every score.

Owns schemas only; engine.pricing.arbitrage.search computes the plans.
"""

from typing import Annotated, Any

from msgspec import Meta, field

from engine.common.arbitrage_plans import ArbitragePlan, LeftOutMarket
from gateway.messages.base import FixtureField, FromClient, FromGateway, IdField


class AskArbitrage(FromClient, frozen=True, kw_only=True, tag="arbitrage"):
    """Ask for stakes on a football fixture that profit at every score; answered by `arbitrage`.

    The search uses the odds that clients see, of active markets and offered outcomes. `state` is
    the match's state (as in `reprice`): a plan need not profit at impossible scores. Without it the
    score is 0:0.
    """

    id: IdField = 0
    fixture: FixtureField
    state: Annotated[dict[str, Any], Meta(max_length=16)] = field(default_factory=dict)


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
