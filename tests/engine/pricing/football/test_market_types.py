"""Market types: names, the field's numbers, settlement by a final score, refusals."""

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
    outcome_names,
    results,
)

WON = OutcomeResult(won=True)
LOST = OutcomeResult(won=False)
REFUND = OutcomeResult(won=False, void_halves=2)
HALF_WON = OutcomeResult(won=True, void_halves=1)
HALF_LOST = OutcomeResult(won=False, void_halves=1)

scores = st.tuples(st.integers(0, 15), st.integers(0, 15))


def market(text: str) -> tuple[str, Specifiers]:
    key = parse_market_key(f"m/{text}")
    return key.type, key.specifiers


def winners(text: str, score: tuple[int, int]) -> list[str]:
    """Return the outcomes that won outright; no market asked here has half results."""
    return [
        name
        for name, result in zip(
            outcome_names(*market(text)), results(*market(text), score), strict=True
        )
        if result.won
    ]


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
    assert outcome_names(*market(text)) == names


def test_correct_score_names_twenty_five_scores_and_the_rest() -> None:
    names = outcome_names("correct_score", ())
    assert names[0] == "0:0"
    assert names[1] == "0:1"
    assert names[5] == "1:0"
    assert names[24:] == ("4:4", "other")


@pytest.mark.parametrize(
    ("line", "score", "home", "away"),
    [
        ("0", (1, 1), REFUND, REFUND), ("0", (2, 1), WON, LOST), ("-0.5", (1, 1), LOST, WON),
        ("-0.25", (1, 1), HALF_LOST, HALF_WON), ("-0.25", (2, 1), WON, LOST),
        ("0.25", (1, 1), HALF_WON, HALF_LOST), ("+0.25", (0, 1), LOST, WON),
        ("-0.75", (1, 0), HALF_WON, HALF_LOST), ("-0.75", (2, 0), WON, LOST),
        ("-1", (1, 0), REFUND, REFUND), ("-1.25", (1, 0), HALF_LOST, HALF_WON),
        ("-1.75", (3, 1), HALF_WON, HALF_LOST), ("1.25", (0, 1), HALF_WON, HALF_LOST),
        ("2", (0, 2), REFUND, REFUND), ("-2.25", (3, 1), HALF_LOST, HALF_WON),
    ],
)  # fmt: skip
def test_asian_handicaps_settle_in_halves_on_quarter_lines(
    line: str, score: tuple[int, int], home: OutcomeResult, away: OutcomeResult
) -> None:
    assert results(*market(f"handicap?hcp={line}"), score) == (home, away)


@pytest.mark.parametrize(
    ("line", "score", "over", "under"),
    [
        ("2.5", (2, 1), WON, LOST), ("2.5", (1, 1), LOST, WON), ("3", (2, 1), REFUND, REFUND),
        ("2.25", (1, 1), HALF_LOST, HALF_WON), ("2.25", (2, 1), WON, LOST),
        ("2.75", (2, 1), HALF_WON, HALF_LOST), ("2.75", (2, 2), WON, LOST),
        ("0.25", (0, 0), HALF_LOST, HALF_WON), ("0.75", (0, 1), HALF_WON, HALF_LOST),
    ],
)  # fmt: skip
def test_totals_settle_in_halves_on_quarter_lines(
    line: str, score: tuple[int, int], over: OutcomeResult, under: OutcomeResult
) -> None:
    assert results(*market(f"total?total={line}"), score) == (over, under)


@given(score=scores)
def test_whole_outcomes_win_by_their_plain_meaning(score: tuple[int, int]) -> None:
    home, away = score
    result = "home" if home > away else "away" if away > home else "draw"
    both = "yes" if home and away else "no"
    over = "over" if home + away > 2 else "under"
    doubles = [
        f"{one}_or_{other}"
        for one, other in (("home", "draw"), ("home", "away"), ("draw", "away"))
        if result in {one, other}
    ]
    expected = {
        "1x2": ["home"] if home > away else ["away"] if away > home else ["draw"],
        "double_chance": [
            name
            for name, wins in (
                ("home_or_draw", home >= away),
                ("home_or_away", home != away),
                ("draw_or_away", home <= away),
            )
            if wins
        ],
        "both_teams_to_score": ["yes" if home and away else "no"],
        "odd_even": ["odd" if (home + away) % 2 else "even"],
        "home_odd_even": ["odd" if home % 2 else "even"],
        "away_odd_even": ["odd" if away % 2 else "even"],
        "correct_score": [f"{home}:{away}" if max(score) <= 4 else "other"],
        "exact_goals": [str(home + away) if home + away < 6 else "6+"],
        "home_exact_goals": [str(home) if home < 3 else "3+"],
        "away_exact_goals": [str(away) if away < 3 else "3+"],
        "home_clean_sheet": ["no" if away else "yes"],
        "away_clean_sheet": ["no" if home else "yes"],
        "home_win_to_nil": ["yes" if home and not away else "no"],
        "away_win_to_nil": ["yes" if away and not home else "no"],
        "which_team_to_score": [
            {(0, 0): "none", (1, 0): "only_home", (0, 1): "only_away", (1, 1): "both"}[
                min(home, 1), min(away, 1)
            ]
        ],
        "home_total?total=1.5": ["over" if home > 1 else "under"],
        "away_total?total=0.5": ["over" if away else "under"],
        "european_handicap?hcp=0:1": [
            "home" if home > away + 1 else "away" if away + 1 > home else "draw"
        ],
        "winning_margin": [
            "draw"
            if home == away
            else f"{'home' if home > away else 'away'}_by_"
            + (str(abs(home - away)) if abs(home - away) < 3 else "3+")
        ],
        "goal_range": [
            "0-1"
            if home + away < 2
            else "2-3"
            if home + away < 4
            else "4-6"
            if home + away < 7
            else "7+"
        ],
        "1x2_both_teams_to_score": [f"{result}_and_{both}"],
        "1x2_total?total=2.5": [f"{result}_and_{over}"],
        "total_both_teams_to_score?total=2.5": [f"{over}_and_{both}"],
        "double_chance_both_teams_to_score": [f"{double}_and_{both}" for double in doubles],
        "double_chance_total?total=2.5": [f"{double}_and_{over}" for double in doubles],
    }
    for text, names in expected.items():
        assert winners(text, score) == names, text
    refunding = {"draw_no_bet", "home_no_bet", "away_no_bet", "handicap", "total"}
    assert {market(text)[0] for text in expected} | refunding == {
        name
        for name, row in MARKET_TYPES.items()
        if row.scope is Scope.REGULAR and name not in {"next_goal", "last_goal"}
    }


@given(first=scores, second=scores)
def test_markets_on_both_halves_win_by_their_plain_meaning(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    def result(score: tuple[int, int]) -> str:
        return "home" if score[0] > score[1] else "away" if score[0] < score[1] else "draw"

    def richer(one: int, other: int) -> str:
        return "first" if one > other else "second" if one < other else "equal"

    def yes(said: bool) -> str:
        return "yes" if said else "no"

    final = (first[0] + second[0], first[1] + second[1])
    halves = [result(first), result(second)]
    expected = {
        "half_time_full_time": f"{result(first)}/{result(final)}",
        "home_win_both_halves": yes(halves == ["home", "home"]),
        "away_win_both_halves": yes(halves == ["away", "away"]),
        "home_win_either_half": yes("home" in halves),
        "away_win_either_half": yes("away" in halves),
        "highest_scoring_half": richer(sum(first), sum(second)),
        "home_highest_scoring_half": richer(first[0], second[0]),
        "away_highest_scoring_half": richer(first[1], second[1]),
        "halves_both_teams_to_score": f"{yes(all(first))}/{yes(all(second))}",
        "home_score_in_both_halves": yes(first[0] > 0 and second[0] > 0),
        "away_score_in_both_halves": yes(first[1] > 0 and second[1] > 0),
        "both_halves_over?total=1.5": yes(min(sum(first), sum(second)) > 1),
        "both_halves_under?total=1.5": yes(max(sum(first), sum(second)) < 2),
    }
    for text, name in expected.items():
        names = outcome_names(*market(text))
        settled = results(*market(text), final, first_half=first)
        assert [n for n, r in zip(names, settled, strict=True) if r.won] == [name], text
    assert {market(text)[0] for text in expected} == {
        name for name, row in MARKET_TYPES.items() if row.scope is Scope.HALVES
    }


@given(order=st.text("ha", max_size=20), number=st.integers(1, 12))
def test_a_goal_by_its_number_is_settled_by_the_order_of_goals(order: str, number: int) -> None:
    score = (order.count("h"), order.count("a"))
    names = {"h": "home", "a": "away", "": "none"}
    for text, who in (
        (f"next_goal?goalnr={number}", order[number - 1 : number]),
        ("last_goal", order[-1:]),
    ):
        settled = results(*market(text), score, order=order)
        won = [n for n, r in zip(outcome_names(*market(text)), settled, strict=True) if r.won]
        assert won == [names[who]]


@pytest.mark.parametrize("order", [None, "", "hh", "ha", "hahh", "xah"])
def test_a_goal_by_its_number_is_not_settled_by_another_order(order: str | None) -> None:
    with pytest.raises(MarketTypeError, match="order"):
        results("next_goal", (("goalnr", "1"),), (2, 1), order=order)


@pytest.mark.parametrize("first_half", [None, (3, 0), (0, 2), (-1, 0)])
def test_both_halves_are_not_settled_by_another_first_half(
    first_half: tuple[int, int] | None,
) -> None:
    with pytest.raises(MarketTypeError, match="first half"):
        results("half_time_full_time", (), (2, 1), first_half=first_half)


@pytest.mark.parametrize(
    ("text", "score", "settled"),
    [
        ("home_no_bet", (1, 1), (WON, LOST)), ("home_no_bet", (0, 1), (LOST, WON)),
        ("home_no_bet", (1, 0), (REFUND, REFUND)), ("away_no_bet", (1, 0), (WON, LOST)),
        ("away_no_bet", (2, 2), (LOST, WON)), ("away_no_bet", (0, 3), (REFUND, REFUND)),
    ],
)  # fmt: skip
def test_a_side_no_bet_refunds_when_that_side_wins(
    text: str, score: tuple[int, int], settled: tuple[OutcomeResult, ...]
) -> None:
    assert results(*market(text), score) == settled


@given(score=scores, quarters=st.integers(-30, 30))
def test_the_two_sides_of_a_line_mirror_each_other(score: tuple[int, int], quarters: int) -> None:
    mirror = {WON: LOST, LOST: WON, REFUND: REFUND, HALF_WON: HALF_LOST, HALF_LOST: HALF_WON}
    home, away = results("handicap", (("hcp", str(quarters / 4)),), score)
    assert mirror[home] == away
    swapped = results("handicap", (("hcp", str(-quarters / 4)),), score[::-1])
    assert swapped == (away, home)


@given(score=scores, quarters=st.integers(-30, 30))
def test_a_quarter_line_is_half_on_each_neighbour(score: tuple[int, int], quarters: int) -> None:
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
def test_a_line_off_the_quarters_is_refused(text: str) -> None:
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
        outcome_names(*market(text))


def test_a_negative_score_is_refused() -> None:
    with pytest.raises(MarketTypeError, match="negative"):
        results("1x2", (), (0, -1))


def test_every_market_fits_the_books_outcomes() -> None:
    for name, row in MARKET_TYPES.items():
        if not row.required:
            assert 2 <= len(outcome_names(name, ())) <= OUTCOMES_MAX
