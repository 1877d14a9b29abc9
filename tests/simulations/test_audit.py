"""The audit finds every kind of difference between the markets' and the accounts' bets."""

import numpy as np
import pytest

from engine.common.commands import OutcomeResult
from engine.common.reasons import Reason
from engine.common.rows import SlipState
from engine.common.views import LedgerTotals
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from simulations.audit import DIFFERENCES_SHOWN_MAX, audit, sums_to_zero

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
RESULTS = {3: (WON, LOST, OutcomeResult(won=False, void_halves=2))}


def books(*bets):
    """Return agreeing records and slips of (outcome, stake, odds, reason, payout)."""
    records, slips = np.zeros(len(bets), BET_RECORD), np.zeros(len(bets), SLIP)
    for n, (outcome, stake, odds, reason, payout) in enumerate(bets):
        for row in (records[n], slips[n]):
            row["bet_id"] = n + 1
            row["account_no"] = 7
            row["market_no"] = 3
            row["outcome"] = outcome
            row["stake_minor"] = stake
            row["odds_milli"] = odds
            row["reason"] = reason
        slips[n]["state"] = SlipState.REFUSED if reason else SlipState.SETTLED
        slips[n]["payout_minor"] = payout
    return records, slips


GOOD = (
    (0, 1_001, 2_500, 0, 2_502),
    (1, 500, 3_000, 0, 0),
    (2, 300, 4_000, 0, 300),
    (0, 100, 2_500, Reason.MARKET_SUSPENDED, 0),
    (0, 100, 2_500, Reason.MARKET_SUSPENDED, 0),
)


def test_agreeing_books_give_turnover_payout_and_hold():
    found = audit(*books(*GOOD), RESULTS)
    assert found.differences == ()
    assert (found.bets, found.accepted) == (5, 3)
    assert (found.turnover_minor, found.payout_minor, found.hold_minor) == (1_801, 2_802, -1_001)
    assert found.hold == pytest.approx(-1_001 / 1_801)
    assert found.refusals == {Reason.MARKET_SUSPENDED: 2}


def test_books_in_any_order_agree():
    records, slips = books(*GOOD)
    assert audit(records[::-1], slips, RESULTS) == audit(records, slips[::-1], RESULTS)


def test_empty_books_agree():
    assert audit(*books(), {}).differences == ()
    assert audit(*books()).hold == 0.0


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("account_no", 8, "account_no differs: 1 bets (1)"),
        ("market_no", 4, "market_no differs"),
        ("outcome", 2, "outcome differs"),
        ("stake_minor", 1, "stake_minor differs"),
        ("odds_milli", 1_500, "odds_milli differs"),
        ("reason", 701, "reason differs"),
        ("state", SlipState.PENDING, "still pending"),
        ("state", SlipState.ACCEPTED, "unsettled or paid"),
        ("state", SlipState.REFUSED, "accepted by the market or by the account alone"),
        ("payout_minor", 2_503, "another amount than expected"),
        ("bet_id", 99, "decided but not booked"),
        ("bet_id", 99, "booked but not decided"),
        ("bet_id", 2, "booked twice"),
    ],
)
def test_a_slip_that_differs_is_named(field, value, text):
    records, slips = books(*GOOD)
    slips[0][field] = value
    assert any(text in difference for difference in audit(records, slips, RESULTS).differences)


def test_a_refused_bet_that_was_paid_is_named():
    records, slips = books(*GOOD)
    slips[3]["payout_minor"] = 1
    assert audit(records, slips, RESULTS).differences == ("paid although refused: 1 bets (4)",)


def test_an_open_bet_that_was_paid_is_named_without_results():
    records, slips = books(*GOOD)
    slips[0]["state"], slips[0]["payout_minor"] = SlipState.ACCEPTED, 0
    assert audit(records, slips).differences == ()
    slips[0]["payout_minor"] = 1
    assert audit(records, slips).differences == ("paid although unsettled: 1 bets (1)",)


def test_a_bet_decided_twice_is_named():
    records, slips = books(*GOOD)
    twice = np.concatenate([records, records[:1]])
    assert "decided twice: 1 bets (1)" in audit(twice, slips, RESULTS).differences


def test_accepted_bets_of_a_market_without_results_are_named():
    unsettled = ("unsettled or paid another amount than expected: 3 bets (1, 2, 3)",)
    assert audit(*books(*GOOD), {}).differences == unsettled
    assert audit(*books(*GOOD), {2: (WON,), 9: (WON,)}).differences == unsettled


def test_expected_payouts_replace_the_results():
    expected = {1: 2_502, 2: 0, 3: 300}
    assert audit(*books(*GOOD), {}, expected_payouts_minor=expected).differences == ()
    for wrong in ({**expected, 2: 1}, {1: 2_502, 3: 300}):
        (difference,) = audit(*books(*GOOD), RESULTS, expected_payouts_minor=wrong).differences
        assert difference == "unsettled or paid another amount than expected: 1 bets (2)"


def test_only_a_few_bets_of_each_kind_are_named_but_all_are_counted():
    records, slips = books(*[GOOD[0]] * (DIFFERENCES_SHOWN_MAX + 4))
    slips["account_no"] = 1
    (difference,) = audit(records, slips, RESULTS).differences
    assert difference == "account_no differs: 9 bets (1, 2, 3, 4, 5, ...)"


@pytest.mark.parametrize(
    ("result", "payout"),
    [
        (WON, 2_502),
        (LOST, 0),
        (OutcomeResult(won=False, void_halves=2), 1_001),
        (OutcomeResult(won=True, void_halves=1), 1_751),
        (OutcomeResult(won=False, void_halves=1), 500),
        (OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=3), 834),
    ],
)
def test_each_kind_of_result_is_paid_with_one_rounding_down(result, payout):
    records, slips = books((0, 1_001, 2_500, 0, payout))
    assert audit(records, slips, {3: (result,)}).differences == ()
    slips["payout_minor"] += 1
    assert audit(records, slips, {3: (result,)}).differences != ()


def totals(**figures):
    zero = dict.fromkeys(LedgerTotals.__struct_fields__, 0)
    return LedgerTotals(**{**zero, "currency": "EUR", **figures})


def test_every_currency_must_add_up_to_zero():
    good = totals(external_minor=-10, available_minor=6, pending_minor=1, at_stake_minor=5,
                  owed_minor=-3, house_minor=1)  # fmt: skip
    assert sums_to_zero([good])
    assert not sums_to_zero([good, totals(currency="USD", house_minor=1)])
