"""What an account's open bets can still pay: added at the reservation, gone at the end, bounded."""

from dataclasses import replace

import numpy as np
import pytest

from engine.common.commands import Deposit, OpenAccount, SetRate
from engine.common.events import Refused
from engine.common.payout_bounds import SetAccountBound, SetPayoutBound
from engine.common.reasons import Reason
from engine.common.rows import BetResult, Policy
from engine.common.units import PAYOUT_MINOR_MAX
from engine.ledger.ledger import LedgerMachine
from engine.ledger.rows import ACCOUNT, ACCOUNT_2, SLIP
from tests.engine.ledger.builders import (
    bet,
    funded,
    reopening,
    reservation,
    reserve,
    resolve,
    settle,
    settlement,
    verdict,
)
from tests.engine.ledger.slip_builders import (
    LineBet,
    accumulator,
    cover,
    leg_lost,
    leg_refunded,
    leg_reopened,
    leg_settlement,
)


def open_payout(ledger: LedgerMachine, account_no: int = 7) -> int:
    ledger.check()
    return ledger.balance(account_no).open_payout_minor


def bounded(most_minor: int, *, rate_micro: int = 1_000_000) -> LedgerMachine:
    ledger = funded(accounts=(7, 8), amount_minor=10_000)
    ledger.apply(SetRate(currency="EUR", rate_micro=rate_micro), 2)
    ledger.apply(SetPayoutBound(open_payout_minor_max=most_minor), 2)
    return ledger


def test_a_single_counts_its_payout_until_it_ends():
    """100 at 2.500 pays 250; accepted at 2.700, 270."""
    ledger = funded()
    reserve(ledger, reservation("a"), reservation("b"), reservation("c", odds_milli=1_999))
    assert open_payout(ledger) == 250 + 250 + 199
    resolve(ledger, verdict(bet(1), odds_milli=2_700), verdict(bet(2), Reason.ODDS_WORSE))
    assert open_payout(ledger) == 270 + 199
    settle(ledger, settlement(bet(1), 100, result=BetResult.REFUNDED))
    assert open_payout(ledger) == 199
    settle(ledger, reopening(bet(1)), settlement(bet(3), 0, odds_milli=1_500))
    assert open_payout(ledger) == 270
    settle(ledger, settlement(bet(1), 0, number=3, result=BetResult.CANCELLED))
    assert open_payout(ledger) == 0


def test_a_slip_counts_what_its_legs_can_still_pay():
    """A trixie of 100 at 2, 3 and 4 pays 600 + 800 + 1,200 + 2,400."""
    ledger = funded()
    request = cover(2_000, 3_000, 4_000, stake_minor=100)
    request.send(ledger)
    assert open_payout(ledger) == 5_000
    request.hold_all(ledger)
    assert open_payout(ledger) == 5_000
    settle(ledger, leg_settlement(request.leg(2), 4_000))
    assert open_payout(ledger) == 5_000, "won at its odds"
    settle(ledger, leg_lost(request.leg(0)))
    assert open_payout(ledger) == 1_200
    settle(ledger, leg_settlement(request.leg(0), 1, 1, number=2, result=BetResult.REFUNDED))
    assert open_payout(ledger) == 300 + 400 + 1_200 + 1_200
    settle(ledger, leg_lost(request.leg(1)))
    assert open_payout(ledger) == 0
    settle(ledger, leg_reopened(request.leg(1)))
    assert open_payout(ledger) == 300 + 400 + 1_200 + 1_200
    settle(ledger, leg_reopened(request.leg(0), number=3))
    assert open_payout(ledger) == 5_000


def test_a_slip_accepted_at_other_odds_counts_them_from_its_post_on():
    ledger = funded()
    request = replace(accumulator(2_000, 3_000), policy=Policy.ANY)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(0), odds_milli=2_500))
    assert open_payout(ledger) == 600, "as long as it waits, the odds seen"
    settle(ledger, leg_refunded(request.leg(0)))
    resolve(ledger, verdict(request.leg(1), odds_milli=4_000))
    assert open_payout(ledger) == 400, "one leg is refunded"
    settle(ledger, leg_reopened(request.leg(0)))
    assert open_payout(ledger) == 1_000


def test_a_refused_slip_counts_nothing():
    ledger = funded()
    request = accumulator(2_000, 3_000)
    request.send(ledger)
    resolve(ledger, verdict(request.leg(1), Reason.FENCED))
    assert open_payout(ledger) == 0


def test_a_bet_over_the_bound_is_refused_with_the_stake_that_passes():
    ledger = bounded(999)
    answers = reserve(ledger, reservation("a"), reservation("b", stake_minor=300))
    assert answers["reason"].tolist() == [0, Reason.ACCOUNT_LIABILITY]
    assert answers["stake_max_minor"][1] == 299, "749 are left, 299 at 2.500 pays 747, 300 750"
    answers = reserve(ledger, reservation("c", stake_minor=299), reservation("d", account_no=8))
    assert answers["reason"].tolist() == [0, 0]
    answer = reserve(ledger, reservation("e", stake_minor=20_000))[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.INSUFFICIENT_FUNDS, 1)
    resolve(ledger, verdict(bet(1), odds_milli=9_000))
    answer = reserve(ledger, reservation("e", stake_minor=1))[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.ACCOUNT_LIABILITY, 0)
    settle(ledger, settlement(bet(1), 0))
    assert reserve(ledger, reservation("e", stake_minor=1))["reason"].tolist() == [0]


def test_a_slip_over_the_bound_is_refused_with_the_stake_that_passes():
    ledger = bounded(999)
    reserve(ledger, reservation())
    request = accumulator(2_000, 3_000, stake_minor=200)
    answers = request.send(ledger)
    assert set(answers["reason"].tolist()) == {Reason.ACCOUNT_LIABILITY}
    assert answers["stake_max_minor"].tolist() == [124, 0, 0], "749 are left, 124 at 6 pays 744"
    assert accumulator(2_000, 3_000, stake_minor=124).send(ledger)["reason"][0] == 0
    assert open_payout(ledger) == 250 + 744


def test_an_account_may_have_a_bound_of_its_own():
    ledger = bounded(400)
    ledger.apply(SetAccountBound(account_no=7, open_payout_minor_max=250), 3)
    answers = reserve(
        ledger,
        reservation("a", stake_minor=101),
        reservation("b", stake_minor=160, account_no=8),
        reservation("c", stake_minor=161, account_no=8),
    )
    assert answers["stake_max_minor"].tolist() == [100, 0, 0]
    assert answers["reason"].tolist() == [703, 0, 703]
    ledger.apply(SetAccountBound(account_no=7, open_payout_minor_max=0), 3)
    assert reserve(ledger, reservation("a", stake_minor=101))["reason"].tolist() == [0]


@pytest.mark.parametrize(
    ("rate_micro", "passes"), [(2_000_000, 99), (3_000_000, 66), (500_000, 399)]
)
def test_bounds_are_in_base_currency(rate_micro: int, passes: int):
    """499 of base currency are 249 at a rate of 2, 166 at 3 and 998 at 0.5, rounded down."""
    ledger = bounded(499, rate_micro=rate_micro)
    answer = reserve(ledger, reservation(stake_minor=500))[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.ACCOUNT_LIABILITY, passes)
    ledger = bounded(0, rate_micro=rate_micro)
    request = accumulator(1_250, 2_000, stake_minor=500)
    request.bets = [LineBet(500, (2,), payout_minor_max=499)]
    answer = request.send(ledger)[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.PAYOUT_OVER_CAP, passes)
    ledger.apply(SetRate(currency="EUR", rate_micro=1_000), 2)
    assert request.send(ledger)["reason"][0] == 0, "a new rate converts anew"


def test_a_bound_worth_less_than_the_smallest_amount_is_a_bound():
    ledger = bounded(0, rate_micro=1_000_000_000)
    request = accumulator(2_000, 2_000, stake_minor=1)
    request.bets = [LineBet(1, (2,), payout_minor_max=9)]
    assert request.send(ledger)["reason"][0] == Reason.PAYOUT_OVER_CAP


def test_bounds_outlive_a_restart_and_are_in_the_state():
    ledger = bounded(999)
    ledger.apply(SetAccountBound(account_no=8, open_payout_minor_max=7), 3)
    reserve(ledger, reservation())
    restarted = LedgerMachine.load(ledger.dump())
    assert restarted.state_hash() == ledger.state_hash()
    rows = [reservation("b", stake_minor=300), reservation("c", account_no=8)]
    assert reserve(restarted, *rows).tobytes() == reserve(ledger, *rows).tobytes()
    before = ledger.state_hash()
    ledger.apply(SetPayoutBound(open_payout_minor_max=998), 3)
    assert ledger.state_hash() != before


@pytest.mark.parametrize(
    "command",
    [
        SetPayoutBound(open_payout_minor_max=-1),
        SetPayoutBound(open_payout_minor_max=PAYOUT_MINOR_MAX + 1),
        SetAccountBound(account_no=7, open_payout_minor_max=-1),
    ],
)
def test_a_bound_outside_its_bounds_is_refused(command):
    event = funded().apply(command, 2)
    assert isinstance(event, Refused)
    assert (event.reason, event.field) == (Reason.FIELD_OUT_OF_BOUNDS, "open_payout_minor_max")
    assert event.message == f"0 to {PAYOUT_MINOR_MAX}"


def test_an_account_that_is_unknown_has_no_bound():
    event = funded().apply(SetAccountBound(account_no=9, open_payout_minor_max=1), 2)
    assert (event.reason, event.field) == (Reason.ACCOUNT_UNKNOWN, "account_no")


def test_a_currency_that_comes_later_has_the_bound_too():
    ledger = bounded(499)
    ledger.apply(SetRate(currency="GBP", rate_micro=1_250_000), 3)
    ledger.apply(OpenAccount(account_no=9, currency="GBP"), 3)
    ledger.apply(Deposit(account_no=9, amount_minor=1_000, ref="first"), 3)
    answer = reserve(ledger, reservation(account_no=9, stake_minor=160))[0]
    assert (answer["reason"], answer["stake_max_minor"]) == (Reason.ACCOUNT_LIABILITY, 159)
    ledger.apply(SetAccountBound(account_no=9, open_payout_minor_max=PAYOUT_MINOR_MAX), 3)
    assert reserve(ledger, reservation(account_no=9, stake_minor=160))["reason"][0] == 0


def test_the_figure_of_an_older_layout_is_made_from_its_slips():
    ledger = funded(accounts=(7, 8))
    reserve(ledger, *map(reservation, "abc"), reservation("d", account_no=8))
    resolve(ledger, verdict(bet(1), odds_milli=2_900), verdict(bet(2), Reason.ODDS_WORSE))
    document = ledger.dump(layout=2)
    assert len(document["accounts"]) == 2 * ACCOUNT_2.itemsize
    loaded = LedgerMachine.load(document)
    assert open_payout(loaded) == open_payout(ledger) == 290 + 250
    assert loaded.state_hash() == ledger.state_hash()
    ledger.apply(SetPayoutBound(open_payout_minor_max=1), 2)
    with pytest.raises(ValueError, match="layout 1 has no bounds of payouts"):
        ledger.dump(layout=1)


@pytest.mark.parametrize(
    ("change_minor", "what"),
    [(1, "the open payout is not the most that the legs can pay"), (0, "")],
)
def test_the_audit_works_out_what_slips_can_pay(change_minor: int, what: str):
    ledger = funded()
    accumulator(2_000, 3_000).send(ledger)
    document = ledger.dump()
    accounts = np.frombuffer(document["accounts"], ACCOUNT).copy()
    slips = np.frombuffer(document["slips"], SLIP).copy()
    accounts["open_payout_minor"] += change_minor
    slips["charged_minor"][0] += change_minor
    document |= {"slips": slips.tobytes(), "accounts": accounts.tobytes()}
    if not what:
        LedgerMachine.load(document).check()
        return
    with pytest.raises(ValueError, match=what):
        LedgerMachine.load(document)
    slips["charged_minor"][0] -= change_minor
    with pytest.raises(ValueError, match="open_payout_minor is not the most"):
        LedgerMachine.load(document | {"slips": slips.tobytes()})
