"""The `overround` command: reads words, calls the part that does the work, returns an exit code.

Owns the command line's shape; no rule and no I/O of its own beyond printing.
Exit codes: 0 done, 1 the work itself failed, 2 the words or the settings were wrong.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import demo
from gateway.config import Config, ConfigError, describe, load_config
from gateway.tokens import Role, SecretError, TokenError, load_key

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        config = load_config(args.config, env=os.environ)
        return int(args.run(args, config))
    except (ConfigError, SecretError, TokenError) as error:
        print(f"overround: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output (`| head`) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="overround", description="A bookmaker's trading engine.", allow_abbrev=False
    )
    parser.add_argument("--config", type=Path, help="a TOML file of settings (see: config)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_serve(commands)
    _add_token(commands)
    _add_journal(commands)
    _add_printers(commands)
    return parser


def _add_demo(commands: "_Commands") -> None:
    parser = commands.add_parser("demo", help="trade a World Cup match from kick-off to the books")
    demo.add_arguments(parser)
    parser.set_defaults(run=demo.run)


def _serve(args: argparse.Namespace, config: Config) -> int:
    from gateway import serve  # noqa: PLC0415 - brings the engine, which a token need not wait for

    return serve.run(args, config)


def _add_serve(commands: "_Commands") -> None:
    parser = commands.add_parser("serve", help="run the engine until interrupted")
    parser.add_argument(
        "--opening", type=Path, help="a TOML file of markets and accounts to begin with"
    )
    parser.set_defaults(run=_serve)


def _token(args: argparse.Namespace, config: Config) -> int:
    key = load_key(config.tokens, data_dir=Path(config.data_dir))
    subject = args.subject or (f"account-{args.account}" if args.account is not None else args.role)
    expires_s = args.expires_s or config.tokens.expires_s
    print(
        key.issue(
            role=Role(args.role),
            sub=subject,
            account=args.account,
            now_s=int(time.time()),
            expires_s=expires_s,
        )
    )
    return 0


def _add_token(commands: "_Commands") -> None:
    parser = commands.add_parser("token", help="sign a token for one role")
    parser.add_argument("--role", required=True, choices=[role.value for role in Role])
    parser.add_argument("--account", type=int, help="account number; a bettor needs one")
    parser.add_argument("--subject", help="who it is, as the journal will name them")
    parser.add_argument("--expires-s", type=int, help="seconds from now (default: the settings')")
    parser.set_defaults(run=_token)


def _show(args: argparse.Namespace, _config: Config) -> int:
    from persistence.inspect import show  # noqa: PLC0415 - loads the kernels

    return 0 if show(args.path, limit=args.limit, out=sys.stdout) else 1


def _verify(args: argparse.Namespace, _config: Config) -> int:
    from persistence.inspect import verify  # noqa: PLC0415 - loads the kernels

    return 0 if verify(args.path, out=sys.stdout, progress=sys.stderr.isatty()) else 1


def _add_journal(commands: "_Commands") -> None:
    journal = commands.add_parser("journal", help="print or check a journal")
    actions = journal.add_subparsers(required=True, metavar="ACTION")
    for name, run, words in (
        ("show", _show, "print the records of a journal"),
        ("verify", _verify, "walk the chain, replay, and compare every decision"),
    ):
        parser = actions.add_parser(name, help=words)
        parser.add_argument("path", type=Path, help="a shell's folder, or one segment of it")
        parser.set_defaults(run=run)
        if name == "show":
            parser.add_argument("--limit", type=int, default=200, help="rows to print (200)")


def _config(_args: argparse.Namespace, config: Config) -> int:
    print(describe(config), end="")
    return 0


def _asyncapi(_args: argparse.Namespace, _config: Config) -> int:
    from gateway.asyncapi import document  # noqa: PLC0415 - only this command needs it

    print(document(), end="")
    return 0


def _add_printers(commands: "_Commands") -> None:
    parser = commands.add_parser("config", help="print every setting as it now stands")
    parser.set_defaults(run=_config)
    parser = commands.add_parser("asyncapi", help="print the document that describes all messages")
    parser.set_defaults(run=_asyncapi)
