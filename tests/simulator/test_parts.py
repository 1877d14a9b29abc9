"""The simulated world does what it says: parts, calls, disks."""

import asyncio
import random
from pathlib import Path

import pytest

from actors.peer import PeerDiedError, PeerTimeoutError
from tests.simulator.disk import ProcessEndedError, SimulatedDisk
from tests.simulator.event_loop import Part, SimulatedLoop, run_simulated
from tests.simulator.network import Callee, CallFault, Network, SimulatedPeer

PATH = Path("/folder/file")


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def counter_peer(loop: SimulatedLoop) -> tuple[Network, SimulatedPeer, Counter]:
    network = Network(loop)
    callee = Callee("counter", Part("counter"))
    callee.target = counter = Counter()
    return network, SimulatedPeer(network, callee), counter


def test_a_frozen_part_does_later_what_it_was_asked_and_an_ended_one_never() -> None:
    async def main(loop: SimulatedLoop) -> None:
        _, peer, counter = counter_peer(loop)
        part = peer.callee.part
        part.frozen = True
        with pytest.raises(PeerTimeoutError):
            await peer.ask("add", timeout_s=1)
        assert counter.count == 0
        part.thaw(loop)
        await asyncio.sleep(0)
        assert counter.count == 1
        asked = loop.create_task(peer.ask("add", timeout_s=1))
        await asyncio.sleep(0)
        peer.callee.end()
        with pytest.raises(PeerDiedError):
            await asked
        assert counter.count == 1

    run_simulated(main)


@pytest.mark.parametrize(
    ("kind", "answered", "count"),
    [("lose call", False, 0), ("lose answer", False, 1), ("double", True, 2), ("delay", True, 1)],
)
def test_a_disturbed_call(kind: str, answered: bool, count: int) -> None:
    async def main(loop: SimulatedLoop) -> None:
        network, peer, counter = counter_peer(loop)
        network.add_fault("counter", "add", CallFault(kind, count=1, after_s=0.5))
        if answered:
            assert await peer.ask("add", timeout_s=1) == 1
        else:
            with pytest.raises(PeerTimeoutError):
                await peer.ask("add", timeout_s=1)
        await asyncio.sleep(1)
        assert counter.count == count
        assert await peer.ask("add", timeout_s=1) == count + 1

    run_simulated(main)


def test_a_power_loss_takes_what_is_not_synced_and_a_kill_does_not() -> None:
    for power_loss in (None, random.Random(1)):
        disk = SimulatedDisk()
        file = disk.create(PATH)
        file.write([b"synced"], offset=0)
        file.sync()
        disk.sync_folder(PATH.parent)
        file.write([b"-" * 4_096], offset=6)
        disk.end_process(power_loss=power_loss)
        data = bytes(disk.read(PATH))
        assert data[:6] == b"synced"
        assert (data[6:] == b"-" * 4_096) == (power_loss is None)


def test_a_process_that_is_killed_in_a_write_leaves_a_part_of_it() -> None:
    disk = SimulatedDisk()
    file = disk.create(PATH)
    disk.kill_at_write, disk.torn = 2, 3
    file.write([b"whole"], offset=0)
    with pytest.raises(ProcessEndedError):
        file.write([b"torn off"], offset=5)
    assert bytes(disk.read(PATH)) == b"wholetor"


def test_a_full_disk_takes_nothing_more_until_there_is_room() -> None:
    disk = SimulatedDisk()
    file = disk.create(PATH)
    file.write([b"before"], offset=0)
    disk.fill()
    with pytest.raises(OSError, match="no space left"):
        file.write([b"more"], offset=6)
    file.write([b"inside"], offset=0)
    disk.make_room()
    file.write([b"more"], offset=6)
    assert bytes(disk.read(PATH)) == b"insidemore"
