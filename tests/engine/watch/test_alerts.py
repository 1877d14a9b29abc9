"""Rules are set whole; one alert at a time speaks of a subject; statuses follow one table."""

from itertools import product

import pytest

from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.units import Minor, Nanos
from engine.watch import alerts as module
from engine.watch.alerts import (
    REPEAT_NS,
    STATUS_CHANGES,
    Alert,
    AlertRaised,
    AlertRepeated,
    Alerts,
    AlertStatus,
    WatchDocument,
)
from engine.watch.bounds import FeedLagRule, LiabilityRule
from engine.watch.facts import Finding
from engine.watch.rules import RULES_MAX, Action, Severity, WatchRule

RULE = WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=Minor(1_000)), owner="anna")
START = Nanos(1_000_000_000_000)


def finding(subject: str = "market 7", **figures: float) -> Finding:
    return Finding(subject=subject, figures=figures)


def done(alerts: Alerts, document: WatchDocument | Refused | None) -> WatchDocument:
    assert document is not None
    assert not isinstance(document, Refused), document
    alerts.apply(document)
    return document


def raised(alerts: Alerts, subject: str = "market 7", rule: WatchRule = RULE) -> Alert:
    document = done(alerts, alerts.find(rule, finding(subject), at_ns=START))
    assert isinstance(document, AlertRaised)
    return document.alert


def work(alerts: Alerts, number: int, status: AlertStatus) -> WatchDocument | Refused:
    return alerts.work(number, status=status, by="trader:bo", at_ns=START)


def test_a_rule_is_set_and_removed() -> None:
    alerts = Alerts()
    done(alerts, alerts.set_rule(RULE, by="trader:anna", at_ns=START))
    assert alerts.rules == {"worst": RULE}
    done(alerts, alerts.remove_rule("worst", by="trader:anna", at_ns=START))
    assert not alerts.rules
    refused = alerts.remove_rule("worst", by="trader:anna", at_ns=START)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.RULE_UNKNOWN


def test_an_action_that_does_not_suit_the_kind_is_refused() -> None:
    rule = WatchRule(name="lag", kind=FeedLagRule(), action=Action.SUSPEND)
    refused = Alerts().set_rule(rule, by="trader:anna", at_ns=START)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "action")


def test_rules_are_bounded() -> None:
    alerts = Alerts()
    for number in range(RULES_MAX):
        rule = WatchRule(name=f"r{number}", kind=FeedLagRule())
        done(alerts, alerts.set_rule(rule, by="x", at_ns=START))
    refused = alerts.set_rule(RULE, by="x", at_ns=START)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CAPACITY
    done(alerts, alerts.set_rule(WatchRule(name="r0", kind=FeedLagRule()), by="x", at_ns=START))


def test_a_finding_raises_an_alert_for_the_rules_owner() -> None:
    alerts = Alerts()
    alert = raised(alerts)
    assert (alert.number, alert.owner, alert.status) == (1, "anna", AlertStatus.OPEN)
    assert alerts.alerts == {1: alert}


def test_one_open_alert_speaks_of_a_subject() -> None:
    alerts = Alerts()
    raised(alerts)
    assert alerts.find(RULE, finding(), at_ns=Nanos(START + 1)) is None
    assert alerts.find(RULE, finding(), at_ns=Nanos(START + 2)) is None
    later = Nanos(START + REPEAT_NS)
    repeated = done(alerts, alerts.find(RULE, finding(figure=2.0), at_ns=later))
    assert isinstance(repeated, AlertRepeated)
    assert alerts.alerts[1].times == 4
    assert alerts.alerts[1].last_ns == later
    assert alerts.alerts[1].finding.figures == {"figure": 2.0}
    assert raised(alerts, "market 8").number == 2


def test_a_subject_whose_alert_is_closed_is_alerted_again() -> None:
    for status in (AlertStatus.RESOLVED, AlertStatus.DISMISSED):
        alerts = Alerts()
        raised(alerts)
        done(alerts, work(alerts, 1, status))
        assert raised(alerts).number == 2


def test_a_false_positive_is_not_alerted_again() -> None:
    alerts = Alerts()
    raised(alerts)
    done(alerts, work(alerts, 1, AlertStatus.FALSE_POSITIVE))
    assert alerts.find(RULE, finding(), at_ns=Nanos(START + 2 * REPEAT_NS)) is None
    other = WatchRule(name="other", kind=RULE.kind)
    assert raised(alerts, rule=other).number == 2


@pytest.mark.parametrize(("before", "after"), list(product(AlertStatus, AlertStatus)))
def test_a_status_follows_another_by_the_table(before: AlertStatus, after: AlertStatus) -> None:
    alerts = Alerts()
    raised(alerts)
    if before is not AlertStatus.OPEN:
        done(alerts, work(alerts, 1, before))
    document = work(alerts, 1, after)
    if after is before or after in STATUS_CHANGES[before]:
        done(alerts, document)
        assert alerts.alerts[1].status is after
        assert alerts.alerts[1].by == "trader:bo"
    else:
        assert isinstance(document, Refused)
        assert document.reason is Reason.TRANSITION_NOT_ALLOWED


def test_a_closed_alert_is_not_opened_beside_another_of_its_subject() -> None:
    alerts = Alerts()
    raised(alerts)
    done(alerts, work(alerts, 1, AlertStatus.RESOLVED))
    raised(alerts)
    assert isinstance(work(alerts, 1, AlertStatus.OPEN), Refused)
    done(alerts, work(alerts, 2, AlertStatus.DISMISSED))
    done(alerts, work(alerts, 1, AlertStatus.OPEN))
    assert alerts.find(RULE, finding(), at_ns=START) is None


def test_owner_and_note_change_without_the_status() -> None:
    alerts = Alerts()
    raised(alerts)
    done(alerts, alerts.work(1, owner="bo", note="looked at", by="trader:bo", at_ns=START))
    alert = alerts.alerts[1]
    assert (alert.status, alert.owner, alert.note) == (AlertStatus.OPEN, "bo", "looked at")
    refused = alerts.work(9, by="trader:bo", at_ns=START)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.ALERT_UNKNOWN


def test_alerts_are_listed_newest_first_by_filter() -> None:
    alerts = Alerts()
    for subject in ("a", "b", "c"):
        raised(alerts, subject)
    done(alerts, work(alerts, 2, AlertStatus.RESOLVED))
    assert [alert.number for alert in alerts.newest()] == [3, 2, 1]
    assert [alert.number for alert in alerts.newest(open_only=True)] == [3, 1]
    assert [alert.number for alert in alerts.newest(before=3)] == [2, 1]
    assert not list(alerts.newest(rule="other"))


def test_alerts_are_bounded_closed_ones_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ALERTS_MAX", 3)
    alerts = Alerts()
    high = WatchRule(name="high", kind=RULE.kind, severity=Severity.HIGH)
    raised(alerts, "a", high)
    raised(alerts, "b")
    raised(alerts, "c")
    done(alerts, work(alerts, 3, AlertStatus.RESOLVED))
    raised(alerts, "d")
    assert list(alerts.alerts) == [1, 2, 4]
    raised(alerts, "e")
    assert list(alerts.alerts) == [1, 4, 5], "the one of least severity, found longest ago"
    assert raised(alerts, "b").number == 6, "its subject is free again"


def test_what_changed_after_a_change_is_listed_last_change_first() -> None:
    alerts = Alerts()
    for subject in ("a", "b", "c"):
        raised(alerts, subject)
    done(alerts, work(alerts, 1, AlertStatus.INVESTIGATING))
    assert alerts.changes == 4
    assert [alert.number for alert in alerts.changed_after(2)] == [1, 3]
    assert not list(alerts.changed_after(4))
