"""Legs of a bet builder: their codes, and what is not sold in one."""

import pytest

from engine.pricing.football.builder.legs import (
    BuilderError,
    Refusal,
    checked_leg,
    leg_code,
    parse_leg,
)
from engine.pricing.football.market_types import MARKET_TYPES, market_rules
from tests.engine.pricing.football.builder.builder_twin import every_leg, leg_of

LEGS = every_leg()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1x2 home", "1a"), ("first_half_1x2 draw", "60b"), ("total?total=2.5 over", "18a2.5"),
        ("handicap?hcp=-1.5 away", "16b-1.5"), ("european_handicap?hcp=0:1 draw", "14b0:1"),
        ("both_teams_to_score no", "29b"), ("half_time_full_time away/home", "47g"),
        ("next_goal?goalnr=3 away", "8c3"), ("correct_score other", "45z"),
        ("next_goal_1x2?goalnr=2 none", "184g2"),
        ("exact_goals?variant=sr:exact_goals:5+ 5+", "21f5"),
        ("goal_range?variant=sr:point_range:6+ 6+", "25d6"),
        ("second_half_odd_even odd", "94a"), ("second_half_winning_margin draw", "15.2d"),
        ("flex_correct_score?score=1:0 +0:0", "41a1:0"),
        ("correct_score_to_two other", "81.0j"),
    ],
)  # fmt: skip
def test_a_code_is_for_good(text: str, code: str) -> None:
    """Codes are in keys on disk: a change of one makes other bets of old ones."""
    assert leg_code(leg_of(text)) == code
    assert parse_leg(code) == leg_of(text)


def test_every_leg_of_the_board_has_a_code_of_its_own_that_is_read_back() -> None:
    assert len(LEGS) > 700
    assert [parse_leg(leg_code(leg)) for leg in LEGS] == LEGS
    assert len({leg_code(leg) for leg in LEGS}) == len(set(LEGS))
    numbers = [row.uof_id for row in MARKET_TYPES.values() if row.uof_id is not None]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("total?total=2.50 over", "total?total=2.5 over"),
        ("handicap?hcp=+0.5 home", "handicap?hcp=0.50 home"),
        ("exact_goals?variant=sr:exact_goals:6+ 3", "exact_goals 3"),
        ("exact_goals?variant=sr:other:4+ 3", "exact_goals?variant=sr:exact_goals:4+ 3"),
        ("european_handicap?hcp=1:3 home", "european_handicap?hcp=0:2 home"),
    ],
)
def test_the_same_line_in_other_words_is_the_same_leg(one: str, other: str) -> None:
    assert leg_of(one) == leg_of(other)


@pytest.mark.parametrize("own_form", ["15.1a", "10.0b", "1.2c"])
def test_a_type_is_also_read_by_the_number_of_its_kind_and_a_scope(own_form: str) -> None:
    """So that a type without a number may get one and still be read from old keys."""
    leg = parse_leg(own_form)
    assert int(own_form[own_form.index(".") + 1]) == int(
        market_rules(leg.type, leg.specifiers).scope
    )


@pytest.mark.parametrize(
    ("market_type", "specifiers", "outcome", "refusal"),
    [
        ("draw_no_bet", (), 0, Refusal.REFUNDABLE),
        ("home_no_bet", (), 1, Refusal.REFUNDABLE),
        ("handicap", (("hcp", "0"),), 0, Refusal.REFUNDABLE),
        ("handicap", (("hcp", "-1.25"),), 1, Refusal.REFUNDABLE),
        ("total", (("total", "3"),), 0, Refusal.REFUNDABLE),
        ("first_half_total", (("total", "0.75"),), 1, Refusal.REFUNDABLE),
        ("extra_time_1x2", (), 0, Refusal.NOT_OFFERED),
        ("corners", (), 0, Refusal.MALFORMED),
        ("1x2", (), 3, Refusal.MALFORMED),
        ("1x2", (), -1, Refusal.MALFORMED),
        ("total", (), 0, Refusal.MALFORMED),
        ("total", (("total", "2.6"),), 0, Refusal.MALFORMED),
    ],
)
def test_a_leg_that_no_builder_takes_is_refused_with_its_reason(
    market_type: str, specifiers: tuple[tuple[str, str], ...], outcome: int, refusal: Refusal
) -> None:
    with pytest.raises(BuilderError) as caught:
        checked_leg(market_type, specifiers, outcome)
    assert caught.value.refusal is refusal


@pytest.mark.parametrize(
    "code",
    ["", "a", "1", "1A", "1d", "1aa", "999a", "1.9a", "18a", "18a3", "1a2.5", "8a0", "8a13", "1a ",
     "21a5+", "113a", "1a\n", "25a7", "18a2.5x"],
)  # fmt: skip
def test_what_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(BuilderError):
        parse_leg(code)
