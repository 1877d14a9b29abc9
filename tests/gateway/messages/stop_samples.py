"""Samples of commands, of messages that stop betting on many markets, and of odds that stand."""

from engine.common.commands import (
    LimitsPatch,
    OutcomeResult,
    Quote,
    SetOdds,
    SettleMarket,
    SuspendMarket,
)
from engine.common.events import (
    MarketKeptStopped,
    MarketSettled,
    MarketSuspended,
    OddsOverridden,
    OddsReleased,
    OutcomesResumed,
    OutcomesSuspended,
    Refused,
)
from engine.common.lifecycle import Status
from engine.common.outcome_marks import (
    OverrideOdds,
    ReleaseOdds,
    ResumeOutcomes,
    StandingOdds,
    SuspendOutcomes,
)
from engine.common.reasons import Reason
from gateway.messages.house import AskHouse, House, StartTheHouse, StopTheHouse
from gateway.messages.scopes import LimitScope, MarketScope, ResumeScope, Scoped, SuspendScope
from gateway.messages.trader import (
    Control,
    Controlled,
    ResumeAll,
    ResumedAll,
    SuspendAll,
    SuspendedAll,
)

OVERRIDDEN = (StandingOdds(outcome=0, odds_milli=2_050),)
RELEASED = (StandingOdds(outcome=0, odds_milli=1_950),)

STOP_REQUESTS = (
    SuspendScope(id=19, scope=MarketScope(market=42, outcomes=(1,)), why="injury"),
    ResumeScope(id=19, scope=MarketScope(fixture="wc22-64", type="1x2")),
    LimitScope(
        id=19,
        scope=MarketScope(competition="wc22", sport="football"),
        limits=LimitsPatch(stake_minor_max=20_000),
        preview=True,
    ),
    StopTheHouse(id=18, why="a wrong feed"),
    StartTheHouse(id=18),
    AskHouse(id=18),
    Control(
        id=8,
        commands=(
            SuspendMarket(market_no=42, why="goal"),
            SetOdds(market_no=42, quotes=(Quote(outcome=0, odds_milli=1_950),)),
            SettleMarket(
                market_no=42,
                results=(
                    OutcomeResult(won=True, dead_heat_den=2),
                    OutcomeResult(won=False, void_halves=1),
                ),
            ),
        ),
    ),
    SuspendAll(id=9, fixture="wc22-64", why="VAR"),
    ResumeAll(id=9, fixture="wc22-64"),
    ResumeAll(id=9, fixture="wc22-64", force=True),
    ResumeScope(id=19, scope=MarketScope(house=True), force=True),
    Control(
        id=8,
        commands=(
            SuspendOutcomes(market_no=42, outcomes=(1,), why="injury"),
            ResumeOutcomes(market_no=42),
            OverrideOdds(market_no=42, quotes=OVERRIDDEN, why="team news", override=True),
            ReleaseOdds(market_no=42, outcomes=(0,)),
        ),
    ),
)
STOP_ANSWERS = (
    Scoped(
        id=19,
        markets=14,
        fixtures=1,
        open=13,
        changed=12,
        unchanged=1,
        failed=(42,),
        undescribed=2,
        first_markets=(42, 43),
        first_fixtures=("wc22-64",),
    ),
    House(
        id=18,
        stopped=1,
        shards=2,
        by="trader:ada",
        why="a wrong feed",
        since_ns=1_671_372_000_000_000_000,
        missing=("account-001",),
    ),
    Controlled(
        id=8,
        events=(
            MarketSuspended(market_no=42, version=9, why="goal"),
            Refused(reason=Reason.MARKET_UNKNOWN, field="market_no", message="no such market"),
            MarketSettled(
                market_no=42,
                version=10,
                settlement_no=1,
                results=(OutcomeResult(won=True),),
                bets=3,
                payouts_check=1_250,
            ),
        ),
    ),
    SuspendedAll(id=9, suspended=13, unchanged=1, failed=(42,)),
    ResumedAll(id=9, resumed=11, released=2, unchanged=1, failed=(42,)),
    ResumedAll(id=9, resumed=0, kept=12, others=("head_trader:ida", "trader:ada")),
    Scoped(id=19, markets=3, fixtures=1, kept=3, others=("head_trader:ida",)),
    Controlled(
        id=8,
        events=(
            MarketKeptStopped(
                market_no=42,
                version=9,
                status=Status.SUSPENDED,
                lifted=True,
                others=("head_trader:ida",),
            ),
        ),
    ),
    Controlled(
        id=8,
        events=(
            OutcomesSuspended(market_no=42, version=9, outcomes=(1,), why="injury"),
            OutcomesResumed(market_no=42, version=9, outcomes=(1,)),
            OddsOverridden(market_no=42, version=9, quotes=OVERRIDDEN),
            OddsReleased(market_no=42, version=9, quotes=RELEASED),
        ),
    ),
)
