"""`overround replay`: a recording traded again, from its first message to closed books.

Owns the arguments and the exit code; gateway.replay.run plays the recording. Ray and the crowd are
imported when the command runs, so that other commands do not wait for them.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from actors.exit_codes import EXIT_FAILED, EXIT_WRONG_ARGUMENTS
from gateway.cli.arguments import add_command, number, whole
from gateway.cli.kernels import load_all_kernels
from gateway.configuration.config import Config
from gateway.demo.options import SLIPS
from gateway.feeds.core.settings import FEEDS
from gateway.replay.options import AS_FAST_AS_IT_GOES, ReplayOptions

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands

SPEED_MAX: Final = 1e9
BETTORS_MAX: Final = 2_000
VISITS_MAX: Final = 1e6
MARKETS_PER_ACTOR_MAX: Final = 10_000


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "replay",
        "trade a recording of a feed from its first message to closed books",
        epilog="Recordings of the Unified Odds Feed are XML messages, one a file or one a line; of "
        "an exchange's stream and of LSports' feed, JSON lines; plain, gzip or bzip2.",
    )
    _add_options(parser)
    parser.set_defaults(run=run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("path", type=Path, metavar="FILE", help="a recording, or a folder of messages")
    add(
        "--format",
        choices=FEEDS,
        default="",
        dest="kind",
        help="Unified Odds Feed XML, or an exchange's stream or LSports' feed in JSON lines "
        "(default: as it looks)",
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
        "--slips",
        type=number(0.0, 1.0),
        default=SLIPS,
        metavar="SHARE",
        help="share of the bettors that place slips of several legs where the recording has "
        f"several events, or a race's places, 0 to 1 (default {SLIPS:g})",
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
    if not load_all_kernels():
        return EXIT_FAILED
    from gateway.demo.run_folder import DemoFolderError  # noqa: PLC0415
    from gateway.feeds.bridge.recordings import RecordingError  # noqa: PLC0415
    from gateway.replay.run import play  # noqa: PLC0415 - loads Ray and the crowd

    options = ReplayOptions(
        path=args.path,
        kind=args.kind,
        speed=args.speed,
        bettors=args.bettors,
        visits=args.visits,
        slips=args.slips,
        markets_per_actor=args.markets_per_actor,
        seed=args.seed,
        base_port=args.base_port,
        data_dir=args.data_dir or Path(config.data_dir) / "replay",
        plain=args.plain,
    )
    try:
        return uvloop.run(play(options, config, args.signals))
    except (DemoFolderError, RecordingError) as error:
        sys.stderr.write(f"overround replay: {error}\n")
        return EXIT_WRONG_ARGUMENTS
