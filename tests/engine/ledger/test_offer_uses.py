"""How often one account takes an offer: bounded by the offer's rule, in the account's sequence."""

from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.events import OfferSet, Refused
from engine.common.offers import BoostRule, InsuranceRule, LadderStep, OfferRule, SetOffer
from engine.common.reasons import Reason
from engine.common.rows import Policy
from engine.ledger.ledger import LedgerMachine
from engine.ledger.offer_rows import OFFERED
from tests.engine.ledger.builders import NO_VERDICTS, funded, resolve, settle, verdict
from tests.engine.ledger.slip_builders import (
    SlipRequest,
    accumulator,
    leg_refunded,
    leg_reopened,
    leg_settlement,
)

USED = Reason.OFFER_USED
BOOST = BoostRule(ladder=(LadderStep(legs=2, milli=100),), cap_minor=1_000, uses_max=2)
INSURANCE = InsuranceRule(legs_min=2, cap_minor=50, expires_after_ns=99, uses_max=1)


def offering(*rules: OfferRule) -> LedgerMachine:
    ledger = funded(accounts=(7, 8), amount_minor=100_000)
    for number, rule in enumerate(rules, start=1):
        offer = SetOffer(offer_no=number, name="n", currency="EUR", rule=rule)
        assert isinstance(ledger.apply(offer, 2), OfferSet)
    return ledger


def double(ref: str, *, offer: int = 1, account_no: int = 7) -> SlipRequest:
    return accumulator(2_000, 3_000, ref=ref, offer=offer, account_no=account_no)


def reason(ledger: LedgerMachine, request: SlipRequest) -> int:
    answer = int(request.send(ledger)["reason"][0])
    ledger.check()
    return answer


def test_an_account_takes_an_offer_so_often_and_another_account_as_often() -> None:
    ledger = offering(BOOST, BOOST)
    slips = [double(f"r{number}") for number in range(3)]
    assert [reason(ledger, slip) for slip in slips] == [0, 0, USED]
    assert reason(ledger, slips[1]) == 0, "sent again"
    assert reason(ledger, double("r2", account_no=8)) == 0
    assert reason(ledger, double("other", offer=2)) == 0
    assert reason(ledger, double("none", offer=0)) == 0


def test_slips_of_one_batch_count_one_after_another() -> None:
    ledger = offering(replace_uses(BOOST, 1))
    slips = [double(f"r{number}") for number in range(3)]
    rows = np.concatenate([slip.rows() for slip in slips])
    bets = np.concatenate([slip.bet_rows() for slip in slips])
    answers = ledger.exchange(NO_VERDICTS, rows, 10, bets)
    assert answers["reason"][::3].tolist() == [0, USED, USED]


def replace_uses(rule: BoostRule, uses_max: int) -> BoostRule:
    return BoostRule(ladder=rule.ladder, cap_minor=rule.cap_minor, uses_max=uses_max)


def test_a_refused_slip_and_one_that_was_void_as_a_whole_do_not_count() -> None:
    ledger = offering(replace_uses(BOOST, 1))
    first = double("a")
    assert reason(ledger, first) == 0
    assert reason(ledger, double("b")) == USED
    resolve(ledger, verdict(first.leg(0), Reason.ODDS_WORSE))
    second = double("b")
    assert reason(ledger, second) == 0
    second.hold_all(ledger)
    settle(ledger, leg_refunded(second.leg(0)))
    assert reason(ledger, double("c")) == USED
    settle(ledger, leg_refunded(second.leg(1)))
    third = double("c")
    assert reason(ledger, third) == 0
    settle(ledger, leg_reopened(second.leg(1)))
    ledger.check()
    resolve(ledger, verdict(third.leg(0), Reason.ODDS_WORSE))
    assert reason(ledger, double("d")) == USED, "the second counts again"


def test_an_insurance_counts_what_it_insures_and_its_free_bet_pays_whatever_counts() -> None:
    ledger = offering(INSURANCE)
    slip = double("a")
    assert reason(ledger, slip) == 0
    assert reason(ledger, double("b")) == USED
    slip.hold_all(ledger)
    settle(ledger, leg_settlement(slip.leg(0), 2_000))
    settle(ledger, leg_settlement(slip.leg(1), 0, 1, result=2))
    ledger.check()
    paid = accumulator(2_000, 3_000, ref="f", stake_minor=50, free_bet=1)
    assert reason(ledger, paid) == 0


def test_a_known_number_keeps_its_bound_of_uses() -> None:
    ledger = offering(BOOST)
    other = SetOffer(offer_no=1, name="n", currency="EUR", rule=replace_uses(BOOST, 3))
    event = ledger.apply(other, 3)
    assert isinstance(event, Refused)
    assert event.reason == Reason.OFFER_EXISTS


def test_a_dump_holds_what_counts_and_the_audit_counts_it_again() -> None:
    ledger = offering(BOOST)
    slips = [double(f"r{number}") for number in range(2)]
    assert [reason(ledger, slip) for slip in slips] == [0, 0]
    document = ledger.dump()
    loaded = LedgerMachine.load(document, ref_seed=9)
    assert loaded.state_hash() == ledger.state_hash()
    assert reason(loaded, double("more")) == USED
    offered = np.frombuffer(document["offered"], OFFERED).copy()
    offered["uses"][0] = 0
    with pytest.raises(ValueError, match="offered: "):
        LedgerMachine.load(document | {"offered": offered.tobytes()})


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=15)
def test_what_counts_is_what_a_plain_count_says(seed: int) -> None:
    """Slips of two accounts under two offers, in any order with verdicts, results and reloads."""
    random = Random(seed)
    bounds = {1: random.randrange(1, 4), 2: 0}
    ledger = offering(*(replace_uses(BOOST, bound) for bound in bounds.values()))
    taken: list[SlipRequest] = []
    for number in range(40):
        draw = random.random()
        if draw < 0.5:
            account_no, offer = random.choice((7, 8)), random.choice((1, 1, 2))
            slip = replace(
                double(f"r{number}", offer=offer, account_no=account_no), policy=Policy.ANY
            )
            counted = Counter(
                (each.account_no, each.offer) for each in taken if counts(ledger, each)
            )
            full = 0 < bounds[offer] <= counted[account_no, offer]
            assert slip.send(ledger)["reason"][0] == (USED if full else 0)
            if not full:
                taken.append(slip)
        elif taken:
            leg = random.choice(taken).leg(random.randrange(2))
            move = random.random()
            if move < 0.5:
                resolve(ledger, verdict(leg, random.choice((0, 0, 0, 431)), odds_milli=2_500))
            elif move < 0.8:
                settle(ledger, leg_refunded(leg, number=number))
            else:
                settle(ledger, leg_reopened(leg, number=number))
        if random.random() < 0.1:
            ledger = LedgerMachine.load(ledger.dump())
    ledger.check()


def counts(ledger: LedgerMachine, request: SlipRequest) -> bool:
    """Return whether a slip is neither refused nor void as a whole, by its view."""
    slip = ledger.slip_by_id(request.bet_id)
    return slip.state != 3 and not (slip.state == 4 and slip.result == 3)
