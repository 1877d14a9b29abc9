"""A match has others beside it, of other teams and each further ahead, for slips to be on."""

import pytest

from simulations.programme import (
    AHEAD_S,
    BESIDE_LIABILITY_FACTOR,
    BESIDE_MAX,
    BESIDE_TYPES,
    programme,
)
from simulations.timeline import match_by_id, world_cup_2022
from simulations.trader import MatchTrader

FINAL = match_by_id("wc22-64")


def test_matches_beside_the_final_are_the_latest_of_other_teams():
    fixtures = programme(FINAL)
    assert [one.match.match for one in fixtures] == [
        "wc22-64",
        "wc22-63",
        "wc22-56",
        "wc22-54",
        "wc22-52",
    ]
    assert [one.ahead_s for one in fixtures] == [n * AHEAD_S for n in range(5)]
    assert fixtures[0].keys[0] == "wc22-64/1x2"
    assert fixtures[1].keys == tuple(f"wc22-63/{name}" for name in BESIDE_TYPES)


@pytest.mark.parametrize("match", world_cup_2022().values(), ids=lambda match: match.match)
def test_no_team_plays_twice_at_a_time(match):
    fixtures = programme(match)
    teams = [team for one in fixtures for team in (one.match.home, one.match.away)]
    assert len(fixtures) == 1 + BESIDE_MAX
    assert len(set(teams)) == len(teams)


def test_a_match_that_is_ahead_ends_earlier_and_stays_ended():
    beside = programme(FINAL)[2]
    end_s = beside.match.regular_s - beside.ahead_s
    assert beside.played_s(0.0) == beside.ahead_s
    assert not beside.is_over(end_s - 1)
    assert beside.is_over(end_s)
    assert beside.played_s(end_s + 600) == beside.match.regular_s


def test_markets_beside_have_wider_limits_of_liability_alone():
    main, beside = programme(FINAL)[:2]
    state = FINAL.state_at(-1)
    (usual, *_), (wide, *_) = (
        MatchTrader(one.match, one.keys).create(state, liability_factor=one.liability_factor)
        for one in (main, beside)
    )
    assert beside.liability_factor == BESIDE_LIABILITY_FACTOR
    for name in ("outcome_liability_minor_max", "market_liability_minor_max"):
        assert getattr(wide.limits, name) == BESIDE_LIABILITY_FACTOR * getattr(usual.limits, name)
    assert wide.limits.stake_minor_max == usual.limits.stake_minor_max


@pytest.mark.parametrize("beside", [-1, BESIDE_MAX + 1])
def test_matches_beside_are_bounded(beside):
    with pytest.raises(ValueError, match="beside: 0 to 4"):
        programme(FINAL, beside=beside)


def test_a_match_can_be_played_alone():
    assert len(programme(FINAL, beside=0)) == 1
