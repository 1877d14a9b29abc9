"""`overround asyncapi`: print the AsyncAPI document of all messages.

Owns the command; gateway.messages.asyncapi makes the document.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_DONE
from gateway.cli.arguments import add_command
from gateway.configuration.config import Config

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(commands, "asyncapi", "print the document that describes all messages")
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace, _config: Config) -> int:
    """Print the document; return the exit code."""
    from gateway.messages.asyncapi import document  # noqa: PLC0415 - only this command needs it
    from gateway.session.permissions import ACCESS  # noqa: PLC0415

    sys.stdout.write(document(ACCESS))
    return EXIT_DONE
