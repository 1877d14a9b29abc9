"""`overround journal`: print a journal, or check it from end to end.

Owns the arguments and the exit codes; persistence.inspect reads the journal.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from gateway.cli.arguments import add_command, whole
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands

ROWS_SHOWN_MAX: Final = 1_000_000_000


def add(commands: "Commands") -> None:
    """Add the command and its two actions."""
    journal = add_command(commands, "journal", "print or check a journal")
    actions = journal.add_subparsers(required=True, metavar="ACTION", title="actions")
    show = add_command(actions, "show", "print the records of a journal")
    show.add_argument(
        "--limit",
        type=whole(0, ROWS_SHOWN_MAX),
        default=200,
        metavar="ROWS",
        help="bets, reservations, settlements and commands to print (default 200)",
    )
    show.set_defaults(run=run_show)
    verify = add_command(actions, "verify", "check the chain, replay, and compare every decision")
    verify.set_defaults(run=run_verify)
    for parser in (show, verify):
        parser.add_argument("path", type=Path, help="a shell's folder, or one segment of it")


def run_show(args: argparse.Namespace, _config: Config) -> int:
    """Print the records; return 1 when the journal is damaged or none is there."""
    from persistence.inspect import show  # noqa: PLC0415 - loads the kernels

    return _exit_code(args.path, lambda: show(args.path, limit=args.limit, out=sys.stdout))


def run_verify(args: argparse.Namespace, _config: Config) -> int:
    """Check the journal; return 1 when it is damaged or none is there."""
    from persistence.inspect import verify  # noqa: PLC0415 - loads the kernels

    bar = sys.stderr.isatty()
    return _exit_code(args.path, lambda: verify(args.path, out=sys.stdout, progress=bar))


def _exit_code(path: Path, inspect: Callable[[], bool]) -> int:
    try:
        return EXIT_DONE if inspect() else EXIT_FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stderr.write(f"overround: {error.filename or path}: {error.strerror or error}\n")
        return EXIT_FAILED
