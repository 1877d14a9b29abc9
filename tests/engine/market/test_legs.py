"""Legs of slips at their market by worked examples: decided, charged, settled and released."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.book_result import BookResult
from engine.common.commands import (
    AckOutbox,
    CancelBets,
    CancelMarket,
    CloseMarket,
    Deduction,
    Limits,
    OutcomeResult,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
    SuspendMarket,
)
from engine.common.ids import bet_id
from engine.common.reasons import Reason
from engine.common.rows import (
    CHARGE,
    FLAG_FENCE,
    FLAG_KNOWN,
    FLAG_LEG,
    FLAG_RELEASED,
    BetResult,
    Policy,
)
from engine.common.units import ODDS_MILLI_MAX, PAYOUT_MINOR_MAX, STAKE_MINOR_MAX
from engine.market.market import MarketMachine
from tests.engine.market.builders import (
    AT_NS,
    Bet,
    bet,
    charge,
    charge_rows,
    do,
    open_machine,
    place,
    reasons,
    won,
)
from tests.engine.market.resolution_twin import Placed, back_twin

EVENS = (2_000, 2_000)
WON_EVENS, LOST_EVENS = (1, 2, 1, BetResult.WON), (1, 0, 1, BetResult.LOST)


def leg(serial: int, *, flags: int = 0, **fields: int) -> Bet:
    """Return the fields of one leg."""
    return bet(serial, flags=FLAG_LEG | flags, **fields)


def settled(machine: MarketMachine) -> list[tuple[int, int, int, int]]:
    """Return the waiting settlements of shard 0 and acknowledge them.

    They are (serial, payout, denominator, result).
    """
    rows = machine.outbox(shard=0, limit=1 << 20)
    do(machine, AckOutbox(shard=0, upto=int(rows["outbox_seq"].max(initial=0))))
    names = ("payout_minor", "back_den", "result")
    serials = (rows["bet_id"] & np.uint64((1 << 48) - 1)).tolist()
    return list(zip(serials, *(rows[name].tolist() for name in names), strict=True))


# --- decided as bets ------------------------------------------------------------------------------


def test_a_leg_has_no_smallest_stake() -> None:
    machine = open_machine(limits=Limits(stake_minor_min=50, stake_minor_max=1_000))
    answers = reasons(machine, bet(1, stake=49), leg(2, stake=49), leg(3, stake=1), leg(4, stake=0))
    assert answers == [Reason.STAKE_TOO_SMALL, 0, 0, Reason.AMOUNT_OUT_OF_BOUNDS]
    machine.check()


def test_a_leg_of_less_than_a_cent_in_base_currency_is_held_and_its_win_is_counted() -> None:
    """One yen at .006 is no cent; what it may win at 10,000 is 59.99 cents."""
    machine = open_machine(odds=(10_000_000, 2_000))
    yen = {"odds": 10_000_000, "rate": 6_000}
    assert reasons(machine, bet(1, stake=1, **yen)) == [Reason.STAKE_TOO_SMALL]
    assert reasons(machine, leg(2, stake=1, **yen)) == [Reason.ACCEPTED]
    assert machine.book_image(1).stake_minor == (0, 0)
    assert machine.book_image(1).payout_minor == (60, 0)
    machine.check()
    MarketMachine.load(machine.dump()).check()


def test_limits_hold_for_a_leg_as_for_a_single_and_say_what_would_pass() -> None:
    limits = Limits(
        stake_minor_min=50,
        stake_minor_max=1_000,
        payout_minor_max=1_800,
        outcome_liability_minor_max=700,
        market_liability_minor_max=700,
    )
    for flags in (0, FLAG_LEG):
        machine = open_machine(odds=EVENS, limits=limits)
        seen = {"odds": 2_000, "flags": flags}
        first = [bet(1, stake=1_001, **seen), bet(2, stake=901, **seen), bet(3, stake=701, **seen)]
        assert place(machine, *first, bet(4, stake=700, **seen), bet(5, stake=60, **seen)) == [
            (Reason.STAKE_OVER_LIMIT, 2_000, 700, 0),
            (Reason.PAYOUT_OVER_CAP, 2_000, 700, 0),
            (Reason.OUTCOME_LIABILITY, 2_000, 700, 0),
            (Reason.ACCEPTED, 2_000, 0, 0),
            (Reason.OUTCOME_LIABILITY, 2_000, 0, 0),
        ]
    assert place(machine, bet(6, stake=40, odds=2_000, outcome=1)) == [(301, 2_000, 0, 0)]
    assert place(machine, leg(7, stake=40, odds=2_000, outcome=1)) == [(0, 2_000, 0, 0)]
    assert place(machine, bet(8, stake=60, odds=2_000)) == [(704, 2_000, 0, 0)], "40 < 50"
    assert place(machine, leg(9, stake=60, odds=2_000)) == [(704, 2_000, 40, 0)]


def test_odds_policy_and_states_hold_for_a_leg_as_for_a_single() -> None:
    machine = open_machine()
    moved = [leg(1, odds=2_400), leg(2, odds=2_600, policy=Policy.HIGHER)]
    taken = [leg(3, odds=2_400, policy=Policy.HIGHER), leg(4, odds=9_000, policy=Policy.ANY)]
    unknown = [leg(5, outcome=3), leg(6, market=9), leg(7, policy=Policy.COMBINED_NONE)]
    assert reasons(machine, *moved, *taken, *unknown) == [431, 432, 0, 0, 407, 401, 102]
    do(machine, SuspendMarket(market_no=1))
    assert reasons(machine, leg(8)) == [Reason.MARKET_SUSPENDED]


def test_a_repeated_leg_gets_its_first_answer_and_its_record_keeps_the_flag() -> None:
    machine = open_machine()
    assert place(machine, leg(1)) == [(0, 2_500, 0, 0)]
    assert place(machine, leg(1), leg(1, flags=FLAG_FENCE)) == [(0, 2_500, 0, FLAG_KNOWN)] * 2
    assert machine.bets()["flags"].tolist() == [FLAG_LEG]
    assert machine.book_image(1).bets == 1


def test_a_fenced_leg_is_refused_for_good() -> None:
    machine = open_machine()
    assert reasons(machine, leg(1, flags=FLAG_FENCE), leg(1)) == [Reason.FENCED] * 2


@pytest.mark.parametrize("fence", [FLAG_FENCE, FLAG_FENCE | FLAG_LEG])
def test_a_fence_finds_a_bet_whether_or_not_it_says_that_it_is_a_leg(fence: int) -> None:
    machine = open_machine()
    place(machine, bet(1), leg(2))
    again = [(0, 2_500, 0, FLAG_KNOWN)] * 2
    assert place(machine, bet(1, flags=fence), bet(2, flags=fence)) == again
    assert reasons(machine, bet(3, flags=fence), bet(4, flags=fence)) == [Reason.FENCED] * 2
    assert reasons(machine, bet(3), leg(3), bet(4), leg(4)) == [Reason.FENCED] * 4


def test_a_single_and_a_leg_of_one_id_are_two_bets() -> None:
    machine = open_machine()
    place(machine, bet(1), leg(2))
    assert reasons(machine, leg(1), bet(2)) == [Reason.BET_ID_REUSED] * 2


# --- settled as fractions -------------------------------------------------------------------------

WON = OutcomeResult(won=True)
HALF_WON = OutcomeResult(won=True, void_halves=1)
HALF_LOST = OutcomeResult(won=False, void_halves=1)
RULE_4 = (Deduction(until_ns=AT_NS + 1, keep_milli=750),)
OF_PRICE = (Deduction(until_ns=AT_NS + 1, keep_milli=750, of_price=True),)


@pytest.mark.parametrize(
    ("odds", "result", "deductions", "back", "ended"),
    [
        (2_500, WON, (), (5, 2), BetResult.WON),
        (3_333, WON, (), (3_333, 1_000), BetResult.WON),
        (2_500, OutcomeResult(won=False), (), (0, 1), BetResult.LOST),
        (2_500, OutcomeResult(won=False, void_halves=2), (), (1, 1), BetResult.REFUNDED),
        (2_500, HALF_WON, (), (7, 4), BetResult.HALF_WON),
        (2_500, HALF_LOST, (), (1, 2), BetResult.HALF_LOST),
        # 60 at 6.0, three tie for first: 120 back (DOMAIN.md)
        (6_000, OutcomeResult(won=True, dead_heat_den=3), (), (2, 1), BetResult.WON),
        # 10 at 8/1 with 25p Rule 4: 70 returned (DOMAIN.md)
        (9_000, WON, RULE_4, (7, 1), BetResult.WON),
        (9_000, WON, OF_PRICE, (27, 4), BetResult.WON),
        # half of 1 + 8 x .75 over a tie of two, and half of the stake
        (
            9_000,
            OutcomeResult(won=True, void_halves=1, dead_heat_den=2),
            RULE_4,
            (9, 4),
            BetResult.HALF_WON,
        ),
    ],
)
def test_a_leg_is_settled_with_what_one_unit_gets_back(
    odds: int,
    result: OutcomeResult,
    deductions: tuple[Deduction, ...],
    back: tuple[int, int],
    ended: BetResult,
) -> None:
    machine = open_machine(odds=(odds, 2_000))
    place(machine, leg(1, stake=7, odds=odds))
    results = (result, OutcomeResult(won=False))
    do(machine, SettleMarket(market_no=1, results=results, deductions=deductions))
    assert settled(machine) == [(1, *back, ended)]
    machine.check()


def test_a_leg_of_a_cancelled_window_or_market_gets_its_unit_back() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000), bet(2, stake=70, odds=2_000))
    refunds = [(1, 1, 1, BetResult.CANCELLED), (2, 70, 0, BetResult.CANCELLED)]
    reopened = [(1, 0, 0, BetResult.NONE), (2, 0, 0, BetResult.NONE)]
    do(machine, CancelBets(market_no=1))
    assert settled(machine) == refunds
    do(machine, RollBackCancel(market_no=1))
    assert settled(machine) == reopened
    do(machine, CancelMarket(market_no=1))
    assert settled(machine) == refunds
    do(machine, RollBackCancel(market_no=1))
    assert settled(machine) == reopened


def test_a_leg_is_opened_again_and_settled_again_with_every_change_of_results() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000))
    do(machine, SettleMarket(market_no=1, results=(WON,), outcomes=(0,)))
    assert settled(machine) == [WON_EVENS]
    do(machine, RollBackSettlement(market_no=1))
    assert settled(machine) == [(1, 0, 0, BetResult.NONE)]
    do(machine, SettleMarket(market_no=1, results=won(False, True)))
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    assert settled(machine) == [LOST_EVENS, WON_EVENS]


def test_a_leg_on_an_undecided_outcome_is_open() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000), leg(2, odds=2_000, outcome=1))
    do(machine, SettleMarket(market_no=1, results=(WON,), outcomes=(0,)))
    standing = machine.present_resolutions(1)
    assert standing[["payout_minor", "back_den"]].tolist() == [(2, 1), (0, 0)]


@settings(max_examples=300, deadline=None)
@given(
    odds=st.one_of(st.integers(1_001, ODDS_MILLI_MAX), st.just(ODDS_MILLI_MAX)),
    void_halves=st.integers(0, 2),
    tied=st.tuples(st.integers(1, 64), st.integers(1, 64)).map(sorted),
    keep=st.sampled_from((0, 1, 333, 999, 1_000)),
    of_price=st.booleans(),
)
def test_every_fraction_is_exact_in_lowest_terms_and_in_its_bounds(
    odds: int, void_halves: int, tied: list[int], keep: int, of_price: bool
) -> None:
    result = OutcomeResult(
        won=True, void_halves=void_halves, dead_heat_num=tied[0], dead_heat_den=tied[1]
    )
    deductions = (Deduction(until_ns=AT_NS + 1, keep_milli=keep, of_price=of_price),)
    machine = open_machine(odds=(odds, 2_000))
    place(machine, leg(1, stake=1, odds=odds))
    results = (result, OutcomeResult(won=False))
    do(machine, SettleMarket(market_no=1, results=results, deductions=deductions))
    ((_, num, den, _),) = settled(machine)
    placed = Placed(serial=1, at_ns=AT_NS, outcome=0, stake=1, odds=odds)
    back = back_twin(placed, result, deductions)
    assert (num, den) == (back.numerator, back.denominator)
    assert num <= PAYOUT_MINOR_MAX
    assert den < 1 << 32


# --- charged --------------------------------------------------------------------------------------


def test_the_book_shows_what_a_double_stakes_on_its_second_leg() -> None:
    """10.00 on a double at 2.50 and 2.00: the first leg wins, and 25.00 run on the second."""
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=1_000, odds=2_000), bet(2, stake=400, odds=2_000, outcome=1))
    record = machine.bets().tobytes()
    assert machine.book_image(1).liability_minor == (600, -600)
    assert charge(machine, 1, 2_500)
    image = machine.book_image(1)
    assert image.stake_minor == (2_500, 400)
    assert image.payout_minor == (5_000, 800)
    assert image.liability_minor == (2_100, -2_100)
    assert (image.bets, image.stake_taken_minor) == (2, 2_900)
    assert machine.accepted_bets(1)["stake_minor"].tolist() == [2_500, 400]
    assert machine.bets().tobytes() == record, "the decision never changes"
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    assert settled(machine) == [WON_EVENS, (2, 0, 0, BetResult.LOST)]
    assert machine.book_image(1).results == (
        BookResult(staked_minor=2_500, paid_minor=5_000, profit_minor=-2_500),
        BookResult(staked_minor=400, profit_minor=400),
    )
    machine.check()


def test_a_charge_after_the_settlement_moves_what_was_paid_and_sends_nothing() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=1_000, odds=2_000), leg(2, stake=10, odds=2_000, outcome=1))
    do(machine, SettleMarket(market_no=1, results=(WON, HALF_LOST)))
    settled(machine)
    assert charge(machine, 1, 333)
    assert charge(machine, 2, 33)
    assert settled(machine) == []
    assert machine.book_image(1).results == (
        BookResult(staked_minor=333, paid_minor=666, profit_minor=-333),
        BookResult(staked_minor=33, paid_minor=16, profit_minor=17),
    )
    machine.check()


def test_a_charge_follows_a_refunded_leg() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=1_000, odds=2_000))
    do(machine, CancelBets(market_no=1, until_ns=AT_NS + 1))
    assert charge(machine, 1, 700)
    assert machine.book_image(1).stake_taken_minor == 0
    assert machine.book_image(1).result == BookResult(staked_minor=700, refunded_minor=700)
    do(machine, RollBackCancel(market_no=1, until_ns=AT_NS + 1))
    assert machine.book_image(1).liability_minor == (700, -700)
    void = OutcomeResult(won=False, void_halves=2)
    do(machine, SettleMarket(market_no=1, results=(void, void)))
    assert charge(machine, 1, 800, number=2)
    assert machine.book_image(1).result == BookResult(staked_minor=800, refunded_minor=800)
    machine.check()


@pytest.mark.parametrize(
    "command",
    [
        SuspendMarket(market_no=1),
        CloseMarket(market_no=1),
        SettleMarket(market_no=1, results=won(False, True)),
        CancelMarket(market_no=1),
    ],
)
def test_a_charge_is_no_bet_and_may_come_in_every_status(command: SuspendMarket) -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000))
    do(machine, command)
    version = machine.price_image(1).version
    assert charge(machine, 1, 900)
    assert machine.book_image(1).result.staked_minor == 900
    assert machine.price_image(1).version == version
    machine.check()


def test_a_charge_over_a_limit_is_taken_and_the_next_bet_is_refused() -> None:
    limits = Limits(
        stake_minor_max=1_000, outcome_liability_minor_max=500, market_liability_minor_max=500
    )
    machine = open_machine(odds=EVENS, limits=limits)
    place(machine, leg(1, stake=400, odds=2_000))
    assert charge(machine, 1, 40_000)
    assert machine.book_image(1).liability_minor == (40_000, -40_000)
    assert reasons(machine, bet(2, stake=1, odds=2_000)) == [Reason.OUTCOME_LIABILITY]
    assert charge(machine, 1, 400, number=2)
    assert reasons(machine, bet(3, stake=100, odds=2_000)) == [Reason.ACCEPTED]


def test_a_charge_is_applied_once_and_none_of_a_lower_number_after_it() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=100, odds=2_000))
    assert not charge(machine, 1, 50, number=0), "the record has number 0"
    assert charge(machine, 1, 300, number=3)
    before = machine.state_hash()
    assert not charge(machine, 1, 300, number=3)
    assert not charge(machine, 1, 200, number=2)
    assert (machine.state_hash(), machine.charges_unfit) == (before, 0)
    assert charge(machine, 1, 0, number=9)
    assert machine.book_image(1).stake_taken_minor == 0
    assert charge(machine, 1, 5, number=10), "a leg that is charged nothing still stands"


def test_charges_that_fit_no_leg_are_skipped_and_counted() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000), bet(2, odds=2_000), leg(3, odds=3_000))
    before = machine.state_hash()
    one = bet_id(shard=0, serial=1)
    rows = charge_rows(
        [
            (bet_id(shard=0, serial=9), 5, 1, 1, 0),
            (bet_id(shard=0, serial=2), 5, 1, 1, 0),
            (bet_id(shard=0, serial=3), 5, 1, 1, 0),
            (one, 5, 2, 1, 0),
            (one, -1, 1, 1, 0),
            (one, STAKE_MINOR_MAX + 1, 1, 1, 0),
            (one, 5, 1, 1, FLAG_RELEASED),
            (one, 0, 1, 1, 2),
        ]
    )
    assert len(machine.charge(rows, AT_NS)) == 0
    assert machine.charges_unfit == len(rows)
    assert machine.state_hash() == before
    assert len(machine.charge(np.zeros(0, CHARGE), AT_NS)) == 0


def test_several_charges_of_one_leg_in_one_call_end_at_the_last() -> None:
    machine = open_machine(odds=EVENS, markets=2)
    place(machine, leg(1, odds=2_000), leg(2, odds=2_000, market=2))
    one, two = bet_id(shard=0, serial=1), bet_id(shard=0, serial=2)
    rows = charge_rows([(one, 5, 1, 2, 0), (two, 8, 2, 1, 0), (one, 6, 1, 1, 0), (one, 7, 1, 3, 0)])
    assert machine.charge(rows, AT_NS)["stake_minor"].tolist() == [5, 8, 7]
    assert [machine.book_image(n).stake_taken_minor for n in (1, 2)] == [7, 8]
    machine.check()


def test_a_charge_counts_as_at_most_the_largest_stake_in_base_currency() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=1, odds=2_000, rate=3_000_000))
    assert charge(machine, 1, STAKE_MINOR_MAX)
    assert machine.accepted_bets(1)["stake_minor"].tolist() == [333_333_333]
    assert machine.book_image(1).stake_taken_minor == 999_999_999
    machine.check()


# --- released -------------------------------------------------------------------------------------


def test_a_released_leg_leaves_the_book_and_is_settled_no_more() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=100, odds=2_000), bet(2, stake=30, odds=2_000))
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    assert len(settled(machine)) == 2
    assert charge(machine, 1, 0, flags=FLAG_RELEASED)
    assert machine.book_image(1).results[0] == BookResult(
        staked_minor=30, paid_minor=60, profit_minor=-30
    )
    for command in (
        SettleMarket(market_no=1, results=won(False, True)),
        RollBackSettlement(market_no=1),
        CancelBets(market_no=1),
        RollBackCancel(market_no=1),
        CancelMarket(market_no=1),
    ):
        do(machine, command)
        assert [serial for serial, *_ in settled(machine)] == [2]
    standing = machine.present_resolutions(1)
    names = ["result", "payout_minor", "back_den"]
    assert standing[names].tolist()[0] == (BetResult.NONE, 0, 0)
    assert machine.book_image(1).bets == 2, "the count is of decisions"
    machine.check()


def test_only_a_release_follows_a_release() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, odds=2_000))
    assert charge(machine, 1, 0, number=2, flags=FLAG_RELEASED)
    assert not charge(machine, 1, 70, number=3)
    assert charge(machine, 1, 0, number=4, flags=FLAG_RELEASED)
    assert not charge(machine, 1, 0, number=4, flags=FLAG_RELEASED)
    assert not charge(machine, 1, 70, number=5)
    assert machine.book_image(1).stake_taken_minor == 0
    assert machine.charges_unfit == 0


def test_a_released_leg_makes_room_under_a_limit() -> None:
    limits = Limits(outcome_liability_minor_max=500, market_liability_minor_max=500)
    machine = open_machine(odds=EVENS, limits=limits)
    place(machine, leg(1, stake=500, odds=2_000))
    assert reasons(machine, bet(2, stake=100, odds=2_000)) == [Reason.OUTCOME_LIABILITY]
    charge(machine, 1, 0, flags=FLAG_RELEASED)
    assert reasons(machine, bet(3, stake=100, odds=2_000)) == [Reason.ACCEPTED]


# --- the state ------------------------------------------------------------------------------------


def test_charges_of_different_legs_in_any_order_give_one_state() -> None:
    first, second = (open_machine(odds=EVENS) for _ in range(2))
    for machine in (first, second):
        place(machine, *[leg(serial, odds=2_000) for serial in range(1, 40)])
    for serial in range(1, 40):
        charge(first, serial, serial)
        charge(second, 40 - serial, 40 - serial)
    assert first.dump() == second.dump()
    assert (
        first.state_hash() == second.state_hash() == MarketMachine.load(first.dump()).state_hash()
    )
    second.check()


def test_a_charge_changes_the_state_hash_also_when_it_is_the_stake_of_the_record() -> None:
    machine = open_machine()
    place(machine, leg(1, stake=100))
    before = machine.state_hash()
    assert charge(machine, 1, 100)
    assert machine.state_hash() != before


def test_a_running_stake_and_a_payout_in_another_currency_are_rounded_bet_by_bet() -> None:
    """333 at .006 is 1.998: 1 is staked, and 2 are won above it and paid."""
    machine = open_machine(odds=EVENS)
    place(machine, leg(1, stake=1, odds=2_000, rate=6_000))
    assert charge(machine, 1, 333)
    assert machine.book_image(1).liability_minor == (2, -1)
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    back = Fraction(2)
    paid = 333 * back * 6_000 / 1_000_000
    assert machine.book_image(1).results[0].paid_minor == 4 > paid > 3
    machine.check()
