"""The figures by which a market refuses odds that nobody means.

Owns their bounds. Never checks odds: engine.market.odds_guards does.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from engine.common.units import OUTCOMES_MAX

GUARD_MILLI_MAX: Final = 100_000


class OddsGuard(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """Bounds, in thousandths, past which odds are refused as a mistake; 0 switches a bound off.

    `book_milli_min` bounds a market's book sum, the sum of ``1 / odds`` over its outcomes: 990
    allows a sum of 0.99. `step_milli_max` bounds the change of an outcome's odds while bets are
    taken, the higher odds divided by the lower: 3000 allows from 2.0 to 6.0.
    `model_step_milli_max` bounds in the same way how far odds are from `model_odds_milli`, which a
    model or another source gave (0 for an outcome without any). `decided` names outcomes that are
    decided to it, or as good as that, for which no odds are taken.
    """

    book_milli_min: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 0
    step_milli_max: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 0
    model_step_milli_max: Annotated[int, Meta(ge=0, le=GUARD_MILLI_MAX)] = 0
    model_odds_milli: Annotated[tuple[int, ...], Meta(max_length=OUTCOMES_MAX)] = ()
    decided: Annotated[tuple[int, ...], Meta(max_length=OUTCOMES_MAX)] = ()
