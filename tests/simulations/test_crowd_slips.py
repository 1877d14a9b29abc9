"""A seed gives the same slips; their legs are on the board, and their lines are what they say."""

from collections import Counter

import numpy as np
import pytest

from engine.common.lifecycle import Status
from engine.common.rows import Policy
from engine.common.views import PriceImage
from simulations import expected_slips
from simulations.crowd import BEHAVIOURS, SLIP_PROFILES, Board, Profile, crowd
from simulations.crowd_slips import LEGS_MAX, SHAPES, draw_slip


def image(no: int, key: str, *odds: int, names=None, status=Status.ACTIVE):
    return PriceImage(
        market_no=no,
        key=key,
        status=status,
        version=1,
        outcomes=tuple(names or (f"o{n}" for n in range(len(odds)))),
        odds_milli=odds,
        active=(True,) * len(odds),
    )


MATCHES = [
    part
    for n in range(6)
    for part in (
        image(2 * n + 1, f"match-{n}/1x2", 1_500 + n, 4_000, 7_000, names=("home", "draw", "away")),
        image(2 * n + 2, f"match-{n}/total?total=2.5", 1_900, 1_910, names=("over", "under")),
    )
]
RUNNERS = ("Amber", "Brook", "Cedar", "Dusk")
RACES = [
    part
    for n in range(3)
    for part in (
        image(20 + 2 * n, f"race-{n}/win", 2_500, 4_000, 6_000, 9_000, names=RUNNERS),
        image(
            21 + 2 * n,
            f"race-{n}/each_way?places=2",
            1_300,
            1_600,
            2_000,
            2_600,
            names=RUNNERS,
        ),
    )
]


def rng(seed: int = 7):
    return np.random.default_rng(seed)


def slips(profile, images=(*MATCHES, *RACES), count=300, seed=7):
    generator, board = rng(seed), Board(images)
    return [draw_slip(profile, board, rng=generator) for _ in range(count)]


@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_a_seed_gives_the_same_slips_and_another_seed_others(profile):
    assert slips(profile) == slips(profile)
    assert slips(profile) != slips(profile, seed=8)


@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_legs_name_odds_that_are_on_the_board_and_the_event_of_their_market(profile):
    images = (*MATCHES, *RACES)
    prices = {(i.market_no, n): odds for i in images for n, odds in enumerate(i.odds_milli)}
    fixtures = {i.market_no: i.key.partition("/")[0] for i in images}
    for slip in slips(profile):
        assert 1 <= len(slip.legs) <= LEGS_MAX
        for leg in slip.legs:
            assert prices[leg.market_no, leg.outcome] == leg.odds_milli
        numbers = {(fixtures[leg.market_no], leg.event) for leg in slip.legs}
        assert len(numbers) == len({event for _, event in numbers})
        assert len(numbers) == len({fixture for fixture, _ in numbers})
        assert len({(leg.market_no, leg.outcome) for leg in slip.legs}) == len(slip.legs)


@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_every_bet_has_lines_and_every_leg_is_in_one(profile):
    for slip in slips(profile):
        legs = [expected_slips.Leg(leg.position, leg.event) for leg in slip.legs]
        in_lines = set()
        for bet in slip.bets:
            lines = list(
                expected_slips.lines_of(
                    legs,
                    expected_slips.SlipBet(bet.stake_minor, bet.positions, bet.sizes, bet.bankers),
                )
            )
            assert lines
            in_lines.update(place for line in lines for place in line)
        assert in_lines == set(range(len(legs)))


@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_each_shape_has_the_lines_that_it_states(profile):
    seen = Counter()
    for slip in slips(profile, count=600):
        legs = [expected_slips.Leg(leg.position, leg.event) for leg in slip.legs]
        bets = [
            expected_slips.SlipBet(bet.stake_minor, bet.positions, bet.sizes, bet.bankers)
            for bet in slip.bets
        ]
        count = sum(1 for bet in bets for _ in expected_slips.lines_of(legs, bet))
        first = slip.bets[0]
        ways = len(slip.legs) > len(slip.bets) * len(first.positions)
        (shape,) = [
            shape
            for shape in SHAPES[profile]
            if (shape.legs, shape.sizes, shape.bankers, shape.ways, shape.each_way)
            == (len(first.positions), first.sizes, len(first.bankers), ways, len(slip.bets) == 2)
        ]
        assert count == shape.lines
        seen[shape] += 1
    assert set(seen) == set(SHAPES[profile])


def test_stakes_on_all_lines_have_the_profiles_median():
    for profile in SLIP_PROFILES:
        legs_of = [
            (slip, [expected_slips.Leg(leg.position, leg.event) for leg in slip.legs])
            for slip in slips(profile, count=600)
        ]
        totals = [
            expected_slips.stake_minor(
                legs,
                [
                    expected_slips.SlipBet(bet.stake_minor, bet.positions, bet.sizes, bet.bankers)
                    for bet in slip.bets
                ],
            )
            for slip, legs in legs_of
        ]
        assert np.median(totals) == pytest.approx(BEHAVIOURS[profile].stake_minor, rel=0.15)


def test_each_way_bets_are_on_the_same_runners_to_win_and_to_be_placed():
    board = Board((*MATCHES, *RACES))
    both = [slip for slip in slips(Profile.EACH_WAY_BACKER) if len(slip.bets) == 2]
    assert len(both) > 200
    for slip in both:
        count = len(slip.legs) // 2
        for to_win, to_be_placed in zip(slip.legs[:count], slip.legs[count:], strict=True):
            assert to_win.market_no % 2 == 0
            assert to_be_placed.market_no == to_win.market_no + 1
            assert to_be_placed.outcome == to_win.outcome
            assert to_be_placed.event == to_win.event
        win, place = slip.bets
        assert place.stake_minor == win.stake_minor
        assert place.positions == tuple(position + count for position in win.positions)
    assert len(board.place_of) == len(RACES) // 2 * len(RUNNERS)


def test_without_a_place_market_each_way_backers_place_doubles():
    for slip in slips(Profile.EACH_WAY_BACKER, MATCHES, count=50):
        assert len(slip.bets) == 1
        assert slip.bets[0].sizes == (2,)


def test_fewer_events_than_a_shape_needs_leave_the_smaller_shapes():
    sizes = Counter(slip.bets[0].sizes for slip in slips(Profile.ACCUMULATOR_BACKER, MATCHES[:6]))
    assert set(sizes) == {(2,), (3,)}


@pytest.mark.parametrize("images", [(), MATCHES[:2]])
@pytest.mark.parametrize("profile", SLIP_PROFILES)
def test_a_board_of_one_event_has_no_slips(profile, images):
    assert draw_slip(profile, Board(images), rng=rng()) is None


def test_other_profiles_place_no_slips():
    assert draw_slip(Profile.WHALE, Board(MATCHES), rng=rng()) is None


def test_a_selection_without_appeal_is_never_drawn():
    scores = [image(90 + n, f"score-{n}/correct_score", *(8_000,) * 26) for n in range(5)]
    for slip in slips(Profile.ACCUMULATOR_BACKER, (*MATCHES[:6], *scores)):
        assert all(leg.market_no < 90 for leg in slip.legs)


def test_policies_are_over_legs_and_over_the_combined_odds():
    policies = Counter(slip.policy for slip in slips(Profile.SYSTEM_PLAYER, count=2_000))
    assert set(policies) == set(Policy)
    combined = policies[Policy.COMBINED_NONE] + policies[Policy.COMBINED_HIGHER]
    assert 0.12 < combined / 2_000 < 0.23


@pytest.mark.parametrize(("slips_share", "profiles"), [(0.0, set(Profile) - set(SLIP_PROFILES))])
def test_a_crowd_without_slips_has_none_of_their_profiles(slips_share, profiles):
    found = crowd(400, rng=rng(), slips=slips_share)
    assert {bettor.profile for bettor in found} == profiles


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_share_of_bettors_who_place_slips_is_a_parameter(share):
    found = crowd(4_000, rng=rng(), slips=share)
    placing = sum(bettor.profile in SLIP_PROFILES for bettor in found)
    assert placing / len(found) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("share", [-0.01, 1.01, float("nan")])
def test_the_share_of_bettors_who_place_slips_is_bounded(share):
    with pytest.raises(ValueError, match="slips: 0 to 1"):
        crowd(10, rng=rng(), slips=share)


def test_a_small_crowd_has_bettors_who_place_slips():
    profiles = {bettor.profile for bettor in crowd(4, rng=rng())}
    assert {Profile.ACCUMULATOR_BACKER, Profile.SYSTEM_PLAYER} < profiles
