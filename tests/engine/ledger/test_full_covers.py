"""The bonus on full covers: published figures, what counts as one, and rules that never give."""

import pytest

from engine.common.offers import BoostRule, FullCoverRule, SetOffer
from engine.common.reasons import Reason
from engine.common.rows import BetResult, Rows
from tests.engine.ledger.builders import funded, settle
from tests.engine.ledger.slip_builders import (
    Leg,
    LineBet,
    SlipRequest,
    accumulator,
    cover,
    leg_lost,
    leg_refunded,
    leg_settlement,
)
from tests.engine.ledger.test_offers import CAP, LUCKY, gives, ladder, offering, won


def lucky15(**fields: object) -> SlipRequest:
    return cover(5_000, 3_000, 2_000, 4_000, least=1, stake_minor=100, **fields)


def test_one_winner_of_a_lucky_15_wins_twice():
    ledger = offering(LUCKY)
    bet = lucky15(offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0), *[leg_lost(bet.leg(at)) for at in (1, 2, 3)])
    assert (ledger.slip_by_id(bet.bet_id).payout_minor, gives(ledger, bet)) == (500, 400)
    settle(ledger, *won(bet, 1, number=2))
    assert gives(ledger, bet) == 0, "two winners"
    settle(ledger, leg_refunded(bet.leg(1), number=3))
    assert gives(ledger, bet) == 0, "a non-runner"


def test_a_non_runner_excludes_only_where_the_house_says_so():
    ledger = offering(FullCoverRule(cap_minor=CAP, one_winner_milli=3_000, void_excludes=False))
    bet = lucky15(offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 2), leg_refunded(bet.leg(0)), leg_lost(bet.leg(1)))
    settle(ledger, leg_lost(bet.leg(3)))
    assert gives(ledger, bet) == 2 * 100


def half_lost(bet: SlipRequest, place: int, *, number: int = 1) -> Rows:
    return leg_settlement(bet.leg(place), 1, 2, number=number, result=BetResult.HALF_LOST)


def test_a_half_lost_leg_is_no_winner_of_a_full_cover_and_a_half_won_one_is():
    ledger = offering(LUCKY)
    bet = lucky15(offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1, 2), half_lost(bet, 3))
    assert gives(ledger, bet) == 0, "three winners of four"
    settle(ledger, leg_settlement(bet.leg(3), 5, 2, number=2, result=BetResult.HALF_WON))
    payout_minor = 100 * (6 * 4 * 3 * 7 - 2) // 2
    assert ledger.slip_by_id(bet.bet_id).payout_minor == payout_minor
    assert gives(ledger, bet) == (payout_minor - 1_500) // 10
    settle(ledger, half_lost(bet, 3, number=3), *[leg_lost(bet.leg(at), number=2) for at in (1, 2)])
    assert gives(ledger, bet) == 400, "one winner: half lost counts as lost"


def test_all_winners_of_a_lucky_15_add_a_share_of_the_winnings():
    ledger = offering(LUCKY)
    bet = lucky15(offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 1, 2, 3))
    payout_minor = 100 * (6 * 4 * 3 * 5 - 1)
    assert ledger.slip_by_id(bet.bet_id).payout_minor == payout_minor
    assert gives(ledger, bet) == (payout_minor - 1_500) // 10


def test_the_place_part_of_an_each_way_lucky_15_has_no_bonus():
    # "Two separate Lucky 15s, a win one and a place one", news.bet365.com: double the stake.
    ledger = offering(LUCKY)
    win = [Leg(5_000, market_no=1 + at) for at in range(4)]
    place = [Leg(2_000, market_no=11 + at, event=at) for at in range(4)]
    sizes = (1, 2, 3, 4)
    bets = [LineBet(100, sizes, (0, 1, 2, 3)), LineBet(100, sizes, (4, 5, 6, 7))]
    bet = SlipRequest([*win, *place], bets, 3_000, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0, 4), *[leg_lost(bet.leg(at)) for at in (1, 2, 3, 5, 6, 7)])
    assert ledger.slip_by_id(bet.bet_id).payout_minor == 500 + 200
    assert gives(ledger, bet) == 400


@pytest.mark.parametrize(
    "bet",
    [
        cover(2_000, 2_000, 2_000, 2_000, offer=1),
        accumulator(2_000, 2_000, offer=1),
        cover(2_000, 2_000, 2_000, least=1, offer=2),
        accumulator(2_500, offer=1),
        cover(2_500, 2_500, least=1, offer=1),
        cover(2_000, 2_000, 2_000, least=1, offer=3),
    ],
)
def test_a_bonus_is_for_full_covers_with_singles_that_it_has_a_step_for(bet):
    alone = FullCoverRule(cap_minor=CAP, ladder=ladder((4, 100)))
    fours = FullCoverRule(cap_minor=CAP, one_winner_milli=2_000, legs_min=4)
    ledger = offering(LUCKY, alone, fours)
    assert bet.send(ledger)["reason"][0] == Reason.OFFER_NOT_FOR_BET


def test_a_patent_is_the_smallest_full_cover_with_a_bonus():
    ledger = offering(LUCKY)
    bet = cover(5_000, 3_000, 2_000, least=1, stake_minor=100, offer=1)
    bet.hold_all(ledger)
    settle(ledger, *won(bet, 0), leg_lost(bet.leg(1)), leg_lost(bet.leg(2)))
    assert (ledger.slip_by_id(bet.bet_id).payout_minor, gives(ledger, bet)) == (500, 400)


@pytest.mark.parametrize(
    "rule",
    [
        BoostRule(ladder=(), cap_minor=CAP),
        BoostRule(ladder=ladder((2, 0), (5, 0)), cap_minor=CAP),
        FullCoverRule(cap_minor=CAP),
        FullCoverRule(cap_minor=CAP, ladder=ladder((3, 100), (4, 0)), legs_min=4),
        FullCoverRule(cap_minor=CAP, ladder=ladder((13, 100))),
    ],
)
def test_a_rule_that_never_gives_anything_is_refused(rule):
    ledger = funded()
    before = ledger.state_hash()
    event = ledger.apply(SetOffer(offer_no=1, name="n", currency="EUR", rule=rule), 2)
    assert (event.reason, event.field) == (Reason.FIELD_OUT_OF_BOUNDS, "rule.ladder")
    assert ledger.state_hash() == before
