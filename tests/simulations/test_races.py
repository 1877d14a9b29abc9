"""Races beside a match: the finish follows from the seed, and pays winners and placed runners."""

from fractions import Fraction

from engine.pricing.race.terms import STANDARD, each_way_terms
from simulations.races import ODDS_MILLI, RACES, Race, races_beside

PLACES = "each_way?fraction=1/5|places=3"


def test_the_same_seed_gives_the_same_finish_and_each_race_its_own():
    races = races_beside(7)
    assert races == races_beside(7)
    assert [race.key for race in races] == [f"race-{n}/win" for n in range(1, RACES + 1)]
    assert len({race.positions for seed in range(9) for race in races_beside(seed)}) > RACES
    for race in races:
        assert sorted(race.positions) == list(range(1, len(ODDS_MILLI) + 1))


def test_favourites_win_more_often_by_about_their_odds():
    wins = [0] * len(ODDS_MILLI)
    for seed in range(500):
        for race in races_beside(seed):
            wins[race.positions.index(1)] += 1
    book = sum(Fraction(1_000, odds) for odds in ODDS_MILLI)
    expected = [500 * RACES * Fraction(1_000, odds) / book for odds in ODDS_MILLI]
    assert all(abs(won - due) < 60 for won, due in zip(wins, expected, strict=True))


def test_one_runner_wins_and_three_are_placed():
    race = Race("race-1", ("a", "b", "c", "d"), (3, 1, 4, 2))
    assert [one.won for one in race.results("race-1/win")] == [False, True, False, False]
    assert [one.won for one in race.results(f"race-1/{PLACES}")] == [True, True, False, True]
    assert race.finish() == "race-1: b, d, a"


def test_the_field_is_one_of_which_three_places_pay_a_fifth():
    terms = each_way_terms(STANDARD, runners=len(ODDS_MILLI))
    assert terms is not None
    assert (terms.places, terms.odds_num, terms.odds_den) == (3, 1, 5)
    command = races_beside(1)[0].create()
    assert len(command.outcomes) == len(command.odds_milli)
