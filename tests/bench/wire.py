"""Measure bets over real sockets through the whole system: throughput, and one bet at a time."""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

from actors.system import System
from tests.bench.driver import Plan, Result
from tests.bench.live import (
    ACCOUNTS,
    bet_urls,
    drive,
    echo_server,
    pids_by_kind,
    running,
    sync_server,
    token,
)
from tests.bench.table import Row, cost_text

IN_FLIGHT = 16
BETS = 100_000
LONE_BETS = 1_000
RUNS = 5
MARKETS = 4


def load_plan(urls: list[str], *, run: str, in_flight: int = IN_FLIGHT) -> Plan:
    """Return the load of the throughput measures."""
    return Plan(
        urls=urls,
        tokens=[token(account) for account in range(ACCOUNTS)],
        markets=list(range(1, MARKETS + 1)),
        in_flight=in_flight,
        bets=BETS,
        run=run,
    )


def rate(result: Result) -> float:
    """Return bets per second."""
    return result.bets / result.seconds


class Load:
    """Blocks of bets, and the processor time that each kind of process used for them."""

    def __init__(self, pids: Mapping[str, list[int]]) -> None:
        self._pids = dict(pids)
        self.results: list[Result] = []

    async def run(self, plan: Plan) -> None:
        """Drive one block."""
        self.results.append(await drive(replace(plan, pids=self._pids)))

    @property
    def rates(self) -> list[float]:
        """Bets per second of each block."""
        return [rate(result) for result in self.results]

    def median_ms(self, name: str) -> float:
        """Return the median over the blocks of a latency, `p50_ms` or `p99_ms`."""
        return statistics.median(getattr(result, name) for result in self.results)

    def us_a_bet(self) -> dict[str, float]:
        """Return the microseconds of processor time a bet of each kind of process."""
        bets = sum(result.bets for result in self.results)
        kinds = self.results[0].processor_s
        return {
            kind: sum(result.processor_s[kind] for result in self.results) * 1e6 / bets
            for kind in kinds
        }

    def check_accepted(self) -> None:
        """Assert that every bet was accepted."""
        for result in self.results:
            assert result.answers == {"accepted": result.bets}, result.answers


async def throughput(system: System) -> list[Row]:
    """Drive gateway and echo server in turn, so that both share the machine's load."""
    ours = Load(await pids_by_kind(system))
    async with echo_server() as server:
        echo = Load({"echo server": [server.pid]})
        await drive(load_plan(bet_urls(system), run="w"))  # connections, kernels, journals
        for run in range(RUNS):
            await ours.run(load_plan(bet_urls(system), run=f"t{run}"))
            await echo.run(load_plan([server.url], run=f"e{run}"))
    ours.check_accepted()
    return [
        Row(
            "durable bets over WebSocket",
            "bets/s",
            statistics.median(ours.rates),
            statistics.median(echo.rates),
            "a websockets echo server with the same client code and frame sizes",
            "higher",
            0.75,
            "ratio",
            f"{ACCOUNTS} connections, {IN_FLIGHT} in flight each, {MARKETS} market actors, 1 "
            f"account shard, 1 gateway, wallet included, both journals synced before the answer, "
            f"{BETS:,} bets per run, median of {RUNS}; latency under this load p50 "
            f"{ours.median_ms('p50_ms'):.1f} ms, p99 {ours.median_ms('p99_ms'):.1f} ms; "
            f"{cost_text(ours.us_a_bet())}; of the reference: {cost_text(echo.us_a_bet())}",
            ours.rates,
            echo.rates,
        )
    ]


async def lone_bet(system: System) -> list[Row]:
    """Measure one bet at a time, and in turn an echo that syncs two files before its answer.

    A third server has the files synced by two other processes: what any system of a gateway and two
    journals in processes of their own takes at least.
    """
    ours: list[float] = []
    reference: list[float] = []
    apart: list[float] = []
    bare: list[float] = []

    async def p50_ms(url: str, run: str) -> float:
        plan = Plan(
            urls=[url], tokens=[token(1)], markets=[1], in_flight=1, bets=LONE_BETS, run=run
        )
        return (await drive(plan)).p50_ms

    with tempfile.TemporaryDirectory(dir=".") as folder:
        files = [str(Path(folder) / name) for name in ("first", "second", "third", "fourth")]
        async with (
            echo_server(*files[:2]) as synced,
            sync_server(files[2]) as third,
            sync_server(files[3]) as fourth,
            echo_server(third, fourth) as relay,
            echo_server() as echo,
        ):
            await p50_ms(bet_urls(system)[0], "lw")
            for run in range(RUNS):
                ours.append(await p50_ms(bet_urls(system)[0], f"l{run}"))
                reference.append(await p50_ms(synced.url, f"s{run}"))
                apart.append(await p50_ms(relay.url, f"a{run}"))
                bare.append(await p50_ms(echo.url, f"b{run}"))
    return [
        Row(
            "acknowledgement p50, one bet in flight",
            "ms",
            statistics.median(ours),
            statistics.median(reference),
            "a websockets echo server that writes and syncs two files, one after the other, before "
            "it answers",
            "lower",
            1.5,
            "ratio",
            f"1 connection, {LONE_BETS:,} bets per run, synced twice before the answer, in turn, "
            f"median of {RUNS}; the files' blocks are written beforehand, as a journal's are; the "
            f"echo without syncs took {statistics.median(bare):.2f} ms; with each file synced by a "
            f"process of its own, asked over a bare Unix socket, it took "
            f"{statistics.median(apart):.2f} ms",
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
