"""The bet path over real shells in this process, through peers that fail on purpose."""

import asyncio
from pathlib import Path

import pytest

from actors.messages import MarketControl, MarketRoute, ShellState, encode
from engine.common.commands import SuspendMarket
from engine.common.ids import MarketNo
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from gateway.bets import bet_queues, path
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.bets.path_shells import ACCOUNT, BetPathShells, fill, open_shells
from tests.gateway.bookmaker import BALANCE_MINOR
from tests.gateway.price_gateway import until


async def test_bet_is_reserved_decided_answered_and_posted(shells: BetPathShells) -> None:
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.odds_milli) == ("accepted", 2_500)
    await shells.slip_is("a", SlipState.ACCEPTED)
    assert shells.path.in_flight == 0


async def test_refused_bet_returns_its_stake(shells: BetPathShells) -> None:
    payload = encode(MarketControl(by="t", commands=(SuspendMarket(market_no=1),)))
    shells.bookmaker.processes["market-a"].target.control(payload)
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.reason) == ("rejected", Reason.MARKET_SUSPENDED)
    await shells.slip_is("a", SlipState.REFUSED)
    shell = shells.bookmaker.processes[shells.account.name].target
    assert shell._machine().balance(ACCOUNT).available_minor == BALANCE_MINOR


async def test_bets_of_one_turn_of_the_event_loop_leave_in_one_call(shells: BetPathShells) -> None:
    for i in range(50):
        shells.place(f"b{i}", stake_minor=10)
    await shells.bettor.answer("b49")
    assert shells.account.calls[0] == ("exchange", 50 * 56)
    assert shells.peers["market-a"].calls == [("place", 50 * 40)]


async def test_batch_is_cut_at_its_bound(tmp_path: Path) -> None:
    async with open_shells(tmp_path, batch_rows_max=16) as shells:
        for i in range(50):
            shells.place(f"b{i}", stake_minor=10)
        await until(lambda: len(shells.bettor.answers) == 50)
        assert {answers[0].state for answers in shells.bettor.answers.values()} == {"accepted"}
        assert max(size for _, size in shells.account.calls) <= 16 * 56


async def test_verdict_is_sent_alone_when_no_other_bet_comes(shells: BetPathShells) -> None:
    shells.place("a")
    await shells.slip_is("a", SlipState.ACCEPTED)
    assert [size for _, size in shells.account.calls] == [56, 0]


async def test_bet_on_a_market_without_a_shell_is_refused_and_touches_no_account(
    shells: BetPathShells,
) -> None:
    shells.place("a", market_no=99)
    (answer,) = shells.bettor.answers["a"]
    assert (answer.state, answer.reason) == ("rejected", Reason.MARKET_UNKNOWN)
    assert shells.account.calls == []


async def test_a_single_on_a_place_market_of_the_house_is_refused_and_touches_no_account(
    shells: BetPathShells,
) -> None:
    place = MarketRoute(
        market_no=MarketNo(77), key="ascot-1/each_way?fraction=1/5|places=3", shell="market-b"
    )
    shells.routes.update(version=0, shells=(), markets=(place,), peers={})
    shells.place("a", market_no=77)
    (answer,) = shells.bettor.answers["a"]
    assert (answer.state, answer.reason) == ("rejected", Reason.NO_PLACE_TERMS)
    assert shells.account.calls == []


async def test_bet_past_the_bound_in_flight_is_busy_at_once_and_touches_no_account(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bets_in_flight_max=2) as shells:
        for ref in "abc":
            shells.place(ref)
        (answer,) = shells.bettor.answers["c"]
        assert (answer.state, answer.reason) == ("rejected", Reason.BUSY)
        assert (await shells.bettor.answer("a")).state == "accepted"
        assert shells.slip("c") is None


@pytest.mark.parametrize("fault", ["call lost", "answer lost", "defect", "garbled"])
@pytest.mark.parametrize("stage", ["account", "market"])
async def test_bet_is_booked_once_when_calls_or_answers_are_lost(
    shells: BetPathShells, stage: str, fault: str
) -> None:
    peer = shells.account if stage == "account" else shells.peers["market-a"]
    peer.fail(fault, times=3)
    shells.place("a")
    assert (await shells.bettor.answer("a")).state == "accepted"
    await shells.slip_is("a", SlipState.ACCEPTED)
    assert peer.name in shells.suspected
    shell = shells.bookmaker.processes[shells.account.name].target
    assert shell._machine().balance(ACCOUNT).available_minor == BALANCE_MINOR - 500
    assert shells.market_bets() == 1


async def test_lost_verdict_is_sent_again_until_it_is_posted(shells: BetPathShells) -> None:
    shells.place("a")
    await shells.bettor.answer("a")
    shells.account.fail("call lost", times=5)
    await shells.slip_is("a", SlipState.ACCEPTED)


async def test_shell_that_is_down_delays_only_its_own_bets_until_a_route_update(
    shells: BetPathShells, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (path, bet_queues):
        monkeypatch.setattr(module, "RETRY_S", 3_600.0)
    shells.notify({"market-a": ShellState.DOWN})
    shells.place("a", market_no=1)
    shells.place("b", market_no=3)
    assert (await shells.bettor.answer("b")).state == "accepted"
    assert "a" not in shells.bettor.answers
    shells.notify({"market-a": ShellState.SERVING})
    assert (await shells.bettor.answer("a")).state == "accepted"


async def test_bet_without_a_decision_at_its_deadline_is_unknown_and_not_sent_later(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        shells.place("a")
        answer = await shells.bettor.answer("a")
        assert (answer.state, answer.reason) == ("unknown", Reason.UNKNOWN)
        assert shells.slip("a").state == SlipState.PENDING
        assert shells.path.in_flight == 0
        # A bet that was answered `unknown` is not sent later.
        shells.notify({"market-a": ShellState.SERVING})
        shells.place("b")
        await shells.bettor.answer("b")
        assert shells.market_bets() == 1
        assert shells.slip("a").state == SlipState.PENDING


async def test_bet_past_its_deadline_is_not_sent_with_those_that_wait_beside_it(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=1_000) as shells:
        shells.notify({"market-a": ShellState.DOWN, shells.account.name: ShellState.DOWN})
        shells.place("a")
        await asyncio.sleep(0.6)
        shells.place("b", account_no=8)
        await until(lambda: shells.waiting("market-a") == 1)
        shells.notify({shells.account.name: ShellState.SERVING})
        await until(lambda: shells.waiting("market-a") == 2)
        assert (await shells.bettor.answer("a")).state == "unknown"
        shells.notify({"market-a": ShellState.SERVING})
        assert (await shells.bettor.answer("b")).state == "accepted"
        assert shells.market_bets() == 1


async def test_unrecorded_refusal_of_a_bet_sent_twice_is_answered_unknown(
    shells: BetPathShells,
) -> None:
    market = shells.peers["market-a"]
    market.fail("answer lost")
    shells.place("a")
    await until(lambda: len(market.calls) == 1)
    market.fail("disk full after deciding")
    answer = await shells.bettor.answer("a")
    assert answer.state == "unknown"
    assert shells.slip("a").state == SlipState.PENDING  # the reconciler will find it accepted


async def test_unrecorded_refusal_of_a_bet_sent_once_frees_its_stake(
    shells: BetPathShells,
) -> None:
    market = shells.peers["market-a"]
    market.fail("disk full")
    shells.place("a")
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.reason) == ("rejected", Reason.DISK_FULL)
    await shells.slip_is("a", SlipState.REFUSED)
    assert len(market.calls) == 1


async def test_an_unrecorded_refusal_is_no_answer_while_another_ticket_has_the_bet(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, batch_rows_max=1) as shells:
        shells.peers["market-a"].fail("disk full")
        # Both are reserved before the market refuses the first without a record.
        shells.place("a")
        shells.place("a")
        await until(lambda: len(shells.bettor.answers.get("a", [])) == 2)
        await shells.slip_is("a", SlipState.ACCEPTED)
        states = sorted(answer.state for answer in shells.bettor.answers["a"])
        assert states == ["accepted", "unknown"]
        assert shells.market_bets() == 1


async def test_two_gateways_and_one_refusal_without_a_record_end_in_one_bet(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path) as shells:
        other = shells.another_path()
        shells.peers["market-a"].fail("disk full")
        shells.account.hold("exchange", after=1)  # the call that would bring the void
        shells.place("a")
        await until(lambda: shells.account.held)
        assert "a" not in shells.bettor.answers, "the account has not confirmed the void"
        shells.place("a", path=other)
        answer = await shells.bettor.answer("a")
        assert answer.state == "accepted"
        shells.account.release()
        await until(lambda: len(shells.bettor.answers["a"]) == 2)
        assert shells.bettor.answers["a"][1].state in ("accepted", "unknown")
        await shells.slip_is("a", SlipState.ACCEPTED)
        assert shells.market_bets() == 1


async def test_a_ref_sent_again_while_its_void_waits_is_booked_once_with_its_stake(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, batch_rows_max=1, bet_deadline_ms=200) as shells:
        market = shells.peers["market-a"]
        market.fail("disk full", times=3)
        shells.account.hold("exchange", after=3, calls=99)  # reservations pass, the voids wait
        for ref in "abc":
            shells.place(ref)
        await until(lambda: shells.account.held)
        answers = [await shells.bettor.answer(ref) for ref in "abc"]
        assert [answer.state for answer in answers] == ["unknown"] * 3
        shells.account.release()
        for ref in "abc":
            shells.place(ref)
            await until(lambda ref=ref: len(shells.bettor.answers[ref]) == 2)
        for ref in "abc":
            last = shells.bettor.answers[ref][1].state
            state = SlipState.ACCEPTED if last == "accepted" else SlipState.REFUSED
            await shells.slip_is(ref, state)


async def test_a_void_whose_bettor_no_longer_waits_still_frees_the_stake(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        market, account = shells.peers["market-a"], shells.account.name
        market.fail("disk full")
        market.hold("place", after=0)
        shells.place("a")
        await until(lambda: market.held)
        shells.notify({account: ShellState.DOWN})
        market.release()
        assert (await shells.bettor.answer("a")).state == "unknown"
        shells.notify({account: ShellState.SERVING})
        await shells.slip_is("a", SlipState.REFUSED)
        assert shells.market_bets() == 0


async def test_a_slip_that_a_full_account_cannot_mark_goes_to_no_market(tmp_path: Path) -> None:
    disk = FaultyDisk()
    async with open_shells(tmp_path, account_disk=disk) as shells:
        other, market = shells.another_path(), shells.peers["market-a"]
        market.hold("place", after=0)
        shells.place("a")
        await until(lambda: market.held)
        fill(disk, shells.bookmaker.processes[shells.account.name].target)
        shells.place("a", path=other)
        await until(lambda: "a" in shells.bettor.answers)
        assert [answer.state for answer in shells.bettor.answers["a"]] == ["unknown"]
        assert shells.market_bets() == 0


async def test_a_refusal_is_told_when_the_stake_is_back(shells: BetPathShells) -> None:
    shells.account.hold("exchange", after=1)
    shells.place("a", odds_milli=2_400)
    await until(lambda: shells.account.held)
    assert "a" not in shells.bettor.answers
    shells.account.release()
    answer = await shells.bettor.answer("a")
    assert (answer.state, answer.reason) == ("rejected", Reason.ODDS_CHANGED)
    assert shells.slip("a").state is SlipState.REFUSED, "at the very moment of the answer"


async def test_answered_bets_leave_the_queue_of_a_market_that_is_down(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=50) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        for number in range(5):
            shells.place(f"a{number}")
            await shells.bettor.answer(f"a{number}")
        await until(lambda: shells.waiting("market-a") == 0)
        assert shells.path.in_flight == 0


async def test_repeated_ref_gets_the_same_answer_and_makes_one_bet(shells: BetPathShells) -> None:
    shells.place("a")
    first = await shells.bettor.answer("a")
    await shells.slip_is("a", SlipState.ACCEPTED)
    shells.place("a")
    shells.place("a")
    await until(lambda: len(shells.bettor.answers["a"]) == 3)
    assert {answer.bet_id for answer in shells.bettor.answers["a"]} == {first.bet_id}
    assert {answer.state for answer in shells.bettor.answers["a"]} == {"accepted"}
    shells.place("a", stake_minor=501)
    await until(lambda: len(shells.bettor.answers["a"]) == 4)
    last = shells.bettor.answers["a"][-1]
    assert (last.state, last.reason) == ("rejected", Reason.BET_REF_REUSED)
    assert shells.market_bets() == 1


async def test_closing_path_answers_unknown_to_bets_in_flight_and_busy_to_new_ones(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path) as shells:
        shells.notify({"market-a": ShellState.DOWN})
        shells.place("a")
        await until(lambda: len(shells.account.calls) == 1)
        await shells.path.close()
        (answer,) = shells.bettor.answers["a"]
        assert answer.state == "unknown"
        shells.place("b")
        assert shells.bettor.answers["b"][0].reason is Reason.BUSY


async def test_statistics_count_every_answer(shells: BetPathShells) -> None:
    shells.place("a")
    shells.place("b", market_no=99)
    await shells.bettor.answer("a")
    stats = shells.path.stats
    assert stats.answers == {Reason.ACCEPTED: 1, Reason.MARKET_UNKNOWN: 1}
    assert stats.answered == 2
    assert 0 < stats.quantile_s(0.5) <= stats.quantile_s(0.99)
    assert int(stats.latency_counts.sum()) == 1
