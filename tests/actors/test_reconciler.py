"""The reconciler between real shells in one process; calls are lost and doubled on purpose."""

import asyncio
from pathlib import Path
from typing import Any

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
    encode,
)
from actors.peer import LocalPeer, PeerDiedError, PeerTimeoutError
from actors.reconciler import Reconciler
from actors.routes import account_shell_name
from actors.settings import ReconcilerSettings
from engine.common.commands import CancelMarket, SettleMarket
from engine.common.events import Refused
from engine.common.reasons import Reason
from engine.common.rows import RESERVED, Rows, SlipState
from persistence.journal import JournalOptions
from tests.actors.test_account_shell import slip
from tests.actors.trade import (
    bets_of,
    decisions_of,
    fund,
    market_control,
    open_market,
    reservations,
    settle_home,
)
from tests.actors.virtual import run_virtual

SECOND_NS = 1_000_000_000
MARKET = "market-00000"


class Line(LocalPeer):
    """A line to a shell on which a test may lose answers, lose calls, or send twice."""

    def __init__(self, target: object, *, name: str) -> None:
        super().__init__(target, name=name)
        self.lose_answers: dict[str, int] = {}
        self.lose_calls: dict[str, int] = {}
        self.double: set[str] = set()
        self.asked: list[str] = []

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self.asked.append(method)
        await asyncio.sleep(0)  # as on any real line, others get their turn
        if self.lose_calls.get(method, 0) > 0:
            self.lose_calls[method] -= 1
            raise PeerDiedError(f"{self.name}.{method}: lost on the way there")
        answer = await super().ask(method, *args, timeout_s=timeout_s)
        if method in self.double:
            answer = await super().ask(method, *args, timeout_s=timeout_s)
        if self.lose_answers.get(method, 0) > 0:
            self.lose_answers[method] -= 1
            raise PeerTimeoutError(f"{self.name}.{method}: lost on the way back")
        return answer


class World:
    """Two account shards, one market shell with two markets, and the reconciler."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.now_ns = 1_000 * SECOND_NS
        self.folder = folder
        self.options = JournalOptions(snapshot_aside=False)
        clock = lambda: self.now_ns  # noqa: E731
        self.clock = clock
        self.accounts = [
            AccountShell(
                name=account_shell_name(shard),
                folder=str(folder / f"account-{shard}"),
                shard=shard,
                options=self.options,
                clock=clock,
            )
            for shard in range(2)
        ]
        self.market = self.open_market_shell()
        open_market(self.market, market_no=1)
        open_market(self.market, market_no=2, key="cup-1/other")
        fund(self.accounts[0], range(0, 20, 2))
        fund(self.accounts[1], range(1, 20, 2))
        self.reconciler = Reconciler(shards=2, settings=ReconcilerSettings(**settings), clock=clock)
        self.lines = {s.name: Line(s, name=s.name) for s in (*self.accounts, self.market)}
        self.notify_routes()

    def open_market_shell(self) -> MarketShell:
        return MarketShell(
            name=MARKET,
            folder=str(self.folder / "market"),
            options=self.options,
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
        self.reconciler.on_routes(1, shells, markets, self.lines)

    def restart_market(self) -> None:
        self.market.abandon()
        self.market = self.open_market_shell()
        self.lines[MARKET] = Line(self.market, name=MARKET)
        self.notify_routes()

    def reserve(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Reserve stakes and return the BET rows a gateway would send on."""
        asked = reservations(refs, account_no=account_no, market_no=market_no)
        return bets_of(asked, self.accounts[account_no % 2].exchange(b"", asked.tobytes()))

    def bet(self, *refs: str, account_no: int = 2, market_no: int = 1) -> Rows:
        """Take bets the whole way."""
        bets = self.reserve(*refs, account_no=account_no, market_no=market_no)
        self.accounts[account_no % 2].exchange(self.market.place(bets.tobytes()), b"")
        return bets

    def step(self) -> dict[str, int]:
        return run_virtual(self.reconciler.step())

    def compare(self) -> ReconciliationReport:
        return decode_reconciliation_report(run_virtual(self.reconciler.compare()))

    def later(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)

    def state(self, ref: str, *, account_no: int = 2) -> SlipState:
        found = slip(self.accounts[account_no % 2], ref, account_no=account_no)
        state: SlipState = found.state
        return state

    def house_minor(self) -> int:
        totals = [t for shell in self.accounts for t in decode_totals(shell.totals())]
        return sum(total.house_minor for total in totals)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, orphan_after_ms=10_000, chunk_rows=2)


# --- orphans --------------------------------------------------------------------------------


def test_an_orphan_whose_bet_the_market_took_is_posted(world: World):
    bets = world.reserve("a")
    world.market.place(bets.tobytes())
    world.later(11)
    assert world.step()["resolved"] == 1
    assert world.state("a") is SlipState.ACCEPTED
    assert world.compare().agree


def test_an_orphan_the_market_never_saw_is_voided_and_its_late_arrival_refused(world: World):
    bets = world.reserve("a")
    world.later(11)
    assert world.step()["resolved"] == 1
    assert world.state("a") is SlipState.REFUSED
    (late,) = decisions_of(world.market.place(bets.tobytes()))
    assert late["reason"] == Reason.FENCED
    report = world.compare()
    assert report.agree
    assert report.accepted == 0


def test_a_young_reservation_is_left_alone(world: World):
    world.reserve("a")
    world.later(9)
    assert world.step() == {"settled": 0, "resolved": 0, "postponed": 0}
    assert world.state("a") is SlipState.PENDING


def test_more_orphans_than_a_portion_are_resolved_portion_by_portion(world: World):
    world.reserve(*(f"a{n}" for n in range(5)))
    world.later(11)
    assert [world.step()["resolved"] for _ in range(2)] == [5, 0]
    assert world.lines[MARKET].asked.count("place") == 3


def test_stakes_that_must_wait_hold_back_no_others(world: World):
    world.reserve("w1", "w2", "w3", "w4", market_no=77)  # two portions of a market without a route
    world.reserve("a")
    world.later(11)
    assert world.step()["resolved"] == 1
    assert world.state("a") is SlipState.REFUSED
    assert world.state("w1") is SlipState.PENDING


def test_an_orphan_waits_for_a_market_that_is_down(world: World):
    world.reserve("a")
    world.later(11)
    world.notify_routes(market_state=ShellState.DOWN)
    assert world.step()["postponed"] == 1
    assert world.state("a") is SlipState.PENDING
    world.notify_routes()
    assert world.step()["resolved"] == 1


def test_a_refusal_the_market_did_not_write_down_is_no_verdict(world: World):
    bets = world.reserve("a")
    world.market.place(bets.tobytes())  # taken, and the answer lost
    world.market.abandon()
    world.market = MarketShell(
        name=MARKET,
        folder=str(world.folder / "market"),
        options=world.options,
        quarantine="under inspection",
    )
    world.lines[MARKET] = Line(world.market, name=MARKET)
    world.notify_routes()
    world.later(11)
    assert world.step()["resolved"] == 0
    assert world.state("a") is SlipState.PENDING
    world.restart_market()
    assert world.step()["resolved"] == 1
    assert world.state("a") is SlipState.ACCEPTED


@pytest.mark.parametrize("method", ["place", "resolve"])
@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_an_orphan_is_resolved_whatever_call_is_lost(world: World, method: str, fault: str):
    taken, unseen = world.reserve("a"), world.reserve("b")
    world.market.place(taken.tobytes())
    assert len(unseen) == 1
    world.later(11)
    for line in world.lines.values():
        getattr(line, fault)[method] = 1
    assert world.step()["resolved"] == 0
    world.step()
    assert world.state("a") is SlipState.ACCEPTED
    assert world.state("b") is SlipState.REFUSED
    assert world.compare().agree


def test_a_market_nobody_knows_keeps_its_stake_pending(world: World):
    world.reserve("a", market_no=77)
    world.later(11)
    assert world.step() == {"settled": 0, "resolved": 0, "postponed": 1}


# --- settlements ----------------------------------------------------------------------------


def trade_and_settle(world: World) -> int:
    """Five bets in each shard, all won; return what the house must lose."""
    for number in range(5):
        world.bet(f"even-{number}", account_no=2)
        world.bet(f"odd-{number}", account_no=3)
    world.market.control(market_control(settle_home()))
    return 10 * 100


def test_settlements_reach_their_accounts_in_portions_and_leave_the_outbox(world: World):
    loss_minor = trade_and_settle(world)
    assert world.step()["settled"] == 10
    assert world.house_minor() == -loss_minor
    assert world.market.outbox_shards() == []
    assert world.step()["settled"] == 0
    assert world.compare().agree


@pytest.mark.parametrize("method", ["outbox", "outbox_shards", "settle", "control"])
@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_every_bet_is_paid_once_whatever_call_is_lost(world: World, method: str, fault: str):
    loss_minor = trade_and_settle(world)
    for line in world.lines.values():
        getattr(line, fault)[method] = 2
    for _ in range(6):
        world.step()
    assert world.house_minor() == -loss_minor
    assert world.market.outbox_shards() == []
    for account in world.accounts:
        assert account._durable is not None
        account._machine().check()


def test_every_bet_is_paid_once_when_every_call_runs_twice(world: World):
    loss_minor = trade_and_settle(world)
    for line in world.lines.values():
        line.double = {"settle", "control", "resolve", "place"}
    world.step()
    assert world.house_minor() == -loss_minor


def test_a_market_killed_between_settling_and_the_ack_settles_again_for_nothing(world: World):
    loss_minor = trade_and_settle(world)
    world.lines[MARKET].lose_calls["control"] = 100
    assert world.step()["settled"] == 0
    world.restart_market()
    for _ in range(2):
        world.step()
    assert world.house_minor() == -loss_minor
    assert world.market.outbox_shards() == []


def test_an_ack_that_is_refused_ends_the_errand_until_the_next_step(world: World):
    loss_minor = trade_and_settle(world)
    control = world.market.control
    world.market.control = lambda _: encode([Refused(reason=Reason.DISK_FULL)])  # type: ignore[method-assign]
    report = world.step()
    assert (report["settled"], report["postponed"]) == (0, 2)
    assert world.lines[MARKET].asked.count("outbox") == 2
    world.market.control = control  # type: ignore[method-assign]
    assert world.step()["settled"] == 10
    assert world.house_minor() == -loss_minor


def test_a_defect_in_one_shell_ends_neither_the_step_nor_the_loop(world: World):
    loss_minor = trade_and_settle(world)
    settle = world.accounts[0].settle
    world.accounts[0].settle = lambda _: 1 // 0  # type: ignore[method-assign]

    async def main() -> None:
        await world.reconciler.start()
        await asyncio.sleep(1)
        assert world.house_minor() == -loss_minor // 2
        world.accounts[0].settle = settle  # type: ignore[method-assign]
        await asyncio.sleep(1)
        await world.reconciler.stop()

    run_virtual(main())
    assert world.house_minor() == -loss_minor


def test_a_resettlement_reverses_and_replaces(world: World):
    trade_and_settle(world)
    world.step()
    away = tuple(reversed(settle_home().results))
    world.market.control(market_control(SettleMarket(market_no=1, results=away)))
    world.step()
    assert world.house_minor() == 10 * 100
    world.market.control(market_control(CancelMarket(market_no=1, why="abandoned")))
    world.step()
    assert world.house_minor() == 0
    assert world.compare().agree


def test_two_steps_never_overlap(world: World):
    loss_minor = trade_and_settle(world)

    async def main() -> None:
        await asyncio.gather(*(world.reconciler.step() for _ in range(3)))

    run_virtual(main())
    assert world.lines[MARKET].asked.count("outbox_shards") == 3
    assert [world.lines[a.name].asked.count("settle") for a in world.accounts] == [3, 3]
    assert world.house_minor() == -loss_minor


def test_the_loop_steps_once_a_period_until_it_is_stopped(world: World):
    async def main() -> None:
        await world.reconciler.start()
        await world.reconciler.start()
        await asyncio.sleep(1.05)
        await world.reconciler.stop()
        await asyncio.sleep(1)

    run_virtual(main())
    assert world.lines[MARKET].asked.count("outbox_shards") == 6


# --- books ----------------------------------------------------------------------------------


def test_books_agree_and_bets_on_their_way_are_counted_apart(world: World):
    world.bet("a", "b")
    unposted = world.reserve("c", "d")
    world.market.place(unposted.tobytes())
    report = world.compare()
    assert report.agree
    assert (report.accepted, report.in_flight, report.slips) == (4, 2, 4)
    assert report.quiet


def test_a_bet_that_stands_in_one_book_only_is_found(world: World):
    bets = world.reserve("a", "b")
    asked = reservations(["a", "b"])
    reserved = np.frombuffer(world.accounts[0].exchange(b"", asked.tobytes()), RESERVED)
    verdicts = decisions_of(world.market.place(bets[:1].tobytes())).copy()
    forged = np.concatenate([verdicts, verdicts])
    forged["bet_id"][1] = reserved["bet_id"][1]
    world.accounts[0].exchange(forged.tobytes(), b"")
    report = world.compare()
    assert not report.agree
    assert report.differences == (
        f"bet {reserved['bet_id'][1]}: stands in its account, not accepted by any market",
    )


def test_odds_that_differ_between_the_books_are_found(world: World):
    bets = world.reserve("a")
    verdicts = decisions_of(world.market.place(bets.tobytes())).copy()
    verdicts["odds_milli"] = 2_500
    world.accounts[0].exchange(verdicts.tobytes(), b"")
    (difference,) = world.compare().differences
    assert "odds_milli is 2000 in its market, 2500 in its account" in difference


def test_a_bet_refused_in_its_account_but_taken_by_its_market_is_found(world: World):
    bets = world.reserve("a")
    verdicts = decisions_of(world.market.place(bets.tobytes())).copy()
    verdicts["reason"] = Reason.MARKET_CLOSED
    world.accounts[0].exchange(verdicts.tobytes(), b"")
    (difference,) = world.compare().differences
    assert "accepted by its market, refused in its account" in difference


def test_a_bet_that_no_account_gave_a_number_is_found(world: World):
    forged = world.reserve("a").copy()
    forged["bet_id"] = (9 << 48) + 1
    world.market.place(forged.tobytes())
    (difference,) = world.compare().differences
    assert "accepted by its market, unknown to its account" in difference
