"""From legs to one market: contradictions, implied legs and keys, against every course of goals."""

from functools import reduce
from itertools import product
from operator import and_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.ids import parse_market_key
from engine.pricing.football.builder.legs import LEGS_MAX, BuilderError, Leg, Refusal
from engine.pricing.football.builder.selection import (
    Selection,
    builder_legs,
    canonical_legs,
    selection,
)
from tests.engine.pricing.football.builder.builder_twin import leg_of, legs_of, won_courses
from tests.engine.pricing.football.settlement_twin import Match


def refused(*texts: str) -> BuilderError:
    with pytest.raises(BuilderError) as caught:
        selection("m", legs_of(*texts))
    return caught.value


# --- worked examples -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "kept"),
    [
        (["1x2 home", "total?total=0.5 over"], ["1x2 home"]),
        (["both_teams_to_score yes", "total?total=1.5 over"], ["both_teams_to_score yes"]),
        (["home_win_to_nil yes", "next_goal?goalnr=1 home"], ["home_win_to_nil yes"]),
        (["home_win_to_nil yes", "last_goal home", "1x2 home"], ["home_win_to_nil yes"]),
        (["half_time_full_time away/home", "both_teams_to_score yes", "total?total=2.5 over"],
         ["half_time_full_time away/home"]),
        (["1x2 home", "first_half_1x2 away", "both_teams_to_score yes", "total?total=2.5 over"],
         ["1x2 home", "first_half_1x2 away"]),
        (["first_half_next_goal?goalnr=1 home", "next_goal?goalnr=1 home"],
         ["first_half_next_goal?goalnr=1 home"]),
        (["total?total=2.5 over", "total?total=3.5 over", "total?total=4.5 under"],
         ["total?total=3.5 over", "total?total=4.5 under"]),
        (["1x2 home", "1x2 home", "1x2 home"], ["1x2 home"]),
        (["1x2 home", "both_teams_to_score yes", "1x2_both_teams_to_score home_and_yes"],
         ["1x2_both_teams_to_score home_and_yes"]),
        (["1x2 home", "home_to_win yes", "handicap?hcp=-0.5 home"], ["1x2 home"]),
        (["next_goal_1x2?goalnr=1 home_and_away", "1x2 away", "next_goal?goalnr=1 home"],
         ["next_goal_1x2?goalnr=1 home_and_away"]),
        (["next_goal_1x2?goalnr=1 away_and_home", "correct_score 2:1", "next_goal?goalnr=2 home"],
         ["next_goal_1x2?goalnr=1 away_and_home", "correct_score 2:1"]),
        (["next_goal?goalnr=2 none", "total?total=1.5 under", "odd_even odd"],
         ["next_goal?goalnr=2 none", "odd_even odd"]),
    ],
)  # fmt: skip
def test_a_leg_that_the_others_imply_adds_nothing(texts: list[str], kept: list[str]) -> None:
    assert set(canonical_legs(legs_of(*texts))) == set(legs_of(*kept))


@pytest.mark.parametrize(
    ("texts", "clash"),
    [
        (["1x2 home", "both_teams_to_score yes", "1x2 away"], ["1x2 home", "1x2 away"]),
        (["correct_score 1:0", "both_teams_to_score yes", "odd_even odd"],
         ["correct_score 1:0", "both_teams_to_score yes"]),
        (["1x2 home", "both_teams_to_score yes", "total?total=2.5 under"],
         ["1x2 home", "both_teams_to_score yes", "total?total=2.5 under"]),
        (["next_goal?goalnr=1 home", "next_goal?goalnr=1 away", "1x2 home"],
         ["next_goal?goalnr=1 home", "next_goal?goalnr=1 away"]),
        (["next_goal?goalnr=1 away", "home_win_to_nil yes"],
         ["next_goal?goalnr=1 away", "home_win_to_nil yes"]),
        (["next_goal?goalnr=1 home", "first_half_next_goal?goalnr=1 away", "1x2 draw"],
         ["next_goal?goalnr=1 home", "first_half_next_goal?goalnr=1 away"]),
        (["next_goal?goalnr=2 home", "last_goal away", "exact_goals 2", "odd_even even"],
         ["next_goal?goalnr=2 home", "last_goal away", "exact_goals 2"]),
        (["first_half_total?total=1.5 over", "second_half_total?total=1.5 over",
          "total?total=3.5 under"],
         ["first_half_total?total=1.5 over", "second_half_total?total=1.5 over",
          "total?total=3.5 under"]),
    ],
)  # fmt: skip
def test_a_contradiction_names_the_fewest_legs_that_clash(
    texts: list[str], clash: list[str]
) -> None:
    error = refused(*texts)
    assert error.refusal is Refusal.CONTRADICTION
    assert set(error.legs) == set(legs_of(*clash))
    assert all(str(leg_of(text)) in str(error) for text in clash)


def test_win_and_over_a_half_is_the_very_market_of_the_win() -> None:
    both = selection("m", legs_of("1x2 home", "total?total=0.5 over"))
    assert both == Selection("m/1x2", 0, legs_of("1x2 home"))


def test_the_key_holds_the_canonical_legs_and_gives_them_back() -> None:
    legs = legs_of("both_teams_to_score yes", "total?total=1.5 over", "next_goal?goalnr=1 home",
                   "1x2 home")  # fmt: skip
    sold = selection("sr:match:12345678", legs)
    assert sold.market_key == "sr:match:12345678/builder?legs=1a,8a1,29a"
    key = parse_market_key(sold.market_key)
    assert str(key) == sold.market_key
    assert builder_legs(key.specifiers) == sold.legs
    assert selection("sr:match:12345678", reversed(sold.legs)) == sold


@pytest.mark.parametrize(
    "specifiers",
    [
        (), (("legs", "1a"),), (("legs", "29a,1a"),), (("legs", "1a,18a0.5"),),
        (("legs", "1a,29a,29a"),), (("legs", "1a,18a2.50"),), (("legs", "1a,1c"),),
        (("legs", "1a,29a"), ("x", "1")), (("legs", "1a,,29a"),),
        (("legs", ",".join(["1a"] * 13)),),
        (("leg", "1a,29a"),),
    ],
)  # fmt: skip
def test_a_key_of_anything_but_canonical_legs_is_refused(
    specifiers: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(BuilderError):
        builder_legs(specifiers)


def test_too_many_legs_and_none_are_refused() -> None:
    assert refused(*["1x2 home"] * (LEGS_MAX + 1)).refusal is Refusal.TOO_MANY
    assert refused().refusal is Refusal.MALFORMED
    assert selection("m", legs_of(*["1x2 home"] * LEGS_MAX)).outcome == 0


TWELVE = (
    "double_chance home_or_draw", "first_half_double_chance home_or_away", "home_odd_even even",
    "first_half_home_total?total=0.5 over", "first_half_total?total=3.5 under",
    "second_half_total?total=1.5 over", "second_half_away_total?total=2.5 under",
    "home_total?total=4.5 under", "handicap?hcp=-2.5 away", "next_goal?goalnr=2 away",
    "next_goal?goalnr=3 home", "last_goal home",
)  # fmt: skip


def test_twelve_legs_of_which_none_is_implied_fit_a_key() -> None:
    sold = selection("sr:match:12345678", legs_of(*TWELVE))
    assert len(sold.legs) == LEGS_MAX
    assert builder_legs(parse_market_key(sold.market_key).specifiers) == sold.legs


def test_legs_whose_key_would_be_too_long_are_refused_with_its_bound() -> None:
    with pytest.raises(BuilderError, match="at most 128") as caught:
        selection("f" * 64, legs_of(*TWELVE))
    assert caught.value.refusal is Refusal.KEY_TOO_LONG


# --- against every course ------------------------------------------------------------------------

HALVES = ["".join(sides) for k in range(6) for sides in product("ha", repeat=k)]
COURSES = [
    Match(
        (first.count("h"), first.count("a")), (second.count("h"), second.count("a")),
        order=first + second,
    )
    for first, second in product(HALVES, repeat=2)
]  # fmt: skip
"""All courses of up to five goals in a half: enough to tell the legs below apart."""
POOL = legs_of(
    *(f"{half}1x2 {name}" for half in ("", "first_half_", "second_half_")
      for name in ("home", "draw", "away")),
    "total?total=0.5 over", "total?total=1.5 under", "total?total=2.5 over",
    "total?total=2.5 under", "home_total?total=1.5 over", "away_total?total=0.5 under",
    "both_teams_to_score yes",
    "both_teams_to_score no", "first_half_both_teams_to_score yes", "odd_even odd",
    "home_win_to_nil yes", "correct_score_to_two 1:0", "correct_score_to_two 2:1",
    "correct_score_to_two other", "half_time_full_time draw/away", "double_chance home_or_draw",
    "highest_scoring_half second", "home_score_in_both_halves yes",
    *(f"{half}next_goal?goalnr={n} {side}" for half in ("", "first_half_", "second_half_")
      for n in ((1,) if half else (1, 2)) for side in ("home", "none", "away")),
    *(f"next_goal_1x2?goalnr=2 {name}" for name in ("home_and_home", "away_and_draw", "none")),
    *(f"{half}last_goal {side}" for half in ("", "first_half_", "second_half_")
      for side in ("home", "away")),
)  # fmt: skip
WON = won_courses(POOL, COURSES)


def all_won(legs: list[Leg]) -> int:
    return reduce(and_, (WON[leg] for leg in legs), (1 << len(COURSES)) - 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=5, unique=True))
def test_legs_clash_and_imply_each_other_as_every_course_says(legs: list[Leg]) -> None:
    error = None
    kept: list[Leg] = []
    try:
        kept = list(canonical_legs(legs))
    except BuilderError as caught:
        error = caught
    if error is not None:
        clash = list(error.legs)
        assert error.refusal is Refusal.CONTRADICTION
        assert set(clash) <= set(legs)
        assert not all_won(clash)
        assert all(all_won([other for other in clash if other != leg]) for leg in clash)
        return
    assert all_won(legs)
    assert set(kept) <= set(legs)
    assert all_won(kept) == all_won(legs)
    for leg in kept:
        others = [other for other in kept if other != leg]
        assert not others or all_won(others) & ~WON[leg]
    assert canonical_legs(reversed(legs)) == tuple(kept) == canonical_legs(kept)
