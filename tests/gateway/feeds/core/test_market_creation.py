"""Markets on their way into being: what is said meanwhile, and who must not wait for them."""

import asyncio
from pathlib import Path
from typing import Any

from actors.peer import Peer
from engine.common.lifecycle import Status
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.feeds.json_feed import odds, price


class Slow:
    """A supervisor on a slow network: its answers, or its questions, wait until `go`."""

    name = "supervisor"

    def __init__(self, supervisor: Peer, *, asked_at_once: bool) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self._supervisor = supervisor
        self._asked_at_once = asked_at_once

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        if self._asked_at_once:
            answer = await self._supervisor.ask(method, *args, timeout_s=timeout_s)
            self.asked.set()
            await self.go.wait()
            return answer
        self.asked.set()
        await self.go.wait()
        return await self._supervisor.ask(method, *args, timeout_s=timeout_s)

    def notify(self, method: str, /, *args: Any) -> None:
        self._supervisor.notify(method, *args)


def test_a_goal_s_prices_do_not_wait_for_markets_that_are_being_born(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            before = (await it.images())["cup-1/1x2"]
            slow = Slow(it.system.supervisor, asked_at_once=False)
            it.pipeline.on_supervisor(slow)
            goal = {"period": 1, "clock_s": 600, "first_half": {"home": 1}}
            new = "cup-1/1x2?half=1"
            ticket = await it.pipeline.accept(
                [
                    odds(new, 2, status=1),
                    price("cup-1", 3, state=goal, suspend="goal", resume=True),
                ]
            )
            await slow.asked.wait()
            await asyncio.sleep(0.1)
            after = (await it.images())["cup-1/1x2"]
            assert after.odds_milli[0] < before.odds_milli[0]
            assert after.status is Status.ACTIVE
            slow.go.set()
            await it.pipeline.applied(ticket)
            assert (await it.images())["cup-1/1x2"].odds_milli == after.odds_milli

    run_virtual(main())


def test_a_market_that_no_message_has_priced_offers_nothing_though_it_is_opened(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, status=1))
            image = (await it.images())["cup-1/1x2"]
            assert (image.status, image.active) == (Status.ACTIVE, (False,) * 3)
            await it.push(odds("cup-1/1x2", 2, 0.5, 0.3, 0.2))
            assert (await it.images())["cup-1/1x2"].active == (True,) * 3

    run_virtual(main())


def test_what_is_said_when_a_new_market_s_route_is_known_overtakes_nothing(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            slow = Slow(it.system.supervisor, asked_at_once=True)
            it.pipeline.on_supervisor(slow)
            first = await it.pipeline.accept([odds("cup-1/1x2", 1, 0.5, 0.3, 0.2)])
            await slow.asked.wait()
            await asyncio.sleep(0.1)
            assert "cup-1/1x2" in it.pipeline._routes.market_no_by_key
            second = await it.pipeline.accept([odds("cup-1/1x2", 2, status=-1)])
            await asyncio.sleep(0.1)
            slow.go.set()
            await it.pipeline.applied(first)
            await it.pipeline.applied(second)
            image = (await it.images())["cup-1/1x2"]
            assert image.status is Status.SUSPENDED
            assert image.odds_milli[0] < image.odds_milli[2]
            assert it.pipeline.stats()["steps_refused"] == {}

    run_virtual(main())


def test_a_price_comes_before_the_suspension_that_came_after_it(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            slow = Slow(it.system.supervisor, asked_at_once=False)
            it.pipeline.on_supervisor(slow)
            key = "cup-1/1x2"
            said = [
                odds(key, 1, status=-1),
                price("cup-1", 2, resume=True),
                odds(key, 3, status=-1),
            ]
            ticket = await it.pipeline.accept(said)
            await slow.asked.wait()
            slow.go.set()
            await it.pipeline.applied(ticket)
            assert (await it.images())[key].status is Status.SUSPENDED

    run_virtual(main())


def test_a_fixture_waits_for_all_its_markets_and_for_those_that_are_refused_no_longer(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path, creations_in_call_max=1) as it:
            first, bad, last = "cup-1/1x2", "cup-1/no such type", "cup-1/1x2?half=1"
            answers = await it.push(
                odds(first, 1, status=1),
                odds(bad, 1, status=1),
                odds(last, 1, status=1),
                price("cup-1", 2),
                odds(first, 3, status=-1),
                odds("cup-2/1x2", 1, 0.5, 0.3, 0.2),
            )
            assert [bool(answer.refused) for answer in answers] == [
                False, True, False, False, False, False,
            ]  # fmt: skip
            images = await it.images()
            assert images[first].status is Status.SUSPENDED
            assert images[first].active == (True,) * 3
            assert images["cup-2/1x2"].status is Status.ACTIVE
            assert it.pipeline.stats()["in_hand"] == 0

    run_virtual(main())
