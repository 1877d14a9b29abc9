"""Market types: names, Unified Odds Feed numbers, settlement and refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.commands import OutcomeResult
from engine.common.ids import parse_market_key
from engine.common.units import OUTCOMES_MAX
from engine.pricing.football.axes import Scope
from engine.pricing.football.market_types import (
    MARKET_TYPES,
    MarketTypeError,
    Specifiers,
    line_quarters,
    market_rules,
    outcome_names,
    results,
)
from tests.engine.pricing.football.settlement_twin import (
    BOTH_HALVES,
    GOAL_ORDER,
    HALF_LOST,
    HALF_WON,
    LOST,
    ONE_SCORE,
    REFUNDED,
    WON,
    Match,
    needs_order,
    scope_of,
    settle_key,
    split_type,
    winners_of,
)

scores = st.tuples(st.integers(0, 15), st.integers(0, 15))
orders = st.tuples(st.integers(0, 10), st.integers(0, 10)).flatmap(
    lambda goals: st.permutations("h" * goals[0] + "a" * goals[1]).map("".join)
)
"""An h or a for each goal of some score, in any order."""


def market(key: str) -> tuple[str, Specifiers]:
    """Return a key's type and specifiers."""
    parsed = parse_market_key(key)
    return parsed.type, parsed.specifiers


def goals_of(order: str) -> tuple[int, int]:
    """Return home and away goals of an order such as hha."""
    return order.count("h"), order.count("a")


@pytest.mark.parametrize(
    ("name", "uof_id"),
    [
        ("1x2", 1), ("double_chance", 10), ("draw_no_bet", 11), ("handicap", 16), ("total", 18),
        ("odd_even", 26), ("both_teams_to_score", 29), ("correct_score", 45), ("next_goal", 8),
        ("first_half_next_goal", 62), ("last_goal", 9), ("goal_range", 25),
        ("1x2_both_teams_to_score", 35), ("total_both_teams_to_score", 36), ("1x2_total", 37),
        ("half_time_full_time", 47), ("first_half_1x2_total", 79), ("double_chance_total", 547),
    ],
)  # fmt: skip
def test_types_carry_the_numbers_of_the_unified_odds_feed(name: str, uof_id: int) -> None:
    assert MARKET_TYPES[name].uof_id == uof_id


def test_no_two_types_share_a_feed_number() -> None:
    numbers = [row.uof_id for row in MARKET_TYPES.values() if row.uof_id is not None]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1x2", ("home", "draw", "away")),
        ("double_chance", ("home_or_draw", "home_or_away", "draw_or_away")),
        ("draw_no_bet", ("home", "away")),
        ("total?total=2.5", ("over", "under")),
        ("handicap?hcp=-0.25", ("home", "away")),
        ("both_teams_to_score", ("yes", "no")),
        ("odd_even", ("odd", "even")),
        ("exact_goals", ("0", "1", "2", "3", "4", "5", "6+")),
        ("exact_goals?variant=sr:exact_goals:3+", ("0", "1", "2", "3+")),
        (
            "winning_margin",
            (
                "home_by_3+",
                "home_by_2",
                "home_by_1",
                "draw",
                "away_by_1",
                "away_by_2",
                "away_by_3+",
            ),
        ),
    ],
)
def test_outcomes_are_named_in_a_fixed_order(text: str, names: tuple[str, ...]) -> None:
    assert outcome_names(*market(f"m/{text}")) == names


def test_correct_score_names_twenty_five_scores_and_the_rest() -> None:
    names = outcome_names("correct_score", ())
    assert names[0] == "0:0"
    assert names[1] == "0:1"
    assert names[5] == "1:0"
    assert names[24:] == ("4:4", "other")


@pytest.mark.parametrize(
    ("name", "score", "won"),
    [
        ("multigoals", (0, 0), ["none"]),
        ("multigoals", (1, 0), ["1-2", "1-3", "1-4", "1-5", "1-6"]),
        ("multigoals", (3, 2), ["1-5", "1-6", "2-5", "2-6", "3-5", "3-6", "4-5", "4-6", "5-6"]),
        ("multigoals", (5, 2), ["7+"]),
        ("home_multigoals", (2, 5), ["1-2", "1-3", "2-3"]),
        ("away_multigoals", (2, 4), ["4+"]),
        ("first_half_multigoals", (1, 2), ["1-3", "2-3"]),
        ("second_half_multigoals", (0, 0), ["none"]),
        ("multiscores", (0, 0), ["draw"]),
        ("multiscores", (9, 9), ["draw"]),
        ("multiscores", (3, 0), ["1:0/2:0/3:0"]),
        ("multiscores", (5, 1), ["3:2/4:2/4:3/5:1"]),
        ("multiscores", (2, 4), ["2:3/2:4/3:4/1:5"]),
        ("multiscores", (5, 2), ["other_home"]),
        ("multiscores", (8, 0), ["other_home"]),
        ("multiscores", (1, 6), ["other_away"]),
        ("multiscores", (7, 11), ["other_away"]),
    ],
)
def test_groups_of_goals_and_scores_win_together(
    name: str, score: tuple[int, int], won: list[str]
) -> None:
    settled = zip(outcome_names(name, ()), results(name, (), score), strict=True)
    assert [outcome for outcome, result in settled if result.won] == won


@pytest.mark.parametrize(
    ("name", "score", "won"),
    [
        ("flex_correct_score?score=0:0", (0, 0), ["+0:0"]),
        ("flex_correct_score?score=0:0", (2, 4), ["+2:4"]),
        ("flex_correct_score?score=0:0", (3, 4), []),
        ("flex_correct_score?score=2:1", (2, 1), ["+0:0"]),
        ("flex_correct_score?score=2:1", (8, 1), ["+6:0"]),
        ("flex_correct_score?score=2:1", (1, 1), []),
        ("flex_correct_score?score=9:9", (15, 9), ["+6:0"]),
        ("flex_correct_score?score=9:9", (16, 9), []),
        ("first_half_flex_correct_score?score=1:1", (2, 3), ["+1:2"]),
        ("first_half_flex_correct_score?score=1:1", (3, 3), []),
    ],
)
def test_flex_correct_scores_count_from_the_score_so_far_and_may_have_no_winner(
    name: str, score: tuple[int, int], won: list[str]
) -> None:
    market_type, specifiers = market(f"m/{name}")
    names = outcome_names(market_type, specifiers)
    settled = zip(names, results(market_type, specifiers, score), strict=True)
    assert len(names) == (10 if name.startswith("first_half") else 28)
    assert [outcome for outcome, result in settled if result.won] == won


@pytest.mark.parametrize("score", ["", "1", "1-0", "10:0", "0:10", "01:0", "+1:0", "-1:0"])
def test_a_flex_correct_score_has_a_score_up_to_nine_goals_a_side(score: str) -> None:
    with pytest.raises(MarketTypeError, match="score: not of the form 1:0 up to 9:9"):
        outcome_names("flex_correct_score", (("score", score),))


@pytest.mark.parametrize(
    ("name", "first", "score", "won"),
    [
        ("half_time_full_time_total?total=2.5", (1, 0), (2, 1), "home/home_and_over"),
        ("half_time_full_time_total?total=2.5", (1, 0), (1, 1), "home/draw_and_under"),
        ("half_time_full_time_total?total=14.5", (2, 2), (8, 9), "draw/away_and_over"),
        ("half_time_full_time_first_half_total?total=0.5", (0, 0), (3, 1), "draw/home_and_under"),
        ("half_time_full_time_first_half_total?total=1.5", (0, 2), (3, 2), "away/home_and_over"),
        ("half_time_full_time_exact_goals", (0, 0), (0, 0), "draw/draw_and_0"),
        ("half_time_full_time_exact_goals", (0, 1), (2, 1), "away/home_and_3"),
        ("half_time_full_time_exact_goals", (1, 0), (2, 2), "home/draw_and_4"),
        ("half_time_full_time_exact_goals", (1, 1), (2, 3), "draw/away_and_5+"),
        ("half_time_full_time_exact_goals", (9, 0), (9, 12), "home/away_and_5+"),
    ],
)
def test_half_time_full_time_is_won_together_with_the_goals(
    name: str, first: tuple[int, int], score: tuple[int, int], won: str
) -> None:
    market_type, specifiers = market(f"m/{name}")
    names = outcome_names(market_type, specifiers)
    settled = zip(names, results(market_type, specifiers, score, first_half=first), strict=True)
    assert [outcome for outcome, result in settled if result.won] == [won]


@pytest.mark.parametrize(
    ("first", "score", "won"),
    [
        ((0, 0), (0, 0), "0:0/0:0"), ((0, 0), (2, 1), "0:0/2:1"), ((0, 0), (2, 2), "0:0/4+"),
        ((1, 2), (1, 2), "1:2/1:2"), ((1, 2), (2, 2), "1:2/4+"), ((0, 3), (0, 3), "0:3/0:3"),
        ((3, 1), (3, 1), "4+/4+"), ((9, 0), (9, 11), "4+/4+"),
    ],
)  # fmt: skip
def test_the_score_at_half_time_is_won_together_with_the_final_one(
    first: tuple[int, int], score: tuple[int, int], won: str
) -> None:
    """The outcomes are the provider's 46: four goals or more are one outcome at either time."""
    name = "half_time_full_time_correct_score"
    names = outcome_names(name, ())
    settled = zip(names, results(name, (), score, first_half=first), strict=True)
    assert len(names) == 46
    assert [outcome for outcome, result in settled if result.won] == [won]


@pytest.mark.parametrize("line", ["2", "2.25", "15.5"])
@pytest.mark.parametrize("name", ["total", "first_half_total"])
def test_half_time_full_time_and_a_total_has_half_lines_alone(name: str, line: str) -> None:
    with pytest.raises(MarketTypeError, match=r"total: must be a half line up to 14\.5"):
        outcome_names(f"half_time_full_time_{name}", (("total", line),))


@pytest.mark.parametrize(
    ("line", "score", "home", "away"),
    [
        ("0", (1, 1), REFUNDED, REFUNDED), ("0", (2, 1), WON, LOST), ("-0.5", (1, 1), LOST, WON),
        ("-0.25", (1, 1), HALF_LOST, HALF_WON), ("-0.25", (2, 1), WON, LOST),
        ("0.25", (1, 1), HALF_WON, HALF_LOST), ("+0.25", (0, 1), LOST, WON),
        ("-0.75", (1, 0), HALF_WON, HALF_LOST), ("-0.75", (2, 0), WON, LOST),
        ("-1", (1, 0), REFUNDED, REFUNDED), ("-1.25", (1, 0), HALF_LOST, HALF_WON),
        ("-1.75", (3, 1), HALF_WON, HALF_LOST), ("1.25", (0, 1), HALF_WON, HALF_LOST),
        ("2", (0, 2), REFUNDED, REFUNDED), ("-2.25", (3, 1), HALF_LOST, HALF_WON),
    ],
)  # fmt: skip
def test_asian_handicaps_settle_in_halves_on_quarter_lines(
    line: str, score: tuple[int, int], home: OutcomeResult, away: OutcomeResult
) -> None:
    assert results(*market(f"m/handicap?hcp={line}"), score) == (home, away)


@pytest.mark.parametrize(
    ("line", "score", "over", "under"),
    [
        ("2.5", (2, 1), WON, LOST), ("2.5", (1, 1), LOST, WON), ("3", (2, 1), REFUNDED, REFUNDED),
        ("2.25", (1, 1), HALF_LOST, HALF_WON), ("2.25", (2, 1), WON, LOST),
        ("2.75", (2, 1), HALF_WON, HALF_LOST), ("2.75", (2, 2), WON, LOST),
        ("0.25", (0, 0), HALF_LOST, HALF_WON), ("0.75", (0, 1), HALF_WON, HALF_LOST),
    ],
)  # fmt: skip
def test_totals_settle_in_halves_on_quarter_lines(
    line: str, score: tuple[int, int], over: OutcomeResult, under: OutcomeResult
) -> None:
    assert results(*market(f"m/total?total={line}"), score) == (over, under)


# --- every type against its plain meaning --------------------------------------------------------

VALUES = {
    "european_handicap": ("hcp", ("0:1", "2:0", "1:1")),
    "winning_margin": ("variant", ("sr:winning_margin:2+", "sr:winning_margin:5+")),
    "handicap": ("hcp", ("-2", "-1.75", "-0.5", "-0.25", "0", "0.75", "1.25")),
    "total": ("total", ("0.25", "0.5", "2", "2.25", "2.5", "2.75", "3")),
    "home_total": ("total", ("0.75", "1", "1.5")),
    "away_total": ("total", ("0.5", "1.25", "2")),
    "exact_goals": ("variant", ("sr:exact_goals:3+",)),
    "home_exact_goals": ("variant", ("sr:exact_goals:2+",)),
    "away_exact_goals": ("variant", ("sr:exact_goals:5+",)),
    "goal_range": ("variant", ("sr:goal_range:7+", "sr:point_range:6+")),
    **{
        f"{side}_or_{name}": ("total", ("0.5", "2.5", "14.5"))
        for side in ("home", "draw", "away")
        for name in ("over", "under")
    },
    "total_both_teams_to_score": ("total", ("0.5", "2.5", "5.5")),
    "1x2_total": ("total", ("0.5", "2.5", "14.5")),
    "double_chance_total": ("total", ("1.5", "3.5")),
    "flex_correct_score": ("score", ("0:0", "1:0", "2:2", "9:7")),
    "next_goal": ("goalnr", ("1", "2", "5", "12")),
    "next_goal_1x2": ("goalnr", ("1", "2", "3", "12")),
    "both_halves_over": ("total", ("0.5", "1.5")),
    "both_halves_under": ("total", ("0.5", "1.5", "3.5")),
    "half_time_full_time_total": ("total", ("0.5", "2.5", "4.5")),
    "half_time_full_time_first_half_total": ("total", ("0.5", "1.5", "14.5")),
}
"""Specifiers by type without the prefix of its scope."""


def keys_of(name: str) -> list[str]:
    """Return keys of a type: with its specifiers, and without where they are not required."""
    specifier, values = VALUES.get(split_type(name)[1], ("", ()))
    keys = [f"m/{name}?{specifier}={value}" for value in values]
    return keys if MARKET_TYPES[name].required else [f"m/{name}", *keys]


ALL_KEYS = [key for name in MARKET_TYPES for key in keys_of(name)]
EMPTY = Match(first=(0, 0))


def test_the_table_has_the_types_of_the_plain_meanings() -> None:
    assert {split_type(name)[1] for name in MARKET_TYPES} == {
        *ONE_SCORE, *GOAL_ORDER, *BOTH_HALVES
    }  # fmt: skip


@pytest.mark.parametrize("key", ALL_KEYS)
def test_a_type_has_the_scope_and_the_outcomes_of_its_plain_meaning(key: str) -> None:
    rules = market_rules(*market(key))
    assert rules.scope is scope_of(key)
    assert rules.needs_order == needs_order(key)
    assert rules.winners == winners_of(key)
    assert outcome_names(*market(key)) == tuple(settle_key(key, EMPTY))


@given(first=orders, second=orders)
def test_every_type_settles_by_its_plain_meaning(first: str, second: str) -> None:
    """The goals of both halves are drawn with their order; extra time has the first half's."""
    halves = goals_of(first), goals_of(second)
    match = Match(*halves, extra=halves[0], order=first + second)
    final = goals_of(first + second)
    scores = {
        Scope.FIRST_HALF: halves[0],
        Scope.SECOND_HALF: halves[1],
        Scope.EXTRA_TIME: halves[0],
    }
    order_of = {Scope.FIRST_HALF: first, Scope.SECOND_HALF: second}
    for key in ALL_KEYS:
        if needs_order(key) and scope_of(key) is Scope.EXTRA_TIME:
            continue  # a match has no order of extra time's goals: the test below has
        settled = results(
            *market(key),
            scores.get(scope_of(key), final),
            first_half=halves[0],
            order=order_of.get(scope_of(key), first + second) if needs_order(key) else None,
        )
        assert settled == tuple(settle_key(key, match).values()), key


@given(order=orders, number=st.integers(1, 12))
def test_the_order_of_goals_settles_a_goal_by_its_number(order: str, number: int) -> None:
    names = {"h": "home", "a": "away", "": "none"}
    for text, scorer in (
        (f"next_goal?goalnr={number}", order[number - 1 : number]),
        (f"extra_time_next_goal?goalnr={number}", order[number - 1 : number]),
        ("last_goal", order[-1:]),
    ):
        settled = results(*market(f"m/{text}"), goals_of(order), order=order)
        won = zip(outcome_names(*market(f"m/{text}")), settled, strict=True)
        assert [name for name, result in won if result.won] == [names[scorer]]


@pytest.mark.parametrize(
    ("number", "order", "won"),
    [
        (1, "", "none"), (1, "haa", "home_and_away"), (2, "haa", "away_and_away"),
        (3, "ah", "none"), (2, "ah", "home_and_draw"), (3, "ahh", "home_and_home"),
        (12, "h" * 11 + "a", "away_and_home"),
    ],
)  # fmt: skip
def test_a_goal_is_won_together_with_the_result(number: int, order: str, won: str) -> None:
    market_type, specifiers = market(f"m/next_goal_1x2?goalnr={number}")
    names = outcome_names(market_type, specifiers)
    settled = zip(
        names, results(market_type, specifiers, goals_of(order), order=order), strict=True
    )
    assert [outcome for outcome, result in settled if result.won] == [won]


@pytest.mark.parametrize("order", [None, "", "hh", "ha", "hahh", "xah"])
def test_next_goal_is_not_settled_by_an_order_of_another_score(order: str | None) -> None:
    with pytest.raises(MarketTypeError, match="order"):
        results("next_goal", (("goalnr", "1"),), (2, 1), order=order)


@pytest.mark.parametrize("first_half", [None, (3, 0), (0, 2), (-1, 0)])
def test_both_halves_are_not_settled_by_a_first_half_beyond_the_score(
    first_half: tuple[int, int] | None,
) -> None:
    with pytest.raises(MarketTypeError, match="first half"):
        results("half_time_full_time", (), (2, 1), first_half=first_half)


@pytest.mark.parametrize(
    ("text", "score", "settled"),
    [
        ("home_no_bet", (1, 1), (WON, LOST)), ("home_no_bet", (0, 1), (LOST, WON)),
        ("home_no_bet", (1, 0), (REFUNDED, REFUNDED)), ("away_no_bet", (1, 0), (WON, LOST)),
        ("away_no_bet", (2, 2), (LOST, WON)), ("away_no_bet", (0, 3), (REFUNDED, REFUNDED)),
    ],
)  # fmt: skip
def test_a_side_no_bet_refunds_when_that_side_wins(
    text: str, score: tuple[int, int], settled: tuple[OutcomeResult, ...]
) -> None:
    assert results(*market(f"m/{text}"), score) == settled


@given(score=scores, quarters=st.integers(-30, 30))
def test_the_two_sides_of_a_handicap_have_opposite_results(
    score: tuple[int, int], quarters: int
) -> None:
    mirror = {WON: LOST, LOST: WON, REFUNDED: REFUNDED, HALF_WON: HALF_LOST, HALF_LOST: HALF_WON}
    home, away = results("handicap", (("hcp", str(quarters / 4)),), score)
    assert mirror[home] == away
    swapped = results("handicap", (("hcp", str(-quarters / 4)),), score[::-1])
    assert swapped == (away, home)


@given(score=scores, quarters=st.integers(-30, 30))
def test_a_quarter_line_returns_the_mean_of_its_two_neighbours(
    score: tuple[int, int], quarters: int
) -> None:
    def returned(line: float, odds: float) -> float:
        (result, _) = results("handicap", (("hcp", str(line)),), score)
        return result.won * odds * (1 - result.void_halves / 2) + result.void_halves / 2

    line = quarters / 2 + 0.25
    halves = returned(line - 0.25, 3.0) / 2 + returned(line + 0.25, 3.0) / 2
    assert returned(line, 3.0) == halves


@pytest.mark.parametrize(
    ("text", "quarters"),
    [("2.5", 10), ("-0.25", -1), ("+1", 4), ("0", 0), ("-0", 0), ("3.75", 15), ("1.50", 6)],
)
def test_lines_are_read_in_quarters(text: str, quarters: int) -> None:
    assert line_quarters(text) == quarters


@pytest.mark.parametrize(
    "text", ["", "2.3", "2.125", "1e1", "nan", "--1", "31", "2.", ".5", "½", "٣"]
)
def test_a_line_not_in_quarter_steps_is_refused(text: str) -> None:
    with pytest.raises(MarketTypeError, match="line"):
        line_quarters(text)


@pytest.mark.parametrize(
    "text",
    [
        "correct_scores", "1x2?hcp=1", "total", "total?hcp=1", "total?total=0", "total?total=-1",
        "handicap", "handicap?hcp=0:1", "european_handicap?hcp=-1", "exact_goals?variant=6",
        "total?total=2.5|variant=x", "extra_time_correct_score", "next_goal", "next_goal?goalnr=0",
        "next_goal?goalnr=13", "next_goal?goalnr=01", "next_goal?goalnr=1.5", "last_goal?goalnr=1",
        "1x2_total?total=2", "1x2_total?total=2.25", "double_chance_total?total=15.5",
        "total_both_teams_to_score?total=-0.5", "both_halves_over?total=1",
        "goal_range?variant=sr:goal_range:6+", "first_half_half_time_full_time",
    ],
)  # fmt: skip
def test_a_type_or_specifier_not_in_the_table_is_refused(text: str) -> None:
    with pytest.raises(MarketTypeError):
        outcome_names(*market(f"m/{text}"))


def test_a_negative_score_is_refused() -> None:
    with pytest.raises(MarketTypeError, match="negative"):
        results("1x2", (), (0, -1))


def test_every_type_has_as_many_outcomes_as_a_market_may_have() -> None:
    for name, row in MARKET_TYPES.items():
        if not row.required:
            assert 2 <= len(outcome_names(name, ())) <= OUTCOMES_MAX
