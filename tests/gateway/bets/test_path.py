"""The bet path over real shells in this process, with the ways between them failing on purpose."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors.messages import MarketControl, MarketRoute, ShellRoute, ShellState, encode
from actors.peer import Peer, PeerDiedError
from actors.routes import Routes, account_shell_name
from engine.common.commands import SuspendMarket
from engine.common.ids import check_bet_ref
from engine.common.reasons import Reason
from engine.common.rows import DECISION, SlipState
from gateway.bets.path import BetPath
from gateway.bets.ticket import BetAnswer, Ticket
from gateway.settings import GatewaySettings
from tests.gateway.bookmaker import BALANCE_MINOR, KEYS, SHARDS, SHELL_OF, Bookmaker, open_bookmaker
from tests.gateway.price_gateway import until

ACCOUNT = 7


class Line:
    """The way to a shell, which may lose calls, lose answers, garble them, or say nothing."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.name = peer.name
        self.fault: str = ""
        self.faults = 0
        self.calls: list[tuple[str, int]] = []

    def fail(self, fault: str, times: int = 1) -> None:
        self.fault, self.faults = fault, times

    async def ask(self, method: str, /, *args: Any, timeout_s: float | None = None) -> Any:
        self.calls.append((method, len(args[-1])))
        fault, self.faults = self.fault if self.faults else "", max(0, self.faults - 1)
        if fault == "call lost":
            raise PeerDiedError("the call was lost")
        if fault == "defect":
            raise RuntimeError("the shell has a defect")
        answer = await self.peer.ask(method, *args, timeout_s=timeout_s)
        if fault == "answer lost":
            raise PeerDiedError("the answer was lost")
        if fault == "garbled":
            return answer[:-8]
        if fault == "not recorded":
            return _refused(answer, Reason.DISK_FULL)
        return answer

    def notify(self, method: str, /, *args: Any) -> None:
        self.peer.notify(method, *args)


def _refused(answer: bytes, reason: Reason) -> bytes:
    """Make decisions into refusals that the market does not remember."""
    rows = np.frombuffer(answer, DECISION).copy()
    rows["reason"] = reason
    return rows.tobytes()


class Bettor:
    """Who hears the answers."""

    def __init__(self) -> None:
        self.heard: dict[str, list[BetAnswer]] = {}

    def on_bet_answer(self, ticket: Ticket, answer: BetAnswer) -> None:
        self.heard.setdefault(ticket.ref, []).append(answer)

    async def answer(self, ref: str) -> BetAnswer:
        await until(lambda: ref in self.heard)
        (only,) = self.heard[ref]
        return only


class BetPathShells:
    """A bet path, its lines, and the town behind them."""

    def __init__(self, bookmaker: Bookmaker, **changes: Any) -> None:
        self.bookmaker = bookmaker
        self.routes = Routes(shards=SHARDS)
        self.lines = {
            name: Line(local_process.peer) for name, local_process in bookmaker.processes.items()
        }
        self.suspected: list[str] = []
        self.bettor = Bettor()
        self.path = BetPath(
            routes=self.routes,
            settings=GatewaySettings(**{"bet_deadline_ms": 2_000, **changes}),
            suspect=self.suspected.append,
        )
        self.notify(dict.fromkeys(self.lines, ShellState.SERVING))

    def notify(self, states: dict[str, ShellState]) -> None:
        self.routes.update(
            version=self.routes.version + 1,
            shells=[
                ShellRoute(name=name, kind=name.split("-")[0], generation=1, state=state, shard=0)
                for name, state in states.items()
            ],
            markets=[
                MarketRoute(market_no=no, key=key, shell=SHELL_OF[no]) for no, key in KEYS.items()
            ],
            peers=self.lines,
        )
        self.path.wake()

    @property
    def account(self) -> Line:
        return self.lines[account_shell_name(ACCOUNT % SHARDS)]

    def place(self, ref: str, **changes: Any) -> None:
        bet = {
            "account_no": ACCOUNT, "market_no": 1, "outcome": 0,
            "stake_minor": 500, "odds_milli": 2_500, "policy": 0,
        }  # fmt: skip
        raw = check_bet_ref(ref)
        self.path.place(Ticket(session=self.bettor, ref=ref, ref_bytes=raw, **(bet | changes)))

    def slip(self, ref: str) -> Any:
        shell = self.bookmaker.processes[self.account.name].target
        return shell._machine().slip(account_no=ACCOUNT, ref=ref)

    async def settled_in(self, ref: str, state: SlipState) -> None:
        await until(lambda: (slip := self.slip(ref)) is not None and slip.state == state)


@asynccontextmanager
async def open_shells(folder: Path, **changes: Any) -> AsyncIterator[BetPathShells]:
    async with open_bookmaker(folder) as bookmaker:
        shells = BetPathShells(bookmaker, **changes)
        try:
            yield shells
        finally:
            await shells.path.close()
            bookmaker.check()


@pytest.fixture
async def shells(tmp_path: Path) -> AsyncIterator[BetPathShells]:
    async with open_shells(tmp_path) as shells:
        yield shells


async def test_bet_is_reserved_decided_answered_and_posted(shells: BetPathShells) -> None:
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.odds_milli) == ("accepted", 2_500)
    await shells.settled_in("a", SlipState.ACCEPTED)
    assert shells.path.in_flight == 0


async def test_refused_bet_gives_its_stake_back(shells: BetPathShells) -> None:
    payload = encode(MarketControl(by="t", commands=(SuspendMarket(market_no=1),)))
    shells.bookmaker.processes["market-a"].target.control(payload)
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.reason) == ("rejected", Reason.MARKET_SUSPENDED)
    await shells.settled_in("a", SlipState.REFUSED)
    shell = shells.bookmaker.processes[shells.account.name].target
    assert shell._machine().balance(ACCOUNT).available_minor == BALANCE_MINOR


async def test_bets_of_one_turn_travel_in_one_call(shells: BetPathShells) -> None:
    for i in range(50):
        shells.place(f"b{i}", stake_minor=10)
    await shells.bettor.answer("b49")
    assert shells.account.calls[0] == ("exchange", 50 * 56)
    assert shells.lines["market-a"].calls == [("place", 50 * 40)]


async def test_batch_is_cut_at_its_bound(tmp_path: Path) -> None:
    async with open_shells(tmp_path, batch_rows_max=16) as shells:
        for i in range(50):
            shells.place(f"b{i}", stake_minor=10)
        await until(lambda: len(shells.bettor.heard) == 50)
        assert {answers[0].state for answers in shells.bettor.heard.values()} == {"accepted"}
        assert max(size for _, size in shells.account.calls) <= 16 * 56


async def test_verdict_travels_alone_when_no_other_bet_comes(shells: BetPathShells) -> None:
    shells.place("a")
    await shells.settled_in("a", SlipState.ACCEPTED)
    assert [size for _, size in shells.account.calls] == [56, 0]


async def test_market_nobody_hosts_is_refused_and_touches_no_account(shells: BetPathShells) -> None:
    shells.place("a", market_no=99)
    (answer,) = shells.bettor.heard["a"]
    assert (answer.state, answer.reason) == ("rejected", Reason.MARKET_UNKNOWN)
    assert shells.account.calls == []


async def test_bet_past_the_bound_is_busy_at_once_and_touches_no_account(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bets_in_flight_max=2) as shells:
        for ref in "abc":
            shells.place(ref)
        (answer,) = shells.bettor.heard["c"]
        assert (answer.state, answer.reason) == ("rejected", Reason.BUSY)
        assert (await shells.bettor.answer("a")).state == "accepted"
        assert shells.slip("c") is None


@pytest.mark.parametrize("fault", ["call lost", "answer lost", "defect", "garbled"])
@pytest.mark.parametrize("stage", ["account", "market"])
async def test_bet_is_booked_once_whatever_is_lost_on_the_way(
    shells: BetPathShells, stage: str, fault: str
) -> None:
    line = shells.account if stage == "account" else shells.lines["market-a"]
    line.fail(fault, times=3)
    shells.place("a")
    assert (await shells.bettor.answer("a")).state == "accepted"
    await shells.settled_in("a", SlipState.ACCEPTED)
    assert line.name in shells.suspected
    shell = shells.bookmaker.processes[shells.account.name].target
    assert shell._machine().balance(ACCOUNT).available_minor == BALANCE_MINOR - 500
    assert shells.bookmaker.processes["market-a"].target._machine().bets_len == 1


async def test_lost_verdict_is_told_again_until_it_is_posted(shells: BetPathShells) -> None:
    shells.place("a")
    await shells.bettor.answer("a")
    shells.account.fail("call lost", times=5)
    await shells.settled_in("a", SlipState.ACCEPTED)


async def test_shell_that_is_down_holds_back_only_its_own_bets(shells: BetPathShells) -> None:
    shells.notify({"market-a": ShellState.DOWN})
    shells.place("a", market_no=1)
    shells.place("b", market_no=3)
    assert (await shells.bettor.answer("b")).state == "accepted"
    assert "a" not in shells.bettor.heard
    shells.notify({"market-a": ShellState.SERVING})
    assert (await shells.bettor.answer("a")).state == "accepted"


async def test_silence_to_the_deadline_is_unknown_never_a_refusal(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        shells.place("a")
        answer = await shells.bettor.answer("a")
        assert (answer.state, answer.reason) == ("unknown", Reason.UNKNOWN)
        assert shells.slip("a").state == SlipState.PENDING
        assert shells.path.in_flight == 0
        # Given up is given up: the bet does not arrive later by this path.
        shells.notify({"market-a": ShellState.SERVING})
        shells.place("b")
        await shells.bettor.answer("b")
        assert shells.slip("a").state == SlipState.PENDING


async def test_refusal_that_is_not_recorded_is_no_verdict_for_a_bet_sent_twice(
    shells: BetPathShells,
) -> None:
    market = shells.lines["market-a"]
    market.fail("answer lost")
    shells.place("a")
    await until(lambda: len(market.calls) == 1)
    market.fail("not recorded", times=1)
    answer = await shells.bettor.answer("a")
    assert answer.state == "unknown"
    assert shells.slip("a").state == SlipState.PENDING  # the reconciler will find it accepted


async def test_refusal_that_is_not_recorded_frees_the_stake_of_a_bet_sent_once(
    shells: BetPathShells,
) -> None:
    shells.notify({"market-a": ShellState.SERVING})
    market = shells.lines["market-a"]
    target = shells.bookmaker.processes["market-a"].target
    target.place = lambda rows: _refused(
        b"".join(rows[at : at + 8] + bytes(16) for at in range(0, len(rows), 40)),
        Reason.DISK_FULL,
    )
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.reason) == ("rejected", Reason.DISK_FULL)
    await shells.settled_in("a", SlipState.REFUSED)
    assert len(market.calls) == 1


async def test_same_ref_placed_twice_is_not_taken_after_a_refusal_nobody_recorded(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, batch_rows_max=1) as shells:
        target = shells.bookmaker.processes["market-a"].target
        place, places = target.place, []

        def full_once(rows: bytes) -> bytes:
            places.append(rows)
            if len(places) == 1:
                return _refused(rows[:8] + bytes(16), Reason.DISK_FULL)
            answer: bytes = place(rows)
            return answer

        target.place = full_once
        # Both are reserved before the account hears that the first was refused.
        shells.place("a")
        shells.place("a")
        await until(lambda: len(shells.bettor.heard.get("a", [])) == 2)
        await shells.settled_in("a", SlipState.REFUSED)
        assert [answer.state for answer in shells.bettor.heard["a"]] == ["rejected"] * 2
        assert target._machine().bets_len == 0


async def test_bets_given_up_do_not_pile_up_while_their_market_is_down(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=50) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        for number in range(5):
            shells.place(f"a{number}")
            await shells.bettor.answer(f"a{number}")
        await until(lambda: not any(lane.queue for lane in shells.path._markets.values()))
        assert shells.path.in_flight == 0


async def test_same_ref_again_is_the_same_answer_and_one_bet(shells: BetPathShells) -> None:
    shells.place("a")
    first = await shells.bettor.answer("a")
    await shells.settled_in("a", SlipState.ACCEPTED)
    shells.place("a")
    shells.place("a")
    await until(lambda: len(shells.bettor.heard["a"]) == 3)
    assert {answer.bet_id for answer in shells.bettor.heard["a"]} == {first.bet_id}
    assert {answer.state for answer in shells.bettor.heard["a"]} == {"accepted"}
    shells.place("a", stake_minor=501)
    await until(lambda: len(shells.bettor.heard["a"]) == 4)
    last = shells.bettor.heard["a"][-1]
    assert (last.state, last.reason) == ("rejected", Reason.BET_REF_REUSED)
    assert shells.bookmaker.processes["market-a"].target._machine().bets_len == 1


async def test_path_that_closes_answers_what_is_left(tmp_path: Path) -> None:
    async with open_shells(tmp_path) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        shells.place("a")
        await until(lambda: len(shells.account.calls) == 1)
        await shells.path.close()
        (answer,) = shells.bettor.heard["a"]
        assert answer.state == "unknown"
        shells.place("b")
        assert shells.bettor.heard["b"][0].reason is Reason.BUSY


async def test_statistics_count_every_answer(shells: BetPathShells) -> None:
    shells.place("a")
    shells.place("b", market_no=99)
    await shells.bettor.answer("a")
    stats = shells.path.stats
    assert stats.answers == {Reason.ACCEPTED: 1, Reason.MARKET_UNKNOWN: 1}
    assert stats.answered == 2
    assert 0 < stats.quantile_s(0.5) <= stats.quantile_s(0.99)
    assert int(stats.latency_counts.sum()) == 1
