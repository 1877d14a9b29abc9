"""What may be commanded over the control socket, by whom.

Owns the two lists and nothing else: what a market makes of a command is the engine's.
"""

from typing import Final

from engine.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)

TraderCommand = (
    OpenMarket
    | SetOdds
    | SetLimits
    | SuspendMarket
    | ResumeMarket
    | HandOverMarket
    | CloseMarket
    | SettleMarket
    | CancelMarket
    | CancelBets
    | RollBackCancel
    | RollBackSettlement
)
"""What a control session may ask of a market; creation is the directory's business."""

FEED_COMMANDS: Final = frozenset(
    {
        OpenMarket,
        SetOdds,
        SuspendMarket,
        ResumeMarket,
        HandOverMarket,
        CloseMarket,
        SettleMarket,
        CancelMarket,
        CancelBets,
        RollBackCancel,
        RollBackSettlement,
    }
)
"""What a feed may command: everything a fixture's life brings, but never limits."""
