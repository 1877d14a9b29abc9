"""Ray as actors/cluster.py runs it: calls, deaths, addresses, tokens, and a whole system on it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.cluster import Cluster
from actors.exit_codes import EXIT_FAILED
from actors.peer import Peer, PeerDiedError, PeerTimeoutError
from actors.process import PartSpec, PidWatch
from actors.system import System
from tests.cluster.betting_crowd import Crowd, descendants, open_funded_markets

pytestmark = [pytest.mark.cluster]


class Echo:
    """A synchronous part."""

    def pid(self) -> int:
        return os.getpid()

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        raise LookupError("no such value")

    def end(self) -> None:
        os._exit(EXIT_FAILED)


class Relay:
    """An asynchronous part that calls another."""

    def __init__(self, *, to: Peer) -> None:
        self._to = to

    async def forward(self, value: str) -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        return await self._to.ask("echo", value, timeout_s=10), type(loop).__module__

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def begin(cluster: Cluster, name: str, factory: type, **arguments: Any) -> Any:
    spec = PartSpec(name=name, generation=1, factory=factory, arguments=arguments)
    return await cluster.launcher().begin(spec)


async def test_parts_call_one_another_across_processes_on_uvloop(cluster: Cluster):
    echo = await begin(cluster, "echo-a", Echo)
    await echo.identify()  # else the other part's call may overtake the one that constructs it
    relay = await begin(cluster, "relay-a", Relay, to=echo.peer)
    try:
        assert await relay.peer.ask("forward", "hello") == ("hello", "uvloop")
        assert await echo.peer.ask("pid") != os.getpid()
        assert echo.peer.name == "echo-a"
        await relay.identify()
        assert relay.pid in descendants(os.getpid())
        assert relay.pid != await echo.peer.ask("pid")
        await relay.freeze_heap()
        ours, theirs = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, relay.pid))
        assert theirs == ours, "a part waits for other processes of the machine"
    finally:
        for process in (relay, echo):
            process.kill()
            await process.wait_gone()


async def test_a_call_raises_what_its_callee_raised_or_that_it_ended(cluster: Cluster):
    echo = await begin(cluster, "echo-b", Echo)
    await echo.identify()
    relay = await begin(cluster, "relay-b", Relay, to=echo.peer)
    with pytest.raises(LookupError, match="no such value"):
        await echo.peer.ask("fail")
    with pytest.raises(PeerTimeoutError):
        await relay.peer.ask("sleep", 60, timeout_s=0.05)
    with pytest.raises(PeerDiedError):
        await echo.peer.ask("end")
    with pytest.raises(PeerDiedError):
        await echo.peer.ask("echo", "anyone?", timeout_s=10)
    with pytest.raises(PeerDiedError):
        await echo.identify()
    echo.peer.notify("echo", "anyone?")
    relay.kill()
    await relay.wait_gone()


async def test_a_killed_part_is_reported_gone(cluster: Cluster):
    echo = await begin(cluster, "echo-c", Echo)
    pid = await echo.peer.ask("pid")
    echo.attach(pid)
    echo.kill()
    await asyncio.wait_for(echo.wait_gone(), 10)
    echo.kill()


async def test_a_new_launcher_kills_a_part_that_does_not_answer(cluster: Cluster):
    echo = await begin(cluster, "echo-d", Echo)
    pid = await echo.peer.ask("pid")
    watch = PidWatch(pid)
    assert set(await cluster.launcher().running({"echo-d"})) == {"echo-d"}
    os.kill(pid, signal.SIGSTOP)
    try:
        assert await cluster.launcher().running({"echo-d"}) == {}
        await asyncio.wait_for(watch.wait_gone(), 30)
    finally:
        watch.kill()


def listeners() -> list[str]:
    """Return the addresses on which this process and its descendants listen, as in /proc/net."""
    inodes = set()
    for pid in descendants(os.getpid()):
        for fd in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(fd)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(fields[1].rpartition(":")[0])
    return found


async def test_ray_listens_on_loopback_only(cluster: Cluster):
    found = listeners()
    assert len(found) > 2
    v4, v6 = "0100007F", ("0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
    assert all(address in (v4, *v6) for address in found), found


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env=env,
    )


def test_ray_refuses_a_caller_without_its_token(cluster: Cluster):
    import ray

    address = ray.get_runtime_context().gcs_address
    caller = run_python(
        "import os; os.environ['RAY_AUTH_MODE'] = 'disabled'\n"
        "from ray._raylet import GcsClient\n"
        f"GcsClient(address={address!r}).internal_kv_keys(b'')"
    )
    assert caller.returncode != 0
    assert "token" in caller.stderr.lower()


def test_ray_imported_too_early_is_refused_with_the_remedy():
    early = run_python(
        "import ray\n"
        "from actors.cluster import Cluster\n"
        "from actors.settings import ClusterSettings\n"
        "Cluster(ClusterSettings()).start()"
    )
    assert early.returncode != 0
    assert "ClusterError: import ray after this call" in early.stderr
    assert "RAY_AUTH_MODE=token" in early.stderr


async def test_a_system_started_again_has_the_same_routes_states_and_answers(
    cluster: Cluster, tmp_path: Path
):
    async with System(data_dir=str(tmp_path)) as system:
        (market_no,) = await open_funded_markets(system)
        async with Crowd(system) as crowd:
            for number in range(50):
                crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
            await crowd.all_answered()
        hashes = [await system.peer(s.name).ask("state_hash") for s in await system.statuses()]
        routes = system.routes.markets
    async with System(data_dir=str(tmp_path)) as system:
        assert hashes == [
            await system.peer(s.name).ask("state_hash") for s in await system.statuses()
        ]
        assert system.routes.markets == routes
        async with Crowd(system) as crowd:
            crowd.place("b7", account_no=7, market_no=market_no)
            await crowd.all_answered()
            assert crowd.answers["b7"].state == "accepted"
        assert (await system.compare_bets_and_slips()).accepted == 50
