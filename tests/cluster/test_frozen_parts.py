"""Real processes are stopped (SIGSTOP): each part is noticed, killed and replaced."""

import asyncio
import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.settings import ReconcilerSettings, SupervisorSettings
from actors.system import System
from actors.system_parts import GatewayPart, SystemSettings
from gateway.app import Gateway
from gateway.settings import GatewaySettings
from tests.cluster.betting_crowd import (
    open_funded_markets,
    serves_again,
    spare,
    status,
    until,
)

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

MARKET = "market-00000"
DEADLINES = SupervisorSettings(part_deadline_ms=2_000)


def system_in(folder: Path) -> System:
    """Return a system with one gateway, not yet started."""
    settings = GatewaySettings(bets_port=0, control_port=0, feed_port=0, bets_host="127.0.0.1")
    return System(
        data_dir=str(folder),
        settings=SystemSettings(
            supervisor=DEADLINES, reconciler=ReconcilerSettings(orphan_after_ms=2_000)
        ),
        gateways=[
            GatewayPart(
                factory=Gateway, arguments={"shards": 2, "secret": bytes(32), "settings": settings}
            )
        ],
    )


async def readiness(system: System) -> dict[str, Any]:
    """Return what the gateway answers to GET /readyz."""
    reader, writer = await asyncio.open_connection("127.0.0.1", system.ports[0]["bets"])
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await reader.read()
    writer.close()
    answered: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return answered


async def shows_no_part_down(system: System) -> bool:
    """Return whether the gateway shows that every part runs, and its own ports of now."""
    shown = await readiness(system)
    return not shown["parts_down"] and shown["ports"] == {"gateway-0": system.ports[0]}


def all_are_down(system: System, names: Iterable[str], seen: dict[str, str]) -> bool:
    """Note the parts that are down now; return whether each of some has been so."""
    seen.update(system.parts_down)
    return set(names) <= set(seen)


@pytest.fixture
def stopped() -> Iterator[list[int]]:
    """Processes that a test stopped: they are continued at its end, if they still exist."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if Path(f"/proc/{pid}").exists():
            os.kill(pid, signal.SIGCONT)


async def test_each_frozen_part_is_shown_killed_and_replaced(
    tmp_path: Path, stopped: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    async with system_in(tmp_path) as system:
        await open_funded_markets(system)
        for names in (("supervisor",), ("reconciler", "gateway-0")):
            before = {name: system.pids()[name] for name in names}
            down: dict[str, str] = {}
            for pid in before.values():
                stopped.append(pid)
                os.kill(pid, signal.SIGSTOP)
            await until(lambda of=before, seen=down: all_are_down(system, of, seen))
            assert all("frozen" in down[name] for name in names)
            if "gateway-0" not in names:
                shown = await readiness(system)
                assert shown["parts_down"] in ([*names], [])
            await until(lambda: not system.parts_down)
            for name, pid in before.items():
                assert system.pids()[name] != pid
                assert not Path(f"/proc/{pid}").exists()
                assert f"{name}: frozen" in caplog.text
                assert f"{name}: runs again" in caplog.text
        await until(lambda: shows_no_part_down(system))
        assert [shell.restarts for shell in await system.statuses()] == [0] * 3
        await open_funded_markets(system)


async def test_a_frozen_spare_delays_no_fail_over(tmp_path: Path, stopped: list[int]) -> None:
    async with system_in(tmp_path) as system:
        await open_funded_markets(system)
        before = await status(system, MARKET)
        assert before.health is not None
        idle = await spare(system)
        stopped.append(idle)
        os.kill(idle, signal.SIGSTOP)
        os.kill(before.health.pid, signal.SIGKILL)
        await until(lambda: serves_again(system, before))
        after = await status(system, MARKET)
        assert after.health is not None
        assert after.health.pid != idle
        await until(lambda: not Path(f"/proc/{idle}").exists())
