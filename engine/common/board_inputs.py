"""What a trader says of a match from which a model is found: expected goals, or odds to fit.

Owns the fields and their bounds. Never computes a model; engine.pricing.templates does.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.commands import KeyField, OddsField
from engine.common.units import OUTCOMES_MAX

FITTED_MAX: Final = 16
"""Markets to whose odds one model may be fitted."""


class ExpectedGoals(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The goals expected of a football match, and by how many home has more: its supremacy."""

    total: Annotated[float, Meta(gt=0.0, le=12.0)]
    supremacy: Annotated[float, Meta(ge=-12.0, le=12.0)] = 0.0


class FittedMarket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Odds of a football market that a model is fitted to; its key comes without the fixture."""

    market: KeyField
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=2, max_length=OUTCOMES_MAX)]


FittedMarkets = Annotated[tuple[FittedMarket, ...], Meta(max_length=FITTED_MAX)]
