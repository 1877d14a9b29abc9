"""Scopes as messages name them, and as the desk keeps things for them.

Owns the two directions. Which of several scopes holds are engine.desk.scopes' rules.
"""

from msgspec import UNSET, UnsetType

from actors.routes import Routes
from engine.common.ids import MarketNo
from engine.common.reasons import MESSAGES, Reason
from engine.desk.scopes import Scope
from gateway.messages.base import Error
from gateway.messages.scopes import MarketScope, scope_fault


def kept_scope(named: MarketScope, routes: Routes) -> Scope | Error:
    """Return the scope that a message names, or what is wrong with it.

    A market's scope names its fixture too, by the gateway's copy of the directory.
    """
    fault = scope_fault(named)
    if named.outcomes is not UNSET:
        fault = "nothing is kept for single outcomes"
    if fault:
        return Error(code=int(Reason.FIELD_OUT_OF_BOUNDS), message=f"scope: {fault}")
    fixture = _text(named.fixture)
    number = MarketNo(0) if isinstance(named.market, UnsetType) else named.market
    if number:
        route = routes.markets.get(number)
        if route is None:
            message = f"{MESSAGES[Reason.MARKET_UNKNOWN]}: {number}"
            return Error(code=int(Reason.MARKET_UNKNOWN), message=message)
        fixture = route.key.partition("/")[0]
    return Scope(
        sport=_text(named.sport),
        competition=_text(named.competition),
        fixture=fixture,
        market_type=_text(named.type),
        market_no=number,
    )


def named_scope(scope: Scope) -> MarketScope:
    """Return a scope as messages name it."""
    if scope.market_no:
        return MarketScope(market=scope.market_no)
    return MarketScope(
        sport=scope.sport or UNSET,
        competition=scope.competition or UNSET,
        fixture=scope.fixture or UNSET,
        type=scope.market_type or UNSET,
        house=not (scope.sport or scope.competition or scope.fixture),
    )


def _text(field: str | UnsetType) -> str:
    return "" if isinstance(field, UnsetType) else field
