"""`overround rehearse`: print a World Cup match as a provider of the Unified Odds Feed sends it.

Owns the arguments and the exit code; gateway.feeds.uof.generator makes the messages.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_DONE, EXIT_WRONG_ARGUMENTS
from gateway.cli.arguments import add_command
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "rehearse",
        "print a World Cup match as a provider of the Unified Odds Feed sends it",
        epilog="One message a line, in order: `overround rehearse wc22-64 > final.xml` makes a "
        "recording for `overround replay` and `overround feed`.",
    )
    parser.add_argument("match", metavar="ID", help="wc22-01 to wc22-64")
    parser.add_argument(
        "--no-alive",
        action="store_false",
        dest="alive",
        help="leave the producers' heartbeats out",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, _config: Config) -> int:
    """Print the messages, one a line; return the exit code."""
    from gateway.feeds.uof.generator import FeedGenerator  # noqa: PLC0415 - loads the kernels
    from simulations.timeline import UnknownMatchError, match_by_id  # noqa: PLC0415

    try:
        match = match_by_id(args.match)
    except UnknownMatchError as error:
        sys.stderr.write(f"overround rehearse: {error}\n")
        return EXIT_WRONG_ARGUMENTS
    for body in FeedGenerator(match, alive=args.alive).messages():
        sys.stdout.buffer.write(body + b"\n")
    return EXIT_DONE
