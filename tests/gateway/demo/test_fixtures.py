"""The demo's matches and races as fixtures, and their states while they are played."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from engine.common.fixtures import FixturePatch, FixtureState
from gateway.client import connect_control
from gateway.demo.fixtures import FixtureStates, described
from gateway.session.tokens import Role
from simulations.programme import programme
from simulations.races import races_beside
from simulations.timeline import match_by_id
from tests.gateway.fixture_house import open_fixture_house
from tests.gateway.price_gateway import WAIT_S, open_price_gateway, token


def test_matches_have_their_teams_and_kick_off_and_races_their_runners() -> None:
    races = races_beside(1)
    final, *_, race = described(programme(match_by_id("wc22-64")), races)
    kick_off = datetime(2022, 12, 18, 15, tzinfo=UTC)
    assert final == FixturePatch(
        fixture="wc22-64",
        sport="football",
        competition="wc22",
        competition_name="World Cup 2022",
        country="Qatar",
        sides=("Argentina", "France"),
        start_ms=int(kick_off.timestamp() * 1_000),
    )
    assert (race.sport, race.sides) == ("race", races[-1].runners)


async def test_a_state_is_set_once_and_then_the_next_one(tmp_path: Path) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        connect_control(house.control_url, token=token(Role.TRADER)) as session,
    ):
        states = FixtureStates(session)
        for state in (FixtureState.LIVE, FixtureState.LIVE, FixtureState.ENDED):
            states.note("wc22-64", state)
            async with asyncio.timeout(WAIT_S):
                while not (found := (await session.fixtures(states=[state])).fixtures):
                    await asyncio.sleep(0)
        assert (found[0].state, found[0].version) == ("ended", 2)
        await states.close()


async def test_a_match_goes_on_where_its_state_cannot_be_set() -> None:
    async with (
        open_price_gateway() as system,
        connect_control(system.control_url, token=token(Role.TRADER)) as session,
    ):
        states = FixtureStates(session)
        states.note("wc22-64", FixtureState.LIVE)
        await session.fixtures()
        await states.close()
