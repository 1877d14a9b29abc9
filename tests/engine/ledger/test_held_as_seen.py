"""A slip whose legs are all held at the odds seen is posted, whatever the house changed meanwhile.

Gateways answer such a slip before its account has the verdicts: there must be no way to refuse it.
"""

from itertools import permutations

import pytest

from engine.common.commands import SetRate
from engine.common.events import Refused
from engine.common.offers import (
    BoostRule,
    EarlyPayoutRule,
    FreeBetRule,
    GrantFreeBet,
    InsuranceRule,
    LadderStep,
    OfferRule,
    SetOffer,
)
from engine.common.payout_bounds import SetAccountBound, SetCombinationBound, SetPayoutBound
from engine.common.rows import Policy, SlipState
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import funded, resolve, verdict
from tests.engine.ledger.slip_builders import LineBet, SlipRequest, accumulator

EXPIRES_AT_NS = 50
RULES: dict[str, OfferRule | None] = {
    "none": None,
    "free bet": FreeBetRule(odds_milli_min=2_000),
    "boost": BoostRule(ladder=(LadderStep(legs=3, milli=100),), cap_minor=1_000),
    "insurance": InsuranceRule(
        legs_min=3, cap_minor=250, expires_after_ns=500, odds_milli_min=2_000
    ),
    "early payout": EarlyPayoutRule(lead=2, cap_minor=1_000, odds_milli_min=2_000),
}


def tighten(ledger: LedgerMachine, rule: OfferRule | None) -> None:
    """Change everything that refuses a new slip of this kind."""
    commands = [
        SetPayoutBound(open_payout_minor_max=1),
        SetAccountBound(account_no=7, open_payout_minor_max=1),
        SetCombinationBound(combination_payout_minor_max=1),
        SetRate(currency="EUR", rate_micro=2_000_000),
    ]
    if rule is not None:
        withdrawn = SetOffer(offer_no=1, name="n", currency="EUR", rule=rule, active=False)
        commands.append(withdrawn)
    for command in commands:
        assert not isinstance(ledger.apply(command, EXPIRES_AT_NS + 1), Refused)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("kind", RULES)
def test_a_slip_held_as_seen_is_posted_whatever_changed_meanwhile(
    kind: str, policy: Policy
) -> None:
    rule = RULES[kind]
    for order in permutations(range(3)):
        ledger = funded(amount_minor=10_000)
        given: dict[str, int] = {}
        if rule is not None:
            ledger.apply(SetOffer(offer_no=1, name="n", currency="EUR", rule=rule), 2)
            given = {"offer": 1}
        if kind == "free bet":
            ledger.apply(
                GrantFreeBet(
                    ref="g", account_no=7, offer_no=1, amount_minor=100,
                    expires_at_ns=EXPIRES_AT_NS,
                ),
                3,
            )  # fmt: skip
            given = {"free_bet": 1}
        slip = accumulator(2_000, 3_000, 2_500, policy=policy, **given)
        slip.bets = [LineBet(100, (3,), payout_minor_max=1_500)]
        assert slip.send(ledger)["reason"].tolist() == [0] * 4
        tighten(ledger, rule)
        refused = SlipRequest(slip.legs, slip.bets, 100, "later", **given)
        assert refused.send(ledger, at_ns=EXPIRES_AT_NS + 1)["reason"][0] > 0
        for place in order:
            held = verdict(slip.leg(place), odds_milli=slip.legs[place].odds_milli)
            resolve(ledger, held)
        assert ledger.slip_by_id(slip.bet_id).state == SlipState.ACCEPTED
        ledger.check()
