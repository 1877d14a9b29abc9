"""Read an opening file and name every fault in it, before anything is started.

Owns the checks of one file: fields, and what entries mean together. It never looks at a data
folder, so what contradicts an earlier start is refused when the file is applied.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from engine.common.commands import CreateMarket, CurrencyField, Limits
from engine.common.fixtures import FixturePatch
from engine.common.ids import MalformedIdError, MarketNo, parse_market_key
from engine.common.units import BALANCE_MINOR_MAX, STAKE_MINOR_MAX, Minor
from engine.ledger.rows import CURRENCIES_MAX
from engine.market.command_checks import create_fault, limits_fault
from gateway.configuration.config import ConfigError, convert_error, read_toml
from gateway.configuration.opening import (
    OPENING_REF,
    Opening,
    OpeningAccount,
    OpeningDeposit,
    OpeningMarket,
    RateField,
)
from gateway.market_limits import LimitRules, LimitsSettings

T = TypeVar("T")
Numbered = dict[int, T]
"""Entries of one section by their place in the file; entries with a faulty field are left out."""

_NAMES: Final = tuple(
    name
    for part in (Opening, FixturePatch, OpeningMarket, OpeningAccount, OpeningDeposit, Limits)
    for name in part.__struct_fields__
)
_SHOWN_CHARS: Final = 80
_WIDE: Final = Limits(stake_minor_max=Minor(STAKE_MINOR_MAX))
"""Limits that contradict no limit that an entry may name by itself."""


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    """The sections of a file; entries are converted one by one, so that each names its fault."""

    rates_micro: dict[str, Any] = {}
    fixtures: tuple[Any, ...] = ()
    markets: tuple[Any, ...] = ()
    accounts: tuple[Any, ...] = ()
    deposits: tuple[Any, ...] = ()


def load_opening(path: Path, *, limits: LimitsSettings | None = None) -> Opening:
    """Read an opening file.

    Parameters
    ----------
    path : Path
        The TOML file.
    limits : LimitsSettings, optional
        The section `[limits]`, which gives a market the limits that its entry does not name.

    Raises
    ------
    ConfigError
        It cannot be read, is not TOML, or has faults: unknown fields, fields out of bounds, entries
        that contradict themselves or one another. The message names every fault, one a line.
    """
    try:
        document = msgspec.convert(read_toml(path), _Document)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {convert_error(error, names=_NAMES)}") from error
    faults: list[str] = []
    rates = _rates(document.rates_micro, faults)
    fixtures = _entries("fixtures", document.fixtures, FixturePatch, faults)
    markets = _entries("markets", document.markets, OpeningMarket, faults)
    accounts = _entries("accounts", document.accounts, OpeningAccount, faults)
    deposits = _entries("deposits", document.deposits, OpeningDeposit, faults)
    faults += _fixture_faults(fixtures)
    faults += _market_faults(markets, LimitRules(limits or LimitsSettings()))
    faults += _account_faults(accounts)
    if len(accounts) == len(document.accounts):  # else a deposit may be for an account left out
        faults += _unknown_account_faults(accounts, deposits)
    faults += _deposit_faults(accounts, deposits)
    if faults:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return Opening(
        rates_micro=rates,
        fixtures=tuple(fixtures.values()),
        markets=tuple(markets.values()),
        accounts=tuple(accounts.values()),
        deposits=tuple(deposits.values()),
    )


# --- fields --------------------------------------------------------------------------------------


def _rates(rates: dict[str, Any], faults: list[str]) -> dict[CurrencyField, RateField]:
    for currency, rate in rates.items():
        at = f"rates_micro.{currency[:_SHOWN_CHARS]}"
        _convert(currency, CurrencyField, at, faults)
        _convert(rate, RateField, at, faults)
    return rates


def _entries(section: str, entries: Iterable[Any], kind: type[T], faults: list[str]) -> Numbered[T]:
    found: Numbered[T] = {}
    for at, entry in enumerate(entries):
        converted = _convert(entry, kind, f"{section}[{at}]", faults)
        if converted is not None:
            found[at] = converted
    return found


def _convert(value: Any, kind: Any, at: str, faults: list[str]) -> Any:
    """Return a value as `kind`, or None with its fault added."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        faults.append(convert_error(error, names=_NAMES, at=at))
        return None


# --- meaning -------------------------------------------------------------------------------------


def _fixture_faults(fixtures: Numbered[FixturePatch]) -> Iterator[str]:
    first_of: dict[str, int] = {}
    for at, fixture in fixtures.items():
        first = first_of.setdefault(fixture.fixture, at)
        if first != at:
            name = fixture.fixture
            yield f"fixtures[{at}].fixture: {name} is the fixture of fixtures[{first}]"


def _market_faults(markets: Numbered[OpeningMarket], rules: LimitRules) -> Iterator[str]:
    first_of: dict[str, int] = {}
    for at, market in markets.items():
        where = f"markets[{at}]"
        try:
            key = str(parse_market_key(market.key))
        except MalformedIdError as error:
            yield f"{where}.key: {error}"
        else:
            first = first_of.setdefault(key, at)
            if first != at:
                yield f"{where}.key: {key} is the market of markets[{first}]"
        twice = _given_twice(market.outcomes)
        for name in twice:
            yield f"{where}.outcomes: the name {name!r} is given twice"
        if len(market.outcomes) != len(market.odds_milli):
            count = f"{len(market.outcomes)} outcomes, {len(market.odds_milli)} odds"
            yield f"{where}.odds_milli: {count}"
        elif not twice:
            yield from _refused_as_command(where, market)
        fault = limits_fault(market.limits.applied_to(_WIDE))
        if fault is not None:
            yield f"{where}.{fault.field}: {fault.message}"
        else:
            yield from _minimum_fault(where, market, rules)


def _minimum_fault(where: str, market: OpeningMarket, rules: LimitRules) -> Iterator[str]:
    """Yield a smallest stake that is over the largest one that the market gets by the rules."""
    given = market.limits
    got, _ = rules.of(market.key, sport=market.sport, phase=market.phase, given=given)
    if given.applied_to(got).stake_minor_min > got.stake_minor_max:
        bound = f"over limits.stake_minor_max, {got.stake_minor_max} for this market"
        yield f"{where}.limits.stake_minor_min: {bound}"


def _refused_as_command(where: str, market: OpeningMarket) -> Iterator[str]:
    """Yield what the engine itself would refuse, for rules that are not named above."""
    fault = create_fault(
        CreateMarket(
            market_no=MarketNo(0),
            key=market.key,
            outcomes=market.outcomes,
            odds_milli=market.odds_milli,
        )
    )
    if fault is not None:
        yield f"{where}.{fault.field}: {fault.message}"


def _account_faults(accounts: Numbered[OpeningAccount]) -> Iterator[str]:
    first_of: dict[int, int] = {}
    for at, account in accounts.items():
        first = first_of.setdefault(account.account, at)
        if first != at:
            yield f"accounts[{at}].account: {account.account} is the account of accounts[{first}]"
    currencies = len({account.currency for account in accounts.values()})
    if currencies > CURRENCIES_MAX:
        yield f"accounts: {currencies} currencies; at most {CURRENCIES_MAX}"


def _unknown_account_faults(
    accounts: Numbered[OpeningAccount], deposits: Numbered[OpeningDeposit]
) -> Iterator[str]:
    listed = {account.account for account in accounts.values()}
    for at, deposit in deposits.items():
        if deposit.account not in listed:
            yield f"deposits[{at}].account: {deposit.account} is in no entry of accounts"


def _deposit_faults(
    accounts: Numbered[OpeningAccount], deposits: Numbered[OpeningDeposit]
) -> Iterator[str]:
    """Yield refs that an account uses twice, and sums over the largest balance."""
    first_of: dict[tuple[int, str], str] = {}
    sums_minor: dict[int, int] = {}
    for at, account in accounts.items():
        if account.deposit_minor > 0 and account.account not in sums_minor:
            first_of[account.account, OPENING_REF] = f"accounts[{at}].deposit_minor"
            sums_minor[account.account] = account.deposit_minor
    for at, deposit in deposits.items():
        number, where = deposit.account, f"deposits[{at}]"
        first = first_of.setdefault((number, deposit.ref), where)
        if first != where:
            yield (
                f"{where}.ref: {deposit.ref} of account {number} is the ref of {first}: a ref is "
                f"paid in once"
            )
        before_minor = sums_minor.get(number, 0)
        sum_minor = sums_minor[number] = before_minor + deposit.amount_minor
        if before_minor <= BALANCE_MINOR_MAX < sum_minor:
            yield (
                f"{where}.amount_minor: the deposits of account {number} are over "
                f"{BALANCE_MINOR_MAX} together"
            )


def _given_twice(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, each once, in order."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name for name, count in seen.items() if count > 1]
