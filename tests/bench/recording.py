"""Measure a recording replayed without pauses through the whole system, on both ways."""

import statistics
import tempfile
from collections import Counter
from pathlib import Path

import uvloop
from msgspec.structs import replace
from rich.console import Console

from gateway.replay.options import AS_FAST_AS_IT_GOES, ReplayOptions
from gateway.replay.run import Replay, read_summary
from tests.bench.exchange_parse import messages, ours, timed
from tests.bench.live import WAYS, cluster_of, environments_config
from tests.bench.table import Row

RUNS = 2
GOAL = 40_000


def whole_recording() -> list[Row]:
    """Replay a recording with simulated bettors, by each way in turn."""
    bodies, source = messages()
    parse_s = timed(lambda: ours(bodies, snapshots=False))
    rates: dict[bool, list[float]] = {True: [], False: []}
    bets: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-") as folder:
        path = Path(folder) / "recording.jsonl"
        path.write_bytes(b"\n".join(bodies) + b"\n")
        for _ in range(RUNS):
            for road in WAYS:
                figures = uvloop.run(_replay(path, Path(folder), road=road))
                rates[road].append(figures["messages"] / figures["seconds"])
                bets[road] += int(figures["bets"])
    return [
        Row(
            "a recording replayed through the whole system at --max",
            "messages/s",
            statistics.median(rates[True]),
            statistics.median(rates[False]),
            "the same by calls of Ray, in turn",
            "higher",
            GOAL,
            "ours",
            f"{source}; a market shell, an account shard, a gateway and 40 simulated bettors that "
            f"placed {bets[True] / RUNS:,.0f} bets meanwhile ({bets[False] / RUNS:,.0f} by calls "
            f"of Ray); every message applied, journaled and synced, all markets settled and the "
            f"books reconciled, median of {RUNS}; our parsing of the same messages into order "
            f"books alone: {len(bodies) / parse_s:,.0f} messages/s",
            rates[True],
            rates[False],
        )
    ]


async def _replay(path: Path, folder: Path, *, road: bool) -> dict[str, float]:
    options = ReplayOptions(
        path=path,
        kind="",
        speed=AS_FAST_AS_IT_GOES,
        bettors=40,
        visits=25.0,
        markets_per_actor=256,
        seed=2022,
        base_port=0,
        data_dir=folder / "replay",
        plain=True,
    )
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        config = replace(environments_config(), data_dir=str(folder), cluster=cluster_of(road=road))
        run = Replay(options, config, recording=read_summary(path), console=Console(file=output))
        code = await run.run()
    assert code == 0, (folder / "output.txt").read_text(encoding="utf-8")
    return run.figures
