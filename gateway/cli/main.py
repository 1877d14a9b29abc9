"""The `overround` command: read the arguments, run one command, return its exit code.

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

from actors.exit_codes import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_WRONG_ARGUMENTS
from gateway.cli import asyncapi, config, demo, feed, journal, rehearse, replay, serve, token
from gateway.configuration.config import ENV_PREFIX, ConfigError, load_config
from gateway.session.tokens import SecretError, TokenError

_COMMANDS: Final = (demo, replay, rehearse, serve, feed, token, journal, config, asyncapi)
"""The modules of the commands, in the order in which they are listed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see actors.exit_codes)."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output (`| head`) is gone; the interpreter's last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    args = make_parser().parse_args(argv)
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
