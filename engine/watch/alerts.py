"""Alerts: what rules have found, who works on it, and what came of it.

Owns the rules that are set, the alerts that are remembered, and which status may follow which. A
method that changes something returns a document, which changes nothing until it is applied: the
caller writes it to disk in between. Never acts on an alert.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from engine.common.events import Refused
from engine.common.reasons import MESSAGES, Reason
from engine.common.units import Nanos
from engine.watch.facts import Finding
from engine.watch.rules import RULES_MAX, Action, OwnerField, RuleName, Severity, WatchRule

ALERTS_MAX: Final = 4_096
"""Alerts in memory; past it the closed one with the lowest number is forgotten, and where all are
open, the one of the least severity that was found longest ago."""
NOTE_CHARS_MAX: Final = 400
REPEAT_NS: Final = 10_000_000_000
"""An open alert that is found again is noted at most this often; times between are counted."""

NoteField = Annotated[str, Meta(max_length=NOTE_CHARS_MAX)]


class AlertStatus(StrEnum):
    """What has become of an alert."""

    OPEN = "open"
    INVESTIGATING = "investigating"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"
    FALSE_POSITIVE = "false_positive"
    """What was found is not what the rule looks for: while the alert is remembered, its rule says
    nothing more about its subject."""


_CLOSED: Final = (AlertStatus.RESOLVED, AlertStatus.DISMISSED, AlertStatus.FALSE_POSITIVE)
STATUS_CHANGES: Final[dict[AlertStatus, tuple[AlertStatus, ...]]] = {
    AlertStatus.OPEN: (AlertStatus.INVESTIGATING, *_CLOSED),
    AlertStatus.INVESTIGATING: (AlertStatus.OPEN, *_CLOSED),
    **dict.fromkeys(_CLOSED, (AlertStatus.OPEN,)),
}
"""Which status may follow which; a closed alert is opened again before anything else."""


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule has found about one subject, as last found; `times` counts how often."""

    number: int
    rule: RuleName
    kind: str
    severity: Severity
    finding: Finding
    first_ns: Nanos
    last_ns: Nanos
    times: int = 1
    status: AlertStatus = AlertStatus.OPEN
    owner: str = ""
    note: str = ""
    by: str = ""
    """Who changed it last."""
    action: Action = Action.ALERT
    """What was done when it was found first."""


class RuleSet(Struct, frozen=True, kw_only=True, tag_field="doc", tag="rule_set"):
    """A rule is set."""

    rule: WatchRule
    by: str
    at_ns: Nanos


class RuleRemoved(Struct, frozen=True, kw_only=True, tag_field="doc", tag="rule_removed"):
    """A rule is no more; its alerts stay."""

    name: RuleName
    by: str
    at_ns: Nanos


class AlertRaised(Struct, frozen=True, kw_only=True, tag_field="doc", tag="alert_raised"):
    """A rule has found something of which no open alert speaks."""

    alert: Alert


class AlertRepeated(Struct, frozen=True, kw_only=True, tag_field="doc", tag="alert_repeated"):
    """What an open alert speaks of was found again, `times` in all."""

    number: int
    finding: Finding
    times: int
    at_ns: Nanos


class AlertWorked(Struct, frozen=True, kw_only=True, tag_field="doc", tag="alert_worked"):
    """Someone has changed an alert's status, owner or note."""

    number: int
    status: AlertStatus
    owner: str
    note: str
    by: str
    at_ns: Nanos


WatchDocument = RuleSet | RuleRemoved | AlertRaised | AlertRepeated | AlertWorked


class Alerts:
    """All rules by name and all alerts by number."""

    def __init__(self) -> None:
        self.rules: dict[str, WatchRule] = {}
        self.alerts: dict[int, Alert] = {}
        self.changes = 0
        """Changes of alerts so far; the last is the present one's number."""
        self._changed: dict[int, int] = {}
        """The number of each alert's last change, in the order of changes."""
        self._last = 0
        self._current: dict[tuple[str, str], int] = {}
        """The alert of each rule and subject that is open, or is a false positive."""
        self._times: dict[int, int] = {}
        """How often an open alert was found, where that is not noted yet."""

    def set_rule(self, rule: WatchRule, *, by: str, at_ns: Nanos) -> RuleSet | Refused:
        """Set a rule: a new one, or another in the place of one of its name."""
        if rule.action not in rule.allows:
            allowed = ", ".join(rule.allows)
            message = f"a rule of this kind may {allowed}"
            return Refused(reason=Reason.FIELD_OUT_OF_BOUNDS, field="action", message=message)
        if rule.name not in self.rules and len(self.rules) >= RULES_MAX:
            message = f"{RULES_MAX} rules at most"
            return Refused(reason=Reason.CAPACITY, field="name", message=message)
        return RuleSet(rule=rule, by=by, at_ns=at_ns)

    def remove_rule(self, name: str, *, by: str, at_ns: Nanos) -> RuleRemoved | Refused:
        """Remove a rule; its alerts stay."""
        if name not in self.rules:
            return _refused(Reason.RULE_UNKNOWN, "name", name)
        return RuleRemoved(name=name, by=by, at_ns=at_ns)

    def find(
        self, rule: WatchRule, finding: Finding, *, at_ns: Nanos
    ) -> AlertRaised | AlertRepeated | None:
        """Take a finding: a new alert, a repetition, or None where nothing need be noted now."""
        number = self._current.get((rule.name, finding.subject))
        if number is None:
            alert = Alert(
                number=self._last + 1,
                rule=rule.name,
                kind=rule.kind_name,
                severity=rule.severity,
                finding=finding,
                first_ns=at_ns,
                last_ns=at_ns,
                owner=rule.owner,
                action=rule.action,
            )
            return AlertRaised(alert=alert)
        alert = self.alerts[number]
        if alert.status is AlertStatus.FALSE_POSITIVE:
            return None
        times = self._times.get(number, alert.times) + 1
        if at_ns - alert.last_ns < REPEAT_NS:
            self._times[number] = times
            return None
        return AlertRepeated(number=number, finding=finding, times=times, at_ns=at_ns)

    def work(
        self,
        number: int,
        *,
        status: AlertStatus | None = None,
        owner: OwnerField | None = None,
        note: str | None = None,
        by: str,
        at_ns: Nanos,
    ) -> AlertWorked | Refused:
        """Change an alert; what is None stays as it is."""
        alert = self.alerts.get(number)
        if alert is None:
            return _refused(Reason.ALERT_UNKNOWN, "number", str(number))
        if status is not None and status is not alert.status:
            if status not in STATUS_CHANGES[alert.status]:
                message = f"{alert.status} cannot become {status}"
                return _refused(Reason.TRANSITION_NOT_ALLOWED, "status", message)
            again = self._current.get((alert.rule, alert.finding.subject), number)
            if again != number:
                return _refused(Reason.TRANSITION_NOT_ALLOWED, "status", f"{again} is open")
        return AlertWorked(
            number=number,
            status=alert.status if status is None else status,
            owner=alert.owner if owner is None else owner,
            note=alert.note if note is None else note,
            by=by,
            at_ns=at_ns,
        )

    def apply(self, document: WatchDocument) -> None:
        """Apply a document that is on disk."""
        match document:
            case RuleSet():
                self.rules[document.rule.name] = document.rule
            case RuleRemoved():
                self.rules.pop(document.name, None)
            case AlertRaised(alert=alert):
                self._last = alert.number
                self._keep(alert)
                self._forget()
            case AlertRepeated() if document.number in self.alerts:
                self._times.pop(document.number, None)
                alert = self.alerts[document.number]
                self._keep(
                    replace(
                        alert,
                        finding=document.finding,
                        times=document.times,
                        last_ns=document.at_ns,
                    )
                )
            case AlertWorked() if document.number in self.alerts:
                alert = self.alerts[document.number]
                self._keep(
                    replace(
                        alert,
                        status=document.status,
                        owner=document.owner,
                        note=document.note,
                        by=document.by,
                    )
                )

    def is_open(self, number: int) -> bool:
        """Say whether an alert is remembered and still to be worked on."""
        alert = self.alerts.get(number)
        return alert is not None and alert.status not in _CLOSED

    def newest(
        self, *, open_only: bool = False, rule: str = "", fixture: str = "", before: int = 0
    ) -> Iterator[Alert]:
        """Yield alerts below a number, newest first."""
        for number in reversed(self.alerts):
            alert = self.alerts[number]
            if (
                (before == 0 or number < before)
                and not (open_only and alert.status in _CLOSED)
                and rule in ("", alert.rule)
                and fixture in ("", alert.finding.fixture)
            ):
                yield alert

    def changed_after(self, change: int) -> Iterator[Alert]:
        """Yield the alerts that have changed after a change, the one changed last first."""
        for number in reversed(self._changed):
            if self._changed[number] <= change:
                return
            yield self.alerts[number]

    def _keep(self, alert: Alert) -> None:
        self.alerts[alert.number] = alert
        self.changes += 1
        self._changed.pop(alert.number, None)
        self._changed[alert.number] = self.changes
        key = (alert.rule, alert.finding.subject)
        if alert.status in (AlertStatus.RESOLVED, AlertStatus.DISMISSED):
            if self._current.get(key) == alert.number:
                del self._current[key]
            self._times.pop(alert.number, None)
        else:
            self._current[key] = alert.number

    def _forget(self) -> None:
        if len(self.alerts) <= ALERTS_MAX:
            return
        severities = list(Severity)
        number = next(
            (number for number, alert in self.alerts.items() if alert.status in _CLOSED),
            None,
        ) or min(
            list(self.alerts)[:-1],
            key=lambda number: (severities.index(self.alerts[number].severity), number),
        )
        alert = self.alerts.pop(number)
        self._times.pop(number, None)
        self._changed.pop(number, None)
        key = (alert.rule, alert.finding.subject)
        if self._current.get(key) == number:
            del self._current[key]


def _refused(reason: Reason, field: str, message: str) -> Refused:
    return Refused(reason=reason, field=field, message=f"{MESSAGES[reason]}: {message}")
