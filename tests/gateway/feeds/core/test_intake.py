"""Accepting messages: order, bounds, tickets of answers, and counts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from actors.peer import PeerRefusedError
from engine.common.lifecycle import Status
from gateway.feeds.core import intake
from gateway.feeds.core.messages import BODIES_IN_CALL_MAX, decode_answers
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.feeds.json_feed import JsonAdapter, odds

KEY = "cup-1/1x2"


def priced(at: int) -> bytes:
    return odds(KEY, at, 0.5, 0.3, 0.2)


def test_a_message_that_the_adapter_refuses_is_answered_and_counted_with_its_reason(
    tmp_path: Path,
):
    async def main():
        async with open_feed_system(tmp_path) as it:
            answers = await it.push(b"<xml/>", priced(1))
            assert [bool(answer.refused) for answer in answers] == [True, False]
            stats = it.pipeline.stats()
            assert (stats["refused"], stats["kinds"]) == (1, {"unreadable": 1, "odds": 1})
            assert stats["refusals"] == [f"unreadable: {answers[0].refused}"]

    run_virtual(main())


def test_a_defect_of_the_adapter_refuses_one_message_and_no_other(tmp_path: Path):
    class Broken(JsonAdapter):
        def receive(self, body: bytes, *, at_ns: int) -> Any:
            if body == b"boom":
                raise ZeroDivisionError
            return super().receive(body, at_ns=at_ns)

    async def main():
        async with open_feed_system(tmp_path, make_adapter=Broken) as it:
            answers = await it.push(b"boom", priced(1))
            assert [answer.refused for answer in answers] == ["a defect of the adapter", ""]

    run_virtual(main())


@pytest.mark.parametrize("bound", ["messages_max", "queue_updates_max"])
def test_past_a_bound_no_message_is_accepted_until_some_are_answered(tmp_path: Path, bound: str):
    async def main():
        async with open_feed_system(tmp_path, **{bound: 2}) as it:
            await it.push(priced(1))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            first = await it.pipeline.accept([priced(2), priced(3)])
            second = asyncio.ensure_future(it.pipeline.accept([odds(KEY, 4, status=-1)]))
            await asyncio.sleep(0.5)
            assert not second.done()
            assert it.pipeline.stats()["in_hand"] == 2
            assert it.pipeline.stats()["lag_ms"] >= 500
            local_process.thaw()
            await it.pipeline.applied(first)
            await it.pipeline.applied(await second)
            assert (await it.images())[KEY].status is Status.SUSPENDED
            await asyncio.sleep(1.0)
            assert (it.pipeline.stats()["in_hand"], it.pipeline.stats()["lag_ms"]) == (0, 0)

    run_virtual(main())


def test_calls_that_wait_for_room_are_accepted_in_their_order(tmp_path: Path):
    received: list[int] = []

    class Recorder(JsonAdapter):
        def receive(self, body: bytes, *, at_ns: int) -> Any:
            received.append(json.loads(body)["at"])
            return super().receive(body, at_ns=at_ns)

    async def main():
        async with open_feed_system(tmp_path, make_adapter=Recorder, messages_max=1) as it:
            await it.push(priced(1))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            calls = [asyncio.ensure_future(it.push(priced(n))) for n in range(2, 12)]
            await asyncio.sleep(0.5)
            assert received == [1, 2]
            local_process.thaw()
            calls.append(asyncio.ensure_future(it.push(odds(KEY, 12, status=-1))))
            await asyncio.gather(*calls)
            assert received == list(range(1, 13))

    run_virtual(main())


def test_a_call_that_finds_room_does_not_overtake_one_that_waits_for_it(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, messages_max=1) as it:
            await it.push(priced(1))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            pipeline, order = it.pipeline, []

            async def accept(name: str, *, when_there_is_room: bool) -> None:
                while when_there_is_room and pipeline.stats()["in_hand"]:
                    await asyncio.sleep(0)
                await pipeline.accept([priced(9)])
                order.append(name)

            await pipeline.accept([priced(2)])
            waiting = asyncio.ensure_future(accept("waits", when_there_is_room=False))
            await asyncio.sleep(0.5)
            late = asyncio.ensure_future(accept("late", when_there_is_room=True))
            local_process.thaw()
            await asyncio.gather(waiting, late)
            assert order == ["waits", "late"]

    run_virtual(main())


def test_calls_to_shells_start_while_the_rest_of_a_call_is_received(tmp_path: Path):
    """A message that stops betting does not wait for the messages behind it."""
    calls: list[int] = []

    async def main():
        class Recorder(JsonAdapter):
            def receive(self, body: bytes, *, at_ns: int) -> Any:
                calls.append(it.pipeline.stats()["calls"])
                return super().receive(body, at_ns=at_ns)

        async with open_feed_system(tmp_path, make_adapter=Recorder) as it:
            await it.push(priced(1))
            calls.clear()
            await it.push(odds(KEY, 2, status=-1), *map(priced, range(3, 100)))
            assert calls[0] < calls[-1]

    run_virtual(main())


def test_past_a_bound_the_rest_of_a_call_is_not_received(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path, messages_max=20) as it:
            await it.push(priced(1))
            local_process = it.local_process("market-00000")
            local_process.freeze()
            pushed = asyncio.ensure_future(it.push(*map(priced, range(2, 102))))
            await asyncio.sleep(0.5)
            assert 20 <= it.pipeline.stats()["in_hand"] < 40
            local_process.thaw()
            assert len(await pushed) == 100

    run_virtual(main())


def test_the_answers_of_a_ticket_are_given_once(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            ticket = await it.pipeline.accept([priced(1), b"x"])
            answers = decode_answers(await it.pipeline.applied(ticket))
            assert [answer.kind for answer in answers] == ["odds", "unreadable"]
            with pytest.raises(PeerRefusedError, match=f"no ticket {ticket}"):
                await it.pipeline.applied(ticket)

    run_virtual(main())


def test_past_the_bound_of_tickets_the_oldest_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(intake, "TICKETS_MAX", 2)

    async def main():
        async with open_feed_system(tmp_path) as it:
            first, second, third = [await it.pipeline.accept([priced(n)]) for n in (1, 2, 3)]
            with pytest.raises(PeerRefusedError):
                await it.pipeline.applied(first)
            assert await it.pipeline.applied(second)
            assert await it.pipeline.applied(third)

    run_virtual(main())


def test_a_call_takes_a_bounded_number_of_messages(tmp_path: Path):
    async def main():
        async with open_feed_system(tmp_path) as it:
            with pytest.raises(ValueError, match="at most"):
                await it.pipeline.accept([b"x"] * (BODIES_IN_CALL_MAX + 1))
            assert decode_answers(await it.pipeline.push([])) == []
            assert len(decode_answers(await it.pipeline.push([b"x"] * BODIES_IN_CALL_MAX))) == 1_024

    run_virtual(main())
