"""Measure the decision kernel and the durable core in this process, without Ray and sockets."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from engine.common.commands import CreateMarket, Limits, OpenMarket
from engine.common.ids import bet_id
from engine.common.rows import BET, Rows
from engine.common.units import LIMIT_MINOR_MAX, RATE_MICRO_ONE
from engine.market.market import MarketMachine
from persistence.disk import LocalDisk
from persistence.durable import DurableMarkets
from persistence.journal import JournalOptions
from tests.bench.plain import PlainMarket
from tests.bench.table import Row, median_of, medians_of

BATCH = 1_024
RUNS = 5
DURABLE_RUNS = 15
WIDE = Limits(
    stake_minor_max=1_000_000,
    payout_minor_max=LIMIT_MINOR_MAX,
    outcome_liability_minor_max=LIMIT_MINOR_MAX,
    market_liability_minor_max=LIMIT_MINOR_MAX,
)


def market_commands(count: int, *, outcomes: int = 3) -> list[CreateMarket | OpenMarket]:
    """Return commands that create and open `count` markets with wide limits."""
    names = tuple(f"o{index}" for index in range(outcomes))
    commands: list[CreateMarket | OpenMarket] = []
    for number in range(1, count + 1):
        commands.append(
            CreateMarket(
                market_no=number,
                key=f"bench-{number}/1x2",
                outcomes=names,
                odds_milli=(2_500,) * outcomes,
                limits=WIDE,
            )
        )
        commands.append(OpenMarket(market_no=number))
    return commands


def bet_rows(count: int, *, markets: int, first: int = 1, outcomes: int = 3, seed: int = 7) -> Rows:
    """Return `count` acceptable bets of shard 0 spread evenly at random over the markets."""
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, BET)
    rows["bet_id"] = np.arange(first, first + count, dtype=np.uint64) + np.uint64(
        bet_id(shard=0, serial=1) - 1
    )
    rows["stake_minor"] = rng.integers(100, 10_000, count)
    rows["account_no"] = rng.integers(0, 1_000, count)
    rows["market_no"] = rng.integers(1, markets + 1, count)
    rows["outcome"] = rng.integers(0, outcomes, count)
    rows["odds_milli"] = 2_500
    rows["rate_micro"] = RATE_MICRO_ONE
    return rows


def machine_with(markets: int) -> MarketMachine:
    """Return a machine with open markets."""
    machine = MarketMachine()
    for command in market_commands(markets):
        machine.apply(command, 1)
    return machine


def seconds_per_bet(machine: MarketMachine, rows: Rows, *, batch: int = BATCH) -> float:
    """Place rows in batches; return the seconds per bet."""
    started = time.perf_counter()
    for at in range(0, len(rows), batch):
        machine.place(rows[at : at + batch], at)
    return (time.perf_counter() - started) / len(rows)


def kernel_alone() -> list[Row]:
    """Measure the kernel's decisions, and the same decisions in plain Python on numpy rows."""
    total = 1_024 * BATCH

    def ours() -> float:
        return 1 / seconds_per_bet(machine_with(1), bet_rows(total, markets=1))

    def reference() -> float:
        market = PlainMarket(odds_milli=[2_500] * 3, limits=WIDE)
        rows = bet_rows(64 * BATCH, markets=1)
        started = time.perf_counter()
        for at in range(0, len(rows), BATCH):
            market.place(rows[at : at + BATCH])
        return len(rows) / (time.perf_counter() - started)

    sample = bet_rows(BATCH, markets=1)
    plain = PlainMarket(odds_milli=[2_500] * 3, limits=WIDE).place(sample)
    decided = machine_with(1).place(sample, 1)
    assert plain == list(
        zip(decided["reason"].tolist(), decided["odds_milli"].tolist(), strict=True)
    )

    ours_median, samples = median_of(ours, runs=RUNS)
    ref_median, ref_samples = median_of(reference, runs=3)
    return [
        Row(
            "decision kernel alone",
            "bets/s",
            ours_median,
            ref_median,
            "the same checks in plain Python (dictionary and lists) over the same numpy rows",
            "higher",
            10_000_000,
            "ours",
            f"1 market, batches of {BATCH:,}, the bet index grows meanwhile, {total:,} bets, "
            f"median of {RUNS}",
            samples,
            ref_samples,
        )
    ]


def durable_core() -> list[Row]:
    """Measure journaled and synced batches, and a write and fdatasync of as many bytes."""
    total = 256 * BATCH
    written = 0

    def ours() -> float:
        nonlocal written
        with tempfile.TemporaryDirectory(dir=".") as folder:
            durable = DurableMarkets.open(
                Path(folder), disk=LocalDisk(), at_ns=1, options=JournalOptions()
            )
            durable.control("bench", market_commands(1), 1)
            durable.machine.reserve(bets=total)
            rows = bet_rows(total, markets=1)
            before = durable.journal_bytes
            started = time.perf_counter()
            for at in range(0, total, BATCH):
                durable.place(rows[at : at + BATCH], at)
            elapsed = time.perf_counter() - started
            written = durable.journal_bytes - before
            durable.close()
        return total / elapsed

    def reference() -> float:
        chunk = os.urandom(written // (total // BATCH))
        with tempfile.TemporaryDirectory(dir=".") as folder:
            fd = os.open(Path(folder) / "raw", os.O_CREAT | os.O_WRONLY)
            started = time.perf_counter()
            for _ in range(total // BATCH):
                os.write(fd, chunk)
                os.fdatasync(fd)
            elapsed = time.perf_counter() - started
            os.close(fd)
        return total / elapsed

    ours_median, ref_median, *common = medians_of(ours, reference, runs=DURABLE_RUNS)
    conditions = (
        f"batches of {BATCH:,}, one fdatasync per batch, {written // (total // BATCH):,} bytes per "
        f"batch, memory reserved beforehand as a shell does on its tick, median of {DURABLE_RUNS}"
    )
    against = "write and fdatasync of as many bytes"
    return [
        Row("market core, journaled and synced", "bets/s", ours_median, ref_median, against,
            "higher", 0.5, "ratio", conditions, *common),
        Row("market core, journaled and synced (absolute)", "bets/s", ours_median, ref_median,
            against, "higher", 1_000_000, "ours", conditions, *common),
    ]  # fmt: skip
