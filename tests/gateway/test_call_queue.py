"""The call queue against a scripted target on a virtual clock: order, bounds, pace and retries."""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.back_off import BackOff
from gateway.call_queue import CallQueue, pace_of_backlog
from tests.actors.virtual import now_s, run_virtual

CALL_S = 1.0
"""How long a call takes unless a test says otherwise."""


class Target:
    """A target that records calls: each takes a while, then delivers its items or fails."""

    def __init__(
        self, *, fails: Sequence[bool] = (), calls_s: Sequence[float] = (), items_max: int = 100
    ) -> None:
        self.fails = list(fails)
        self.calls_s = list(calls_s)
        self.items_max = items_max
        self.starts_s: list[float] = []
        self.sent: list[list[int]] = []
        self.delivered: list[int] = []
        self.in_flight = 0
        self.in_flight_max = 0
        self.looks = 0
        self.reachable = True

    def start(self, queue: CallQueue[int]) -> Coroutine[Any, Any, bool] | None:
        self.looks += 1
        if not queue.waiting or not self.reachable:
            return None
        count = min(len(queue.waiting), self.items_max)
        return self._call(queue, [queue.waiting.popleft() for _ in range(count)])

    async def _call(self, queue: CallQueue[int], items: list[int]) -> bool:
        self.starts_s.append(now_s())
        self.sent.append(items)
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        fails = self.fails.pop(0) if self.fails else False
        await asyncio.sleep(self.calls_s.pop(0) if self.calls_s else CALL_S)
        self.in_flight -= 1
        if fails:
            queue.put_back(items)
            return False
        self.delivered += items
        return True

    def queue(self, *, back_off: BackOff | None = None, **more: Any) -> CallQueue[int]:
        if back_off is None:
            back_off = BackOff(0.5, 0.5, clock_s=now_s)
        return CallQueue("target", start=self.start, back_off=back_off, **more)


@given(
    fails=st.lists(st.booleans(), max_size=12),
    calls_s=st.lists(st.sampled_from([0.0, 0.3, 2.0]), max_size=20),
    gaps_s=st.lists(st.sampled_from([0.0, 0.1, 1.5]), min_size=1, max_size=30),
    urgent=st.sets(st.integers(0, 29)),
    items_max=st.integers(1, 4),
    calls_max=st.integers(1, 3),
    pace_s=st.sampled_from([0.0, 0.7]),
)
def test_every_item_is_delivered_once_and_calls_keep_their_bound_and_order(
    fails: list[bool],
    calls_s: list[float],
    gaps_s: list[float],
    urgent: set[int],
    items_max: int,
    calls_max: int,
    pace_s: float,
) -> None:
    async def main() -> None:
        target = Target(fails=fails, calls_s=calls_s, items_max=items_max)
        queue = target.queue(calls_max=calls_max, pace=pace_of_backlog(pace_s))
        for item, gap_s in enumerate(gaps_s):
            queue.add(item, urgent=item in urgent)
            await asyncio.sleep(gap_s)
        await asyncio.sleep(1_000)
        assert sorted(target.delivered) == list(range(len(gaps_s)))
        assert target.in_flight_max <= calls_max
        assert (queue.calls, len(queue.waiting)) == (0, 0)
        if calls_max == 1:
            assert target.delivered == list(range(len(gaps_s)))

    run_virtual(main())


@given(
    gaps_s=st.lists(st.sampled_from([0.0, 0.2, 0.9, 3.0]), min_size=1, max_size=20),
    calls_s=st.lists(st.sampled_from([0.0, 0.3, 2.0]), max_size=20),
)
def test_two_starts_are_never_closer_than_the_pace(
    gaps_s: list[float], calls_s: list[float]
) -> None:
    async def main() -> None:
        target = Target(calls_s=calls_s, items_max=1)
        queue = target.queue(calls_max=2, pace=lambda _: 0.7)
        for item, gap_s in enumerate(gaps_s):
            queue.add(item)
            await asyncio.sleep(gap_s)
        await asyncio.sleep(1_000)
        assert target.delivered
        starts_s = target.starts_s
        apart_s = [after - before for before, after in pairwise(starts_s)]
        assert all(gap_s >= 0.7 - 1e-9 for gap_s in apart_s)

    run_virtual(main())


def test_items_of_one_turn_leave_in_one_call_and_wake_the_queue_once() -> None:
    async def main() -> None:
        target = Target()
        queue = target.queue()
        for item in range(50):
            queue.add(item)
            queue.wake()
        assert target.looks == 0, "nothing starts before the end of the turn"
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (target.looks, target.sent) == (1, [list(range(50))])

    run_virtual(main())


def test_items_gather_while_the_bound_of_calls_is_reached() -> None:
    async def main() -> None:
        target = Target()
        queue = target.queue(calls_max=2)
        for item in range(6):
            queue.add(item)
            await asyncio.sleep(0.1)
        await asyncio.sleep(CALL_S)
        assert target.sent == [[0], [1], [2, 3, 4, 5]]

    run_virtual(main())


async def _starts_s(queue: CallQueue[int], target: Target, *, urgent: Sequence[int]) -> list[float]:
    """Add three items, one per call of 1 s at a pace of 60 s; return when each call started."""
    for item in range(3):
        queue.add(item, urgent=item in urgent)
    await asyncio.sleep(1_000)
    return target.starts_s


@pytest.mark.parametrize(
    ("urgent", "starts_s"),
    [
        ([], [0.0, 60.0, 120.0]),
        ([0], [0.0, 60.0, 120.0]),
        ([1], [0.0, 1.0, 61.0]),
        ([2], [0.0, 1.0, 2.0]),
    ],
)
def test_an_urgent_item_and_those_before_it_skip_the_pace_and_those_behind_keep_it(
    urgent: list[int], starts_s: list[float]
) -> None:
    async def main() -> list[float]:
        target = Target(items_max=1)
        return await _starts_s(target.queue(pace=pace_of_backlog(60.0)), target, urgent=urgent)

    assert run_virtual(main()) == starts_s


def test_an_urgent_item_ends_a_pace_that_others_are_waiting_for() -> None:
    async def main() -> None:
        target = Target(items_max=1)
        queue = target.queue(pace=pace_of_backlog(60.0))
        queue.add(0)
        queue.add(1)
        await asyncio.sleep(10.0)
        queue.add(2)
        await asyncio.sleep(10.0)
        assert target.starts_s == [0.0]
        queue.add(3, urgent=True)
        await asyncio.sleep(3.5)
        assert target.starts_s == [0.0, 20.0, 21.0, 22.0]

    run_virtual(main())


def test_an_urgent_item_of_a_failed_call_is_still_urgent() -> None:
    async def main() -> None:
        target = Target(items_max=1, fails=[False, True, False])
        queue = target.queue(pace=pace_of_backlog(60.0))
        for item in range(3):
            queue.add(item, urgent=item == 2)
        await asyncio.sleep(1_000)
        assert target.sent == [[0], [1], [1], [2]]
        assert target.starts_s == [0.0, 1.0, 2.5, 3.5]

    run_virtual(main())


def test_a_lone_item_does_not_wait_for_the_pace_of_a_backlog() -> None:
    async def main() -> None:
        target = Target()
        queue = target.queue(pace=pace_of_backlog(60.0))
        for item in range(3):
            queue.add(item)
            await asyncio.sleep(2.0)
        assert target.starts_s == [0.0, 2.0, 4.0]

    run_virtual(main())


def test_failed_calls_back_off_and_neither_new_items_nor_wakes_shorten_the_delay() -> None:
    async def main() -> None:
        target = Target(fails=[True] * 4, calls_s=[0.0] * 5)
        queue = target.queue(back_off=BackOff(1.0, 4.0, clock_s=now_s))
        queue.add(0)
        for item in range(1, 120):
            await asyncio.sleep(0.1)
            queue.add(item, urgent=item % 2 == 0)
            queue.wake()
        assert target.starts_s[:5] == pytest.approx([0.0, 1.0, 3.0, 7.0, 11.0])

    run_virtual(main())


def test_a_failed_call_is_made_again_after_the_back_off_whatever_the_pace_of_a_backlog() -> None:
    async def main() -> None:
        target = Target(items_max=1, fails=[True])
        queue = target.queue(pace=pace_of_backlog(60.0))
        queue.add(0)
        queue.add(1)
        await asyncio.sleep(1_000)
        assert target.starts_s == [0.0, 1.5, 61.5]

    run_virtual(main())


def test_retry_ends_the_delay_after_a_failed_call() -> None:
    async def main() -> None:
        target = Target(fails=[True, True], calls_s=[0.0] * 3)
        queue = target.queue(back_off=BackOff(10.0, 100.0, clock_s=now_s))
        queue.add(0)
        await asyncio.sleep(3.0)
        queue.retry()
        await asyncio.sleep(1_000)
        assert target.starts_s == [0.0, 3.0, 23.0], "the delay goes on doubling"
        assert target.delivered == [0]

    run_virtual(main())


def test_a_call_that_succeeds_ends_the_delay_after_another_that_failed() -> None:
    async def main() -> None:
        target = Target(items_max=1, fails=[True], calls_s=[1.0, 2.0])
        queue = target.queue(calls_max=2, back_off=BackOff(10.0, 10.0, clock_s=now_s))
        queue.add(0)
        await asyncio.sleep(0.5)
        queue.add(1)
        await asyncio.sleep(10.0)
        assert target.starts_s == [0.0, 0.5, 2.5]

    run_virtual(main())


def test_a_success_begins_the_delays_anew() -> None:
    async def main() -> None:
        target = Target(fails=[True, True, False, True], calls_s=[0.0] * 5)
        queue = target.queue(back_off=BackOff(1.0, 8.0, clock_s=now_s))
        queue.add(0)
        await asyncio.sleep(5.0)
        queue.add(1)
        await asyncio.sleep(5.0)
        assert target.starts_s == [0.0, 1.0, 3.0, 5.0, 6.0]

    run_virtual(main())


def test_a_target_that_cannot_be_called_is_looked_for_at_the_next_wake_or_timer() -> None:
    async def main() -> None:
        target = Target()
        target.reachable = False
        queue = target.queue()
        queue.add(0)
        await asyncio.sleep(5.0)
        assert target.looks == 1
        queue.wake_in(2.0)
        queue.wake_in(1.0)
        queue.wake_in(3.0)
        await asyncio.sleep(1.5)
        assert target.looks == 2, "the earliest of the delays counts"
        await asyncio.sleep(5.0)
        assert target.looks == 2, "and the others are gone"
        target.reachable = True
        queue.wake()
        await asyncio.sleep(5.0)
        assert target.delivered == [0]

    run_virtual(main())


def test_a_defect_in_a_call_is_logged_and_the_queue_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> list[int]:
        delivered: list[int] = []

        async def call(queue: CallQueue[int]) -> bool:
            if now_s() == 0.0:
                raise ZeroDivisionError
            delivered.append(queue.waiting.popleft())
            return True

        queue: CallQueue[int] = CallQueue(
            "target",
            start=lambda queue: call(queue) if queue.waiting else None,
            back_off=BackOff(0.5, 0.5, clock_s=now_s),
        )
        queue.add(0)
        queue.add(1)
        await asyncio.sleep(10.0)
        return delivered

    assert run_virtual(main()) == [0, 1]
    assert "target: a call ended with a defect" in caplog.text


def test_a_stopped_queue_starts_nothing_cancels_its_calls_and_keeps_what_waits() -> None:
    async def main() -> None:
        target = Target(items_max=1)
        queue = target.queue(pace=pace_of_backlog(60.0))
        for item in range(3):
            queue.add(item)
        await asyncio.sleep(10.0)
        queue.add(3, urgent=True)
        await asyncio.sleep(0.5)
        queue.stop()
        queue.add(4)
        queue.retry()
        await asyncio.sleep(1_000)
        assert target.delivered == [0]
        assert list(queue.waiting) == [2, 3, 4]
        assert (queue.calls, len(queue.tasks)) == (0, 0)

    run_virtual(main())
