"""Related markets: none of what is offered wins whatever happens, and what does is found."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import Quote
from engine.common.ids import MalformedIdError, parse_market_key
from engine.pricing.arbitrage.search import (
    SEARCH_BETS_MAX,
    UNIT,
    Arbitrage,
    SearchStoppedError,
    find_arbitrage,
    solve_game,
)
from engine.pricing.fair_cap import cap_at_fair
from engine.pricing.football.catalogue import full_board
from engine.pricing.football.compiled_markets import CompiledMarkets
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.market_types import MarketTypeError, market_rules, results
from engine.pricing.football.model import MatchModel, MatchState, Period
from engine.pricing.ladder import LADDERS, Band, Ladder
from engine.pricing.quoting import BookFigures, Margin, Shortfall, quote
from engine.pricing.skew import LogOddsSkew
from tests.engine.pricing.football.strategies import models, states

FAMILY = (
    "m/1x2", "m/double_chance", "m/draw_no_bet", "m/home_no_bet", "m/away_no_bet",
    "m/handicap?hcp=0", "m/handicap?hcp=-0.5", "m/handicap?hcp=0.5", "m/handicap?hcp=-0.25",
    "m/handicap?hcp=0.25",
)  # fmt: skip
"""Markets settled by who wins, and by nothing else."""
SCORES = {"home": (1, 0), "draw": (0, 0), "away": (0, 1)}


def quotes(*odds_milli: int) -> list[Quote]:
    return [Quote(outcome=k, odds_milli=odds) for k, odds in enumerate(odds_milli)]


def returned(key: str, quote: Quote, score: tuple[int, int]) -> Fraction:
    """Return what a unit on a quote gives back at a score, by the settlement of its market."""
    parsed = parse_market_key(key)
    result = results(parsed.type, parsed.specifiers, score)[quote.outcome]
    void = Fraction(result.void_halves, 2)
    return void + (1 - void) * result.won * Fraction(quote.odds_milli, 1000)


def least(plan: Arbitrage, board: Mapping[str, Sequence[Quote]], scores: Any) -> Fraction:
    """Return what a plan gives back at the worst of some scores, over what it stakes."""
    total = sum(stake.stake for stake in plan.stakes)
    return min(
        sum(
            Fraction(stake.stake) * returned(stake.key, board[stake.key][stake.outcome], score)
            for stake in plan.stakes
        )
        / total
        for score in scores
    )


def certificate(rows: list[list[int]]) -> bool:
    """Say whether three states can be priced so that no bet gains: try every corner of the prices.

    Prices (q0, q1, 1 - q0 - q1) are a triangle in the plane; every bet cuts a half of it away.
    What is left has a corner, where two of all the lines meet, unless it is empty.
    """
    halves = [(row[0] - row[2], row[1] - row[2], UNIT - row[2]) for row in rows]
    halves += [(-1, 0, 0), (0, -1, 0), (1, 1, 1)]
    for (a, b, e), (c, d, f) in combinations(halves, 2):
        across = a * d - b * c
        if across == 0:
            continue
        x, y = Fraction(e * d - b * f, across), Fraction(a * f - e * c, across)
        if all(left * x + right * y <= bound for left, right, bound in halves):
            return True
    return False


# --- the search ----------------------------------------------------------------------------------


def test_home_and_the_double_chance_against_it_can_win_for_sure() -> None:
    board = {"m/1x2": quotes(2_500, 3_400, 2_900), "m/double_chance": quotes(1_400, 1_250, 1_900)}
    plan = find_arbitrage(board)
    assert plan is not None
    stakes = [(stake.key, stake.outcome, stake.stake) for stake in plan.stakes]
    assert stakes == [("m/1x2", 0, 19), ("m/double_chance", 2, 25)]
    assert plan.return_micro == 1_079_545
    assert plan.keys == ("m/1x2", "m/double_chance")


def test_draw_no_bet_and_handicap_0_can_win_for_sure_though_a_draw_refunds() -> None:
    board = {"m/draw_no_bet": quotes(2_050, 1_800), "m/handicap?hcp=0": quotes(1_850, 2_060)}
    assert find_arbitrage(board) is None
    board["m/1x2"] = quotes(2_700, 3_700, 2_800)
    plan = find_arbitrage(board)
    assert plan is not None
    assert least(plan, board, SCORES.values()) > 1
    assert "m/1x2" in plan.keys


def test_an_outcome_that_is_not_offered_is_no_part_of_a_plan() -> None:
    board: dict[str, Sequence[Quote]] = {
        "m/1x2": quotes(2_500, 3_400, 2_900),
        "m/double_chance": quotes(1_400, 1_250, 1_900),
    }
    board["m/1x2"] = [
        Quote(outcome=0, odds_milli=2_500, active=False), *quotes(2_500, 3_400, 2_900)[1:]
    ]  # fmt: skip
    assert find_arbitrage(board) is None
    assert find_arbitrage({}) is None


def test_fair_odds_win_for_sure_by_nothing_and_a_thousandth_more_by_something() -> None:
    assert find_arbitrage({"m/odd_even": quotes(2_000, 2_000)}) is None
    plan = find_arbitrage({"m/odd_even": quotes(2_001, 2_000)})
    assert plan is not None
    assert [stake.stake for stake in plan.stakes] == [2_000, 2_001]
    assert plan.return_micro == 1_000_249


def test_lines_of_goals_are_told_apart_by_every_score_that_matters() -> None:
    """Over 2 with under 3 loses at most a part of itself: at 2 and at 3 one of them is refunded."""
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


def test_a_score_that_can_no_longer_be_needs_no_stake() -> None:
    """From 2:0 on it is 2:0 or over 2.5 goals: at 0:0 neither returns anything."""
    scores = market_rules("correct_score", ()).outcomes
    two_nil = [rule.name for rule in scores].index("2:0")
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


def test_a_search_stops_between_two_steps_when_told_to() -> None:
    board = {"m/1x2": quotes(2_500, 3_400, 2_900), "m/double_chance": quotes(1_400, 1_250, 1_900)}
    asked = []

    def enough() -> bool:
        asked.append(True)
        return len(asked) > 2

    with pytest.raises(SearchStoppedError):
        find_arbitrage(board, stop=enough)
    assert len(asked) == 3
    assert find_arbitrage(board, stop=lambda: False) == find_arbitrage(board)


bets3 = st.lists(
    st.lists(st.integers(0, 6_000), min_size=3, max_size=3), min_size=1, max_size=7
).filter(lambda rows: all(map(any, zip(*rows, strict=True))))


@given(rows=bets3)
@settings(max_examples=200, deadline=None)
def test_a_game_has_the_value_that_both_sides_can_hold(rows: list[list[int]]) -> None:
    value, weights = solve_game(rows)
    assert min(weights) >= 0
    mixed = [
        sum(weight * row[state] for weight, row in zip(weights, rows, strict=True))
        for state in range(3)
    ]
    assert Fraction(min(mixed), sum(weights)) == value
    scaled = [[entry * UNIT * value.denominator for entry in row] for row in rows]
    exact = [[Fraction(entry, value.numerator) for entry in row] for row in scaled]
    assert certificate([[int(entry) for entry in row] for row in exact]) or value == 0


@given(
    odds=st.lists(st.integers(1_050, 9_000), min_size=21, max_size=21),
    picks=st.sets(st.sampled_from(FAMILY), min_size=1, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_the_search_finds_a_plan_exactly_when_no_prices_of_the_results_rule_it_out(
    odds: list[int], picks: set[str]
) -> None:
    board: dict[str, Sequence[Quote]] = {}
    left = list(odds)
    for key in sorted(picks):
        parsed = parse_market_key(key)
        count = len(results(parsed.type, parsed.specifiers, (0, 0)))
        board[key] = quotes(*(left.pop() for _ in range(count)))
    rows = [
        [int(UNIT * returned(key, quote, score)) for score in SCORES.values()]
        for key, row in board.items()
        for quote in row
    ]
    plan = find_arbitrage(board)
    assert (plan is None) == certificate(rows)
    if plan is not None:
        worst = least(plan, board, SCORES.values())
        assert worst > 1
        assert plan.return_micro == int(worst * 1_000_000)


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
def test_a_search_of_what_does_not_hang_on_one_score_is_refused(
    board: Mapping[str, Sequence[Quote]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        find_arbitrage(board)


# --- the harmoniser ------------------------------------------------------------------------------


def skewed(
    fair: Sequence[float], book: float, nudges: Sequence[float], ladder: Ladder
) -> tuple[Any, Any]:
    """Quote each probability at a book and move its odds by a nudge, each on its own."""
    odds_milli, offered = np.zeros(len(fair), np.int64), np.zeros(len(fair), np.bool_)
    for k, (probability, nudge) in enumerate(zip(fair, nudges, strict=True)):
        quoted = probability * book * (1.0 + nudge)
        odds_milli[k] = ladder.odds_milli(min(quoted, 0.999999))
        offered[k] = 1e-4 <= probability < 1.0 and quoted < 0.999
    return odds_milli, offered


def board_of(keys: Sequence[str], odds_milli: Any, offered: Any) -> dict[str, Sequence[Quote]]:
    return {
        market.key: [
            Quote(outcome=k - market.first, odds_milli=int(odds_milli[k]), active=bool(offered[k]))
            for k in range(market.first, market.last)
        ]
        for market in CompiledMarkets(keys).markets
    }


def priced(keys: Sequence[str], model: MatchModel, state: MatchState) -> tuple[Any, Any]:
    compiled = CompiledMarkets(keys)
    return FixtureBoard(keys).fair(model, state).copy(), compiled.offsets


def capped_twin(
    fair: Sequence[float], offsets: Sequence[int], odds: list[int], offered: list[bool],
    prices: list[int],
) -> None:  # fmt: skip
    """Harmonise by the definition, with a search of the whole ladder."""

    def longest(quoted: float) -> int | None:
        return max(
            (price for price in prices if price * quoted <= 1000 * (1 + 1e-12)), default=None
        )

    for first, last in pairwise(offsets):
        was = {k: 1000 / odds[k] for k in range(first, last) if offered[k]}
        for k in list(was):
            if odds[k] * fair[k] > 1000 * (1 + 1e-12):
                price = longest(fair[k])
                odds[k] = price or prices[0]
                if price is None:
                    offered[k] = False
                    del was[k]
        excess = sum(1000 / odds[k] - was[k] for k in was)
        margins = {k: max(1000 / odds[k] - fair[k], 0.0) for k in was}
        if excess <= 0 or sum(margins.values()) <= 0:
            continue
        kept = max(1 - excess / sum(margins.values()), 0.0)
        for k, margin in margins.items():
            if margin > 0:
                odds[k] = max(odds[k], longest(fair[k] + margin * kept) or 0)


cases = {
    "model": models(),
    "state": states(),
    "book": st.floats(0.98, 1.12),
    "ladder": st.sampled_from(list(LADDERS.values())),
    "nudges": st.lists(st.floats(-0.25, 0.25), min_size=24, max_size=24),
}
KEYS = (*FAMILY, "m/total?total=2.5")


def family_case(
    model: MatchModel, state: MatchState, book: float, ladder: Ladder, nudges: list[float]
) -> tuple[Any, Any, Any, Any]:
    fair, offsets = priced(KEYS, model, state)
    odds_milli, offered = skewed(fair, book, nudges, ladder)
    return fair, offsets, odds_milli, offered


@given(**cases)
@settings(max_examples=80, deadline=None)
def test_the_kernel_equals_its_plain_twin(
    model: MatchModel, state: MatchState, book: float, ladder: Ladder, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = family_case(model, state, book, ladder, nudges)
    odds, active = odds_milli.tolist(), offered.tolist()
    capped_twin(fair.tolist(), offsets.tolist(), odds, active, ladder.prices_milli.tolist())
    cap_at_fair(fair, offsets, odds_milli, offered, ladder=ladder)
    assert (odds_milli.tolist(), offered.tolist()) == (odds, active)


@given(**cases)
@settings(max_examples=60, deadline=None)
def test_harmonised_odds_never_win_for_sure(
    model: MatchModel, state: MatchState, book: float, ladder: Ladder, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = family_case(model, state, book, ladder, nudges)
    cap_at_fair(fair, offsets, odds_milli, offered, ladder=ladder)
    plan = find_arbitrage(board_of(KEYS, odds_milli, offered))
    # Odds that are fair to the last digit of a float may seem to win by its rounding.
    assert plan is None or plan.return_micro == 1_000_000, plan


@given(**cases)
@settings(max_examples=80, deadline=None)
def test_a_price_is_capped_at_fair_on_the_ladder_and_no_book_is_less_than_it_was(
    model: MatchModel, state: MatchState, book: float, ladder: Ladder, nudges: list[float]
) -> None:
    fair, offsets, odds_milli, offered = family_case(model, state, book, ladder, nudges)
    before, was_offered = odds_milli.copy(), offered.copy()
    above = int((was_offered & (before * fair > 1000.0 * (1 + 1e-12))).sum())
    assert cap_at_fair(fair, offsets, odds_milli, offered, ladder=ladder) == above
    assert not (offered & ~was_offered).any()
    assert (odds_milli[~was_offered] == before[~was_offered]).all()
    assert np.isin(odds_milli, ladder.prices_milli).all()
    assert (odds_milli[offered] * fair[offered] <= 1000.0 * (1 + 1e-9)).all()
    for first, last in pairwise(offsets):
        stays = [k for k in range(first, last) if offered[k]]
        assert sum(1000.0 / odds_milli[k] for k in stays) >= sum(
            1000.0 / before[k] for k in stays
        ) * (1.0 - 1e-9)
    again, still = odds_milli.copy(), offered.copy()
    assert cap_at_fair(fair, offsets, again, still, ladder=ladder) == 0
    assert (again == odds_milli).all()
    assert (still == offered).all()


def test_leaned_markets_win_for_sure_without_the_harmoniser_and_never_with_it() -> None:
    """Each market leans on its own book: by up to 8 per cent, at a margin of 3."""
    rng = np.random.default_rng(20240611)
    before = after = 0
    for _ in range(120):
        home, away = rng.uniform(0.5, 2.5, 2)
        model = MatchModel(home_rate=float(home), away_rate=float(away))
        fair, offsets = priced(KEYS, model, MatchState())
        ladder = list(LADDERS.values())[int(rng.integers(3))]
        nudges = rng.uniform(-0.08, 0.08, len(fair)).tolist()
        odds_milli, offered = skewed(fair, 1.03, nudges, ladder)
        before += find_arbitrage(board_of(KEYS, odds_milli, offered)) is not None
        cap_at_fair(fair, offsets, odds_milli, offered, ladder=ladder)
        after += find_arbitrage(board_of(KEYS, odds_milli, offered)) is not None
    assert before > 60
    assert after == 0


def test_what_a_capped_price_adds_to_the_book_its_neighbours_get_back() -> None:
    """At 104 a lean has taken home to 2.24 where 2.10 is fair; away gives for it."""
    fair = np.array((1 / 2.1, 0.3, 0.7 - 1 / 2.1))
    odds_milli = np.array((2_240, 3_150, 3_600), np.int64)
    offered = np.ones(3, np.bool_)
    book = float((1000.0 / odds_milli).sum())
    assert cap_at_fair(fair, np.array((0, 3), np.int64), odds_milli, offered) == 1
    assert odds_milli[0] == 2_100
    assert odds_milli[1] >= 3_150
    assert odds_milli[2] > 3_600
    assert book <= float((1000.0 / odds_milli).sum()) < book + 0.01


def test_an_outcome_whose_fair_odds_the_ladder_does_not_have_is_not_offered() -> None:
    fair = np.array((0.995, 0.005))
    odds_milli, offered = np.array((1_010, 100_000), np.int64), np.ones(2, np.bool_)
    assert cap_at_fair(fair, np.array((0, 2), np.int64), odds_milli, offered) == 1
    assert offered.tolist() == [False, True]
    assert odds_milli.tolist() == [1_010, 100_000]


def test_a_whole_board_at_no_margin_is_made_safe() -> None:
    """Rounded to the nearest price alone, the same board wins for sure."""
    model = MatchModel(home_rate=1.5, away_rate=1.2, dependence=-0.05)
    keys = [
        key
        for key in full_board("m", model=model)
        if "half" not in key and "halves" not in key and "goal?" not in key
        and not key.endswith(("last_goal", "half_time_full_time"))
    ]  # fmt: skip
    fair, offsets = priced(keys, model, MatchState(period=Period.PRE_MATCH))
    odds_milli, offered = skewed(fair, 1.0, [0.0] * len(fair), LADDERS["exchange"])
    assert find_arbitrage(board_of(keys, odds_milli, offered)) is not None
    cap_at_fair(fair, offsets, odds_milli, offered)
    assert find_arbitrage(board_of(keys, odds_milli, offered)) is None


# --- on a board ----------------------------------------------------------------------------------


def lopsided(outcomes: int, seed: int) -> BookFigures:
    """A book in which some outcomes have been taken heavily and others not at all."""
    rng = np.random.default_rng(seed)
    payout = rng.integers(0, 3, outcomes) * 400_000
    return BookFigures(stake_minor=payout // 3, payout_minor=payout)


def test_a_leaning_board_is_harmonised_unless_its_margin_says_otherwise() -> None:
    """Every market leans on its own book; at no board may that be put together to a profit."""
    board = FixtureBoard(FAMILY)
    skew = LogOddsSkew(scale_minor=1_000_000, log_odds_milli_max=400)
    model = MatchModel(home_rate=1.5, away_rate=1.2)
    outcomes = sum(len(board.outcomes(key)) for key in FAMILY)
    found = {True: 0, False: 0}
    for seed in range(20):
        for capped in found:
            margin = Margin(book_milli=1_030, capped=capped)
            quoted = board.quotes(model, MatchState(), margin, skew, lopsided(outcomes, seed))
            found[capped] += find_arbitrage(quoted) is not None
    assert found[False] > 10
    assert found[True] == 0


def test_a_book_that_caps_take_past_its_limits_is_said_to_be_outside() -> None:
    """A price of 10 is leant to 30: on a ladder this coarse there is nothing to give back to."""
    ladder = Ladder(first_milli=1_100, bands=(Band(1_200, 100), Band(31_200, 10_000)))
    fair, offsets = np.array((0.9, 0.1)), np.array((0, 2), np.int64)
    skew = LogOddsSkew(scale_minor=1_000, log_odds_milli_max=1_500)
    figures = BookFigures(
        stake_minor=np.array((1_000, 0), np.int64), payout_minor=np.array((9_000, 0), np.int64)
    )
    shortfalls = {}
    for capped in (False, True):
        margin = Margin(book_milli=1_010, book_within_milli=60, capped=capped)
        quoted = quote(
            fair, offsets, np.array((1.0,)), ("win",), margin=margin, ladder=ladder, skew=skew,
            figures=figures,
        )  # fmt: skip
        shortfalls[capped] = Shortfall(int(quoted.shortfalls[0])), quoted.odds_milli.tolist()
    assert shortfalls == {
        False: (Shortfall.NONE, [1_100, 31_200]),
        True: (Shortfall.BOOK, [1_100, 1_200]),
    }
