"""Real processes are killed, frozen and raced while bets are placed."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from actors.desk_messages import (
    AlertPage,
    DeskAnswer,
    DeskRequest,
    ListAlerts,
    ListRules,
    PutRule,
    RulePage,
    decode_answer,
)
from actors.messages import StatusQuery, decode_slip, encode
from actors.peer import PeerError
from actors.settings import ReconcilerSettings, SupervisorSettings
from actors.system import System
from actors.system_parts import SystemSettings
from engine.common.commands import ResumeMarket, SuspendMarket
from engine.common.events import MarketResumed, MarketSuspended
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.rows import BET, FLAG_KNOWN, Rows, SlipState
from engine.common.units import Minor
from engine.common.views import Slip
from engine.market.book import BET_RECORD
from engine.market.market import MarketMachine
from engine.watch.bounds import LiabilityRule
from engine.watch.rules import WatchRule
from persistence.chain import ChainReader
from persistence.disk import LocalDisk
from persistence.records import Kind, decode_bets, decode_market_control
from tests.cluster.betting_crowd import (
    Crowd,
    market_shell_pids,
    open_funded_markets,
    serves_again,
    spare,
    status,
    until,
)

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster")]

MARKET = "market-00000"
IN_FLIGHT_MAX = 250
"""Bets that wait for an answer at once; the next ones are placed as answers come."""


def system_in(folder: Path, *, markets_per_actor: int = 1, tick_deadline_ms: int = 2_000) -> System:
    return System(
        data_dir=str(folder),
        settings=SystemSettings(
            supervisor=SupervisorSettings(
                markets_per_actor=markets_per_actor, tick_deadline_ms=tick_deadline_ms
            ),
            reconciler=ReconcilerSettings(orphan_after_ms=2_000),
        ),
    )


async def slip_of(system: System, *, account_no: int, ref: str) -> Slip | None:
    peer = system.peer(system.routes.account_shell(account_no))
    return decode_slip(await peer.ask("query", encode(StatusQuery(account_no=account_no, ref=ref))))


async def no_bet_in_flight(system: System) -> bool:
    """Return whether every bet's verdict has reached its account.

    The reconciler may hear of a new process a moment after `status` shows it, and ask the dead one.
    """
    try:
        report = await system.compare_bets_and_slips()
    except PeerError:
        return False
    return report.in_flight == 0 and not any(total.pending_minor for total in report.totals)


async def assert_bets_and_slips_agree(system: System, crowd: Crowd) -> None:
    """Wait until no bet is in flight; then every answer, bet and slip must agree."""
    await crowd.all_answered()
    await until(lambda: no_bet_in_flight(system))
    report = await system.compare_bets_and_slips()
    assert report.agree, report.differences
    assert report.quiet
    accepted = [ref for ref, answer in crowd.answers.items() if answer.state == "accepted"]
    unknown = [ref for ref, answer in crowd.answers.items() if answer.state == "unknown"]
    in_force = 0
    for ref in accepted + unknown:
        slip = await slip_of(system, account_no=crowd.tickets[ref].account_no, ref=ref)
        has_slip = slip is not None and slip.state is SlipState.ACCEPTED
        in_force += has_slip
        assert has_slip or ref in unknown, f"{ref} was acknowledged and is lost"
    assert report.accepted == in_force, "a bet that nobody placed, or one bet twice"


async def test_a_market_shell_killed_under_load_neither_loses_nor_repeats_a_bet(tmp_path: Path):
    async with system_in(tmp_path) as system:
        first, second = await open_funded_markets(system, markets=2)
        async with Crowd(system, bet_deadline_ms=4_000) as crowd:
            before = await status(system, MARKET)
            assert before.health is not None
            killed = False
            while crowd.count(Reason.ACCEPTED) <= 1_000:
                for _ in range(25):
                    number = len(crowd.tickets)
                    market_no = (first, second)[number % 2]
                    crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
                if not killed and len(crowd.answers) > 300:
                    os.kill(before.health.pid, signal.SIGKILL)
                    killed = True
                await until(lambda: len(crowd.tickets) - len(crowd.answers) < IN_FLIGHT_MAX)
            assert killed
            await until(lambda: serves_again(system, before))
            await assert_bets_and_slips_agree(system, crowd)
            after = await status(system, MARKET)
            assert after.health is not None
            assert after.health.recovered_bets > 0
            assert after.outage_ms > 0


async def test_an_account_shell_killed_under_load_neither_loses_nor_repeats_a_bet(tmp_path: Path):
    async with system_in(tmp_path) as system:
        (market_no,) = await open_funded_markets(system)
        async with Crowd(system, bet_deadline_ms=4_000) as crowd:
            before = await status(system, "account-001")
            assert before.health is not None
            for number in range(800):
                crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
                if number % 25 == 0:
                    await asyncio.sleep(0.005)
                if number == 400:
                    os.kill(before.health.pid, signal.SIGKILL)
            await until(lambda: serves_again(system, before))
            await assert_bets_and_slips_agree(system, crowd)


async def test_the_spare_process_replaces_a_dead_shell_and_another_spare_starts(tmp_path: Path):
    async with system_in(tmp_path) as system:
        await open_funded_markets(system)
        for _ in range(2):
            before = await status(system, MARKET)
            assert before.health is not None
            idle = await spare(system)
            os.kill(before.health.pid, signal.SIGKILL)
            await until(lambda shell=before: serves_again(system, shell))
            after = await status(system, MARKET)
            assert after.health is not None
            assert after.health.pid == idle
            assert after.health.markets == 1
    await until(lambda: not market_shell_pids())


async def test_a_frozen_shell_is_killed_and_replaced_and_never_writes_again(tmp_path: Path):
    async with system_in(tmp_path, tick_deadline_ms=1_000) as system:
        (market_no,) = await open_funded_markets(system)
        async with Crowd(system, bet_deadline_ms=6_000, call_timeout_ms=500) as crowd:
            before = await status(system, MARKET)
            assert before.health is not None
            os.kill(before.health.pid, signal.SIGSTOP)
            for number in range(200):
                crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
            await until(lambda: serves_again(system, before))
            await assert_bets_and_slips_agree(system, crowd)
            after = await status(system, MARKET)
            assert after.health is not None
            assert after.health.epoch == before.health.epoch + 1
            assert not Path(f"/proc/{before.health.pid}").exists()


async def test_shells_killed_at_once_all_recover_the_same_state(tmp_path: Path):
    async with system_in(tmp_path) as system:
        numbers = await open_funded_markets(system, markets=3)
        async with Crowd(system) as crowd:
            for number in range(120):
                crowd.place(f"b{number}", account_no=number % 40, market_no=numbers[number % 3])
            await assert_bets_and_slips_agree(system, crowd)
            statuses = await system.statuses()
            hashes = {s.name: await system.peer(s.name).ask("state_hash") for s in statuses}
            for shell in statuses:
                assert shell.health is not None
                os.kill(shell.health.pid, signal.SIGKILL)
            for shell in statuses:
                await until(lambda before=shell: serves_again(system, before))
            await system.refresh()
            assert hashes == {s.name: await system.peer(s.name).ask("state_hash") for s in statuses}


async def test_killed_supervisor_reconciler_and_desk_are_restarted_and_no_bet_is_affected(
    tmp_path: Path,
):
    async with system_in(tmp_path) as system:
        (market_no,) = await open_funded_markets(system)
        shells = {s.name: s.generation for s in await system.statuses()}
        async with Crowd(system) as crowd:
            parts = system.pids()
            for number in range(400):
                crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
                if number == 100:
                    os.kill(parts["supervisor"], signal.SIGKILL)
                    os.kill(parts["reconciler"], signal.SIGKILL)
                    os.kill(parts["desk"], signal.SIGKILL)
                if number % 25 == 0:
                    await asyncio.sleep(0.01)
            await crowd.all_answered()
            assert crowd.count(Reason.ACCEPTED) == 400
            await until(lambda: all(system.pids()[name] != parts[name] for name in parts))
            await until(lambda: answers(system))
            await assert_bets_and_slips_agree(system, crowd)
            assert {s.name: s.generation for s in await system.statuses()} == shells
            await assert_desk_watches(system, crowd, market_no)
            before = await status(system, MARKET)
            assert before.health is not None
            os.kill(before.health.pid, signal.SIGKILL)
            await until(lambda: serves_again(system, before))


async def assert_desk_watches(system: System, crowd: Crowd, market_no: MarketNo) -> None:
    """Assert that the desk sees books and bets of shells that knew another process of it."""
    rule = WatchRule(name="any", kind=LiabilityRule(liability_minor_max=Minor(0)))

    async def ask(request: DeskRequest) -> DeskAnswer | None:
        desk = system._desk
        assert desk is not None
        try:
            return decode_answer(await desk.ask("request", encode(request)))
        except PeerError:  # the present process may not be announced yet
            return None

    async def is_set() -> bool:
        put = PutRule(by="trader:anna", name="any", rule=rule)
        return isinstance(await ask(put), RulePage)

    async def alerted() -> bool:
        answer = await ask(ListAlerts())
        return isinstance(answer, AlertPage) and bool(answer.alerts)

    async def seen() -> bool:
        crowd.place(f"w{len(crowd.answers)}", account_no=1, market_no=market_no)
        await crowd.all_answered()
        answer = await ask(ListRules())
        return isinstance(answer, RulePage) and answer.bets_seen > 0

    await until(is_set)
    await until(alerted)
    await until(seen)


async def answers(system: System) -> bool:
    """Return whether supervisor and reconciler answer."""
    try:
        await system.statuses()
        await system.compare_bets_and_slips()
    except PeerError:
        return False
    return True


def acceptances_while_suspended(folder: Path, market_no: int) -> tuple[int, int, int]:
    """Read a shell's journal; count acceptances while suspended, while open, and suspensions."""
    suspended = False
    wrong = right = suspensions = 0
    for record in ChainReader(LocalDisk(), folder):
        if record.kind == Kind.CONTROL:
            for event in decode_market_control(record.payload).events:
                if isinstance(event, MarketSuspended) and event.market_no == market_no:
                    suspended, suspensions = True, suspensions + 1
                elif isinstance(event, MarketResumed) and event.market_no == market_no:
                    suspended = False
        elif record.kind == Kind.BETS:
            bets, decisions = decode_bets(record.payload)
            fresh = (bets["market_no"] == market_no) & (decisions["flags"] & FLAG_KNOWN == 0)
            accepted = int((decisions["reason"][fresh] == 0).sum())
            wrong, right = (wrong + accepted, right) if suspended else (wrong, right + accepted)
    return wrong, right, suspensions


async def test_no_bet_is_accepted_after_the_suspension_that_it_races(tmp_path: Path):
    async with system_in(tmp_path) as system:
        (market_no,) = await open_funded_markets(system)
        async with Crowd(system) as crowd:
            done = asyncio.Event()

            async def trader() -> None:
                while not done.is_set():
                    await system.control([SuspendMarket(market_no=market_no, why="race")])
                    await asyncio.sleep(0.003)
                    await system.control([ResumeMarket(market_no=market_no)])
                    await asyncio.sleep(0.003)

            racing = asyncio.create_task(trader())
            for number in range(1_500):
                crowd.place(f"b{number}", account_no=number % 40, market_no=market_no)
                if number % 10 == 0:
                    await asyncio.sleep(0.002)
            await crowd.all_answered()
            done.set()
            await racing
            await assert_bets_and_slips_agree(system, crowd)
        accepted, suspended = crowd.count(Reason.ACCEPTED), crowd.count(Reason.MARKET_SUSPENDED)
        assert accepted + suspended == 1_500
        assert min(accepted, suspended) > 0
    wrong, right, suspensions = acceptances_while_suspended(tmp_path / "shells" / MARKET, market_no)
    assert wrong == 0
    assert right == accepted
    assert suspensions > 10


def decided_one_by_one(records: Rows, machine: MarketMachine) -> list[int]:
    """Return the reasons of the same bets decided one at a time, in the shell's order."""
    reasons = []
    for record in records:
        bet = np.zeros(1, BET)
        for field in ("bet_id", "stake_minor", "account_no", "market_no", "rate_micro", "outcome"):
            bet[field] = record[field]
        bet["odds_milli"] = record["odds_seen_milli"]
        bet["policy"] = record["policy"]
        reasons.append(int(machine.place(bet, 1)[0]["reason"]))
    return reasons


async def test_a_thousand_bets_at_once_keep_the_limit_and_are_decided_as_one_by_one(tmp_path: Path):
    limit_minor = 31_000  # the liability of 310 bets of 100 at 2.000
    async with system_in(tmp_path) as system:
        (market_no,) = await open_funded_markets(system, outcome_liability_minor_max=limit_minor)
        async with Crowd(system) as crowd:
            for number in range(1_000):
                stake_minor = 100 + number % 7
                crowd.place(
                    f"b{number}",
                    account_no=number % 40,
                    market_no=market_no,
                    stake_minor=stake_minor,
                )
            await assert_bets_and_slips_agree(system, crowd)
        shell = system.peer(MARKET)
        records = np.frombuffer(await shell.ask("bets"), BET_RECORD)
        assert len(records) == 1_000
        stakes = records["stake_minor"][records["reason"] == 0]
        assert limit_minor - 106 < int(stakes.sum()) <= limit_minor
        assert crowd.count(Reason.OUTCOME_LIABILITY) == 1_000 - len(stakes)
    with_limits = MarketMachine()
    for record in ChainReader(LocalDisk(), tmp_path / "shells" / MARKET):
        if record.kind == Kind.CONTROL:
            for command in decode_market_control(record.payload).commands:
                with_limits.apply(command, 1)
    assert decided_one_by_one(records, with_limits) == records["reason"].tolist()
