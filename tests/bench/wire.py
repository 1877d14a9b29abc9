"""Measure bets over real sockets through the whole system: throughput, and one bet at a time."""

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from actors.cluster import RayLauncher
from actors.process import PartSpec
from actors.system import System
from tests.bench.driver import Plan, Result
from tests.bench.live import ACCOUNTS, drive, echo_server, running, token
from tests.bench.table import Row

IN_FLIGHT = 16
BETS = 100_000
LONE_BETS = 1_000
RUNS = 5
MARKETS = 4


class BareActor:
    """An actor without work, to measure the cost of a call."""

    def tick(self) -> int:
        """Return the process id."""
        return os.getpid()

    def echo(self, payload: bytes) -> bytes:
        """Return the argument."""
        return payload


async def _load(url: str, tokens: list[str], *, run: str) -> Result:
    plan = Plan(
        url=url,
        tokens=tokens,
        markets=list(range(1, MARKETS + 1)),
        in_flight=IN_FLIGHT,
        bets=BETS,
        run=run,
    )
    return await drive(plan)


def _rate(result: Result) -> float:
    return result.bets / result.seconds


async def throughput(system: System) -> list[Row]:
    """Drive gateway and echo server in turn, so that both share the machine's load."""
    url = f"ws://127.0.0.1:{system.ports[0]['bets']}"
    tokens = [token(account) for account in range(ACCOUNTS)]
    ours: list[Result] = []
    echo: list[Result] = []
    async with echo_server() as echo_url:
        await _load(url, tokens, run="w")  # warm up connections, kernels and journals
        for run in range(RUNS):
            ours.append(await _load(url, tokens, run=f"t{run}"))
            echo.append(await _load(echo_url, tokens, run=f"e{run}"))
    accepted = sum(result.answers.get("accepted", 0) for result in ours)
    assert accepted == RUNS * BETS, "every bet of the load is one that is accepted"
    rates, echo_rates = [_rate(result) for result in ours], [_rate(result) for result in echo]
    p50 = statistics.median(result.p50_ms for result in ours)
    p99 = statistics.median(result.p99_ms for result in ours)
    return [
        Row(
            "durable bets over WebSocket",
            "bets/s",
            statistics.median(rates),
            statistics.median(echo_rates),
            "a websockets echo server with the same client code and frame sizes",
            "higher",
            0.45,
            "ratio",
            f"{ACCOUNTS} connections, {IN_FLIGHT} in flight each, {MARKETS} market actors, 1 "
            f"account shard, 1 gateway, wallet included, both journals synced before the answer, "
            f"{BETS:,} bets per run, median of {RUNS}; latency under this load p50 {p50:.1f} ms, "
            f"p99 {p99:.1f} ms",
            rates,
            echo_rates,
        )
    ]


async def _two_calls_two_syncs(bare: Any, folder: str) -> float:
    """Return the median milliseconds of two actor calls and two synced writes, in sequence."""
    payload = bytes(200)
    fd = os.open(Path(folder) / "raw", os.O_CREAT | os.O_WRONLY)
    samples = []
    try:
        for _ in range(LONE_BETS):
            started = time.perf_counter()
            for _ in range(2):
                await bare.ask("echo", payload)
                os.write(fd, payload)
                os.fdatasync(fd)
            samples.append((time.perf_counter() - started) * 1_000)
    finally:
        os.close(fd)
    return statistics.median(samples)


async def lone_bet(system: System) -> list[Row]:
    """Measure the acknowledgement of one bet at a time, beside the calls and syncs it needs."""
    url = f"ws://127.0.0.1:{system.ports[0]['bets']}"
    process = await RayLauncher(namespace="bench").begin(
        PartSpec(name="bare", generation=0, factory=BareActor, arguments={})
    )
    ours: list[float] = []
    reference: list[float] = []
    try:
        process.attach(await process.peer.ask("tick"))
        with tempfile.TemporaryDirectory(dir=".") as folder:
            for run in range(RUNS):
                plan = Plan(
                    url=url, tokens=[token(1)], markets=[1], in_flight=1, bets=LONE_BETS,
                    run=f"l{run}",
                )  # fmt: skip
                ours.append((await drive(plan)).p50_ms)
                reference.append(await _two_calls_two_syncs(process.peer, folder))
    finally:
        process.kill()
    return [
        Row(
            "acknowledgement p50, one bet in flight",
            "ms",
            statistics.median(ours),
            statistics.median(reference),
            "two calls of a bare Ray actor and two writes with fdatasync, in sequence",
            "lower",
            1.6,
            "ratio",
            f"1 connection, {LONE_BETS:,} bets per run, synced twice before the answer, median of "
            f"{RUNS}",
            ours,
            reference,
        )
    ]


def over_the_wire() -> list[Row]:
    """Run both measures on one system."""

    async def measure() -> list[Row]:
        async with running(markets=MARKETS) as system:
            return [*await throughput(system), *await lone_bet(system)]

    return uvloop.run(measure())
