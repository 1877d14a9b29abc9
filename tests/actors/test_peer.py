import asyncio
import subprocess
import sys

import pytest

from actors.local import LocalLauncher
from actors.messages import MarketRoute, ShellRoute, ShellState
from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec, PidWatch
from actors.routes import Routes
from tests.actors.virtual import run_virtual


class Part:
    def __init__(self, *, exit_process=None) -> None:
        self.exit_process = exit_process
        self.abandoned = 0
        self.heard: list[int] = []

    def double(self, number: int) -> int:
        return 2 * number

    async def slow(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    def hear(self, number: int) -> None:
        self.heard.append(number)

    def leave(self) -> None:
        self.exit_process(74)

    def abandon(self) -> None:
        self.abandoned += 1


def test_a_local_peer_answers_waits_and_gives_up():
    async def main():
        peer = LocalPeer(Part(), name="part")
        assert await peer.ask("double", 4) == 8
        assert await peer.ask("slow", 1.0, timeout_s=2.0) == "done"
        with pytest.raises(PeerTimeoutError, match=r"part\.slow: 2\.0 s passed"):
            await peer.ask("slow", 60.0, timeout_s=2.0)

    run_virtual(main())


def test_what_is_told_is_heard_in_order():
    async def main():
        part = Part()
        peer = LocalPeer(part, name="part")
        for number in range(5):
            peer.notify("hear", number)
        await asyncio.sleep(0.1)
        assert part.heard == list(range(5))

    run_virtual(main())


def test_a_life_ends_once_and_for_all():
    async def main():
        local_process = LocalLauncher().spawn(
            PartSpec(name="part", generation=1, factory=Part, arguments={})
        )
        local_process.kill()
        local_process.kill()
        await local_process.wait_gone()
        assert local_process.target.abandoned == 1
        with pytest.raises(PeerDiedError):
            await local_process.peer.ask("double", 1)

    run_virtual(main())


def test_a_part_that_ends_its_process_ends_only_its_own_life():
    async def main():
        local_process = LocalLauncher().spawn(
            PartSpec(name="part", generation=1, factory=Part, arguments={})
        )
        with pytest.raises(PeerDiedError, match="code 74"):
            await local_process.peer.ask("leave")
        assert local_process.ended

    run_virtual(main())


async def test_a_stopped_process_is_killed_and_seen_gone():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        watch = PidWatch(child.pid)
        child.send_signal(19)  # SIGSTOP
        gone = asyncio.ensure_future(watch.wait_gone())
        await asyncio.sleep(0)
        assert not gone.done()
        watch.kill()
        await asyncio.wait_for(gone, 10)
        watch.kill()
        watch.close()
    finally:
        child.kill()
        child.wait()


async def test_a_kill_that_comes_too_late_is_no_error():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watch = PidWatch(child.pid)
    child.communicate(b"\n")  # ended and reaped, before the event loop could hear of it
    watch.kill()
    await asyncio.wait_for(watch.wait_gone(), 1)


async def test_a_process_that_has_ended_and_been_reaped_is_gone_at_once():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    watch = PidWatch(child.pid)
    await asyncio.wait_for(watch.wait_gone(), 1)
    watch.kill()


def shell(state: ShellState, *, generation: int = 1) -> ShellRoute:
    return ShellRoute(name="market-00000", kind="market", generation=generation, state=state)


def test_routes_take_changes_and_ignore_what_is_older():
    routes = Routes(shards=2)
    peer = LocalPeer(Part(), name="market-00000")
    market = MarketRoute(market_no=4, key="a/1x2", shell="market-00000")
    routes.update(
        version=5, shells=[shell(ShellState.SERVING)], markets=[market], peers={peer.name: peer}
    )
    assert routes.peer("market-00000") is peer
    assert routes.market_shell(4) == "market-00000"
    assert routes.account_shell(7) == "account-001"
    routes.update(version=4, shells=[shell(ShellState.DOWN)], markets=[], peers={})
    assert routes.peer("market-00000") is peer
    late = ShellRoute(name="market-00001", kind="market", generation=1, state=ShellState.SERVING)
    other = LocalPeer(Part(), name=late.name)
    news = routes.update(
        version=4, shells=[late, shell(ShellState.DOWN)], markets=[], peers={late.name: other}
    )
    assert news == [
        late
    ]  # overtaken by word of another shell, it is still the last word on its own
    assert routes.peer(late.name) is other
    routes.update(version=6, shells=[shell(ShellState.DOWN)], markets=[], peers={})
    assert routes.peer("market-00000") is None
    assert routes.market_shell(4) == "market-00000"
    assert routes.peer("nobody") is None
