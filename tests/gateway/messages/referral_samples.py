"""Samples of messages about bets that wait: what bettors hear, and what traders ask and decide."""

from engine.common.acceptance import (
    Acceptance,
    AcceptancePatch,
    AcceptReferral,
    DeclineReferral,
    OfferReferral,
    SetAcceptance,
)
from engine.common.events import AcceptanceSet, ReferralDecided
from engine.common.reasons import Reason
from gateway.messages.bettor import BetWaits
from gateway.messages.referrals import AskReferrals, ReferralLine, Referred
from gateway.messages.scopes import AcceptanceScope, MarketScope
from gateway.messages.trader import Control, Controlled

REFERRAL_REQUESTS = (
    AskReferrals(id=21),
    AcceptanceScope(
        id=22,
        scope=MarketScope(fixture="wc22-64"),
        acceptance=AcceptancePatch(delay_ms=5_000),
        why="in play",
    ),
    Control(
        id=23,
        commands=(
            SetAcceptance(
                market_no=42,
                acceptance=AcceptancePatch(referral_ms=60_000, referral_minor_from=50_000),
            ),
            AcceptReferral(market_no=42, bet_id=281474976710657, why="a good customer"),
            DeclineReferral(market_no=42, bet_id=281474976710658),
            OfferReferral(
                market_no=42, bet_id=281474976710659, stake_minor=30_000, odds_milli=2_300
            ),
        ),
    ),
)
REFERRAL_ANSWERS = (
    BetWaits(
        ref="a1",
        bet_id=281474976710657,
        reason=802,
        message="the bet waits for a trader",
        wait_ms=60_000,
        until_ms=1_671_375_600_000,
    ),
    Referred(
        id=21,
        bets=(
            ReferralLine(
                bet_id=281474976710657,
                market=42,
                key="wc22-64/1x2",
                outcome=0,
                account=7,
                stake_minor=100_000,
                odds_milli=2_400,
                rate_micro=1_000_000,
                now_milli=2_350,
                factor_milli=500,
                why=302,
                placed_ms=1_671_375_540_000,
                until_ms=1_671_375_600_000,
                left_ms=42_000,
            ),
        ),
        waiting=1,
        unheard=("market-00002",),
    ),
    Controlled(
        id=23,
        events=(
            AcceptanceSet(
                market_no=42,
                version=3,
                acceptance=Acceptance(referral_ms=60_000, referral_minor_from=50_000),
            ),
            ReferralDecided(
                market_no=42,
                version=3,
                bet_id=281474976710659,
                account_no=7,
                outcome=0,
                reason=Reason.REOFFERED,
                stake_minor=30_000,
                odds_milli=2_300,
            ),
        ),
    ),
)
