"""Check the markets that the supervisor is asked to create, before any of them is placed.

Owns the checks against the directory, against one another, and the bounds of bet builders. Never
writes the directory and never asks a shell.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from actors.directory import Built, Directory
from actors.messages import CreateMarkets
from actors.settings import SupervisorSettings
from engine.common.commands import CreateMarket
from engine.common.events import Refused
from engine.common.ids import BUILDER, AccountNo, parse_market_key
from engine.common.reasons import MESSAGES, Reason

BUILDER_BOUNDS: Final = ("builders_per_account_max", "builders_per_fixture_max", "builders_max")
"""Settings that bound bet builders; a refusal by one names it as its field."""


def check_markets(
    request: CreateMarkets,
    directory: Directory,
    counting: Iterable[Built],
    *,
    settings: SupervisorSettings,
) -> tuple[list[str], dict[str, CreateMarket], dict[str, Refused]]:
    """Check requested markets against the directory and against one another.

    `counting` are the bet builders that count against the bounds of builders.

    Returns
    -------
    keys : list of str
        The canonical key of every request, in order.
    fresh : dict
        The markets to place, by key.
    refusals : dict
        Why a market is not placed, by key; MARKET_EXISTS for a key that the directory has.
    """
    keys: list[str] = []
    fresh: dict[str, CreateMarket] = {}
    refusals: dict[str, Refused] = {}
    numbers: set[int] = set()
    builders = list(counting)
    for asked in request.markets:
        market, refused = directory.check(asked)
        keys.append(market.key)
        if refused is None and market.key not in fresh:
            refused = _beside_fault(request, directory) or _builder_fault(
                market.key, request.account_no, builders, settings
            )
        if refused is not None:
            refusals.setdefault(market.key, refused)
        elif market.market_no and market.market_no in numbers:
            message = f"{market.market_no} is asked for twice"
            refusals[market.key] = Refused(
                reason=Reason.MARKET_EXISTS, field="market_no", message=message
            )
        else:
            fresh.setdefault(market.key, market)
            numbers.add(market.market_no)
    return keys, fresh, refusals


def _beside_fault(request: CreateMarkets, directory: Directory) -> Refused | None:
    if not request.beside or request.beside in directory.markets:
        return None
    reason = Reason.MARKET_UNKNOWN
    return Refused(reason=reason, field="beside", message=MESSAGES[reason])


def _builder_fault(
    key: str, account_no: AccountNo | None, builders: list[Built], settings: SupervisorSettings
) -> Refused | None:
    """Return why a bet builder is one too many, or count it."""
    parsed = parse_market_key(key)
    if parsed.type != BUILDER:
        return None
    of_account = sum(each.account_no == account_no for each in builders)
    for name, of, count in (
        ("builders_per_account_max", "of this account", 0 if account_no is None else of_account),
        (
            "builders_per_fixture_max",
            "of this fixture",
            sum(each.fixture == parsed.fixture for each in builders),
        ),
        ("builders_max", "in all", len(builders)),
    ):
        most = getattr(settings, name)
        if count >= most:
            message = (
                f"{name}: {count} bet builders {of}, at most {most}; one that is settled or "
                "cancelled frees its place"
            )
            return Refused(reason=Reason.CAPACITY, field=name, message=message)
    builders.append(Built(parsed.fixture, account_no))
    return None


def meets_builder_bound(refusals: Mapping[str, Refused]) -> bool:
    """Return whether a bound of builders is among some refusals."""
    return any(refused.field in BUILDER_BOUNDS for refused in refusals.values())
