"""A seed gives the same crowd and orders; orders use odds on the board and fit the profile."""

import numpy as np
import pytest

from engine.common.lifecycle import Status
from engine.common.rows import Policy
from engine.common.units import STAKE_MINOR_MAX
from engine.common.views import PriceImage
from simulations.crowd import (
    BEHAVIOURS,
    BETTORS_MAX,
    ORDERS_MAX,
    Board,
    Family,
    Profile,
    bets_at_once,
    crowd,
    draw_orders,
    join_orders,
    think_s,
)


def image(no: int, key: str, *odds: int, status=Status.ACTIVE, names=None, active=None):
    return PriceImage(
        market_no=no,
        key=f"wc22-64/{key}",
        status=status,
        version=1,
        outcomes=tuple(names or (f"o{n}" for n in range(len(odds)))),
        odds_milli=odds,
        active=active or (True,) * len(odds),
    )


THREE = ("home", "draw", "away")
BOARD = [
    image(1, "1x2", 1_500, 4_000, 7_000, names=THREE),
    image(2, "total?total=2.5", 1_900, 1_900, names=("over", "under")),
    image(3, "handicap?hcp=-0.5", 2_100, 1_750),
    image(4, "correct_score", *(8_000,) * 26),
]


def rng(seed: int = 7):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("profile", Profile)
def test_a_seed_gives_the_same_orders_and_another_seed_others(profile):
    first, second = (draw_orders(profile, Board(BOARD), count=50, rng=rng()) for _ in range(2))
    other = draw_orders(profile, Board(BOARD), count=50, rng=rng(8))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert not all((a == b).all() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("profile", Profile)
def test_orders_name_odds_that_are_on_the_board(profile):
    prices = {(i.market_no, n): odds for i in BOARD for n, odds in enumerate(i.odds_milli)}
    orders = draw_orders(profile, Board(BOARD), count=500, rng=rng())
    assert len(orders.stake_minor) == 500
    for no, outcome, odds in zip(orders.market_no, orders.outcome, orders.odds_milli, strict=True):
        assert prices[no, outcome] == odds
    assert orders.stake_minor.min() >= 1
    assert orders.stake_minor.max() <= STAKE_MINOR_MAX
    assert set(orders.policy.tolist()) <= set(Policy)


def test_favourite_backers_take_shorter_odds_than_underdog_hunters():
    results = [BOARD[0]]
    favourite, underdog = (
        draw_orders(profile, Board(results), count=2_000, rng=rng()).odds_milli.mean()
        for profile in (Profile.FAVOURITE_BACKER, Profile.UNDERDOG_HUNTER)
    )
    assert favourite < 2_000 < 3_500 < underdog


def test_draw_lovers_take_the_draw():
    orders = draw_orders(Profile.DRAW_LOVER, Board(BOARD[:1]), count=1_000, rng=rng())
    assert (orders.outcome == 1).mean() > 0.8


def test_goals_punters_never_bet_on_results():
    orders = draw_orders(Profile.GOALS_PUNTER, Board(BOARD), count=1_000, rng=rng())
    assert 1 not in orders.market_no
    assert 3 not in orders.market_no
    assert (orders.market_no == 2).mean() > 0.5


def test_chasers_accept_no_other_odds():
    orders = draw_orders(Profile.CHASER, Board(BOARD), count=100, rng=rng())
    assert set(orders.policy.tolist()) == {Policy.NONE}


def test_fat_fingers_mistype_a_stake_at_their_rate():
    stakes = draw_orders(Profile.FAT_FINGER, Board(BOARD), count=2_000, rng=rng()).stake_minor
    assert 0.1 < (stakes > 100 * BEHAVIOURS[Profile.FAT_FINGER].stake_minor).mean() < 0.2


def test_the_three_policies_occur_at_their_rates():
    policies = draw_orders(Profile.FAVOURITE_BACKER, Board(BOARD), count=4_000, rng=rng()).policy
    shares = np.bincount(policies, minlength=3) / len(policies)
    assert shares == pytest.approx(BEHAVIOURS[Profile.FAVOURITE_BACKER].policies, abs=0.03)


def test_suspended_markets_and_withdrawn_outcomes_are_not_on_the_board():
    board = Board(
        [
            image(1, "1x2", 1_500, 4_000, 7_000, status=Status.SUSPENDED),
            image(2, "odd_even", 1_900, 1_900, active=(False, True)),
            image(9, "anything_else", 2_000),
        ]
    )
    assert board.market_no.tolist() == [2, 9]
    assert board.family.tolist() == [Family.ODD_EVEN, Family.OTHER]


@pytest.mark.parametrize("images", [[], [image(4, "correct_score", 8_000)]])
def test_a_board_without_appealing_selections_gives_no_orders(images):
    orders = draw_orders(Profile.WHALE, Board(images), count=10, rng=rng())
    assert [len(column) for column in orders] == [0] * 5


def test_a_crowd_has_every_profile_and_a_seed_gives_the_same_crowd():
    bettors = crowd(60, rng=rng(), first_account_no=100)
    assert bettors == crowd(60, rng=rng(), first_account_no=100)
    assert bettors != crowd(60, rng=rng(8), first_account_no=100)
    assert {bettor.profile for bettor in bettors} == set(Profile)
    assert [bettor.account_no for bettor in bettors] == list(range(100, 160))
    assert all(bettor.bankroll_minor > 0 for bettor in bettors)


def test_pauses_and_bets_at_once_follow_the_behaviour():
    generator = rng()
    pauses = [think_s(Profile.WHALE, rng=generator) for _ in range(2_000)]
    assert np.mean(pauses) == pytest.approx(BEHAVIOURS[Profile.WHALE].think_s, rel=0.1)
    counts = {bets_at_once(Profile.SMALL_STAKES, rng=generator) for _ in range(200)}
    assert counts == {1, 2, 3, 4}


@pytest.mark.parametrize("count", [0, -1, BETTORS_MAX + 1])
def test_a_crowd_is_bounded(count):
    with pytest.raises(ValueError, match="bettors: 1 to"):
        crowd(count, rng=rng())


@pytest.mark.parametrize("count", [-1, ORDERS_MAX + 1])
def test_a_draw_is_bounded(count):
    with pytest.raises(ValueError, match="orders: 0 to"):
        draw_orders(Profile.WHALE, Board(BOARD), count=count, rng=rng())


def test_several_draws_are_concatenated():
    one = draw_orders(Profile.WHALE, Board(BOARD), count=3, rng=rng())
    assert len(join_orders([one, one]).market_no) == 6
    assert len(join_orders([]).market_no) == 0
