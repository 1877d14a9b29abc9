"""Samples of messages about rules that watch and about alerts."""

from engine.common.units import Minor
from engine.watch.alerts import AlertStatus
from engine.watch.bounds import LiabilityRule
from engine.watch.pace import PaceRule
from engine.watch.rules import Action, Scope, Severity, WatchRule
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

RULE = WatchRule(
    name="finals-pace",
    kind=PaceRule(window_s=30, times=5.0),
    scope=Scope(sport="football", competition="world-cup", market_type="1x2"),
    severity=Severity.HIGH,
    owner="anna",
    action=Action.CUT_LIMITS,
    cut_to=0.25,
)
ALERT = AlertView(
    number=7,
    rule="finals-pace",
    kind="pace",
    severity="high",
    status="investigating",
    subject="market 101 outcome 0",
    figures={"bets": 40, "expected_bets": 3.5, "chance": 1.5e-9},
    first_at="2026-01-31T12:00:00+00:00",
    last_at="2026-01-31T12:01:00+00:00",
    times=3,
    fixture="cup-1",
    market=101,
    outcome=0,
    accounts=(7, 8),
    owner="bo",
    note="team sheet",
    by="trader:bo",
    action="cut_limits",
)
WATCH_REQUESTS = (
    SetRule(id=41, rule=RULE),
    SetRule(
        id=41,
        rule=WatchRule(name="worst", kind=LiabilityRule(liability_minor_max=Minor(500_000))),
    ),
    RemoveRule(id=42, name="finals-pace"),
    AskRules(id=43),
    AskAlerts(id=44, open_only=True, rule="finals-pace", fixture="cup-1", before=9, limit=10),
    WorkAlert(id=45, alert=7, status=AlertStatus.INVESTIGATING, owner="bo", note="team sheet"),
    WatchAlerts(id=46),
)
WATCH_ANSWERS = (
    RuleList(id=43, rules=(RULE,), bets_seen=12_000, bets_missed=3, findings_dropped=1),
    AlertList(id=44, alerts=(ALERT,), more=True),
    WatchingAlerts(id=46, on=True),
    AlertSeen(alert=ALERT, missed=2),
)
