"""Shells that die, freeze, hang or fail to start, and their successors, on a virtual clock."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from actors.local import LocalProcess
from actors.messages import ShellState
from actors.peer import LocalPeer
from actors.process import PartSpec
from actors.recovery_progress import PROGRESS_NAME, ProgressFile
from engine.common.reasons import Reason
from persistence.disk import LocalDisk
from persistence.journal import LOCK_NAME
from tests.actors.supervised import (
    MARKET,
    EndsSlowly,
    FreezesAfterFirstCall,
    SupervisedShells,
)
from tests.actors.trade import bets, decisions_of, market
from tests.actors.virtual import now_s, run_virtual


def test_a_dead_shell_is_replaced_at_once_and_its_route_is_published(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market())
            version = system.routes.version
            died_at = now_s()
            system.local_process().kill()
            await system.until_serving(generation=2)
            assert now_s() - died_at < 0.05
            assert system.routes.version > version
            assert system.routes.shells[MARKET].generation == 2
            peer = system.routes.peer(MARKET)
            assert peer is not None
            assert await peer.ask("market_nos") == [1]

    run_virtual(main())


def test_a_frozen_shell_is_killed_at_its_deadline_and_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, tick_ms=250, tick_deadline_ms=2_000) as system:
            await system.create(market())
            why: list[str] = []
            system.launcher.on_start = lambda _: why.append(system.status().why)
            frozen, frozen_at = system.local_process(), now_s()
            frozen.freeze()
            await system.until_serving(generation=2)
            assert frozen.ended
            assert 2.0 <= now_s() - frozen_at <= 2.3
            assert why == ["frozen: a tick went unanswered for 2000 ms"]
            assert system.status().why == ""

    run_virtual(main())


def test_no_shell_waits_for_another_that_is_frozen(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market("a/1x2"), market("b/1x2"))
            system.local_process("market-00000").freeze()
            system.local_process("market-00001").kill()
            began = now_s()
            await system.until_serving(generation=2, name="market-00001")
            assert now_s() - began < 0.05
            assert system.status("market-00000").generation == 1

    run_virtual(main())


def test_a_suspected_shell_is_ticked_before_the_next_tick_is_due(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, tick_ms=60_000, tick_deadline_ms=500) as system:
            await system.create(market())
            await asyncio.sleep(0.1)
            system.local_process().freeze()
            began = now_s()
            system.supervisor.suspect(MARKET)
            system.supervisor.suspect("market-99999")
            await system.until_serving(generation=2)
            assert 0.5 <= now_s() - began < 0.6

    run_virtual(main())


def test_a_defect_of_its_keeper_leaves_no_shell_without_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    defects = [ZeroDivisionError("a defect")]

    class Broken(LocalPeer):
        def notify(self, method: str, /, *args: object) -> None:
            if defects:
                raise defects.pop()

    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market())
            await system.supervisor.subscribe_routes("broken", Broken(system, name="broken"))
            system.local_process().kill()
            await system.until_serving(generation=2)
            assert "keeping its process failed" in caplog.text

    run_virtual(main())


def test_pauses_between_restarts_double_with_jitter_up_to_their_bound(tmp_path: Path) -> None:
    async def main() -> None:
        settings = {"backoff_min_ms": 100, "backoff_max_ms": 1_000, "restarts_max": 7}
        async with SupervisedShells(tmp_path, restart_window_ms=3_600_000, **settings) as system:
            await system.create(market())
            await system.kill_repeatedly(7)
            starts = system.launcher.starts_of(MARKET)
            pauses = [after - before for before, after in pairwise(starts)]
            assert pauses[0] < 0.01
            nominal = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
            shares = [pause / wanted for pause, wanted in zip(pauses[1:], nominal, strict=True)]
            assert all(0.5 <= share <= 1.6 for share in shares), shares
            assert min(shares) < 0.9, "jitter shortens pauses"
            assert max(shares) > 1.1, "jitter lengthens pauses"

    run_virtual(main())


def test_a_shell_past_its_restart_budget_is_quarantined_and_refuses_bets(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, restarts_max=3) as system:
            await system.create(market())
            await system.kill_repeatedly(4)
            status = system.status()
            assert status.state is ShellState.QUARANTINED
            assert "4 restarts in 60 s" in status.why
            peer = system.routes.peer(MARKET)
            assert peer is not None
            (decision,) = decisions_of(await peer.ask("place", bets(5).tobytes()))
            assert (decision["bet_id"], decision["reason"]) == (5, Reason.QUARANTINED)
            assert len(system.launcher.starts_of(MARKET)) == 5

    run_virtual(main())


def test_a_released_shell_serves_with_nothing_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, restarts_max=1) as system:
            await system.create(market())
            await system.kill_repeatedly(2)
            assert system.status().state is ShellState.QUARANTINED
            await system.supervisor.release(MARKET)
            assert system.status().state is ShellState.SERVING
            assert system.local_process().target.market_nos() == [1]

    run_virtual(main())


def test_deaths_spread_over_many_windows_do_not_spend_the_budget(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, restarts_max=2, restart_window_ms=10_000) as system:
            await system.create(market())
            for _ in range(6):
                await system.kill_repeatedly(1)
                await asyncio.sleep(11)
            assert system.status().state is ShellState.SERVING

    run_virtual(main())


def test_no_more_shells_than_the_bound_recover_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, recoveries_max=2) as system:
            await system.create(*(market(f"f{n}/1x2") for n in range(7)))
            starting: set[str] = set()
            most = 0

            def start_slowly(local_process: LocalProcess) -> None:
                nonlocal most
                starting.add(local_process.spec.name)
                most = max(most, len(starting))
                local_process.freeze()

                def answer() -> None:
                    starting.discard(local_process.spec.name)
                    local_process.thaw()

                asyncio.get_running_loop().call_later(1.5, answer)

            system.launcher.on_start = start_slowly
            shells = [f"market-{n:05d}" for n in range(7)]
            for name in shells:
                system.local_process(name).kill()
            began = now_s()
            for name in shells:
                await system.until_serving(generation=2, name=name)
            assert most == 2
            assert 5.99 <= now_s() - began < 6.1  # four rounds of two, 1.5 s each

    run_virtual(main())


def test_a_start_that_hangs_is_abandoned_at_its_deadline_and_repeated(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, start_deadline_ms=5_000) as system:
            await system.create(market())
            hung: list[LocalProcess] = []

            def hang_once(local_process: LocalProcess) -> None:
                if not hung:
                    hung.append(local_process)
                    local_process.freeze()

            system.launcher.on_start = hang_once
            system.local_process().kill()
            began = now_s()
            await system.until_serving(generation=3)
            assert hung[0].ended
            assert 5.0 <= now_s() - began < 5.2  # and the pause before a second restart

    run_virtual(main())


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (ProgressFile.__call__, "recovering: 4"),
        (ProgressFile.compiling, "compiling its kernels: 4"),
    ],
)
def test_a_start_that_moves_is_not_given_up_however_long_it_takes(
    tmp_path: Path, note: Callable[[ProgressFile, int], None], why: str
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, start_deadline_ms=5_000) as system:
            await system.create(market())
            progress = ProgressFile(tmp_path / "shells" / MARKET / PROGRESS_NAME, clock_s=now_s)
            system.launcher.on_start = LocalProcess.freeze
            system.local_process().kill()
            for second in range(50):
                await asyncio.sleep(1)
                note(progress, 1_000 * second)
            status = system.status()
            assert (status.generation, status.state) == (2, ShellState.STARTING)
            assert status.why.startswith(why)
            assert system.routes.shells[MARKET].state is ShellState.STARTING
            system.local_process().thaw()
            await system.until_serving(generation=2)
            assert len(system.launcher.starts_of(MARKET)) == 2

    run_virtual(main())


def test_a_recovery_that_stops_moving_is_given_up_at_its_deadline(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, start_deadline_ms=5_000) as system:
            await system.create(market())
            progress = ProgressFile(tmp_path / "shells" / MARKET / PROGRESS_NAME, clock_s=now_s)
            made: list[LocalProcess] = []

            def freeze_first(local_process: LocalProcess) -> None:
                made.append(local_process)
                if len(made) == 1:
                    local_process.freeze()

            system.launcher.on_start = freeze_first
            system.local_process().kill()
            for second in range(20):
                await asyncio.sleep(1)
                progress(second)
            assert not made[0].ended
            stopped_at = now_s()
            await system.until_serving(generation=3)
            assert made[0].ended
            assert 4.5 <= now_s() - stopped_at < 6.5

    run_virtual(main())


def test_starts_that_fail_spend_the_budget_though_each_takes_longer_than_the_window(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        settings = {"restarts_max": 3, "start_deadline_ms": 120_000, "restart_window_ms": 60_000}
        async with SupervisedShells(tmp_path, **settings) as system:
            await system.create(market())

            def hang(local_process: LocalProcess) -> None:
                if not local_process.spec.arguments["quarantine"]:
                    local_process.freeze()

            system.launcher.on_start = hang
            system.local_process().kill()
            for _ in range(600):
                await asyncio.sleep(1)
            assert system.status().state is ShellState.QUARANTINED
            assert "no record recovered" in system.status().why
            assert len(system.launcher.starts_of(MARKET)) == 1 + 3 + 1

    run_virtual(main())


def test_a_spare_process_that_is_frozen_is_given_up_after_a_tick_deadline(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, tick_deadline_ms=2_000) as system:
            await system.create(market())
            made: list[LocalProcess] = []

            def frozen_spare(local_process: LocalProcess) -> None:
                made.append(local_process)
                if len(made) == 1:
                    local_process.start_ticks = 1
                    local_process.freeze()

            system.launcher.on_start = frozen_spare
            system.local_process().kill()
            began = now_s()
            await system.until_serving(generation=3)
            assert made[0].ended
            assert 2.0 <= now_s() - began < 2.3

    run_virtual(main())


def test_a_shell_that_freezes_after_its_first_answer_is_abandoned_and_started_again(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path, start_deadline_ms=5_000, recoveries_max=1) as system:
            await system.create(market())
            made: list[LocalProcess] = []

            def make_process(spec: PartSpec) -> LocalProcess:
                made.append(LocalProcess(spec) if made else FreezesAfterFirstCall(spec))
                return made[-1]

            system.launcher.make_process = make_process
            system.local_process().kill()
            await system.until_serving(generation=3)
            assert [process.ended for process in made] == [True, False]

    run_virtual(main())


def test_no_successor_starts_before_its_predecessor_has_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            system.launcher.make_process = EndsSlowly
            await system.create(market())
            dying = system.local_process()
            assert isinstance(dying, EndsSlowly)
            dying.freeze()
            await system.until_serving(generation=2)
            assert dying.ended_at_s <= system.launcher.starts_of(MARKET)[1]

    run_virtual(main())


def test_a_shell_is_started_until_its_journal_has_no_other_writer(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market())
            system.local_process().kill()
            lock = LocalDisk().lock(tmp_path / "shells" / MARKET / LOCK_NAME)
            await system.until(lambda: len(system.launcher.starts_of(MARKET)) > 4)
            assert system.status().state is ShellState.DOWN
            lock.close()
            await system.until(lambda: system.status().state is ShellState.SERVING, within_s=5)

    run_virtual(main())


def test_why_a_shell_ended_itself_is_shown_while_it_is_down(tmp_path: Path) -> None:
    async def main() -> None:
        async with SupervisedShells(tmp_path) as system:
            await system.create(market())
            system.local_process().kill()
            lock = LocalDisk().lock(tmp_path / "shells" / MARKET / LOCK_NAME)
            await system.until(lambda: len(system.launcher.starts_of(MARKET)) > 3)
            assert "is held by another writer" in system.status().why
            lock.close()
            await system.until(lambda: system.status().state is ShellState.SERVING)
            assert system.status().why == ""
            system.local_process().kill()
            await system.until(lambda: system.status().state is ShellState.DOWN)
            assert system.status().why == "its process is gone"

    run_virtual(main())
