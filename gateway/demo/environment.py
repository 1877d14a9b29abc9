"""The bookmaker of one run: its settings, accounts and tokens.

Owns what demo and replay set up before anything is played. It knows neither what is played nor who
bets.
"""

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn

from msgspec.structs import replace

from actors.exit_codes import EXIT_INTERRUPTED
from actors.failstop import exit_at_once
from actors.system import System
from engine.common.ids import AccountNo
from gateway.configuration.config import Config
from gateway.configuration.opening import OpeningAccount
from gateway.session.tokens import Role, load_key
from simulations.crowd import Bettor

CURRENCY: Final = "EUR"
FIRST_ACCOUNT: Final = 1
TOKEN_S: Final = 86_400


def own_config(config: Config, *, data_dir: Path, base_port: int, markets_per_actor: int) -> Config:
    """Return the settings of one run: its own folder, its own Ray, one gateway on loopback.

    Bets listen on `base_port`, control and feed on the next two ports; with 0 the system
    chooses free ports.
    """
    port = base_port
    return replace(
        config,
        data_dir=str(data_dir),
        cluster=replace(config.cluster, address="", gateways=1),
        supervisor=replace(config.supervisor, markets_per_actor=markets_per_actor),
        gateway=replace(
            config.gateway,
            bets_host="127.0.0.1",
            bets_port=port,
            control_host="127.0.0.1",
            control_port=port + 1 if port else 0,
            feed_host="127.0.0.1",
            feed_port=port + 2 if port else 0,
        ),
    )


class RunTokens:
    """Issue the tokens of a run, signed with its own secret.

    Parameters
    ----------
    config : Config
        The run's settings.
    sub : str
        The name that the journals keep for everyone but bettors.
    """

    def __init__(self, config: Config, *, sub: str) -> None:
        self._key = load_key(config.tokens, data_dir=Path(config.data_dir))
        self._sub = sub

    def of(self, role: Role) -> str:
        """Return a token for a role without an account."""
        return self._issue(role, self._sub, None)

    def bettor(self, account_no: AccountNo) -> str:
        """Return a bettor's token."""
        return self._issue(Role.BETTOR, f"account-{account_no}", account_no)

    def _issue(self, role: Role, sub: str, account_no: AccountNo | None) -> str:
        now_s = int(time.time())
        return self._key.issue(
            role=role, sub=sub, now_s=now_s, expires_s=TOKEN_S, account=account_no
        )


def accounts_of(bettors: Iterable[Bettor]) -> tuple[OpeningAccount, ...]:
    """Return an account for each bettor, funded with its bankroll."""
    return tuple(
        OpeningAccount(
            account=AccountNo(bettor.account_no),
            currency=CURRENCY,
            deposit_minor=bettor.bankroll_minor,
        )
        for bettor in bettors
    )


def end_before_start(system: System, line: str) -> NoReturn:
    """Kill what a start has begun, print a line, and end this process.

    A start of Ray cannot be cancelled, and whatever was answered is on disk.
    """
    system.end_at_once()
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    exit_at_once(EXIT_INTERRUPTED)
