"""What each role may send on each listener, and which commands it may give.

Owns the two tables and nothing else; gateway.session.session enforces them.
"""

from typing import Final

from engine.common.acceptance import (
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
    OpenMarket,
    ResetSource,
    ResumeMarket,
    RollBackCancel,
    RollBackSettlement,
    SetLimits,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.corrections import CorrectOdds, RestoreBets, VoidBets
from engine.common.early import BeginPlay, PayEarly
from engine.common.events import Refused
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    SuspendOutcomes,
)
from engine.common.reasons import MESSAGES, Reason
from gateway.messages.access import Access
from gateway.messages.account_bounds import BoundAccount
from gateway.messages.account_view import AskAccount, PutBlock, PutFactor
from gateway.messages.approvals import (
    DecideProposal,
    ListProposals,
    ProposeCommands,
    WithdrawProposal,
)
from gateway.messages.arbitrage import AskArbitrage
from gateway.messages.audit import AskAuditTrail
from gateway.messages.bet_lookup import AskBetStory, FindBets
from gateway.messages.bet_stream import WatchBets
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    Place,
    PlaceMany,
    WatchAccount,
)
from gateway.messages.boards import CreateBoard, CreateMarkets
from gateway.messages.books import AskBooks
from gateway.messages.builders import BuildBet
from gateway.messages.corrections import AskPreview
from gateway.messages.each_way import AskEachWay
from gateway.messages.exposed_accounts import AskExposedAccounts
from gateway.messages.exposure import AskExposure
from gateway.messages.feed import AskFeedFacts, AskFeedStats, FeedAttach, FeedPush, FeedRequestDone
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    ClaimFixture,
    SetFixture,
    WatchFixtures,
)
from gateway.messages.house import AskHouse, StartTheHouse, StopTheHouse
from gateway.messages.inputs import AskInputs, HappenInMatch, KeepInputs, ReleaseInputs
from gateway.messages.kept_limits import AskLimits, KeepLimits, ReleaseLimits
from gateway.messages.margins import AskMargins, KeepMargin, ReleaseMargin
from gateway.messages.market import Subscribe, Unsubscribe
from gateway.messages.offers import GiveFreeBet, ListOffers, PutOffer
from gateway.messages.races import SettleRace
from gateway.messages.referrals import AskReferrals
from gateway.messages.scopes import AcceptanceScope, LimitScope, ResumeScope, SuspendScope
from gateway.messages.settlement_work import AskSettlementWork
from gateway.messages.shells import AskShells
from gateway.messages.slips import PlaceSlip
from gateway.messages.trader import AskBook, Control, ListMarkets, Reprice, ResumeAll, SuspendAll
from gateway.messages.watching import (
    AskAlerts,
    AskRules,
    RemoveRule,
    SetRule,
    WatchAlerts,
    WorkAlert,
)
from gateway.net.odd_stops import OddControl, OddStop
from gateway.session.tokens import Role

STOPPING_COMMANDS: Final[frozenset[type]] = frozenset(
    {SuspendMarket, SuspendOutcomes, HandOverMarket, CloseMarket, CancelMarket}
)
"""Commands that only stop betting."""

_STATUS: Final[frozenset[type]] = frozenset(
    {OpenMarket, SuspendMarket, ResumeMarket, HandOverMarket, CloseMarket, BeginPlay}
)
_RESULTS: Final[frozenset[type]] = frozenset(
    {SettleMarket, CancelMarket, CancelBets, RollBackCancel, RollBackSettlement, PayEarly}
)
"""Commands that decide what bets are paid."""
_CORRECTIONS: Final[frozenset[type]] = frozenset({VoidBets, CorrectOdds, RestoreBets})
_LIMITS: Final[frozenset[type]] = frozenset({SetLimits, SetAcceptance})
_REFERRALS: Final[frozenset[type]] = frozenset({AcceptReferral, DeclineReferral, OfferReferral})
_FEED: Final[frozenset[type]] = _STATUS | _RESULTS | {SetOdds}
_MARKS: Final[frozenset[type]] = frozenset(
    {SuspendOutcomes, ResumeOutcomes, OverrideOdds, ReleaseOdds}
)
"""A trader's marks on outcomes, which stand whatever a feed says: so no feed sets one."""
_TRADER: Final[frozenset[type]] = (
    _FEED | _CORRECTIONS | _LIMITS | _REFERRALS | _MARKS | {ResetSource}
)
COMMANDS: Final[dict[Role, frozenset[type]]] = {
    Role.FEED: _FEED,
    Role.TRADER: _TRADER,
    Role.HEAD_TRADER: _TRADER,
    Role.SETTLER: _RESULTS | _CORRECTIONS | {SuspendMarket, SuspendOutcomes, CloseMarket},
    Role.RISK: _LIMITS | _REFERRALS | {SuspendMarket, SuspendOutcomes, HandOverMarket},
}
"""The commands that each role may give in `control`: a feed's are those of a fixture except limits,
a settler's decide results, and whoever looks at risk sets limits and stops."""

_NOT_PERMITTED: Final = Refused(reason=Reason.NOT_PERMITTED, message=MESSAGES[Reason.NOT_PERMITTED])

_SUBSCRIBE: Final[frozenset[type]] = frozenset({Subscribe, Unsubscribe})
_FOLLOW: Final = _SUBSCRIBE | {AskFeedFacts, AskFixtures, AskCatalogue}
_READ: Final = _FOLLOW | {ListMarkets, AskBook, AskBooks}
_ASSESS: Final = _READ | {WatchFixtures, AskExposure, AskArbitrage, ListOffers}
_FLOOR: Final = _ASSESS | {
    AskRules,
    AskAlerts,
    WatchAlerts,
    AskFeedStats,
    AskHouse,
    AskSettlementWork,
    AskShells,
}
"""What everyone on the trading floor reads."""
_STOP: Final[frozenset[type]] = frozenset({SuspendAll, SuspendScope, StopTheHouse})
_WATCH: Final[frozenset[type]] = frozenset({SetRule, RemoveRule, WorkAlert})
_OVERSEE: Final[frozenset[type]] = frozenset(
    {
        AskAccount,
        FindBets,
        AskBetStory,
        WatchBets,
        AskAuditTrail,
        AskInputs,
        AskMargins,
        AskLimits,
        AskPreview,
        AskReferrals,
        AskExposedAccounts,
        ListProposals,
    }
)
"""What looks at single bettors, at others' work, and at what a command would do."""
_LIMIT: Final[frozenset[type]] = frozenset({LimitScope, AcceptanceScope, KeepLimits, ReleaseLimits})
_FIXTURES: Final[frozenset[type]] = frozenset(
    {SetFixture, ClaimFixture, CreateMarkets, CreateBoard}
)
_PROPOSE: Final[frozenset[type]] = frozenset({ProposeCommands, WithdrawProposal})
_PRICE: Final[frozenset[type]] = frozenset(
    {KeepInputs, ReleaseInputs, HappenInMatch, KeepMargin, ReleaseMargin}
)
_DECIDE: Final[frozenset[type]] = frozenset({DecideProposal})
_RESUME: Final[frozenset[type]] = frozenset({ResumeAll, ResumeScope})
_FORCE: Final = frozenset({Role.HEAD_TRADER})
"""The roles whose resumption may undo the stops of everybody."""
_TRADE: Final = (
    _FLOOR
    | _OVERSEE
    | _FIXTURES
    | _PROPOSE
    | _PRICE
    | _STOP
    | _WATCH
    | _RESUME
    | _LIMIT
    | {Control, Reprice, SettleRace}
)
_BOUND: Final[frozenset[type]] = frozenset({BoundAccount, PutBlock, PutFactor, PutOffer})
_PAY: Final[frozenset[type]] = frozenset({GiveFreeBet})
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
    **{("bets", role): _FOLLOW for role in Role if role is not Role.BETTOR},
    ("control", Role.FEED): _READ | {Control, Reprice},
    ("control", Role.QUANT): _ASSESS,
    ("control", Role.VIEWER): _FLOOR,
    ("control", Role.TRADER): _TRADE,
    ("control", Role.HEAD_TRADER): _TRADE | _BOUND | _PAY | _DECIDE | {StartTheHouse},
    ("control", Role.SETTLER): _FLOOR
    | _OVERSEE
    | _PROPOSE
    | _DECIDE
    | _STOP
    | {Control, SettleRace},
    ("control", Role.RISK): _FLOOR | _OVERSEE | _BOUND | _STOP | _WATCH | _LIMIT | {Control},
    ("control", Role.CASHIER): _FLOOR | _OVERSEE | _PAY,
    ("control", Role.AUDITOR): _FLOOR | _OVERSEE,
    ("feed", Role.FEED): frozenset(
        {FeedPush, FeedAttach, FeedRequestDone, AskFeedStats, AskFeedFacts}
    ),
}
"""What each role may send on each listener; a pair that is missing is refused at the handshake."""

FLOOR: Final = frozenset(
    role
    for listener, role in PERMISSIONS
    if listener == "control" and role not in (Role.FEED, Role.QUANT)
)
"""The roles of people on the trading floor, whose requests the audit trail keeps."""

INQUIRIES: Final[frozenset[type]] = frozenset({AskAccount, FindBets, AskBetStory})
"""What looks at bets and bettors; a look has at most a line a minute (see AuditTrailService)."""
NOT_AUDITED: Final[frozenset[type]] = (_FLOOR | _OVERSEE) - INQUIRIES
"""What only reads, and of nobody in particular; every other request has a line in the trail."""

ACCESS: Final = Access(
    permissions={(listener, role.value): kinds for (listener, role), kinds in PERMISSIONS.items()},
    commands={role.value: kinds for role, kinds in COMMANDS.items()},
)
"""The same for the AsyncAPI document, with roles by name."""


def only_stops(request: object) -> bool:
    """Say whether a request only stops betting, or stops it before it does anything else."""
    if isinstance(request, Control):
        return all(type(command) in STOPPING_COMMANDS for command in request.commands)
    if isinstance(request, SuspendScope):
        return not request.preview
    return isinstance(request, SuspendAll | StopTheHouse | HappenInMatch)


def may_not_force(request: object, role: Role) -> bool:
    """Say whether a request undoes what others have stopped, and its role may not."""
    return isinstance(request, ResumeAll | ResumeScope) and request.force and role not in _FORCE


def permitted(stops: OddStop, role: Role) -> OddStop:
    """Return what a malformed message stops, with a refusal for each stop that a role may not."""
    if not isinstance(stops, OddControl):
        return stops
    may = COMMANDS[role]
    return stops._replace(
        commands=tuple(
            one if isinstance(one, Refused) or type(one) in may else _NOT_PERMITTED
            for one in stops.commands
        )
    )
