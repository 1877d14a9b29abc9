"""What each role may send on each listener, and which commands a feed may give.

Owns the two tables and nothing else; gateway.session.session enforces them.
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
from engine.common.early import BeginPlay, PayEarly
from gateway.messages.access import Access
from gateway.messages.account_bounds import BoundAccount
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    Place,
    PlaceMany,
    WatchAccount,
)
from gateway.messages.builders import BuildBet
from gateway.messages.each_way import AskEachWay
from gateway.messages.exposure import AskExposure
from gateway.messages.feed import AskFeedFacts, AskFeedStats, FeedAttach, FeedPush, FeedRequestDone
from gateway.messages.market import Subscribe, Unsubscribe
from gateway.messages.offers import GiveFreeBet, ListOffers, PutOffer
from gateway.messages.races import SettleRace
from gateway.messages.slips import PlaceSlip
from gateway.messages.trader import AskBook, Control, ListMarkets, Reprice, ResumeAll, SuspendAll
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
        BeginPlay,
        PayEarly,
    }
)
"""What a feed may command: every command of a fixture except limits."""

STOPPING_COMMANDS: Final[frozenset[type]] = frozenset(
    {SuspendMarket, HandOverMarket, CloseMarket, CancelMarket}
)
"""Commands that only stop betting."""

_SUBSCRIBE: Final = frozenset({Subscribe, Unsubscribe})
_FOLLOW: Final = _SUBSCRIBE | {AskFeedFacts}
_READ: Final = _FOLLOW | {ListMarkets, AskBook}
_ASSESS: Final = _READ | {AskExposure, AskArbitrage, ListOffers}
PERMISSIONS: Final[dict[tuple[str, Role], frozenset[type]]] = {
    ("bets", Role.BETTOR): _FOLLOW
    | {
        Place,
        PlaceMany,
        PlaceSlip,
        BuildBet,
        AskEachWay,
        AskStatus,
        AskBalance,
        AskOpenBets,
        AskHistory,
        WatchAccount,
    },
    ("bets", Role.TRADER): _FOLLOW,
    ("bets", Role.FEED): _FOLLOW,
    ("bets", Role.QUANT): _FOLLOW,
    ("control", Role.TRADER): _ASSESS
    | {Control, SuspendAll, ResumeAll, Reprice, SettleRace, AskFeedStats}
    | {PutOffer, GiveFreeBet, BoundAccount},
    ("control", Role.FEED): _READ | {Control, Reprice},
    ("control", Role.QUANT): _ASSESS,
    ("feed", Role.FEED): frozenset(
        {FeedPush, FeedAttach, FeedRequestDone, AskFeedStats, AskFeedFacts}
    ),
}
"""What each role may send on each listener; a pair that is missing is refused at the handshake."""

ACCESS: Final = Access(
    permissions={(listener, role.value): kinds for (listener, role), kinds in PERMISSIONS.items()},
    feed_commands=FEED_COMMANDS,
)
"""The same for the AsyncAPI document, with roles by name."""


def only_stops(request: object) -> bool:
    """Say whether a request only stops betting."""
    if isinstance(request, Control):
        return all(type(command) in STOPPING_COMMANDS for command in request.commands)
    return isinstance(request, SuspendAll)
