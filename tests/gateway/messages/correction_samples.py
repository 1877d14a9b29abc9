"""Samples of messages about bets that are accepted already: what a command would do to them."""

from engine.common.commands import CancelBets
from engine.common.corrections import (
    ChosenBets,
    CorrectedQuote,
    CorrectOdds,
    RestoreBets,
    VoidBets,
)
from engine.common.events import BetsRestored, BetsVoided, OddsCorrected
from engine.common.previews import (
    AccountPreview,
    ExpectedMarket,
    OutcomePreview,
    Preview,
)
from gateway.messages.corrections import AskPreview, Previewed
from gateway.messages.trader import Control, Controlled

CHOSEN = ChosenBets(
    bet_ids=((3 << 48) + 9,),
    account_no=7,
    outcomes=(0, 2),
    from_ns=1_671_372_000_000_000_000,
    until_ns=1_671_372_060_000_000_000,
    accepted_before_ns=1_671_372_070_000_000_000,
)
CORRECTION_REQUESTS = (
    Control(
        id=31,
        expected=(ExpectedMarket(market_no=101, settlement_no=2, market_bets=40),),
        commands=(
            VoidBets(market_no=101, bets=CHOSEN, why="odds of 21 for 2.1"),
            CorrectOdds(
                market_no=101, quotes=(CorrectedQuote(outcome=0, odds_milli=2_100),), bets=CHOSEN
            ),
            RestoreBets(market_no=101, correction_no=4),
        ),
    ),
    AskPreview(id=30, command=CancelBets(market_no=101, from_ns=5, why="odds of 21 for 2.1")),
)
CORRECTION_ANSWERS = (
    Controlled(
        id=31,
        events=(
            BetsVoided(
                market_no=101,
                version=9,
                settlement_no=4,
                corrected=2,
                bets=2,
                change_minor=600,
                payouts_check=600,
                why="odds of 21 for 2.1",
            ),
            OddsCorrected(
                market_no=101,
                version=9,
                settlement_no=5,
                corrected=1,
                bets=1,
                change_minor=-9_450,
                payouts_check=1_050,
            ),
            BetsRestored(
                market_no=101,
                version=9,
                settlement_no=6,
                correction_no=4,
                restored=2,
                bets=1,
                change_minor=-100,
                payouts_check=0,
            ),
        ),
    ),
    Previewed(
        id=30,
        seq=4_200,
        preview=Preview(
            market_no=101,
            version=9,
            settlement_no=0,
            market_bets=3,
            bets=2,
            legs=1,
            accounts=2,
            stake_minor=600,
            payout_now_minor=0,
            payout_after_minor=600,
            open_now_minor=12_600,
            open_after_minor=0,
            house_now_minor=0,
            house_after_minor=0,
            change_minor_max=10_500,
            moved_minor=600,
            outcomes=(
                OutcomePreview(
                    bets=3,
                    changed=2,
                    stake_minor=700,
                    payout_after_minor=600,
                    liability_now_minor=11_900,
                    liability_after_minor=2_000,
                ),
                OutcomePreview(liability_now_minor=-700, liability_after_minor=-100),
            ),
            touched=(
                AccountPreview(account_no=7, bets=1, change_minor=500, open_change_minor=-10_500),
                AccountPreview(account_no=9, bets=1, change_minor=100, open_change_minor=-2_100),
            ),
        ),
    ),
)
