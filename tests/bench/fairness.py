"""Measure a good client's acknowledgements beside each of the hostile clients that keep all bounds.

The good client has one bet in flight. Its p99 alone is measured before each attack, in the same
run on the same machine, and again beside the attack, which runs in a process of its own.
"""

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvloop

from gateway.settings import GatewaySettings
from tests.bench.driver import Plan
from tests.bench.live import drive, running, token
from tests.bench.table import Row
from tests.gateway.attacks import ATTACKS

BETS: Final = 1_500
RUNS: Final = 3
MARKETS: Final = 4
GOOD, HOSTILE = 1, 2
WARM_UP_S: Final = 0.5


@asynccontextmanager
async def _beside(name: str, port: int) -> AsyncIterator[None]:
    """Run an attack beside the body."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.hostile_client", str(port), token(HOSTILE), name
    )
    try:
        await asyncio.sleep(WARM_UP_S)
        yield
        if process.returncode is not None:
            raise RuntimeError(f"the attack {name!r} ended; its error output is above")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _p99_ms(port: int, run: str) -> float:
    plan = Plan(
        urls=[f"ws://127.0.0.1:{port}"], tokens=[token(GOOD)], markets=list(range(1, MARKETS + 1)),
        in_flight=1, bets=BETS, run=run,
    )  # fmt: skip
    result = await drive(plan)
    return result.p99_ms


async def _measure(names: list[str]) -> list[Row]:
    settings = GatewaySettings(bets_host="127.0.0.1", bets_port=0, control_port=0, feed_port=0)
    alone: dict[str, list[float]] = {name: [] for name in names}
    beside: dict[str, list[float]] = {name: [] for name in names}
    async with running(markets=MARKETS, settings=settings) as system:
        port = system.ports[0]["bets"]
        await _p99_ms(port, "w")
        for number in range(RUNS):
            for place, name in enumerate(names):
                run = f"{number}{place:x}"
                alone[name].append(await _p99_ms(port, f"a{run}"))
                async with _beside(name, port):
                    beside[name].append(await _p99_ms(port, f"b{run}"))
    return [_row(name, beside[name], alone[name]) for name in names]


def _row(name: str, beside: list[float], alone: list[float]) -> Row:
    return Row(
        f"acknowledgement p99 beside: {name}",
        "ms",
        statistics.median(beside),
        statistics.median(alone),
        "the same client alone, before the attack",
        "lower",
        2.0,
        "ratio",
        f"1 good client with 1 bet in flight, {BETS:,} bets a run, median of {RUNS}; "
        f"{ATTACKS[name].connections} hostile connections; {os.cpu_count()} cores for all",
        beside,
        alone,
    )


def fairness() -> list[Row]:
    """Measure every attack on one system."""
    return uvloop.run(_measure(list(ATTACKS)))
