"""Measure bets of many connections beside many idle ones, and the memory of a connection."""

import asyncio
import resource
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvloop
from msgspec.structs import replace

from tests.bench.driver import Plan
from tests.bench.live import (
    ACCOUNTS,
    WIDE,
    bet_urls,
    drive,
    echo_server,
    pids_by_kind,
    running,
    token,
)
from tests.bench.processor_time import resident_bytes
from tests.bench.table import Row, cost_text
from tests.bench.wire import MARKETS, Load

CONNECTIONS: Final = 1_000
IDLE: Final = 5_000
BETS: Final = 50_000
RUNS: Final = 3
FILES_BESIDE: Final = 512
"""Descriptors of a process besides its connections."""
SETTINGS: Final = replace(WIDE, connections_max=2 * (CONNECTIONS + IDLE), work_percent=100)
"""All connections come from one address, which may use all of the gateway's time."""


def raise_descriptors() -> None:
    """Raise the bound on open files of this process and its children.

    Raises
    ------
    SystemExit
        When the operating system's bound is too low for the measure.
    """
    needed = CONNECTIONS + IDLE + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{needed:,} open files are needed, and `ulimit -Hn` is {hard:,}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@asynccontextmanager
async def idle_connections(url: str) -> AsyncIterator[None]:
    """Hold idle connections, in a process of their own, beside the body."""
    tokens = [token(account) for account in range(ACCOUNTS)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.idle_clients", url, str(IDLE), *tokens,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise RuntimeError("the idle connections failed; their error output is above")
        yield
    finally:
        process.stdin.close()
        if await process.wait():
            raise RuntimeError("an idle connection was lost; the error output is above")


async def _kib_a_connection(url: str, pid: int) -> float:
    """Return the memory that a server's process gains for each idle connection."""
    before = resident_bytes(pid)
    async with idle_connections(url):
        return (resident_bytes(pid) - before) / IDLE / 1_024


def _plan(url: str, *, connections: int, run: str) -> Plan:
    return Plan(
        urls=[url],
        tokens=[token(number % ACCOUNTS) for number in range(connections)],
        markets=list(range(1, MARKETS + 1)),
        in_flight=CONNECTIONS // connections,
        bets=BETS,
        run=run,
    )


async def _measure() -> list[Row]:
    async with (
        running(markets=MARKETS, settings=SETTINGS) as system,
        echo_server() as echo,
    ):
        (url,) = bet_urls(system)
        pids = await pids_by_kind(system)
        (gateway,) = pids["gateways"]
        memory = await _kib_a_connection(url, gateway)
        echo_memory = await _kib_a_connection(echo.url, echo.pid)
        many, few, echo_many, echo_few = Load(pids), Load(pids), Load({}), Load({})
        await drive(_plan(url, connections=ACCOUNTS, run="w"))
        for run in range(RUNS):
            await few.run(_plan(url, connections=ACCOUNTS, run=f"f{run}"))
            await echo_few.run(_plan(echo.url, connections=ACCOUNTS, run=f"f{run}"))
            async with idle_connections(url):
                await many.run(_plan(url, connections=CONNECTIONS, run=f"m{run}"))
            await echo_many.run(_plan(echo.url, connections=CONNECTIONS, run=f"m{run}"))
    many.check_accepted()
    few.check_accepted()
    echo_ratio = echo_many.median_ms("p50_ms") / echo_few.median_ms("p50_ms")
    return [*_latencies(many, few, echo_ratio=echo_ratio), _memory(memory, echo_memory)]


def _latencies(many: Load, few: Load, *, echo_ratio: float) -> list[Row]:
    return [
        Row(
            f"bet {name} over {CONNECTIONS:,} connections with 1 bet in flight, {IDLE:,} idle ones",
            "ms",
            many.median_ms(f"{name}_ms"),
            few.median_ms(f"{name}_ms"),
            f"{ACCOUNTS} connections with {CONNECTIONS // ACCOUNTS} bets in flight, no idle ones",
            "lower",
            1.3,
            "ratio",
            f"as many bets in flight on both sides, {MARKETS} market shells, 1 account shard, 1 "
            f"gateway, both journals synced before the answer, {BETS:,} bets per run, in turn, "
            f"median of {RUNS}; {statistics.median(many.rates):,.0f} bets/s against "
            f"{statistics.median(few.rates):,.0f}; {cost_text(many.us_a_bet())}; with {ACCOUNTS} "
            f"connections: {cost_text(few.us_a_bet())}; from {ACCOUNTS} connections to "
            f"{CONNECTIONS:,} and without idle ones, the p50 of a websockets echo server under the "
            f"same client took {echo_ratio:.2f} times as long",
            [getattr(result, f"{name}_ms") for result in many.results],
            [getattr(result, f"{name}_ms") for result in few.results],
        )
        for name in ("p50", "p99")
    ]


def _memory(ours: float, reference: float) -> Row:
    return Row(
        "memory of an idle connection",
        "KiB",
        ours,
        reference,
        "the websockets echo server",
        "lower",
        1.0,
        "ratio",
        f"resident memory that a gateway's process gains from {IDLE:,} connections of {ACCOUNTS} "
        f"accounts, before any bet",
    )


def many_connections() -> list[Row]:
    """Measure latencies and memory on one system."""
    raise_descriptors()
    return uvloop.run(_measure())
