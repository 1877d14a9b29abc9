"""Read the arguments of `overround`, run one command, return its exit code.

Owns the list of commands and how errors of settings end one. Each command has a file of its own in
this folder. Ray and the kernels are slow to load, so only the commands that need them import them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from actors.exit_codes import EXIT_WRONG_ARGUMENTS
from gateway.cli import (
    asyncapi,
    audit,
    bet,
    config,
    demo,
    feed,
    journal,
    rehearse,
    replay,
    serve,
    stop,
    token,
)
from gateway.configuration.config import ENV_PREFIX, ConfigError, load_config
from gateway.session.tokens import SecretError, TokenError
from gateway.signals import TakenSignals

_COMMANDS: Final = (
    demo,
    replay,
    rehearse,
    serve,
    stop,
    feed,
    token,
    journal,
    audit,
    bet,
    config,
    asyncapi,
)
"""The modules of the commands, in the order in which they are listed."""


def run_command(argv: Sequence[str] | None, signals: TakenSignals) -> int:
    """Run one command and return its exit code (see actors.exit_codes)."""
    args = make_parser().parse_args(argv)
    args.signals = signals
    try:
        settings = load_config(args.config, env=os.environ)
        return int(args.run(args, settings))
    except (ConfigError, SecretError, TokenError) as error:
        sys.stderr.write(f"overround: {error}\n")
        return EXIT_WRONG_ARGUMENTS


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="overround",
        description="A bookmaker's trading engine.",
        epilog=f"Settings come from --config FILE and from variables like "
        f"{ENV_PREFIX}GATEWAY__BETS_PORT=8480; `overround config` prints them all.",
        allow_abbrev=False,
    )
    version = metadata.version("overround")
    parser.add_argument("--version", action="version", version=f"overround {version}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in _COMMANDS:
        command.add(commands)
    return parser
