"""A fixture's board: its quotes, offered outcomes, decided markets and results."""

import numpy as np
import pytest
from hypothesis import example, given, settings

from engine.common.commands import OutcomeResult, Quote
from engine.common.ids import MalformedIdError
from engine.common.units import ODDS_MILLI_MAX, ODDS_MILLI_MIN
from engine.pricing.football.axes import Scope
from engine.pricing.football.fixture_board import FAIR_MIN, BookFigures, FixtureBoard, Margin
from engine.pricing.football.market_types import MarketTypeError
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from engine.pricing.ladder import CENTS, EXCHANGE, FINE
from engine.pricing.margin import Method
from engine.pricing.skew import LinearSkew, LogOddsSkew, OptimalSkew
from tests.engine.pricing.football.settlement_twin import (
    Match,
    needs_order,
    scope_of,
    settle_key,
)
from tests.engine.pricing.football.strategies import BOARD, models, states

MODEL = MatchModel(home_rate=1.55, away_rate=1.15, dependence=-0.08)


def test_a_board_quotes_the_odds_of_the_worked_example() -> None:
    """docs/pricing.md works the example by hand."""
    board = FixtureBoard(["wc22-64/1x2", "wc22-64/total?total=2.5", "wc22-64/handicap?hcp=-0.25"])
    model = MatchModel(home_rate=1.60431, away_rate=1.33491, dependence=-0.10)
    quotes = board.quotes(model, MatchState(), Margin(book_milli=1_050))
    odds = {key: tuple(quote.odds_milli for quote in row) for key, row in quotes.items()}
    assert odds == {
        "wc22-64/1x2": (2_240, 3_550, 3_100),
        "wc22-64/total?total=2.5": (1_700, 2_160),
        "wc22-64/handicap?hcp=-0.25": (1_930, 1_880),
    }
    assert all(quote.active for row in quotes.values() for quote in row)


def test_quotes_are_in_the_boards_order_with_numbered_outcomes() -> None:
    keys = ["m/total?total=2.5", "m/1x2", "m/correct_score"]
    quotes = FixtureBoard(keys).quotes(MODEL, MatchState(), Margin())
    assert list(quotes) == keys
    assert [[quote.outcome for quote in row] for row in quotes.values()] == [
        [0, 1],
        [0, 1, 2],
        list(range(26)),
    ]


def test_a_markets_quotes_do_not_depend_on_the_boards_other_markets() -> None:
    quotes = BOARD.quotes(MODEL, MatchState(), Margin())
    for key in BOARD.keys[::7]:
        assert FixtureBoard([key]).quotes(MODEL, MatchState(), Margin()) == {key: quotes[key]}


@pytest.mark.parametrize("method", Method)
@given(model=models(), state=states())
@settings(max_examples=12, deadline=None)
def test_every_quote_is_within_bounds_and_on_the_ladder(
    method: Method, model: MatchModel, state: MatchState
) -> None:
    prices = list(EXCHANGE.prices_milli)
    for row in BOARD.quotes(model, state, Margin(method=method)).values():
        for quote in row:
            assert ODDS_MILLI_MIN <= quote.odds_milli <= ODDS_MILLI_MAX
            assert quote.odds_milli in prices


@given(model=models(), state=states())
@settings(max_examples=25, deadline=None)
def test_no_quote_gives_the_bettor_an_edge(model: MatchModel, state: MatchState) -> None:
    board = FixtureBoard(BOARD.keys, ladder=FINE)
    fair = board.probabilities(model, state)
    for key, row in board.quotes(model, state, Margin(book_milli=1_060)).items():
        for quote, probability in zip(row, fair[key], strict=True):
            if quote.active:
                assert probability * quote.odds_milli / 1000.0 < 1.0 + 1e-3, (key, quote)


def test_a_book_sum_by_type_overrides_the_common_one() -> None:
    board = FixtureBoard(["m/1x2", "m/correct_score", "m/double_chance"], ladder=FINE)
    margin = Margin(book_milli=1_040, book_milli_by_type={"correct_score": 1_200})
    quotes = board.quotes(MODEL, MatchState(), margin)
    books = {key: sum(1000.0 / quote.odds_milli for quote in row) for key, row in quotes.items()}
    assert books["m/1x2"] == pytest.approx(1.04, abs=1e-3)
    assert books["m/correct_score"] == pytest.approx(1.2, abs=5e-3)
    assert books["m/double_chance"] == pytest.approx(2.08, abs=2e-3)
    wider = board.quotes(MODEL, MatchState(), Margin(book_milli=1_100))
    assert sum(1000.0 / quote.odds_milli for quote in wider["m/1x2"]) == pytest.approx(
        1.1, abs=1e-3
    )


def test_shins_method_quotes_a_market_of_two_winners_by_the_odds_ratio() -> None:
    board = FixtureBoard(["m/double_chance"])
    shin = board.quotes(MODEL, MatchState(), Margin(method=Method.SHIN))
    assert shin == board.quotes(MODEL, MatchState(), Margin(method=Method.ODDS_RATIO))


def test_outcomes_that_the_score_has_decided_are_not_offered() -> None:
    state = MatchState(period=Period.FIRST_HALF, clock_s=1200, first_half=Score(home=3))
    quotes = BOARD.quotes(MODEL, state, Margin())
    assert [quote.active for quote in quotes["m/total?total=2.5"]] == [False, False]
    assert [quote.active for quote in quotes["m/total?total=4.75"]] == [True, True]
    names = BOARD.outcomes("m/correct_score")
    offered = {
        name for name, quote in zip(names, quotes["m/correct_score"], strict=True) if quote.active
    }
    assert offered <= {f"{home}:{away}" for home in (3, 4) for away in range(5)} | {"other"}


def test_skew_moves_the_odds_of_the_market_whose_book_is_unequal() -> None:
    board = FixtureBoard(["m/1x2", "m/total?total=2.5"], ladder=FINE)
    plain = board.quotes(MODEL, MatchState(), Margin())
    payouts = np.array((0, 0, 0, 50_000, 0))
    figures = BookFigures(payouts // 2, payouts)
    for skew in (
        LinearSkew(scale_minor=100_000),
        LogOddsSkew(scale_minor=100_000),
        OptimalSkew(risk_minor=100_000),
    ):
        skewed = board.quotes(MODEL, MatchState(), Margin(), skew=skew, figures=figures)
        # Without a book the optimal skew still spreads the margin as its demand model implies.
        unskewed = [quote.odds_milli for quote in plain["m/1x2"]]
        tolerance = 2e-2 if isinstance(skew, OptimalSkew) else 0.0
        assert [quote.odds_milli for quote in skewed["m/1x2"]] == pytest.approx(
            unskewed, rel=tolerance
        )
        over, under = (quote.odds_milli for quote in skewed["m/total?total=2.5"])
        first, second = (quote.odds_milli for quote in plain["m/total?total=2.5"])
        assert over < first
        assert under > second


def test_a_boards_book_sums_stay_within_the_requested_distance() -> None:
    board = FixtureBoard(["m/1x2", "m/total?total=2.5", "m/both_teams_to_score"])
    for home in np.linspace(0.8, 2.4, 17).tolist():
        model = MatchModel(home_rate=home, away_rate=1.1)
        margin = Margin(book_milli=1_050, book_within_milli=5)
        for row in board.quotes(model, MatchState(), margin).values():
            assert abs(sum(1000.0 / quote.odds_milli for quote in row) - 1.05) <= 5e-3 + 1e-8


def test_an_outcome_too_one_sided_for_the_ladder_has_odds_but_is_not_offered() -> None:
    state = MatchState(period=Period.SECOND_HALF, clock_s=5370, first_half=Score(home=4))
    board = FixtureBoard(["m/1x2"])
    home, draw, away = board.quotes(MODEL, state, Margin())["m/1x2"]
    assert home == Quote(outcome=0, odds_milli=1_010, active=False)
    assert not draw.active
    assert not away.active
    assert min(board.probabilities(MODEL, state)["m/1x2"]) < FAIR_MIN
    assert board.decided(state) == ()


def test_longshots_are_offered_at_the_ladders_longest_odds() -> None:
    model = MatchModel(home_rate=0.9, away_rate=0.7)
    quotes = FixtureBoard(["m/correct_score"], ladder=EXCHANGE).quotes(
        model, MatchState(), Margin(book_milli=1_010)
    )["m/correct_score"]
    longest = [quote for quote in quotes if quote.odds_milli == EXCHANGE.longest_milli]
    assert any(quote.active for quote in longest)
    assert any(not quote.active for quote in longest)


def test_decided_markets_are_those_that_no_further_goal_can_change() -> None:
    board = FixtureBoard(
        [
            "m/1x2", "m/total?total=2.5", "m/total?total=3", "m/total?total=3.25",
            "m/both_teams_to_score", "m/home_clean_sheet", "m/away_clean_sheet",
            "m/first_half_1x2", "m/first_half_total?total=1.5", "m/second_half_total?total=0.5",
            "m/extra_time_1x2", "m/exact_goals?variant=sr:exact_goals:2+",
        ]
    )  # fmt: skip
    state = MatchState(period=Period.FIRST_HALF, clock_s=2790, first_half=Score(home=3))
    assert board.decided(state) == (
        "m/total?total=2.5",
        "m/away_clean_sheet",
        "m/first_half_total?total=1.5",
        "m/exact_goals?variant=sr:exact_goals:2+",
    )
    later = state.at(period=Period.SECOND_HALF, clock_s=6000)
    assert "m/first_half_1x2" in board.decided(later)
    assert "m/1x2" not in board.decided(later)
    full_time = later.at(period=Period.FULL_TIME, clock_s=5400)
    assert set(board.decided(full_time)) == set(board.keys) - {"m/extra_time_1x2"}


@given(model=models(), state=states())
@settings(max_examples=25, deadline=None)
def test_no_outcome_of_a_decided_market_is_offered(model: MatchModel, state: MatchState) -> None:
    quotes = BOARD.quotes(model, state, Margin())
    for key in BOARD.decided(state):
        assert not any(quote.active for quote in quotes[key]), key


@given(state=states())
@settings(max_examples=25, deadline=None)
def test_a_market_with_results_is_decided(state: MatchState) -> None:
    decided = BOARD.decided(state)
    for key in BOARD.results(state):
        assert key in decided


@given(state=states())
@example(
    state=MatchState(
        period=Period.AFTER_EXTRA_TIME,
        first_half=Score(home=2, away=1),
        second_half=Score(away=1),
        extra_first=Score(away=1),
        order="hahaa",
    )
)
@settings(max_examples=25, deadline=None)
def test_results_are_the_plain_settlement_of_every_scope_that_is_over(state: MatchState) -> None:
    first = (state.first_half.home, state.first_half.away)
    second = (state.second_half.home, state.second_half.away)
    match = Match(
        first,
        second,
        (
            state.extra_first.home + state.extra_second.home,
            state.extra_first.away + state.extra_second.away,
        ),
        state.order[: sum(first) + sum(second)],
    )
    ends = {
        Scope.FIRST_HALF: Period.HALF_TIME,
        Scope.SECOND_HALF: Period.FULL_TIME,
        Scope.REGULAR: Period.FULL_TIME,
        Scope.HALVES: Period.FULL_TIME,
        Scope.EXTRA_TIME: Period.AFTER_EXTRA_TIME,
    }
    settled = BOARD.results(state)
    assert set(settled) == {key for key in BOARD.keys if state.period >= ends[scope_of(key)]}
    for key, results in settled.items():
        if not (needs_order(key) and scope_of(key) is Scope.EXTRA_TIME):
            assert results == tuple(settle_key(key, match).values()), key


def test_results_are_those_of_each_markets_own_scope() -> None:
    board = FixtureBoard(["m/1x2", "m/first_half_1x2", "m/second_half_1x2", "m/extra_time_1x2"])
    state = MatchState(
        period=Period.AFTER_EXTRA_TIME,
        first_half=Score(home=2),
        second_half=Score(away=2),
        extra_second=Score(home=1),
    )
    won = {
        key: board.outcomes(key)[[result.won for result in row].index(True)]
        for key, row in board.results(state).items()
    }
    assert won == {
        "m/1x2": "draw",
        "m/first_half_1x2": "home",
        "m/second_half_1x2": "away",
        "m/extra_time_1x2": "home",
    }
    half_time = MatchState(period=Period.HALF_TIME, first_half=Score(home=2))
    assert list(board.results(half_time)) == ["m/first_half_1x2"]
    assert board.results(half_time)["m/first_half_1x2"][0] == OutcomeResult(won=True)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([], ValueError),
        (["m/1x2", "m/1x2"], ValueError),
        (["m/1x2", "n/draw_no_bet"], ValueError),
        (["m/no_such_type"], MarketTypeError),
        (["m/total?total=2.3"], MarketTypeError),
        (["not a key"], MalformedIdError),
    ],
)
def test_invalid_keys_are_refused(keys: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        FixtureBoard(keys)


@pytest.mark.parametrize("book_milli", [999, 2_001])
def test_a_book_sum_out_of_bounds_is_refused(book_milli: int) -> None:
    with pytest.raises(ValueError, match="book_milli"):
        Margin(book_milli=book_milli)
    with pytest.raises(ValueError, match="1x2"):
        Margin(book_milli_by_type={"1x2": book_milli})


def test_a_market_not_on_the_board_raises_key_error() -> None:
    with pytest.raises(KeyError):
        FixtureBoard(["m/1x2"]).outcomes("m/odd_even")


def test_a_board_quotes_on_its_own_ladder() -> None:
    quotes = FixtureBoard(["m/1x2"], ladder=CENTS).quotes(MODEL, MatchState(), Margin())
    assert all(quote.odds_milli in CENTS.prices_milli for quote in quotes["m/1x2"])


def test_no_outcome_is_offered_at_a_score_that_the_dependence_rules_out() -> None:
    """At ``rates * rho = 1`` the chance of 0:0 is 0, so the model gives the state no mass."""
    model = MatchModel(home_rate=2.0, away_rate=2.0, dependence=0.25, second_half_stoppage_s=0)
    state = MatchState(period=Period.SECOND_HALF, clock_s=5400)
    quotes = FixtureBoard(["m/1x2"]).quotes(model, state, Margin())["m/1x2"]
    assert not any(quote.active for quote in quotes)


def test_quotes_repeat_to_the_last_digit() -> None:
    first = BOARD.quotes(MODEL, MatchState(), Margin())
    for other in (MatchState(period=Period.FIRST_HALF, clock_s=300), MatchState()):
        last = BOARD.quotes(MODEL, other, Margin())
    assert last == first
    assert BOARD.fixture == "m"
