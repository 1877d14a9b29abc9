"""What open slips with the same selections can still pay together: counted, bounded, and gone."""

from dataclasses import replace

import numpy as np
import pytest

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.events import Refused
from engine.common.payout_bounds import (
    COMBINATION_MINOR_MAX,
    SetCombinationBound,
    share_of_bound,
)
from engine.common.reasons import Reason
from engine.common.rows import Policy, Rows
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import funded, reservation, reserve, resolve, settle, verdict
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    leg_lost,
    leg_refunded,
    leg_reopened,
)

OVER = Reason.COMBINATION_LIABILITY


def bounded(most_minor: int, *, accounts: int = 60) -> LedgerMachine:
    ledger = funded(accounts=range(accounts), amount_minor=10_000)
    ledger.apply(SetCombinationBound(combination_payout_minor_max=most_minor), 2)
    return ledger


def placed(ledger: LedgerMachine, request: SlipRequest) -> tuple[int, int]:
    """Place a slip; return the reason and the highest stake that passes, after an audit."""
    answer = request.send(ledger)[0]
    ledger.check()
    return int(answer["reason"]), int(answer["stake_max_minor"])


def five_fold(account_no: int, **fields: object) -> SlipRequest:
    """Return a stake of 10 on five legs at evens, which pays 320."""
    fields = {"stake_minor": 10, "ref": f"r{account_no}", **fields}
    return accumulator(*[2_000] * 5, account_no=account_no, **fields)


def test_the_same_five_fold_of_many_accounts_is_bounded_together():
    """Fifty accounts ask for 320 each; 10,000 hold 31 of them, and 80 are left: a stake of 2."""
    ledger = bounded(10_000)
    answers = [placed(ledger, five_fold(no)) for no in range(50)]
    assert answers == [(0, 0)] * 31 + [(OVER, 2)] * 19
    assert placed(ledger, five_fold(55, stake_minor=2)) == (0, 0)
    assert placed(ledger, five_fold(56, stake_minor=1)) == (OVER, 0)


def test_a_combination_is_the_set_of_selections_whatever_the_bets_and_their_order():
    ledger = bounded(1_000)
    legs = [Leg(2_000, market_no=no, outcome=no % 2) for no in (3, 1, 2)]
    first = SlipRequest(legs, [LineBet(100, (3,))], 100, "a", 1)
    assert placed(ledger, first) == (0, 0)
    doubles = SlipRequest(legs[::-1], [LineBet(20, (2,))], 60, "b", 2)
    assert placed(ledger, doubles) == (OVER, 48), "200 are left: 3 doubles of 16 pay 192"
    dearer = [replace(leg, odds_milli=2_500) for leg in legs[1:] + legs[:1]]
    assert placed(ledger, SlipRequest(dearer, [LineBet(13, (3,))], 13, "c", 3)) == (OVER, 12)
    for number, other in enumerate(
        (
            [replace(legs[0], outcome=0), *legs[1:]],
            [replace(legs[0], market_no=4), *legs[1:]],
            [*legs, Leg(2_000, market_no=9)],
            legs[1:],
        )
    ):
        request = SlipRequest(other, [LineBet(20, (len(other),))], 20, f"o{number}", 4)
        assert placed(ledger, request) == (0, 0), other


def test_singles_and_slips_of_one_leg_are_not_counted():
    ledger = bounded(100)
    for number in range(3):
        request = accumulator(2_000, stake_minor=100, ref=f"r{number}", account_no=1)
        assert placed(ledger, request) == (0, 0)
    assert reserve(ledger, reservation("x", account_no=2))["reason"][0] == 0
    ledger.check()
    assert placed(ledger, accumulator(2_000, 2_000, stake_minor=26, account_no=3)) == (OVER, 25)


def test_a_slip_counts_what_it_can_still_pay_until_it_ends():
    """Of 1,200, a double of 100 at 2 and 3 takes 600; accepted at 4 and 3, all."""
    ledger = bounded(1_200)
    request = replace(accumulator(2_000, 3_000, account_no=1), policy=Policy.ANY)
    request.send(ledger)

    def passing(serial: int) -> int:
        other = accumulator(2_000, 3_000, stake_minor=1_000, ref=f"t{serial}", account_no=2)
        reason, highest_minor = placed(ledger, other)
        assert reason == OVER
        return highest_minor

    assert passing(1) == 100
    resolve(ledger, verdict(request.leg(0), odds_milli=4_000))
    resolve(ledger, verdict(request.leg(1), odds_milli=3_000))
    assert passing(2) == 0
    settle(ledger, leg_refunded(request.leg(1)))
    assert passing(3) == 133
    settle(ledger, leg_lost(request.leg(0)))
    assert passing(4) == 200
    settle(ledger, leg_reopened(request.leg(0)))
    assert passing(5) == 133
    settle(ledger, leg_reopened(request.leg(1)))
    assert passing(6) == 0


def test_a_refused_slip_leaves_its_combination():
    ledger = bounded(600)
    request = accumulator(2_000, 3_000, account_no=1)
    assert placed(ledger, request) == (0, 0)
    resolve(ledger, verdict(request.leg(1), Reason.FENCED))
    assert placed(ledger, accumulator(2_000, 3_000, account_no=2)) == (0, 0)


def test_slips_of_currencies_count_in_base_currency_at_the_rate_of_their_reservation():
    ledger = bounded(1_000)
    ledger.apply(SetRate(currency="GBP", rate_micro=1_250_000), 3)
    ledger.apply(OpenAccount(account_no=99, currency="GBP"), 3)
    ledger.apply(Deposit(account_no=99, amount_minor=1_000, ref="first"), 3)
    assert placed(ledger, accumulator(2_000, 2_000, stake_minor=100, account_no=99)) == (0, 0)
    ledger.apply(SetRate(currency="GBP", rate_micro=2_000_000), 4)
    assert placed(ledger, accumulator(2_000, 2_000, stake_minor=126, account_no=1)) == (OVER, 125)
    again = accumulator(2_000, 2_000, stake_minor=90, account_no=99, ref="again")
    assert placed(ledger, again) == (OVER, 62), "500 are 250 at a rate of 2"


def test_the_bound_outlives_a_restart_and_the_sums_follow_from_the_slips():
    ledger = bounded(1_000)
    accumulator(2_000, 3_000, account_no=1).send(ledger)
    restarted = LedgerMachine.load(ledger.dump(), ref_seed=77)
    restarted.check()
    assert restarted.state_hash() == ledger.state_hash()
    other = accumulator(2_000, 3_000, account_no=2)
    assert placed(restarted, other) == placed(ledger, other) == (OVER, 66)
    ledger.apply(SetCombinationBound(combination_payout_minor_max=0), 3)
    assert restarted.state_hash() != ledger.state_hash()
    assert placed(ledger, other) == (0, 0), "no bound"
    restarted.apply(SetCombinationBound(combination_payout_minor_max=1), 3)
    with pytest.raises(ValueError, match="layout 2 has no"):
        restarted.dump(layout=2)


def test_the_shares_of_a_bound_never_pass_it_together():
    assert [share_of_bound(most, shards=4) for most in (0, 3, 4, 1_003)] == [0, 1, 1, 250]


@pytest.mark.parametrize("most_minor", [-1, COMBINATION_MINOR_MAX + 1])
def test_a_bound_outside_its_bounds_is_refused(most_minor: int):
    event = funded().apply(SetCombinationBound(combination_payout_minor_max=most_minor), 2)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (
        Reason.FIELD_OUT_OF_BOUNDS,
        "combination_payout_minor_max",
    )


def test_selections_of_one_hash_are_told_apart():
    """Behind the hash of the first slip stands the second one's row too."""
    ledger = bounded(1_000)
    accumulator(2_000, 3_000, account_no=1).send(ledger)
    accumulator(2_000, 3_000, 2_000, stake_minor=80, account_no=2).send(ledger)
    table = ledger._tables.combinations.store(np.uint64(0))[0]
    place = int(np.flatnonzero(table & np.uint64(0xFFFFFFFF) == 1)[0])
    assert table[place + 1] == 0
    table[place + 1] = table[place]
    table[place] += np.uint64(1)
    assert placed(ledger, accumulator(2_000, 3_000, account_no=3)) == (OVER, 66)


def test_combinations_that_ended_make_room():
    ledger = bounded(300, accounts=2)
    for number in range(900):
        legs = [Leg(2_000, market_no=1 + number), Leg(2_000, market_no=2 + number)]
        request = SlipRequest(legs, [LineBet(10, (2,))], 10, f"r{number}", number % 2)
        assert request.send(ledger)["reason"][0] == 0
        if number % 3:
            resolve(ledger, verdict(request.leg(0), Reason.FENCED))
    ledger.check()
    combinations = ledger._tables.combinations
    assert len(combinations.used()) < 900
    assert np.count_nonzero(combinations.used()["sum_minor"]) == 300


def test_the_audit_counts_the_slips_again():
    ledger = bounded(1_000)
    accumulator(2_000, 3_000, account_no=1).send(ledger)
    rows: Rows = ledger._tables.combinations.used()
    rows["sum_minor"][0] += 1
    with pytest.raises(AssertionError, match="the combination of row 0 is not what"):
        ledger.check()
    rows["sum_minor"][0] = 0
    with pytest.raises(AssertionError, match="the combination of row 0 is not what"):
        ledger.check()
