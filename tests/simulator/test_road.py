"""The road of a simulated world does what a road does: in order, in pieces, and not for ever."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors.peer import PeerDiedError, PeerTimeoutError
from tests.simulator.event_loop import Part, SimulatedLoop, run_simulated
from tests.simulator.generator import make_story
from tests.simulator.network import Callee, CallFault, Network, SimulatedPeer
from tests.simulator.road import WirePeer, Wires
from tests.simulator.story import Kill, Layout
from tests.simulator.world import World


class Target:
    """A part whose methods have names that the road knows."""

    def __init__(self) -> None:
        self.prices: list[int] = []

    def exchange(self, verdicts: bytes, reservations: bytes) -> bytes:
        self.prices.append(len(self.prices))
        return verdicts + reservations

    def on_prices(self, number: int) -> None:
        self.prices.append(number)


class Ends:
    """Two parts on one road."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.network = Network(loop)
        self.network.rough = False
        self.wires = Wires(self.network, lambda protocol: None)
        self.caller = Part("gateway-0")
        self.callee = Callee("account-000", Part("account-000"))
        self.callee.target = self.target = Target()

    async def join(self) -> WirePeer:
        caller, callee = self.caller, self.callee.part
        await self.within(caller, self.wires.join(caller, Target()))
        address = await self.within(callee, self.wires.join(callee, self.target))
        return WirePeer(SimulatedPeer(self.network, self.callee), address, self.wires)

    def within(self, part: Part, code: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self.loop.create_task(code, context=part.context)

    def ask(self, peer: WirePeer) -> "asyncio.Task[Any]":
        return self.within(self.caller, peer.ask("exchange", b"a", b"b", timeout_s=1))


def on_road(test: Callable[[Ends, WirePeer], Coroutine[Any, Any, None]]) -> None:
    async def main(loop: SimulatedLoop) -> None:
        ends = Ends(loop)
        await test(ends, await ends.join())
        assert loop.defects == []

    run_simulated(main)


def test_notifications_arrive_in_order_and_whole() -> None:
    async def test(ends: Ends, peer: WirePeer) -> None:
        async def notify() -> None:
            for number in range(2_000):
                peer.notify("on_prices", number)
                await asyncio.sleep(0.0001)

        await ends.within(ends.caller, notify())
        await asyncio.sleep(1)
        assert ends.target.prices == list(range(2_000))
        assert ends.wires.writes > 1_900
        assert ends.network.calls == 0

    on_road(test)


def test_a_frozen_part_reads_nothing_and_an_ended_one_breaks_its_wires() -> None:
    async def test(ends: Ends, peer: WirePeer) -> None:
        assert await ends.ask(peer) == b"ab"
        ends.callee.part.frozen = True
        with pytest.raises(PeerTimeoutError):
            await ends.ask(peer)
        assert len(ends.target.prices) == 1
        ends.callee.part.thaw(ends.loop)
        await asyncio.sleep(0.1)
        assert len(ends.target.prices) == 2
        asked = ends.ask(peer)
        await asyncio.sleep(0)
        ends.callee.end()
        ends.wires.end(ends.callee.part)
        with pytest.raises(PeerDiedError):
            await asked
        with pytest.raises(PeerDiedError):
            await ends.ask(peer)
        assert len(ends.target.prices) == 2

    on_road(test)


@pytest.mark.parametrize(
    ("kind", "answered", "count"),
    [("lose call", False, 0), ("lose answer", False, 1), ("double", True, 2), ("delay", True, 1)],
)
def test_a_disturbed_call(kind: str, answered: bool, count: int) -> None:
    async def test(ends: Ends, peer: WirePeer) -> None:
        for number in range(16):  # each at its own time, and so with other delays
            assert await ends.ask(peer) == b"ab"
            ends.target.prices.clear()
            fault = CallFault(kind, count=1, after_s=0.5)
            ends.network.add_fault("account-000", "exchange", fault)
            if answered:
                assert await ends.ask(peer) == b"ab"
            else:
                with pytest.raises(PeerDiedError):
                    await ends.ask(peer)
            await asyncio.sleep(1 + number / 1_000)
            assert len(ends.target.prices) == count
        assert ends.network.faulty == 16

    on_road(test)


def test_a_story_on_the_road_goes_over_wires_that_break_and_is_the_same_again() -> None:
    story = make_story(5, operations=150, layout=Layout(road=True), fault_share=0.0)
    middle_ms = story.steps[len(story.steps) // 2].at_ms
    killed = Kill(at_ms=middle_ms, part="account-000")
    story = story.with_steps(sorted((*story.steps, killed), key=lambda step: step.at_ms))

    async def play(loop: SimulatedLoop) -> World:
        world = World(loop, story)
        await world.play()
        return world

    first, second = run_simulated(play), run_simulated(play)
    assert first.wires is not None
    assert second.wires is not None
    assert first.wires.writes > 500
    assert first.wires.breaks > 0
    assert (first.wires.writes, first.wires.breaks) == (second.wires.writes, second.wires.breaks)
    assert first.clients.record.received == second.clients.record.received


def test_a_seed_says_whether_there_is_a_road() -> None:
    assert {make_story(seed, operations=1).layout.road for seed in range(16)} == {True, False}
