"""The rules of offers that `ControlSession.set_offer` takes.

Owns no name of its own: the rules are the engine's.
"""

from engine.common.offers import (
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    FullCoverRule,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
    OfferRule,
)

__all__ = [
    "BoostRule",
    "EarlyPayoutRule",
    "FreeBetRule",
    "FullCoverRule",
    "InsuranceRule",
    "LadderStep",
    "OddsBoostRule",
    "OfferRule",
]
