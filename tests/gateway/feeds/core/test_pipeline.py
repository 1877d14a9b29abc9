"""The pipeline before real shells in one process: a message takes effect once, in order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellRoute, ShellState
from engine.common.commands import OpenMarket, ResumeMarket, SuspendMarket
from engine.common.lifecycle import Status
from gateway.feeds.core.messages import Answer, decode_requests
from tests.actors.trade import market
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds, price, recover, result


def test_a_message_creates_prices_and_opens_its_market_before_it_is_answered(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            answers = await it.push(odds("cup-1/1x2", 5, 0.5, 0.3, 0.2))
            assert answers == [Answer(kind="odds")]
            image = (await it.images())["cup-1/1x2"]
            assert image.status is Status.ACTIVE
            assert image.odds_milli[0] < 2_000 < image.odds_milli[1] < image.odds_milli[2]
            assert sum(1_000 / milli for milli in image.odds_milli) == pytest.approx(1.05, abs=0.02)

    run_virtual(main())


def test_a_repeated_message_changes_nothing(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            first = odds("cup-1/1x2", 5, 0.5, 0.3, 0.2)
            await it.push(first, odds("cup-1/1x2", 6, 0.2, 0.3, 0.5))
            before = await it.images()
            assert await it.push(first, first) == [Answer(kind="odds")] * 2
            assert await it.images() == before
            assert it.pipeline.stats()["steps_refused"] == {"feed_position_known": 2}

    run_virtual(main())


def test_messages_are_obeyed_in_order_while_their_market_is_created(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            key = "cup-1/1x2"
            await it.push(
                odds(key, 1, 0.5, 0.3, 0.2),
                odds(key, 2, status=-1),
                odds(key, 3, 0.2, 0.3, 0.5, status=None),
                result(key, 4, 2),
            )
            image = (await it.images())[key]
            assert image.status is Status.SETTLED
            assert image.odds_milli[0] > image.odds_milli[2]
            assert it.pipeline.stats()["applied"] == 4

    run_virtual(main())


def test_a_market_whose_creation_is_refused_is_requested_once(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            bad = "cup-1/no such type"
            (first,) = await it.push(odds(bad, 1, 0.5, 0.3, 0.2))
            (second,) = await it.push(odds(bad, 2, 0.5, 0.3, 0.2))
            assert bad in first.refused
            assert second.refused == first.refused
            assert it.pipeline.stats()["creations_refused"] == 1

    run_virtual(main())


def test_a_message_for_a_market_that_cannot_be_created_is_refused(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            (answer,) = await it.push(odds("cup-9/1x2", 1, no_new_market=True))
            assert answer.refused == "cup-9/1x2: no such market"

    run_virtual(main())


def test_a_message_of_which_one_part_is_obeyed_is_not_refused(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            bad, good = "cup-1/no such type", "cup-1/1x2"
            (answer,) = await it.push(odds(bad, 1, 0.5, 0.3, 0.2, more=[good]))
            assert answer.refused == ""
            assert list(await it.images()) == [good]

    run_virtual(main())


def test_probabilities_that_do_not_fit_their_market_make_no_odds_and_delay_no_other(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(
                odds("cup-1/1x2", 1, 0.5, 0.3, 0.2),
                odds("cup-2/1x2", 1, 0.5, 0.5),
                odds("cup-3/1x2", 1, 0.5, 0.3, 0.2),
            )
            images = await it.images()
            statuses = [images[f"cup-{n}/1x2"].status for n in (1, 2, 3)]
            assert statuses == [Status.ACTIVE, Status.SUSPENDED, Status.ACTIVE]
            assert images["cup-2/1x2"].active == (False,) * 3
            assert it.pipeline.stats()["steps_refused"] == {"field_out_of_bounds": 1}

    run_virtual(main())


def test_a_market_that_a_trader_suspended_is_not_opened_by_a_feed(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            await it.system.refresh()
            await it.system.control([SuspendMarket(market_no=1, why="rumours")], by="trader:a")
            await it.push(odds("cup-1/1x2", 2, 0.4, 0.3, 0.3))
            image = (await it.images())["cup-1/1x2"]
            assert image.status is Status.SUSPENDED
            assert it.pipeline.stats()["steps_refused"] == {"market_held": 1}
            await it.system.control([ResumeMarket(market_no=1)], by="trader:a")
            await it.push(odds("cup-1/1x2", 3, 0.4, 0.3, 0.3))
            assert (await it.images())["cup-1/1x2"].status is Status.ACTIVE

    run_virtual(main())


def test_a_fixture_is_priced_once_in_every_shell_that_hosts_its_markets(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, markets_per_actor=1) as it:
            keys = ["cup-1/1x2", "cup-1/first_half_1x2"]
            created = await it.system.create_markets([market(key) for key in keys])
            routes = [answer.route for answer in created if answer.route]
            assert len({route.shell for route in routes}) == 2
            await it.system.control([OpenMarket(market_no=route.market_no) for route in routes])
            before = await it.images()
            goal = {"period": 1, "clock_s": 600, "first_half": {"home": 1}}
            message = price("cup-1", 7, state=goal, suspend="goal", resume=True)
            await it.push(message)
            after = await it.images()
            for key in keys:
                assert after[key].status is Status.ACTIVE
                assert after[key].odds_milli != before[key].odds_milli
            await it.push(message)
            assert await it.images() == after

    run_virtual(main())


def test_a_fixture_is_priced_after_its_markets_in_creation(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 6, status=None), price("cup-1", 7))
            assert (await it.images())["cup-1/1x2"].odds_milli != (1_001,) * 3

    run_virtual(main())


def test_a_message_without_steps_only_creates_its_market(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            answers = await it.push(odds("cup-1/1x2", 1, status=None))
            assert answers == [Answer(kind="odds")]
            assert (await it.images())["cup-1/1x2"].status is Status.INACTIVE
            calls = it.pipeline.stats()["calls"]
            assert await it.push(odds("cup-1/1x2", 2, status=None)) == answers
            assert it.pipeline.stats()["calls"] == calls

    run_virtual(main())


def test_shells_that_are_killed_end_with_the_same_markets_as_shells_that_are_not(tmp_path: Path):
    keys = [f"cup-{n}/1x2" for n in range(6)]

    def message(number: int) -> bytes:
        p = 0.3 + 0.3 * ((number * 7) % 10) / 10
        return odds(
            keys[number % 6], 10 + number, p, 0.9 - p, 0.1, status=1 - 2 * (number % 3 == 1)
        )

    async def run(folder: Path, kills: Sequence[int]) -> tuple[Any, Any]:
        async with open_feed_system(folder, pace_ms=0, updates_in_call_max=4) as it:
            for start in range(0, 120, 12):
                if start in kills:
                    tickets = [await it.pipeline.accept([message(start)])]
                    it.local_process("market-00001").kill()
                    tickets.append(
                        await it.pipeline.accept([message(start + i) for i in range(1, 12)])
                    )
                    for ticket in tickets:
                        await it.pipeline.applied(ticket)
                else:
                    await it.push(*(message(start + i) for i in range(12)))
            if kills:
                assert it.pipeline.stats()["calls_again"] > 0
            positions = await it.pipeline._resumption.known_markets()
            return await it.images(), {m.image.key: m.positions for m in positions}

    calm = run_virtual(run(tmp_path / "calm", ()))
    killed = run_virtual(run(tmp_path / "killed", (24, 60, 96)))
    assert killed == calm


class SupervisorStub:
    """A supervisor's peer that keeps the shells it is notified of."""

    name = "supervisor"

    def __init__(self) -> None:
        self.suspected: list[str] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        raise NotImplementedError

    def notify(self, method: str, /, *args: Any) -> None:
        assert method == "suspect"
        self.suspected += args


def test_a_serving_shell_that_does_not_answer_is_reported_to_the_latest_supervisor(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, call_timeout_ms=100) as it:
            key, shell = "cup-1/1x2", "market-00000"
            await it.push(odds(key, 1, 0.5, 0.3, 0.2))
            supervisor = SupervisorStub()
            it.pipeline.on_supervisor(supervisor)
            it.local_process(shell).freeze()
            pushing = asyncio.ensure_future(it.push(odds(key, 2, status=-1)))
            await asyncio.sleep(2.0)
            assert set(supervisor.suspected) == {shell}
            down = ShellRoute(name=shell, kind="market", generation=1, state=ShellState.DOWN)
            it.pipeline.on_routes(1 << 60, [down], [], {})
            await asyncio.sleep(1.0)
            reports = len(supervisor.suspected)
            await asyncio.sleep(10.0)
            assert len(supervisor.suspected) == reports, "the supervisor knows that it is down"
            pushing.cancel()

    run_virtual(main())


def test_recovery_requests_of_the_adapter_are_kept_until_they_are_done(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(recover(1_000, 1), recover(2_000, 2))
            (request,) = decode_requests(it.pipeline.requests())
            assert (request.after_ms, request.request_id) == (2_000, 2)
            assert it.pipeline.stats()["requests"] == 1
            it.pipeline.request_done(1, 2)
            assert it.pipeline.stats()["requests"] == 0

    run_virtual(main())


def test_the_adapter_is_given_the_time_at_every_tick(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, tick_ms=100) as it:
            await asyncio.sleep(1.05)
            assert it.adapter.ticks == 10
            assert it.pipeline.stats()["passed_over"] == {"ticks": 10}

    run_virtual(main())


def test_a_part_that_its_shell_cannot_read_is_refused_and_the_others_are_obeyed(tmp_path: Path):
    class TooMany(JsonAdapter):
        def receive(self, body: bytes, *, at_ns: int) -> Any:
            received = super().receive(body, at_ns=at_ns)
            if b"poison" not in body:
                return received
            (update,) = received.actions
            many = type(update)(key=update.key, mark=update.mark, steps=update.steps * 40)
            return type(received)(kind="odds", actions=(many,))

    async def main():
        async with open_feed_system(tmp_path, make_adapter=TooMany) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2), odds("cup-2/1x2", 1, 0.5, 0.3, 0.2))
            answers = await it.push(
                odds("cup-1/1x2", 2, status=-1),
                odds("cup-1/1x2", 3, status=1, poison=True),
                odds("cup-2/1x2", 4, status=-1),
            )
            assert ["defect" in answer.refused for answer in answers] == [False, True, False]
            images = await it.images()
            assert [image.status for image in images.values()] == [Status.SUSPENDED] * 2

    run_virtual(main())
