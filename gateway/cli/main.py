"""The `overround` command: reads words, calls the part that does the work, returns an exit code.

Owns the command line's shape; no rule and no I/O of its own beyond printing. What is slow to load
(Ray, kernels) is loaded by the command that needs it.

Exit codes: 0 done; 1 the work itself failed; 2 the words or the settings were wrong; 130
interrupted; 141 whoever read the output had seen enough.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from actors.exit_codes import (
    EXIT_BROKEN_PIPE,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_WRONG_ARGUMENTS,
)
from engine.common.ids import ACCOUNT_NO_MAX
from gateway.cli import demo, feed, replay
from gateway.cli.arguments import subject, whole
from gateway.configuration.config import ENV_PREFIX, Config, ConfigError, describe, load_config
from gateway.session.tokens import EXPIRES_S_MAX, Role, SecretError, TokenError, load_key

if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROWS_SHOWN_MAX: Final = 1_000_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; the interpreter's last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(argv: Sequence[str] | None) -> int:
    args = _parser().parse_args(argv)
    try:
        config = load_config(args.config, env=os.environ)
        return int(args.run(args, config))
    except (ConfigError, SecretError, TokenError) as error:
        print(f"overround: {error}", file=sys.stderr)
        return EXIT_WRONG_ARGUMENTS


def _parser() -> argparse.ArgumentParser:
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
    _add_demo(commands)
    _add_replay(commands)
    _add_rehearse(commands)
    _add_serve(commands)
    _add_feed(commands)
    _add_token(commands)
    _add_journal(commands)
    _add_config(commands)
    _add_asyncapi(commands)
    return parser


def _add(commands: "_Commands", name: str, words: str, **more: Any) -> argparse.ArgumentParser:
    """Add a command; the words that list it describe it as well."""
    description = f"{words[0].upper()}{words[1:]}."
    return commands.add_parser(
        name, help=words, description=description, allow_abbrev=False, **more
    )


def _add_demo(commands: "_Commands") -> None:
    parser = _add(commands, "demo", "trade a World Cup match from kick-off to closed books")
    demo.add_arguments(parser)
    parser.set_defaults(run=demo.run)


def _add_replay(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "replay",
        "trade a recording of a feed from its first message to closed books",
        epilog="Recordings of the Unified Odds Feed are XML messages, one a file or one a line; of "
        "an exchange's stream, JSON lines; plain, gzip or bzip2.",
    )
    replay.add_arguments(parser)
    parser.set_defaults(run=replay.run)


def _rehearse(args: argparse.Namespace, _config: Config) -> int:
    from gateway.feeds.uof.generator import Rehearsal  # noqa: PLC0415 - loads the kernels
    from simulations.timeline import UnknownMatchError, match_by_id  # noqa: PLC0415

    try:
        match = match_by_id(args.match)
    except UnknownMatchError as error:
        print(f"overround rehearse: {error}", file=sys.stderr)
        return EXIT_WRONG_ARGUMENTS
    for body in Rehearsal(match, alive=args.alive).messages():
        sys.stdout.buffer.write(body + b"\n")
    return EXIT_DONE


def _add_rehearse(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "rehearse",
        "print a World Cup match as a provider of the Unified Odds Feed would tell it",
        epilog="One message a line, in order: `overround rehearse wc22-64 > final.xml` makes a "
        "recording for `overround replay` and `overround feed`.",
    )
    parser.add_argument("match", metavar="ID", help="wc22-01 to wc22-64")
    parser.add_argument(
        "--no-alive",
        action="store_false",
        dest="alive",
        help="leave the producers' heartbeats out",
    )
    parser.set_defaults(run=_rehearse)


# --- serve ---------------------------------------------------------------------------------------


def _serve(args: argparse.Namespace, config: Config) -> int:
    from gateway.cli import serve  # noqa: PLC0415 - brings engine and Ray, which a token need not

    return serve.run(args.opening, config)


def _add_serve(commands: "_Commands") -> None:
    parser = _add(
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
    parser.set_defaults(run=_serve)


# --- feed ----------------------------------------------------------------------------------------


def _add_feed(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "feed",
        "carry a provider's messages to a running engine",
        epilog="A message is acknowledged to its source when every market it speaks of has obeyed "
        "it. Interrupted, it waits for what is on its way and says what was carried.",
    )
    feed.add_arguments(parser)
    parser.set_defaults(run=feed.run)


# --- token ---------------------------------------------------------------------------------------


def _token(args: argparse.Namespace, config: Config) -> int:
    if args.role == Role.BETTOR and args.account is None:
        raise TokenError("token: a bettor needs --account")
    key = load_key(config.tokens, data_dir=Path(config.data_dir))
    sub = args.subject
    if sub is None:
        sub = args.role if args.account is None else f"account-{args.account}"
    expires_s = config.tokens.expires_s if args.expires_s is None else args.expires_s
    token = key.issue(
        role=Role(args.role),
        sub=sub,
        account=args.account,
        now_s=int(time.time()),
        expires_s=expires_s,
    )
    print(token)
    return EXIT_DONE


def _add_token(commands: "_Commands") -> None:
    parser = _add(
        commands,
        "token",
        "sign a token for one role",
        epilog="The secret is that of the settings, or the data folder's own: run this where "
        "`serve` runs, with the same settings.",
    )
    add = parser.add_argument
    add("--role", required=True, choices=[role.value for role in Role])
    add(
        "--account",
        type=whole(0, ACCOUNT_NO_MAX),
        metavar="NO",
        help=f"account number, 0 to {ACCOUNT_NO_MAX}; a bettor needs one",
    )
    add(
        "--subject",
        type=subject,
        metavar="NAME",
        help="who it is, as the journal will name them: 1 to 48 letters, digits, or . _ @ -",
    )
    add(
        "--expires-s",
        type=whole(1, EXPIRES_S_MAX),
        metavar="S",
        help=f"seconds from now, 1 to {EXPIRES_S_MAX} (default: the settings' tokens.expires_s)",
    )
    parser.set_defaults(run=_token)


# --- journal -------------------------------------------------------------------------------------


def _show(args: argparse.Namespace, _config: Config) -> int:
    from persistence.inspect import show  # noqa: PLC0415 - loads the kernels

    return _inspected(args.path, lambda: show(args.path, limit=args.limit, out=sys.stdout))


def _verify(args: argparse.Namespace, _config: Config) -> int:
    from persistence.inspect import verify  # noqa: PLC0415 - loads the kernels

    bar = sys.stderr.isatty()
    return _inspected(args.path, lambda: verify(args.path, out=sys.stdout, progress=bar))


def _inspected(path: Path, inspect: Callable[[], bool]) -> int:
    try:
        return EXIT_DONE if inspect() else EXIT_FAILED
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"overround: {error.filename or path}: {error.strerror or error}", file=sys.stderr)
        return EXIT_FAILED


def _add_journal(commands: "_Commands") -> None:
    journal = _add(commands, "journal", "print or check a journal")
    actions = journal.add_subparsers(required=True, metavar="ACTION", title="actions")
    show = _add(actions, "show", "print the records of a journal")
    show.add_argument(
        "--limit",
        type=whole(0, ROWS_SHOWN_MAX),
        default=200,
        metavar="ROWS",
        help="bets, reservations, settlements and commands to print (default 200)",
    )
    show.set_defaults(run=_show)
    verify = _add(actions, "verify", "walk the chain, replay, and compare every decision")
    verify.set_defaults(run=_verify)
    for parser in (show, verify):
        parser.add_argument("path", type=Path, help="a shell's folder, or one segment of it")


# --- printers ------------------------------------------------------------------------------------


def _config(_args: argparse.Namespace, config: Config) -> int:
    print(describe(config), end="")
    return EXIT_DONE


def _add_config(commands: "_Commands") -> None:
    parser = _add(commands, "config", "print every setting as it now stands, and its bounds")
    parser.set_defaults(run=_config)


def _asyncapi(_args: argparse.Namespace, _config: Config) -> int:
    from gateway.messages.asyncapi import document  # noqa: PLC0415 - only this command needs it

    print(document(), end="")
    return EXIT_DONE


def _add_asyncapi(commands: "_Commands") -> None:
    parser = _add(commands, "asyncapi", "print the document that describes all messages")
    parser.set_defaults(run=_asyncapi)
