"""What may be commanded over the control socket, by whom.

Owns the two lists and nothing else: what a market makes of a command is the engine's.
"""

from typing import Final

from engine.common.commands import (
    CancelBets,
    CancelMarket,
    CloseMarket,
    HandOverMarket,
    OpenMarket,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.bettor import (
    AskBalance,
    AskOpenBets,
    AskStatus,
    Place,
    PlaceMany,
    WatchAccount,
)
from gateway.messages.exposure import AskExposure
from gateway.messages.feed import AskFeedStats, FeedAttach, FeedPush, FeedRequestDone
from gateway.messages.market import Subscribe, Unsubscribe
from gateway.messages.trader import AskBook, Control, ListMarkets, Reprice, SuspendAll
from gateway.session.tokens import Role

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

_WATCHING: Final = frozenset({Subscribe, Unsubscribe})
_READING: Final = _WATCHING | {ListMarkets, AskBook}
_JUDGING: Final = _READING | {AskExposure, AskArbitrage}
PERMISSIONS: Final[dict[tuple[str, Role], frozenset[type]]] = {
    ("bets", Role.BETTOR): _WATCHING
    | {Place, PlaceMany, AskStatus, AskBalance, AskOpenBets, WatchAccount},
    ("bets", Role.TRADER): _WATCHING,
    ("bets", Role.FEED): _WATCHING,
    ("bets", Role.QUANT): _WATCHING,
    ("control", Role.TRADER): _JUDGING | {Control, SuspendAll, Reprice, AskFeedStats},
    ("control", Role.FEED): _READING | {Control, Reprice},
    ("control", Role.QUANT): _JUDGING,
    ("feed", Role.FEED): frozenset({FeedPush, FeedAttach, FeedRequestDone, AskFeedStats}),
}
"""What each role may send on each listener; a pair that is missing is refused at the handshake."""
