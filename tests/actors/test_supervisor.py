"""The supervisor in one process, on a virtual clock: no cluster, no waiting."""

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from actors.directory import DirectoryMismatchError
from actors.local import LocalLauncher, LocalProcess
from actors.messages import (
    CreateMarkets,
    MarketAnswer,
    ShellState,
    ShellStatus,
    decode_market_answers,
    decode_price_images,
    decode_shell_statuses,
    encode,
)
from actors.peer import LocalPeer
from actors.process import PartSpec
from actors.routes import Routes
from actors.settings import MarketShellSettings, SupervisorSettings
from actors.supervisor import Supervisor
from engine.common.commands import CreateMarket
from engine.common.reasons import Reason
from persistence.disk import LocalDisk
from persistence.journal import LOCK_NAME, JournalOptions
from tests.actors.trade import bets_of, decisions_of, market, reservations
from tests.actors.virtual import now_s, run_virtual

MARKET = "market-00000"


class Launcher(LocalLauncher):
    """Also writes down every start, and lets a test have some of them fail or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[tuple[str, float]] = []
        self.on_start: Callable[[LocalProcess], None] = lambda local_process: None

    def spawn(self, spec: PartSpec) -> LocalProcess:
        self.starts.append((spec.name, now_s()))
        local_process = super().spawn(spec)
        self.on_start(local_process)
        return local_process

    def starts_of(self, name: str) -> list[float]:
        return [at_s for started, at_s in self.starts if started == name]


class World:
    """A supervisor, its launcher and a listener that follows its routes."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.launcher = Launcher()
        self.settings = SupervisorSettings(**{"account_shards": 1, **settings})
        self.routes = Routes(shards=1)
        self.supervisor = Supervisor(
            data_dir=str(folder),
            launcher=lambda: self.launcher,
            settings=self.settings,
            shell_settings=MarketShellSettings(),
            journal=JournalOptions(),
            cores=2,
            clock=now_s,
            rng=random.Random(7),
        )

    def on_routes(self, version, shells, markets, peers) -> None:
        self.routes.update(version=version, shells=shells, markets=markets, peers=peers)

    async def __aenter__(self) -> "World":
        await self.supervisor.start()
        await self.supervisor.subscribe_routes("me", LocalPeer(self, name="me"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop()

    async def create(self, *markets: CreateMarket) -> list[MarketAnswer]:
        request = encode(CreateMarkets(by="test", markets=markets))
        answers = decode_market_answers(await self.supervisor.create_markets(request))
        await asyncio.sleep(0)  # what was told along the way is heard in the next turn
        return answers

    def status(self, name: str = MARKET) -> ShellStatus:
        found = [s for s in decode_shell_statuses(self.supervisor.status()) if s.name == name]
        return found[0]

    def local_process(self, name: str = MARKET) -> LocalProcess:
        return self.launcher.processes[name]

    async def until(self, condition: Callable[[], bool], *, within_s: float = 600) -> None:
        deadline = now_s() + within_s
        while not condition():
            assert now_s() < deadline, "the deadline has passed"
            await asyncio.sleep(0.001)

    async def until_serving(self, *, generation: int, name: str = MARKET) -> None:
        def serves() -> bool:
            status = self.status(name)
            return status.generation == generation and status.state is ShellState.SERVING

        await self.until(serves)

    async def kill_over_and_over(self, times: int) -> None:
        for _ in range(times):
            local_process = self.local_process()
            local_process.kill()
            await self.until(lambda before=local_process: self.local_process() is not before)
            await self.until(lambda: self.status().state is not ShellState.DOWN)


def test_a_new_market_gets_a_shell_and_a_route(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            (answer,) = await world.create(market())
            assert answer.route is not None
            assert answer.route.market_no == 1
            assert world.routes.market_shell(1) == MARKET
            peer = world.routes.peer(MARKET)
            assert peer is not None
            (image,) = decode_price_images(await peer.ask("price_images", None))
            assert image.key == "cup-1/1x2"

    run_virtual(main())


def test_creating_the_same_markets_again_changes_nothing(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            first = await world.create(market("a/1x2"), market("b/1x2"))
            again = await world.create(market("b/1x2"), market("a/1x2"), market("a/1x2"))
            assert again == [first[1], first[0], first[0]]

    run_virtual(main())


def test_a_hopeless_market_is_refused_and_its_key_stays_free(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            no_stake_fits = market("a/1x2", stake_minor_min=10, stake_minor_max=5)
            answers = await world.create(no_stake_fits, market("not a key"), market("b/1x2"))
            assert [a.refused and a.refused.reason for a in answers] == [
                Reason.FIELD_OUT_OF_BOUNDS,
                Reason.MALFORMED,
                None,
            ]
            (again,) = await world.create(market("a/1x2"))
            assert again.route is not None
            assert again.route.market_no == 3
        async with World(tmp_path) as world:
            assert sorted(world.routes.market_no_by_key) == ["a/1x2", "b/1x2"]

    run_virtual(main())


def test_everything_is_there_again_after_a_restart(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            answers = await world.create(market("a/1x2"), market("b/1x2"))
            hashes = [world.local_process(f"market-0000{n}").target.state_hash() for n in range(2)]
        async with World(tmp_path) as world:
            assert [world.routes.markets[no].key for no in (1, 2)] == ["a/1x2", "b/1x2"]
            assert await world.create(market("a/1x2"), market("b/1x2")) == answers
            assert hashes == [
                world.local_process(f"market-0000{n}").target.state_hash() for n in range(2)
            ]
            assert world.status().generation == 2

    run_virtual(main())


def test_a_market_that_was_placed_but_never_created_is_created_at_the_next_start(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            directory = world.supervisor._directory
            assert directory is not None
            directory.place([market()], shells=[MARKET], by="test", at_ns=1)
        async with World(tmp_path) as world:
            assert world.local_process().target.market_nos() == [1]

    run_virtual(main())


def test_another_count_of_shards_is_refused_before_any_shell_starts(tmp_path: Path):
    async def main():
        async with World(tmp_path):
            pass
        other = World(tmp_path, account_shards=2)
        with pytest.raises(DirectoryMismatchError, match="account_shards"):
            await other.supervisor.start()
        assert other.launcher.starts == []

    run_virtual(main())


def test_a_dead_shell_is_replaced_at_once_and_its_routes_are_told(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            await world.create(market())
            version = world.routes.version
            died_at = now_s()
            world.local_process().kill()
            await world.until_serving(generation=2)
            assert now_s() - died_at < 0.05
            assert world.routes.version > version
            assert world.routes.shells[MARKET].generation == 2
            peer = world.routes.peer(MARKET)
            assert peer is not None
            assert await peer.ask("market_nos") == [1]

    run_virtual(main())


def test_a_frozen_shell_is_killed_at_its_deadline_and_replaced(tmp_path: Path):
    async def main():
        async with World(tmp_path, tick_ms=250, tick_deadline_ms=2_000) as world:
            await world.create(market())
            frozen, frozen_at = world.local_process(), now_s()
            frozen.freeze()
            await world.until_serving(generation=2)
            assert frozen.ended
            assert 2.0 <= now_s() - frozen_at <= 2.3
            assert "frozen" not in world.status().why

    run_virtual(main())


def test_no_shell_waits_for_another_that_is_frozen(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            await world.create(market("a/1x2"), market("b/1x2"))
            world.local_process("market-00000").freeze()
            world.local_process("market-00001").kill()
            began = now_s()
            await world.until_serving(generation=2, name="market-00001")
            assert now_s() - began < 0.05
            assert world.status("market-00000").generation == 1

    run_virtual(main())


def test_a_suspicion_is_looked_into_before_the_next_tick(tmp_path: Path):
    async def main():
        async with World(tmp_path, tick_ms=60_000, tick_deadline_ms=500) as world:
            await world.create(market())
            await asyncio.sleep(0.1)
            world.local_process().freeze()
            began = now_s()
            world.supervisor.suspect(MARKET)
            world.supervisor.suspect("market-99999")
            await world.until_serving(generation=2)
            assert 0.5 <= now_s() - began < 0.6

    run_virtual(main())


def test_pauses_between_restarts_double_with_jitter_up_to_their_bound(tmp_path: Path):
    async def main():
        settings = {"backoff_min_ms": 100, "backoff_max_ms": 1_000, "restarts_max": 7}
        async with World(tmp_path, restart_window_ms=3_600_000, **settings) as world:
            await world.create(market())
            await world.kill_over_and_over(7)
            starts = world.launcher.starts_of(MARKET)
            pauses = [after - before for before, after in pairwise(starts)]
            assert pauses[0] < 0.01
            wanted = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
            for pause, nominal in zip(pauses[1:], wanted, strict=True):
                assert 0.5 * nominal <= pause <= 1.5 * nominal + 0.01
            ratios = [pause / nominal for pause, nominal in zip(pauses[1:], wanted, strict=True)]
            assert max(ratios) - min(ratios) > 0.1

    run_virtual(main())


def test_a_shell_past_its_restart_budget_is_quarantined_and_says_so(tmp_path: Path):
    async def main():
        async with World(tmp_path, restarts_max=3) as world:
            await world.create(market())
            await world.kill_over_and_over(4)
            status = world.status()
            assert status.state is ShellState.QUARANTINED
            assert "4 restarts in 60 s" in status.why
            peer = world.routes.peer(MARKET)
            assert peer is not None
            asked = reservations(["a"])
            bets = bets_of(asked, bytes(32))
            bets["bet_id"] = 5
            (decision,) = decisions_of(await peer.ask("place", bets.tobytes()))
            assert decision["bet_id"] == 5
            assert decision["reason"] == Reason.QUARANTINED
            assert len(world.launcher.starts_of(MARKET)) == 5

    run_virtual(main())


def test_a_released_shell_serves_again_with_nothing_lost(tmp_path: Path):
    async def main():
        async with World(tmp_path, restarts_max=1) as world:
            await world.create(market())
            await world.kill_over_and_over(2)
            assert world.status().state is ShellState.QUARANTINED
            await world.supervisor.release(MARKET)
            assert world.status().state is ShellState.SERVING
            assert world.local_process().target.market_nos() == [1]

    run_virtual(main())


def test_deaths_spread_over_many_windows_spend_no_budget(tmp_path: Path):
    async def main():
        async with World(tmp_path, restarts_max=2, restart_window_ms=10_000) as world:
            await world.create(market())
            for _ in range(6):
                await world.kill_over_and_over(1)
                await asyncio.sleep(11)
            assert world.status().state is ShellState.SERVING

    run_virtual(main())


def test_when_all_die_at_once_no_more_than_a_shell_a_core_recovers_at_a_time(tmp_path: Path):
    async def main():
        async with World(tmp_path, recoveries_max=2) as world:
            await world.create(*(market(f"f{n}/1x2") for n in range(7)))
            starting: set[str] = set()
            most = 0

            def slow_start(local_process: LocalProcess) -> None:
                nonlocal most
                starting.add(local_process.spec.name)
                most = max(most, len(starting))
                local_process.freeze()

                def up() -> None:
                    starting.discard(local_process.spec.name)
                    local_process.thaw()

                asyncio.get_running_loop().call_later(1.5, up)

            world.launcher.on_start = slow_start
            shells = [f"market-{n:05d}" for n in range(7)]
            for name in shells:
                world.local_process(name).kill()
            began = now_s()
            for name in shells:
                await world.until_serving(generation=2, name=name)
            assert most == 2
            assert 6.0 <= now_s() - began < 6.1  # four rounds of two, 1.5 s each

    run_virtual(main())


def test_a_start_that_hangs_is_given_up_and_tried_again(tmp_path: Path):
    async def main():
        async with World(tmp_path, start_deadline_ms=5_000) as world:
            await world.create(market())
            hung: list[LocalProcess] = []

            def hang_once(local_process: LocalProcess) -> None:
                if not hung:
                    hung.append(local_process)
                    local_process.freeze()

            world.launcher.on_start = hang_once
            world.local_process().kill()
            await world.until_serving(generation=3)
            assert hung[0].ended

    run_virtual(main())


def test_a_shell_that_freezes_while_it_is_fitted_out_is_given_up_and_tried_again(tmp_path: Path):
    async def main():
        async with World(tmp_path, start_deadline_ms=5_000, recoveries_max=1) as world:
            await world.create(market())

            def freeze_after_first_tick(local_process: LocalProcess) -> None:
                tick = local_process.target.tick

                def tick_once() -> bytes:
                    local_process.freeze()
                    answer: bytes = tick()
                    return answer

                local_process.target.tick = tick_once
                world.launcher.on_start = lambda _: None

            world.launcher.on_start = freeze_after_first_tick
            world.local_process().kill()
            await world.until_serving(generation=3)

    run_virtual(main())


def test_a_shell_with_a_damaged_journal_is_quarantined_and_the_others_go_on(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            await world.create(market("a/1x2"), market("b/1x2"))
        segment = sorted((tmp_path / "shells" / MARKET).glob("*"))
        (path,) = [p for p in segment if p.stat().st_size > 100]
        with path.open("r+b") as file:
            file.seek(60)
            file.write(b"\xff\xff")
        async with World(tmp_path) as world:
            assert world.status().state is ShellState.QUARANTINED
            assert path.name in world.status().why
            assert world.status("market-00001").state is ShellState.SERVING

    run_virtual(main())


def test_a_late_gateway_is_told_every_route_and_every_shell_of_it(tmp_path: Path):
    class Gateway:
        def __init__(self) -> None:
            self.routes = Routes(shards=1)
            self.images: list[str] = []

        def on_routes(self, version, shells, markets, peers) -> None:
            self.routes.update(version=version, shells=shells, markets=markets, peers=peers)

        def on_created(self, payload: bytes) -> None:
            self.images += [image.key for image in decode_price_images(payload)]

        def on_prices(self, payload: bytes) -> None:
            pass

    async def main():
        async with World(tmp_path) as world:
            await world.create(market("a/1x2"))
            gateway = Gateway()
            await world.supervisor.add_gateway("gateway-0", LocalPeer(gateway, name="gateway-0"))
            assert gateway.routes.market_shell(1) == MARKET
            await world.create(market("b/1x2"))
            await asyncio.sleep(0.01)
            assert gateway.routes.market_no_by_key["b/1x2"] == 2
            world.local_process().kill()
            await world.until_serving(generation=2)
            await asyncio.sleep(0.01)
            assert world.local_process().target._gateways.keys() == {"gateway-0"}

    run_virtual(main())


def test_a_new_supervisor_takes_over_the_shells_of_one_that_died(tmp_path: Path):
    async def main():
        first, second = World(tmp_path), World(tmp_path)
        second.launcher.processes = first.launcher.processes
        await first.supervisor.start()
        await first.create(market())
        local_process = first.local_process()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        assert first.supervisor._directory is not None
        first.supervisor._directory.close()
        async with second as world:
            assert world.local_process() is local_process
            assert world.launcher.starts == []
            assert world.status().generation == 1
            version = world.routes.version
            local_process.kill()
            await world.until_serving(generation=2)
            assert world.routes.version > version

    run_virtual(main())


def test_no_successor_starts_before_its_predecessor_is_seen_gone(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            await world.create(market())
            dying, seen_gone_s = world.local_process(), []

            async def slowly() -> None:
                while not dying.ended:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(3)  # as a process does that dumps much memory
                seen_gone_s.append(now_s())

            dying.freeze()
            dying.wait_gone = slowly  # type: ignore[method-assign]
            await world.until_serving(generation=2)
            assert seen_gone_s[0] <= world.launcher.starts_of(MARKET)[1]

    run_virtual(main())


def test_a_shell_is_started_again_until_its_journal_has_no_other_writer(tmp_path: Path):
    async def main():
        async with World(tmp_path) as world:
            await world.create(market())
            local_process = world.local_process()
            local_process.kill()
            folder = tmp_path / "shells" / MARKET
            lock = LocalDisk().lock(folder / LOCK_NAME)
            await world.until(lambda: len(world.launcher.starts_of(MARKET)) > 4)
            assert world.status().state is ShellState.DOWN
            lock.close()
            await world.until(lambda: world.status().state is ShellState.SERVING, within_s=5)

    run_virtual(main())
