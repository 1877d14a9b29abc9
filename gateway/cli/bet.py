"""`overround bet`: one bet's whole record, from its reservation to its payment.

Owns the arguments, the text and the exit codes; actors.bet_history reads the journals.
"""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from actors.exit_codes import EXIT_DONE, EXIT_FAILED
from engine.common.ids import BetId
from engine.common.units import NS_PER_MS
from gateway.cli.arguments import add_command
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from actors.bet_history import BetHistory
    from gateway.cli.arguments import Commands

TEXT_CHARS: Final = 240
"""Characters of a line's text that are shown without `--full`."""


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(commands, "bet", "print all that the journals have of one bet or slip")
    parser.add_argument("bet", help="a bet's id (a leg's stands for its slip), or its ref")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="the data folder (default: the setting data_dir)"
    )
    parser.add_argument(
        "--full", action="store_true", help=f"do not cut lines after {TEXT_CHARS} characters"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Print each bet that is meant; return 1 when there is none or a journal is damaged."""
    from actors.bet_history import bet_histories  # noqa: PLC0415 - loads the kernels
    from persistence.chain import JournalDamagedError  # noqa: PLC0415

    folder = args.folder or Path(config.data_dir)
    try:
        found: list[BetHistory] = []
        if args.bet.isdecimal():
            found = list(bet_histories(folder, bet_id=BetId(int(args.bet))))
        found = found or list(bet_histories(folder, ref=args.bet))
    except (FileNotFoundError, JournalDamagedError) as error:
        sys.stderr.write(f"overround: {error}\n")
        return EXIT_FAILED
    for history in found:
        legs = f", {history.legs} legs" if history.legs else ""
        sys.stdout.write(
            f"bet {history.bet_id}, ref {history.ref}, account {history.account_no}{legs}\n"
        )
        for line in history.lines:
            seconds, nanos = divmod(line.at_ns, 1_000 * NS_PER_MS)
            when = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanos:09}"
            text = line.text
            if len(text) > TEXT_CHARS and not args.full:
                text = f"{text[:TEXT_CHARS]} ..."
            sys.stdout.write(f"  {when}  {line.shell} #{line.seq}  {text}\n")
    if not found:
        sys.stderr.write(f"overround: no journal of {folder} has a bet {args.bet}\n")
        return EXIT_FAILED
    return EXIT_DONE
