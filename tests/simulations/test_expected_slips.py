"""The oracle of slips gives the worked figures of bookmakers' rules and of MTS's combinations."""

from fractions import Fraction
from math import comb

import pytest

from simulations.expected_slips import (
    Leg,
    SlipBet,
    charges_minor,
    lines_of,
    owed_minor,
    positions_of,
    potential_minor,
    stake_minor,
)

LOST, VOID, OPEN = Fraction(0), Fraction(1), None


def legs(*backs: object) -> list[Leg]:
    """Return legs of different events, each at a position of its own."""
    return [
        Leg(number, number, None if back is None else Fraction(back))  # type: ignore[arg-type]
        for number, back in enumerate(backs)
    ]


def full(count: int, first: int, *, stake: int) -> SlipBet:
    """Return every combination of `count` positions from `first` legs on."""
    return SlipBet(stake, tuple(range(count)), tuple(range(first, count + 1)))


def fold(count: int, *, stake: int) -> SlipBet:
    """Return an accumulator."""
    return full(count, count, stake=stake)


@pytest.mark.parametrize(
    ("count", "first", "lines"),
    [
        (3, 2, 4),
        (3, 1, 7),
        (4, 2, 11),
        (4, 1, 15),
        (5, 2, 26),
        (5, 1, 31),
        (6, 2, 57),
        (6, 1, 63),
        (7, 2, 120),
        (8, 2, 247),
    ],
    ids=[
        "trixie",
        "patent",
        "yankee",
        "lucky 15",
        "canadian",
        "lucky 31",
        "heinz",
        "lucky 63",
        "super heinz",
        "goliath",
    ],
)
def test_a_full_cover_has_the_lines_of_its_name(count: int, first: int, lines: int) -> None:
    bet = full(count, first, stake=1)
    assert len(set(lines_of(legs(*[OPEN] * count), bet))) == lines
    assert stake_minor(legs(*[OPEN] * count), [bet]) == lines


def test_a_goliath_and_a_canadian_hold_the_folds_that_their_names_promise() -> None:
    sizes = [len(line) for line in lines_of(legs(*[OPEN] * 8), full(8, 2, stake=1))]
    assert [sizes.count(size) for size in range(2, 9)] == [28, 56, 70, 56, 28, 8, 1]
    sizes = [len(line) for line in lines_of(legs(*[OPEN] * 5), full(5, 2, stake=1))]
    assert [sizes.count(size) for size in range(2, 6)] == [10, 10, 5, 1]


def test_a_yankee_of_30p_with_four_winners_at_3_to_1_returns_182_40() -> None:
    assert owed_minor(legs(4, 4, 4, 4), [full(4, 2, stake=30)]) == 182_40


def test_a_lucky_15_of_which_all_win_returns_839() -> None:
    assert owed_minor(legs(3, 4, 5, 6), [full(4, 1, stake=1_00)]) == 839_00


def each_way(win: object, place: object) -> list[Leg]:
    return [
        Leg(0, 0, None if win is None else Fraction(win)),  # type: ignore[arg-type]
        Leg(1, 0, None if place is None else Fraction(place)),  # type: ignore[arg-type]
    ]


EACH_WAY = [SlipBet(10_00, (0,), (1,)), SlipBet(10_00, (1,), (1,))]
WIN, PLACE = Fraction(11, 4), 1 + Fraction(7, 4) / 5
"""10 each way at 7/4, the place at a fifth of the odds."""
KEPT = Fraction(65, 100)
"""What a Rule 4 deduction of 35p in the pound leaves of the winnings."""


@pytest.mark.parametrize(
    ("win", "place", "owed"),
    [
        (WIN, PLACE, 41_00),
        (LOST, PLACE, 13_50),
        (LOST, LOST, 0),
        (1 + (WIN - 1) * KEPT, 1 + (PLACE - 1) * KEPT, 33_64),
        (LOST, 1 + (PLACE - 1) * KEPT, 12_27),
        (VOID, VOID, 20_00),
        (LOST, OPEN, None),
    ],
)
def test_each_way_is_a_win_bet_and_a_place_bet(win: object, place: object, owed: object) -> None:
    # After Rule 4 the parts are 21.375 and 12.275, printed as 33.65 together and as 12.28: each of
    # our lines is rounded down.
    assert owed_minor(each_way(win, place), EACH_WAY) == owed


def test_each_way_after_a_deduction_is_exact_in_a_finer_unit() -> None:
    tenths = [bet._replace(stake_minor=10 * bet.stake_minor) for bet in EACH_WAY]
    win, place = 1 + (WIN - 1) * KEPT, 1 + (PLACE - 1) * KEPT
    assert owed_minor(each_way(win, place), tenths) == 336_50
    assert owed_minor(each_way(LOST, place), tenths) == 122_75


def test_two_each_way_legs_in_a_double_are_a_win_double_and_a_place_double() -> None:
    both = [
        Leg(0, 0, Fraction(3)),
        Leg(1, 1, LOST),
        Leg(2, 0, Fraction(3, 2)),
        Leg(3, 1, Fraction(2)),
    ]
    bets = [SlipBet(5_00, (0, 1), (2,)), SlipBet(5_00, (2, 3), (2,))]
    assert owed_minor(both, bets) == 15_00


@pytest.mark.parametrize(
    ("stake", "back", "owed"),
    [
        (10_00, 1 + 8 * Fraction(75, 100), 70_00),  # 10 at 8/1, 25p in the pound
        (60_00, Fraction(6, 3), 120_00),  # 60 at 6.0, three tie for first
        (60_00, 6 * Fraction(2, 4), 180_00),  # four tie for the last two of three places
        (10_00, Fraction(11, 2), 55_00),  # 10 at 10/1, two tie
        (10_00, 1 + Fraction(5, 4) * Fraction(20, 100), 12_50),  # 2.25, withdrawn at 1.25: 80p
        (20_00, Fraction(4, 3), 26_66),  # 20 at 4.0, three tie; Smarkets prints 26.67
        (10_00, Fraction(26), 260_00),  # a five-fold at 26.0
    ],
)
def test_a_single_pays_its_stake_times_what_its_leg_gives_back(
    stake: int, back: Fraction, owed: int
) -> None:
    assert owed_minor(legs(back), [fold(1, stake=stake)]) == owed


def test_a_deduction_lowers_its_leg_in_every_line() -> None:
    # Two winners at 20/1 in a Lucky 15, one with 25p: a user was paid 374 and expected 483.
    backs = legs(21, 1 + 20 * Fraction(75, 100), LOST, LOST)
    assert owed_minor(backs, [full(4, 1, stake=1)]) == 21 * 16 + 21 + 16


def test_a_void_leg_counts_1_in_every_line() -> None:
    assert owed_minor(legs(2, 3, VOID), [fold(3, stake=1_00)]) == 6_00
    assert owed_minor(legs(2, VOID, VOID), [full(3, 1, stake=1_00)]) == 11_00
    # Trixie: doubles 2x3, 2x1, 3x1 and the treble 2x3x1.
    assert owed_minor(legs(2, 3, VOID), [full(3, 2, stake=1_00)]) == 17_00


def test_half_won_and_half_lost_legs_give_back_their_share() -> None:
    half_won = (Fraction("1.95") + 1) / 2
    assert owed_minor(legs(half_won, 2), [fold(2, stake=10_00)]) == 29_50
    assert owed_minor(legs(Fraction(1, 2), 2), [fold(2, stake=10_00)]) == 10_00


def test_each_line_is_rounded_down_once() -> None:
    odds = Fraction("1.333")
    assert owed_minor(legs(odds, odds), [fold(2, stake=100)]) == 177  # 177.6889
    # Rounding after each leg would give 133 x 1.333 = 177.289, and 331 in three lines of 110.
    assert owed_minor(legs(odds, odds, odds), [full(3, 2, stake=10)]) == 3 * 17 + 23


def test_two_of_three_selections_of_one_event_leave_two_doubles() -> None:
    three = [Leg(0, 0, Fraction(2)), Leg(1, 0, Fraction(3)), Leg(2, 1, Fraction(4))]
    doubles = SlipBet(1_00, (0, 1, 2), (2,))
    assert list(lines_of(three, doubles)) == [(0, 2), (1, 2)]
    assert stake_minor(three, [doubles]) == 2_00
    assert owed_minor(three, [doubles]) == 8_00 + 12_00
    assert list(lines_of(three, fold(3, stake=1))) == []


@pytest.mark.parametrize(("size", "count"), [(2, 4), (3, 5), (1, 6), (6, 6)])
def test_a_system_has_every_choice_of_its_size(size: int, count: int) -> None:
    system = SlipBet(1, tuple(range(count)), (size,))
    assert len(set(lines_of(legs(*[OPEN] * count), system))) == comb(count, size)


def test_bankers_are_in_every_line() -> None:
    system = SlipBet(1_00, (0, 1, 2, 3), (2,), (0,))
    assert list(lines_of(legs(*[OPEN] * 4), system)) == [(0, 1, 2), (0, 1, 3), (0, 2, 3)]
    assert owed_minor(legs(2, 3, 4, LOST), [system]) == 24_00
    assert owed_minor(legs(LOST, 3, OPEN, OPEN), [system]) == 0
    only_bankers = SlipBet(1_00, (0, 1), (0,), (0, 1))
    assert list(lines_of(legs(OPEN, OPEN), only_bankers)) == [(0, 1)]


def test_ways_are_alternatives_of_one_position() -> None:
    # One of three matches is played both ways: twice the lines, and one of them wins.
    ways = [
        Leg(0, 0, Fraction(2)),
        Leg(0, 0, LOST),
        Leg(1, 1, Fraction(3)),
        Leg(2, 2, Fraction(4)),
    ]
    treble = fold(3, stake=1_00)
    assert list(lines_of(ways, treble)) == [(0, 2, 3), (1, 2, 3)]
    assert owed_minor(ways, [treble]) == 24_00
    # Doubles: 2 x 1, 2 x 1 and 1 line of the other two matches.
    doubles = SlipBet(1_00, (0, 1, 2), (2,))
    assert len(list(lines_of(ways, doubles))) == 5
    assert owed_minor(ways, [doubles]) == 6_00 + 8_00 + 12_00


def test_a_slip_is_paid_as_soon_as_nothing_open_can_change_it() -> None:
    treble = [fold(3, stake=1_00)]
    assert owed_minor(legs(OPEN, OPEN, LOST), treble) == 0
    assert owed_minor(legs(2, 2, OPEN), treble) is None
    trixie = [full(3, 2, stake=1_00)]
    assert owed_minor(legs(OPEN, LOST, 2), trixie) is None
    assert owed_minor(legs(LOST, LOST, OPEN), trixie) == 0
    patent = [full(3, 1, stake=1_00)]
    assert owed_minor(legs(LOST, LOST, OPEN), patent) is None


def test_a_leg_is_charged_the_stake_that_runs_on_it() -> None:
    treble = [fold(3, stake=1_00)]
    assert charges_minor(legs(OPEN, OPEN, OPEN), treble) == [1_00, 1_00, 1_00]
    assert charges_minor(legs("2.5", OPEN, OPEN), treble) == [None, 2_50, 2_50]
    assert charges_minor(legs("2.5", LOST, OPEN), treble)[2] == 0
    trixie = [full(3, 2, stake=1_00)]
    assert charges_minor(legs(OPEN, OPEN, OPEN), trixie) == [3_00] * 3
    # The double 2-3 runs with 1.00, the double 1-3 and the treble with 2.50.
    assert charges_minor(legs("2.5", OPEN, OPEN), trixie)[2] == 1_00 + 2_50 + 2_50
    assert charges_minor(legs("2.5", LOST, OPEN), trixie)[2] == 2_50
    # Each line is rounded down: two trebles of 1 at 2.5 and 1.5 are 3 each.
    halves = [SlipBet(1, (0, 1, 2), (3,)), SlipBet(1, (0, 1, 2), (3,))]
    assert charges_minor(legs("2.5", "1.5", OPEN), halves)[2] == 6


def test_the_potential_is_what_all_legs_pay_at_their_odds() -> None:
    odds = [Fraction(3), Fraction(4), Fraction(5), Fraction(6)]
    assert potential_minor(legs(OPEN, LOST, 2, OPEN), [full(4, 1, stake=1_00)], odds) == 839_00


def test_a_mask_names_its_bits() -> None:
    assert positions_of(0) == ()
    assert positions_of(0b1011) == (0, 1, 3)
    assert positions_of(1 << 62) == (62,)
