"""The `overround` command: its process from the first line to the exit code.

Owns what is done before any command is imported: its signals are taken, which must come before
libraries that start threads. gateway.cli.commands knows the commands.
"""

import os
import sys
from collections.abc import Sequence

from actors.exit_codes import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED
from gateway.signals import TakenSignals


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see actors.exit_codes).

    SIGTERM ends a command as SIGINT does; one that runs for long handles both itself.
    """
    try:
        with TakenSignals() as signals:
            from gateway.cli.commands import run_command  # noqa: PLC0415 - see the docstring above

            try:
                return run_command(argv, signals)
            finally:
                sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (`| head`) is gone; the interpreter's last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
