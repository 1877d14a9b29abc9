"""The client library: open a session on a gateway as a bettor, a trader or a feed.

What lives here: requests, answers, prices and errors as a client sees them; sessions that end with
their connection, and clients that reconnect.
What never does: the choice of an event loop, the server's side. It needs msgspec and websockets and
nothing else; `make client` builds the distribution `overround-client` from it.
"""

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.reasons import Reason
from engine.watch.alerts import AlertStatus
from engine.watch.arbitrage import ArbitrageRule
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.bounds import FeedLagRule, LiabilityRule
from engine.watch.closing_value import ClosingValueRule
from engine.watch.feed_conflicts import FeedConflictRule
from engine.watch.identical import IdenticalRule
from engine.watch.late_bets import LateBetsRule
from engine.watch.odds_apart import OddsApartRule
from engine.watch.pace import PaceRule
from engine.watch.rules import Action, Scope, Severity, WatchRule
from engine.watch.syndicates import SyndicateRule
from gateway.client.bettor import BettorSession
from gateway.client.commands import Limits, LimitsPatch, OutcomeResult, Quote, Refused
from gateway.client.connect import (
    connect,
    connect_control,
    connect_feed,
    stay_connected,
    stay_connected_control,
)
from gateway.client.errors import (
    BoundReachedError,
    ConnectionLostError,
    GatewayError,
    HandshakeRefusedError,
    RefusedError,
    UnresolvedError,
)
from gateway.client.offers import (
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    FullCoverRule,
    InsuranceRule,
    LadderStep,
    OddsBoostRule,
)
from gateway.client.reconnecting import ConnectionState, ReconnectingClient, ReconnectSettings
from gateway.client.reconnecting_bettor import ReconnectingBettor
from gateway.client.roles import ControlSession, FeedSession
from gateway.client.slips import accumulator, each_way, named_bet, system
from gateway.messages.account_view import AccountInfo
from gateway.messages.bet_lines import BetLine
from gateway.messages.bet_lookup import BetStory, FoundBets
from gateway.messages.bet_stream import BetSeen
from gateway.messages.bettor import Bet, BetLinesView, BetWaits, LegView, Place, Selection, SlipView
from gateway.messages.boards import NewMarket
from gateway.messages.builders import Builder, BuilderLeg
from gateway.messages.each_way import EachWay
from gateway.messages.market import Market, Seen
from gateway.messages.scopes import MarketScope
from gateway.messages.slips import BetLines, Leg, LegAnswer, PlaceTerms, SlipBet

__all__ = [
    "connect",
    "connect_control",
    "connect_feed",
    "stay_connected",
    "stay_connected_control",
    "accumulator",
    "each_way",
    "named_bet",
    "system",
    "BettorSession",
    "ControlSession",
    "FeedSession",
    "ReconnectingBettor",
    "ReconnectingClient",
    "ReconnectSettings",
    "ConnectionState",
    "GatewayError",
    "HandshakeRefusedError",
    "ConnectionLostError",
    "RefusedError",
    "UnresolvedError",
    "BoundReachedError",
    "BoostRule",
    "EarlyPayoutRule",
    "FreeBetRule",
    "FullCoverRule",
    "InsuranceRule",
    "LadderStep",
    "OddsBoostRule",
    "AccountInfo",
    "Bet",
    "BetLine",
    "BetSeen",
    "BetStory",
    "BetWaits",
    "FoundBets",
    "BetLines",
    "BetLinesView",
    "Builder",
    "BuilderLeg",
    "EachWay",
    "ExpectedGoals",
    "FittedMarket",
    "NewMarket",
    "PlaceTerms",
    "Leg",
    "LegAnswer",
    "LegView",
    "Limits",
    "LimitsPatch",
    "Market",
    "MarketScope",
    "OutcomeResult",
    "Place",
    "Quote",
    "Reason",
    "Refused",
    "Scope",
    "Seen",
    "Selection",
    "SlipBet",
    "SlipView",
    "AlertStatus",
    "NoBetStopRule",
    "ArbitrageRule",
    "FeedConflictRule",
    "FeedLagRule",
    "LiabilityRule",
    "ClosingValueRule",
    "IdenticalRule",
    "LateBetsRule",
    "OddsApartRule",
    "PaceRule",
    "Action",
    "Severity",
    "WatchRule",
    "SyndicateRule",
]
