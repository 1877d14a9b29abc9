"""Slips of several legs between an account and three markets, killed and cut off at each step."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from actors.messages import (
    LedgerControl,
    ReconcilerStatus,
    decode_health,
    decode_reconciler_status,
    encode,
)
from engine.common.commands import ResumeMarket, RollBackSettlement, SuspendMarket
from engine.common.offers import BoostRule, LadderStep, SetOffer
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, BetResult, SlipState
from engine.common.units import Minor
from tests.actors.slip_shells import (
    ACCOUNT,
    FUNDS_MINOR,
    MARKET_NOS,
    SlipRequest,
    SlipShells,
    market_name,
    treble,
    trixie,
)
from tests.actors.trade import market_control
from tests.actors.virtual import run_virtual

SHELLS = (ACCOUNT, *map(market_name, MARKET_NOS))


@pytest.fixture
def shells() -> SlipShells:
    return SlipShells(orphan_after_ms=10_000, chunk_rows=2)


def suspend(shells: SlipShells, market_no: int) -> None:
    shells.market(market_no).control(market_control(SuspendMarket(market_no=market_no)))


def resume(shells: SlipShells, market_no: int) -> None:
    shells.market(market_no).control(market_control(ResumeMarket(market_no=market_no)))


def liability_minor(shells: SlipShells, market_no: int) -> int:
    """Return what a market's book says is staked on the home outcome."""
    (image,) = shells.book(market_no)
    staked: int = image.stake_minor[0]
    return staked


def leg_states(shells: SlipShells, ref: str = "s") -> list[SlipState]:
    return [leg.state for leg in shells.slip(ref).legs]


# --- placing ---------------------------------------------------------------------------------


def test_a_slip_that_every_market_holds_is_posted_and_at_stake_in_every_market(
    shells: SlipShells,
) -> None:
    request = treble()
    shells.reserve(request)
    assert request.state is SlipState.PENDING
    assert [shells.hold(request, number) for number in MARKET_NOS] == [0, 0, 0]
    shells.reserve(request)
    assert request.state is SlipState.ACCEPTED
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [100, 100, 100]
    assert shells.step()["charged"] == 0, "an accepted slip costs its markets no further call"
    report = shells.compare()
    assert report.agree
    assert report.quiet
    assert (report.slips, report.accepted, report.in_flight) == (1, 3, 0)


def test_a_slip_of_which_one_leg_is_refused_gives_its_stake_back_and_releases_the_others(
    shells: SlipShells,
) -> None:
    suspend(shells, 2)
    request = shells.place(treble())
    assert request.state is SlipState.REFUSED
    assert request.answers["reason"].tolist() == [
        Reason.LEG_REFUSED,
        Reason.ACCEPTED,
        Reason.MARKET_SUSPENDED,
        Reason.ACCEPTED,
    ]
    assert leg_states(shells) == [SlipState.RELEASED, SlipState.REFUSED, SlipState.RELEASED]
    assert shells.available_minor() == FUNDS_MINOR
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [100, 0, 100]
    assert shells.step()["charged"] == 2
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [0, 0, 0]
    assert shells.step()["charged"] == 0
    assert shells.compare().agree


HANDS: list[Callable[[SlipShells, SlipRequest], object]] = [
    lambda shells, request: shells.reserve(request),
    *(lambda shells, request, no=no: shells.hold(request, no) for no in MARKET_NOS),
    lambda shells, request: shells.reserve(request),
]
"""What a gateway does for a slip, step by step: reserve, three times hold, post."""


@pytest.mark.parametrize("refused", [0, 2])
@pytest.mark.parametrize("steps", range(1, len(HANDS) + 1))
@pytest.mark.parametrize("killed", SHELLS)
def test_a_slip_whose_gateway_ends_at_any_step_is_whole_again_whoever_is_killed(
    killed: str, steps: int, refused: int
) -> None:
    """All markets hold, or market 2 refuses; what no market was asked is fenced."""
    shells = SlipShells(orphan_after_ms=10_000, chunk_rows=2)
    if refused:
        suspend(shells, refused)
    request = treble()
    for number in range(steps):
        HANDS[number](shells, request)
        if number == steps - 1:
            shells.kill(killed)
    shells.kill_reconciler()
    shells.finish()
    whole = steps > len(MARKET_NOS) and not refused
    assert shells.slip("s").state is (SlipState.ACCEPTED if whole else SlipState.REFUSED)
    assert shells.available_minor() == FUNDS_MINOR - (100 if whole else 0)
    at_stake = 100 if whole else 0
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [at_stake] * 3
    report = shells.compare()
    assert report.agree, report.differences
    assert report.in_flight == 0
    shells.reserve(request)
    assert request.state is shells.slip("s").state, "the late gateway gets the same answer"


@pytest.mark.parametrize("killed", SHELLS)
def test_a_killed_shell_has_the_state_that_it_answered_for(killed: str) -> None:
    shells = SlipShells(orphan_after_ms=10_000)
    suspend(shells, 3)
    shells.place(treble("refused"))
    resume(shells, 3)
    shells.place(trixie("held"))
    shells.step()
    shells.settle(1)
    shells.step()
    shells.step()
    before = shells.shells[killed].state_hash()
    shells.kill(killed)
    assert shells.shells[killed].state_hash() == before
    assert shells.compare().agree


# --- settlements and charges -----------------------------------------------------------------


def test_a_slip_is_paid_when_its_last_leg_is_settled_and_charges_follow_the_results(
    shells: SlipShells,
) -> None:
    shells.place(trixie(line_minor=10))  # each leg is in two doubles and in the treble
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [30, 30, 30]
    shells.settle(1)
    assert shells.step()["settled"] == 1
    assert shells.slip("s").state is SlipState.ACCEPTED
    shells.step()
    # At 2.000 the doubles with leg 1 run on with 20 and the treble with 20, beside the double 2-3.
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [30, 50, 50]
    assert shells.compare().agree
    shells.settle(2, home=BetResult.LOST)
    shells.step()
    shells.step()
    # Only the double of legs 1 and 3 is left.
    assert liability_minor(shells, 3) == 20
    shells.settle(3, home=BetResult.WON)
    shells.step()
    slip = shells.slip("s")
    assert (slip.state, slip.result, slip.payout_minor) == (SlipState.SETTLED, BetResult.WON, 40)
    assert shells.available_minor() == FUNDS_MINOR - 40 + 40
    report = shells.compare()
    assert report.agree, report.differences


def test_a_corrected_result_pays_the_difference_and_ends_as_if_it_had_been_the_first(
    shells: SlipShells,
) -> None:
    shells.place(treble())
    for number in MARKET_NOS:
        shells.settle(number)
    shells.step()
    assert shells.available_minor() == FUNDS_MINOR - 100 + 800
    first = shells.slip("s").settlement_no
    shells.settle(2, home=BetResult.REFUNDED)
    shells.step()
    assert shells.slip("s").settlement_no == first + 1
    assert shells.available_minor() == FUNDS_MINOR - 100 + 400
    assert shells.compare().agree


@pytest.mark.parametrize("method", ["charges", "charge", "charged"])
@pytest.mark.parametrize("fault", ["lose_calls", "lose_answers"])
def test_every_charge_arrives_once_whichever_call_or_answer_is_lost(
    shells: SlipShells, method: str, fault: str
) -> None:
    suspend(shells, 3)
    for number in range(3):
        shells.place(treble(f"s{number}"))
    for peer in shells.peers.values():
        getattr(peer, fault)[method] = 2
    for _ in range(6):
        shells.step()
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [0, 0, 0]
    assert shells.account.charges(0, 10)[0] == b""
    report = shells.compare()
    assert report.agree
    assert report.quiet


@pytest.mark.parametrize("killed", SHELLS[:2])
@pytest.mark.parametrize("method", ["charges", "charge", "charged"])
def test_no_charge_is_lost_when_a_part_dies_behind_any_call_of_its_way(
    shells: SlipShells, method: str, killed: str
) -> None:
    suspend(shells, 3)
    shells.place(treble())
    for peer in shells.peers.values():
        peer.lose_answers[method] = 1
    shells.step()
    shells.kill(killed)
    shells.kill_reconciler()
    for _ in range(2):
        shells.step()
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [0, 0, 0]
    assert shells.account.charges(0, 10)[0] == b""
    assert shells.compare().agree


def test_a_charge_that_changes_while_it_is_carried_arrives_in_its_last_state(
    shells: SlipShells,
) -> None:
    shells.place(trixie(line_minor=10))
    shells.settle(1)
    shells.step()
    late = shells.account.charges(0, 10)[0]  # a reconciler that will be slow
    shells.settle(2, home=BetResult.LOST)
    shells.step()
    shells.step()
    assert liability_minor(shells, 3) == 20
    before = shells.account.state_hash()
    for number in (2, 3):
        rows = np.frombuffer(late, "<u8").reshape(-1, 4)
        assert len(rows) == 2
        assert shells.market(number).charge(late) == 0, "an older number changes nothing"
    assert shells.account.charged(late) == 0
    assert shells.account.state_hash() == before
    assert liability_minor(shells, 3) == 20


def test_a_charge_whose_note_was_lost_is_taken_back_with_the_result_behind_it(
    shells: SlipShells,
) -> None:
    """The market has applied what the account does not know, and then nothing stands any more."""
    shells.place(trixie(line_minor=10))
    shells.peers[ACCOUNT].lose_calls["charged"] = 100
    shells.settle(1)
    for _ in range(2):
        shells.step()
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [30, 50, 50]
    shells.market(1).control(market_control(RollBackSettlement(market_no=1)))
    shells.step()
    shells.peers[ACCOUNT].lose_calls.clear()
    for _ in range(2):
        shells.step()
    assert [liability_minor(shells, number) for number in MARKET_NOS] == [30, 30, 30]
    assert shells.account.charges(0, 10)[0] == b""
    report = shells.compare()
    assert report.agree, report.differences


@pytest.mark.parametrize("why", ["quarantined", "down", "frozen"])
def test_a_market_that_takes_no_charge_holds_up_no_other(shells: SlipShells, why: str) -> None:
    suspend(shells, 3)
    for number in range(5):
        shells.place(treble(f"s{number}"))
    stuck = shells.peers[market_name(1)]
    if why == "quarantined":
        shells.kill(market_name(1), quarantine="under inspection")
    elif why == "down":
        del shells.peers[market_name(1)]
        shells.notify_routes(down=market_name(1))
    else:
        stuck.hang.add("charge")

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(2)
        assert liability_minor(shells, 2) == 0, "all five are released, in portions of two"
        stuck.hang.clear()
        stuck.thaw.set()
        await shells.reconciler.stop()

    run_virtual(main())
    if why != "frozen":
        status = decode_reconciler_status(shells.reconciler.status())
        assert any(line.startswith(f"charges of {ACCOUNT} to") for line in status.troubles)
    shells.kill(market_name(1))
    for _ in range(3):
        shells.step()
    assert liability_minor(shells, 1) == 0
    troubles = decode_reconciler_status(shells.reconciler.status()).troubles
    assert not [line for line in troubles if line.startswith("charges")]


def test_charges_that_cannot_be_carried_now_do_not_hold_back_those_behind_them(
    shells: SlipShells, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step reads a bounded number of portions; the next step goes on behind them."""
    monkeypatch.setattr("actors.reconciler.CHARGE_PORTIONS_MAX", 2)
    suspend(shells, 3)
    for number in range(6):
        shells.place(treble(f"s{number}"))
    shells.peers[market_name(1)].fail.add("charge")
    for _ in range(4):
        shells.step()
    assert liability_minor(shells, 2) == 0
    shells.peers[market_name(1)].fail.clear()
    for _ in range(4):
        shells.step()
    assert liability_minor(shells, 1) == 0


def test_a_full_disk_takes_no_charge_and_takes_it_when_it_is_freed(shells: SlipShells) -> None:
    suspend(shells, 3)
    shells.place(treble())
    disk = shells.fill_disk(market_name(2))
    assert shells.step()["charged"] == 1, "market 1 has taken its release"
    assert liability_minor(shells, 2) == 100
    disk.capacity = None
    assert shells.step()["charged"] == 1
    assert shells.compare().agree


def test_a_charge_of_a_leg_that_its_market_never_accepted_is_in_the_shells_health(
    shells: SlipShells,
) -> None:
    shells.place(treble())
    charge = np.zeros(1, CHARGE)
    charge["bet_id"], charge["market_no"], charge["charge_no"] = shells.slip("s").bet_id, 1, 1
    assert shells.market(1).charge(charge.tobytes()) == 0
    assert decode_health(shells.market(1).tick()).charges_unfit == 1
    assert decode_health(shells.market(2).tick()).charges_unfit == 0


# --- running comparison ----------------------------------------------------------------------


def compared(shells: SlipShells) -> ReconcilerStatus:
    """Run the reconciler for some virtual seconds and return its status."""

    async def main() -> None:
        await shells.reconciler.start()
        await asyncio.sleep(12)
        await shells.reconciler.stop()

    run_virtual(main())
    return decode_reconciler_status(shells.reconciler.status())


@pytest.fixture
def traded() -> SlipShells:
    """Return shells with slips of every state, compared in slices shorter than a slip."""
    shells = SlipShells(compare_rows=3, compare_period_ms=50)
    shells.place(trixie("settled"))
    shells.bet("single", market_no=1)
    shells.place(treble("lost"))
    suspend(shells, 3)
    shells.place(trixie("refused"))
    resume(shells, 3)
    shells.settle(1)
    shells.settle(2, home=BetResult.LOST)
    shells.step()
    shells.reserve(treble("pending"))
    return shells


def test_the_running_comparison_finds_nothing_wrong_with_sound_slips(traded: SlipShells) -> None:
    status = compared(traded)
    assert status.compared > 100
    assert status.differences == ()
    traded.settle(3)
    assert compared(traded).differences == ()
    assert traded.slip("settled").payout_minor == 40
    assert traded.slip("lost").state is SlipState.SETTLED


def test_the_running_comparison_names_a_slip_that_was_paid_otherwise(traded: SlipShells) -> None:
    traded.settle(3)
    assert compared(traded).differences == ()
    head = traded.slip("settled").bet_id
    rows = traded.account._machine()._tables.slips
    rows["payout_minor"][rows["bet_id"] == head] += 1
    assert compared(traded).differences == (
        f"bet {head}: it was paid 41, by its legs it is owed 40",
    )


def test_the_running_comparison_names_a_slip_whose_offer_gave_otherwise() -> None:
    shells = SlipShells(compare_rows=3, compare_period_ms=50)
    rule = BoostRule(ladder=(LadderStep(legs=2, milli=100),), cap_minor=Minor(1_000))
    boost = SetOffer(offer_no=1, name="boost", currency="EUR", rule=rule)
    shells.account.control(encode(LedgerControl(by="t", commands=(boost,))))
    for ref in ("first", "second"):
        request = treble(ref)
        request.rows["odds_milli"][0] = 1  # the number of the offer
        shells.place(request)
    shells.bet("single", market_no=1)
    for number in (1, 2, 3):
        shells.settle(number)
    assert compared(shells).differences == ()
    second = shells.slip("second")
    assert second.offer is not None
    assert second.offer.added_minor == 70, "a tenth of what 100 won at 8.0"
    shells.account._machine()._tables.offers.offered["added_minor"][1] += 1
    assert compared(shells).differences == (
        f"bet {second.bet_id}: its offer gave otherwise than its rule says",
    )


def test_the_running_comparison_names_a_leg_that_is_charged_otherwise(traded: SlipShells) -> None:
    assert compared(traded).differences == ()
    leg = traded.slip("settled").legs[2].bet_id
    book = traded.market(3)._machine()._book
    charged = book.charges[: book.charges_len]
    of_leg = book.records["bet_id"][charged["record"]] == leg
    assert of_leg.sum() == 1
    book.charges["stake_minor"][: book.charges_len][of_leg] += 5
    found = compared(traded).differences
    assert f"bet {leg}: its charge is 25 in its market, 20 in its account" in found
