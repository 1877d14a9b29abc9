"""Bettors' answers are counted by what they say, and kept as they are compared with the books."""

from engine.common.reasons import Reason
from gateway.demo.answers import Answers, ReceivedAnswer, ReceivedSlip
from gateway.messages.bettor import Bet, LegView, SlipView
from gateway.messages.slips import LegAnswer, SlipBet


def slip(state: str, *legs: LegAnswer, **fields) -> SlipBet:
    return SlipBet(ref="a", state=state, legs=legs, **fields)


HELD = LegAnswer(odds_milli=2_500)


def test_accepted_slips_are_kept_with_the_odds_of_their_legs():
    answers = Answers()
    answers.add_slip(slip("accepted", HELD, HELD, bet_id=10, stake_minor=700), (3, 5))
    assert answers.slips == {10: ReceivedSlip(True, 0, (3, 5), (2_500, 2_500))}
    assert (answers.slips_accepted, answers.slips_staked_minor) == (1, 700)
    assert answers.counts == {"accepted": 1}


def test_refused_slips_are_counted_by_the_leg_that_was_refused():
    answers = Answers()
    refused = LegAnswer(odds_milli=2_400, reason=Reason.MARKET_SUSPENDED)
    answers.add_slip(
        slip("rejected", HELD, refused, bet_id=10, reason=Reason.LEG_REFUSED, stake_minor=700),
        (3, 5),
    )
    answers.add_slip(slip("rejected", reason=Reason.INSUFFICIENT_FUNDS), (3, 5))
    assert answers.counts == {"leg: market suspended": 1, "insufficient funds": 1}
    assert not answers.slips[10].accepted
    assert (answers.slips_accepted, answers.slips_staked_minor) == (0, 0)
    assert answers.answered == 2


def test_bets_and_slips_whose_answers_were_lost_are_added_by_their_status():
    answers = Answers()
    leg = LegView(bet_id=11, market=3, outcome=0, odds_milli=1_900, state="accepted")
    view = SlipView(
        bet_id=10, ref="a", market=0, outcome=0, stake_minor=50, odds_milli=0, state="accepted",
        legs=(leg,),
    )  # fmt: skip
    answers.add_status(view)
    single = SlipView(
        bet_id=20, ref="b", market=3, outcome=1, stake_minor=50, odds_milli=2_000, state="settled"
    )
    answers.add_status(single)
    assert answers.slips == {10: ReceivedSlip(True, 0, (3,), (1_900,))}
    assert answers.bets == {20: ReceivedAnswer(True, 2_000, 0)}
    assert answers.slips_staked_minor == 50


def test_legs_that_bettors_know_to_be_held_are_found_by_their_market():
    answers = Answers()
    answers.add_slip(slip("accepted", HELD, HELD, HELD, bet_id=10), (3, 5, 3))
    answers.add_slip(slip("rejected", HELD, HELD, bet_id=20, reason=210), (3, 5))
    answers.add_bet(Bet(ref="c", state="accepted", bet_id=30, odds_milli=2_000))
    assert answers.legs_held(3) == [11, 13]
    assert answers.legs_held(5) == [12]
    assert answers.legs_held(7) == []


def test_an_answer_without_a_bet_id_is_counted_and_not_kept():
    answers = Answers()
    answers.add_bet(Bet(ref="a", state="rejected", reason=Reason.BUSY))
    assert answers.counts == {"busy": 1}
    assert answers.bets == {}


def test_accepted_slips_are_counted_by_the_markets_of_their_legs():
    answers = Answers()
    answers.add_slip(slip("accepted", HELD, HELD, bet_id=10, stake_minor=700), (3, 5))
    answers.add_slip(slip("accepted", HELD, HELD, bet_id=20, stake_minor=700), (4, 5))
    answers.add_slip(
        slip("rejected", HELD, HELD, bet_id=30, reason=Reason.INSUFFICIENT_FUNDS), (3, 7)
    )
    assert [answers.accepted_on(nos) for nos in ((), (3,), (5, 3), (7,))] == [0, 1, 2, 0]
