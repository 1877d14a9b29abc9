"""The commands that `ControlSession.control` runs together, for programs that build their own.

Owns no name of its own: commands and their parts are the engine's. One command at a time is a
method of the session.
"""

from engine.common.acceptance import (
    Acceptance,
    AcceptancePatch,
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    SetAcceptance,
)
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    Limits,
    LimitsPatch,
    OpenMarket,
    OutcomeResult,
    Quote,
    ResetSource,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import Refused
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)

__all__ = [
    "AcceptReferral",
    "Acceptance",
    "AcceptancePatch",
    "BeginPlay",
    "CancelBets",
    "CancelMarket",
    "ChosenBets",
    "CloseMarket",
    "CorrectOdds",
    "CorrectedQuote",
    "DeclineReferral",
    "HandOverMarket",
    "Limits",
    "LimitsPatch",
    "OfferReferral",
    "OpenMarket",
    "OutcomeResult",
    "OverrideOdds",
    "PayEarly",
    "Quote",
    "Refused",
    "ReleaseOdds",
    "ResetSource",
    "RestoreBets",
    "ResumeMarket",
    "ResumeOutcomes",
    "RollBackCancel",
    "RollBackSettlement",
    "SetAcceptance",
    "SetLimits",
    "SetOdds",
    "SettleMarket",
    "StandingOdds",
    "SuspendMarket",
    "SuspendOutcomes",
    "VoidBets",
]
