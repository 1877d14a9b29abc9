"""`overround replay`: a recording traded again, from its first message to closed books.

Owns the command's words and its exit code; `replay_run` plays it. Imports little, so that the other
commands need not wait for Ray and the crowd.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.arguments import number, whole
from gateway.config import Config

SPEED_MAX: Final = 1e9
BETTORS_MAX: Final = 2_000
VISITS_MAX: Final = 1e6
MARKETS_PER_ACTOR_MAX: Final = 10_000
EXIT_FAILED: Final = 1
EXIT_WRONG_WORDS: Final = 2
EXIT_INTERRUPTED: Final = 130
AS_FAST_AS_IT_GOES: Final = 0.0
"""A speed that waits for nothing."""


class Options(Struct, frozen=True, kw_only=True):
    """What the command line asked for; `kind` is empty where the recording is to tell."""

    path: Path
    kind: str
    speed: float
    bettors: int
    visits: float
    markets_per_actor: int
    seed: int
    base_port: int
    data_dir: Path
    plain: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add = parser.add_argument
    add("path", type=Path, metavar="FILE", help="a recording, or a folder of messages")
    add(
        "--format",
        choices=("uof", "exchange"),
        default="",
        dest="kind",
        help="Unified Odds Feed XML, or an exchange's stream in JSON lines (default: as it looks)",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--speed",
        type=number(1e-3, SPEED_MAX),
        default=3_600.0,
        metavar="N",
        help="recorded seconds a second (default 3600: an hour a second)",
    )
    pace.add_argument(
        "--max",
        action="store_const",
        const=AS_FAST_AS_IT_GOES,
        dest="speed",
        help="as fast as the system takes it",
    )
    add("--bettors", type=whole(1, BETTORS_MAX), default=40, metavar="N", help="default 40")
    add(
        "--visits",
        type=number(0.01, VISITS_MAX),
        default=25.0,
        metavar="N",
        help="times that a bettor comes to bet during the recording, on average (default 25)",
    )
    add(
        "--markets-per-actor",
        type=whole(1, MARKETS_PER_ACTOR_MAX),
        default=256,
        metavar="N",
        help="markets that share a process (default 256)",
    )
    add("--seed", type=whole(0, 2**31), default=2022, metavar="N", help="of the bettors' choices")
    add(
        "--base-port",
        type=whole(0, 65_533),
        default=0,
        metavar="P",
        help="bets listen here, control and feed on the next two ports (default: free ports)",
    )
    add("--data-dir", type=Path, metavar="DIR", help="folder of the runs (default: the settings')")
    add("--plain", action="store_true", help="plain lines, also in a terminal")


def run(args: argparse.Namespace, config: Config) -> int:
    """Replay a recording and return the exit code.

    0 when every check passed, 1 when one failed, 2 when the recording cannot be read, 130 when it
    was stopped.
    """
    from gateway import replay_run  # noqa: PLC0415 - brings Ray and the crowd along
    from gateway.demo_folder import DemoFolderError  # noqa: PLC0415
    from gateway.feeds.files import RecordingError  # noqa: PLC0415

    options = Options(
        path=args.path,
        kind=args.kind,
        speed=args.speed,
        bettors=args.bettors,
        visits=args.visits,
        markets_per_actor=args.markets_per_actor,
        seed=args.seed,
        base_port=args.base_port,
        data_dir=args.data_dir or Path(config.data_dir) / "replay",
        plain=args.plain,
    )
    try:
        return asyncio.run(replay_run.play(options, config))
    except (DemoFolderError, RecordingError) as error:
        print(f"overround replay: {error}", file=sys.stderr)  # noqa: T201 - a command's own error
        return EXIT_WRONG_WORDS
