"""The two closed unions of the protocol: every message that a client or a gateway may send.

Owns the unions that codecs decode with, and no message itself.
"""

from gateway.messages.account_bounds import AccountBounded, BoundAccount
from gateway.messages.account_view import (
    AccountInfo,
    AskAccount,
    BlockPut,
    FactorPut,
    PutBlock,
    PutFactor,
)
from gateway.messages.approvals import (
    Decided,
    DecideProposal,
    ListProposals,
    Proposals,
    ProposeCommands,
    Proposed,
    WithdrawProposal,
)
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.audit import AskAuditTrail, AuditLines
from gateway.messages.base import Error, Welcome
from gateway.messages.bet_lookup import AskBetStory, BetStory, FindBets, FoundBets
from gateway.messages.bet_stream import BetSeen, WatchBets, WatchingBets
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
    BetEvent,
    BetWaits,
    FreeBetEvent,
    HistoryAnswer,
    MoneyEvent,
    OpenBetsAnswer,
    Place,
    PlaceMany,
    SlipAnswer,
    WatchAccount,
    Watching,
)
from gateway.messages.boards import BoardCreated, CreateBoard, CreateMarkets, MarketsCreated
from gateway.messages.books import AskBooks, Books
from gateway.messages.builders import BuildBet, Builder
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.each_way import AskEachWay, EachWay
from gateway.messages.exposed_accounts import AskExposedAccounts, ExposedAccounts
from gateway.messages.exposure import AskExposure, Exposure
from gateway.messages.feed import (
    AskFeedFacts,
    AskFeedStats,
    FeedAttach,
    FeedAttached,
    FeedFacts,
    FeedPush,
    FeedPushed,
    FeedRequest,
    FeedRequestDone,
    FeedStats,
)
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    FixtureChanged,
    Fixtures,
    FixtureSet,
    SetFixture,
    WatchFixtures,
)
from gateway.messages.house import AskHouse, House, StartTheHouse, StopTheHouse
from gateway.messages.inputs import (
    AskInputs,
    HappenInMatch,
    InputsKept,
    KeepInputs,
    ReleaseInputs,
)
from gateway.messages.kept_limits import AskLimits, KeepLimits, LimitsKept, ReleaseLimits
from gateway.messages.margins import AskMargins, KeepMargin, MarginsKept, ReleaseMargin
from gateway.messages.market import Market, Odds, Subscribe, Subscribed, Unsubscribe
from gateway.messages.offers import (
    FreeBetGiven,
    GiveFreeBet,
    ListOffers,
    OfferPut,
    Offers,
    PutOffer,
)
from gateway.messages.races import SettleRace
from gateway.messages.referrals import AskReferrals, Referred
from gateway.messages.scopes import AcceptanceScope, LimitScope, ResumeScope, Scoped, SuspendScope
from gateway.messages.settlement_work import AskSettlementWork, SettlementList
from gateway.messages.shells import AskShells, Shells
from gateway.messages.slips import PlaceSlip, SlipBet
from gateway.messages.trader import (
    AskBook,
    Book,
    Control,
    Controlled,
    ListMarkets,
    Markets,
    Reprice,
    ResumeAll,
    ResumedAll,
    SuspendAll,
    SuspendedAll,
)
from gateway.messages.watching import (
    AlertList,
    AlertSeen,
    AskAlerts,
    AskRules,
    RemoveRule,
    RuleList,
    SetRule,
    WatchAlerts,
    WatchingAlerts,
    WorkAlert,
)

ClientMessage = (
    Place
    | PlaceMany
    | PlaceSlip
    | BuildBet
    | AskEachWay
    | AskStatus
    | AskBalance
    | AskOpenBets
    | AskHistory
    | WatchAccount
    | Subscribe
    | Unsubscribe
    | Control
    | SuspendAll
    | ResumeAll
    | Reprice
    | SettleRace
    | ListMarkets
    | SetFixture
    | ClaimFixture
    | AskFixtures
    | AskCatalogue
    | WatchFixtures
    | CreateMarkets
    | CreateBoard
    | AskBook
    | AskBooks
    | AskExposure
    | AskArbitrage
    | PutOffer
    | GiveFreeBet
    | BoundAccount
    | StopTheHouse
    | SuspendScope
    | ResumeScope
    | LimitScope
    | AcceptanceScope
    | AskReferrals
    | StartTheHouse
    | AskHouse
    | AskPreview
    | AskAccount
    | PutBlock
    | PutFactor
    | FindBets
    | WatchBets
    | AskBetStory
    | ListOffers
    | AskAuditTrail
    | ProposeCommands
    | DecideProposal
    | WithdrawProposal
    | ListProposals
    | SetRule
    | RemoveRule
    | AskRules
    | AskAlerts
    | WorkAlert
    | WatchAlerts
    | KeepInputs
    | AskInputs
    | ReleaseInputs
    | HappenInMatch
    | KeepMargin
    | ReleaseMargin
    | AskMargins
    | KeepLimits
    | ReleaseLimits
    | AskLimits
    | AskSettlementWork
    | AskShells
    | AskExposedAccounts
    | FeedPush
    | FeedAttach
    | FeedRequestDone
    | AskFeedStats
    | AskFeedFacts
)

ServerMessage = (
    Welcome
    | Error
    | Subscribed
    | Market
    | Odds
    | Bet
    | BetWaits
    | SlipBet
    | Builder
    | EachWay
    | SlipAnswer
    | BalanceAnswer
    | OpenBetsAnswer
    | HistoryAnswer
    | Watching
    | BetEvent
    | MoneyEvent
    | FreeBetEvent
    | Controlled
    | SuspendedAll
    | ResumedAll
    | Markets
    | FixtureSet
    | Fixtures
    | Catalogue
    | FixtureChanged
    | MarketsCreated
    | BoardCreated
    | Book
    | Books
    | Exposure
    | Arbitrage
    | OfferPut
    | FreeBetGiven
    | AccountBounded
    | House
    | Scoped
    | Referred
    | Previewed
    | AccountInfo
    | BlockPut
    | FactorPut
    | FoundBets
    | WatchingBets
    | BetSeen
    | BetStory
    | Offers
    | AuditLines
    | Proposed
    | Decided
    | Proposals
    | RuleList
    | AlertList
    | WatchingAlerts
    | AlertSeen
    | InputsKept
    | MarginsKept
    | LimitsKept
    | SettlementList
    | Shells
    | ExposedAccounts
    | FeedPushed
    | FeedAttached
    | FeedRequest
    | FeedStats
    | FeedFacts
)
