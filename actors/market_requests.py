"""Check the markets that the supervisor is asked to create, before any of them is placed.

Owns the checks against the directory, against one another, and the bounds of bet builders. Never
writes the directory and never asks a shell.
"""

from actors.directory import Directory
from actors.messages import CreateMarkets
from actors.settings import SupervisorSettings
from engine.common.commands import CreateMarket
from engine.common.events import Refused
from engine.common.ids import BUILDER, parse_market_key
from engine.common.reasons import MESSAGES, Reason


def check_markets(
    request: CreateMarkets, directory: Directory, *, settings: SupervisorSettings
) -> tuple[list[str], dict[str, CreateMarket], dict[str, Refused]]:
    """Check requested markets against the directory and against one another.

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
    builders = dict(directory.builders)
    for asked in request.markets:
        market, refused = directory.check(asked)
        keys.append(market.key)
        if refused is None and market.key not in fresh:
            refused = _beside_fault(request, directory) or _builder_fault(
                market.key, builders, settings
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
    key: str, builders: dict[str, int], settings: SupervisorSettings
) -> Refused | None:
    """Return why a bet builder is one too many, or count it."""
    parsed = parse_market_key(key)
    if parsed.type != BUILDER:
        return None
    of_fixture, all_of_them = builders.get(parsed.fixture, 0), sum(builders.values())
    for name, count in (
        ("builders_per_fixture_max", of_fixture),
        ("builders_max", all_of_them),
    ):
        if count >= getattr(settings, name):
            message = f"{name}: {count} bet builders, at most {getattr(settings, name)}"
            return Refused(reason=Reason.CAPACITY, field="key", message=message)
    builders[parsed.fixture] = of_fixture + 1
    return None
