"""`overround audit`: compare every journal of a data folder with every other.

Owns the arguments, the text and the exit codes; actors.audit compares.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from gateway.cli.arguments import add_command
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(commands, "audit", "compare accounts, markets and directory on disk")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="the data folder (default: the setting data_dir)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Print every journal and every fault; return 1 when there is a fault or nothing to read."""
    from actors.audit import audit_folder  # noqa: PLC0415 - loads the kernels
    from persistence.chain import JournalDamagedError  # noqa: PLC0415
    from persistence.disk import LockHeldError  # noqa: PLC0415

    folder = args.folder or Path(config.data_dir)
    try:
        report = audit_folder(folder)
    except (FileNotFoundError, JournalDamagedError, LockHeldError) as error:
        sys.stderr.write(f"overround: {error}\n")
        return EXIT_FAILED
    for line in report.journals:
        sys.stdout.write(f"{line}\n")
    books = report.books
    sys.stdout.write(
        f"{books.market_bets:,} bets of markets, {books.accepted:,} accepted; "
        f"{books.slips:,} slips of accounts, {books.in_flight:,} without a verdict\n"
    )
    for fault in report.faults:
        sys.stdout.write(f"FAULT: {fault}\n")
    if report.faults:
        return EXIT_FAILED
    sys.stdout.write("accounts, markets and directory agree\n")
    return EXIT_DONE
