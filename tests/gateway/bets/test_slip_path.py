"""Slips on the bet path, over real shells in this process, through peers that fail on purpose."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.messages import ShellState
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from gateway.bets.slip_reader import SlipReader
from gateway.bets.slip_ticket import SlipBetAnswer
from gateway.market_limits import LimitRules, LimitsSettings
from gateway.messages.slips import BetLines
from gateway.settings import GatewaySettings
from tests.faults.faulty_disk import FaultyDisk
from tests.gateway.bets.path_shells import DOUBLE, BetPathShells, fill, open_shells
from tests.gateway.bookmaker import BALANCE_MINOR
from tests.gateway.price_gateway import until

TREBLE = (*DOUBLE, (4, 1, 3_200))


def reasons(answer: SlipBetAnswer) -> list[Reason]:
    return [leg.reason for leg in answer.legs]


async def second(shells: BetPathShells, ref: str) -> SlipBetAnswer:
    await until(lambda: len(shells.bettor.slip_answers.get(ref, [])) == 2)
    return shells.bettor.slip_answers[ref][1]


async def test_a_double_is_reserved_once_held_by_both_markets_and_posted(
    shells: BetPathShells,
) -> None:
    shells.place_slip("d")
    answer = await shells.bettor.slip_answer("d")
    assert (answer.state, answer.reason) == ("accepted", Reason.ACCEPTED)
    assert [leg.odds_milli for leg in answer.legs] == [2_500, 2_500]
    await until(lambda: shells.slip("d").state == SlipState.ACCEPTED)
    slip = shells.slip("d")
    assert slip.stake_minor == 500
    assert [leg.state for leg in slip.legs] == [SlipState.ACCEPTED] * 2
    assert shells.available_minor() == BALANCE_MINOR - 500
    assert (shells.market_bets("market-a"), shells.market_bets("market-b")) == (1, 1)
    assert shells.path.in_flight == 0


async def test_legs_of_one_event_are_numbered_alike_and_those_of_others_rise(
    shells: BetPathShells,
) -> None:
    slip = shells.slip_ticket(
        "s", (*DOUBLE, (2, 0, 1_900), (4, 0, 2_500)), bets=[BetLines(stake_minor=10, sizes=(2,))]
    )
    assert [leg.event for leg in slip.legs] == [0, 1, 0, 2]
    assert (slip.lines, slip.stake_minor) == (5, 50), "six pairs, of which one shares an event"


async def test_a_refused_leg_refuses_the_slip_and_the_stake_is_back_at_the_answer(
    shells: BetPathShells,
) -> None:
    shells.suspend(3)
    shells.place_slip("t", TREBLE)
    answer = await shells.bettor.slip_answer("t")
    assert (answer.state, answer.reason) == ("rejected", Reason.LEG_REFUSED)
    assert reasons(answer) == [Reason.ACCEPTED, Reason.MARKET_SUSPENDED, Reason.ACCEPTED]
    assert shells.available_minor() == BALANCE_MINOR
    slip = shells.slip("t")
    assert slip.state == SlipState.REFUSED
    states = [leg.state for leg in slip.legs]
    assert states == [SlipState.RELEASED, SlipState.REFUSED, SlipState.RELEASED]


async def test_a_leg_at_other_odds_states_those_and_one_over_a_limit_the_highest_stake(
    shells: BetPathShells,
) -> None:
    shells.place_slip("o", ((1, 0, 2_400), (3, 0, 2_500)))
    answer = await shells.bettor.slip_answer("o")
    assert reasons(answer) == [Reason.ODDS_CHANGED, Reason.ACCEPTED]
    assert answer.legs[0].odds_milli == 2_500
    shells.place_slip("s", bets=[BetLines(stake_minor=10_001)])
    answer = await shells.bettor.slip_answer("s")
    assert reasons(answer) == [Reason.STAKE_OVER_LIMIT] * 2
    assert [leg.stake_max_minor for leg in answer.legs] == [10_000] * 2


async def test_legs_leave_in_the_calls_of_the_singles_beside_them(shells: BetPathShells) -> None:
    for number in range(10):
        shells.place(f"b{number}", stake_minor=10)
    shells.place_slip("d", bets=[BetLines(stake_minor=10)])
    await shells.bettor.slip_answer("d")
    assert shells.account.calls[0] == ("exchange", (10 + 3) * 56)
    assert shells.peers["market-a"].calls == [("place", 11 * 40)]
    assert shells.peers["market-b"].calls == [("place", 40)]


async def test_a_batch_is_cut_at_its_bound_and_never_within_a_slip(tmp_path: Path) -> None:
    async with open_shells(tmp_path, batch_rows_max=8) as shells:
        for number in range(10):
            shells.place(f"b{number}", stake_minor=10)
            shells.place_slip(f"d{number}", bets=[BetLines(stake_minor=10)])
        await until(lambda: len(shells.bettor.answers) + len(shells.bettor.slip_answers) == 20)
        slips = shells.bettor.slip_answers.values()
        assert {answers[0].state for answers in slips} == {"accepted"}
        assert max(size for _, size in shells.account.calls) <= 8 * 56
        assert max(size for _, size in shells.peers["market-a"].calls) <= 8 * 40


async def test_a_slip_longer_than_a_batch_is_a_batch_of_its_own(tmp_path: Path) -> None:
    async with open_shells(tmp_path, batch_rows_max=2) as shells:
        shells.place_slip("t", TREBLE, bets=[BetLines(stake_minor=10)])
        assert (await shells.bettor.slip_answer("t")).state == "accepted"
        assert shells.account.calls[0] == ("exchange", 4 * 56)


async def test_each_leg_counts_as_a_bet_in_flight(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bets_in_flight_max=4) as shells:
        shells.place_slip("a")
        shells.place_slip("t", TREBLE)
        shells.place_slip("b")
        shells.place("c")
        assert shells.bettor.slip_answers["t"][0].reason is Reason.BUSY
        assert shells.bettor.answers["c"][0].reason is Reason.BUSY
        for ref in "ab":
            assert (await shells.bettor.slip_answer(ref)).state == "accepted"
        assert shells.slip("t") is None
        assert shells.path.in_flight == 0


@pytest.mark.parametrize("fault", ["call lost", "answer lost", "defect", "garbled"])
@pytest.mark.parametrize("stage", ["account", "market-a", "market-b"])
async def test_a_slip_is_booked_once_when_calls_or_answers_are_lost(
    shells: BetPathShells, stage: str, fault: str
) -> None:
    peer = shells.account if stage == "account" else shells.peers[stage]
    peer.fail(fault, times=3)
    shells.place_slip("d")
    assert (await shells.bettor.slip_answer("d")).state == "accepted"
    assert peer.name in shells.suspected
    assert shells.available_minor() == BALANCE_MINOR - 500
    assert (shells.market_bets("market-a"), shells.market_bets("market-b")) == (1, 1)


@pytest.mark.parametrize("fault", ["call lost", "answer lost"])
async def test_the_question_how_a_slip_ends_is_asked_until_it_is_answered(
    shells: BetPathShells, fault: str
) -> None:
    market = shells.peers["market-a"]
    market.hold("place", after=0)
    shells.place_slip("d")
    await until(lambda: market.held)
    shells.account.fail(fault, times=5)
    market.release()
    assert (await shells.bettor.slip_answer("d")).state == "accepted"
    assert shells.available_minor() == BALANCE_MINOR - 500


async def test_a_slip_without_a_decision_at_its_deadline_is_unknown_and_not_sent_later(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.notify({"market-b": ShellState.DOWN})
        shells.place_slip("d")
        answer = await shells.bettor.slip_answer("d")
        assert (answer.state, answer.reason, answer.legs) == ("unknown", Reason.UNKNOWN, ())
        assert shells.path.in_flight == 0
        shells.notify({"market-b": ShellState.SERVING})
        shells.place("b", market_no=3)
        await shells.bettor.answer("b")
        assert shells.market_bets("market-b") == 1, "the single's"
        # The account has been told that one leg is held; the other waits for the reconciler.
        await until(lambda: shells.slip("d").legs[0].state == SlipState.ACCEPTED)
        assert shells.slip("d").state == SlipState.PENDING


async def test_a_slip_that_its_account_books_after_the_deadline_goes_to_no_market(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.account.hold("exchange", after=0)
        shells.place_slip("d")
        assert (await shells.bettor.slip_answer("d")).state == "unknown"
        shells.account.release()
        await shells.slip_is("d", SlipState.PENDING)
        shells.place("b")
        assert (await shells.bettor.answer("b")).state == "accepted"
        assert (shells.market_bets("market-a"), shells.market_bets("market-b")) == (1, 0)
        assert shells.path.in_flight == 0


async def test_a_decision_after_the_deadline_still_ends_the_slip(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        market = shells.peers["market-b"]
        market.hold("place", after=0)
        shells.place_slip("d")
        assert (await shells.bettor.slip_answer("d")).state == "unknown"
        market.release()
        await shells.slip_is("d", SlipState.ACCEPTED)
        assert len(shells.bettor.slip_answers["d"]) == 1


async def test_a_refused_leg_ends_a_slip_before_its_deadline_while_another_market_is_down(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=1_000) as shells:
        shells.notify({"market-b": ShellState.DOWN})
        shells.place_slip("d", ((1, 0, 2_400), (3, 0, 2_500)))
        answer = await shells.bettor.slip_answer("d")
        assert (answer.state, answer.reason) == ("rejected", Reason.LEG_REFUSED)
        assert reasons(answer) == [Reason.ODDS_CHANGED, Reason.UNKNOWN]
        assert shells.available_minor() == BALANCE_MINOR
        shells.notify({"market-b": ShellState.SERVING})
        shells.place("b", market_no=3)
        await shells.bettor.answer("b")
        assert shells.market_bets("market-b") == 1, "the leg was not sent any more"


async def test_an_unrecorded_refusal_of_a_leg_sent_twice_is_no_end(shells: BetPathShells) -> None:
    market = shells.peers["market-b"]
    market.fail("answer lost")
    shells.place_slip("d")
    await until(lambda: len(market.calls) == 1)
    market.fail("disk full after deciding")
    assert (await shells.bettor.slip_answer("d")).state == "unknown"
    assert shells.slip("d").state == SlipState.PENDING  # the reconciler will find it held
    # What the other market has decided is known to the account none the less.
    await until(lambda: shells.slip("d").legs[0].state == SlipState.ACCEPTED)


async def test_a_recorded_refusal_beside_one_that_does_not_count_ends_the_slip(
    shells: BetPathShells,
) -> None:
    market = shells.peers["market-b"]
    market.fail("answer lost")
    shells.place_slip("d", ((1, 0, 2_400), (3, 0, 2_500)))
    await until(lambda: len(market.calls) == 1)
    market.fail("disk full after deciding")
    answer = await shells.bettor.slip_answer("d")
    assert (answer.state, answer.reason) == ("rejected", Reason.LEG_REFUSED)
    assert shells.available_minor() == BALANCE_MINOR


async def test_an_unrecorded_refusal_of_a_leg_sent_once_frees_the_stake(
    shells: BetPathShells,
) -> None:
    shells.peers["market-b"].fail("disk full")
    shells.place_slip("d")
    answer = await shells.bettor.slip_answer("d")
    assert (answer.state, answer.reason) == ("rejected", Reason.LEG_REFUSED)
    assert reasons(answer) == [Reason.ACCEPTED, Reason.DISK_FULL]
    assert shells.available_minor() == BALANCE_MINOR
    assert len(shells.peers["market-b"].calls) == 1


async def test_two_gateways_and_one_refusal_without_a_record_end_in_one_slip(
    shells: BetPathShells,
) -> None:
    other = shells.another_path()
    shells.peers["market-b"].fail("disk full")
    shells.account.hold("exchange", after=1)  # the call that would bring the verdicts
    shells.place_slip("d")
    await until(lambda: shells.account.held)
    assert "d" not in shells.bettor.slip_answers, "the account has not said how it ends"
    shells.place_slip("d", path=other)
    assert (await shells.bettor.slip_answer("d")).state == "accepted"
    shells.account.release()
    assert (await second(shells, "d")).state in ("accepted", "unknown")
    await until(lambda: shells.slip("d").state == SlipState.ACCEPTED)
    assert shells.available_minor() == BALANCE_MINOR - 500
    assert shells.market_bets("market-b") == 1


async def test_verdicts_whose_bettor_no_longer_waits_still_free_the_stake(tmp_path: Path) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        market, account = shells.peers["market-b"], shells.account.name
        market.fail("disk full")
        market.hold("place", after=0)
        shells.place_slip("d")
        await until(lambda: market.held)
        shells.notify({account: ShellState.DOWN})
        market.release()
        assert (await shells.bettor.slip_answer("d")).state == "unknown"
        shells.notify({account: ShellState.SERVING})
        await shells.slip_is("d", SlipState.REFUSED)
        assert shells.available_minor() == BALANCE_MINOR


async def test_a_slip_that_a_full_account_cannot_mark_goes_to_no_market(tmp_path: Path) -> None:
    disk = FaultyDisk()
    async with open_shells(tmp_path, account_disk=disk) as shells:
        other, market = shells.another_path(), shells.peers["market-b"]
        market.hold("place", after=0)
        shells.place_slip("d")
        await until(lambda: market.held)
        fill(disk, shells.bookmaker.processes[shells.account.name].target)
        shells.place_slip("d", path=other)
        await until(lambda: "d" in shells.bettor.slip_answers)
        assert [answer.state for answer in shells.bettor.slip_answers["d"]] == ["unknown"]
        assert shells.market_bets("market-b") == 0


async def test_a_ref_sent_again_gets_the_same_answer_and_makes_one_slip(
    shells: BetPathShells,
) -> None:
    shells.place_slip("d")
    first = await shells.bettor.slip_answer("d")
    shells.place_slip("d")
    assert await second(shells, "d") == first
    shells.place_slip("r", ((1, 0, 2_400), (3, 0, 2_500)))
    refused = await shells.bettor.slip_answer("r")
    shells.place_slip("r", ((1, 0, 2_400), (3, 0, 2_500)))
    assert await second(shells, "r") == refused
    assert shells.available_minor() == BALANCE_MINOR - 500


REUSES: dict[str, dict[str, Any]] = {
    "another stake": {"bets": [BetLines(stake_minor=501)]},
    "another leg": {"legs": ((1, 1, 3_200), (3, 0, 2_500))},
    "one more leg": {"legs": TREBLE},
    "another order": {"legs": DOUBLE[::-1]},
    "another policy": {"policy": "any"},
    "the policy over all": {"policy_over": "combined"},
    "other bets of the same stake": {"bets": [BetLines(stake_minor=250, sizes=(1,))]},
}


@pytest.mark.parametrize("case", REUSES)
async def test_a_ref_with_other_content_is_refused(shells: BetPathShells, case: str) -> None:
    shells.place_slip("d")
    await shells.bettor.slip_answer("d")
    shells.place_slip("d", **REUSES[case])
    answer = await second(shells, "d")
    assert (answer.state, answer.reason) == ("rejected", Reason.BET_REF_REUSED)
    assert shells.available_minor() == BALANCE_MINOR - 500


async def test_a_single_and_a_slip_do_not_share_a_ref(shells: BetPathShells) -> None:
    shells.place("x")
    await shells.bettor.answer("x")
    shells.place_slip("x")
    assert (await shells.bettor.slip_answer("x")).reason is Reason.BET_REF_REUSED
    shells.place_slip("y")
    await shells.bettor.slip_answer("y")
    shells.place("y")
    assert (await shells.bettor.answer("y")).reason is Reason.BET_REF_REUSED


async def test_a_stake_over_the_balance_is_refused_and_no_market_is_asked(
    shells: BetPathShells,
) -> None:
    stake = BetLines(stake_minor=BALANCE_MINOR // 4 + 1, sizes=(2, 3))
    shells.place_slip("t", TREBLE, bets=[stake])
    answer = await shells.bettor.slip_answer("t")
    assert (answer.state, answer.reason) == ("rejected", Reason.INSUFFICIENT_FUNDS)
    assert (answer.bet_id, answer.legs, answer.stake_max_minor) == (0, (), BALANCE_MINOR)
    assert shells.peers["market-a"].calls == []


async def test_a_leg_on_a_quarantined_market_books_nothing(shells: BetPathShells) -> None:
    shells.place_slip("a")
    first = await shells.bettor.slip_answer("a")
    await until(lambda: shells.slip("a").state == SlipState.ACCEPTED)
    shells.notify({"market-b": ShellState.QUARANTINED})
    shells.account.calls.clear()
    shells.place_slip("d")
    answer = await shells.bettor.slip_answer("d")
    assert (answer.state, answer.bet_id, answer.reason) == ("rejected", 0, Reason.QUARANTINED)
    assert {method for method, _ in shells.account.calls} == {"recall"}
    assert shells.slip("d") is None
    shells.place_slip("a")
    assert await second(shells, "a") == first, "what is recorded is told"
    shells.bookmaker.processes[shells.account.name].target.why = "damaged"
    shells.place_slip("u")
    assert (await shells.bettor.slip_answer("u")).state == "unknown", "it may lie behind the damage"
    assert shells.path.in_flight == 0


async def test_a_pending_slip_sent_again_with_a_leg_in_quarantine_stays_unknown(
    tmp_path: Path,
) -> None:
    async with open_shells(tmp_path, bet_deadline_ms=200) as shells:
        shells.notify({"market-b": ShellState.DOWN})
        shells.place_slip("d")
        assert (await shells.bettor.slip_answer("d")).state == "unknown"
        shells.notify({"market-b": ShellState.QUARANTINED})
        shells.place_slip("d")
        assert (await second(shells, "d")).state == "unknown"
        assert shells.slip("d").state == SlipState.PENDING, "the reconciler will say"


async def test_a_closing_path_answers_its_slips_and_takes_no_more(tmp_path: Path) -> None:
    async with open_shells(tmp_path) as shells:
        shells.notify({"market-b": ShellState.DOWN})
        shells.place_slip("d")
        await until(lambda: len(shells.peers["market-a"].calls) == 1)
        await shells.path.close()
        (answer,) = shells.bettor.slip_answers["d"]
        assert answer.state == "unknown"
        shells.place_slip("e")
        assert shells.bettor.slip_answers["e"][0].reason is Reason.BUSY
        assert shells.path.in_flight == 0


async def test_statistics_count_a_slip_once_and_its_legs_as_rows(shells: BetPathShells) -> None:
    shells.place_slip("d")
    await shells.bettor.slip_answer("d")
    shells.place_slip("r", ((1, 0, 2_400), (3, 0, 2_500)))
    await shells.bettor.slip_answer("r")
    stats = shells.path.stats
    assert stats.answers == {Reason.ACCEPTED: 1, Reason.LEG_REFUSED: 1}
    assert (stats.answered, stats.rows) == (2, 4)


async def test_singles_and_slips_of_one_turn_are_all_answered_once(shells: BetPathShells) -> None:
    for number in range(60):
        shells.place(f"b{number}", stake_minor=10)
        shells.place_slip(f"d{number}", bets=[BetLines(stake_minor=10)])
    await until(lambda: len(shells.bettor.answers) + len(shells.bettor.slip_answers) == 120)
    await asyncio.sleep(0)
    assert {len(answers) for answers in shells.bettor.answers.values()} == {1}
    assert {len(answers) for answers in shells.bettor.slip_answers.values()} == {1}
    assert shells.available_minor() == BALANCE_MINOR - 60 * 20


async def test_a_slip_that_could_pay_too_much_is_refused_with_the_stake_that_passes(
    tmp_path: Path,
) -> None:
    limits = LimitsSettings(
        tiers=("1=cup-1",), slip_payout_minor_max=20_000, slip_payouts=("1=10_000",)
    )
    async with open_shells(tmp_path, limits=limits) as shells:
        doubles = (BetLines(stake_minor=1_000, sizes=(2,)), BetLines(stake_minor=500, sizes=(1,)))
        shells.place_slip("over", bets=doubles)  # 6,250 and 2,500 at the odds seen, twice 1,250
        assert (await shells.bettor.slip_answer("over")).state == "accepted"
        doubles = (BetLines(stake_minor=2_000, sizes=(2,)), BetLines(stake_minor=500, sizes=(1,)))
        shells.place_slip("over-2", bets=doubles)  # 12,500 and 2,500
        answer = await shells.bettor.slip_answer("over-2")
        assert (answer.state, answer.reason) == ("rejected", Reason.PAYOUT_OVER_CAP)
        assert (answer.bet_id, answer.legs) == (0, ())
        shells.place_slip("line", bets=[BetLines(stake_minor=2_000)])
        answer = await shells.bettor.slip_answer("line")
        assert (answer.reason, answer.stake_max_minor) == (Reason.PAYOUT_OVER_CAP, 1_600)
        shells.place_slip("passes", bets=[BetLines(stake_minor=1_600)])
        assert (await shells.bettor.slip_answer("passes")).state == "accepted"
        shells.place_slip(
            "other", ((1, 0, 2_500), (4, 0, 2_500)), bets=[BetLines(stake_minor=2_000)]
        )
        assert (await shells.bettor.slip_answer("other")).state == "accepted", "no leg of the tier"


async def test_a_ref_sent_again_under_other_limits_of_the_house_is_answered_as_before(
    shells: BetPathShells,
) -> None:
    shells.place_slip("d")
    first = await shells.bettor.slip_answer("d")
    for payout_minor_max in (1, 90_000_000):
        limits = LimitsSettings(slip_payout_minor_max=payout_minor_max)
        shells.slips = SlipReader(
            routes=shells.routes, settings=GatewaySettings(), limits=LimitRules(limits)
        )
        shells.place_slip("d")
        await until(lambda: len(shells.bettor.slip_answers["d"]) >= 2)
        assert shells.bettor.slip_answers["d"].pop() == first
    assert shells.available_minor() == BALANCE_MINOR - 500


async def test_legs_at_higher_odds_that_pay_too_much_refuse_the_slip_at_its_end(
    tmp_path: Path,
) -> None:
    limits = LimitsSettings(slip_payout_minor_max=10_000)
    async with open_shells(tmp_path, limits=limits) as shells:
        legs = ((1, 0, 2_000), (3, 0, 2_500))  # 2,500 now
        shells.place_slip("h", legs, bets=[BetLines(stake_minor=2_000)], policy="higher")
        answer = await shells.bettor.slip_answer("h")
        assert (answer.state, answer.reason) == ("rejected", Reason.PAYOUT_OVER_CAP)
        assert answer.stake_max_minor == 1_600
        assert [leg.odds_milli for leg in answer.legs] == [2_500, 2_500]
        assert shells.available_minor() == BALANCE_MINOR


async def test_a_leg_that_waits_counts_no_more_once_another_has_ended_its_slip(
    shells: BetPathShells,
) -> None:
    """Else the gateway takes more bets than its bound, until it would ask for the leg again."""
    shells.delay(1, 30_000)
    shells.suspend(3)
    shells.peers["market-b"].hold("place", after=0)
    shells.place_slip("d")
    await until(lambda: shells.bettor.waits == ["d"])
    assert (shells.path.in_flight, shells.path.bets_waiting) == (2, 1)
    shells.peers["market-b"].release()
    assert (await shells.bettor.slip_answer("d")).reason is Reason.LEG_REFUSED
    assert (shells.path.in_flight, shells.path.bets_waiting) == (0, 0)
