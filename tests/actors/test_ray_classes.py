"""A vacant actor: it takes a part, and calls of both ways reach it in one thread."""

import asyncio
import threading
from typing import Any

import pytest
from msgspec.structs import replace

from actors.peer import PeerRefusedError
from actors.ray_classes import vacant_actor
from actors.road.road import Road, RoadSettings, leave_road

SETTINGS = RoadSettings(secret=b"the secret of these tests")
ANSWER_S = 20.0


class Part:
    """A synchronous part that says in which thread it runs."""

    def __init__(self, *, greeting: bytes) -> None:
        self._greeting = greeting

    def exchange(self, verdicts: bytes, reservations: bytes) -> tuple[bytes, int]:
        """Return the greeting with the arguments, and the thread."""
        return self._greeting + verdicts + reservations, threading.get_ident()


async def test_calls_of_both_ways_run_in_one_thread_and_a_new_secret_is_taken() -> None:
    actor: Any = vacant_actor(Part)()
    actor.take_part("account-000", 7, {"greeting": b"hello "})
    assert actor.part_taken() == ("account-000", 7)
    assert actor.exchange(b"a", b"b") == (b"hello ab", threading.get_ident()), "no road yet"
    address = await asyncio.to_thread(actor.open_road, "account-000", SETTINGS)
    try:
        assert await asyncio.to_thread(actor.open_road, "account-000", SETTINGS) == address
        road = Road("gateway-0", SETTINGS)
        answer, thread = await road.ask(address, "exchange", (b"a", b"b"), ANSWER_S)
        assert answer == b"hello ab"
        assert thread != threading.get_ident()
        assert (await asyncio.to_thread(actor.exchange, b"c", b"d"))[1] == thread
        road.close()

        other = replace(SETTINGS, secret=b"what a later start has drawn")
        moved = await asyncio.to_thread(actor.open_road, "account-000", other)
        assert moved != address
        road = Road("gateway-0", other)
        assert (await road.ask(moved, "exchange", (b"e", b"f"), ANSWER_S))[0] == b"hello ef"
        road.close()
    finally:
        await asyncio.to_thread(actor.thread.call, leave_road)


def test_a_call_that_overtakes_the_part_is_refused() -> None:
    actor: Any = vacant_actor(Part)()
    with pytest.raises(PeerRefusedError, match="exchange: this process has taken no part yet"):
        actor.exchange(b"a", b"b")
    actor.take_part("account-000", 7, {"greeting": b"hello "})
    assert actor.exchange(b"a", b"b")[0] == b"hello ab"
