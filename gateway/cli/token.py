"""`overround token`: sign a token for one role.

Owns the arguments and the exit code; gateway.session.tokens signs.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from actors.exit_codes import EXIT_DONE
from engine.common.ids import ACCOUNT_NO_MAX
from gateway.cli.arguments import add_command, subject, whole
from gateway.configuration.config import Config
from gateway.session.tokens import EXPIRES_S_MAX, Role, TokenError, load_key

if TYPE_CHECKING:
    from gateway.cli.arguments import Commands


def add(commands: "Commands") -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "token",
        "sign a token for one role",
        epilog="The secret is that of the settings, or the data folder's own: run this where "
        "`serve` runs, with the same settings.",
    )
    option = parser.add_argument
    option("--role", required=True, choices=[role.value for role in Role])
    option(
        "--account",
        type=whole(0, ACCOUNT_NO_MAX),
        metavar="NO",
        help=f"account number, 0 to {ACCOUNT_NO_MAX}; a bettor needs one",
    )
    option(
        "--subject",
        type=subject,
        metavar="NAME",
        help="the name that the journal keeps: 1 to 48 letters, digits, or . _ @ -",
    )
    option(
        "--expires-s",
        type=whole(1, EXPIRES_S_MAX),
        metavar="S",
        help=f"seconds from now, 1 to {EXPIRES_S_MAX} (default: the settings' tokens.expires_s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Print a token; return the exit code.

    Raises
    ------
    SecretError, TokenError
        The signing secret cannot be used, or a bettor has no account.
    """
    if args.role == Role.BETTOR and args.account is None:
        raise TokenError("token: a bettor needs --account")
    key = load_key(config.tokens, data_dir=Path(config.data_dir))
    sub = args.subject
    if sub is None:
        sub = args.role if args.account is None else f"account-{args.account}"
    token = key.issue(
        role=Role(args.role),
        sub=sub,
        account=args.account,
        now_s=int(time.time()),
        expires_s=config.tokens.expires_s if args.expires_s is None else args.expires_s,
    )
    sys.stdout.write(f"{token}\n")
    return EXIT_DONE
