"""`overround config`: print every setting as it now stands, and its bounds.

Owns the command; gateway.configuration.config knows the settings.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_DONE
from gateway.cli.arguments import add_command
from gateway.configuration.config import Config, describe

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(commands, "config", "print every setting as it now stands, and its bounds")
    parser.set_defaults(run=run)


def run(_args: argparse.Namespace, config: Config) -> int:
    """Print the settings as the TOML file that gives them; return the exit code."""
    sys.stdout.write(describe(config))
    return EXIT_DONE
