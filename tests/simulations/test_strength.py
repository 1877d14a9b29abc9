"""Strengths are read in their format, fit the World Cup's matches, and favour stronger teams."""

import math

import pytest

from simulations.strength import (
    Expectation,
    StrengthError,
    UnknownTeamError,
    load_strengths,
    strengths_2022,
)
from simulations.timeline import world_cup_2022

MATCHES = list(world_cup_2022().values())
GOOD = "# source\nteam,attack,defence\nmean,1.1,\nhome,1.3,\nA,1.2,0.8\nB,0.9,1.1\n"


def test_every_team_of_the_world_cup_has_a_strength():
    teams = {match.home for match in MATCHES} | {match.away for match in MATCHES}
    assert set(strengths_2022().teams) == teams


def test_attack_and_defence_average_to_one():
    teams = strengths_2022().teams.values()
    for figures in ([team.attack for team in teams], [team.defence for team in teams]):
        assert sum(map(math.log, figures)) / len(figures) == pytest.approx(0, abs=0.001)


def test_expected_goals_are_near_those_scored():
    strengths = strengths_2022()
    expected = sum(strengths.expect(home=m.home, away=m.away).total for m in MATCHES)
    scored = sum(sum(match.full_time) for match in MATCHES)
    assert 0.8 < expected / scored < 1.2


def test_strengths_are_likelier_than_an_average_team():
    strengths = strengths_2022()
    by_strength = by_average = 0.0
    for match in MATCHES:
        expectation = strengths.expect(home=match.home, away=match.away)
        for goals, rate in zip(match.full_time, (expectation.home, expectation.away), strict=True):
            by_strength += goals * math.log(rate) - rate
            by_average += goals * math.log(1.3) - 1.3
    assert by_strength > by_average + 5


def test_the_final_is_nearly_even_with_argentina_the_favourite():
    expectation = strengths_2022().expect(home="Argentina", away="France")
    assert 0 < expectation.supremacy < 0.6
    assert 1.8 < expectation.total < 3.0
    assert expectation.home + expectation.away == pytest.approx(expectation.total)


def test_home_ground_raises_the_goals_of_the_host_alone():
    strengths = load_strengths(GOOD)
    neutral = strengths.expect(home="A", away="B")
    hosted = strengths.expect(home="A", away="B", host="B")
    assert neutral == Expectation(
        pytest.approx(1.1 * (1.2 * 1.1 + 0.9 * 0.8)), pytest.approx(1.1 * (1.2 * 1.1 - 0.9 * 0.8))
    )
    assert hosted.home == pytest.approx(neutral.home)
    assert hosted.away == pytest.approx(1.3 * neutral.away)


def test_an_unknown_team_is_named():
    with pytest.raises(UnknownTeamError, match="'Atlantis'"):
        strengths_2022().expect(home="Atlantis", away="France")


@pytest.mark.parametrize(
    ("good", "bad", "text"),
    [
        ("team,attack,defence\n", "", "line 2: the header"),
        ("A,1.2,0.8", "A,1.2", "line 5: three fields"),
        ("A,1.2,0.8", "A,1.2,fast", "line 5, defence: 0.05 to 20.0, not 'fast'"),
        ("A,1.2,0.8", "A,nan,0.8", "line 5, attack"),
        ("A,1.2,0.8", "A,-1,0.8", "line 5, attack"),
        ("B,", "A,", "line 6: 'A' is given twice"),
        ("mean,1.1,\n", "", "no row 'mean'"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(good, bad, text):
    assert good in GOOD
    with pytest.raises(StrengthError, match=text):
        load_strengths(GOOD.replace(good, bad, 1))


def test_an_empty_table_is_refused():
    with pytest.raises(StrengthError, match="header"):
        load_strengths("")
