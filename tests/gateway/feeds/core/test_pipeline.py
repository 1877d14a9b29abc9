"""The desk before real shells in one process: what a feed says happens once, in order."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellRoute, ShellState
from actors.peer import PeerRefusedError
from engine.common.commands import OpenMarket, ResumeMarket, SuspendMarket
from engine.common.lifecycle import Status
from gateway.feeds.core.messages import Answer, decode_requests
from gateway.feeds.core.pipeline import FeedPipeline
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


def test_the_same_message_again_changes_nothing(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            first = odds("cup-1/1x2", 5, 0.5, 0.3, 0.2)
            await it.push(first, odds("cup-1/1x2", 6, 0.2, 0.3, 0.5))
            before = await it.images()
            assert await it.push(first, first) == [Answer(kind="odds")] * 2
            assert await it.images() == before
            assert it.pipeline.stats()["steps_refused"] == {"feed_position_known": 2}

    run_virtual(main())


def test_what_the_adapter_passed_over_is_among_the_figures(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await asyncio.sleep(1.0)
            assert it.pipeline.stats()["passed_over"]["ticks"] > 0

    run_virtual(main())


def test_messages_of_a_market_are_obeyed_in_their_order_while_it_is_born(tmp_path: Path):
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


def test_what_cannot_be_read_is_answered_counted_and_kept_with_its_reason(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            answers = await it.push(b"<xml/>", odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            assert [bool(answer.refused) for answer in answers] == [True, False]
            stats = it.pipeline.stats()
            assert (stats["refused"], stats["kinds"]) == (1, {"unreadable": 1, "odds": 1})
            assert stats["refusals"][0].startswith("unreadable: not JSON of this feed")

    run_virtual(main())


def test_an_adapter_with_a_defect_loses_one_message_and_no_other(tmp_path: Path):
    class Broken(JsonAdapter):
        def receive(self, body: bytes, *, at_ns: int) -> Any:
            if body == b"boom":
                raise ZeroDivisionError
            return super().receive(body, at_ns=at_ns)

    async def main():
        async with open_feed_system(tmp_path, make_adapter=Broken) as it:
            answers = await it.push(b"boom", odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            assert [answer.refused for answer in answers] == ["a defect of the adapter", ""]

    run_virtual(main())


def test_a_market_that_may_not_be_is_refused_once_and_not_asked_for_again(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            bad = "cup-1/no such type"
            (first,) = await it.push(odds(bad, 1, 0.5, 0.3, 0.2))
            (second,) = await it.push(odds(bad, 2, 0.5, 0.3, 0.2))
            assert bad in first.refused
            assert second.refused == first.refused
            assert it.pipeline.stats()["creations_refused"] == 1
            (unborn,) = await it.push(odds("cup-9/1x2", 1, unborn=True))
            assert "no such market" in unborn.refused
            (half,) = await it.push(odds(bad, 3, 0.5, 0.3, 0.2, more=["cup-1/1x2"]))
            assert half.refused == "", "a part of it was obeyed"

    run_virtual(main())


def test_probabilities_that_do_not_fit_make_no_odds_and_hold_up_nobody(tmp_path: Path):
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


def test_what_a_trader_suspended_no_feed_opens(tmp_path: Path):
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


def test_our_own_prices_reach_every_shell_of_a_fixture_once(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, markets_per_actor=1) as it:
            created = await it.system.create_markets(
                [market("cup-1/1x2"), market("cup-1/draw_no_bet")]
            )
            numbers = [answer.route.market_no for answer in created if answer.route]
            await it.system.control([OpenMarket(market_no=no) for no in numbers])
            goal = {"period": 1, "clock_s": 600, "first_half": {"home": 1}}
            said = price("cup-1", 7, state=goal, suspend="goal", resume=True)
            await it.push(said)
            before = await it.images()
            assert before["cup-1/1x2"].status is Status.ACTIVE
            assert before["cup-1/1x2"].odds_milli[0] < 2_000
            await it.push(said)
            assert await it.images() == before

    run_virtual(main())


def test_a_fixture_is_priced_after_those_of_its_markets_that_are_being_born(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 6, status=None), price("cup-1", 7))
            assert (await it.images())["cup-1/1x2"].odds_milli != (1_001,) * 3

    run_virtual(main())


def test_a_shell_killed_in_mid_stream_ends_like_one_that_was_not(tmp_path: Path):
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
            positions = await it.pipeline._resumption.known_markets()
            return await it.images(), {m.image.key: m.positions for m in positions}

    calm = run_virtual(run(tmp_path / "calm", ()))
    killed = run_virtual(run(tmp_path / "killed", (24, 60, 96)))
    assert killed == calm


def test_a_full_desk_takes_no_more_until_it_has_answered(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, messages_max=2) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            first = await it.pipeline.accept([odds("cup-1/1x2", n, 0.5, 0.3, 0.2) for n in (2, 3)])
            second = asyncio.ensure_future(it.pipeline.accept([odds("cup-1/1x2", 4, status=-1)]))
            await asyncio.sleep(0.5)
            assert not second.done()
            assert it.pipeline.stats()["in_hand"] == 2
            assert it.pipeline.stats()["lag_ms"] >= 500
            local_process.thaw()
            await it.pipeline.applied(first)
            await it.pipeline.applied(await second)
            assert (await it.images())["cup-1/1x2"].status is Status.SUSPENDED

    run_virtual(main())


def test_a_desk_started_anew_resumes_from_what_markets_remember(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            sent = [odds("cup-1/1x2", 5, 0.5, 0.3, 0.2), result("cup-2/1x2", 9, 1)]
            await it.push(*sent)
            before = await it.images()
        async with open_feed_system(tmp_path) as it:
            known = {m.image.key: (m.positions, m.results_stand) for m in it.adapter.resumed}
            assert known == {
                "cup-1/1x2": ({"tiny:1/odds": 5}, False),
                "cup-2/1x2": ({"tiny:1/result": 9}, True),
            }
            await it.push(*sent)
            assert await it.images() == before

    run_virtual(main())


def test_a_wish_stays_until_it_is_done_and_a_later_one_replaces_it(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(recover(1_000, 1), recover(2_000, 2))
            (request,) = decode_requests(it.pipeline.requests())
            assert (request.after_ms, request.request_id) == (2_000, 2)
            it.pipeline.request_done(1, 1)
            assert it.pipeline.stats()["requests"] == 1
            it.pipeline.request_done(1, 2)
            assert it.pipeline.stats()["requests"] == 0

    run_virtual(main())


def test_what_a_shell_in_quarantine_missed_is_asked_for_when_it_serves_again(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            shell = it.local_process("market-00000").target
            first, shell.why = it.adapter, "inspected"
            (answer,) = await it.push(odds("cup-1/1x2", 2, status=-1))
            assert "inspection" in answer.refused
            shell.why = ""
            for version, state in enumerate((ShellState.QUARANTINED, ShellState.SERVING)):
                route = ShellRoute(name=shell.name, kind="market", generation=1, state=state)
                it.pipeline.on_routes((1 << 60) + version, [route], [], {})
            await it.push(odds("cup-1/1x2", 3, 0.4, 0.3, 0.3))
            assert it.adapter is not first
            assert [market.positions for market in it.adapter.resumed] == [{"tiny:1/odds": 1}]
            assert (await it.images())["cup-1/1x2"].status is Status.ACTIVE

    run_virtual(main())


def test_a_shell_that_was_down_when_the_desk_began_is_learnt_when_it_is_back(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            it.local_process("market-00000").freeze()
            part = it.system.feeds["tiny"]._target  # type: ignore[attr-defined]
            pipeline = FeedPipeline(
                name="second",
                feed="tiny",
                supervisor=it.system.supervisor,
                make_adapter=JsonAdapter,
                settings=part.settings,
            )
            pipeline.on_routes(*it.system._supervisor._target.routes())  # type: ignore[union-attr]
            pipeline._routes.shells["market-00000"] = ShellRoute(
                name="market-00000", kind="market", generation=1, state=ShellState.DOWN
            )
            await pipeline.start()
            assert pipeline._resumption.adapter.resumed == []  # type: ignore[attr-defined]
            it.local_process("market-00000").thaw()
            back = ShellRoute(
                name="market-00000", kind="market", generation=1, state=ShellState.SERVING
            )
            pipeline.on_routes(
                1 << 61, [back], [], {"market-00000": it.local_process("market-00000").peer}
            )
            await asyncio.sleep(0.1)
            assert len(pipeline._resumption.adapter.resumed) == 1  # type: ignore[attr-defined]
            await pipeline.stop()

    run_virtual(main())


def test_a_shell_in_quarantine_when_the_desk_began_is_learnt_when_it_serves_again(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            shell = it.local_process("market-00000").target
            durable, shell._durable, shell.why = shell._durable, None, "inspected"
            await it.pipeline._resumption.begin()
            assert it.adapter.resumed == []
            shell._durable, shell.why = durable, ""
            back = ShellRoute(
                name=shell.name, kind="market", generation=1, state=ShellState.SERVING
            )
            it.pipeline.on_routes(1 << 61, [back], [], {})
            await asyncio.sleep(0.1)
            assert [market.image.key for market in it.adapter.resumed] == ["cup-1/1x2"]

    run_virtual(main())


def test_a_defect_in_beginning_anew_leaves_the_feed_as_it_was(tmp_path: Path):
    class Once(JsonAdapter):
        resumes = 0

        def resume(self, markets: Sequence[Any], *, at_ns: int) -> Any:
            Once.resumes += 1
            if Once.resumes > 1:
                raise ZeroDivisionError
            return super().resume(markets, at_ns=at_ns)

    async def main():
        async with open_feed_system(tmp_path, make_adapter=Once) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            first = it.adapter
            it.pipeline._resumption.begin_again()
            await it.push(odds("cup-1/1x2", 2, status=-1))
            assert (Once.resumes, it.adapter) == (2, first)
            assert (await it.images())["cup-1/1x2"].status is Status.SUSPENDED

    run_virtual(main())


def test_who_waits_for_room_longest_is_taken_next(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, messages_max=1) as it:
            await it.push(odds("cup-1/1x2", 1, 0.5, 0.3, 0.2))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            heard: list[int] = []
            receive = it.adapter.receive

            def hear(body: bytes, *, at_ns: int) -> Any:
                heard.append(json.loads(body)["at"])
                return receive(body, at_ns=at_ns)

            it.adapter.receive = hear  # type: ignore[method-assign]
            calls = [
                asyncio.ensure_future(it.push(odds("cup-1/1x2", n, 0.5, 0.3, 0.2)))
                for n in range(2, 12)
            ]
            await asyncio.sleep(0.5)
            local_process.thaw()
            late = asyncio.ensure_future(it.push(odds("cup-1/1x2", 12, status=-1)))
            await asyncio.gather(*calls, late)
            assert heard == list(range(2, 13))

    run_virtual(main())


def test_the_adapter_is_told_the_time(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, tick_ms=100) as it:
            await asyncio.sleep(1.05)
            assert it.adapter.ticks == 10

    run_virtual(main())


def test_a_ticket_is_good_once(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            ticket = await it.pipeline.accept([odds("cup-1/1x2", 1, 0.5, 0.3, 0.2)])
            await it.pipeline.applied(ticket)
            with pytest.raises(PeerRefusedError):
                await it.pipeline.applied(ticket)

    run_virtual(main())


def test_what_a_shell_cannot_read_is_refused_and_the_rest_goes_on(tmp_path: Path):
    class TooMany(JsonAdapter):
        def receive(self, body: bytes, *, at_ns: int) -> Any:
            received = super().receive(body, at_ns=at_ns)
            if b"poison" not in body:
                return received
            (notify,) = received.actions
            many = type(notify)(key=notify.key, mark=notify.mark, steps=notify.steps * 40)
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
