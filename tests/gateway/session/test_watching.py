"""Rules that traders set, the alerts they raise and what they do, over real sockets."""

import asyncio
from typing import Any

import pytest

from engine.common.acceptance import AcceptancePatch
from engine.common.commands import Quote
from engine.common.events import OddsSet
from engine.common.units import Minor, OddsMilli
from engine.watch.alerts import AlertStatus
from engine.watch.bet_stops import NoBetStopRule
from engine.watch.bounds import LiabilityRule
from engine.watch.identical import IdenticalRule
from engine.watch.odds_apart import OddsApartRule
from engine.watch.pace import PaceRule
from engine.watch.rules import Action, Scope, Severity, WatchRule
from gateway.client import RefusedError
from gateway.messages.watching import AlertView
from gateway.session.tokens import Role
from tests.gateway.bookmaker import Bookmaker, bettor, trader
from tests.gateway.price_gateway import until

WORST = WatchRule(
    name="worst",
    kind=LiabilityRule(liability_minor_max=Minor(1_000)),
    severity=Severity.HIGH,
    owner="anna",
)
BET = {"market": 1, "outcome": 0, "stake_minor": 2_000, "odds_milli": 2_500}
RATES = {"home_rate": 1.5, "away_rate": 1.1}
KICK_OFF = {"model": RATES, "state": {"period": 1}}
GOAL = {
    "model": RATES,
    "state": {"period": 1, "clock_s": 600, "first_half": {"home": 1}},
}


async def alerts(session: Any) -> tuple[AlertView, ...]:
    return (await session.alerts()).alerts


async def test_a_liability_over_a_rules_bound_raises_one_alert(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        assert (await anna.set_rule(WORST)).rules == (WORST,)
        await client.place(ref="a", **BET)
        for _ in range(3):
            await bookmaker.check_rules()
        (alert,) = await alerts(anna)
        assert (alert.rule, alert.kind, alert.severity) == ("worst", "liability", "high")
        assert (alert.market, alert.fixture, alert.owner) == (1, "cup-0", "anna")
        assert alert.figures == {"liability_minor": 3_000, "liability_minor_max": 1_000}


async def test_an_alert_is_worked_and_reopened_by_the_table(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        await anna.set_rule(WORST)
        await client.place(ref="a", **BET)
        await bookmaker.check_rules()
        status = AlertStatus.RESOLVED
        worked = await anna.work_alert(1, status=status, owner="bo", note="laid off")
        assert (worked.status, worked.owner, worked.note) == ("resolved", "bo", "laid off")
        assert worked.by.startswith("trader:")
        assert not (await anna.alerts(open_only=True)).alerts
        with pytest.raises(RefusedError) as refused:
            await anna.work_alert(1, status=AlertStatus.INVESTIGATING)
        assert refused.value.reason == 409
        with pytest.raises(RefusedError) as refused:
            await anna.work_alert(9)
        assert refused.value.reason == 962


async def test_a_watching_session_is_sent_alerts_as_they_change(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker, role=Role.VIEWER) as viewer, trader(bookmaker) as anna:
        await anna.set_rule(WORST)
        assert (await viewer.watch_alerts()).on
        await viewer.alerts()  # the gateway has asked the desk how far it is
        async with bettor(bookmaker) as client:
            await client.place(ref="a", **BET)
        await bookmaker.check_rules()
        async with asyncio.timeout(30):
            seen = await anext(viewer.alerts_seen())
        assert (seen.alert.number, seen.missed) == (1, 0)


async def test_a_rule_suspends_the_fixture_of_a_goal_without_a_bet_stop(
    bookmaker: Bookmaker,
) -> None:
    rule = WatchRule(name="stops", kind=NoBetStopRule(), action=Action.SUSPEND)
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        await anna.set_rule(rule)
        await anna.reprice("cup-0", KICK_OFF)
        await anna.reprice("cup-0", GOAL)
        await bookmaker.check_rules()
        (alert,) = await alerts(anna)
        assert alert.subject == "fixture cup-0 score 1-0"
        assert alert.figures["markets_open"] == 2
        refused = [await client.place(ref=f"r{no}", **BET | {"market": no}) for no in (1, 3)]
        assert [bet.reason for bet in refused] == [403, 0]
        (line,) = (await anna.audit_trail(by="rule:stops")).lines
        assert (line.what, line.result) == ("suspend", "2 done, 0 refused")


async def test_a_goal_with_its_bet_stop_in_one_message_is_no_missing_stop(
    bookmaker: Bookmaker,
) -> None:
    rule = WatchRule(name="stops", kind=NoBetStopRule(), action=Action.SUSPEND)
    async with trader(bookmaker) as anna:
        await anna.set_rule(rule)
        await anna.reprice("cup-0", KICK_OFF)
        await anna.reprice("cup-0", GOAL, suspend="goal", resume=True)
        await bookmaker.check_rules()
        assert await alerts(anna) == ()
        assert (await anna.book(1)).status == "active"


async def test_the_desk_alone_or_with_the_shells_starts_anew_in_a_match_and_finds_no_goal(
    bookmaker: Bookmaker,
) -> None:
    rule = WatchRule(name="stops", kind=NoBetStopRule(), action=Action.SUSPEND)
    async with trader(bookmaker) as anna:
        await anna.set_rule(rule)
        await anna.reprice("cup-0", GOAL)
        await bookmaker.stop_desk()
        bookmaker.start_desk()
        watch = bookmaker.desk_part.watch
        await until(lambda: watch.in_play("cup-0"))
        await bookmaker.stop_desk()
        bookmaker.kill_shell("market-a")
        bookmaker.start_shell("market-a")
        bookmaker.start_desk()
        await anna.reprice("cup-0", GOAL)
        await bookmaker.check_rules()
        assert await alerts(anna) == ()
        assert (await anna.book(1)).status == "active"
        assert bookmaker.desk_part.watch.in_play("cup-0")


async def test_a_rule_cuts_the_limits_of_the_market_that_it_finds(bookmaker: Bookmaker) -> None:
    rule = WatchRule(name="worst", kind=WORST.kind, action=Action.CUT_LIMITS, cut_to=0.1)
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        await anna.set_rule(rule)
        await client.place(ref="a", **BET)
        await bookmaker.check_rules()
        over = await client.place(ref="b", **BET)
        assert (over.reason, over.stake_max_minor) == (302, 1_000)


async def test_a_rule_delays_or_refers_further_bets_of_the_market(bookmaker: Bookmaker) -> None:
    """It raises what stands, and lowers nothing that a trader has set."""
    delay = WatchRule(name="delay", kind=WORST.kind, action=Action.RAISE_DELAY, delay_ms=3_000)
    refer = WatchRule(name="refer", kind=WORST.kind, action=Action.REFER, refer_minor_from=5_000)
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        assert (await client.place(ref="a", **BET)).state == "accepted"
        await anna.set_acceptance(
            1, AcceptancePatch(delay_ms=4_000, referral_ms=90_000, referral_minor_from=9_000)
        )
        for rule in (delay, refer):
            await anna.set_rule(rule)
        await bookmaker.check_rules()
        stands = (await anna.book(1)).acceptance
        assert (stands.delay_ms, stands.referral_ms, stands.referral_minor_from) == (
            4_000, 90_000, 5_000,
        )  # fmt: skip


async def test_bets_are_seen_where_their_markets_decide_them(bookmaker: Bookmaker) -> None:
    rule = WatchRule(
        name="burst",
        kind=PaceRule(window_s=4, bets_min=3, times=1.1, p_max=0.1),
        scope=Scope(fixture="cup-0"),
    )
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        await anna.set_rule(rule)
        await bookmaker.check_rules()
        await client.place(ref="a", **BET)
        await client.place(ref="b", **BET | {"stake_minor": 20_000})
        listed = await anna.rules()
        assert (listed.bets_seen, listed.bets_missed) == (2, 0)


async def test_odds_far_from_the_models_are_found_and_the_models_own_are_not(
    bookmaker: Bookmaker,
) -> None:
    rule = WatchRule(name="apart", kind=OddsApartRule(return_max=1.0, for_s=0))
    async with trader(bookmaker) as anna:
        await anna.set_rule(rule)
        await anna.reprice("cup-0", GOAL)
        await bookmaker.check_rules()
        assert not await alerts(anna)
        quoted = (await anna.book(1)).odds_milli
        odds = [
            Quote(outcome=n, odds_milli=OddsMilli(max(int(quoted[n] * factor) // 10 * 10, 1_010)))
            for n, factor in enumerate((1.1, 0.85, 0.85))
        ]
        assert isinstance(await anna.set_odds(1, odds), OddsSet)
        await bookmaker.check_rules()
        (alert,) = await alerts(anna)
        assert (alert.subject, alert.market) == ("market 1 outcome 0 model", 1)
        assert alert.figures["odds_milli"] == odds[0].odds_milli
        assert 1.0 < alert.figures["return"] < 1.15


async def test_rules_and_alerts_outlive_the_desks_process(bookmaker: Bookmaker) -> None:
    async with trader(bookmaker) as anna, bettor(bookmaker) as client:
        await anna.set_rule(WORST)
        await client.place(ref="a", **BET)
        await bookmaker.check_rules()
        before = await alerts(anna)
        await bookmaker.stop_desk()
        with pytest.raises(RefusedError) as refused:
            await anna.rules()
        assert refused.value.reason == 909
        bookmaker.start_desk()
        assert await alerts(anna) == before
        assert (await anna.rules()).rules == (WORST,)
        await asyncio.sleep(0)
        await bookmaker.check_rules()
        assert await alerts(anna) == before, "it is found again, and the open alert speaks of it"
        assert not (await anna.remove_rule("worst")).rules


async def test_who_may_set_rules(bookmaker: Bookmaker) -> None:
    for role in (Role.VIEWER, Role.SETTLER, Role.CASHIER, Role.AUDITOR):
        async with trader(bookmaker, role=role) as reader:
            with pytest.raises(RefusedError) as refused:
                await reader.set_rule(WORST)
            assert refused.value.reason == 908
            assert not (await reader.rules()).rules
    async with trader(bookmaker, role=Role.RISK) as risk:
        assert await risk.set_rule(WORST)
        with pytest.raises(RefusedError) as refused:
            await risk.set_rule(WatchRule(name="b", kind=NoBetStopRule(), action=Action.CUT_LIMITS))
        assert refused.value.reason == 102


async def test_a_viewer_is_told_of_alerts_and_of_no_account(bookmaker: Bookmaker) -> None:
    same = WatchRule(name="same", kind=IdenticalRule(accounts_min=2, p_max=0.1))
    async with (
        trader(bookmaker) as anna,
        trader(bookmaker, role=Role.VIEWER) as viewer,
        bettor(bookmaker, account=7) as client,
        bettor(bookmaker, account=8) as other,
    ):
        await anna.set_rule(same)
        await viewer.watch_alerts()
        await viewer.alerts()
        await bookmaker.check_rules()
        for number in range(30):
            bet = BET | {"market": 2, "stake_minor": 10 + number, "odds_milli": 1_900}
            await client.place(ref=f"o{number}", **bet)
        for one in (client, other):
            await one.place(ref="same", **BET | {"stake_minor": 777})
        await bookmaker.check_rules()
        assert [alert.accounts for alert in await alerts(anna)] == [(7, 8)]
        assert [alert.accounts for alert in await alerts(viewer)] == [()]
        async with asyncio.timeout(30):
            assert (await anext(viewer.alerts_seen())).alert.accounts == ()
