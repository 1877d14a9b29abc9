"""The arbitrage search: known boards, exact values of drawn games, refusals."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import Quote
from engine.common.ids import MalformedIdError
from engine.pricing.arbitrage.search import (
    SEARCH_BETS_MAX,
    Arbitrage,
    SearchStoppedError,
    find_arbitrage,
    solve_game,
)
from engine.pricing.football.market_types import MarketTypeError
from tests.engine.pricing.arbitrage.boards import RESULT_MARKETS
from tests.engine.pricing.football.settlement_twin import Match, settle_key

SCORES = {"home": (1, 0), "draw": (0, 0), "away": (0, 1)}
"""A score of each result."""


def quotes(*odds_milli: int) -> list[Quote]:
    return [Quote(outcome=k, odds_milli=odds) for k, odds in enumerate(odds_milli)]


def returned(key: str, quote: Quote, score: tuple[int, int]) -> Fraction:
    """Return the return of a stake of 1 at a score, by the plain settlement of its market."""
    result = tuple(settle_key(key, Match((0, 0), score)).values())[quote.outcome]
    void = Fraction(result.void_halves, 2)
    return void + (1 - void) * result.won * Fraction(quote.odds_milli, 1000)


def least(plan: Arbitrage, board: Mapping[str, Sequence[Quote]], scores: Any) -> Fraction:
    """Return the least return of some stakes over some scores, per unit staked."""
    total = sum(stake.stake for stake in plan.stakes)
    return min(
        sum(
            Fraction(stake.stake) * returned(stake.key, board[stake.key][stake.outcome], score)
            for stake in plan.stakes
        )
        / total
        for score in scores
    )


def no_arbitrage(rows: list[list[Fraction]]) -> bool:
    """Say whether three states have prices at which no bet gains: try every corner of the prices.

    `rows` has the returns of a stake of 1. Prices (q0, q1, 1 - q0 - q1) are a triangle in the
    plane, and every bet restricts them to a half-plane. Unless the rest is empty, it has a corner
    where two of the boundary lines meet.
    """
    half_planes = [(row[0] - row[2], row[1] - row[2], 1 - row[2]) for row in rows]
    half_planes += [(Fraction(-1), Fraction(0), Fraction(0))]
    half_planes += [(Fraction(0), Fraction(-1), Fraction(0))]
    half_planes += [(Fraction(1), Fraction(1), Fraction(1))]
    for (a, b, e), (c, d, f) in combinations(half_planes, 2):
        determinant = a * d - b * c
        if determinant == 0:
            continue
        x, y = (e * d - b * f) / determinant, (a * f - e * c) / determinant
        if all(p * x + q * y <= bound for p, q, bound in half_planes):
            return True
    return False


# --- known boards --------------------------------------------------------------------------------


def test_home_with_the_double_chance_against_it_can_be_an_arbitrage() -> None:
    board = {"m/1x2": quotes(2_500, 3_400, 2_900), "m/double_chance": quotes(1_400, 1_250, 1_900)}
    plan = find_arbitrage(board)
    assert plan is not None
    stakes = [(stake.key, stake.outcome, stake.stake) for stake in plan.stakes]
    assert stakes == [("m/1x2", 0, 19), ("m/double_chance", 2, 25)]
    assert plan.return_micro == 1_079_545
    assert plan.keys == ("m/1x2", "m/double_chance")


def test_draw_no_bet_with_handicap_0_needs_the_draw_to_be_an_arbitrage() -> None:
    board = {"m/draw_no_bet": quotes(2_050, 1_800), "m/handicap?hcp=0": quotes(1_850, 2_060)}
    assert find_arbitrage(board) is None
    board["m/1x2"] = quotes(2_700, 3_700, 2_800)
    plan = find_arbitrage(board)
    assert plan is not None
    assert least(plan, board, SCORES.values()) > 1
    assert "m/1x2" in plan.keys


def test_an_outcome_that_is_not_offered_gets_no_stake() -> None:
    board: dict[str, Sequence[Quote]] = {
        "m/1x2": quotes(2_500, 3_400, 2_900),
        "m/double_chance": quotes(1_400, 1_250, 1_900),
    }
    board["m/1x2"] = [
        Quote(outcome=0, odds_milli=2_500, active=False), *quotes(2_500, 3_400, 2_900)[1:]
    ]  # fmt: skip
    assert find_arbitrage(board) is None
    assert find_arbitrage({}) is None


def test_fair_odds_are_no_arbitrage_and_a_thousandth_more_is_one() -> None:
    assert find_arbitrage({"m/odd_even": quotes(2_000, 2_000)}) is None
    plan = find_arbitrage({"m/odd_even": quotes(2_001, 2_000)})
    assert plan is not None
    assert [stake.stake for stake in plan.stakes] == [2_000, 2_001]
    assert plan.return_micro == 1_000_249


def test_a_refund_between_two_lines_does_not_hide_an_arbitrage() -> None:
    """Over 2 with under 3: at 2 and at 3 goals one of them is refunded and the other wins."""
    board = {"m/total?total=2": quotes(2_500, 1_500), "m/total?total=3": quotes(2_000, 1_900)}
    plan = find_arbitrage(board)
    assert plan is not None
    assert [(stake.key, stake.outcome) for stake in plan.stakes] == [
        ("m/total?total=2", 0),
        ("m/total?total=3", 1),
    ]
    assert least(plan, board, [(0, 0), (1, 1), (3, 0), (2, 2), (9, 9)]) > 1
    board["m/total?total=3"] = quotes(2_300, 1_600)
    assert find_arbitrage(board) is None


def test_a_score_that_is_no_longer_reachable_needs_no_stake() -> None:
    """After 2:0 it ends 2:0 or over 2.5 goals; at 0:0 neither bet returns anything."""
    two_nil = list(settle_key("m/correct_score", Match((0, 0)))).index("2:0")
    board = {
        "m/correct_score": [Quote(outcome=two_nil, odds_milli=5_000)],
        "m/total?total=2.5": quotes(1_300, 4_000),
    }
    assert find_arbitrage(board) is None
    assert find_arbitrage(board, score=(1, 0)) is None
    plan = find_arbitrage(board, score=(2, 0))
    assert plan is not None
    assert [(stake.key, stake.outcome, stake.stake) for stake in plan.stakes] == [
        ("m/correct_score", two_nil, 13),
        ("m/total?total=2.5", 0, 50),
    ]
    assert plan.return_micro == 1_031_746
    with pytest.raises(ValueError, match="score: goals must be from 0 to 31"):
        find_arbitrage(board, score=(0, 32))


def test_a_search_stops_before_a_step_on_request() -> None:
    board = {"m/1x2": quotes(2_500, 3_400, 2_900), "m/double_chance": quotes(1_400, 1_250, 1_900)}
    calls = []

    def third_call() -> bool:
        calls.append(True)
        return len(calls) > 2

    with pytest.raises(SearchStoppedError):
        find_arbitrage(board, stop=third_call)
    assert len(calls) == 3
    assert find_arbitrage(board, stop=lambda: False) == find_arbitrage(board)


# --- drawn games and boards ----------------------------------------------------------------------

games = st.lists(
    st.lists(st.integers(0, 6_000), min_size=3, max_size=3), min_size=1, max_size=7
).filter(lambda rows: all(map(any, zip(*rows, strict=True))))


@given(rows=games)
@settings(max_examples=200, deadline=None)
def test_the_value_of_a_game_is_guaranteed_to_both_sides(rows: list[list[int]]) -> None:
    value, weights = solve_game(rows)
    assert min(weights) >= 0
    mixed = [
        sum(weight * row[state] for weight, row in zip(weights, rows, strict=True))
        for state in range(3)
    ]
    assert Fraction(min(mixed), sum(weights)) == value
    assert no_arbitrage([[Fraction(entry) / value for entry in row] for row in rows])


def check_search(board: Mapping[str, Sequence[Quote]]) -> None:
    """Hold a search of result markets to the exact answer for the three results."""
    rows = [
        [returned(key, quote, score) for score in SCORES.values()]
        for key, row in board.items()
        for quote in row
    ]
    plan = find_arbitrage(board)
    assert (plan is None) == no_arbitrage(rows)
    if plan is not None:
        worst = least(plan, board, SCORES.values())
        assert worst > 1
        assert plan.return_micro == int(worst * 1_000_000)
        # No other stakes return more: prices exist at which no bet returns more than the plan.
        assert no_arbitrage([[entry / worst for entry in row] for row in rows])


picked = st.sets(st.sampled_from(RESULT_MARKETS), min_size=1, max_size=5)


@given(odds=st.lists(st.integers(1_050, 9_000), min_size=21, max_size=21), picks=picked)
@settings(max_examples=100, deadline=None)
def test_a_search_of_any_odds_finds_an_arbitrage_exactly_when_there_is_one(
    odds: list[int], picks: set[str]
) -> None:
    unused = list(odds)
    board = {}
    for key in sorted(picks):
        count = len(settle_key(key, Match((0, 0))))
        board[key] = quotes(*(unused.pop() for _ in range(count)))
    check_search(board)


@given(
    weights=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    errors_milli=st.lists(st.integers(930, 1_060), min_size=21, max_size=21),
    picks=picked,
)
@settings(max_examples=200, deadline=None)
def test_a_search_of_nearly_fair_odds_finds_an_arbitrage_exactly_when_there_is_one(
    weights: list[int], errors_milli: list[int], picks: set[str]
) -> None:
    """Near fair odds every half win and refund decides whether there is an arbitrage."""
    unused = list(errors_milli)
    board = {}
    for key in sorted(picks):
        by_result = [
            tuple(settle_key(key, Match((0, 0), score)).values()) for score in SCORES.values()
        ]
        odds = []
        for outcome in zip(*by_result, strict=True):
            refunded = sum(w * r.void_halves for w, r in zip(weights, outcome, strict=True))
            won = sum(
                w * (2 - r.void_halves) for w, r in zip(weights, outcome, strict=True) if r.won
            )
            odds.append(unused.pop() * (2 * sum(weights) - refunded) // won)
        board[key] = quotes(*odds)
    check_search(board)


@pytest.mark.parametrize(
    ("board", "error", "message"),
    [
        ({"m/half_time_full_time": quotes(2_000)}, MarketTypeError, "more than one score"),
        ({"m/last_goal": quotes(2_000)}, MarketTypeError, "more than one score"),
        ({"m/quidditch": quotes(2_000)}, MarketTypeError, "not in the table"),
        ({"m 1x2": quotes(2_000)}, MalformedIdError, "market key"),
        ({"m/1x2": quotes(2_000), "n/1x2": quotes(2_000)}, ValueError, "one fixture"),
        ({"m/1x2": quotes(2_000), "m/first_half_1x2": quotes(2_000)}, ValueError, "one scope"),
        ({"m/odd_even": quotes(2_000, 2_000, 2_000)}, ValueError, "outcome must be below 2"),
        (
            {f"m/total?total={n}.5": quotes(2_000, 2_000) for n in range(30)}
            | {f"m/home_total?total={n}.5": quotes(2_000, 2_000) for n in range(30)}
            | {f"m/away_total?total={n}.5": quotes(2_000, 2_000) for n in range(30)}
            | {
                f"m/handicap?hcp={n}.{part}": quotes(2_000, 2_000)
                for n in range(30)
                for part in ("0", "25", "5", "75")
            }
            | {
                f"m/handicap?hcp=-{n}.{part}": quotes(2_000, 2_000)
                for n in range(1, 30)
                for part in ("0", "25", "5", "75")
            },
            ValueError,
            f"at most {SEARCH_BETS_MAX}",
        ),
    ],
)  # fmt: skip
def test_quotes_that_one_score_does_not_settle_are_refused(
    board: Mapping[str, Sequence[Quote]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        find_arbitrage(board)
