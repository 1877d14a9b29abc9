"""`overround serve`: run the whole system until it is interrupted.

Owns the arguments; gateway.cli.serving runs the system. The engine and Ray are imported when the
command runs, so that other commands do not wait for them.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_FAILED, EXIT_WRONG_ARGUMENTS
from gateway.cli.arguments import add_command
from gateway.cli.kernels import load_all_kernels
from gateway.configuration.config import Config
from gateway.console.keeper import ConsoleMissingError, check_installed

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "serve",
        "run the engine until interrupted",
        epilog="SIGINT and SIGTERM end it in good order; SIGHUP gives quarantined shells a new "
        "process. Everything that was answered is on disk at any instant.",
    )
    parser.add_argument(
        "--opening",
        type=Path,
        metavar="FILE",
        help="a TOML file of markets, accounts and deposits; what is there already stays as it is",
    )
    parser.add_argument(
        "--console",
        action="store_true",
        help="serve the traders' console too, at console.host and console.port",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Serve until a signal ends it; return the exit code."""
    if args.console:
        try:
            check_installed()
        except ConsoleMissingError as error:
            sys.stderr.write(f"overround: {error}\n")
            return EXIT_WRONG_ARGUMENTS
    if not load_all_kernels():
        return EXIT_FAILED
    from gateway.cli.serving import serve  # noqa: PLC0415 - loads the engine and Ray

    return serve(args.opening, config, args.signals, console=args.console)
