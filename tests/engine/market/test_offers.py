"""What traders offer in place of bets that wait: taken once, in its window, and ended by stops."""

import pytest

from engine.common.acceptance import StopWaiting
from engine.common.commands import ResumeMarket, SettleMarket, SuspendMarket
from engine.common.outcome_marks import ResumeOutcomes, SuspendOutcomes
from engine.common.reasons import Reason
from engine.market.market import MarketMachine
from tests.engine.market.builders import SMALL, acceptance, bet, won
from tests.engine.market.test_waiting import (
    DELAYED,
    answers,
    event,
    offer,
    released,
    waiting_machine,
)


def test_an_offer_is_taken_once_within_its_window_and_by_its_account_alone() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    decided = event(machine, offer(1, stake=3_000, odds=2_300))
    assert (decided.reason, decided.stake_minor, decided.odds_milli) == (
        Reason.REOFFERED, 3_000, 2_300,
    )  # fmt: skip
    assert answers(machine, bet(1, stake=5_000)) == [(Reason.REOFFERED, 3_000)]
    others = (
        bet(2, stake=3_000, odds=2_300, account=8),
        bet(3, stake=3_000, odds=2_400),
        bet(4, stake=900, odds=2_300, outcome=1),
    )
    assert [reason for reason, _ in answers(machine, *others, ms=1)] == [Reason.ODDS_CHANGED] * 3
    assert answers(machine, bet(5, stake=3_001, odds=2_300), ms=1) == [(Reason.ODDS_CHANGED, 0)]
    assert answers(machine, bet(6, stake=3_000, odds=2_300), ms=30_000) == [(Reason.ACCEPTED, 0)]
    assert answers(machine, bet(7, stake=3_000, odds=2_300), ms=1) == [(Reason.ODDS_CHANGED, 0)]


def test_an_offer_that_nobody_took_ends_with_its_window() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300, window_ms=1_000))
    assert answers(machine, bet(2, stake=3_000, odds=2_300), ms=1_001) == [(Reason.ODDS_CHANGED, 0)]


def test_an_offer_waits_out_the_markets_delay() -> None:
    """Else its bettor could see a goal, and take it before the suspension."""
    machine = waiting_machine(referral_ms=60_000, delay_ms=5_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300))
    assert answers(machine, bet(2, stake=3_000, odds=2_300)) == [(DELAYED, 5_000)]
    assert released(machine, ms=5_000) == [(2, Reason.ACCEPTED)]


def test_an_offer_of_more_than_was_asked_for_names_the_field() -> None:
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    refused = event(machine, offer(1, stake=5_001, odds=2_300))
    assert (refused.reason, refused.field) == (Reason.FIELD_OUT_OF_BOUNDS, "stake_minor")


GOAL, RESTART = SuspendMarket(market_no=1, why="goal"), ResumeMarket(market_no=1)
HOLD, LET_GO = SuspendOutcomes(market_no=1, outcomes=(0,)), ResumeOutcomes(market_no=1)
BEYOND = Reason.ODDS_CHANGED
"""What a bet at the odds of an offer gets that stands no more."""


@pytest.mark.parametrize(
    ("stops", "stands"),
    [
        ((GOAL, RESTART), False),
        ((HOLD, LET_GO), False),
        ((StopWaiting(),), False),
        ((StopWaiting(account_no=7),), False),
        ((StopWaiting(account_no=8),), True),
        ((SuspendOutcomes(market_no=1, outcomes=(1,)),), True),
        ((acceptance(delay_ms=0),), True),
    ],
)
def test_an_offer_ends_with_a_stop_of_what_it_is_on(stops, stands: bool) -> None:
    """Else its bettor could take, after a goal, the odds that a trader gave before it."""
    machine = waiting_machine(referral_ms=60_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300))
    for stop in stops:
        event(machine, stop, ms=1)
        machine = MarketMachine.load(machine.dump())
    expected = Reason.ACCEPTED if stands else BEYOND
    assert answers(machine, bet(2, stake=3_000, odds=2_300), ms=2) == [(expected, 0)]


def test_an_offer_whose_delayed_bet_a_stop_refuses_is_gone_with_it() -> None:
    machine = waiting_machine(referral_ms=60_000, delay_ms=5_000, limits=SMALL)
    answers(machine, bet(1, stake=5_000))
    event(machine, offer(1, stake=3_000, odds=2_300))
    answers(machine, bet(2, stake=3_000, odds=2_300))
    for stop in (GOAL, RESTART):
        event(machine, stop, ms=1)
    assert released(machine, ms=2) == [(2, Reason.MARKET_SUSPENDED)]
    assert answers(machine, bet(3, stake=3_000, odds=2_300), ms=3) == [(BEYOND, 0)]


def test_offers_are_forgotten_with_their_window_and_with_the_betting() -> None:
    settle = SettleMarket(market_no=1, results=won(True, False, False))
    for end, ms in ((settle, 1), (LET_GO, 30_001)):
        machine = waiting_machine(referral_ms=60_000, limits=SMALL)
        answers(machine, bet(1, stake=5_000))
        event(machine, offer(1, stake=3_000, odds=2_300))
        assert len(machine.dump()["permits"]) == 1
        event(machine, end, ms=ms)
        assert machine.dump()["permits"] == []
