"""The check of slips by their lines, on rows made here."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from actors.slip_payouts import COMBINATIONS_MAX, SlipCheck, in_portions
from engine.common.rows import SLIP_BET, BetResult, Rows, SlipKind, SlipState
from engine.ledger.rows import SLIP
from tests.actors.virtual import run_virtual

OPEN = Fraction(-1)
"""Stands for the fraction of a leg that is not settled."""


def slip_of(
    backs: Sequence[Fraction],
    bets: Rows,
    *,
    paid_minor: int | None,
    lines: Sequence[int],
    first: int = 1,
    bets_first: int = 0,
    events: Sequence[int] | None = None,
    positions: Sequence[int] | None = None,
) -> Rows:
    """Return a head and its legs, which give back these fractions; `paid_minor` None: it is open.

    The legs' charges are right where each position has one leg and each leg an event.
    """
    rows: Rows = np.zeros(1 + len(backs), SLIP)
    rows["bet_id"] = range(first, first + len(rows))
    rows["kind"], rows["kind"][0] = SlipKind.LEG, SlipKind.HEAD
    rows["legs"] = range(len(rows))
    rows["legs"][0] = len(backs)
    rows["event"][1:] = range(len(backs)) if events is None else events
    rows["position"][1:] = range(len(backs)) if positions is None else positions
    for row, back in zip(rows[1:], backs, strict=True):
        row["state"] = SlipState.ACCEPTED if back == OPEN else SlipState.SETTLED
        if back != OPEN:
            row["payout_minor"], row["back_den"] = back.numerator, back.denominator
            row["result"] = _result(back)
    bets["lines"] = lines
    head = rows[0]
    head["state"] = SlipState.ACCEPTED if paid_minor is None else SlipState.SETTLED
    head["stake_minor"] = (bets["stake_minor"] * bets["lines"]).sum()
    head["bets_first"], head["bets"] = bets_first, len(bets)
    head["charge_no"] = any(back != OPEN for back in backs)
    if paid_minor is not None:
        head["payout_minor"] = paid_minor
        head["result"] = BetResult.WON if paid_minor else BetResult.LOST
    return rows


def _result(back: Fraction) -> BetResult:
    if back == 1:
        return BetResult.REFUNDED
    return BetResult.WON if back else BetResult.LOST


def bet_over(legs: int, sizes: Sequence[int], *, stake_minor: int, bankers: int = 0) -> Rows:
    row: Rows = np.zeros(1, SLIP_BET)
    row["stake_minor"], row["positions"], row["bankers"] = stake_minor, (1 << legs) - 1, bankers
    row["sizes"] = sum(1 << size for size in sizes)
    return row


def with_charges(slips: Rows, charges: Sequence[int]) -> Rows:
    slips["stake_minor"][1:] = slips["charged_minor"][1:] = charges
    return slips


def differences(slips: Rows, bets: Rows, **where: Any) -> list[str]:
    return SlipCheck(slips, bets, **where).check().differences


FOUR = [Fraction(3), Fraction(4), Fraction(5), Fraction(6)]

PAID = {
    # A 30p Yankee, four winners at 3/1, pays 182.40.
    "Yankee": ([Fraction(4)] * 4, [2, 3, 4], 30, 18_240, 11, 7),
    # A 1.00 Lucky 15 at 3.0, 4.0, 5.0, 6.0, all win: 839.00.
    "Lucky 15": (FOUR, [1, 2, 3, 4], 100, 83_900, 15, 8),
    # Two winners of a Lucky 15 at 20/1, one with a deduction of 25p in the pound of its winnings
    # (20 * 0.75 = 15): 21 + 16 and 21 * 16.
    "Rule 4": ([Fraction(21), Fraction(16), Fraction(0), Fraction(0)], [1, 2, 3, 4], 1, 373, 15, 8),
    # A void leg counts 1: a Trixie of 2.0, 3.0 and a void one is 6 + 2 + 3 + 6.
    "Trixie": ([Fraction(2), Fraction(3), Fraction(1)], [2, 3], 10, 170, 4, 3),
    # Each line is rounded down by itself: three doubles of 7 at 3/2 are 15 each, not 47 together.
    "rounding": ([Fraction(3, 2)] * 3, [2], 7, 45, 3, 2),
}


@pytest.mark.parametrize("name", PAID)
def test_what_a_slip_was_paid_is_that_of_its_lines(name: str) -> None:
    backs, sizes, stake_minor, paid_minor, lines, with_leg = PAID[name]
    bets = bet_over(len(backs), sizes, stake_minor=stake_minor)
    slips = slip_of(backs, bets, paid_minor=paid_minor, lines=[lines])
    with_charges(slips, [with_leg * stake_minor] * len(backs))
    assert differences(slips, bets) == []
    slips["payout_minor"][0] += 1
    (found,) = differences(slips, bets)
    assert found == (f"bet 1: it was paid {paid_minor + 1}, by its legs it is owed {paid_minor}")


def double(one: Fraction, other: Fraction, *, paid_minor: int | None) -> tuple[Rows, Rows]:
    bets = bet_over(2, [2], stake_minor=100)
    slips = slip_of([one, other], bets, paid_minor=paid_minor, lines=[1])
    return with_charges(slips, [100, 100]), bets


def test_a_slip_is_settled_from_the_moment_on_at_which_nothing_open_can_change_it() -> None:
    assert differences(*double(Fraction(0), OPEN, paid_minor=0)) == []
    assert differences(*double(Fraction(2), OPEN, paid_minor=None)) == []
    assert differences(*double(Fraction(0), OPEN, paid_minor=None)) == [
        "bet 1: it is open, and no leg can change that it is owed 0"
    ]
    assert differences(*double(Fraction(2), OPEN, paid_minor=200)) == [
        "bet 1: it is settled, and an open leg can change what it is owed"
    ]


def test_a_slip_of_refunded_legs_alone_is_refunded() -> None:
    slips, bets = double(Fraction(1), Fraction(1), paid_minor=100)
    assert differences(slips, bets) == ["bet 1: its result is WON, by its legs REFUNDED"]
    slips["result"][0] = BetResult.REFUNDED
    assert differences(slips, bets) == []
    slips["result"][1] = BetResult.WON  # at odds of 1.000, which no market offers
    assert differences(slips, bets) == ["bet 1: its result is REFUNDED, by its legs WON"]


def test_bankers_are_in_every_line_and_legs_of_one_event_are_in_none_together() -> None:
    bets = bet_over(3, [1], stake_minor=50, bankers=0b001)
    slips = slip_of([Fraction(2), Fraction(3), Fraction(0)], bets, paid_minor=300, lines=[2])
    with_charges(slips, [100, 50, 50])
    assert differences(slips, bets) == []
    # Doubles from 3 selections of which 2 share an event are 2 lines.
    bets = bet_over(3, [2], stake_minor=50)
    backs = [Fraction(2), Fraction(3), Fraction(5)]
    slips = slip_of(backs, bets, paid_minor=1_250, lines=[2], events=[0, 0, 1])
    with_charges(slips, [50, 50, 100])
    assert differences(slips, bets) == []


def test_legs_of_one_position_are_alternatives() -> None:
    bets = bet_over(2, [2], stake_minor=10)
    backs = [Fraction(2), Fraction(0), Fraction(4)]
    slips = slip_of(backs, bets, paid_minor=80, lines=[2], events=[0, 0, 1], positions=[0, 0, 1])
    with_charges(slips, [10, 10, 20])
    assert differences(slips, bets) == []


@pytest.mark.parametrize(
    ("head", "leg", "wrong"),
    [
        (SlipState.PENDING, SlipState.PENDING, False),
        (SlipState.PENDING, SlipState.ACCEPTED, False),
        (SlipState.PENDING, SlipState.REFUSED, True),
        (SlipState.ACCEPTED, SlipState.PENDING, True),
        (SlipState.ACCEPTED, SlipState.RELEASED, True),
        (SlipState.REFUSED, SlipState.PENDING, False),
        (SlipState.REFUSED, SlipState.RELEASED, False),
        (SlipState.REFUSED, SlipState.ACCEPTED, True),
    ],
)
def test_a_leg_stands_as_its_head_does(head: SlipState, leg: SlipState, wrong: bool) -> None:
    slips, bets = double(OPEN, OPEN, paid_minor=None)
    other = SlipState.ACCEPTED if head is SlipState.ACCEPTED else SlipState.PENDING
    slips["state"] = (head, leg, other)
    expected = [f"bet 1: {head.name}, and its leg 2 is {leg.name}"] if wrong else []
    assert differences(slips, bets) == expected


def test_stake_charges_and_lines_are_counted() -> None:
    slips, bets = double(OPEN, OPEN, paid_minor=None)
    slips["stake_minor"] = (101, 100, 99)
    bets["lines"] = 2
    assert differences(slips, bets) == [
        "bet 1: its bets have [2] lines, counted are [1]",
        "bet 1: its stake is 101, that of its lines 100",
        "bet 1: its leg 3 was charged 99, counted are 100",
    ]


def test_a_slip_without_its_legs_or_its_bets_is_found() -> None:
    slips, bets = double(OPEN, OPEN, paid_minor=None)
    lost = ["bet 1: its legs or its bets are not those of its slip"]
    assert differences(slips[:2], bets) == lost
    assert differences(slips, bets[:0]) == lost
    assert differences(slips, bets, bets_first=1) == lost
    slips["legs"][2] = 1
    assert differences(slips, bets) == lost


def test_singles_and_the_legs_of_a_head_before_the_page_are_passed_over() -> None:
    slips, bets = double(OPEN, OPEN, paid_minor=None)
    single = np.zeros(1, SLIP)
    single["bet_id"], single["state"] = 4, SlipState.ACCEPTED
    assert differences(np.concatenate([slips[1:], single]), bets) == []


def checked(slips: Rows, bets: Rows) -> tuple[list[str], int]:
    differences, _, waiting = SlipCheck(slips, bets).check()
    return differences, waiting


def test_an_open_leg_is_charged_what_runs_on_it_once_its_market_was_told() -> None:
    """A Trixie of 10 a line with a winner at 2.5: 25 + 10 + 25 run on each other leg."""
    bets = bet_over(3, [2, 3], stake_minor=10)
    slips = slip_of([Fraction(5, 2), OPEN, OPEN], bets, paid_minor=None, lines=[4])
    with_charges(slips, [30, 30, 30])
    assert checked(slips, bets) == ([], 2), "the charges after the first result are on the way"
    slips["charged_minor"][2:], slips["charge_no"][2:] = 60, 1
    assert checked(slips, bets) == ([], 0)
    slips["charged_minor"][3] = 59
    assert checked(slips, bets)[0] == ["bet 1: its leg 4 is charged 59, what runs on it is 60"]
    slips["charge_no"][0] = 2
    assert checked(slips, bets) == ([], 1), "told again, but for the leg that has it already"
    slips["charge_no"][0] = 3
    assert checked(slips, bets) == ([], 2), "a charge may have been told in between"


def test_a_released_leg_waits_until_its_market_charges_nothing() -> None:
    slips, bets = double(OPEN, OPEN, paid_minor=None)
    slips["state"] = (SlipState.REFUSED, SlipState.RELEASED, SlipState.REFUSED)
    assert checked(slips, bets) == ([], 1)
    slips["charged_minor"][1] = 0
    assert checked(slips, bets) == ([], 0)


def test_a_page_is_checked_portion_by_portion_to_its_last_head() -> None:
    pages = []
    for number in range(6):
        bets = bet_over(2, [2], stake_minor=100)
        slips = slip_of(
            [OPEN, OPEN], bets, paid_minor=None, lines=[1], first=1 + 3 * number, bets_first=number
        )
        slips = with_charges(slips, [100, 99])
        slips["charged_minor"][2] = 100
        pages.append((slips, bets))
    slips = np.concatenate([slips for slips, _ in pages])
    check = SlipCheck(slips, np.concatenate([bets for _, bets in pages]))
    part = check.check(combinations_max=2)
    assert (len(part.differences), part.stop) == (2, 6), "the third head is left to the next call"
    assert check.check(part.stop, 12).stop == 12
    assert check.check().differences == run_virtual(in_portions(check, len(slips))).differences
    assert len(check.check().differences) == 6
    found = run_virtual(in_portions(check, 13)).differences
    assert len(found) == 5, "the head whose row is within the page"


def test_a_slip_of_more_combinations_than_are_counted_is_checked_by_its_states_alone() -> None:
    bets = bet_over(40, [20], stake_minor=1)
    slips = slip_of([OPEN] * 40, bets, paid_minor=None, lines=[0])
    assert COMBINATIONS_MAX < 137_846_528_820  # 20 of 40
    assert differences(slips, bets) == []
    slips["state"][3] = SlipState.RELEASED
    assert differences(slips, bets) == ["bet 1: ACCEPTED, and its leg 4 is RELEASED"]
