"""Measure what it costs bets over WebSocket that sessions are shown them all."""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import uvloop

from actors.system import System
from gateway.client import ControlSession, connect_control
from gateway.session.tokens import Role
from tests.bench.live import bet_urls, pids_by_kind, running, token
from tests.bench.table import Row, cost_text
from tests.bench.wire import BETS, MARKETS, Load, load_plan

RUNS = 3
SESSIONS = (1, 20)
"""How many sessions watch."""


def watched_bets() -> list[Row]:
    """Drive bets while nobody, one session and twenty are shown all of them, in turn."""

    async def measure() -> list[Row]:
        async with running(markets=MARKETS) as system:
            return await _in_turn(system)

    return uvloop.run(measure())


async def _in_turn(system: System) -> list[Row]:
    urls, pids = bet_urls(system), await pids_by_kind(system)
    alone, watched = Load(pids), {count: Load(pids) for count in SESSIONS}
    shown = dict.fromkeys(SESSIONS, 0)
    await Load(pids).run(load_plan(urls, run="w"))  # connections, kernels, journals
    for run in range(RUNS):
        await alone.run(load_plan(urls, run=f"a{run}"))
        for count, load in watched.items():
            async with _watching(system, count) as lines:
                await load.run(load_plan(urls, run=f"s{count}-{run}"))
            shown[count] += sum(lines)
    alone.check_accepted()
    for load in watched.values():
        load.check_accepted()
    return [
        Row(
            f"durable bets over WebSocket while {count} sessions are shown them",
            "bets/s",
            statistics.median(load.rates),
            statistics.median(alone.rates),
            "the same system while nobody watches, in turn",
            "higher",
            0.9,
            "ratio",
            f"no filter; {MARKETS} market shells, 1 account shard, 1 gateway; {BETS:,} bets a run, "
            f"median of {RUNS}; latency under this load p50 {load.median_ms('p50_ms'):.1f} ms, p99 "
            f"{load.median_ms('p99_ms'):.1f} ms, while nobody watches "
            f"{alone.median_ms('p50_ms'):.1f} and {alone.median_ms('p99_ms'):.1f}; "
            f"{shown[count] // RUNS // count:,} lines shown to each session a run; "
            f"{cost_text(load.us_a_bet())}; while nobody watches: {cost_text(alone.us_a_bet())}",
            load.rates,
            alone.rates,
        )
        for count, load in watched.items()
    ]


@asynccontextmanager
async def _watching(system: System, count: int) -> AsyncIterator[list[int]]:
    """Have sessions watch all bets; yield how many lines each has been shown."""
    url = f"ws://127.0.0.1:{system.ports[0]['control']}"
    lines = [0] * count
    async with AsyncExitStack() as stack:
        readers = []
        for number in range(count):
            opened = connect_control(url, token=token(number, role=Role.AUDITOR))
            session = await stack.enter_async_context(opened)
            await session.watch_bets()
            readers.append(asyncio.create_task(_count(session, lines, number)))
        try:
            yield lines
        finally:
            for reader in readers:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader


async def _count(session: ControlSession, lines: list[int], number: int) -> None:
    async for seen in session.bets_seen():
        lines[number] += len(seen.bets)
