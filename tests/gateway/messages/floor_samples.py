"""Samples of messages about single accounts and bets."""

from gateway.messages.account_view import (
    AccountChangeView,
    AccountInfo,
    AskAccount,
    BlockPut,
    FactorPut,
    PutBlock,
    PutFactor,
    Totals,
)
from gateway.messages.bet_lines import BetLine
from gateway.messages.bet_lookup import (
    AskBetStory,
    BetStory,
    FindBets,
    FoundBets,
    MarketSide,
    StoryLine,
)
from gateway.messages.bet_stream import BetSeen, WatchBets, WatchingBets
from gateway.messages.bettor import FreeBet, SlipView
from gateway.messages.exposed_accounts import AskExposedAccounts, ExposedAccounts, ExposedLine

FLOOR_REQUESTS = (
    AskExposedAccounts(id=48, limit=50),
    WatchBets(
        id=46,
        stake_minor_min=100_000,
        fixtures=("cup-1",),
        types=("1x2",),
        states=("accepted",),
        reasons=(0,),
        kinds=("single", "leg"),
    ),
    AskAccount(id=41, account=7, since_ns=1_800_000_000_000_000_000),
    PutFactor(id=47, account=7, factor_milli=250, why="late bets"),
    PutBlock(id=42, account=7, blocked=True, why="two cards"),
    FindBets(id=43, account=7, states=("rejected",), before_bet_id=281_474_976_710_699, limit=50),
    FindBets(id=44, market=101, outcome=1),
    AskBetStory(id=45, account=7, ref="b-17"),
)
_LINE = BetLine(
    bet_id=281_474_976_710_661,
    account=7,
    market=101,
    outcome=1,
    stake_minor=900_000,
    odds_milli=3_200,
    odds_seen_milli=3_200,
    payout_minor=2_880_000,
    state="rejected",
    reason=302,
    message="the stake is over the limit for one bet",
    stake_max_minor=500_000,
    at_ns=1_800_000_000_000_000_001,
    ref="b-17",
)
FLOOR_ANSWERS = (
    ExposedAccounts(
        id=48,
        accounts=(
            ExposedLine(
                account=7,
                currency="USD",
                at_risk_minor=1_840_000,
                open_payout_minor=2_500_000,
                staked_minor=500_000,
                rate_micro=920_000,
                factor_milli=250,
                open_payout_bound_minor=5_000_000,
            ),
        ),
        open=321,
        open_payout_minor=9_000_000,
        staked_minor=3_000_000,
        missing=("account-001",),
    ),
    WatchingBets(id=46, on=True),
    BetSeen(bets=(_LINE,), missed=12),
    AccountInfo(
        id=41,
        account=7,
        currency="EUR",
        blocked=True,
        available_minor=80_000,
        at_stake_minor=20_000,
        open_payout_minor=50_000,
        open_payout_minor_max=5_000_000,
        house_open_payout_minor_max=90_000_000,
        open_payout_bound_minor=5_000_000,
        free_bets=(
            FreeBet(
                free_bet=12,
                offer=3,
                amount_minor=1_000,
                left_minor=400,
                expires_at_ns=1_900_000_000_000_000_000,
            ),
        ),
        since_ns=1_800_000_000_000_000_000,
        totals=Totals(
            settled=3, turnover_minor=30_000, paid_minor=25_000, profit_minor=5_000, refused=1
        ),
        changes=(
            AccountChangeView(
                field="blocked",
                before=0,
                after=1,
                at_ns=1_800_000_000_000_000_002,
                by="risk:bo",
                why="two cards",
            ),
        ),
    ),
    FactorPut(id=47, account=7, factor_milli=250),
    BlockPut(id=42, account=7, blocked=True),
    BlockPut(id=42, account=7, blocked=True, missing=("market-00001",)),
    FoundBets(id=43, bets=(_LINE,), before_bet_id=281_474_976_710_661),
    BetStory(
        id=45,
        account=7,
        currency="EUR",
        bet=_LINE,
        slip=SlipView(
            bet_id=281_474_976_710_661,
            ref="b-17",
            market=101,
            outcome=1,
            stake_minor=900_000,
            odds_milli=3_200,
            state="rejected",
            reason=302,
        ),
        markets=(
            MarketSide(
                bet_id=281_474_976_710_661,
                market=101,
                key="cup-1/1x2",
                outcome=1,
                name="draw",
                state="rejected",
                stake_minor=900_000,
                odds_seen_milli=3_200,
                odds_milli=3_200,
                policy="none",
                reason=302,
                stake_max_minor=500_000,
                at_ns=1_800_000_000_000_000_001,
            ),
        ),
        story=(StoryLine(text="account 7 reserved 9,000.00 EUR", where="account-001", at_ns=1),),
    ),
)
