"""The form of the day: its days, their chances given play, and what they do to prices."""

from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.pricing.margin import Method, add_margin
from engine.pricing.sport import SportBoard
from engine.pricing.tennis.calibration import TennisCalibrated, calibrate_tennis
from engine.pricing.tennis.sport import (
    FORM_SD,
    FinalSet,
    PointScore,
    ServePoints,
    SetScore,
    Side,
    TennisModel,
    TennisState,
    form_nodes,
)
from tests.engine.pricing.tennis import twin
from tests.engine.pricing.tennis.test_sport import BOARDS, models, states

WINNER = SportBoard("tennis", ["m/winner"])


def home_wins(model: TennisModel, state: TennisState) -> float:
    return float(WINNER.fair(model, state)[0])


def with_winner_at(chance: float, form_sd: float) -> TennisModel:
    """Return the model of a form whose price of home before the match is one over a chance."""
    solved = add_margin((chance, 1.0 - chance), book=1.05, method=Method.ODDS_RATIO)
    found = calibrate_tennis(solved.values, form_sd=form_sd, method=Method.ODDS_RATIO)  # type: ignore[union-attr]
    assert isinstance(found, TennisCalibrated)
    return found.model


def test_the_days_are_the_nodes_of_gauss_and_hermite() -> None:
    expected = twin.nodes(7)
    found = form_nodes()
    assert found[:, 0] == pytest.approx([form for form, _ in expected], abs=1e-12)
    assert np.exp(found[:, 1]) == pytest.approx([chance for _, chance in expected], abs=1e-12)
    variance = sum(chance * form * form for form, chance in expected)
    assert variance == pytest.approx(1.0, abs=1e-12)


@given(model=models, state=states(), counted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_chance_is_the_mean_of_the_days_by_their_chances_given_play(
    model: TennisModel, state: TennisState, counted: bool
) -> None:
    assume(state.serving is not None)
    given_state = state if counted else replace(state, serve_points=None)
    board = BOARDS[state.best_of]
    expected = dict.fromkeys(board.keys, 0.0)
    for mass, (home, away) in twin.posterior(model, given_state):
        certain = TennisModel(home_serve=home, away_serve=away, form_sd=0.0)
        for key, chances in board.chances(certain, given_state).items():
            expected[key] = expected[key] + mass * chances
    for key, chances in board.chances(model, given_state).items():
        assert np.abs(chances - expected[key]).max() < 1e-10, (key, given_state)


@pytest.mark.parametrize("games", [(6, 6), (7, 6), (10, 11), (11, 11), (40, 39), (85, 85)])
@pytest.mark.parametrize("side", ["home", "away"])
def test_a_long_advantage_set_tells_the_day_by_its_score(
    games: tuple[int, int], side: Side
) -> None:
    state = TennisState(
        best_of=3,
        final_set=FinalSet.ADVANTAGE,
        sets=(SetScore(home=6, away=4), SetScore(home=5, away=7)),
        games=SetScore(home=games[0], away=games[1]),
        serving=side,
    )
    model = TennisModel(home_serve=0.66, away_serve=0.6, form_sd=0.06)
    expected = sum(
        mass * home_wins(TennisModel(home_serve=home, away_serve=away, form_sd=0.0), state)
        for mass, (home, away) in twin.posterior(model, state)
    )
    assert home_wins(model, state) == pytest.approx(expected, abs=1e-10)


def test_every_market_before_the_match_equals_the_sum_over_all_matches_of_all_days() -> None:
    model = TennisModel(home_serve=0.63, away_serve=0.6, form_sd=0.05)
    played: dict[tuple[int, twin.Sets], float] = {}
    for chance, serves in twin.prior(model):
        for match, mass in twin.matches(serves, 3, "7").items():
            played[match] = played.get(match, 0.0) + chance * mass
    found = BOARDS[3].probabilities(model, TennisState())
    for key in twin.keys(3):
        expected = twin.fair(key, BOARDS[3].outcomes(key), played)
        assert found[key] == pytest.approx(expected, abs=1e-5), key


@given(model=models, best_of=st.sampled_from((3, 5)))
@settings(max_examples=15, deadline=None)
def test_a_chance_is_the_mean_over_the_scores_of_the_next_set_where_points_are_not_counted(
    model: TennisModel, best_of: int
) -> None:
    """The scores of finished sets alone tell the days apart, and the next price uses them."""
    state = TennisState(best_of=best_of, serving="home")  # type: ignore[arg-type]
    board = BOARDS[best_of]
    for _ in range(best_of // 2):
        now = board.chances(model, state)
        days = [
            (chance, twin.set_ends(serves, state.first_server(), "7"))
            for chance, serves in twin.posterior(model, state)
        ]
        mean = {key: np.zeros_like(row) for key, row in now.items()}
        for home, away in days[0][1]:
            mass = sum(chance * ends[home, away] for chance, ends in days)
            after = replace(
                state,
                sets=(*state.sets, SetScore(home=home, away=away)),
                serving=("home", "away")[(state.first_server() + home + away) % 2],
            )
            for key, chances in board.chances(model, after).items():
                mean[key] += mass * chances
        for key, chances in now.items():
            if "set_game_winner" not in key:  # who won which game is not known afterwards
                assert np.abs(chances - mean[key]).max() < 1e-11, key
        state = replace(state, sets=(SetScore(home=4, away=6),))


def test_play_tells_the_day_and_a_certain_day_cannot_be_told() -> None:
    even = TennisState(games=SetScore(home=2, away=2), serving="home")
    as_usual = ServePoints(home_won=10, home_lost=5, away_won=10, away_lost=5)
    good = ServePoints(home_won=14, home_lost=1, away_won=9, away_lost=6)
    model = TennisModel(home_serve=0.64, away_serve=0.64)
    usual, better = (
        home_wins(model, replace(even, serve_points=points)) for points in (as_usual, good)
    )
    assert better > usual + 0.05
    certain = replace(model, form_sd=0.0)
    assert home_wins(certain, replace(even, serve_points=good)) == home_wins(certain, even)


def test_the_winner_of_the_first_set_is_likelier_to_win_and_matches_are_shorter() -> None:
    """With the same price before the match, the set tells of the day. Both are what was measured:
    independent points say .765 of the first set's winner, where .808 came."""
    lead = TennisState(sets=(SetScore(home=6, away=4),), serving="home")
    certain, formed = (with_winner_at(0.5, form_sd) for form_sd in (0.0, FORM_SD))
    assert home_wins(certain, lead) == pytest.approx(0.75, abs=0.01)
    assert 0.78 < home_wins(formed, lead) < 0.84
    total = SportBoard("tennis", ["m/total_games?total=22.5"])
    over = [float(total.fair(model, TennisState())[0]) for model in (certain, formed)]
    assert over[1] < over[0] - 0.1


@cache
def played_points() -> TennisState:
    """Return a state after points of a game, a set and a tie-break, counted from the start."""
    state = TennisState(serving="home")
    for _ in range(12):  # every server holds, to 30
        server = state.serving
        other = "away" if server == "home" else "home"
        for side in (server, other, server, other, server, server):
            assert side is not None
            state = state.point(to=side)
    for side in ("home", "away", "away"):
        state = state.point(to=side)  # type: ignore[arg-type]
    return state


def test_points_are_counted_by_server_from_the_start() -> None:
    """In the tie-break home serves the first point and away the next two."""
    state = played_points()
    assert (state.games, state.points) == (SetScore(home=6, away=6), PointScore(home=1, away=2))
    assert state.serve_points == ServePoints(home_won=25, home_lost=12, away_won=26, away_lost=12)
    unknown = replace(state, serve_points=None)
    assert unknown.point(to="home").serve_points is None
    assert TennisState().point(to="home").serve_points is None
    assert TennisState(serving="away").point(to="home").serve_points == ServePoints(away_lost=1)


def test_counts_far_beyond_any_match_keep_prices_finite() -> None:
    counted = ServePoints(home_won=2_000, home_lost=2_000, away_won=2_000, away_lost=2_000)
    state = TennisState(serving="home", serve_points=counted)
    for serve in (0.05, 0.5, 0.95):
        model = TennisModel(home_serve=serve, away_serve=serve, form_sd=0.08)
        assert home_wins(model, state) == pytest.approx(0.5, abs=1e-9)
    long = TennisState(sets=(SetScore(home=6),), games=SetScore(home=5, away=5), serving="home")
    assert 0.0 < home_wins(TennisModel(home_serve=0.05, away_serve=0.95), long) < 1.0
