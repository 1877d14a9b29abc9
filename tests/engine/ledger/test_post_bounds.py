"""A slip is posted within the bounds of its account and of its combination, at the odds held."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.payout_bounds import SetAccountBound, SetCombinationBound, SetPayoutBound
from engine.common.reasons import Reason
from engine.common.rows import Policy, SlipState
from engine.ledger.ledger import LedgerMachine
from tests.engine.ledger.builders import funded, reservation, reserve, resolve, settle, verdict
from tests.engine.ledger.slip_builders import SlipRequest, accumulator, leg_settlement

FUNDS_MINOR = 10_000


def bounded(most_minor: int) -> LedgerMachine:
    ledger = funded(accounts=(7, 8), amount_minor=FUNDS_MINOR)
    ledger.apply(SetPayoutBound(open_payout_minor_max=most_minor), 2)
    return ledger


def sent(ledger: LedgerMachine, *seen_milli: int, **fields: object) -> SlipRequest:
    """Send a slip of 100 that takes any odds; return it reserved."""
    request = replace(accumulator(*seen_milli, **fields), policy=Policy.ANY)
    assert request.send(ledger)["reason"].tolist() == [0] * (1 + len(seen_milli))
    return request


def held(ledger: LedgerMachine, request: SlipRequest, *taken_milli: int) -> tuple[int, int, int]:
    """Hold all legs at odds; return the slip's state, reason and the stake that passes."""
    for place, odds_milli in enumerate(taken_milli):
        resolve(ledger, verdict(request.leg(place), odds_milli=odds_milli))
    ledger.check()
    slip = ledger.slip_by_id(request.bet_id)
    return slip.state, slip.reason, slip.stake_max_minor


@pytest.mark.parametrize(
    ("most_minor", "end"),
    [
        (1_200, (SlipState.ACCEPTED, 0, 0)),
        (1_199, (SlipState.REFUSED, Reason.ACCOUNT_LIABILITY, 99)),
        (999, (SlipState.REFUSED, Reason.ACCOUNT_LIABILITY, 83)),
    ],
)
def test_odds_that_were_not_seen_do_not_pass_the_bound_of_an_account(most_minor, end):
    """100 at odds said to be 1.001 pays 100; held at 4 and 3 it pays 1,200, and 83 pays 996."""
    ledger = bounded(most_minor)
    assert held(ledger, sent(ledger, 1_001, 1_001), 4_000, 3_000) == end
    refused = end[0] == SlipState.REFUSED
    balance = ledger.balance(7)
    assert balance.open_payout_minor == (0 if refused else 1_200)
    assert balance.available_minor == FUNDS_MINOR - (0 if refused else 100)


def test_what_other_bets_can_pay_is_counted_at_the_post():
    """Of 1,449, a single takes 250 and leaves 1,199; an own bound goes before the house's."""
    ledger = bounded(1_449)
    request = sent(ledger, 1_001, 1_001)
    reserve(ledger, reservation())
    assert held(ledger, request, 4_000, 3_000)[:2] == (
        SlipState.REFUSED,
        Reason.ACCOUNT_LIABILITY,
    )
    ledger.apply(SetAccountBound(account_no=7, open_payout_minor_max=1_450), 3)
    request = sent(ledger, 1_001, 1_001, ref="again")
    assert held(ledger, request, 4_000, 3_000)[0] == SlipState.ACCEPTED


def test_odds_that_were_not_seen_do_not_pass_the_bound_of_a_combination():
    """Of 1,800, a double at 2 and 3 takes 600; a second one, held at 4 and 3, does not fit."""
    ledger = funded(accounts=(7, 8), amount_minor=FUNDS_MINOR)
    ledger.apply(SetCombinationBound(combination_payout_minor_max=1_799), 2)
    assert held(ledger, sent(ledger, 2_000, 3_000), 2_000, 3_000)[0] == SlipState.ACCEPTED
    request = sent(ledger, 1_001, 1_001, account_no=8)
    end = (SlipState.REFUSED, Reason.COMBINATION_LIABILITY, 99)
    assert held(ledger, request, 4_000, 3_000) == end
    ledger.apply(SetCombinationBound(combination_payout_minor_max=1_800), 2)
    request = sent(ledger, 1_001, 1_001, account_no=8, ref="again")
    assert held(ledger, request, 4_000, 3_000)[0] == SlipState.ACCEPTED


@pytest.mark.parametrize(
    ("taken_milli", "state"),
    [(2_999, SlipState.ACCEPTED), (3_000, SlipState.ACCEPTED), (3_010, SlipState.REFUSED)],
)
def test_a_bound_that_is_lowered_meanwhile_refuses_only_what_pays_more_than_was_seen(
    taken_milli, state
):
    ledger = bounded(600)
    request = sent(ledger, 2_000, 3_000)
    ledger.apply(SetPayoutBound(open_payout_minor_max=1), 3)
    assert held(ledger, request, 2_000, taken_milli)[0] == state


def test_a_settlement_that_holds_the_last_leg_posts_within_the_bound_too():
    ledger = bounded(1_199)
    request = sent(ledger, 1_001, 1_001)
    resolve(ledger, verdict(request.leg(0), odds_milli=4_000))
    settle(ledger, leg_settlement(request.leg(1), 3_000, odds_milli=3_000))
    slip = ledger.slip_by_id(request.bet_id)
    assert (slip.state, slip.reason) == (SlipState.REFUSED, Reason.ACCOUNT_LIABILITY)
    ledger.check()


ODDS = st.sampled_from((1_001, 1_500, 2_000, 7_000))
SLIPS = st.lists(st.lists(st.tuples(ODDS, ODDS), min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=40)
@given(slips=SLIPS, most_minor=st.integers(50, 2_000), random=st.randoms())
def test_open_slips_never_pay_more_than_the_bound(slips, most_minor, random):
    """Legs are (odds seen, odds taken); verdicts on all slips come in any order."""
    ledger = bounded(most_minor)
    verdicts = []
    for number, legs in enumerate(slips):
        request = accumulator(*[seen for seen, _ in legs], stake_minor=20, ref=f"r{number}")
        request.policy = random.choice((Policy.ANY, Policy.COMBINED_HIGHER))
        if request.send(ledger)["reason"][0] == 0:
            verdicts += [
                verdict(request.leg(place), odds_milli=taken)
                for place, (_, taken) in enumerate(legs)
            ]
    random.shuffle(verdicts)
    for each in verdicts:
        resolve(ledger, each)
        assert ledger.balance(7).open_payout_minor <= most_minor
    ledger.check()
