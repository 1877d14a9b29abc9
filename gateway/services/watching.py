"""Answer requests about rules that watch and about alerts, from the desk.

Owns how an alert is shown, and the sessions that are sent alerts as they change: while there are
any, the desk is asked once a second what has changed. Never keeps a rule or an alert: the desk
does.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from actors.desk_messages import (
    AlertPage,
    DeskRequest,
    ListAlerts,
    ListRules,
    PutRule,
    RulePage,
    WorkAlert,
)
from engine.common.units import Nanos
from engine.watch.alerts import Alert
from gateway.messages import watching as wire
from gateway.messages.protocol import ServerMessage
from gateway.net.output import Output
from gateway.services.desk import DeskClient, not_done

ALERTS_SENT_MAX: Final = 100
"""Alerts sent at once; of more changes the oldest are left out and counted."""
_NS: Final = 1_000_000_000
_ACCOUNT: Final = "account "
"""What stands before the number of an account that an alert is about."""

logger = logging.getLogger("overround.gateway")


class _Watcher:
    """One session that is sent alerts."""

    __slots__ = ("accounts", "connection", "frame", "missed")

    def __init__(
        self, connection: Output, frame: Callable[[ServerMessage], bytes], *, accounts: bool
    ) -> None:
        self.connection = connection
        self.frame = frame
        self.accounts = accounts
        self.missed = 0


class WatchingService:
    """Rules and alerts, from one gateway.

    Parameters
    ----------
    desk : DeskClient
        Keeps them.
    poll_s : float
        How often the desk is asked what has changed, in seconds.
    """

    def __init__(self, *, desk: DeskClient, poll_s: float = 1.0) -> None:
        self._desk = desk
        self._poll_s = poll_s
        self._watchers: dict[object, _Watcher] = {}
        self._polling: asyncio.Task[None] | None = None

    def watch(
        self,
        session: object,
        connection: Output,
        frame: Callable[[ServerMessage], bytes],
        *,
        accounts: bool,
    ) -> None:
        """Begin to send a session alerts as they change; `accounts` as in `alert_view`."""
        self._watchers[session] = _Watcher(connection, frame, accounts=accounts)
        if self._polling is None:
            self._polling = asyncio.get_running_loop().create_task(self._poll())

    def leave(self, session: object) -> None:
        """Send a session no more alerts."""
        if self._watchers.pop(session, None) is not None and not self._watchers:
            assert self._polling is not None
            self._polling.cancel()
            self._polling = None

    async def _poll(self) -> None:
        """Send what has changed since the first session began to watch."""
        known = -1
        while True:
            try:
                known = await self._send_changes(known)
            except Exception:  # an answer that cannot be read ends nothing: the next one may be
                logger.exception("alerts were not sent for a second")
            await asyncio.sleep(self._poll_s)

    async def _send_changes(self, known: int) -> int:
        """Send the alerts that changed after a change, none after -1; return the last change."""
        answer = await self._desk.ask(ListAlerts(changed=max(known, 0), limit=ALERTS_SENT_MAX))
        if not isinstance(answer, AlertPage):
            return known
        if known >= 0:
            unsent = answer.changes - known - len(answer.alerts) if answer.more else 0
            for alert in reversed(answer.alerts):
                self._send(alert, unsent)
                unsent = 0
        return answer.changes

    def _send(self, alert: Alert, missed: int) -> None:
        for watcher in list(self._watchers.values()):
            watcher.missed += missed
            view = alert_view(alert, accounts=watcher.accounts)
            message = wire.AlertSeen(alert=view, missed=watcher.missed)
            try:
                sent = watcher.connection.send_odds(watcher.frame(message))
            except Exception:  # one session that cannot be sent to holds up no other
                logger.exception("an alert was not sent to a session")
                sent = False
            watcher.missed = 0 if sent else watcher.missed + 1

    async def answer(
        self, by: str, request: wire.WatchingRequest, *, accounts: bool
    ) -> ServerMessage:
        """Answer one request of an identity; `accounts` as in `alert_view`."""
        answer = await self._desk.ask(_asked(by, request))
        match answer:
            case RulePage():
                return wire.RuleList(
                    id=request.id,
                    rules=answer.rules,
                    bets_seen=answer.bets_seen,
                    bets_missed=answer.bets_missed,
                    findings_dropped=answer.findings_dropped,
                )
            case AlertPage():
                alerts = tuple(alert_view(each, accounts=accounts) for each in answer.alerts)
                return wire.AlertList(id=request.id, alerts=alerts, more=answer.more)
        return not_done(answer, request.id)


def _asked(by: str, request: wire.WatchingRequest) -> DeskRequest:
    match request:
        case wire.SetRule():
            return PutRule(by=by, name=request.rule.name, rule=request.rule)
        case wire.RemoveRule():
            return PutRule(by=by, name=request.name, rule=None)
        case wire.AskRules():
            return ListRules()
        case wire.WorkAlert():
            return WorkAlert(
                by=by,
                number=request.alert,
                status=request.status,
                owner=request.owner,
                note=request.note,
            )
        case wire.AskAlerts():
            return ListAlerts(
                open_only=request.open_only,
                rule=request.rule,
                fixture=request.fixture,
                before=request.before,
                limit=request.limit,
            )


def alert_view(alert: Alert, *, accounts: bool) -> wire.AlertView:
    """Return an alert as clients are shown it.

    Who may not look at single accounts (without `accounts`) is told how many were found, and no
    number of any.
    """
    finding = alert.finding
    subject = finding.subject
    if not accounts and _ACCOUNT in subject:
        subject = f"{subject.partition(_ACCOUNT)[0]}{len(finding.accounts)} accounts"
    return wire.AlertView(
        number=alert.number,
        rule=alert.rule,
        kind=alert.kind,
        severity=alert.severity,
        status=alert.status,
        subject=subject,
        figures=finding.figures,
        first_at=_at(alert.first_ns),
        last_at=_at(alert.last_ns),
        times=alert.times,
        fixture=finding.fixture,
        market=finding.market_no,
        outcome=finding.outcome,
        accounts=finding.accounts if accounts else (),
        owner=alert.owner,
        note=alert.note,
        by=alert.by,
        action=alert.action,
    )


def _at(at_ns: Nanos) -> str:
    return datetime.fromtimestamp(at_ns // _NS, UTC).isoformat()
