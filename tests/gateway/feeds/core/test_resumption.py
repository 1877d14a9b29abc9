"""How an adapter resumes from what markets remember, and again after a shell missed an update."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.messages import ShellRoute, ShellState, encode
from engine.common.commands import SetStatus
from engine.common.lifecycle import Status
from engine.pricing.fair_probabilities import Mark
from engine.pricing.following import Follow, Followed
from gateway.feeds.core.pipeline import FeedPipeline
from gateway.feeds.core.shell_queue import MISSED
from gateway.market_limits import LimitsSettings
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds, result

KEY = "cup-1/1x2"
SHELL = "market-00000"


def routed(state: ShellState) -> ShellRoute:
    return ShellRoute(name=SHELL, kind="market", generation=1, state=state)


def resumed(pipeline: FeedPipeline) -> dict[str, dict[str, int]]:
    """Return the markets with which the adapter in use began, and their positions."""
    adapter: Any = pipeline._resumption.adapter
    return {known.image.key: known.positions for known in adapter.resumed}


def test_a_new_pipeline_resumes_from_what_markets_remember(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            sent = [odds(KEY, 5, 0.5, 0.3, 0.2), result("cup-2/1x2", 9, 1)]
            await it.push(*sent)
            before = await it.images()
        async with open_feed_system(tmp_path) as it:
            known = {m.image.key: (m.positions, m.results_stand) for m in it.adapter.resumed}
            assert known == {
                KEY: ({"tiny:1/odds": 5}, False),
                "cup-2/1x2": ({"tiny:1/result": 9}, True),
            }
            await it.push(*sent)
            assert await it.images() == before

    run_virtual(main())


def test_markets_of_other_feeds_are_left_out(tmp_path: Path):
    class OneCup(JsonAdapter):
        def owns(self, key: str) -> bool:
            return key.startswith("cup-1/")

    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds(KEY, 5, 0.5, 0.3, 0.2), odds("cup-2/1x2", 5, 0.5, 0.3, 0.2))
        async with open_feed_system(tmp_path, make_adapter=OneCup) as it:
            assert list(resumed(it.pipeline)) == [KEY]
            assert it.pipeline.stats()["markets"] == 1

    run_virtual(main())


def test_an_update_that_a_quarantined_shell_missed_leads_to_a_new_resumption_when_it_serves(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            shell = it.local_process(SHELL).target
            first, shell.why = it.adapter, "inspected"
            (answer,) = await it.push(odds(KEY, 2, status=-1))
            assert "inspection" in answer.refused
            shell.why = ""
            it.pipeline.on_routes(1 << 60, [routed(ShellState.QUARANTINED)], [], {})
            await asyncio.sleep(1.0)
            assert it.adapter is first
            it.pipeline.on_routes((1 << 60) + 1, [routed(ShellState.SERVING)], [], {})
            await it.push(odds(KEY, 3, 0.4, 0.3, 0.3))
            assert it.adapter is not first
            assert resumed(it.pipeline) == {KEY: {"tiny:1/odds": 1}}
            assert (await it.images())[KEY].status is Status.ACTIVE

    run_virtual(main())


def _second_pipeline(it: FeedSystem) -> FeedPipeline:
    """Return another pipeline of the feed, with the system's routes, that has not begun."""
    pipeline = FeedPipeline(
        name="second",
        feed="tiny",
        supervisor=it.system.supervisor,
        make_adapter=JsonAdapter,
        settings=it.pipeline.settings,
    )
    pipeline.on_routes(*it.system._supervisor._target.routes())  # type: ignore[union-attr]
    return pipeline


def test_a_shell_that_is_down_leads_to_a_new_resumption_when_it_serves(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            pipeline = _second_pipeline(it)
            pipeline.on_routes(1 << 60, [routed(ShellState.DOWN)], [], {})
            await pipeline.start()
            assert resumed(pipeline) == {}
            peers = {SHELL: it.local_process(SHELL).peer}
            pipeline.on_routes(1 << 61, [routed(ShellState.SERVING)], [], peers)
            await asyncio.sleep(0.1)
            assert resumed(pipeline) == {KEY: {"tiny:1/odds": 1}}
            await pipeline.stop()

    run_virtual(main())


def test_a_shell_that_serves_late_is_waited_for(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            pipeline = _second_pipeline(it)
            pipeline.on_routes(1 << 60, [routed(ShellState.DOWN)], [], {})
            starting = asyncio.ensure_future(pipeline.start())
            accepting = asyncio.ensure_future(pipeline.accept([b"x"]))
            await asyncio.sleep(2.0)
            assert not starting.done()
            assert not accepting.done(), "no message is received while the adapter resumes"
            pipeline.on_routes(1 << 61, [routed(ShellState.SERVING)], [], {})
            await starting
            assert resumed(pipeline) == {KEY: {"tiny:1/odds": 1}}
            await accepting
            await pipeline.stop()

    run_virtual(main())


def test_a_shell_in_quarantine_leads_to_a_new_resumption_when_it_serves(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            shell = it.local_process(SHELL).target
            durable, shell._durable, shell.why = shell._durable, None, "inspected"
            pipeline = _second_pipeline(it)
            await pipeline.start()
            assert resumed(pipeline) == {}
            shell._durable, shell.why = durable, ""
            pipeline.on_routes(1 << 61, [routed(ShellState.SERVING)], [], {})
            await asyncio.sleep(0.1)
            assert list(resumed(pipeline)) == [KEY]
            await pipeline.stop()

    run_virtual(main())


def test_a_shell_that_comes_back_while_the_adapter_resumes_is_read_again(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, markets_per_actor=1) as it:
            others = odds("cup-2/1x2", 1, 0.5, 0.3, 0.2)
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2), others)
            resumption, first = it.pipeline._resumption, it.adapter
            it.local_process("market-00001").freeze()
            resumption.resume_again("market-00001")
            await asyncio.sleep(0.5)
            await it.local_process(SHELL).peer.ask("follow", _suspended_at(2))
            resumption.resume_again(SHELL)
            it.local_process("market-00001").thaw()
            await it.push(odds("cup-2/1x2", 2, 0.5, 0.3, 0.2))
            assert it.adapter is not first
            assert resumed(it.pipeline)[KEY] == {"tiny:1/odds": 2}

    run_virtual(main())


def _suspended_at(position: int) -> bytes:
    """Return a market's update that went past the pipeline."""
    step = SetStatus(market_no=1, status=Status.SUSPENDED)
    mark = Mark(source="tiny:1/odds", position=position)
    return encode(
        Follow(by="feed:tiny", updates=(Followed(market_no=1, mark=mark, steps=(step,)),))
    )


def test_a_shell_that_missed_a_market_s_phase_is_told_it_again(tmp_path: Path):
    limits = LimitsSettings(rules=("phase=live stake_minor_max=700",))

    async def main():
        async with open_feed_system(tmp_path, limits=limits) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            it.pipeline._queues.missed(SHELL)
            (answer,) = await it.push(odds(KEY, 2, 0.5, 0.3, 0.2, phase="live"))
            assert MISSED in answer.refused
            await asyncio.sleep(1.0)
            assert resumed(it.pipeline) == {KEY: {"tiny:1/odds": 1}}
            await it.push(odds(KEY, 2, 0.5, 0.3, 0.2, phase="live"))
            (known,) = await it.pipeline._resumption.known_markets()
            assert "feed:tiny/limits" in known.positions

    run_virtual(main())


def test_a_defect_in_a_resumption_keeps_the_adapter_in_use(tmp_path: Path):
    class Once(JsonAdapter):
        resumes = 0

        def resume(self, markets: Sequence[Any], *, at_ns: int) -> Any:
            Once.resumes += 1
            if Once.resumes > 1:
                raise ZeroDivisionError
            return super().resume(markets, at_ns=at_ns)

    async def main():
        async with open_feed_system(tmp_path, make_adapter=Once) as it:
            await it.push(odds(KEY, 1, 0.5, 0.3, 0.2))
            first = it.adapter
            it.pipeline._resumption.resume_again(SHELL)
            await it.push(odds(KEY, 2, status=-1))
            assert (Once.resumes, it.adapter) == (2, first)
            assert (await it.images())[KEY].status is Status.SUSPENDED

    run_virtual(main())
