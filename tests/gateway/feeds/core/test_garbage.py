"""What a message leaves behind: nothing that only the garbage collector would free."""

import gc
from functools import partial
from pathlib import Path

from msgspec import Struct

from engine.common.ids import MarketNo
from engine.common.units import NS_PER_MS, Nanos
from engine.pricing.fair_probabilities import Mark
from engine.pricing.following import Followed
from gateway.feeds.core.adapter import MarketUpdate
from gateway.feeds.core.pending_message import PendingMessage
from gateway.feeds.core.shell_queue import Task
from gateway.feeds.uof.adapter import UofAdapter
from tests.actors.virtual import run_virtual
from tests.gateway.feeds.feed_system import open_feed_system
from tests.gateway.feeds.uof.builders import (
    MATCH_WINNER,
    NOW_MS,
    UNWATCHED,
    market,
    odds_change,
    total,
)

MESSAGES = 200


def test_a_message_leaves_no_cycle_of_objects(tmp_path: Path):
    """A collection of what 200 messages leave would free thousands of objects, if each left one."""

    async def main() -> int:
        adapter = partial(UofAdapter, "tiny", UNWATCHED)
        async with open_feed_system(tmp_path, make_adapter=adapter) as it:
            await it.push(*[message(at) for at in range(20)])
            gc.collect()
            gc.disable()
            try:
                for at in range(20, 20 + MESSAGES):
                    await it.push(message(at))
                return gc.collect()
            finally:
                gc.enable()

    left = run_virtual(main())
    assert left < MESSAGES, f"{left} objects are left of {MESSAGES} messages"


def message(at: int) -> bytes:
    odds = tuple((outcome, f"{2 + (at % 50) / 100:.2f}") for outcome, _ in MATCH_WINNER)
    return odds_change(market(1, odds), total(), at=at)


def test_the_values_of_a_message_are_not_tracked_by_the_garbage_collector():
    """Thousands of messages in progress would be visited again and again."""
    adapter = UofAdapter("tiny", UNWATCHED)
    received = adapter.receive(message(1), at_ns=Nanos(NOW_MS * NS_PER_MS))
    (first, *_) = updates = [each for each in received.actions if isinstance(each, MarketUpdate)]
    assert len(updates) == 2
    part = Followed(market_no=MarketNo(1), mark=first.mark, steps=first.steps, fair=first.fair)
    pending = PendingMessage(kind="", refused="", received_s=0.0, on_done=lambda _: None)
    values: list[object] = [*updates, Task(pending, part)]
    met: dict[type, None] = {}
    while values:
        value = values.pop()
        if isinstance(value, Struct):
            met[type(value)] = None
            values += [getattr(value, name) for name in value.__struct_fields__]
        elif isinstance(value, tuple):
            values += value
    assert {MarketUpdate, Mark, Followed, Task} < set(met)
    assert [each for each in met if each.__struct_config__.gc] == []
