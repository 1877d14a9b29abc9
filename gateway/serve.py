"""`overround serve`: the whole system until it is interrupted.

Owns the start from settings, the opening file and the words on the terminal, nothing durable.
"""

import argparse
import asyncio
import signal
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from actors.system import GatewayPart, System, SystemSettings
from engine.commands import (
    AccountNoField,
    CreateMarket,
    CurrencyField,
    Deposit,
    KeyField,
    Limits,
    NameField,
    OddsField,
    OpenMarket,
)
from engine.events import Refused
from engine.units import BALANCE_MINOR_MAX, OUTCOMES_MAX
from gateway.config import Config, ConfigError
from gateway.gateway import Gateway
from gateway.tokens import load_secret

_REF = "opening"


class OpeningMarket(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market to create and open."""

    key: KeyField
    outcomes: Annotated[tuple[NameField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    odds_milli: Annotated[tuple[OddsField, ...], Meta(min_length=1, max_length=OUTCOMES_MAX)]
    limits: Limits = Limits()


class OpeningAccount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account to open, and what is paid into it once."""

    account: AccountNoField
    currency: CurrencyField = "EUR"
    deposit_minor: Annotated[int, Meta(ge=0, le=BALANCE_MINOR_MAX)] = 0


class Opening(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a fresh bookmaker begins with; applying it again changes nothing."""

    markets: tuple[OpeningMarket, ...] = ()
    accounts: tuple[OpeningAccount, ...] = ()


def load_opening(path: Path) -> Opening:
    """Read an opening file.

    Raises
    ------
    ConfigError
        It cannot be read, is not TOML, or a field is unknown or out of bounds.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    try:
        return msgspec.convert(document, Opening)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error


def system_of(config: Config) -> System:
    """Return the system that a configuration describes, not yet started."""
    secret = load_secret(config.tokens, data_dir=Path(config.data_dir))
    part = GatewayPart(
        factory=Gateway,
        arguments={
            "shards": config.supervisor.account_shards,
            "secret": secret,
            "settings": config.gateway,
        },
    )
    return System(
        data_dir=config.data_dir,
        settings=SystemSettings(
            cluster=config.cluster,
            supervisor=config.supervisor,
            reconciler=config.reconciler,
            markets=config.markets,
            journal=config.journal,
        ),
        gateways=[part] * config.cluster.gateways,
    )


async def open_books(system: System, opening: Opening) -> list[str]:
    """Create and open what is not there yet; return what was refused, in words."""
    answers = await system.create_markets(
        CreateMarket(
            market_no=0,
            key=market.key,
            outcomes=market.outcomes,
            odds_milli=market.odds_milli,
            limits=market.limits,
        )
        for market in opening.markets
    )
    refused = [
        f"{answer.key}: {answer.refused.field} {answer.refused.message}"
        for answer in answers
        if answer.refused is not None
    ]
    numbers = [answer.route.market_no for answer in answers if answer.route is not None]
    # A market that is open (or further) already refuses this, and that is as it should be.
    await system.control([OpenMarket(market_no=number) for number in numbers])
    for currency in dict.fromkeys(account.currency for account in opening.accounts):
        await system.open_accounts(
            [account.account for account in opening.accounts if account.currency == currency],
            currency=currency,
        )
    deposits = await system.deposit(
        Deposit(account_no=account.account, amount_minor=account.deposit_minor, ref=_REF)
        for account in opening.accounts
        if account.deposit_minor > 0
    )
    refused += [event.message for event in deposits if isinstance(event, Refused)]
    return refused


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _serve(config: Config, opening: Opening) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(interrupt, stop.set)
    async with system_of(config) as system:
        for line in await open_books(system, opening):
            _say(f"refused: {line}")
        for number, ports in enumerate(system.ports):
            _say(
                f"gateway {number}: bets ws://{config.gateway.bets_host}:{ports['bets']} "
                f"control ws://{config.gateway.control_host}:{ports['control']}"
            )
        for number, route in sorted(system.routes.markets.items()):
            _say(f"market {number}: {route.key} in {route.shell}")
        _say("serving; interrupt to stop")
        await stop.wait()
        _say("stopping; all that was answered is on disk")
    return 0


def run(args: argparse.Namespace, config: Config) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    opening = Opening() if args.opening is None else load_opening(args.opening)
    return asyncio.run(_serve(config, opening))
