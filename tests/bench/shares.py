"""Measure what a bet costs each process when there are more gateways and account shards."""

import os
import statistics
from typing import Final

import uvloop

from tests.bench.live import ACCOUNTS, bet_urls, drive, pids_by_kind, running
from tests.bench.table import Row, cost_text
from tests.bench.wire import MARKETS, Load, load_plan

RUNS: Final = 2
GATEWAYS: Final = 2
SHARDS: Final = 4
LIGHT: Final = 16
HEAVY: Final = 64
"""Bets in flight a connection; with the heavy load each part's batches are larger."""


async def _measure(*, gateways: int, shards: int) -> dict[int, Load]:
    """Return the load of each number of bets in flight on a new system."""
    async with running(markets=MARKETS, gateways=gateways, shards=shards) as system:
        urls = bet_urls(system)
        await drive(load_plan(urls, run="w"))
        loads = {in_flight: Load(await pids_by_kind(system)) for in_flight in (LIGHT, HEAVY)}
        for run in range(RUNS):
            for number, (in_flight, load) in enumerate(loads.items()):
                await load.run(load_plan(urls, run=f"{number}{run}", in_flight=in_flight))
        for load in loads.values():
            load.check_accepted()
    return loads


def more_parts() -> list[Row]:
    """Compare the processor time a bet, which other work on the machine hardly changes."""
    one = uvloop.run(_measure(gateways=1, shards=1))
    more = uvloop.run(_measure(gateways=GATEWAYS, shards=SHARDS))
    return [_row(more[in_flight], one[in_flight], in_flight) for in_flight in (LIGHT, HEAVY)]


def _row(more: Load, one: Load, in_flight: int) -> Row:
    more_us, one_us = more.us_a_bet(), one.us_a_bet()
    cores = os.cpu_count() or 1
    bound = cores * 1e6 / sum(more_us.values())
    return Row(
        f"processor time a bet, {GATEWAYS} gateways and {SHARDS} account shards, "
        f"{in_flight * ACCOUNTS:,} in flight",
        "us",
        sum(more_us.values()),
        sum(one_us.values()),
        "1 gateway and 1 account shard, measured first",
        "lower",
        1.3,
        "ratio",
        f"{ACCOUNTS} connections, {MARKETS} market shells, client included, both journals synced "
        f"before the answer; {cost_text(more_us)}; with 1 and 1: {cost_text(one_us)}; "
        f"{statistics.median(more.rates):,.0f} bets/s, where {cores} cores for nothing else would "
        f"give {bound:,.0f}; with 1 and 1 {statistics.median(one.rates):,.0f} bets/s",
    )
