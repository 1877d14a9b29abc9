"""Slips of several legs: what they are owed, when they are paid, what their legs are charged."""

from functools import partial

import numpy as np
import pytest

from engine.common.commands import Withdraw
from engine.common.reasons import Reason
from engine.common.rows import CHARGE, FLAG_RELEASED, BetResult, Rows, SlipState
from engine.common.units import STAKE_MINOR_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import (
    bet,
    funded,
    money,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    cover,
    leg_lost,
    leg_refunded,
    leg_reopened,
    leg_settlement,
)

PENDING, ACCEPTED, REFUSED, SETTLED = list(SlipState)[1:5]


def held(request: SlipRequest, *, amount_minor: int = 100_000) -> LedgerMachine:
    """Return a ledger whose account 7 has this slip with all legs held."""
    ledger = funded(amount_minor=amount_minor)
    assert request.hold_all(ledger)["state"].tolist() == [ACCEPTED] * (1 + len(request.legs))
    return ledger


def paid(request: SlipRequest, *fractions: tuple[int, int]) -> int:
    """Return what a slip is paid when each leg gives back a fraction, after an audit."""
    ledger = held(request)
    before = money(ledger)[0]
    for place, (num, den) in enumerate(fractions):
        settle(ledger, leg_settlement(request.leg(place), num, den))
        ledger.check()
    slip = ledger.slip_by_id(request.bet_id)
    assert slip.state == SETTLED
    assert money(ledger) == (before + slip.payout_minor, 0, 0, 0)
    return slip.payout_minor


def won(odds_milli: int) -> tuple[int, int]:
    return odds_milli, 1_000


VOID, LOST = (1, 1), (0, 1)


# --- worked settlements --------------------------------------------------------------------------


def test_thirty_pence_yankee_of_four_winners_at_three_to_one():
    """DOMAIN.md: 182.40."""
    assert paid(cover(*[4_000] * 4, stake_minor=30), *[won(4_000)] * 4) == 18_240


def test_one_pound_lucky_15_of_four_winners():
    """DOMAIN.md: product(odds + 1) - 1 = 839.00 at 3.0, 4.0, 5.0 and 6.0."""
    odds = (3_000, 4_000, 5_000, 6_000)
    assert paid(cover(*odds, least=1), *map(won, odds)) == 83_900


def test_a_double_with_one_void_leg_is_a_single_of_the_other():
    assert paid(accumulator(2_500, 3_000), won(2_500), VOID) == 250
    assert paid(accumulator(2_500, 3_000), VOID, VOID) == 100


def each_way(stake_minor: int, odds_milli: int, *, fraction: int) -> SlipRequest:
    """Return an each-way bet: a win part and a place part at a fraction of the odds."""
    place_milli = 1_000 + (odds_milli - 1_000) // fraction
    legs = [Leg(odds_milli, 1, position=0), Leg(place_milli, 2, position=1)]
    parts = [LineBet(stake_minor, (1,), positions=(place,)) for place in (0, 1)]
    return SlipRequest(legs, parts, 2 * stake_minor)


@pytest.mark.parametrize(
    ("fractions", "payout_minor"),
    [
        (((2_750, 1_000), (1_350, 1_000)), 4_100),
        ((LOST, (1_350, 1_000)), 1_350),
        ((LOST, LOST), 0),
        (((1_000_000 + 1_750_000 * 65 // 100, 1_000_000), (1_227_500, 1_000_000)), 3_364),
        ((LOST, (1_227_500, 1_000_000)), 1_227),
    ],
    ids=["wins", "second", "loses", "wins with 35p of Rule 4", "second with 35p of Rule 4"],
)
def test_ten_each_way_at_seven_to_four_a_fifth(fractions, payout_minor):
    """DOMAIN.md: 41.00 if it wins, 13.50 if it is second; with 35% Rule 4 33.65 and 12.28.

    Each part is a line, rounded down by itself: 21.375 and 12.275 are 21.37 and 12.27 here.
    """
    assert paid(each_way(1_000, 2_750, fraction=5), *fractions) == payout_minor


def test_each_way_with_a_tie_for_the_last_place():
    """REFERENCE.md 2.2: 20 each way at 16/1, 1/4: third alone 100, joint third of two 50."""
    assert paid(each_way(2_000, 17_000, fraction=4), LOST, won(5_000)) == 10_000
    assert paid(each_way(2_000, 17_000, fraction=4), LOST, (5_000, 2_000)) == 5_000


def test_doubles_of_three_selections_of_which_two_share_an_event_are_two_lines():
    """DOMAIN.md."""
    legs = [Leg(2_000, 1, event=0), Leg(3_000, 2, event=0), Leg(4_000, 3, event=1)]
    request = SlipRequest(legs, [LineBet(100, (2,))], 200)
    assert paid(request, won(2_000), won(3_000), won(4_000)) == 800 + 1_200


def test_a_leg_that_is_a_choice_of_two_selections_pays_each_line():
    legs = [Leg(2_000, 1, position=0), Leg(3_000, 2, position=0), Leg(4_000, 3, position=1)]
    request = SlipRequest(legs, [LineBet(100, (2,))], 200)
    assert paid(request, LOST, won(3_000), won(4_000)) == 1_200


def test_each_line_is_rounded_down_once():
    assert paid(cover(1_333, 1_333, 1_333, stake_minor=1), *[won(1_333)] * 3) == 3 * 1 + 2
    assert paid(accumulator(*[1_333] * 3, stake_minor=10), *[won(1_333)] * 3) == 23
    assert paid(accumulator(2_000, 2_000, stake_minor=3), (1, 2), won(2_000)) == 3


# --- when a slip is paid -------------------------------------------------------------------------


def head(ledger: LedgerMachine, request: SlipRequest) -> tuple[int, int, int, int]:
    """Return state, result, payout and settlement number of the slip, after an audit."""
    ledger.check()
    slip = ledger.slip_by_id(request.bet_id)
    return slip.state, slip.result, slip.payout_minor, slip.settlement_no


def test_a_slip_is_lost_as_soon_as_no_open_leg_can_change_it():
    request = accumulator(2_000, 3_000, 4_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 2_000))
    assert head(ledger, request) == (ACCEPTED, BetResult.NONE, 0, 0)
    settle(ledger, leg_lost(request.leg(1)))
    assert head(ledger, request) == (SETTLED, BetResult.LOST, 0, 1)
    assert money(ledger) == (99_900, 0, 0, 0)
    settle(ledger, leg_settlement(request.leg(2), 4_000))
    assert head(ledger, request) == (SETTLED, BetResult.LOST, 0, 1), "it changed nothing"


def test_a_system_is_paid_while_a_leg_that_is_in_no_line_left_is_open():
    legs = [Leg(2_000, no) for no in (1, 2, 3)]
    bets = [LineBet(100, (1,), (0,)), LineBet(100, (2,), (1, 2))]
    request = SlipRequest(legs, bets, 200)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 2_000), leg_lost(request.leg(1)))
    assert head(ledger, request) == (SETTLED, BetResult.WON, 200, 1)


def test_a_slip_whose_every_leg_was_refunded_is_refunded():
    request = cover(2_000, 3_000)
    ledger = held(request)
    cancelled = leg_settlement(request.leg(1), 1, 1, result=BetResult.CANCELLED)
    settle(ledger, leg_refunded(request.leg(0)), cancelled)
    assert head(ledger, request) == (SETTLED, BetResult.REFUNDED, 100, 1)


def test_a_corrected_leg_moves_the_difference_under_a_new_number():
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 2_000), leg_settlement(request.leg(1), 3_000))
    assert head(ledger, request) == (SETTLED, BetResult.WON, 600, 1)
    settle(ledger, leg_refunded(request.leg(1), number=2))
    assert head(ledger, request) == (SETTLED, BetResult.WON, 200, 2)
    settle(ledger, leg_lost(request.leg(1), number=3))
    assert head(ledger, request) == (SETTLED, BetResult.LOST, 0, 3)
    assert money(ledger) == (99_900, 0, 0, 0)


def test_a_leg_opened_again_opens_the_slip_if_it_can_change_it():
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 2_000), leg_settlement(request.leg(1), 3_000))
    settle(ledger, leg_reopened(request.leg(1)))
    assert head(ledger, request) == (ACCEPTED, BetResult.NONE, 0, 2)
    assert money(ledger) == (99_900, 0, 100, 0)
    assert [slip.bet_id for slip in ledger.open_slips(account_no=7)] == [request.bet_id]
    settle(ledger, leg_lost(request.leg(0), number=2))
    assert head(ledger, request) == (SETTLED, BetResult.LOST, 0, 3)
    assert ledger.open_slips(account_no=7) == []


def test_a_payout_taken_back_beyond_the_balance_is_owed():
    request = accumulator(2_000, 3_000)
    ledger = held(request, amount_minor=100)
    settle(ledger, leg_settlement(request.leg(0), 2_000), leg_settlement(request.leg(1), 3_000))
    ledger.apply(Withdraw(account_no=7, amount_minor=500, ref="out"), 40)
    settle(ledger, leg_reopened(request.leg(0)))
    assert money(ledger) == (0, 0, 100, 500)
    settle(ledger, leg_settlement(request.leg(0), 2_000, number=3))
    assert money(ledger) == (100, 0, 0, 0)


@pytest.mark.parametrize(
    "impossible",
    [
        leg_settlement(bet(2), 2_001),
        leg_settlement(bet(2), 1, 0),
        leg_settlement(bet(2), 0, 0, result=BetResult.LOST),
        leg_settlement(bet(2), -1),
        leg_settlement(bet(2), 1, result=BetResult.NONE),
        leg_settlement(bet(2), 1 << 62, (1 << 32) - 1),
        leg_settlement(bet(2), 1, result=7),
        settlement(bet(2), 200),
        settlement(bet(1), 100),
        leg_settlement(bet(1), 1, 1),
        leg_settlement(bet(4), 2_000),
        leg_reopened(bet(1)),
    ],
    ids=[
        "over its odds",
        "no denominator",
        "lost without a denominator",
        "negative",
        "gives back while open",
        "a numerator out of bounds",
        "unknown result",
        "a payout of a leg",
        "a payout of a head",
        "a fraction of a head",
        "a fraction of a single",
        "a head opened again",
    ],
)
def test_a_settlement_that_no_market_can_have_sent_is_a_dispute(impossible):
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    reserve(ledger, reservation())
    before = money(ledger)
    assert len(settle(ledger, impossible, leg_settlement(request.leg(1), 3_000))) == 2
    assert ledger.disputes()["bet_id"].tolist() == impossible["bet_id"].tolist()
    assert money(ledger) == before
    assert ledger.slip_by_id(request.bet_id).legs[1].state == SETTLED


def test_a_lower_or_equal_number_of_a_leg_is_skipped():
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 2_000, number=4))
    before = ledger.state_hash()
    for number in (0, 3, 4):
        assert len(settle(ledger, leg_lost(request.leg(0), number=number))) == 0
    assert ledger.state_hash() == before


# --- charges -------------------------------------------------------------------------------------


def charges(ledger: LedgerMachine, request: SlipRequest) -> dict[int, int]:
    """Return what is to be charged by the place of the leg, after an audit."""
    ledger.check()
    rows = ledger.charges(limit=99).rows
    assert (rows["market_no"] > 0).all()
    return {
        int(bet_id) - request.bet_id - 1: charge
        for bet_id, charge in rows[["bet_id", "stake_minor"]].tolist()
    }


def test_when_a_leg_wins_the_stake_that_runs_on_the_others_grows():
    request = cover(3_500, 4_000, 5_000)
    ledger = held(request)
    assert charges(ledger, request) == {}
    settle(ledger, leg_settlement(request.leg(0), 3_500))
    assert charges(ledger, request) == {1: 350 + 100 + 350, 2: 350 + 100 + 350}
    settle(ledger, leg_lost(request.leg(1)))
    assert charges(ledger, request) == {2: 350}


def test_a_charge_that_is_noted_is_due_no_more_and_a_settled_leg_keeps_its_last():
    request = cover(3_000, 4_000, 5_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    rows = ledger.charges(limit=99).rows
    assert ledger.charged(rows).tobytes() == rows.tobytes()
    assert len(ledger.charged(rows)) == 0, "a charge is noted once"
    assert charges(ledger, request) == {}
    settle(ledger, leg_settlement(request.leg(1), 4_000), leg_settlement(request.leg(2), 5_000))
    assert charges(ledger, request) == {}
    assert ledger.slips()["charged_minor"].tolist() == [0, 300, 700, 700]
    settle(ledger, leg_reopened(request.leg(2)))
    assert charges(ledger, request) == {2: 300 * 4 + 100 * 4 + 300}


def test_a_lost_slip_runs_on_no_leg():
    request = accumulator(2_000, 3_000, 4_000)
    ledger = held(request)
    settle(ledger, leg_lost(request.leg(0)))
    assert charges(ledger, request) == {1: 0, 2: 0}
    assert not ledger.charges(limit=9).rows["flags"].any()


def test_a_refused_slip_releases_the_legs_that_are_held():
    ledger = funded()
    request = accumulator(2_000, 3_000, 4_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(0), odds_milli=2_000))
    resolve(ledger, verdict(request.leg(1), Reason.MARKET_SUSPENDED))
    assert charges(ledger, request) == {0: 0}
    (row,) = ledger.charges(limit=9).rows
    assert (row["flags"], row["charge_no"]) == (FLAG_RELEASED, 1)
    assert len(ledger.charged(ledger.charges(limit=9).rows)) == 1
    resolve(ledger, verdict(request.leg(2), odds_milli=4_000))
    assert charges(ledger, request) == {2: 0}


def test_no_charge_of_a_slip_is_due_before_all_its_markets_hold_it():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    settle(ledger, leg_settlement(request.leg(0), 2_000))
    assert charges(ledger, request) == {}
    resolve(ledger, verdict(request.leg(1), odds_milli=3_000))
    assert charges(ledger, request) == {1: 200}


def test_a_charge_is_bounded_by_the_largest_stake():
    request = accumulator(10_000, 1_001, stake_minor=STAKE_MINOR_MAX // 2)
    ledger = held(request, amount_minor=10**12)
    settle(ledger, leg_settlement(request.leg(0), 10_000))
    assert charges(ledger, request) == {1: STAKE_MINOR_MAX}


def test_an_acknowledgement_that_is_late_changes_nothing():
    request = cover(3_000, 4_000, 5_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    early = ledger.charges(limit=99).rows
    settle(ledger, leg_settlement(request.leg(1), 4_000))
    late = ledger.charges(limit=99).rows
    assert late["charge_no"].tolist() == [2]
    assert len(ledger.charged(late)) == 1
    assert ledger.charged(early)["bet_id"].tolist() == [request.leg(1)]
    assert ledger.slips()["charged_minor"].tolist()[1:] == [300, 700, 100 * 12 + 300 + 400]


@pytest.mark.parametrize("late", [True, False])
def test_a_charge_that_is_taken_back_before_its_acknowledgement_is_told_again(late):
    request = cover(3_000, 4_000, 5_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    sent = ledger.charges(limit=99).rows
    settle(ledger, leg_reopened(request.leg(0)))
    if late:
        ledger.charged(sent)
    # Its market may charge what was sent: what runs on the leg again is what it had at first.
    first = ledger.slips()["stake_minor"].tolist()[1:]
    assert charges(ledger, request) == dict(enumerate(first))
    rows = ledger.charges(limit=99).rows
    assert set(rows["charge_no"].tolist()) == {2}
    assert len(ledger.charged(rows)) == len(rows)
    assert charges(ledger, request) == {}


def test_a_leg_whose_charge_stays_is_not_told_of_it():
    request = accumulator(2_000, 3_000, 4_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 1_000, den=1_000))
    assert charges(ledger, request) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"bet_id": bet(1)},
        {"bet_id": bet(9)},
        {"charge_no": 0},
        {"charge_no": 2},
        {"stake_minor": -1},
        {"stake_minor": STAKE_MINOR_MAX + 1},
    ],
)
def test_an_acknowledgement_of_what_was_never_sent_changes_nothing(fields):
    request = cover(3_000, 4_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    row = ledger.charges(limit=99).rows
    for name, value in fields.items():
        row[name] = value
    before = ledger.state_hash()
    assert len(ledger.charged(row)) == 0
    assert ledger.state_hash() == before


def test_charges_come_in_pages_by_rising_bet_id():
    ledger = funded(amount_minor=100_000)
    requests = [accumulator(*[2_000] * 4, ref=f"r{i}") for i in range(5)]
    for request in requests:
        request.hold_all(ledger)
    for request in reversed(requests):
        settle(ledger, leg_settlement(request.leg(1), 2_000))
    due = [request.leg(place) for request in requests for place in (0, 2, 3)]
    for limit in (1, 2, 5, 15, 99):
        found: list[int] = []
        while len(page := ledger.charges(after_bet_id=found[-1] if found else 0, limit=limit).rows):
            assert len(page) <= limit
            found += page["bet_id"].tolist()
        assert found == due
    assert len(ledger.charges(limit=0).rows) == 0
    first = ledger.charges(limit=7).rows
    assert len(ledger.charged(first)) == 7
    assert ledger.charges(limit=99).rows["bet_id"].tolist() == due[7:]
    ledger.check()


def test_the_queue_of_charges_stays_short_while_nobody_asks_for_them():
    ledger = funded(amount_minor=100_000)
    requests = [accumulator(*[2_000] * 3, ref=f"r{i}") for i in range(300)]
    for request in requests:
        request.hold_all(ledger)
    for number in range(1, 30):
        row = leg_reopened if number % 2 == 0 else partial(leg_settlement, num=2_000)
        settle(ledger, *(row(request.leg(0), number=number) for request in requests))
    ledger.check()
    assert len(ledger._tables.due) < 8 * len(requests)
    rows = ledger.charges(limit=1_000).rows
    assert rows["bet_id"].tolist() == [r.leg(place) for r in requests for place in (1, 2)]
    assert set(rows["stake_minor"].tolist()) == {200}


def test_charges_are_due_again_after_a_restart():
    request = cover(3_000, 4_000, 5_000)
    ledger = held(request)
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    ledger.charged(ledger.charges(limit=1).rows)
    loaded = LedgerMachine.load(ledger.dump())
    assert loaded.charges(limit=9).rows.tobytes() == ledger.charges(limit=9).rows.tobytes()
    assert len(loaded.charges(limit=9).rows) == 1
    assert loaded.state_hash() == ledger.state_hash()


def test_an_empty_ledger_has_no_charges():
    ledger = funded()
    none: Rows = np.zeros(0, CHARGE)
    assert len(ledger.charges(limit=9).rows) == len(ledger.charged(none)) == 0


# --- reading -------------------------------------------------------------------------------------


def test_a_slip_is_found_by_its_ref_its_id_and_the_id_of_each_leg():
    request = cover(3_000, 4_000)
    ledger = held(request)
    slip = ledger.slip(account_no=7, ref="slip")
    assert {ledger.slip_by_id(request.bet_id + place) == slip for place in range(3)} == {True}
    assert (slip.market_no, slip.outcome, slip.odds_milli) == (0, 0, 0)
    assert [leg.bet_id for leg in slip.legs] == [request.leg(0), request.leg(1)]
    assert [(leg.market_no, leg.odds_milli) for leg in slip.legs] == [(1, 3_000), (2, 4_000)]
    assert [(leg.event, leg.position) for leg in slip.legs] == [(0, 0), (1, 1)]
    (line_bet,) = slip.bets
    assert (line_bet.stake_minor, line_bet.sizes, line_bet.lines) == (100, (2,), 1)
    assert (line_bet.positions, line_bet.bankers) == ((0, 1), ())
    settle(ledger, leg_settlement(request.leg(0), 3_000))
    leg = ledger.slip_by_id(request.leg(1)).legs[0]
    assert (leg.state, leg.result, leg.back_num, leg.back_den) == (SETTLED, 1, 3_000, 1_000)


def test_bankers_are_shown_as_the_positions_that_every_line_has():
    legs = [Leg(2_000, no) for no in (1, 2, 3)]
    request = SlipRequest(legs, [LineBet(100, (1,), bankers=(2,))], 200)
    (line_bet,) = held(request).slip_by_id(bet(1)).bets
    assert (line_bet.sizes, line_bet.positions, line_bet.bankers) == ((1,), (0, 1, 2), (2,))


def test_markets_know_legs_as_bets_and_never_a_head():
    request = accumulator(2_000, 3_000)
    ledger = held(request)
    assert ledger.in_force(market_nos=[0, 1, 2], limit=9).tolist() == [bet(2), bet(3)]
    asked = np.array([bet(1), bet(2), bet(3), bet(4)], np.uint64)
    assert ledger.never_given(asked).tolist() == [bet(1), bet(4)]
    assert ledger.slips_of(asked)["bet_id"].tolist() == [bet(1), bet(2), bet(3)]
    assert ledger.slip_bets()["stake_minor"].tolist() == [100]
    assert len(ledger.slip_bets(1)) == 0


def test_a_released_leg_is_a_bet_that_its_market_has_accepted():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(0)), verdict(request.leg(1), Reason.MARKET_SUSPENDED))
    assert ledger.in_force(market_nos=[1, 2], limit=9).tolist() == [request.leg(0)]
