"""`overround demo`: a World Cup match traded from kick-off to closed books.

Owns the arguments and the exit code; gateway.demo.match plays the match. Ray and the crowd are
imported when the command runs, so that other commands do not wait for them.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

from actors.exit_codes import EXIT_FAILED, EXIT_WRONG_ARGUMENTS
from gateway.cli.arguments import add_command, number, whole
from gateway.cli.kernels import load_all_kernels
from gateway.configuration.config import Config
from gateway.demo.options import NEVER, PROCESSES, SLIPS, DemoOptions

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands

SPEED_MAX: Final = 100_000.0
BETTORS_MAX: Final = 2_000
MARKETS_MAX: Final = 125
MARKETS: Final = 15
BESIDE_MAX: Final = 4
MINUTE_MAX: Final = 89


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(commands, "demo", "trade a World Cup match from kick-off to closed books")
    _add_options(parser.add_argument)
    _add_whereabouts(parser.add_argument)
    parser.set_defaults(run=run)


def _add_options(add: Callable[..., object]) -> None:
    add("--match", default="wc22-64", metavar="ID", help="wc22-01 to wc22-64 (default: the final)")
    add(
        "--speed",
        type=number(0.1, SPEED_MAX),
        default=90.0,
        metavar="N",
        help="match minutes a minute (default 90)",
    )
    add("--bettors", type=whole(1, BETTORS_MAX), default=60, metavar="N", help="default 60")
    add(
        "--markets",
        type=whole(1, MARKETS_MAX),
        default=MARKETS,
        metavar="N",
        help=f"how many the fixture offers, up to its whole board of {MARKETS_MAX} "
        f"(default {MARKETS})",
    )
    add(
        "--beside",
        type=whole(0, BESIDE_MAX),
        default=BESIDE_MAX,
        metavar="N",
        help="matches that are played beside it, for slips to be on, with two markets each "
        f"(default {BESIDE_MAX})",
    )
    add(
        "--slips",
        type=number(0.0, 1.0),
        default=SLIPS,
        metavar="SHARE",
        help="share of the bettors that place slips of several legs, 0 to 1 "
        f"(default {SLIPS:g}: about half of the turnover)",
    )
    add(
        "--markets-per-actor",
        type=whole(1, MARKETS_MAX),
        default=0,
        metavar="N",
        help="markets that share a process (default: what makes "
        f"{PROCESSES} processes or fewer); the whole board: --markets 125 --markets-per-actor 25",
    )
    add("--seed", type=whole(0, 2**31), default=2022, metavar="N", help="of the bettors' choices")
    add(
        "--kill-minute",
        type=_minute,
        default=60,
        metavar="M",
        help="when the 1x2 market's process is killed, or none (default 60)",
    )
    add(
        "--until",
        type=_minute,
        default=NEVER,
        metavar="M",
        dest="until_minute",
        help="stop at this minute as Ctrl-C would; --resume plays on",
    )


def _add_whereabouts(add: Callable[..., object]) -> None:
    """Add where the run is, how it is shown, and who settles it."""
    add(
        "--base-port",
        type=whole(0, 65_533),
        default=0,
        metavar="P",
        help="bets listen here, control and feed on the next two ports (default: free ports)",
    )
    add("--data-dir", type=Path, metavar="DIR", help="folder of the runs (default: the settings')")
    add("--no-console", action="store_false", dest="console", help="serve no traders' console")
    add(
        "--settle-by-hand",
        action="store_true",
        help="leave the results of the main match to the console: its markets close at full time, "
        "and the books when each has a result",
    )
    add("--resume", action="store_true", help="take up the newest run where its disk left it")
    add("--plain", action="store_true", help="plain lines, also in a terminal")


def run(args: argparse.Namespace, config: Config) -> int:
    """Play the demo and return the exit code.

    0 when every check passed, 1 when one failed, 2 for wrong words, 130 when it was stopped.
    """
    if not load_all_kernels():
        return EXIT_FAILED
    from gateway.demo.match import play  # noqa: PLC0415 - loads Ray and the crowd
    from gateway.demo.run_folder import DemoFolderError  # noqa: PLC0415
    from simulations.timeline import UnknownMatchError  # noqa: PLC0415

    options = DemoOptions(
        match=args.match,
        speed=args.speed,
        bettors=args.bettors,
        markets=args.markets,
        beside=args.beside,
        slips=args.slips,
        markets_per_actor=args.markets_per_actor,
        seed=args.seed,
        kill_minute=args.kill_minute,
        until_minute=args.until_minute,
        base_port=args.base_port,
        data_dir=args.data_dir or Path(config.data_dir) / "demo",
        resume=args.resume,
        plain=args.plain,
        console=args.console,
        settle_by_hand=args.settle_by_hand,
    )
    try:
        return uvloop.run(play(options, config, args.signals))
    except (DemoFolderError, UnknownMatchError) as error:
        sys.stderr.write(f"overround demo: {error}\n")
        return EXIT_WRONG_ARGUMENTS


def _minute(text: str) -> int:
    return NEVER if text == "none" else whole(1, MINUTE_MAX)(text)
