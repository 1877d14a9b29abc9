"""Samples of messages about fixtures."""

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.commands import LimitsPatch
from engine.common.events import Refused
from engine.common.fixtures import FixtureState
from engine.common.reasons import Reason
from gateway.messages.boards import (
    BoardCreated,
    CreateBoard,
    CreatedMarket,
    CreateMarkets,
    MarketsCreated,
    NewMarket,
)
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    CompetitionLine,
    FixtureChanged,
    FixtureLine,
    Fixtures,
    FixtureSet,
    SetFixture,
    SportLine,
    WatchFixtures,
)

LINE = FixtureLine(
    fixture="wc22-64",
    name="Argentina v France",
    sport="football",
    competition="wc22",
    competition_name="World Cup 2022",
    country="Qatar",
    sides=("Argentina", "France"),
    start_ms=1_671_375_600_000,
    state="live",
    external_ids={"uof": "sr:match:1"},
    owner="trader:anna",
    by_hand=("start_ms",),
    markets=41,
    by_status={"active": 40, "suspended": 1},
    score=(2, 1),
    lost={"uof": "producer 1 is down"},
    version=7,
)

FIXTURE_REQUESTS = (
    SetFixture(
        id=30,
        fixture="wc22-64",
        sides=("Argentina", "France"),
        start_ms=1_671_375_600_000,
        state=FixtureState.LIVE,
        external_ids={"uof": "sr:match:1"},
        release=("name", "external_ids.bf"),
    ),
    ClaimFixture(id=31, fixture="wc22-64", owner="trader:ben", take_over=True),
    AskFixtures(
        id=32,
        sport="football",
        states=(FixtureState.LIVE, FixtureState.INTERRUPTED),
        owner="",
        from_ms=1_671_300_000_000,
        text="arg",
        after="1671375600000/wc22-64",
    ),
    AskCatalogue(id=33),
    WatchFixtures(id=37),
    CreateMarkets(
        id=34,
        markets=(
            NewMarket(
                key="wc22/winner",
                outcomes=("Argentina", "France"),
                odds_milli=(1_900, 1_950),
                limits=LimitsPatch(stake_minor_max=5_000),
                open=True,
            ),
        ),
        sport="football",
    ),
    CreateBoard(
        id=35,
        fixture="wc22-64",
        template="football",
        sides=("Argentina", "France"),
        pricing={"margin": {"method": 2}},
        expect=ExpectedGoals(total=2.5, supremacy=0.25),
        open=True,
    ),
    CreateBoard(
        id=36,
        fixture="wc22-64",
        template="football_main",
        fit=(FittedMarket(market="1x2", odds_milli=(2_700, 3_100, 2_900)),),
    ),
)
FIXTURE_ANSWERS = (
    FixtureSet(id=30, fixture=LINE),
    FixtureChanged(fixtures=(LINE,)),
    Fixtures(id=32, fixtures=(LINE,), next="1671375600000/wc22-64"),
    MarketsCreated(
        id=34,
        markets=(
            CreatedMarket(key="wc22/winner", market=77),
            CreatedMarket(
                key="wc22/top_scorer",
                refused=Refused(reason=Reason.LIMIT_OVER_CAP, field="limits", message="over"),
            ),
        ),
    ),
    BoardCreated(
        id=35,
        fixture=LINE,
        markets=(CreatedMarket(key="wc22-64/1x2", market=78, known=True),),
        model={"home_rate": 1.375, "away_rate": 1.125},
    ),
    Catalogue(
        id=33,
        sports=(
            SportLine(
                sport="football",
                competitions=(
                    CompetitionLine(
                        competition="wc22",
                        name="World Cup 2022",
                        country="Qatar",
                        fixtures={"live": 1, "ended": 63},
                        markets=2_600,
                        by_status={"active": 40, "settled": 2_560},
                    ),
                ),
            ),
        ),
    ),
)
