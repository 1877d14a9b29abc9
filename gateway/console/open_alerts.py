"""What the desk's rules have found, by fixture and by account, asked for once for all screens.

Owns the last answer. It works on no alert.
"""

from collections.abc import Callable
from typing import Final

from gateway.client import ControlSession, GatewayError
from gateway.messages.watching import AlertView

EVERY_S: Final = 2.0
ALERTS_MAX: Final = 1_000
"""The newest alerts, of which flags are made."""
SEVERITIES: Final = ("low", "medium", "high", "critical")
SIGNS: Final = {"low": "\u00b7", "medium": "\u25b3", "high": "\u25b2", "critical": "\u26a0"}
_WORKED_ON: Final = frozenset({"open", "investigating"})
_NOTHING: Final = frozenset({"dismissed", "false_positive"})
SHARP: Final = frozenset({"closing_value"})
"""Kinds that find accounts which know where odds go."""
PATTERN: Final = frozenset({"syndicate", "identical", "late_bets"})
"""Kinds that find accounts by how they bet."""


class OpenAlerts:
    """The newest alerts of the desk, and what they say of fixtures and accounts."""

    def __init__(self, session_of: Callable[[], ControlSession]) -> None:
        self._session_of = session_of
        self._asked_s = -EVERY_S
        self._fixtures: dict[str, str] = {}
        self._accounts: dict[int, frozenset[str]] = {}
        self.lost_feeds: frozenset[str] = frozenset()
        """Feeds of which an open alert says that they are late or silent."""

    async def refresh(self, now_s: float) -> None:
        """Ask anew where the last answer is old; without an answer the last one stands."""
        if now_s - self._asked_s < EVERY_S:
            return
        self._asked_s = now_s
        try:
            answer = await self._session_of().alerts(limit=ALERTS_MAX)
        except GatewayError:
            return
        self.take(answer.alerts)

    def take(self, alerts: tuple[AlertView, ...]) -> None:
        """Take the newest alerts."""
        by_fixture: dict[str, list[int]] = {}
        accounts: dict[int, set[str]] = {}
        feeds = set()
        for alert in alerts:
            if alert.status in _WORKED_ON:
                if alert.fixture:
                    severity = SEVERITIES.index(alert.severity)
                    by_fixture.setdefault(alert.fixture, []).append(severity)
                if alert.kind == "feed_lag":
                    feeds.add(alert.subject.removeprefix("feed "))
            if alert.status not in _NOTHING:
                for account in alert.accounts:
                    accounts.setdefault(account, set()).add(alert.kind)
        self._fixtures = {
            fixture: f"{SIGNS[SEVERITIES[max(found)]]} {len(found)}"
            for fixture, found in by_fixture.items()
        }
        self._accounts = {account: frozenset(kinds) for account, kinds in accounts.items()}
        self.lost_feeds = frozenset(feeds)

    def of_fixture(self, fixture: str) -> str:
        """Return a sign of the worst open alert of a fixture, and how many are open."""
        return self._fixtures.get(fixture, "")

    def is_sharp(self, account: int) -> bool:
        """Say whether a rule has found that an account knows where odds go."""
        return bool(SHARP & self._accounts.get(account, frozenset()))

    def has_pattern(self, account: int) -> bool:
        """Say whether a rule has found an account by how it bets, alone or with others."""
        return bool(PATTERN & self._accounts.get(account, frozenset()))

    def kinds_of(self, account: int) -> list[str]:
        """Return the kinds of rules that have found an account, by name."""
        return sorted(self._accounts.get(account, ()))
