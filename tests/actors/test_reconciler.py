"""The reconciler between shells in one process, whose calls are lost and run twice on purpose."""

import asyncio

import numpy as np
import pytest

from actors.messages import (
    ShellState,
)
from actors.routes import account_shell_name
from engine.common.commands import CancelMarket, SettleMarket
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from tests.actors.reconciled_shells import (
    MARKET,
    SECOND_NS,
    ReconciledShells,
    trade_and_settle,
)
from tests.actors.trade import (
    decisions_of,
    market_control,
    settle_home,
)
from tests.actors.virtual import run_virtual


@pytest.fixture
def shells() -> ReconciledShells:
    return ReconciledShells(orphan_after_ms=10_000, chunk_rows=2)


# --- orphans --------------------------------------------------------------------------------


def test_an_orphan_whose_bet_the_market_accepted_is_posted(shells: ReconciledShells):
    bets = shells.reserve("a")
    shells.market.place(bets.tobytes())
    shells.advance(11)
    assert shells.step()["resolved"] == 1
    assert shells.state("a") is SlipState.ACCEPTED
    assert shells.compare().agree


def test_an_orphan_the_market_never_received_is_voided_and_refused_when_it_arrives_late(
    shells: ReconciledShells,
):
    bets = shells.reserve("a")
    shells.advance(11)
    assert shells.step()["resolved"] == 1
    assert shells.state("a") is SlipState.REFUSED
    (late,) = decisions_of(shells.market.place(bets.tobytes()))
    assert late["reason"] == Reason.FENCED
    report = shells.compare()
    assert report.agree
    assert report.accepted == 0


def test_a_reservation_younger_than_the_bound_stays_pending(shells: ReconciledShells):
    shells.reserve("a")
    shells.advance(9)
    assert shells.step() == {"settled": 0, "resolved": 0, "charged": 0, "postponed": 0}
    assert shells.state("a") is SlipState.PENDING


def test_a_clock_that_was_set_an_hour_ahead_and_back_delays_no_orphan(shells: ReconciledShells):
    shells.now_ns += 3_600 * SECOND_NS
    shells.reserve("a")
    shells.now_ns -= 3_600 * SECOND_NS
    shells.advance(11)
    assert shells.step()["resolved"] == 1
    assert shells.state("a") is SlipState.REFUSED


def test_a_clock_that_is_set_an_hour_ahead_makes_no_orphan(shells: ReconciledShells):
    shells.reserve("a")
    shells.step()
    shells.now_ns += 3_600 * SECOND_NS
    assert shells.step()["resolved"] == 0
    assert shells.state("a") is SlipState.PENDING


def test_bets_made_all_the_time_grow_old_one_after_another(shells: ReconciledShells):
    for number in range(40):
        shells.reserve(f"a{number}")
        shells.advance(0.5)
    shells.step()
    states = [shells.state(f"a{number}") for number in range(40)]
    old = states.count(SlipState.REFUSED)
    assert states == [SlipState.REFUSED] * old + [SlipState.PENDING] * (40 - old)
    assert 19 <= old <= 21, "at the age of 10 s, or a sixteenth of that later"


def test_more_orphans_than_a_portion_are_resolved_portion_by_portion(shells: ReconciledShells):
    shells.reserve(*(f"a{n}" for n in range(5)))
    shells.advance(11)
    assert [shells.step()["resolved"] for _ in range(2)] == [5, 0]
    assert shells.peers[MARKET].methods.count("place") == 3


def test_stakes_that_must_wait_do_not_hold_back_others(shells: ReconciledShells):
    shells.reserve("w1", "w2", "w3", "w4", market_no=77)  # two portions of a market without a route
    shells.reserve("a")
    shells.advance(11)
    assert shells.step()["resolved"] == 1
    assert shells.state("a") is SlipState.REFUSED
    assert shells.state("w1") is SlipState.PENDING


def test_an_orphan_waits_for_a_market_that_is_down(shells: ReconciledShells):
    shells.reserve("a")
    shells.advance(11)
    shells.notify_routes(market_state=ShellState.DOWN)
    assert shells.step()["postponed"] == 1
    assert shells.state("a") is SlipState.PENDING
    shells.notify_routes()
    assert shells.step()["resolved"] == 1


def test_a_refusal_that_no_journal_records_is_no_verdict(shells: ReconciledShells):
    bets = shells.reserve("a")
    shells.market.place(bets.tobytes())  # accepted, and the answer is lost
    shells.restart_market(quarantine="under inspection")
    shells.advance(11)
    assert shells.step()["resolved"] == 0
    assert shells.state("a") is SlipState.PENDING
    shells.restart_market()
    assert shells.step()["resolved"] == 1
    assert shells.state("a") is SlipState.ACCEPTED


@pytest.mark.parametrize("method", ["place", "resolve"])
@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_an_orphan_is_resolved_whichever_call_or_answer_is_lost(
    shells: ReconciledShells, method: str, fault: str
):
    placed = shells.reserve("a")
    shells.reserve("b")
    shells.market.place(placed.tobytes())
    shells.advance(11)
    for peer in shells.peers.values():
        getattr(peer, fault)[method] = 1
    assert shells.step()["resolved"] == 0
    shells.step()
    assert shells.state("a") is SlipState.ACCEPTED
    assert shells.state("b") is SlipState.REFUSED
    assert shells.compare().agree


def test_a_stake_on_a_market_without_a_route_stays_pending(shells: ReconciledShells):
    shells.reserve("a", market_no=77)
    shells.advance(11)
    assert shells.step() == {"settled": 0, "resolved": 0, "charged": 0, "postponed": 1}


# --- settlements ----------------------------------------------------------------------------


def test_settlements_reach_their_accounts_in_portions_and_leave_the_outbox(
    shells: ReconciledShells,
):
    loss_minor = trade_and_settle(shells)
    assert shells.step()["settled"] == 10
    assert shells.house_minor() == -loss_minor
    assert shells.market.outbox_shards() == []
    assert shells.step()["settled"] == 0
    assert shells.compare().agree


@pytest.mark.parametrize("method", ["outbox", "outbox_shards", "settle", "control"])
@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_every_bet_is_paid_once_whichever_call_or_answer_is_lost(
    shells: ReconciledShells, method: str, fault: str
):
    loss_minor = trade_and_settle(shells)
    for peer in shells.peers.values():
        getattr(peer, fault)[method] = 2
    for _ in range(6):
        shells.step()
    assert shells.house_minor() == -loss_minor
    assert shells.market.outbox_shards() == []
    report = shells.compare()
    assert report.agree
    assert report.quiet


def test_every_bet_is_paid_once_when_every_call_runs_twice(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)
    for peer in shells.peers.values():
        peer.run_twice = {"settle", "control", "resolve", "place"}
    shells.step()
    assert shells.house_minor() == -loss_minor


def test_a_market_killed_before_the_acknowledgement_pays_no_bet_twice(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)
    shells.peers[MARKET].lose_calls["control"] = 100
    assert shells.step()["settled"] == 0
    shells.restart_market()
    for _ in range(2):
        shells.step()
    assert shells.house_minor() == -loss_minor
    assert shells.market.outbox_shards() == []


def test_a_refused_acknowledgement_postpones_the_rest_to_the_next_step(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)
    shells.fill_market_disk()
    report = shells.step()
    assert (report["settled"], report["postponed"]) == (0, 2)
    assert shells.peers[MARKET].methods.count("outbox") == 2
    shells.market_disk.capacity = None
    assert shells.step()["settled"] == 10
    assert shells.house_minor() == -loss_minor


def test_a_defect_in_one_shell_ends_neither_the_step_nor_the_loop(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)
    fail = shells.peers[account_shell_name(0)].fail
    fail.add("settle")

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(1)
        assert shells.house_minor() == -loss_minor // 2
        fail.clear()
        await asyncio.sleep(1)
        await shells.reconciler.stop()

    run_virtual(main())
    assert shells.house_minor() == -loss_minor


def test_a_resettlement_reverses_and_replaces(shells: ReconciledShells):
    trade_and_settle(shells)
    shells.step()
    away = tuple(reversed(settle_home().results))
    shells.market.control(market_control(SettleMarket(market_no=1, results=away)))
    shells.step()
    assert shells.house_minor() == 10 * 100
    shells.market.control(market_control(CancelMarket(market_no=1, why="abandoned")))
    shells.step()
    assert shells.house_minor() == 0
    assert shells.compare().agree


def test_steps_at_the_same_time_share_the_work_with_each_shell(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)

    async def main() -> None:
        await asyncio.gather(*(shells.reconciler.step() for _ in range(3)))

    run_virtual(main())
    assert shells.peers[MARKET].methods.count("outbox_shards") == 1
    assert [shells.peers[a.name].methods.count("settle") for a in shells.accounts] == [3, 3]
    assert shells.house_minor() == -loss_minor


def test_the_loop_steps_once_a_period_until_it_is_stopped(shells: ReconciledShells):
    async def main() -> None:
        await shells.reconciler.start()
        await shells.reconciler.start()
        await asyncio.sleep(1.05)
        await shells.reconciler.stop()
        await asyncio.sleep(1)

    run_virtual(main())
    assert shells.peers[MARKET].methods.count("outbox_shards") == 6


# --- comparison ----------------------------------------------------------------------------------


def test_bets_and_slips_agree_and_bets_in_flight_are_counted_apart(shells: ReconciledShells):
    shells.bet("a", "b")
    unposted = shells.reserve("c", "d")
    shells.market.place(unposted.tobytes())
    report = shells.compare()
    assert report.agree
    assert (report.accepted, report.in_flight, report.slips) == (4, 2, 4)
    assert report.quiet


def test_a_slip_in_force_without_an_accepted_bet_is_found(shells: ReconciledShells):
    bets = shells.reserve("a", "b")
    verdicts = decisions_of(shells.market.place(bets[:1].tobytes()))
    forged = np.concatenate([verdicts, verdicts])
    forged["bet_id"][1] = bets["bet_id"][1]
    shells.accounts[0].exchange(forged.tobytes(), b"")
    report = shells.compare()
    assert not report.agree
    assert report.differences == (
        f"bet {bets['bet_id'][1]}: stands in its account, not accepted by any market",
    )


def test_odds_that_differ_between_bet_and_slip_are_found(shells: ReconciledShells):
    bets = shells.reserve("a")
    verdicts = decisions_of(shells.market.place(bets.tobytes())).copy()
    verdicts["odds_milli"] = 2_500
    shells.accounts[0].exchange(verdicts.tobytes(), b"")
    (difference,) = shells.compare().differences
    assert "odds_milli is 2000 in its market, 2500 in its account" in difference


def test_a_bet_refused_in_its_account_but_accepted_by_its_market_is_found(shells: ReconciledShells):
    bets = shells.reserve("a")
    verdicts = decisions_of(shells.market.place(bets.tobytes())).copy()
    verdicts["reason"] = Reason.MARKET_CLOSED
    shells.accounts[0].exchange(verdicts.tobytes(), b"")
    (difference,) = shells.compare().differences
    assert "accepted by its market, refused in its account" in difference


def test_a_bet_whose_number_no_account_gave_is_found(shells: ReconciledShells):
    forged = shells.reserve("a").copy()
    forged["bet_id"] = (9 << 48) + 1
    shells.market.place(forged.tobytes())
    (difference,) = shells.compare().differences
    assert "accepted by its market, unknown to its account" in difference
