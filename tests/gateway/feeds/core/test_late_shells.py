"""A market shell that does not answer holds back no message for another, and loses none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import MarketRoute, ShellState
from engine.common.lifecycle import Status
from engine.pricing.repricing import Reprice
from gateway.feeds.core.intake import HELD_AFTER_S
from gateway.feeds.core.messages import Answer, HeldAnswer, decode_answers, decode_held_answers
from gateway.feeds.core.shell_queue import MISSED
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.core.test_shell_queue import (
    ACTIVE,
    SUSPENDED,
    FaultyPeer,
    Queues,
    one_market,
    update,
)
from tests.gateway.feeds.feed_system import FeedSystem, open_feed_system
from tests.gateway.feeds.json_feed import odds, result

DEAD, ALIVE = "cup-1/1x2", "cup-2/1x2"
MESSAGES_MAX = 64


def kill(it: FeedSystem, shell: str) -> Callable[[], None]:
    """Kill a shell, which stays dead until the returned function is called."""
    launcher: Any = it.system._launcher
    begin, revived = launcher.begin, asyncio.Event()

    async def begin_later(spec: Any) -> Any:
        await revived.wait()
        return await begin(spec)

    launcher.begin = begin_later
    launcher.processes[shell].kill()
    return revived.set


@asynccontextmanager
async def one_dead(
    folder: Path, **settings: Any
) -> AsyncIterator[tuple[FeedSystem, str, Callable[[], None]]]:
    """Open a system with two markets in a shell each, and kill the first shell until revived."""
    fields = {"messages_max": MESSAGES_MAX, **settings}
    async with open_feed_system(folder, markets_per_actor=1, **fields) as it:
        await it.push(*[odds(key, 1, 0.5, 0.3, 0.2) for key in (DEAD, ALIVE)])
        await it.system.refresh()
        routes = it.system.routes
        shell = routes.markets[routes.market_no_by_key[DEAD]].shell
        async with asyncio.timeout(60.0):
            yield it, shell, kill(it, shell)


async def status(it: FeedSystem, key: str) -> Status:
    """Return a market's status, of which the shell answers."""
    await it.system.refresh()
    routes = it.system.routes
    peer = it.local_process(routes.markets[routes.market_no_by_key[key]].shell).target
    image: Any = peer._machine().price_image(routes.market_no_by_key[key])
    return Status(image.status)


@pytest.mark.parametrize("bound", [{}, {"queue_updates_max": 32, "messages_max": 8_192}])
def test_a_full_queue_of_a_dead_shell_holds_back_no_stop_of_another(
    tmp_path: Path, bound: dict[str, int]
):
    async def main():
        async with one_dead(tmp_path, **bound) as (it, shell, _):
            calls = [
                asyncio.ensure_future(it.push(*[odds(DEAD, 10 * n + i) for i in range(10)]))
                for n in range(1, 21)
            ]
            await it.push(odds(ALIVE, 300, status=-1))
            assert await status(it, ALIVE) is Status.SUSPENDED
            answers = [answer for call in await asyncio.gather(*calls) for answer in call]
            assert answers == [Answer(kind="odds", refused=f"{shell}: {MISSED}")] * 200
            stats = it.pipeline.stats()
            assert (stats["in_hand"], stats["held"], stats["waiting"]) == (0, 0, 0)
            assert (stats["behind"], stats["shells_missed"]) == ((shell,), {shell: 200})

    run_virtual(main())


def test_what_a_dead_shell_missed_is_asked_for_when_it_answers_and_nothing_else_opens_it(
    tmp_path: Path,
):
    async def main():
        async with one_dead(tmp_path) as (it, _, revive):
            first = it.adapter
            await it.push(*[odds(DEAD, at) for at in range(2, 100)], odds(ALIVE, 2))
            await it.push(result(DEAD, 100, 0))
            revive()
            while it.adapter is first:
                await asyncio.sleep(0.01)
            positions = {known.image.key: known.positions for known in it.adapter.resumed}
            assert positions == {DEAD: {"tiny:1/odds": 1}, ALIVE: {"tiny:1/odds": 2}}
            await asyncio.sleep(0.1)
            assert await status(it, DEAD) is Status.SUSPENDED
            assert await status(it, ALIVE) is Status.ACTIVE
            answers = await it.push(result(DEAD, 100, 0))
            assert answers == [Answer(kind="result")]
            assert await status(it, DEAD) is Status.SETTLED
            assert it.pipeline.stats()["shells_behind"] == 0

    run_virtual(main())


def test_messages_for_a_dead_shell_are_held_and_the_others_of_their_call_are_answered(
    tmp_path: Path,
):
    async def main():
        async with one_dead(tmp_path) as (it, _, revive):
            ticket = await it.pipeline.accept([odds(DEAD, 2, status=-1), odds(ALIVE, 2, status=-1)])
            held, obeyed = decode_answers(await it.pipeline.applied(ticket))
            assert held.held > 0
            assert obeyed == Answer(kind="odds")
            stats = it.pipeline.stats()
            assert (stats["in_hand"], stats["held"], stats["lag_ms"]) == (0, 1, 0)
            assert decode_held_answers(it.pipeline.held([held.held])) == []
            revive()
            while not (answers := decode_held_answers(it.pipeline.held([held.held]))):
                await asyncio.sleep(0.1)
            assert answers == [HeldAnswer(number=held.held, kind="odds")]
            assert await status(it, DEAD) is Status.SUSPENDED
            assert it.pipeline.stats()["held"] == 0
            assert it.adapter.resumed == [], "few messages waited, and none was missed"

    run_virtual(main())


def test_a_shell_that_restarts_in_time_misses_nothing_and_no_message_is_held(tmp_path: Path):
    async def main():
        async with one_dead(tmp_path) as (it, _, revive):
            pushing = asyncio.ensure_future(it.push(odds(DEAD, 2, status=-1)))
            await asyncio.sleep(HELD_AFTER_S / 2)
            revive()
            assert await pushing == [Answer(kind="odds")]
            assert await status(it, DEAD) is Status.SUSPENDED

    run_virtual(main())


def test_a_stop_that_a_shell_missed_does_not_wait_for_a_resumption_under_way(tmp_path: Path):
    """One that waits for a frozen shell takes seconds."""
    keys = ["cup-1/1x2", "cup-2/1x2", "cup-3/1x2"]

    async def main():
        async with open_feed_system(tmp_path, markets_per_actor=1) as it:
            await it.push(*[odds(key, 1, 0.5, 0.3, 0.2) for key in keys])
            await it.system.refresh()
            routes = it.system.routes
            late, frozen, back = [
                routes.markets[routes.market_no_by_key[key]].shell for key in keys
            ]
            it.pipeline._queues.missed(late)
            (answer,) = await it.push(odds(keys[0], 2, status=-1))
            assert MISSED in answer.refused
            it.local_process(frozen).freeze()
            it.pipeline._resumption.resume_again(back)
            await asyncio.sleep(0.1)
            assert not it.pipeline._resumption.ready.is_set()
            assert await status(it, keys[0]) is Status.SUSPENDED
            it.local_process(frozen).thaw()

    run_virtual(main())


@pytest.mark.parametrize("quarantined", [False, True])
def test_the_missed_stop_of_a_fixture_stops_its_markets_when_the_shell_answers(
    quarantined: bool,
) -> None:
    async def main() -> None:
        shell = one_market()
        it = Queues(FaultyPeer(shell))
        key = shell._machine().price_image(1).key
        it.routes.update(
            version=2, shells=(), markets=[MarketRoute(market_no=1, key=key, shell="a")], peers={}
        )
        await it.send(update(1, "a", ACTIVE))
        it.queues.missed("a", quarantined=quarantined)
        fixture = key.partition("/")[0]
        stop = Reprice(by="feed:test", fixture=fixture, model={}, state={}, suspend="goal")
        assert await it.send(stop) == [f"a: {MISSED}"]
        it.queues.on_shell("a", ShellState.SERVING)
        await asyncio.sleep(3.0)
        assert (it.back, it.queues.waiting) == (["a"], 0)
        assert shell._machine().price_image(1).status is Status.SUSPENDED

    run_virtual(main())


def test_a_shell_with_room_again_is_known_by_a_stop_that_it_takes() -> None:
    async def main() -> None:
        shell = one_market()
        peer = FaultyPeer(shell, *["disk_full"] * 4)
        it = Queues(peer, late_messages_max=1)
        opening = asyncio.ensure_future(it.send(*[update(1, each, ACTIVE) for each in "ab"]))
        await asyncio.sleep(1.5)
        it.queues.leave_late_behind()
        assert await opening == [f"a: {MISSED}"] * 2
        assert await it.send(update(1, "c", ACTIVE)) == [f"a: {MISSED}"]
        await asyncio.sleep(3.0)
        assert it.back == [], "the shell still has no room"
        await asyncio.sleep(5.0)
        assert it.back == ["a"]
        assert shell._machine().price_image(1).status is Status.SUSPENDED

    run_virtual(main())


def test_a_shell_that_answers_in_time_is_waited_for_however_much_waits() -> None:
    async def main() -> None:
        it = Queues(FaultyPeer(one_market()), late_messages_max=1)
        sending = asyncio.ensure_future(it.send(*[update(1, each, ACTIVE) for each in "abcdef"]))
        await asyncio.sleep(0.1)
        it.queues.leave_late_behind()
        assert it.queues.full
        assert await sending == [""] * 6
        assert (it.back, it.queues.full) == ([], False)

    run_virtual(main())


def test_a_shell_that_answers_each_of_several_calls_in_time_is_waited_for() -> None:
    async def main() -> None:
        it = Queues(FaultyPeer(one_market(), "unreadable"), late_messages_max=1)
        sending = asyncio.ensure_future(it.send(*[update(1, each, ACTIVE) for each in "abcdef"]))
        await asyncio.sleep(3.1)  # one call for all, which is unreadable, then one for each
        it.queues.leave_late_behind()
        assert not it.queues.is_behind("a")
        await asyncio.sleep(0.5)
        assert len(it.queues.late_messages()) > 1, "the present call is late"
        assert await sending == [""] * 6

    run_virtual(main())


def test_parts_of_a_call_that_is_answered_after_its_shell_fell_behind_are_answered_once() -> None:
    async def main() -> None:
        shell = one_market()
        it = Queues(FaultyPeer(shell), late_messages_max=1)
        sending = asyncio.ensure_future(it.send(*[update(1, each, ACTIVE) for each in "ab"]))
        await asyncio.sleep(0.5)  # the call takes a second, and a quarter of that is late
        it.queues.leave_late_behind()
        assert await sending == [f"a: {MISSED}"] * 2
        await asyncio.sleep(5.0)
        assert it.back == ["a"]
        assert shell._machine().price_image(1).status is Status.ACTIVE, "the call was obeyed"
        assert await it.send(update(1, "c", SUSPENDED)) == [""]

    run_virtual(main())


def test_a_call_from_before_its_shell_fell_behind_answers_no_later_part() -> None:
    async def main() -> None:
        it = Queues(FaultyPeer(one_market(), "", "call lost"))
        before = asyncio.ensure_future(it.send(update(1, "a", ACTIVE)))
        await asyncio.sleep(0.5)
        it.queues.missed("a", quarantined=True)
        assert await before == [f"a: {MISSED}"]
        it.queues.on_shell("a", ShellState.SERVING)
        after = asyncio.ensure_future(it.send(update(1, "b", SUSPENDED)))
        await asyncio.sleep(0.7)
        assert it.queues.stats.calls == 2, "the first call has ended"
        assert not after.done()
        assert await after == [""]

    run_virtual(main())


FAULTS = st.lists(st.sampled_from(["", "call lost", "answer lost", "disk_full", "quarantined"]))
STEPS = st.lists(
    st.one_of(st.integers(1, 4), st.floats(0.01, 3.0), st.just("look"), st.just("serves")),
    max_size=40,
)


@given(FAULTS, STEPS, st.integers(1, 4))
def test_every_part_is_obeyed_or_missed_and_a_shell_that_missed_one_comes_back(
    faults: list[str], steps: list[Any], late_messages_max: int
) -> None:
    """`look` is what the pipeline does at each tick, `serves` what the supervisor says at last."""

    async def main() -> None:
        peer = FaultyPeer(one_market(), *faults)
        it = Queues(peer, late_messages_max=late_messages_max)
        sent: list[asyncio.Future[list[str]]] = []

        for step in [*steps, "serves"]:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, int):
                first = 4 * len(sent)
                parts = [update(1, "x", ACTIVE, position=first + i) for i in range(step)]
                sent.append(asyncio.ensure_future(it.send(*parts)))
                await asyncio.sleep(0)
            elif step == "look":
                it.queues.leave_late_behind()
            else:
                it.queues.on_shell("a", ShellState.SERVING)
        for _ in range(len(faults) + 2):  # a quarantined shell serves when it is said to
            await asyncio.sleep(30.0)
            it.queues.on_shell("a", ShellState.SERVING)
        await asyncio.gather(*sent)
        assert len(it.answers) == sum(step for step in steps if isinstance(step, int))
        for why, backs in it.answers:
            assert why in ("", f"a: {MISSED}", "under inspection")
            assert not why or backs < len(it.back), "missed, and never back since"
        assert it.queues.waiting == 0
        assert not it.queues.is_behind("a")
        peer.faults.clear()
        assert await it.send(update(1, "last", SUSPENDED)) == [""]

    run_virtual(main())
