"""Measure recovery: the replay of a journal, and a killed market's time to its next bet."""

import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from actors.system import System
from gateway.client import connect
from persistence.disk import LocalDisk
from persistence.durable import DurableMarkets
from persistence.journal import JournalOptions
from tests.bench.core import BATCH, bet_rows, market_commands
from tests.bench.live import running, token
from tests.bench.table import Row, median_of

RUNS = 5
BETS = 1_024 * BATCH
OPTIONS = JournalOptions(snapshot_bytes=1 << 40)
"""No snapshot, so that every record is replayed."""


class BareActor:
    """An actor without work."""

    def tick(self) -> int:
        """Return the process id."""
        return os.getpid()


def replay() -> list[Row]:
    """Measure the replay of a journal with every decision compared, beside reading its files."""
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        durable = DurableMarkets.open(folder, disk=LocalDisk(), at_ns=1, options=OPTIONS)
        durable.control("bench", market_commands(1), 1)
        rows = bet_rows(BETS, markets=1)
        for at in range(0, BETS, BATCH):
            durable.place(rows[at : at + BATCH], at)
        expected = durable.state_hash()
        durable.close()

        def ours() -> float:
            recovered = DurableMarkets.open(folder, disk=LocalDisk(), at_ns=1, options=OPTIONS)
            rate = recovered.recovery.bets / (recovered.recovery.ms / 1_000)
            assert recovered.recovery.bets == BETS
            assert recovered.state_hash() == expected
            recovered.close()
            return rate

        def reference() -> float:
            started = time.perf_counter()
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    path.read_bytes()
            return BETS / (time.perf_counter() - started)

        ours_median, samples = median_of(ours, runs=RUNS)
        ref_median, ref_samples = median_of(reference, runs=RUNS)
    return [
        Row(
            "recovery: bets replayed",
            "bets/s",
            ours_median,
            ref_median,
            "reading the journal's files alone",
            "higher",
            1_000_000,
            "ours",
            f"{BETS:,} bets in records of {BATCH:,}, checksums and every decision compared, no "
            f"snapshot, median of {RUNS}",
            samples,
            ref_samples,
        )
    ]


async def _kill_to_serving(system: System, client: Any, *, run: int) -> float:
    """Kill the market's process; return the seconds until a bet sent at once is accepted."""
    (market,) = [s for s in await system.statuses() if s.kind == "market"]
    os.kill(market.health.pid, signal.SIGKILL)
    started = time.perf_counter()
    bet = await client.place(
        ref=f"kill-{run}", market=1, outcome=0, stake_minor=1_000, odds_milli=2_500
    )
    elapsed = time.perf_counter() - started
    assert bet.state == "accepted", bet
    return elapsed


async def _bare_restart(bare: Any) -> float:
    """Kill an empty actor that Ray restarts; return the seconds until it answers."""
    import ray

    pid = ray.get(bare.tick.remote())
    os.kill(pid, signal.SIGKILL)
    started = time.perf_counter()
    assert await bare.tick.remote() != pid
    return time.perf_counter() - started


def kill_to_serving() -> list[Row]:
    """Measure the recovery of a killed market, beside Ray's restart of an empty actor."""

    async def measure() -> tuple[list[float], list[float]]:
        ours: list[float] = []
        reference: list[float] = []
        async with running(markets=1) as system:
            import ray  # once the environment of its processes is set

            bare = (
                ray.remote(BareActor)
                .options(num_cpus=0, max_restarts=-1, max_task_retries=-1)
                .remote()
            )
            await bare.tick.remote()
            url = f"ws://127.0.0.1:{system.ports[0]['bets']}"
            async with connect(url, token=token(1)) as client:
                bet = await client.place(
                    ref="warm", market=1, outcome=0, stake_minor=1_000, odds_milli=2_500
                )
                assert bet.state == "accepted"
                for run in range(RUNS):
                    reference.append(await _bare_restart(bare))
                    ours.append(await _kill_to_serving(system, client, run=run))
            ray.kill(bare)
        return ours, reference

    ours, reference = uvloop.run(measure())
    return [
        Row(
            "kill -9 of a market to its next accepted bet",
            "s",
            statistics.median(ours),
            statistics.median(reference),
            "Ray's own restart of an empty actor (max_restarts=-1) to its next answer",
            "lower",
            1.5,
            "ratio",
            f"as a connected bettor sees it: detection, a new process, the replay of its journal "
            f"and both syncs included; default ticks and back-off, median of {RUNS}",
            ours,
            reference,
        )
    ]
