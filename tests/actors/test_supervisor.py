"""The supervisor in one process on a virtual clock: markets, routes, restarts of its own."""

import asyncio
from pathlib import Path

import pytest

from actors.directory import Directory, DirectoryMismatchError
from actors.local import LocalProcess
from actors.messages import ShellState, decode_price_images
from actors.peer import LocalPeer, PeerDiedError
from actors.routes import Routes
from engine.common.reasons import Reason
from persistence.disk import LocalDisk
from persistence.journal import JournalOptions
from tests.actors.supervised import MARKET, EndsSlowly, SupervisedShells
from tests.actors.trade import market
from tests.actors.virtual import now_s, run_virtual
from tests.faults.faulty_disk import FaultyDisk


def test_a_new_market_gets_a_shell_and_a_route(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            (answer,) = await system.create(market())
            assert answer.route is not None
            assert answer.route.market_no == 1
            assert system.routes.market_shell(1) == MARKET
            peer = system.routes.peer(MARKET)
            assert peer is not None
            (image,) = decode_price_images(await peer.ask("price_images", None))
            assert image.key == "cup-1/1x2"

    run_virtual(main())


def test_creating_the_same_markets_twice_changes_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            first = await system.create(market("a/1x2"), market("b/1x2"))
            second = await system.create(market("b/1x2"), market("a/1x2"), market("a/1x2"))
            assert second == [first[1], first[0], first[0]]

    run_virtual(main())


def test_a_market_that_no_shell_can_create_is_refused_and_its_key_stays_free(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            no_stake_fits = market("a/1x2", stake_minor_min=10, stake_minor_max=5)
            answers = await system.create(no_stake_fits, market("not a key"), market("b/1x2"))
            assert [a.refused and a.refused.reason for a in answers] == [
                Reason.FIELD_OUT_OF_BOUNDS,
                Reason.MALFORMED,
                None,
            ]
            (created,) = await system.create(market("a/1x2"))
            assert created.route is not None
            assert created.route.market_no == 3
        async with SupervisedShells(tmp_path) as system:
            assert sorted(system.routes.market_no_by_key) == ["a/1x2", "b/1x2"]

    run_virtual(main())


def test_markets_after_a_withdrawn_one_and_a_restart_get_shells_of_their_own(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("a/1x2"))
            (refused,) = await system.create(market("b/1x2", stake_minor_min=10, stake_minor_max=5))
            assert refused.route is None
            await system.create(market("c/1x2"), market("d/1x2"))
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("e/1x2"), market("f/1x2"))
            shells = [route.shell for route in system.routes.markets.values()]
            assert len(shells) == len(set(shells)) == 5

    run_virtual(main())


def test_new_markets_do_not_wait_for_a_shell_that_crashes_again_and_again(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, restarts_max=1_000) as system:
            crashing = {"market-00000", "market-00001"}
            await system.create(market("a/1x2"))

            def crash(local_process: LocalProcess) -> None:
                if local_process.spec.name in crashing:
                    local_process.kill()

            system.launcher.on_start = crash
            system.local_process().kill()
            await asyncio.sleep(60)
            began = now_s()
            answers = await system.create(market("a/1x2"), market("b/1x2"), market("c/1x2"))
            assert now_s() - began < 5
            assert all(answer.route is not None for answer in answers)
            assert system.local_process("market-00002").target.market_nos() == [3]
            assert system.status("market-00001").state is ShellState.DOWN
            crashing.clear()
            await system.until(lambda: system.status("market-00001").state is ShellState.SERVING)
            assert system.local_process("market-00001").target.market_nos() == [2]

    run_virtual(main())


def test_a_number_requested_twice_in_one_call_is_refused_for_the_second_market(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            first, second = await system.create(
                market("a/1x2", market_no=7), market("b/1x2", market_no=7)
            )
            assert first.route is not None
            assert second.refused is not None
            assert (second.refused.reason, second.refused.field) == (
                Reason.MARKET_EXISTS,
                "market_no",
            )
            assert system.local_process().target.market_nos() == [7]

    run_virtual(main())


def test_markets_routes_and_states_are_the_same_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        names = ("market-00000", "market-00001")
        async with SupervisedShells(tmp_path) as system:
            answers = await system.create(market("a/1x2"), market("b/1x2"))
            hashes = [system.local_process(name).target.state_hash() for name in names]
        async with SupervisedShells(tmp_path) as system:
            assert [system.routes.markets[no].key for no in (1, 2)] == ["a/1x2", "b/1x2"]
            assert await system.create(market("a/1x2"), market("b/1x2")) == answers
            assert hashes == [system.local_process(name).target.state_hash() for name in names]
            assert system.status().generation == 2

    run_virtual(main())


def test_a_market_that_was_placed_but_never_created_is_created_at_the_next_start(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        directory = Directory.open(
            tmp_path / "directory",
            disk=LocalDisk(),
            at_ns=1,
            options=JournalOptions(),
            account_shards=1,
        )
        directory.place([market()], shells=[MARKET], by="test", at_ns=1)
        directory.close()
        async with SupervisedShells(tmp_path) as system:
            assert system.local_process().target.market_nos() == [1]

    run_virtual(main())


def test_another_count_of_shards_is_refused_before_any_shell_starts(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path):
            pass
        other = SupervisedShells(tmp_path, account_shards=2)
        with pytest.raises(DirectoryMismatchError, match="account_shards"):
            await other.supervisor.start()
        assert other.launcher.starts == []

    run_virtual(main())


def test_a_shell_with_a_damaged_journal_is_quarantined_while_others_serve(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("a/1x2"), market("b/1x2"))
        files = sorted((tmp_path / "shells" / MARKET).glob("*"))
        (segment,) = [path for path in files if path.stat().st_size > 100]
        with segment.open("r+b") as file:
            file.seek(60)
            file.write(b"\xff\xff")
        async with SupervisedShells(tmp_path) as system:
            assert system.status().state is ShellState.QUARANTINED
            assert segment.name in system.status().why
            assert system.status("market-00001").state is ShellState.SERVING

    run_virtual(main())


class ImageGateway(Routes):
    """A gateway's end of routes and images."""

    def __init__(self) -> None:
        super().__init__(shards=1)
        self.images: list[str] = []

    def on_routes(self, version, shells, markets, peers) -> None:
        self.update(version=version, shells=shells, markets=markets, peers=peers)

    def on_stops(self, payload: bytes) -> None:
        """Take no notice."""

    def on_created(self, payload: bytes) -> None:
        self.images += [image.key for image in decode_price_images(payload)]


def test_a_late_gateway_receives_every_route_and_the_images_of_every_shell(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("a/1x2"))
            gateway = ImageGateway()
            await system.supervisor.add_gateway("gateway-0", LocalPeer(gateway, name="gateway-0"))
            assert gateway.market_shell(1) == MARKET
            await asyncio.sleep(0.01)
            assert gateway.images == ["a/1x2"]
            await system.create(market("b/1x2"))
            await asyncio.sleep(0.01)
            assert gateway.market_no_by_key["b/1x2"] == 2
            assert gateway.images == ["a/1x2", "b/1x2"]
            system.local_process().kill()
            await system.until_serving(generation=2)
            await asyncio.sleep(0.01)
            assert gateway.images == ["a/1x2", "b/1x2", "a/1x2"], "from the shell's next process"

    run_virtual(main())


def test_an_announcement_of_a_process_that_arrives_after_its_successors_is_ignored(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            old, new = ImageGateway(), ImageGateway()
            await system.supervisor.add_gateway("gateway-0", LocalPeer(new, name="gateway-0"), 2)
            await system.supervisor.add_gateway("gateway-0", LocalPeer(old, name="gateway-0"), 1)
            await system.create(market("a/1x2"))
            await asyncio.sleep(0.01)
            assert (new.images, new.market_shell(1)) == (["a/1x2"], MARKET)
            assert (old.images, old.market_shell(1)) == ([], None)

    run_virtual(main())


def test_a_new_supervisor_takes_over_the_running_shells_of_one_that_died(tmp_path: Path) -> None:
    async def main() -> None:
        disk = FaultyDisk()
        first = SupervisedShells(tmp_path, disk=disk)
        await first.supervisor.start()
        await first.create(market())
        local_process = first.local_process()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        second = SupervisedShells(tmp_path, disk=disk.killed(calls=len(disk.trace)))
        second.launcher.processes = first.launcher.processes
        async with second as system:
            assert system.local_process() is local_process
            assert system.launcher.starts == []
            assert system.status().generation == 1
            version = system.routes.version
            local_process.kill()
            await system.until_serving(generation=2)
            assert system.routes.version > version

    run_virtual(main())


def test_no_market_is_created_once_the_supervisor_stops(tmp_path: Path) -> None:
    async def main() -> None:
        system = SupervisedShells(tmp_path)
        system.launcher.make_process = EndsSlowly
        await system.supervisor.start()
        await system.create(market("a/1x2"))
        stopping = asyncio.ensure_future(system.supervisor.stop())
        await asyncio.sleep(1)
        assert not stopping.done()
        with pytest.raises(PeerDiedError, match="the supervisor stops"):
            await system.create(market("b/1x2"))
        await stopping
        assert system.launcher.starts_of("market-00001") == []

    run_virtual(main())
