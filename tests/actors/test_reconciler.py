"""The reconciler between shells in one process, whose calls are lost and run twice on purpose."""

import asyncio

import numpy as np
import pytest

from actors.account_shell import AccountShell
from actors.market_shell import MarketShell
from actors.messages import (
    MarketRoute,
    ReconciliationReport,
    ShellRoute,
    ShellState,
    decode_reconciliation_report,
    decode_totals,
)
from actors.reconciler import Reconciler
from actors.routes import account_shell_name
from actors.settings import ReconcilerSettings
from engine.common.commands import CancelMarket, SettleMarket, SuspendMarket
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import Rows, SlipState
from persistence.journal import JournalOptions
from tests.actors.stand_ins import UnreliablePeer
from tests.actors.trade import (
    bets_of,
    decisions_of,
    events_of,
    fund,
    market_control,
    open_market,
    reservations,
    settle_home,
    slip,
)
from tests.actors.virtual import run_virtual
from tests.faults.faulty_disk import FaultyDisk

SECOND_NS = 1_000_000_000
MARKET = "market-00000"
OPTIONS = JournalOptions(allocate_bytes=1, snapshot_aside=False)


class ReconciledShells:
    """Two account shards, one market shell with two markets, and the reconciler between them."""

    def __init__(self, **settings: int) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.market_disk = FaultyDisk()
        self.accounts = [
            AccountShell(
                name=account_shell_name(shard),
                folder="/account",
                shard=shard,
                options=OPTIONS,
                disk=FaultyDisk(),
                clock=self.clock,
            )
            for shard in range(2)
        ]
        self.market = self.open_market_shell()
        open_market(self.market, market_no=1)
        open_market(self.market, market_no=2, key="cup-1/other")
        fund(self.accounts[0], range(0, 20, 2))
        fund(self.accounts[1], range(1, 20, 2))
        self.reconciler = Reconciler(
            shards=2, settings=ReconcilerSettings(**settings), clock=self.clock
        )
        self.peers = {s.name: UnreliablePeer(s, name=s.name) for s in (*self.accounts, self.market)}
        self.notify_routes()

    def clock(self) -> int:
        return self.now_ns

    def open_market_shell(self, *, quarantine: str = "") -> MarketShell:
        return MarketShell(
            name=MARKET,
            folder="/market",
            options=OPTIONS,
            quarantine=quarantine,
            disk=self.market_disk,
            clock=self.clock,
        )

    def notify_routes(self, *, market_state: ShellState = ShellState.SERVING) -> None:
        shells = [
            ShellRoute(
                name=shell.name,
                kind="account",
                generation=1,
                state=ShellState.SERVING,
                shard=shard,
            )
            for shard, shell in enumerate(self.accounts)
        ]
        shells.append(ShellRoute(name=MARKET, kind="market", generation=1, state=market_state))
        markets = [
            MarketRoute(market_no=1, key="cup-1/1x2", shell=MARKET),
            MarketRoute(market_no=2, key="cup-1/other", shell=MARKET),
        ]
        self.reconciler.on_routes(1, shells, markets, self.peers)

    def restart_market(self, *, quarantine: str = "") -> None:
        self.market.abandon()
        self.market = self.open_market_shell(quarantine=quarantine)
        self.peers[MARKET] = UnreliablePeer(self.market, name=MARKET)
        self.notify_routes()

    def fill_market_disk(self) -> None:
        """Leave the market's journal no room for another record."""
        self.market_disk.capacity = sum(map(len, self.market_disk.files().values()))
        command = market_control(SuspendMarket(market_no=2))
        while not isinstance(event := events_of(self.market.control(command))[0], Refused):
            pass
        assert event.reason is Reason.DISK_FULL

    def reserve(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Reserve stakes and return the BET rows that a gateway sends on."""
        requests = reservations(refs, account_no=account_no, market_no=market_no)
        return bets_of(requests, self.accounts[account_no % 2].exchange(b"", requests.tobytes()))

    def bet(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Place bets from the reservation to the posted verdict."""
        bets = self.reserve(*refs, account_no=account_no, market_no=market_no)
        self.accounts[account_no % 2].exchange(self.market.place(bets.tobytes()), b"")
        return bets

    def step(self) -> dict[str, int]:
        return run_virtual(self.reconciler.step())

    def compare(self) -> ReconciliationReport:
        return decode_reconciliation_report(run_virtual(self.reconciler.compare()))

    def advance(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)

    def state(self, ref: str, *, account_no: int = 2) -> SlipState:
        found = slip(self.accounts[account_no % 2], ref, account_no=account_no)
        state: SlipState = found.state
        return state

    def house_minor(self) -> int:
        totals = [t for shell in self.accounts for t in decode_totals(shell.totals())]
        return sum(total.house_minor for total in totals)


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
    assert shells.step() == {"settled": 0, "resolved": 0, "postponed": 0}
    assert shells.state("a") is SlipState.PENDING


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
    assert shells.step() == {"settled": 0, "resolved": 0, "postponed": 1}


# --- settlements ----------------------------------------------------------------------------


def trade_and_settle(shells: ReconciledShells) -> int:
    """Place five bets in each shard, settle all as won; return the house's loss."""
    for number in range(5):
        shells.bet(f"even-{number}", account_no=2)
        shells.bet(f"odd-{number}", account_no=3)
    shells.market.control(market_control(settle_home()))
    return 10 * 100


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


def test_two_steps_never_overlap(shells: ReconciledShells):
    loss_minor = trade_and_settle(shells)

    async def main() -> None:
        await asyncio.gather(*(shells.reconciler.step() for _ in range(3)))

    run_virtual(main())
    assert shells.peers[MARKET].methods.count("outbox_shards") == 3
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
