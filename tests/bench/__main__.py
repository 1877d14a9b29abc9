"""`make bench`: run every measure and its reference on this machine, and print one table."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench.connections import many_connections
from tests.bench.console import traders_console
from tests.bench.core import durable_core, kernel_alone
from tests.bench.exchange_parse import exchange_parse
from tests.bench.fairness import fairness
from tests.bench.fanout import fan_out
from tests.bench.frames import parse_frames
from tests.bench.goal import goals
from tests.bench.many_markets import many_markets
from tests.bench.pricing import pricing
from tests.bench.provider import busy_provider, highest_rate
from tests.bench.recording import whole_recording
from tests.bench.recovery import kill_to_serving, replay
from tests.bench.road import road_and_zmq
from tests.bench.shares import more_parts
from tests.bench.slip_path import legs_settled, slips_over_the_wire
from tests.bench.slips import slips
from tests.bench.table import Row, render, write_json
from tests.bench.watched import watched_bets
from tests.bench.wire import over_the_wire

MEASURES: dict[str, Callable[[], list[Row]]] = {
    "wire": over_the_wire,
    "road": road_and_zmq,
    "shares": more_parts,
    "slip-path": slips_over_the_wire,
    "legs": legs_settled,
    "watched": watched_bets,
    "console": traders_console,
    "connections": many_connections,
    "fairness": fairness,
    "frames": parse_frames,
    "core": durable_core,
    "kernel": kernel_alone,
    "slips": slips,
    "pricing": pricing,
    "replay": replay,
    "kill": kill_to_serving,
    "fanout": fan_out,
    "markets": many_markets,
    "exchange": exchange_parse,
    "goal": goals,
    "busy": busy_provider,
    "flood": highest_rate,
    "recording": whole_recording,
}


ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the requested measures, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", help=f"some of: {', '.join(MEASURES)} (default: all)"
    )
    parser.add_argument("--json", type=Path, default=Path("bench-results.json"))
    args = parser.parse_args()
    unknown = [name for name in args.measures if name not in MEASURES]
    if unknown:
        parser.error(f"no such measure: {', '.join(unknown)}")
    # The processes of Ray find the actors of the bench: no folder is on their path by itself.
    os.environ["PYTHONPATH"] = str(ROOT)
    console = Console(width=150)
    rows: list[Row] = []
    for name in args.measures or MEASURES:
        console.print(f"measuring {name} ...", style="dim")
        rows += MEASURES[name]()
    render(rows, console)
    write_json(rows, args.json)
    console.print(f"written to {args.json}", style="dim")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
