"""Early payouts: a leg on a side that led counts as won; its result says who pays."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.common.commands import CancelMarket, OutcomeResult, RollBackSettlement, SettleMarket
from engine.common.early import BeginPlay, PayEarly
from engine.common.offers import EarlyPayoutRule
from engine.common.reasons import Reason
from engine.common.rows import BET, FLAG_LEG, FLAG_PRE_MATCH, SETTLEMENT, Policy, Rows, SlipState
from engine.common.units import RATE_MICRO_ONE
from engine.common.views import EarlyStanding
from engine.ledger.ledger import LedgerMachine
from simulations.expected_offers import added_minor
from tests.engine.ledger.builders import money, settle
from tests.engine.ledger.offer_twin import offered
from tests.engine.ledger.random_slips import ODDS
from tests.engine.ledger.slip_builders import (
    accumulator,
    cover,
    leg_lost,
    leg_refunded,
    leg_reopened,
)
from tests.engine.ledger.test_offers import CAP, gives, offering, shown, won
from tests.engine.ledger.test_slips_properties import deliver, messages_about
from tests.engine.market.builders import open_machine

TWO_AHEAD = EarlyPayoutRule(lead=2, cap_minor=CAP)
"""Two goals ahead at any time: bets placed before the start are paid as won, the other legs run on,
and nothing is taken back (bet365's early payout offer, goal.com)."""


def marked(row: Rows, *, lead: int = 2, flags: int = FLAG_PRE_MATCH) -> Rows:
    row["early_lead"], row["early_flags"] = lead, flags
    return row


def ahead(leg: int, *, number: int = 1, **fields: int) -> Rows:
    """Return the row by which a market tells that an open leg's side leads."""
    return marked(leg_reopened(leg, number=number), **fields)


# --- worked ---------------------------------------------------------------------------------------


def test_a_single_is_paid_at_once_and_the_result_says_who_pays() -> None:
    ledger = offering(TWO_AHEAD)
    bet = accumulator(2_500, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0)))
    assert (gives(ledger, bet), money(ledger)[0]) == (250, 1_000_000 - 100 + 250)
    assert ledger.slip_by_id(bet.bet_id).state is SlipState.ACCEPTED, "the market has no result"
    settle(ledger, marked(won(bet, 0, number=2)[0]))
    assert (gives(ledger, bet), money(ledger)[0]) == (0, 1_000_000 + 150), "the house pays"
    settle(ledger, marked(leg_lost(bet.leg(0), number=3)))
    assert (gives(ledger, bet), money(ledger)[0]) == (250, 1_000_000 + 150), "the offer pays"
    totals = ledger.totals()[0]
    assert (totals.house_minor, totals.offers_minor) == (100, -250)


def test_at_two_all_a_bet_from_before_the_start_is_paid_and_one_in_play_is_lost() -> None:
    """The white label's rules: pre-match home bets won, live ones lost, the draw by the result."""
    ledger = offering(TWO_AHEAD)
    bets = [accumulator(2_000, stake_minor=100, ref=f"r{at}", offer=1) for at in range(2)]
    for bet, flags in zip(bets, (FLAG_PRE_MATCH, 0), strict=True):
        bet.hold_all(ledger)
        settle(ledger, ahead(bet.leg(0), flags=flags))
        settle(ledger, marked(leg_lost(bet.leg(0), number=2), flags=flags))
    assert [gives(ledger, bet) for bet in bets] == [200, 0]


def test_in_an_accumulator_the_leg_is_won_and_the_others_run_on() -> None:
    ledger = offering(TWO_AHEAD)
    bet = accumulator(2_000, 3_000, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0)))
    assert gives(ledger, bet) == 0
    settle(ledger, marked(leg_lost(bet.leg(0), number=2)))
    assert ledger.slip_by_id(bet.bet_id).payout_minor == 0
    assert gives(ledger, bet) == 0, "the other leg is open"
    settle(ledger, *won(bet, 1))
    assert gives(ledger, bet) == 600
    settle(ledger, leg_lost(bet.leg(1), number=2))
    assert gives(ledger, bet) == 0, "the other leg's result counts"
    settle(ledger, leg_refunded(bet.leg(1), number=3))
    assert gives(ledger, bet) == 200


def test_a_row_without_the_mark_or_with_a_smaller_lead_takes_nothing_back() -> None:
    """No market sends one; an account would keep what it has said all the same."""
    ledger = offering(TWO_AHEAD)
    bet = accumulator(2_000, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0), lead=3))
    for number, row in enumerate(
        (leg_lost, leg_reopened, lambda leg, number: ahead(leg, number=number, lead=1)), start=2
    ):
        settle(ledger, row(bet.leg(0), number=number))
        assert gives(ledger, bet) == 200


@pytest.mark.parametrize(
    ("rule", "lead", "flags", "added"),
    [
        (TWO_AHEAD, 1, FLAG_PRE_MATCH, 0),
        (TWO_AHEAD, 2, FLAG_PRE_MATCH, 200),
        (TWO_AHEAD, 20, FLAG_PRE_MATCH, 200),
        (TWO_AHEAD, 2, 0, 0),
        (EarlyPayoutRule(lead=2, cap_minor=CAP, pre_match=False), 2, 0, 200),
        (EarlyPayoutRule(lead=2, cap_minor=150), 2, FLAG_PRE_MATCH, 150),
    ],
)
def test_lead_time_and_cap_are_those_of_the_rule(
    rule: EarlyPayoutRule, lead: int, flags: int, added: int
) -> None:
    ledger = offering(rule)
    bet = accumulator(2_000, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0), lead=lead, flags=flags))
    assert gives(ledger, bet) == added


def test_a_leg_at_too_low_odds_does_not_count_and_a_slip_of_such_legs_is_refused() -> None:
    ledger = offering(EarlyPayoutRule(lead=2, cap_minor=CAP, odds_milli_min=1_500))
    bet = accumulator(1_400, 2_000, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0)), ahead(bet.leg(1)))
    assert gives(ledger, bet) == 0
    settle(ledger, *[marked(row) for row in won(bet, 0, number=2)])
    assert gives(ledger, bet) == 280
    low = accumulator(1_400, 1_499, ref="low", offer=1)
    assert low.send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET


def test_a_mark_that_no_market_sends_is_a_dispute() -> None:
    ledger = offering(TWO_AHEAD)
    bet = accumulator(2_000, offer=1)
    bet.hold_all(ledger)
    settle(ledger, ahead(bet.leg(0), lead=0), ahead(bet.leg(0), number=2, flags=2))
    assert (ledger.disputes_len, gives(ledger, bet)) == (1, 0)


def test_a_rule_is_shown_as_it_was_set() -> None:
    rules = [TWO_AHEAD, EarlyPayoutRule(lead=17, cap_minor=9, pre_match=False)]
    ledger = LedgerMachine.load(offering(*rules).dump())
    assert [offer.rule for offer in ledger.offers()] == rules


def test_what_runs_under_early_payouts_is_summed_up_by_offer_and_outcome() -> None:
    ledger = offering(TWO_AHEAD, EarlyPayoutRule(lead=3, cap_minor=CAP, odds_milli_min=2_500))
    slips = [
        accumulator(2_500, stake_minor=100, ref="s", offer=1),
        accumulator(2_000, 3_000, stake_minor=100, ref="d", offer=1),
        accumulator(2_000, 3_000, stake_minor=100, ref="low", offer=2),
        accumulator(2_500, stake_minor=100, ref="none"),
    ]
    for bet in slips:
        bet.hold_all(ledger)
    first = EarlyStanding(
        offer_no=1, lead=2, market_no=1, outcome=0, legs=2, payout_minor=450, marked_legs=0,
        marked_payout_minor=0,
    )  # fmt: skip
    assert ledger.standing_early([1]) == [first]
    assert [(one.offer_no, one.legs) for one in ledger.standing_early([2, 9])] == [(1, 1), (2, 1)]
    settle(ledger, ahead(slips[0].leg(0)), ahead(slips[1].leg(0), flags=0))
    assert ledger.standing_early([1]) == [
        replace(first, legs=0, payout_minor=0, marked_legs=1, marked_payout_minor=250)
    ], "one was placed in play"
    settle(ledger, marked(leg_lost(slips[0].leg(0), number=2)))
    assert ledger.standing_early([1]) == []


# --- from the market to the account ---------------------------------------------------------------


def test_what_a_market_tells_is_paid_whatever_it_tells_after() -> None:
    ledger, market = offering(TWO_AHEAD), open_machine()
    bet = accumulator(2_500, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    row = np.zeros(1, BET)
    row["bet_id"], row["market_no"], row["stake_minor"] = bet.leg(0), 1, 100
    row["odds_milli"], row["rate_micro"] = 2_500, RATE_MICRO_ONE
    row["policy"], row["flags"] = Policy.ANY, FLAG_LEG
    assert market.place(row, 5)["reason"][0] == 0
    shard = bet.leg(0) >> 48
    drawn = (OutcomeResult(won=False), OutcomeResult(won=True), OutcomeResult(won=False))
    for at_ns, command in enumerate(
        (
            BeginPlay(market_no=1, from_ns=10),
            PayEarly(market_no=1, outcome=0, lead=2),
            PayEarly(market_no=1, outcome=0, lead=2),
            SettleMarket(market_no=1, results=drawn),
            RollBackSettlement(market_no=1),
            CancelMarket(market_no=1),
        ),
        start=20,
    ):
        market.apply(command, at_ns)
        for sent in np.array_split(market.outbox(shard=shard, limit=99), 3):
            ledger.settle(np.concatenate((sent, sent)), at_ns)
        paid = command if isinstance(command, BeginPlay) else None
        assert money(ledger)[0] == 1_000_000 - 100 + (250 if paid is None else 0)
    assert (ledger.slip_by_id(bet.bet_id).payout_minor, gives(ledger, bet)) == (100, 150)


# --- properties -----------------------------------------------------------------------------------


def with_marks(random: Random, messages: list[Rows]) -> list[Rows]:
    """Return what markets send about a slip with leads told: a leg's lead rises with its rows."""
    first: dict[int, tuple[int, int, int]] = {}
    for message in messages:
        if message.dtype != SETTLEMENT:
            continue
        leg, number = int(message["bet_id"][0]), int(message["settlement_no"][0])
        at, lead, flags = first.setdefault(
            leg, (random.randint(1, 2), random.randint(1, 3), random.choice((0, 1, 1)))
        )
        if number >= at:
            marked(message, lead=lead + (number > at), flags=flags)
    return messages


@given(seed=st.integers(0, 1 << 32), orders=st.lists(st.randoms(), min_size=2, max_size=2))
@settings(max_examples=25, deadline=None)
def test_early_payouts_end_as_the_twin_says_in_any_order_of_messages(
    seed: int, orders: list[Random]
) -> None:
    random = Random(seed)
    rules = [
        EarlyPayoutRule(
            lead=random.choice((1, 2, 3)),
            cap_minor=random.choice((50, CAP, CAP)),
            pre_match=random.random() < 0.5,
            odds_milli_min=random.choice((1_001, 1_001, 1_500)),
        )
        for _ in range(2)
    ]
    start = offering(*rules, amount_minor=2_000)
    messages: list[Rows] = []
    slips = []
    for number in range(8):
        odds = [random.choice(ODDS) for _ in range(random.choice((1, 1, 2, 3)))]
        fields = {"offer": random.choice((1, 2)), "ref": f"r{number}", "stake_minor": 7}
        several = len(odds) > 1 and random.random() < 0.5
        request = cover(*odds, least=1, **fields) if several else accumulator(*odds, **fields)
        if request.send(start)["reason"][0] == 0:
            slips.append(request.bet_id)
            messages += with_marks(random, messages_about(random, request))
    ends = []
    for order in orders:
        ledger = LedgerMachine.load(start.dump())
        delivered = messages + order.choices(messages, k=len(messages) // 2) if messages else []
        order.shuffle(delivered)
        for message in delivered:
            deliver(ledger, message)
        ledger.check()
        for bet in slips:
            slip = ledger.slip_by_id(bet)
            assert slip.offer.added_minor == added_minor(
                rules[slip.offer.offer_no - 1], offered(slip)
            )
        ends.append(shown(ledger))
        assert LedgerMachine.load(ledger.dump()).state_hash() == ledger.state_hash()
    assert all(end == ends[0] for end in ends)
