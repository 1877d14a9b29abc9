"""Messages about rules that watch, and the alerts that they raise.

Owns schemas only; engine.watch owns rules and alerts, and the desk keeps them.
"""

from typing import Annotated

from msgspec import Meta, Struct

from engine.watch.alerts import AlertStatus, NoteField
from engine.watch.rules import OwnerField, RuleName, WatchRule
from gateway.messages.base import FromClient, FromGateway, IdField
from gateway.settings import PAGE_MAX

NumberField = Annotated[int, Meta(ge=1, le=(1 << 53) - 1)]
RuleFilterField = Annotated[str, Meta(max_length=32)]
FixtureFilterField = Annotated[str, Meta(max_length=64)]


class SetRule(FromClient, frozen=True, kw_only=True, tag="set_rule"):
    """Set a rule, whole; one of its name is replaced. Answered by `rule_list`.

    A rule whose kind and scope stay as they were keeps what it has seen.
    """

    id: IdField = 0
    rule: WatchRule


class RemoveRule(FromClient, frozen=True, kw_only=True, tag="remove_rule"):
    """Remove a rule; its alerts stay. Answered by `rule_list`."""

    id: IdField = 0
    name: RuleName


class AskRules(FromClient, frozen=True, kw_only=True, tag="rules"):
    """Ask for all rules; answered by `rule_list`."""

    id: IdField = 0


class RuleList(FromGateway, frozen=True, kw_only=True, tag="rule_list"):
    """All rules, and what the watch has seen since its process began.

    `bets_missed` are bets that came faster than it takes them, `findings_dropped` findings that
    came faster than alerts are written.
    """

    id: int = 0
    rules: tuple[WatchRule, ...] = ()
    bets_seen: int = 0
    bets_missed: int = 0
    findings_dropped: int = 0


class AskAlerts(FromClient, frozen=True, kw_only=True, tag="alerts"):
    """Ask for alerts, newest first; answered by `alert_list`.

    `open_only` leaves out those that are resolved, dismissed or false positives. `rule` and
    `fixture` are names, empty for any; `before` is an alert's number, 0 for the newest.
    """

    id: IdField = 0
    open_only: bool = False
    rule: RuleFilterField = ""
    fixture: FixtureFilterField = ""
    before: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = 100


class AlertView(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What a rule has found about one subject, and what has become of it.

    `figures` are those of the last time, of `times`; docs/watching.md says what they mean by
    `kind`. `action` is what the rule did when it found this first; `by` changed the alert last.
    """

    number: int
    rule: str
    kind: str
    severity: str
    status: str
    subject: str
    figures: dict[str, float]
    first_at: str
    last_at: str
    times: int = 1
    fixture: str = ""
    market: int = 0
    outcome: int = -1
    accounts: tuple[int, ...] = ()
    owner: str = ""
    note: str = ""
    by: str = ""
    action: str = "alert"


class AlertList(FromGateway, frozen=True, kw_only=True, tag="alert_list"):
    """Alerts; with `more`, older ones match, before the last one's number."""

    id: int = 0
    alerts: tuple[AlertView, ...] = ()
    more: bool = False


class WorkAlert(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="work_alert"):
    """Change an alert's status, owner or note; what is left out stays. Answered by `alert_list`.

    From `open` an alert goes to `investigating`, `resolved`, `dismissed` or `false_positive`, from
    `investigating` to the same and back; from the last three only to `open`.
    """

    id: IdField = 0
    alert: NumberField
    status: AlertStatus | None = None
    owner: OwnerField | None = None
    note: NoteField | None = None


class WatchAlerts(FromClient, frozen=True, kw_only=True, omit_defaults=True, tag="watch_alerts"):
    """Begin, or with `on` false stop, to be sent alerts when they are raised, repeated or changed.

    Answered by `watching_alerts`, then `alert`, within about a second of each change.
    """

    id: IdField = 0
    on: bool = True


class WatchingAlerts(FromGateway, frozen=True, kw_only=True, tag="watching_alerts"):
    """Whether this session is sent alerts now."""

    id: int = 0
    on: bool = False


class AlertSeen(FromGateway, frozen=True, kw_only=True, omit_defaults=True, tag="alert"):
    """An alert that has just changed, as it is now.

    `missed` counts those since the last message that were not sent, because too many changed at
    once or the session did not read: `alerts` has them.
    """

    alert: AlertView
    missed: int = 0


WatchingRequest = SetRule | RemoveRule | AskRules | AskAlerts | WorkAlert
"""What the desk answers about rules and alerts."""
