"""The audit compares slips of several legs with their legs, and their payouts with the lines'."""

import numpy as np
import pytest

from engine.common.commands import OutcomeResult
from engine.common.ids import ShardNo
from engine.common.reasons import Reason
from engine.common.rows import SLIP_BET, SlipKind, SlipState
from engine.ledger.rows import SLIP
from engine.market.book import BET_RECORD
from simulations.audit import Audit, audit

WON, LOST = OutcomeResult(won=True), OutcomeResult(won=False)
TIED = OutcomeResult(won=True, dead_heat_num=1, dead_heat_den=2)
RESULTS = {3: (WON, LOST), 4: (LOST, TIED), 5: (LOST, OutcomeResult(won=True, void_halves=1))}
REFUSED_LEG = Reason.MARKET_SUSPENDED
COMPARED = ("bet_id", "account_no", "market_no", "outcome", "stake_minor", "odds_milli", "reason")


class Books:
    """A double of 100 on markets 3 and 4 that stands, and one that was refused by market 5.

    Bet 1 is the first slip with legs 2 and 3; bet 4 the second with legs 5 and 6; bet 7 a single.
    """

    def __init__(self) -> None:
        self.slips = np.zeros(7, SLIP)
        self.records = np.zeros(5, BET_RECORD)
        self.bets = np.zeros(2, SLIP_BET)
        self.bets["stake_minor"], self.bets["positions"] = 100, 0b11
        self.bets["sizes"], self.bets["lines"] = 0b100, 1
        self._head(1, SlipState.SETTLED, first=0, payout=100 * 5 // 2 * 3 // 2)
        self._leg(2, 1, market=3, outcome=0, odds=2_500, back=(2_500, 1_000))
        self._leg(3, 2, market=4, outcome=1, odds=3_000, back=(3, 2))
        self._head(4, SlipState.REFUSED, first=1, reason=Reason.LEG_REFUSED)
        self._leg(5, 1, market=3, outcome=1, odds=2_000, state=SlipState.RELEASED, charge=0)
        self._leg(6, 2, market=5, outcome=0, odds=2_000, state=SlipState.REFUSED)
        single = self.slips[6]
        single["bet_id"], single["market_no"], single["state"] = 7, 5, SlipState.SETTLED
        single["stake_minor"], single["odds_milli"], single["outcome"] = 50, 2_000, 1
        single["payout_minor"] = 75
        for record, slip in zip(self.records, self.slips[[1, 2, 4, 5, 6]], strict=True):
            for name in COMPARED:
                record[name] = slip[name]

    def _head(self, bet_id: int, state: int, *, first: int, reason: int = 0, payout: int = 0):
        row = self.slips[bet_id - 1]
        row["bet_id"], row["kind"], row["legs"], row["state"] = bet_id, SlipKind.HEAD, 2, state
        row["stake_minor"], row["payout_minor"], row["reason"] = 100, payout, reason
        row["bets_first"], row["bets"] = first, 1

    def _leg(
        self,
        bet_id: int,
        place: int,
        *,
        market: int,
        outcome: int,
        odds: int,
        state: int = SlipState.SETTLED,
        charge: int = 100,
        back: tuple[int, int] = (0, 0),
    ):
        row = self.slips[bet_id - 1]
        row["bet_id"], row["kind"], row["legs"], row["state"] = bet_id, SlipKind.LEG, place, state
        row["event"] = row["position"] = place - 1
        row["market_no"], row["outcome"], row["odds_milli"] = market, outcome, odds
        row["stake_minor"], row["charged_minor"] = 100, charge
        row["payout_minor"], row["back_den"] = back
        row["reason"] = REFUSED_LEG if state == SlipState.REFUSED else 0

    def audit(self, **arguments: object) -> Audit:
        given = {"results": RESULTS, "slip_bets": {ShardNo(0): self.bets}, **arguments}
        return audit(self.records, self.slips, **given)  # type: ignore[arg-type]


def test_a_slip_is_one_bet_with_one_stake_and_one_payout():
    found = Books().audit()
    assert found.differences == ()
    assert (found.bets, found.accepted) == (3, 2)
    assert (found.turnover_minor, found.payout_minor) == (150, 450)
    assert found.refusals == {Reason.LEG_REFUSED: 1}


def test_books_in_any_order_agree():
    books = Books()
    books.records, books.slips = books.records[::-1], books.slips[::-1]
    assert books.audit() == Books().audit()


@pytest.mark.parametrize(
    ("bet", "field", "value", "text"),
    [
        (1, "payout_minor", 376, "another amount than expected: 1 bets (1)"),
        (1, "state", SlipState.ACCEPTED, "unsettled or paid"),
        (1, "state", SlipState.PENDING, "still pending: 1 bets (1)"),
        (1, "state", SlipState.REFUSED, "stands or falls without its slip: 2 bets (2, 3)"),
        (1, "legs", 3, "has another number of legs: 1 bets (1)"),
        (1, "bet_id", 9, "a leg without a slip: 2 bets (2, 3)"),
        (4, "payout_minor", 1, "paid although refused: 1 bets (4)"),
        (4, "state", SlipState.ACCEPTED, "stands or falls without its slip: 2 bets (5, 6)"),
        (2, "stake_minor", 99, "stake_minor differs: 1 bets (2)"),
        (2, "state", SlipState.RELEASED, "released and still charged: 1 bets (2)"),
        (3, "odds_milli", 1_500, "odds_milli differs: 1 bets (3)"),
        (5, "state", SlipState.REFUSED, "accepted by the market or by the account alone"),
        (6, "state", SlipState.RELEASED, "accepted by the market or by the account alone"),
        (6, "state", SlipState.PENDING, "still pending: 1 bets (6)"),
    ],
)
def test_a_row_of_a_slip_that_differs_is_named(bet, field, value, text):
    books = Books()
    books.slips[bet - 1][field] = value
    assert any(text in difference for difference in books.audit().differences)


def test_a_slip_without_its_bets_or_a_result_is_paid_an_unknown_amount():
    unknown = "unsettled or paid another amount than expected"
    for given in ({"slip_bets": None}, {"results": {3: RESULTS[3], 5: RESULTS[5]}}):
        (difference,) = Books().audit(**given).differences
        assert difference == f"{unknown}: 1 bets (1)"


def test_expected_payouts_are_those_of_singles_and_heads():
    expected = {1: 375, 7: 75}
    assert Books().audit(expected_payouts_minor=expected).differences == ()
    (difference,) = Books().audit(expected_payouts_minor={**expected, 1: 374}).differences
    assert difference.endswith("1 bets (1)")
