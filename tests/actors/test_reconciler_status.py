"""What fails is isolated and shown, and bets are compared with slips all the time."""

import asyncio

import numpy as np
import pytest

from actors.messages import (
    ReconcilerStatus,
    ShellState,
    decode_health,
    decode_reconciler_status,
)
from actors.peer import LocalPeer
from engine.common.reasons import Reason
from engine.common.rows import DECISION, SlipState
from tests.actors.reconciled_shells import MARKET, ReconciledShells, trade_and_settle
from tests.actors.trade import (
    market_control,
    settle_home,
)
from tests.actors.virtual import run_virtual


@pytest.fixture
def shells() -> ReconciledShells:
    return ReconciledShells(orphan_after_ms=10_000, chunk_rows=2)


# --- isolation and status ------------------------------------------------------------------------


def status_of(shells: ReconciledShells) -> ReconcilerStatus:
    return decode_reconciler_status(shells.reconciler.status())


def test_a_shell_that_does_not_answer_holds_up_no_other(shells: ReconciledShells):
    trade_and_settle(shells)
    slow = shells.peers[shells.accounts[0].name]
    slow.hang.add("settle")

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(0.3)
        assert shells.peers[shells.accounts[1].name].methods.count("settle") == 3
        assert shells.market.outbox_shards() == [0]
        slow.hang.clear()
        slow.thaw.set()
        await asyncio.sleep(30)
        await shells.reconciler.stop()

    run_virtual(main())
    assert shells.market.outbox_shards() == []


def test_work_that_fails_is_tried_ever_less_often_and_shown_until_it_succeeds(
    shells: ReconciledShells, caplog: pytest.LogCaptureFixture
):
    trade_and_settle(shells)
    broken = shells.peers[shells.accounts[0].name]
    broken.fail.add("settle")

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(120)
        assert 10 <= broken.methods.count("settle") <= 22, "0.2, 0.4, ... 10, 10, ..."
        (trouble,) = status_of(shells).troubles
        assert trouble.startswith(f"{MARKET} to account-000: ")
        assert "a defect" in trouble
        broken.fail.clear()
        await asyncio.sleep(11)
        await shells.reconciler.stop()

    run_virtual(main())
    assert status_of(shells).troubles == ()
    assert shells.market.outbox_shards() == []
    postponed = [
        r for r in caplog.records if "postponed" in r.message and "account-000" in r.message
    ]
    assert len(postponed) == 1, "said once"
    assert any("goes on after" in record.message for record in caplog.records)


@pytest.mark.parametrize("method", ["place", "resolve"])
def test_trouble_with_a_stake_ends_when_its_gateway_resolves_it(
    shells: ReconciledShells, method: str
):
    bets = shells.reserve("a")
    shells.advance(11)
    for peer in shells.peers.values():
        peer.lose_calls[method] = 1
    shells.step()
    assert len(status_of(shells).troubles) == 1
    shells.accounts[0].exchange(shells.market.place(bets.tobytes()), b"")
    shells.step()
    assert status_of(shells).troubles == ()


def test_trouble_with_settlements_ends_when_the_lost_answer_was_that_they_are_carried(
    shells: ReconciledShells,
):
    trade_and_settle(shells)
    shells.peers[MARKET].lose_answers["control"] = 10
    while shells.market.outbox_shards():
        shells.step()
    shells.step()
    assert status_of(shells).troubles == ()


def test_a_step_that_fails_ends_no_later_step(
    shells: ReconciledShells, caplog: pytest.LogCaptureFixture
):
    class Broken(LocalPeer):
        def notify(self, method: str, /, *args: object) -> None:
            raise ZeroDivisionError("a defect")

    async def main() -> None:
        shells.reconciler.report_to(Broken(object(), name="listener"))
        await shells.reconciler.start()
        await asyncio.sleep(1)
        trade_and_settle(shells)
        await asyncio.sleep(3)
        await shells.reconciler.stop()

    run_virtual(main())
    assert shells.market.outbox_shards() == []
    assert "a step failed" in caplog.text


def test_a_status_that_changed_is_sent_to_the_listener(shells: ReconciledShells):
    received: list[ReconcilerStatus] = []

    class Listener:
        def on_reconciliation(self, payload: bytes) -> None:
            received.append(decode_reconciler_status(payload))

    async def main() -> None:
        shells.reconciler.report_to(LocalPeer(Listener(), name="listener"))
        await shells.reconciler.start()
        await asyncio.sleep(0.1)
        trade_and_settle(shells)
        await asyncio.sleep(3)
        await shells.reconciler.stop()

    run_virtual(main())
    assert [status.settled for status in received] == [0, 10]


def test_a_status_that_has_not_changed_is_sent_every_five_seconds(
    shells: ReconciledShells,
):
    received: list[ReconcilerStatus] = []

    class Listener:
        def on_reconciliation(self, payload: bytes) -> None:
            received.append(decode_reconciler_status(payload))

    async def main() -> None:
        shells.reconciler.report_to(LocalPeer(Listener(), name="listener"))
        await shells.reconciler.start()
        await asyncio.sleep(21)
        await shells.reconciler.stop()

    run_virtual(main())
    assert len(received) == 5, "an unchanged status is sent every 5 s"


# --- running comparison --------------------------------------------------------------------------


def compared(shells: ReconciledShells, *, seconds: float = 10) -> ReconcilerStatus:
    """Run the reconciler for some virtual seconds and return its status."""

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(seconds)
        await shells.reconciler.stop()

    run_virtual(main())
    return status_of(shells)


def test_the_running_comparison_reads_every_bet_and_slip_in_slices_and_finds_nothing_wrong():
    shells = ReconciledShells(compare_rows=3, compare_period_ms=100)
    trade_and_settle(shells)
    shells.reserve("pending")
    status = compared(shells)
    assert status.compared > 3 * (10 + 11)
    assert status.differences_found == 0


def test_the_running_comparison_names_what_accounts_and_markets_disagree_on():
    shells = ReconciledShells(compare_rows=3, compare_period_ms=100)
    gone = shells.reserve("accepted here alone")
    verdict = np.zeros(1, DECISION)
    verdict["bet_id"], verdict["odds_milli"] = gone["bet_id"], 2_000
    shells.accounts[0].exchange(verdict.tobytes(), b"")
    refused = shells.reserve("refused here alone")
    shells.market.place(refused.tobytes())
    verdict["bet_id"], verdict["reason"] = refused["bet_id"], Reason.FENCED
    shells.accounts[0].exchange(verdict.tobytes(), b"")
    moved = shells.reserve("other odds")
    shells.market.place(moved.tobytes())
    verdict["bet_id"], verdict["reason"], verdict["odds_milli"] = moved["bet_id"], 0, 2_100
    shells.accounts[0].exchange(verdict.tobytes(), b"")
    unknown = shells.reserve("later")
    unknown["bet_id"] += 7
    shells.market.place(unknown.tobytes())
    status = compared(shells)
    assert set(status.differences) == {
        f"bet {gone['bet_id'][0]}: stands in its account, not accepted by any market",
        f"bet {refused['bet_id'][0]}: accepted by its market, refused in its account",
        f"bet {moved['bet_id'][0]}: odds_milli is 2000 in its market, 2100 in its account",
        f"bet {unknown['bet_id'][0]}: accepted by its market, unknown to its account",
    }
    assert status.differences_found == 4


def test_the_running_comparison_names_a_market_that_states_another_result_than_its_bets():
    shells = ReconciledShells(compare_rows=3, compare_period_ms=100)
    trade_and_settle(shells)
    assert compared(shells).differences_found == 0
    machine = shells.market._machine()
    assert machine.book_image(1).result.paid_minor == 2_000
    machine._book.returned["paid_minor"][0] += 7
    status = compared(shells)
    assert set(status.differences) == {
        f"market 1 (cup-1/1x2): {name}{field} is stated as {stated}, by its bets it is {counted}"
        for name in ("outcome 0: ", "")
        for field, stated, counted in (
            ("paid_minor", 2_007, 2_000),
            ("profit_minor", -1_007, -1_000),
        )
    }
    machine._book.returned["paid_minor"][0] -= 7
    assert compared(shells).differences_found == 0


def test_a_shell_that_does_not_serve_holds_up_no_comparison_of_others():
    shells = ReconciledShells(compare_rows=2, compare_period_ms=100)
    trade_and_settle(shells)
    shells.restart_market(quarantine="under inspection")
    shells.notify_routes(market_state=ShellState.QUARANTINED)
    status = compared(shells)
    assert status.compared > 2 * 10, "each account from its first slip to its last, again and again"
    assert status.troubles == ()


def test_a_settlement_of_a_refused_bet_is_carried_and_held_as_a_dispute(shells: ReconciledShells):
    bets = shells.reserve("a")
    shells.market.place(bets.tobytes())
    verdict = np.zeros(1, DECISION)
    verdict["bet_id"], verdict["reason"] = bets["bet_id"], Reason.FENCED
    shells.accounts[0].exchange(verdict.tobytes(), b"")
    shells.bet("b")
    shells.market.control(market_control(settle_home()))
    assert shells.step()["settled"] == 2, "it blocks no other row"
    assert shells.state("b") is SlipState.SETTLED
    assert decode_health(shells.accounts[0].tick()).disputes == 1
