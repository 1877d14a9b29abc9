"""Legs at corrected odds: their slips follow, and no other row may pass the odds accepted."""

import pytest

from engine.common.rows import FLAG_CORRECTED, FLAG_LEG_CORRECTED, Rows
from engine.common.units import ODDS_MILLI_MAX
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import funded, money, settle
from tests.engine.ledger.slip_builders import (
    SlipRequest,
    accumulator,
    leg_lost,
    leg_reopened,
    leg_settlement,
)

BALANCE = 1_000_000


def corrected(bet_id: int, num: int, *, number: int = 1) -> Rows:
    """Return the row of a leg that won at corrected odds of num/1000."""
    row = leg_settlement(bet_id, num, number=number)
    row["flags"] = FLAG_CORRECTED
    return row


def double() -> tuple[LedgerMachine, SlipRequest]:
    """Return a ledger with 1.00 on a double of 21.00 and 3.00."""
    ledger = funded(amount_minor=BALANCE)
    request = accumulator(21_000, 3_000)
    request.hold_all(ledger)
    return ledger, request


def paid(ledger: LedgerMachine, request: SlipRequest) -> int:
    ledger.check()
    assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()
    return ledger.slip_by_id(request.bet_id).payout_minor


@pytest.mark.parametrize("odds_milli", [2_100, 21_000, 50_000, ODDS_MILLI_MAX])
def test_a_slip_is_paid_by_the_corrected_fraction_lower_or_higher(odds_milli: int) -> None:
    ledger, request = double()
    settle(ledger, corrected(request.leg(0), odds_milli), leg_settlement(request.leg(1), 3_000))
    assert paid(ledger, request) == 100 * 3 * odds_milli // 1_000
    assert money(ledger)[0] == BALANCE - 100 + paid(ledger, request)


def test_a_settled_slip_is_paid_anew_and_a_roll_back_pays_as_at_first() -> None:
    ledger, request = double()
    settle(ledger, leg_settlement(request.leg(0), 21_000), leg_settlement(request.leg(1), 3_000))
    assert paid(ledger, request) == 6_300
    settle(ledger, corrected(request.leg(0), 2_100, number=2))
    assert paid(ledger, request) == 630
    settle(ledger, corrected(request.leg(0), 42_000, number=3))
    assert paid(ledger, request) == 12_600
    settle(ledger, leg_settlement(request.leg(0), 21_000, number=4))
    assert paid(ledger, request) == 6_300
    assert not ledger.slips()["bets"][1] & FLAG_LEG_CORRECTED


def test_a_fraction_over_the_odds_accepted_is_disputed_unless_it_is_said_to_be_corrected() -> None:
    ledger, request = double()
    settle(ledger, leg_settlement(request.leg(0), 21_001))
    assert len(ledger.disputes()) == 1
    settle(ledger, corrected(request.leg(1), ODDS_MILLI_MAX + 1))
    assert len(ledger.disputes()) == 2


def test_a_flag_that_no_market_sends_is_disputed() -> None:
    ledger, request = double()
    unknown, reopened = leg_settlement(request.leg(0), 2_000), leg_reopened(request.leg(1))
    unknown["flags"], reopened["flags"] = 2, FLAG_CORRECTED
    settle(ledger, unknown, reopened)
    assert len(ledger.disputes()) == 2


def test_a_leg_that_loses_or_is_open_again_is_at_corrected_odds_no_more() -> None:
    for row in (leg_lost, leg_reopened):
        ledger, request = double()
        settle(ledger, corrected(request.leg(0), 50_000))
        assert ledger.slips()["bets"][1] == FLAG_LEG_CORRECTED
        settle(ledger, row(request.leg(0), number=2))
        assert ledger.slips()["bets"][1] == 0
        ledger.check()
