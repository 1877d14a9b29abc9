"""Fixtures over real sockets: described, claimed, listed, and journaled with their author."""

from pathlib import Path
from typing import Any

import pytest

from actors.directory import Directory, FixturesPut
from actors.directory import _decode as decode_document
from engine.common.fixtures import Fixture, FixtureState
from engine.common.reasons import Reason
from gateway.client import RefusedError, connect, connect_control
from gateway.messages.fixtures import FixtureLine
from gateway.net.codec import MSGPACK
from gateway.services.catalogue import FixtureCatalogue
from gateway.services.fixture_watch import FixtureWatch
from gateway.session.tokens import Role
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.records import Kind
from tests.gateway.fixture_house import FixtureHouse, open_fixture_house
from tests.gateway.price_gateway import open_price_gateway, token, until

FINAL: dict[str, Any] = {
    "sport": "football",
    "competition": "wc22",
    "competition_name": "World Cup 2022",
    "sides": ("Argentina", "France"),
    "start_ms": 1_671_375_600_000,
}


def trader(house: FixtureHouse, role: Role = Role.TRADER) -> Any:
    return connect_control(house.control_url, token=token(role))


def bettor(house: FixtureHouse) -> Any:
    return connect(house.bets_url, token=token(), codec="json")


async def test_a_trader_describes_a_fixture_and_everybody_finds_it(tmp_path: Path) -> None:
    async with open_fixture_house(tmp_path) as house:
        await house.create("wc22-64/1x2", "wc22-64/total?total=2.5", "cup-1/1x2")
        async with trader(house) as control, bettor(house) as client:
            line = await control.set_fixture("wc22-64", **FINAL)
            assert (line.name, line.markets) == ("Argentina v France", 2)
            assert line.by_hand == (
                "competition", "competition_name", "sides", "sport", "start_ms",
            )  # fmt: skip
            for session in (control, client):
                found = await session.fixtures(text="france cup")
                assert [each.fixture for each in found.fixtures] == ["wc22-64"]
                assert found.fixtures[0].by_status == {"inactive": 2}
                everything = await session.fixtures()
                assert [each.fixture for each in everything.fixtures] == ["wc22-64", "cup-1"]
                assert everything.fixtures[1].version == 0, "only its market names it"
            assert (await client.fixtures(fixture="wc22-64")).fixtures[0].by_hand == ()
            tree = await client.catalogue()
            assert [sport.sport for sport in tree.sports] == ["", "football"]
            (world_cup,) = tree.sports[1].competitions
            assert (world_cup.name, world_cup.fixtures) == ("World Cup 2022", {"scheduled": 1})


async def test_fixtures_are_journaled_with_their_author_and_survive_the_supervisor(
    tmp_path: Path,
) -> None:
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        await control.set_fixture("wc22-64", **FINAL)
        await control.claim_fixture("wc22-64")
        await house.start_again()
        line = await control.set_fixture("wc22-64", state=FixtureState.LIVE)
        assert (line.owner, line.state, line.version) == ("trader:trader-1", "live", 3)
    async with open_fixture_house(tmp_path) as house, trader(house) as control:
        assert (await control.fixtures()).fixtures[0].owner == "trader:trader-1"
    documents = [
        decode_document(record.payload.tobytes())
        for record in ChainReader(LocalDisk(), tmp_path / "directory")
        if record.kind == Kind.DOCUMENT
    ]
    authors = [each.by for each in documents if isinstance(each, FixturesPut)]
    assert authors == ["trader:trader-1"] * 3
    assert Directory.read(tmp_path / "directory", disk=LocalDisk()).fixtures["wc22-64"].version == 3


async def test_a_claimed_fixture_is_handed_over_released_and_taken_over(tmp_path: Path) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        trader(house) as anna,
        trader(house, Role.HEAD_TRADER) as head,
    ):
        await house.create("cup-1/1x2")
        assert (await anna.claim_fixture("cup-1")).owner == "trader:trader-1"
        with pytest.raises(RefusedError) as held:
            await head.claim_fixture("cup-1")
        assert held.value.reason is Reason.FIXTURE_CLAIMED
        assert "trader:trader-1" in str(held.value)
        assert (await anna.fixtures(owner="trader:trader-1")).fixtures[0].fixture == "cup-1"
        taken = await head.claim_fixture("cup-1", take_over=True)
        assert taken.owner == "head_trader:head_trader-1"
        assert (await head.claim_fixture("cup-1", owner="trader:ben")).owner == "trader:ben"
        with pytest.raises(RefusedError):
            await anna.claim_fixture("cup-1", owner="")
        assert (await anna.claim_fixture("cup-1", owner="", take_over=True)).owner == ""
        assert (await anna.fixtures(owner="")).fixtures[0].fixture == "cup-1"


async def test_who_may_not_and_what_cannot_be_is_refused_with_its_reason(tmp_path: Path) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        trader(house) as control,
        trader(house, Role.VIEWER) as viewer,
        bettor(house) as client,
    ):
        for call, reason in (
            (viewer.set_fixture("cup-1", name="x"), Reason.NOT_PERMITTED),
            (viewer.claim_fixture("cup-1"), Reason.NOT_PERMITTED),
            (client.fixtures(owner="trader:trader-1"), Reason.NOT_PERMITTED),
            (client.fixtures(owner=""), Reason.NOT_PERMITTED),
            (control.claim_fixture("unheard-of"), Reason.FIXTURE_UNKNOWN),
            (control.set_fixture("a/b"), Reason.FIELD_OUT_OF_BOUNDS),
            (control.set_fixture("a", name="two\nlines"), Reason.FIELD_OUT_OF_BOUNDS),
            (control.set_fixture("a", name="x" * 65), Reason.FIELD_OUT_OF_BOUNDS),
            (control.set_fixture("a", start_ms=-1), Reason.FIELD_OUT_OF_BOUNDS),
            (control.set_fixture("a", sides=("x",) * 65), Reason.FIELD_OUT_OF_BOUNDS),
            (control.set_fixture("a", state="paused"), Reason.MALFORMED),
            (control.claim_fixture("a", owner="anna"), Reason.FIELD_OUT_OF_BOUNDS),
            (control.fixtures(after="x"), Reason.FIELD_OUT_OF_BOUNDS),
        ):
            with pytest.raises(RefusedError) as refused:
                await call
            assert refused.value.reason is reason, refused.value
        assert (await viewer.fixtures()).fixtures == ()


async def test_a_session_that_watches_is_sent_what_changes_and_nothing_after_it_leaves(
    tmp_path: Path,
) -> None:
    async with (
        open_fixture_house(tmp_path) as house,
        trader(house) as control,
        trader(house, Role.VIEWER) as viewer,
    ):
        seen: dict[str, FixtureLine] = {}
        messages: list[int] = []

        def take(lines: tuple[FixtureLine, ...]) -> None:
            messages.append(len(lines))
            seen.update((line.fixture, line) for line in lines)

        viewer.on_fixtures = take
        await viewer.watch_fixtures()
        for number in range(20):
            await control.set_fixture(f"cup-{number}", name="first")
            await control.set_fixture(f"cup-{number}", name="second")
        await house.create("cup-0/1x2")
        await control.open_market(1)
        await until(lambda: len(seen) == 20 and seen["cup-0"].by_status == {"active": 1})
        assert {line.name for line in seen.values()} == {"second"}
        assert max(messages) <= 16
        await viewer.watch_fixtures(on=False)
        await viewer.fixtures()
        seen.clear()
        await control.claim_fixture("cup-1")
        await control.watch_fixtures()
        assert house.gateway.catalogue.on_change is not None
        await control.watch_fixtures(on=False)
        assert house.gateway.catalogue.on_change is None
        assert seen == {}


async def test_a_session_that_does_not_read_is_owed_the_latest_state() -> None:
    full, free = StalledOutput(), StalledOutput()
    free.room = True
    catalogue = FixtureCatalogue()
    watch = FixtureWatch(catalogue)
    watch.watch("full", full, MSGPACK.index)  # type: ignore[arg-type]
    watch.watch("free", free, MSGPACK.index)  # type: ignore[arg-type]
    for version in (1, 2):
        catalogue.take([Fixture(fixture="cup-1", name=f"v{version}", version=version)])
        await until(lambda version=version: len(free.frames) == version)
    assert full.frames == []
    full.room = True
    await until(lambda: len(full.frames) == 1)
    assert full.frames == free.frames[1:]
    watch.leave("full")
    watch.leave("free")


class StalledOutput:
    """A connection that has room for frames when a test says so."""

    def __init__(self) -> None:
        self.room = False
        self.frames: list[bytes] = []

    def send_odds(self, frame: bytes) -> bool:
        if self.room:
            self.frames.append(frame)
        return self.room


async def test_without_a_supervisor_a_change_is_refused_and_a_question_is_answered() -> None:
    async with (
        open_price_gateway() as system,
        connect_control(system.control_url, token=token(Role.TRADER)) as control,
    ):
        with pytest.raises(RefusedError) as refused:
            await control.set_fixture("cup-1", name="x")
        assert refused.value.reason is Reason.UNAVAILABLE
        assert (await control.fixtures()).fixtures == ()
