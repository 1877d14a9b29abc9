"""Measure the memory per market of ten thousand markets, and batches spread over all of them."""

import gc

from tests.bench.core import BATCH, RUNS, bet_rows, machine_with, seconds_per_bet
from tests.bench.processor_time import resident_bytes
from tests.bench.table import Row, median_of

MARKETS = 10_000


def many_markets() -> list[Row]:
    """Measure memory per market, and the time per bet beside that on one market."""
    machine_with(1)  # load kernels and warm the allocator
    gc.collect()
    before = resident_bytes()
    machine = machine_with(MARKETS)
    gc.collect()
    per_market = (resident_bytes() - before) / MARKETS
    one_before = resident_bytes()
    one = machine_with(1)
    gc.collect()
    per_one = max(resident_bytes() - one_before, 1)

    total = 256 * BATCH

    def spread() -> float:
        rows = bet_rows(total, markets=MARKETS, first=1 + spread_from[0])
        spread_from[0] += total
        return seconds_per_bet(machine, rows) * 1e9

    def single() -> float:
        rows = bet_rows(total, markets=1, first=1 + single_from[0])
        single_from[0] += total
        return seconds_per_bet(one, rows) * 1e9

    spread_from, single_from = [0], [0]
    spread_median, spread_samples = median_of(spread, runs=RUNS)
    single_median, single_samples = median_of(single, runs=RUNS)
    return [
        Row("memory per market, 10,000 in one process", "KiB", per_market / 1_024, per_one / 1_024,
            "a second set of one market", "lower", 20, "ours",
            "resident memory, 3 outcomes per market, no bets"),
        Row("time per bet, batches over 10,000 markets", "ns", spread_median, single_median,
            "the same batches on 1 market", "lower", 2.0, "ratio",
            f"in memory, batches of {BATCH:,}, the bet index grows meanwhile, median of {RUNS}",
            spread_samples, single_samples),
    ]  # fmt: skip
