"""Samples of messages about fixtures."""

from engine.common.fixtures import FixtureState
from gateway.messages.fixtures import (
    AskCatalogue,
    AskFixtures,
    Catalogue,
    ClaimFixture,
    CompetitionLine,
    FixtureLine,
    Fixtures,
    FixtureSet,
    SetFixture,
    SportLine,
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
)
FIXTURE_ANSWERS = (
    FixtureSet(id=30, fixture=LINE),
    Fixtures(id=32, fixtures=(LINE,), next="1671375600000/wc22-64"),
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
