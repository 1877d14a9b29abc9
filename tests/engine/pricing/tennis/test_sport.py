"""Tennis: chances of games, sets and matches from any score, quotes, results and refusals."""

from collections import Counter
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.common.commands import OutcomeResult
from engine.pricing.quoting import Margin
from engine.pricing.sport import MarketTypeError, SportBoard
from engine.pricing.tennis.layout import ADVANTAGE, ENDS, GAMES, POINTS_SIZE
from engine.pricing.tennis.market_types import TENNIS_TYPES
from engine.pricing.tennis.set_nb import (
    game_nb,
    home_won_nb,
    lost_nb,
    set_nb,
    tiebreak_nb,
    won_nb,
)
from engine.pricing.tennis.sport import (
    FORM_SD_MAX,
    SERVE_MAX,
    SERVE_MIN,
    FinalSet,
    PointScore,
    ServePoints,
    SetScore,
    Side,
    TennisModel,
    TennisState,
    set_open,
)
from tests.engine.pricing.tennis import twin

MODEL = TennisModel(home_serve=0.66, away_serve=0.61)
BOARDS = {
    best_of: SportBoard("tennis", [*twin.keys(best_of), *twin.game_keys(best_of)])
    for best_of in (3, 5)
}
REFUND = OutcomeResult(won=False, void_halves=2)

serves = st.floats(0.35, 0.85)
models = st.builds(
    TennisModel, home_serve=serves, away_serve=serves, form_sd=st.sampled_from((0.0, 0.04, 0.08))
)


@st.composite
def states(draw: st.DrawFn) -> TennisState:
    """Draw a possible score by playing points from the start of a match."""
    state = TennisState(
        best_of=draw(st.sampled_from((3, 5))),
        final_set=draw(st.sampled_from(FinalSet)),
        serving=draw(st.sampled_from(("home", "away", None))),
    )
    rng = Random(draw(st.integers(0, 1 << 32)))
    home_chance = draw(st.sampled_from((0.5, 0.5, 0.35, 0.7)))
    for _ in range(draw(st.integers(0, 320))):
        after = state.point(to="home" if rng.random() < home_chance else "away")
        if after.over:
            break
        state = after
    return state


def next_point(model: TennisModel, state: TennisState) -> float:
    """Return the chance that home wins the next point, given all points before."""
    return sum(
        chance * (home if state.serving == "home" else 1.0 - away)
        for chance, (home, away) in twin.posterior(model, state)
    )


def exchanged(counted: ServePoints | None) -> ServePoints | None:
    """Return the counts of a match with its sides exchanged."""
    if counted is None:
        return None
    return ServePoints(
        home_won=counted.away_won,
        home_lost=counted.away_lost,
        away_won=counted.home_won,
        away_lost=counted.home_lost,
    )


# --- points, games, tie-breaks, sets -------------------------------------------------------------


@pytest.mark.parametrize(("p", "won"), [(0.55, 0.6231), (0.60, 0.7357), (0.70, 0.9008)])
def test_the_chance_of_a_game_is_that_of_published_tables(p: float, won: float) -> None:
    assert game_nb(np.zeros((POINTS_SIZE, POINTS_SIZE)), p, 0, 0) == pytest.approx(won, abs=5e-5)


@pytest.mark.parametrize("p", [0.3, 0.5, 0.62, 0.9])
def test_the_chance_of_a_game_equals_its_closed_form(p: float) -> None:
    """p^4 (1 + 4q + 10q^2) + 20 (pq)^3 p^2 / (p^2 + q^2)."""
    q = 1.0 - p
    closed = p**4 * (1 + 4 * q + 10 * q * q) + 20 * (p * q) ** 3 * p * p / (p * p + q * q)
    assert game_nb(np.zeros((POINTS_SIZE, POINTS_SIZE)), p, 0, 0) == pytest.approx(
        closed, abs=1e-14
    )


@given(p=serves, own=st.integers(0, 3), other=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_a_game_equals_its_plain_twin(p: float, own: int, other: int) -> None:
    table = np.full((POINTS_SIZE, POINTS_SIZE), 7.0)
    assert game_nb(table, p, own, other) == pytest.approx(twin.game(p, own, other), abs=1e-12)


@given(
    home=serves, away=serves, to=st.sampled_from((7, 10)), first=st.integers(0, 1),
    points=st.tuples(st.integers(0, 14), st.integers(0, 14)),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_tie_break_equals_its_plain_twin(
    home: float, away: float, to: int, first: int, points: tuple[int, int]
) -> None:
    assume(max(points) < to or abs(points[0] - points[1]) < 2)
    table = np.full((POINTS_SIZE, POINTS_SIZE), 7.0)
    assert tiebreak_nb(table, to, first, *points, home, away) == pytest.approx(
        twin.tiebreak(to, first, (home, away), *points), abs=1e-10
    )


def row_of(home: int, away: int) -> int:
    """Return the row of a final score as the layout documents it.

    Rows 0 to 6 are home's 6:0 to 6:4, 7:5 and 7:6, rows 7 to 13 away's; from 14 on rows alternate
    between home and away: 8:6, 6:8, 9:7, 7:9, ...
    """
    short = [(6, 0), (6, 1), (6, 2), (6, 3), (6, 4), (7, 5), (7, 6)]
    order = [*short, *((lost, won) for won, lost in short)]
    for lost in range(6, 80):
        order += [(lost + 2, lost), (lost, lost + 2)]
    return order.index((home, away))


def test_the_first_server_does_not_change_the_chance_of_a_tie_break() -> None:
    """Both sides serve nearly equally often; Riddle (1988) proves the like for a set."""
    table = np.zeros((POINTS_SIZE, POINTS_SIZE))
    sides = [tiebreak_nb(table, 7, first, 0, 0, 0.7, 0.6) for first in (0, 1)]
    assert sides[0] == pytest.approx(sides[1], abs=1e-12)


@given(home=serves, away=serves, first=st.integers(0, 1), how=st.sampled_from(("7", "advantage")))
@settings(max_examples=25, deadline=None)
def test_a_set_equals_its_plain_twin(home: float, away: float, first: int, how: str) -> None:
    ends, games = np.zeros(ENDS), np.zeros((GAMES, 2))
    held, lost = twin.game(home), 1.0 - twin.game(away)
    set_nb(
        ends, games, np.zeros((7, 7)), ADVANTAGE if how == "advantage" else 0, 0, 0, first,
        held if first == 0 else lost, held, lost, twin.tiebreak(7, first, (home, away)),
    )  # fmt: skip
    expected = twin.set_ends((home, away), first, how)
    for (home_games, away_games), chance in expected.items():
        if max(home_games, away_games) > 60:
            continue
        row = row_of(home_games, away_games)
        assert ends[row] == pytest.approx(chance, abs=1e-11), (home_games, away_games)
        assert (won_nb(row), lost_nb(row)) == (
            max(home_games, away_games),
            min(home_games, away_games),
        )
        assert home_won_nb(row) == (home_games > away_games)
    assert ends.sum() == pytest.approx(1.0, abs=1e-12)
    assert games[0].sum() == pytest.approx(1.0, abs=1e-12)


# --- whole boards --------------------------------------------------------------------------------


@pytest.mark.parametrize("how", FinalSet)
@pytest.mark.parametrize("serve", [(0.66, 0.61), (0.52, 0.71)])
def test_every_market_on_a_certain_day_equals_the_sum_over_all_matches(
    how: FinalSet, serve: tuple[float, float]
) -> None:
    played = twin.matches(serve, 3, twin.FINAL_SETS[how])
    model = TennisModel(home_serve=serve[0], away_serve=serve[1], form_sd=0.0)
    found = BOARDS[3].probabilities(model, TennisState(final_set=how))
    for key in twin.keys(3):
        expected = twin.fair(key, BOARDS[3].outcomes(key), played)
        assert found[key] == pytest.approx(expected, abs=1e-5), key


@pytest.mark.parametrize(
    ("best_of", "how", "form_sd"),
    [(3, FinalSet.TIEBREAK_10, 0.0), (5, FinalSet.ADVANTAGE, 0.0), (3, FinalSet.TIEBREAK_7, 0.05)],
)
def test_every_market_agrees_with_simulated_matches(
    best_of: int, how: FinalSet, form_sd: float
) -> None:
    rng, serve, count = Random(20_251), (0.64, 0.6), 3_000
    sets: Counter[twin.Sets] = Counter()
    firsts: Counter[str] = Counter()
    for _ in range(count):
        played, order = twin.simulate(serve, best_of, twin.FINAL_SETS[how], rng, form_sd)
        sets[played] += 1
        firsts[order[4]] += 1
    seen = {(0, key): share / count for key, share in sets.items()}
    board = BOARDS[best_of]
    model = TennisModel(home_serve=serve[0], away_serve=serve[1], form_sd=form_sd)
    found = board.probabilities(model, TennisState(best_of=best_of, final_set=how))
    for key in twin.keys(best_of):
        for model_says, share in zip(
            found[key], twin.fair(key, board.outcomes(key), seen), strict=True
        ):
            reached = sum(
                mass
                for (_, score), mass in seen.items()
                if twin.result(key, board.outcomes(key), score) is not None
            )
            error = (model_says * (1.0 - model_says) / (count * reached)) ** 0.5
            assert abs(model_says - share) <= 4.5 * error + 1e-3, key
    fifth = board.probabilities(model, TennisState(best_of=best_of, final_set=how, serving=None))[
        "m/set_game_winner?gamenr=6|setnr=1"
    ]
    assert sum(fifth) == pytest.approx(1.0)
    assert firsts["h"] / count == pytest.approx(
        SportBoard("tennis", ["m/set_game_winner?gamenr=5|setnr=1"]).fair(
            model, TennisState(best_of=best_of, final_set=how)
        )[0],
        abs=0.035,
    )


@given(model=models, state=states())
@settings(max_examples=60, deadline=None)
def test_a_chance_is_the_mean_of_the_chances_after_the_next_point(
    model: TennisModel, state: TennisState
) -> None:
    """Chances are a martingale: no score has a predictable change of the price."""
    assume(state.serving is not None)
    board, p = BOARDS[state.best_of], next_point(model, state)
    now = board.chances(model, state)
    home = board.chances(model, state.point(to="home"))
    away = board.chances(model, state.point(to="away"))
    for key in board.keys:
        mean = p * home[key] + (1.0 - p) * away[key]
        assert np.abs(now[key] - mean).max() < 1e-11, (key, state)


@given(model=models, state=states())
@settings(max_examples=25, deadline=None)
def test_an_unknown_server_is_either_side_with_a_chance_of_one_half(
    model: TennisModel, state: TennisState
) -> None:
    board = BOARDS[state.best_of]
    sides: tuple[Side, Side] = ("home", "away")
    home, away = (
        board.chances(model, msgspec.structs.replace(state, serving=side)) for side in sides
    )
    unknown = board.chances(model, msgspec.structs.replace(state, serving=None))
    for key in board.keys:
        assert np.abs(unknown[key] - (home[key] + away[key]) / 2).max() < 1e-12, key


@given(model=models, state=states())
@settings(max_examples=40, deadline=None)
def test_the_chances_of_every_market_add_up_to_1(model: TennisModel, state: TennisState) -> None:
    board = BOARDS[state.best_of]
    for key, chances in board.chances(model, state).items():
        assert (chances >= 0.0).all()
        pushed = chances[:, 2]
        if chances.any():
            assert chances[:, 0].sum() + pushed[0] == pytest.approx(1.0, abs=1e-10), key
            assert np.ptp(pushed) < 1e-12
    _check_sums(board, model, state)


def _check_sums(board: SportBoard, model: TennisModel, state: TennisState) -> None:
    """Check that fair probabilities add up to 1, within the error of nearly certain refunds."""
    played = {key: 1.0 - rows[0, 2] for key, rows in board.chances(model, state).items()}
    for key, row in board.probabilities(model, state).items():
        near = 1e-9 + 1e-15 / max(played[key], 1e-15)
        assert sum(row) == pytest.approx(1.0, abs=near) or sum(row) == 0.0, key


@given(model=models, state=states())
@settings(max_examples=25, deadline=None)
def test_exchanging_the_sides_exchanges_their_prices(
    model: TennisModel, state: TennisState
) -> None:
    turned = TennisModel(
        home_serve=model.away_serve, away_serve=model.home_serve, form_sd=model.form_sd
    )
    other: dict[Side | None, Side | None] = {"home": "away", "away": "home", None: None}
    mirrored = TennisState(
        best_of=state.best_of,
        final_set=state.final_set,
        sets=tuple(SetScore(home=score.away, away=score.home) for score in state.sets),
        games=SetScore(home=state.games.away, away=state.games.home),
        points=PointScore(home=state.points.away, away=state.points.home),
        serving=other[state.serving],
        serve_points=exchanged(state.serve_points),
    )
    board = SportBoard("tennis", ["m/winner", "m/set_winner?setnr=1", "m/game_handicap?hcp=0.5"])
    mirror = SportBoard("tennis", ["m/winner", "m/set_winner?setnr=1", "m/game_handicap?hcp=-0.5"])
    for row, back in zip(
        board.probabilities(model, state).values(),
        mirror.probabilities(turned, mirrored).values(),
        strict=True,
    ):
        assert row == pytest.approx(back[::-1], abs=1e-11)


# --- quotes and results --------------------------------------------------------------------------


def test_the_quotes_of_the_documents_example() -> None:
    """The example is worked in docs/sports.md."""
    board = SportBoard("tennis", ["m/winner", "m/total_games?total=22.5", "m/set_winner?setnr=1"])
    odds = board.quotes(TennisModel(home_serve=0.65, away_serve=0.62), TennisState(), Margin())
    assert {key: tuple(quote.odds_milli for quote in row) for key, row in odds.items()} == {
        "m/winner": (1_590, 2_380),
        "m/total_games?total=22.5": (1_970, 1_850),
        "m/set_winner?setnr=1": (1_650, 2_260),
    }


def test_a_decided_market_is_settled_and_not_offered() -> None:
    board = BOARDS[3]
    state = TennisState(sets=(SetScore(home=6, away=4),), games=SetScore(home=5), serving="home")
    quotes = board.quotes(MODEL, state, Margin())
    results = board.results(state)
    assert not any(quote.active for quote in quotes["m/set_winner?setnr=1"])
    assert [result.won for result in results["m/set_winner?setnr=1"]] == [True, False]
    assert [result.won for result in results["m/home_to_win_a_set"]] == [True, False]
    assert "m/winner" not in results
    for key in results:
        assert not any(quote.active for quote in quotes[key]), key


@given(state=states(), seed=st.integers(0, 1 << 20))
@settings(max_examples=15, deadline=None)
def test_a_result_does_not_change_until_the_end_of_the_match(state: TennisState, seed: int) -> None:
    board, rng = BOARDS[state.best_of], Random(seed)
    early = board.results(state)
    while not state.over:
        state = state.point(to="home" if rng.random() < 0.5 else "away")
    last = board.results(state)
    assert {key: last[key] for key in early} == early
    played = tuple((score.home, score.away) for score in state.sets)
    for key in twin.keys(state.best_of):
        names = board.outcomes(key)
        paid = twin.result(key, names, played)
        expected = [REFUND if paid is None else OutcomeResult(won=paid[name] > 0) for name in names]
        assert list(last[key]) == expected, key


def test_a_game_is_settled_by_the_order_of_games_and_refunded_if_not_played() -> None:
    state = TennisState(sets=(SetScore(home=6, away=1),), order="hahhhhh", serving="home")
    results = BOARDS[3].results(state)
    names = {game: f"m/set_game_winner?gamenr={game}|setnr=1" for game in (1, 2, 7, 9)}
    assert [result.won for result in results[names[1]]] == [True, False]
    assert [result.won for result in results[names[2]]] == [False, True]
    assert [result.won for result in results[names[7]]] == [True, False]
    assert results[names[9]] == (REFUND, REFUND)
    unknown = BOARDS[3].results(TennisState(sets=(SetScore(home=6, away=1),)))
    assert names[1] not in unknown
    assert unknown[names[9]] == (REFUND, REFUND)
    quotes = BOARDS[3].quotes(MODEL, TennisState(sets=(SetScore(home=6, away=1),)), Margin())
    assert not any(quote.active for quote in quotes[names[1]])
    whitewash = BOARDS[3].results(TennisState(sets=(SetScore(home=6),)))
    assert [result.won for result in whitewash[names[1]]] == [True, False]


def test_a_retirement_settles_decided_markets_and_refunds_the_others() -> None:
    state = TennisState(
        sets=(SetScore(home=7, away=6),), games=SetScore(away=4), serving="home", retired="away"
    )
    board = SportBoard(
        "tennis", ["m/winner", "m/set_winner?setnr=1", "m/total_games?total=16.5",
                   "m/total_games?total=30.5", "m/set_winner?setnr=2"],
    )  # fmt: skip
    results = board.results(state)
    assert results["m/winner"] == (REFUND, REFUND)
    assert [result.won for result in results["m/set_winner?setnr=1"]] == [True, False]
    # Any continuation has more than 16 games, and some have 31.
    assert [result.won for result in results["m/total_games?total=16.5"]] == [True, False]
    assert results["m/total_games?total=30.5"] == (REFUND, REFUND)
    assert results["m/set_winner?setnr=2"] == (REFUND, REFUND)


@pytest.mark.parametrize(("stands", "won"), [(1, [True, False]), (2, [False, False])])
def test_the_match_winner_of_a_retirement_stands_by_the_house_rule(
    stands: int, won: list[bool]
) -> None:
    state = TennisState(
        sets=(SetScore(home=4, away=6),), retired="away", winner_stands_after_sets=stands
    )
    results = SportBoard("tennis", ["m/winner"]).results(state)["m/winner"]
    assert [result.won for result in results] == won


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"best_of": 4}, "best_of"),
        ({"sets": (SetScore(home=6, away=5),)}, "sets: set 1"),
        ({"sets": (SetScore(home=8, away=6),)}, "sets: set 1"),
        ({"sets": (SetScore(home=6),) * 3}, "sets: set 3"),
        ({"sets": (SetScore(home=6),) * 2, "games": SetScore(home=1)}, "games"),
        ({"games": SetScore(home=6, away=4)}, "games"),
        ({"games": SetScore(home=7, away=6)}, "games"),
        ({"games": SetScore(home=-1)}, "games"),
        ({"points": PointScore(home=4)}, "points"),
        ({"points": PointScore(home=4, away=4)}, "points"),
        ({"points": PointScore(home=-1)}, "points"),
        ({"games": SetScore(home=6, away=6), "points": PointScore(home=7, away=5)}, "points"),
        ({"games": SetScore(home=1), "order": "a"}, "order"),
        ({"sets": (SetScore(home=6, away=1),), "order": "hhhhhha"}, "order"),
        ({"sets": (SetScore(home=6),), "serve_points": ServePoints(home_won=23)}, "serve_points"),
        ({"points": PointScore(away=2), "serve_points": ServePoints(home_lost=1)}, "serve_points"),
        ({"winner_stands_after_sets": 6}, "winner_stands_after_sets"),
    ],
)
def test_an_impossible_score_is_refused(fields: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        msgspec.structs.replace(TennisState(), **fields)
    raw = msgspec.msgpack.encode({key: msgspec.to_builtins(value) for key, value in fields.items()})
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(raw, type=TennisState)


def test_an_advantage_set_continues_past_six_games_all() -> None:
    one_all = (SetScore(home=6), SetScore(away=6))
    long = SetScore(home=11, away=10)
    assert not set_open(long, FinalSet.TIEBREAK_10)
    state = TennisState(sets=one_all, games=long, final_set=FinalSet.ADVANTAGE, serving="away")
    assert not state.tiebreak
    assert state.point(to="home").games == long
    over = TennisState(sets=(*one_all, SetScore(home=12, away=10)), final_set=FinalSet.ADVANTAGE)
    assert over.over
    with pytest.raises(ValueError, match="point"):
        over.point(to="home")


@pytest.mark.parametrize("value", [SERVE_MIN - 1e-9, SERVE_MAX + 1e-9, float("nan")])
def test_a_serve_out_of_bounds_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="home_serve"):
        TennisModel(home_serve=value, away_serve=0.6)


@pytest.mark.parametrize("value", [-1e-9, FORM_SD_MAX + 1e-9, float("nan")])
def test_a_form_out_of_bounds_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="form_sd"):
        TennisModel(home_serve=0.6, away_serve=0.6, form_sd=value)


@pytest.mark.parametrize(
    "market",
    [
        "no_such", "winner?setnr=1", "set_winner", "set_winner?setnr=6", "set_winner?setnr=0",
        "total_games?total=0", "total_games?total=22.25", "total_games?total=120.5",
        "correct_score?variant=sr:correct_score:bestof:4", "set_handicap?hcp=9",
        "set_game_winner?gamenr=14|setnr=1", "game_handicap?hcp=x",
    ],
)  # fmt: skip
def test_an_unknown_market_type_or_specifier_is_refused(market: str) -> None:
    with pytest.raises(MarketTypeError):
        SportBoard("tennis", [f"m/{market}"])


def test_a_market_of_another_format_is_neither_offered_nor_settled() -> None:
    key = "m/exact_sets?variant=sr:exact_sets:bestof:5"
    board = SportBoard("tennis", [key])
    assert not any(quote.active for quote in board.quotes(MODEL, TennisState(), Margin())[key])
    assert board.results(TennisState(sets=(SetScore(home=6),) * 2)) == {}


def test_the_feed_numbers_of_market_types_are_unique() -> None:
    numbers = [row.uof_id for row in TENNIS_TYPES.values() if row.uof_id is not None]
    assert len(set(numbers)) == len(numbers)
    assert {row.name: row.uof_id for row in TENNIS_TYPES.values()}["winner"] == 186


@pytest.mark.parametrize(("home", "away"), [(SERVE_MIN, SERVE_MAX), (SERVE_MAX, SERVE_MAX)])
def test_prices_add_up_to_1_at_the_bounds_of_the_serves(home: float, away: float) -> None:
    model = TennisModel(home_serve=home, away_serve=away)
    state = TennisState(best_of=5, final_set=FinalSet.ADVANTAGE)
    _check_sums(BOARDS[5], model, state)
