"""One sample of every message; tests/golden/wire_v1.json holds their bytes.

Running this module writes the file, which makes a new version of the protocol.
"""

import json
from pathlib import Path

from engine.common.arbitrage_plans import ArbitragePlan, ArbitrageStake, LeftOutMarket
from engine.common.commands import Limits
from engine.common.offers import BoostRule, FreeBetRule, LadderStep
from gateway.messages.account_bounds import AccountBounded, BoundAccount
from gateway.messages.arbitrage import Arbitrage, AskArbitrage
from gateway.messages.base import Error, Welcome
from gateway.messages.bettor import (
    AskBalance,
    AskHistory,
    AskOpenBets,
    AskStatus,
    BalanceAnswer,
    Bet,
    BetEvent,
    BetLinesView,
    FreeBet,
    FreeBetEvent,
    HistoryAnswer,
    LegView,
    MoneyEvent,
    OfferView,
    OpenBetsAnswer,
    Place,
    PlaceMany,
    Selection,
    SlipAnswer,
    SlipView,
    WatchAccount,
    Watching,
)
from gateway.messages.books import AskBooks, Books
from gateway.messages.exposure import AskExposure, Exposure, OffGridMarket, ScoreProfit
from gateway.messages.feed import (
    AskFeedFacts,
    AskFeedStats,
    FeedAttach,
    FeedPush,
    FeedRequestDone,
)
from gateway.messages.market import Market, Odds, Seen, Subscribe, Subscribed, Unsubscribe
from gateway.messages.offers import (
    FreeBetGiven,
    GiveFreeBet,
    ListOffers,
    OfferLine,
    OfferPut,
    Offers,
    PutOffer,
)
from gateway.messages.protocol import ClientMessage, ServerMessage
from gateway.messages.races import SettleRace
from gateway.messages.slips import BetLines, Leg, LegAnswer, PlaceSlip, SlipBet
from gateway.messages.trader import (
    AskBook,
    Book,
    ListMarkets,
    MarketLine,
    Markets,
    Reprice,
)
from gateway.net.codec import CODECS
from tests.gateway.messages.correction_samples import CORRECTION_ANSWERS, CORRECTION_REQUESTS
from tests.gateway.messages.derived_samples import DERIVED_ANSWERS, DERIVED_REQUESTS
from tests.gateway.messages.desk_samples import DESK_ANSWERS, DESK_REQUESTS
from tests.gateway.messages.feed_samples import FEED_ANSWERS
from tests.gateway.messages.fixture_samples import FIXTURE_ANSWERS, FIXTURE_REQUESTS
from tests.gateway.messages.floor_samples import FLOOR_ANSWERS, FLOOR_REQUESTS
from tests.gateway.messages.referral_samples import REFERRAL_ANSWERS, REFERRAL_REQUESTS
from tests.gateway.messages.stop_samples import STOP_ANSWERS, STOP_REQUESTS
from tests.gateway.messages.watch_samples import WATCH_ANSWERS, WATCH_REQUESTS

GOLDEN = Path(__file__).parents[2] / "golden" / "wire_v1.json"

FREE_BET = FreeBet(
    free_bet=12,
    offer=4,
    amount_minor=1_000,
    left_minor=700,
    expires_at_ns=1_800_000_000_000_000_000,
)
SLIP = SlipView(
    bet_id=(1 << 48) + 9,
    ref="a1",
    market=42,
    outcome=2,
    stake_minor=500,
    odds_milli=2_500,
    state="settled",
    placed_at_ns=1_800_000_000_000_000_000,
    result="won",
    payout_minor=1_250,
    settlement_no=1,
)
REOPENED = SlipView(
    bet_id=(1 << 48) + 9,
    ref="a1",
    market=42,
    outcome=2,
    stake_minor=500,
    odds_milli=2_500,
    state="accepted",
    placed_at_ns=1_800_000_000_000_000_000,
    settlement_no=2,
)
OF_LEGS = SlipView(
    bet_id=(1 << 48) + 10,
    ref="s1",
    market=0,
    outcome=0,
    stake_minor=300,
    odds_milli=0,
    state="accepted",
    placed_at_ns=1_800_000_000_000_000_000,
    legs=(
        LegView(
            bet_id=(1 << 48) + 11,
            market=42,
            outcome=2,
            odds_milli=2_500,
            state="settled",
            result="won",
            back_num=2_500,
            back_den=1_000,
        ),
        LegView(
            bet_id=(1 << 48) + 12, market=43, outcome=0, odds_milli=1_900, state="accepted", event=1
        ),
        LegView(
            bet_id=(1 << 48) + 13, market=44, outcome=1, odds_milli=3_000, state="accepted", event=2
        ),
    ),
    bets=(
        BetLinesView(
            stake_minor=150,
            lines=2,
            sizes=(1,),
            positions=(0, 1),
            bankers=(0,),
            payout_minor_max=50_000_000,
        ),
    ),
    positions=(0, 1, 1),
    offer=OfferView(offer=4, added_minor=300, free_bet=12),
)
PRICES = {
    "market": 42,
    "key": "wc22-64/total?total=2.5",
    "status": "active",
    "version": 7,
    "outcomes": ("over", "under"),
    "odds_milli": (1_900, 2_050),
    "active": (True, False),
}

BOOK = Book(
    id=11,
    **PRICES,
    limits=Limits(),
    bets=3,
    stake_taken_minor=1_500,
    payout_minor=(2_850, 0),
    liability_minor=(1_350, -1_500),
    stake_minor=(1_500, 0),
    outcome_held=(False, True),
    overridden=(True, False),
    due_odds_milli=(1_950, 2_050),
)

FROM_CLIENT: list[ClientMessage] = [
    Place(ref="a1", market=42, outcome=2, stake_minor=500, odds_milli=2_500, policy="higher"),
    PlaceMany(
        id=1,
        bets=(Selection(ref="a2", market=42, outcome=0, stake_minor=1, odds_milli=1_001),),
    ),
    *DERIVED_REQUESTS,
    *STOP_REQUESTS,
    *CORRECTION_REQUESTS,
    *REFERRAL_REQUESTS,
    *FIXTURE_REQUESTS,
    PlaceSlip(
        ref="s1",
        legs=(
            Leg(market=42, outcome=2, odds_milli=2_500),
            Leg(market=43, outcome=0, odds_milli=1_900, position=1),
            Leg(market=44, outcome=1, odds_milli=3_000, position=1),
        ),
        bets=(
            BetLines(stake_minor=150, sizes=(1,), positions=(0, 1), bankers=(0,)),
            BetLines(stake_minor=10, name="doubles"),
        ),
        policy="higher",
        policy_over="combined",
        free_bet=12,
    ),
    AskStatus(id=2, ref="a1"),
    AskBalance(id=3),
    AskBalance(id=4, before_free_bet=12),
    AskOpenBets(id=4, after_bet_id=1 << 48, limit=10),
    AskHistory(id=4, before_bet_id=1 << 60, limit=10),
    WatchAccount(id=5, on=True),
    Subscribe(
        id=6,
        markets=(42,),
        keys=("wc22-64/1x2",),
        fixtures=("wc22-64",),
        seen=(Seen(market=42, version=7),),
    ),
    Unsubscribe(id=7, markets=(42,), all=True),
    Reprice(
        id=12,
        fixture="wc22-64",
        pricing={
            "model": {"home_rate": 1.6, "away_rate": 1.25, "dependence": -0.1},
            "state": {"period": 1, "clock_s": 1_380, "first_half": {"home": 1}},
        },
        suspend="goal",
        resume=True,
    ),
    ListMarkets(id=10, after=41, limit=5),
    AskBook(id=11, market=42),
    AskBooks(id=12, markets=(42, 43)),
    AskExposure(
        id=12,
        fixture="wc22-64",
        pricing={
            "model": {"home_rate": 1.6, "away_rate": 1.25, "dependence": -0.1},
            "state": {"period": 1, "clock_s": 1_380, "first_half": {"home": 1}},
        },
        goals=1,
    ),
    AskArbitrage(id=13, fixture="wc22-64", state={"period": 1, "first_half": {"home": 1}}),
    PutOffer(
        id=14,
        offer=3,
        name="acca boost",
        currency="EUR",
        rule=BoostRule(ladder=(LadderStep(legs=3, milli=50),), cap_minor=100_000),
    ),
    GiveFreeBet(
        id=15,
        account=7,
        offer=4,
        amount_minor=1_000,
        expires_at_ns=1_800_000_000_000_000_000,
        ref="welcome-7",
    ),
    ListOffers(id=16),
    BoundAccount(id=17, account=7, open_payout_minor_max=5_000_000),
    *DESK_REQUESTS,
    *FLOOR_REQUESTS,
    *WATCH_REQUESTS,
    SettleRace(
        id=18, market=101, order=(("horse 1",), ("horse 4", "horse 2")), withdrawn=("horse 7",)
    ),
    FeedPush(id=20, feed="uof", bodies=(b"<alive/>", b"<bet_stop/>")),
    FeedAttach(id=21, feed="uof"),
    FeedRequestDone(id=22, feed="uof", producer=1, request_id=1_800_000_000_000),
    AskFeedStats(id=23, feed="uof"),
    AskFeedFacts(id=24, feed="uof", fixture="sr:match:7", after="sr:match:7/1x2"),
]

FROM_GATEWAY: list[ServerMessage] = [
    Welcome(
        role="bettor",
        sub="anna",
        account=7,
        frame_bytes_max=16_384,
        frames_a_second=10_000,
        bets_in_flight_max=1_024,
    ),
    Error(code=102, message="Expected `int` >= 1 - at `$.stake_minor`", ref="a1", id=1),
    Subscribed(id=6, markets=14, unknown=("wc22-64/none",)),
    Market(**PRICES),
    Odds(market=42, version=8, status="suspended", odds_milli=(1_900,), active=(True,)),
    Bet(ref="a1", state="accepted", bet_id=(1 << 48) + 9, odds_milli=2_500),
    Bet(
        ref="a3",
        state="rejected",
        final=True,
        bet_id=(1 << 48) + 11,
        odds_milli=2_300,
        reason=805,
        stake_max_minor=4_000,
        until_ms=1_671_372_030_000,
    ),
    Bet(
        ref="a2",
        state="rejected",
        bet_id=(1 << 48) + 10,
        odds_milli=2_500,
        reason=302,
        message="the stake is over the limit for one bet",
        retryable=True,
        stake_max_minor=10_000,
    ),
    *DERIVED_ANSWERS,
    *STOP_ANSWERS,
    *CORRECTION_ANSWERS,
    *REFERRAL_ANSWERS,
    *FIXTURE_ANSWERS,
    SlipBet(
        ref="s1",
        state="rejected",
        final=True,
        bet_id=(1 << 48) + 10,
        reason=210,
        message="a leg of the slip was refused",
        retryable=True,
        stake_minor=300,
        lines=2,
        legs=(
            LegAnswer(odds_milli=2_500),
            LegAnswer(
                odds_milli=1_900,
                reason=302,
                message="the stake is over the limit for one bet",
                stake_max_minor=100,
            ),
            LegAnswer(odds_milli=3_000),
        ),
    ),
    SlipAnswer(id=2, slip=SLIP),
    SlipAnswer(id=3, slip=OF_LEGS),
    BalanceAnswer(id=3, account=7, currency="EUR", available_minor=9_500, at_stake_minor=500),
    BalanceAnswer(
        id=3,
        account=7,
        currency="EUR",
        available_minor=9_500,
        free_bets=(FREE_BET,),
    ),
    OpenBetsAnswer(id=4, bets=(SLIP,), more=True),
    HistoryAnswer(id=4, bets=(SLIP,), before_bet_id=1 << 60),
    Watching(id=5, on=True),
    BetEvent(event="settled", slip=SLIP),
    BetEvent(event="reopened", slip=REOPENED),
    BetEvent(event="posted", slip=OF_LEGS),
    MoneyEvent(event="deposited", amount_minor=100, available_minor=9_600, ref="d1"),
    FreeBetEvent(event="granted", free_bet=FREE_BET),
    Markets(id=10, markets=(MarketLine(market=42, key="wc22-64/1x2", shell="market-00001"),)),
    BOOK,
    Books(id=12, books=(BOOK,), unheard=(43,)),
    Exposure(
        id=12,
        fixture="wc22-64",
        markets=41,
        decided=1,
        stake_minor=6_200,
        worst=ScoreProfit(first_half=(1, 0), score=(2, 1), profit_minor=-4_150),
        best=ScoreProfit(first_half=(1, 0), score=(1, 1), profit_minor=3_000),
        expected_minor=310,
        score_from=(1, 0),
        profit_minor=((-500, 3_000), (-1_250, -4_150)),
        off_grid_worst_minor=-900,
        off_grid=(
            OffGridMarket(
                market=57, key="wc22-64/next_goal?goalnr=2", worst_minor=-900, why="order"
            ),
        ),
        unheard=(58,),
    ),
    Arbitrage(
        id=13,
        fixture="wc22-64",
        markets=41,
        plans=(
            ArbitragePlan(
                return_micro=1_079_545,
                stakes=(
                    ArbitrageStake(
                        market=42,
                        key="wc22-64/1x2",
                        outcome=0,
                        name="home",
                        odds_milli=2_500,
                        stake_micro=431_818,
                    ),
                    ArbitrageStake(
                        market=43,
                        key="wc22-64/double_chance",
                        outcome=2,
                        name="draw_or_away",
                        odds_milli=1_900,
                        stake_micro=568_182,
                    ),
                ),
            ),
        ),
        left_out=(LeftOutMarket(market=57, key="wc22-64/next_goal?goalnr=2", why="order"),),
    ),
    OfferPut(id=14, offer=3),
    FreeBetGiven(id=15, account=7, free_bet=12),
    AccountBounded(id=17, account=7, open_payout_minor_max=5_000_000),
    *DESK_ANSWERS,
    *FLOOR_ANSWERS,
    *WATCH_ANSWERS,
    Offers(
        id=16,
        offers=(
            OfferLine(
                offer=4,
                name="welcome",
                currency="EUR",
                rule=FreeBetRule(odds_milli_min=1_500),
                given_minor=250,
                shards=4,
                active=True,
            ),
        ),
        missing=1,
    ),
    *FEED_ANSWERS,
]


def rendered() -> list[dict[str, str]]:
    """Return every sample's bytes in both codecs."""
    msgpack, text = CODECS["overround.v1.msgpack"], CODECS["overround.v1.json"]
    return [
        {
            "message": type(message).__name__,
            "msgpack": msgpack.encode(message).hex(),
            "json": text.encode(message).decode(),
        }
        for message in (*FROM_CLIENT, *FROM_GATEWAY)
    ]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(rendered(), indent=1) + "\n", encoding="utf-8")
