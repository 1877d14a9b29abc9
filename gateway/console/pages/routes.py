"""Which page is at which path, and which are in the menu.

Owns the two tables.
"""

from collections.abc import Callable
from typing import Any, Final

from gateway.console.pages.account import account_page
from gateway.console.pages.alerts import alerts
from gateway.console.pages.approvals import approvals
from gateway.console.pages.audit import audit
from gateway.console.pages.bet import bet_page
from gateway.console.pages.fixture import fixture_page
from gateway.console.pages.floor import floor
from gateway.console.pages.frame import REFERRALS, TICKER
from gateway.console.pages.guide import guide_page
from gateway.console.pages.kept import kept_page
from gateway.console.pages.referrals import referrals
from gateway.console.pages.risk import risk
from gateway.console.pages.rules import rules_page
from gateway.console.pages.settlement import settlement
from gateway.console.pages.system import system
from gateway.console.pages.ticker import ticker

ROUTES: Final[dict[str, Callable[..., Any]]] = {
    "/": floor,
    "/fixture/{fixture}": fixture_page,
    TICKER: ticker,
    REFERRALS: referrals,
    "/account/{account}": account_page,
    "/bet/{bet}": bet_page,
    "/alerts": alerts,
    "/alerts/{fixture}": alerts,
    "/rules": rules_page,
    "/guide": guide_page,
    "/guide/{kind}": guide_page,
    "/kept": kept_page,
    "/settlement": settlement,
    "/approvals": approvals,
    "/risk": risk,
    "/audit": audit,
    "/system": system,
}
MENU: Final[tuple[tuple[str, str], ...]] = (
    ("Floor", "/"),
    ("Ticker", TICKER),
    ("Referrals", REFERRALS),
    ("Alerts", "/alerts"),
    ("Rules", "/rules"),
    ("Margins", "/kept"),
    ("Settlement", "/settlement"),
    ("Approvals", "/approvals"),
    ("Risk", "/risk"),
    ("Audit", "/audit"),
    ("System", "/system"),
)
