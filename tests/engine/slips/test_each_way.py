"""An each-way slip: two bets for each, over legs to win and legs to be placed."""

import pytest

from engine.common.ids import MarketNo
from engine.common.units import Minor, OddsMilli
from engine.pricing.race.terms import EachWayTerms, place_odds_milli
from engine.slips.checks import CheckedSlip, check_slip
from engine.slips.each_way import each_way
from engine.slips.structure import Leg, SlipBet, named_sizes

FIFTH = EachWayTerms(places=3, odds_den=5)


def races(*odds_milli: int) -> tuple[list[Leg], list[Leg]]:
    """Return one selection in each race, to win and to be placed."""
    win = [
        Leg(market_no=MarketNo(at), outcome=4, odds_milli=OddsMilli(odds), event=at, position=at)
        for at, odds in enumerate(odds_milli)
    ]
    place = [
        Leg(
            market_no=MarketNo(100 + at),
            outcome=4,
            odds_milli=OddsMilli(place_odds_milli(odds_milli=odds, terms=FIFTH)),
            event=at,
            position=0,
        )
        for at, odds in enumerate(odds_milli)
    ]
    return win, place


def test_an_each_way_lucky_15_is_two_of_them() -> None:
    win, place = races(4_000, 5_000, 9_000, 3_000)
    bet = SlipBet(stake_minor=Minor(50), sizes=named_sizes("lucky15", 4), positions=(0, 1, 2, 3))
    legs, bets = each_way(win, place, [bet])
    assert [leg.position for leg in legs] == list(range(8))
    assert [leg.odds_milli for leg in legs[4:]] == [1_600, 1_800, 2_600, 1_400]
    checked = check_slip(legs, bets)
    assert isinstance(checked, CheckedSlip)
    assert checked.lines == (15, 15)
    assert checked.stake_minor == 30 * 50
    assert checked.charges_minor == (8 * 50,) * 8


def test_positions_and_bankers_of_the_place_part_stand_behind_those_to_win() -> None:
    win, place = races(4_000, 5_000, 9_000)
    bet = SlipBet(stake_minor=Minor(100), sizes=(1,), positions=(0, 2), bankers=(2,))
    _, bets = each_way(win, place, [bet])
    assert bets[0] == bet
    assert bets[1] == SlipBet(stake_minor=Minor(100), sizes=(1,), positions=(3, 5), bankers=(5,))


def test_each_leg_to_win_has_one_to_be_placed() -> None:
    win, place = races(4_000, 5_000)
    with pytest.raises(ValueError, match="place: 1 legs for 2 to win"):
        each_way(win, place[:1], [])
