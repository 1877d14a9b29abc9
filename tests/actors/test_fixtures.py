"""Fixtures in the directory: changes, restarts, and what gateways are sent."""

import asyncio
from pathlib import Path
from typing import Any

from actors.directory import Directory
from actors.fixture_changes import put_fixtures
from actors.messages import (
    FIXTURES_IN_CALL_MAX,
    FixtureAnswer,
    PutFixtures,
    decode_fixture_answers,
    decode_fixtures,
    encode,
)
from actors.peer import LocalPeer
from actors.routes import Routes
from actors.supervisor import Supervisor
from engine.common.fixtures import (
    Fixture,
    FixtureChange,
    FixtureClaim,
    FixturePatch,
    HandDescription,
)
from engine.common.reasons import Reason
from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from tests.actors.supervised import SupervisedShells
from tests.actors.trade import market
from tests.actors.virtual import run_virtual
from tests.faults.faulty_disk import FaultyDisk


class FixtureGateway(Routes):
    """A gateway that keeps the fixtures that it is sent."""

    def __init__(self) -> None:
        super().__init__(shards=1)
        self.versions: dict[str, int] = {}

    def on_routes(self, version, shells, markets, peers) -> None:
        self.update(version=version, shells=shells, markets=markets, peers=peers)

    def on_created(self, payload: bytes) -> None:
        """Take images of markets, which these tests do not use."""

    def on_fixtures(self, payload: bytes) -> None:
        self.versions |= {each.fixture: each.version for each in decode_fixtures(payload)}


def described(fixture: str, **fields: Any) -> HandDescription:
    return HandDescription(patch=FixturePatch(fixture=fixture, **fields))


async def put(supervisor: Supervisor, *changes: FixtureChange) -> list[FixtureAnswer]:
    request = encode(PutFixtures(by="trader:anna", changes=changes))
    return decode_fixture_answers(await supervisor.put_fixtures(request))


def test_fixtures_survive_the_supervisor_and_reach_every_gateway(tmp_path: Path) -> None:
    async def main() -> None:
        names = [f"f{number}" for number in range(FIXTURES_IN_CALL_MAX + 1)]
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("a/1x2"))
            gateway = FixtureGateway()
            await system.supervisor.add_gateway("gateway-0", LocalPeer(gateway, name="gateway-0"))
            first, claimed = await put(
                system.supervisor,
                described("b", name="Final"),
                FixtureClaim(fixture="a", owner="trader:anna"),
            )
            assert first.fixture == Fixture(
                fixture="b",
                name="Final",
                by_hand=("name",),
                withheld=FixturePatch(fixture="b", name=""),
                version=1,
            )
            assert claimed.fixture == Fixture(fixture="a", owner="trader:anna", version=1)
            (unknown,) = await put(system.supervisor, FixtureClaim(fixture="x", owner="trader:b"))
            assert unknown.refused is not None
            assert unknown.refused.reason is Reason.FIXTURE_UNKNOWN
            await asyncio.sleep(0.01)
            assert gateway.versions == {"a": 1, "b": 1}
            for start in (0, FIXTURES_IN_CALL_MAX):
                part = names[start : start + FIXTURES_IN_CALL_MAX]
                await put(system.supervisor, *map(described, part))
        async with SupervisedShells(tmp_path) as system:
            later = FixtureGateway()
            await system.supervisor.add_gateway("gateway-0", LocalPeer(later, name="gateway-0"))
            assert later.versions == {"a": 1, "b": 1} | dict.fromkeys(names, 1)
            before = journal_bytes(tmp_path)
            (again,) = await put(system.supervisor, described("b", name="Final"))
            assert again.fixture is not None
            assert (again.fixture.version, journal_bytes(tmp_path)) == (1, before)

    run_virtual(main())


def journal_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((folder / "directory").glob("*.journal")))


def test_changes_of_one_call_follow_one_another_and_are_one_record(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            answers = await put(
                system.supervisor,
                described("a", name="Final"),
                FixtureClaim(fixture="a", owner="trader:ben"),
                FixtureClaim(fixture="a", owner="trader:anna"),
            )
        assert [each.fixture.version if each.fixture else 0 for each in answers] == [1, 2, 0]
        assert answers[2].refused is not None
        assert answers[2].refused.message == "trader:ben holds it"
        directory = Directory.read(tmp_path / "directory", disk=LocalDisk())
        assert directory.fixtures["a"].version == 2

    run_virtual(main())


def test_fixtures_that_a_full_disk_does_not_take_are_refused_and_not_known() -> None:
    disk = FaultyDisk()
    directory = Directory.open(
        Path("/directory"),
        disk=disk,
        at_ns=1,
        options=JournalOptions(allocate_bytes=1),
        account_shards=1,
    )
    disk.capacity = sum(map(len, disk.files().values()))
    request = PutFixtures(by="trader:anna", changes=(described("a"), described("b")))
    answers, changed = put_fixtures(request, directory, at_ns=2)
    assert [each.refused and each.refused.reason for each in answers] == [Reason.DISK_FULL] * 2
    assert (changed, directory.fixtures) == ([], {})
    disk.capacity = None
    answers, changed = put_fixtures(request, directory, at_ns=2)
    assert directory.fixtures == {name: Fixture(fixture=name, version=1) for name in ("a", "b")}
    assert changed == list(directory.fixtures.values())


def test_a_new_fixture_past_the_bound_is_refused_and_a_known_one_is_not(
    tmp_path: Path,
) -> None:
    directory = Directory.open(
        tmp_path, disk=LocalDisk(), at_ns=1, options=JournalOptions(), account_shards=1
    )
    changes = [described("a"), described("a", name="A"), described("b"), described("c")]
    answers, _ = put_fixtures(
        PutFixtures(by="test", changes=tuple(changes)), directory, at_ns=2, fixtures_max=2
    )
    assert [each.refused and each.refused.reason for each in answers] == [
        None,
        None,
        None,
        Reason.CAPACITY,
    ]
    directory.close()
