"""Who may use the loop next: addresses, clients and connections in turn, within caps."""

import asyncio
import itertools
from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.counters import Counters
from gateway.net.work_shares import CHARGE_MAX_NS, SLICE_COST_NS, SLICE_NS, WorkQueue

_MS: int = 1_000_000


class Clock:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class Hand:
    """A connection with pieces of work, each of which takes a stated time."""

    def __init__(
        self, queue: WorkQueue, clock: Clock, log: list[str], name: str, pieces_ns: list[int],
        *, address: str = "a", client: Hashable = None, capped: bool = True,
    ) -> None:  # fmt: skip
        self.waits = False
        self.share = queue.enter(address=address, client=client or name, capped=capped)
        self._clock = clock
        self._log = log
        self._name = name
        self.pieces_ns = pieces_ns
        self.used_ns = 0

    def work(self, until_ns: int) -> bool:
        self._log.append(self._name)
        while self.pieces_ns and self._clock.now_ns < until_ns:
            piece_ns = self.pieces_ns.pop(0)
            self.used_ns += piece_ns
            self._clock.now_ns += piece_ns
        return bool(self.pieces_ns)


def queue_on(clock: Clock, *, percent: int = 10, burst_ms: int = 1_000) -> WorkQueue:
    return WorkQueue(counters=Counters(), percent=percent, burst_ms=burst_ms, clock_ns=clock)


async def passes(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_arrives_while_nobody_waits_is_worked_off_at_once() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock)
    queue.arrived(Hand(queue, clock, log, "one", [1_000]))
    assert log == ["one"]


async def test_newcomer_waits_one_turn_of_each_client_however_many_connections_that_has() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock)
    for number in range(200):
        hand = Hand(queue, clock, log, f"many-{number}", [SLICE_NS] * 5, client="many")
        queue.add(hand)
    queue.add(Hand(queue, clock, log, "other", [SLICE_NS] * 5))
    await passes(1)
    log.clear()
    queue.arrived(Hand(queue, clock, log, "good", [1_000]))
    await passes(3)
    assert log.index("good") <= 2


async def test_address_with_many_clients_has_one_turn_in_each_round() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock)
    for number in range(50):
        queue.add(Hand(queue, clock, log, f"x{number}", [SLICE_NS] * 4, address="x"))
    queue.add(Hand(queue, clock, log, "y", [SLICE_NS] * 4, address="y"))
    await passes(4)
    turns_of_y = [place for place, name in enumerate(log) if name == "y"]
    assert len(turns_of_y) == 4
    assert all(later - earlier == 2 for earlier, later in itertools.pairwise(turns_of_y))


async def test_client_past_its_share_rests_and_one_without_a_cap_does_not() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock, burst_ms=1)
    capped = Hand(queue, clock, log, "capped", [SLICE_NS] * 40)
    free = Hand(queue, clock, log, "free", [SLICE_NS] * 40, capped=False)
    queue.add(capped)
    queue.add(free)
    await passes(45)
    assert not free.pieces_ns
    assert capped.used_ns <= _MS + 40 * SLICE_NS // 10 + SLICE_NS
    assert capped.waits


async def test_rested_client_goes_on() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock, burst_ms=1)
    hand = Hand(queue, clock, log, "hand", [SLICE_NS] * 12)
    queue.add(hand)
    async with asyncio.timeout(30):
        while hand.pieces_ns:
            clock.now_ns += _MS  # time passes while it rests
            await asyncio.sleep(0.001)


async def test_stopped_process_is_not_charged_to_whom_it_met() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock, burst_ms=20)
    hand = Hand(queue, clock, log, "hand", [3_600_000 * _MS])
    queue.arrived(hand)
    assert hand.share.allowance is not None
    assert hand.share.allowance.credit_ns == 20 * _MS - CHARGE_MAX_NS - SLICE_COST_NS


async def test_allowance_outlives_its_connections_until_it_is_full_again() -> None:
    clock, log = Clock(), list[str]()
    queue = queue_on(clock, burst_ms=10)
    hand = Hand(queue, clock, log, "hand", [5 * _MS])
    queue.arrived(hand)
    queue.leave(hand.share, address="a", client="hand")
    queue.forget()
    again = queue.enter(address="b", client="hand", capped=True)
    assert again.allowance is hand.share.allowance
    queue.leave(again, address="b", client="hand")
    clock.now_ns += 1_000 * _MS
    queue.forget()
    assert queue.clients == 0


@given(
    works=st.lists(
        st.tuples(
            st.sampled_from("xyz"),
            st.sampled_from(["p", "q", "r", "s"]),
            st.lists(st.integers(1, SLICE_NS), min_size=1, max_size=60),
        ),
        min_size=1,
        max_size=12,
    ),
    percent=st.integers(1, 100),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("capped", [True, False])
def test_no_client_passes_its_share_and_nothing_is_lost(
    works: list[tuple[str, str, list[int]]], percent: int, capped: bool
) -> None:
    async def run() -> None:
        clock, log = Clock(), list[str]()
        queue = queue_on(clock, percent=percent, burst_ms=1)
        hands = [
            Hand(queue, clock, log, f"{number}", list(pieces), address=address, client=client,
                 capped=capped)
            for number, (address, client, pieces) in enumerate(works)
        ]  # fmt: skip
        for hand in hands:
            queue.arrived(hand)
        await passes(sum(len(pieces) for _, _, pieces in works) + 5)
        for client in "pqrs":
            used = sum(h.used_ns for h, work in zip(hands, works, strict=True) if work[1] == client)
            if capped:
                assert used <= _MS + clock.now_ns * percent // 100 + 2 * SLICE_NS
        for hand in hands:
            assert hand.waits == bool(hand.pieces_ns)
            assert capped or not hand.pieces_ns

    asyncio.run(run())
