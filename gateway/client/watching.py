"""What a session asks about rules that watch, and about alerts.

Owns one method per request; roles.py has the session that sends them.
"""

from collections.abc import AsyncIterator

from engine.watch.alerts import AlertStatus
from engine.watch.rules import WatchRule
from gateway.client.session import Session
from gateway.messages.watching import (
    AlertList,
    AlertSeen,
    AlertView,
    AskAlerts,
    AskRules,
    RemoveRule,
    RuleList,
    SetRule,
    WatchAlerts,
    WatchingAlerts,
    WorkAlert,
)


class WatchRequests(Session):
    """A session on the control listener, for rules and alerts."""

    async def set_rule(self, rule: WatchRule) -> RuleList:
        """Set a rule, in the place of one of its name; return all."""
        return await self._request(SetRule, RuleList, rule=rule)

    async def remove_rule(self, name: str) -> RuleList:
        """Remove a rule; return those that are left."""
        return await self._request(RemoveRule, RuleList, name=name)

    async def rules(self) -> RuleList:
        """Return all rules, and how much the watch has seen."""
        return await self._request(AskRules, RuleList)

    async def alerts(
        self,
        *,
        open_only: bool = False,
        rule: str = "",
        fixture: str = "",
        before: int = 0,
        limit: int = 100,
    ) -> AlertList:
        """Return alerts, newest first.

        Parameters
        ----------
        open_only : bool
            Leave out alerts that are resolved, dismissed or false positives.
        rule, fixture : str
            Only those of a rule or a fixture.
        before : int
            Alerts with numbers below this; 0 for the newest.
        limit : int
            Most alerts, 1 to 1,000.
        """
        return await self._request(
            AskAlerts,
            AlertList,
            open_only=open_only,
            rule=rule,
            fixture=fixture,
            before=before,
            limit=limit,
        )

    async def watch_alerts(self, *, on: bool = True) -> WatchingAlerts:
        """Begin to be sent alerts as they change, by `alerts_seen`; with `on` False, stop."""
        return await self._request(WatchAlerts, WatchingAlerts, on=on)

    def alerts_seen(self) -> AsyncIterator[AlertSeen]:
        """Yield alerts as they change until the session ends."""
        return self.received.alerts_seen(lambda: self.lost is not None)

    async def work_alert(
        self,
        alert: int,
        *,
        status: AlertStatus | None = None,
        owner: str | None = None,
        note: str | None = None,
    ) -> AlertView:
        """Change an alert's status, owner or note; return it. What is None stays as it is."""
        answer = await self._request(
            WorkAlert, AlertList, alert=alert, status=status, owner=owner, note=note
        )
        return answer.alerts[0]
