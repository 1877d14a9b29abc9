"""The book's figures by worked examples: refunds, results, limits and other currencies."""

import pytest

from engine.common.book_result import BookResult
from engine.common.commands import (
    CancelBets,
    CancelMarket,
    Limits,
    RollBackCancel,
    RollBackSettlement,
    SettleMarket,
)
from engine.common.reasons import Reason
from engine.common.rows import Policy
from engine.market.market import MarketMachine
from tests.engine.market.builders import AT_NS, bet, bet_rows, do, open_machine, place, reasons, won

LATE_NS = AT_NS + 1
LIMITS = Limits(
    stake_minor_max=1_000_000,
    outcome_liability_minor_max=500_000,
    market_liability_minor_max=500_000,
)
EVENS = (2_000, 2_000)


def place_late(machine: MarketMachine, serial: int, *, stake: int, outcome: int) -> None:
    """Place a bet that a window from LATE_NS on covers."""
    one = bet(serial, stake=stake, outcome=outcome, policy=Policy.ANY)
    assert machine.place(bet_rows([one]), LATE_NS)["reason"].tolist() == [0]


def test_cancelled_stakes_make_no_room_under_a_limit() -> None:
    machine = open_machine(odds=EVENS, limits=LIMITS)
    assert reasons(machine, bet(1, stake=500_000, odds=2_000)) == [0]
    place_late(machine, 2, stake=540_000, outcome=1)
    do(machine, CancelBets(market_no=1, from_ns=LATE_NS))
    assert machine.book_image(1).liability_minor == (500_000, -500_000)
    assert reasons(machine, bet(3, stake=540_000, odds=2_000)) == [Reason.OUTCOME_LIABILITY]
    do(machine, RollBackCancel(market_no=1, from_ns=LATE_NS))
    assert machine.book_image(1).liability_minor == (-40_000, 40_000)
    assert reasons(machine, bet(4, stake=540_000, odds=2_000)) == [Reason.ACCEPTED]


def test_what_is_staked_is_what_the_book_states_after_every_command() -> None:
    machine = open_machine(odds=EVENS, limits=LIMITS)
    place(machine, bet(1, stake=300, odds=2_000), bet(2, stake=900, outcome=1, odds=2_000))
    place_late(machine, 3, stake=5_000, outcome=0)
    for command in (
        CancelBets(market_no=1, from_ns=LATE_NS),
        SettleMarket(market_no=1, results=won(True, False)),
        RollBackSettlement(market_no=1),
        CancelMarket(market_no=1),
    ):
        book, staked = machine.book_image(1), machine.stakes_image(1)
        assert (staked.market_no, staked.key) == (book.prices.market_no, book.prices.key)
        assert (staked.outcomes, staked.status) == (book.prices.outcomes, book.prices.status)
        assert staked.stake_taken_minor == book.stake_taken_minor
        assert staked.stake_minor == book.stake_minor
        assert staked.payout_minor == book.payout_minor
        assert staked.liability_minor == book.liability_minor
        do(machine, command)


def test_an_outcome_that_cancelled_bets_had_filled_takes_bets_again() -> None:
    machine = open_machine(odds=EVENS, limits=LIMITS)
    place_late(machine, 1, stake=500_000, outcome=0)
    assert reasons(machine, bet(2, stake=1, odds=2_000)) == [Reason.OUTCOME_LIABILITY]
    do(machine, CancelBets(market_no=1))
    assert reasons(machine, bet(3, stake=500_000, odds=2_000)) == [Reason.ACCEPTED]


def test_a_book_states_what_was_staked_refunded_paid_and_kept() -> None:
    machine = open_machine(odds=EVENS)
    place(machine, bet(1, stake=300, odds=2_000), bet(2, stake=900, outcome=1, odds=2_000))
    place_late(machine, 3, stake=5_000, outcome=0)
    assert machine.book_image(1).result == BookResult(staked_minor=6_200)
    do(machine, CancelBets(market_no=1, from_ns=LATE_NS))
    do(machine, SettleMarket(market_no=1, results=won(True, False)))
    image = machine.book_image(1)
    lost = BookResult(staked_minor=900, profit_minor=900)
    backed = BookResult(staked_minor=5_300, refunded_minor=5_000, paid_minor=600, profit_minor=-300)
    assert image.results == (backed, lost)
    assert image.result == BookResult(
        staked_minor=6_200, refunded_minor=5_000, paid_minor=600, profit_minor=600
    )
    do(machine, RollBackSettlement(market_no=1))
    assert machine.book_image(1).result == BookResult(staked_minor=6_200, refunded_minor=5_000)
    do(machine, CancelMarket(market_no=1))
    image = machine.book_image(1)
    assert image.result == BookResult(staked_minor=6_200, refunded_minor=6_200)
    assert (image.bets, image.stake_taken_minor, image.liability_minor) == (3, 0, (0, 0))
    machine.check()


def test_a_bet_of_333_at_a_rate_of_6_thousandths_counts_as_2_and_not_as_1() -> None:
    limits = Limits(stake_minor_max=1)
    machine = open_machine(odds=EVENS, limits=limits)
    yen = {"odds": 2_000, "rate": 6_000}
    assert place(machine, bet(1, stake=333, **yen)) == [(Reason.STAKE_OVER_LIMIT, 2_000, 0, 0)]
    machine = open_machine(odds=EVENS)
    place(machine, bet(1, stake=333, **yen))
    assert machine.book_image(1).liability_minor == (2, -1)
    machine = open_machine(odds=EVENS, rules=1)
    place(machine, bet(1, stake=333, **yen))
    assert machine.book_image(1).liability_minor == (1, -1)


@pytest.mark.parametrize("shared", [0, 1])
def test_bets_with_fractions_never_pass_a_liability_limit_in_truth(shared: int) -> None:
    """A thousand bets of 333 at a rate of .006 win 1.998 each, and as many on the other side."""
    limits = Limits(outcome_liability_minor_max=1_000, market_liability_minor_max=1_000)
    machine = open_machine(odds=EVENS, limits=limits)
    rows = [
        bet(serial, stake=333, odds=2_000, rate=6_000, outcome=(serial % 3 == 0) * shared)
        for serial in range(1, 3_000)
    ]
    answers = reasons(machine, *rows)
    assert Reason.OUTCOME_LIABILITY in answers
    accepted = [row for row, reason in zip(rows, answers, strict=True) if not reason]
    true_liability = sum(333 * 6_000 * (-1 if row[6] else 1) for row in accepted)
    assert true_liability <= 1_000 * 10**6
