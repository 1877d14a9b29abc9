"""Football's pricing kernel: published figures, plain twins, simulation and laws of probability."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings

from engine.common.ids import parse_market_key
from engine.pricing.football.axes import Scope
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState, Period, Score
from tests.engine.pricing.football import model_twin
from tests.engine.pricing.football.settlement_twin import (
    Match,
    needs_order,
    scope_of,
    settle_key,
    winners_between,
)
from tests.engine.pricing.football.strategies import BOARD, assert_adds_up, models, states


@given(model=models(), state=states())
@example(  # red cards raise the rates: the twin's grid must be long enough for them
    model=MatchModel(home_rate=2.0, away_rate=1.0), state=MatchState(away_red_cards=2)
)
@example(  # a dependence that changes the chances of both halves' scores
    model=MatchModel(home_rate=1.4, away_rate=1.1, dependence=-0.2),
    state=MatchState(period=Period.SECOND_HALF, clock_s=3000, first_half=Score(away=1)),
)
@settings(max_examples=40, deadline=None)
def test_every_chance_of_every_market_equals_the_plain_twin(
    model: MatchModel, state: MatchState
) -> None:
    priced = BOARD.chances(model, state)
    grids = {
        scope: model_twin.score_grid(model, state, scope) for scope in model_twin.ONE_SCORE_SCOPES
    }
    for key in BOARD.keys:
        scope = scope_of(key)
        if needs_order(key) or scope is Scope.HALVES:
            continue  # not a function of one score: test_joint_axes.py and test_goal_order.py
        parsed = parse_market_key(key)
        expected = model_twin.chances(grids[scope], parsed.type, parsed.specifiers)
        assert priced[key] == pytest.approx(np.array(expected), abs=1e-10), key


@given(model=models(), state=states())
@example(  # a refund of home_no_bet is certain but for 3e-8
    model=MatchModel(home_rate=2.854704841050292, away_rate=1.183686661932467),
    state=MatchState(period=Period.SECOND_HALF, clock_s=3290, first_half=Score(home=8)),
)
@settings(max_examples=60, deadline=None)
def test_fair_probabilities_of_a_market_add_up_to_its_winners(
    model: MatchModel, state: MatchState
) -> None:
    chances = BOARD.chances(model, state)
    for key, fair in BOARD.probabilities(model, state).items():
        assert_adds_up(chances[key], fair, winners_between(key))


def fair_odds_return(chance: np.ndarray, odds: float) -> float:
    win, half_win, push, half_lose = chance
    return win * odds + half_win * 0.5 * (odds + 1.0) + push + half_lose * 0.5


@given(model=models(), state=states())
@settings(max_examples=30, deadline=None)
def test_fair_odds_return_the_stake_on_average(model: MatchModel, state: MatchState) -> None:
    chances = BOARD.chances(model, state)
    for key, fair in BOARD.probabilities(model, state).items():
        for chance, p in zip(chances[key], fair, strict=True):
            if p > 1e-6:
                assert fair_odds_return(chance, 1.0 / p) == pytest.approx(1.0, abs=1e-6)


FEED = {"home_rate": (2.93922 + 0.2694) / 2, "away_rate": (2.93922 - 0.2694) / 2}
NO_STOPPAGE = {"first_half_stoppage_s": 0, "second_half_stoppage_s": 0}
KEYS = ("m/1x2", "m/total?total=2.5", "m/both_teams_to_score")


def test_dixon_coles_gives_the_known_figures_for_a_feeds_rates() -> None:
    fair = FixtureBoard(KEYS).probabilities(MatchModel(**FEED, dependence=-0.10), MatchState())
    assert fair["m/1x2"] == pytest.approx((0.42658, 0.26608, 0.30734), abs=5e-6)
    assert fair["m/total?total=2.5"][0] == pytest.approx(0.56306, abs=5e-6)
    assert fair["m/both_teams_to_score"][0] == pytest.approx(0.60003, abs=5e-6)


def test_a_feeds_own_probabilities_are_within_half_a_percent_of_the_model() -> None:
    fair = FixtureBoard(KEYS).probabilities(MatchModel(**FEED, dependence=-0.10), MatchState())
    assert fair["m/1x2"] == pytest.approx((0.425694, 0.267471, 0.306834), abs=0.002)
    assert fair["m/total?total=2.5"][0] == pytest.approx(0.559319, abs=0.005)
    assert fair["m/both_teams_to_score"][0] == pytest.approx(0.598304, abs=0.002)


def test_dependence_changes_the_four_low_scores_and_no_total() -> None:
    board = FixtureBoard(
        ["m/correct_score", "m/total?total=2.5", "m/home_total?total=1.5", "m/home_clean_sheet"]
    )
    plain = board.probabilities(MatchModel(**FEED), MatchState())
    dependent = board.probabilities(MatchModel(**FEED, dependence=-0.10), MatchState())
    names = board.outcomes("m/correct_score")
    for name, before, after in zip(
        names, plain["m/correct_score"], dependent["m/correct_score"], strict=True
    ):
        assert (abs(before - after) > 1e-4) == (name in {"0:0", "1:0", "0:1", "1:1"})
    for key in board.keys[1:]:
        assert dependent[key] == pytest.approx(plain[key], abs=1e-12)


@given(model=models(), state=states())
@settings(max_examples=40, deadline=None)
def test_expected_returns_are_monotone_in_the_line(model: MatchModel, state: MatchState) -> None:
    lines = [quarter / 4 for quarter in range(1, 33)]
    board = FixtureBoard(
        [f"m/total?total={line}" for line in lines]
        + [f"m/handicap?hcp={line - 4}" for line in lines]
    )
    chances = board.chances(model, state)

    def expected_return(key: str) -> float:
        win, half_win, push, half_lose = chances[key][0]
        return float(win + 0.75 * half_win + 0.5 * push + 0.25 * half_lose)

    over = [expected_return(f"m/total?total={line}") for line in lines]
    home = [expected_return(f"m/handicap?hcp={line - 4}") for line in lines]
    assert all(a >= b - 1e-12 for a, b in pairwise(over))
    assert all(a <= b + 1e-12 for a, b in pairwise(home))


@given(model=models(), state=states())
@settings(max_examples=40, deadline=None)
def test_asian_handicaps_obey_their_identities(model: MatchModel, state: MatchState) -> None:
    board = FixtureBoard(
        ["m/1x2", "m/draw_no_bet"] + [f"m/handicap?hcp={h}" for h in (-0.5, -0.25, 0, 0.25, 0.5)]
    )
    fair = board.probabilities(model, state)
    chances = board.chances(model, state)
    home, draw, away = fair["m/1x2"]
    assert fair["m/handicap?hcp=-0.5"] == pytest.approx((home, draw + away), abs=1e-10)
    assert fair["m/handicap?hcp=0.5"] == pytest.approx((home + draw, away), abs=1e-10)
    assert fair["m/handicap?hcp=0"] == fair["m/draw_no_bet"]
    if home + away > 1e-6:
        expected = home / (home + away), away / (home + away)
        assert fair["m/draw_no_bet"] == pytest.approx(expected, abs=1e-9)
    half_lost = chances["m/handicap?hcp=-0.25"][0]
    assert half_lost == pytest.approx((home, 0.0, 0.0, draw), abs=1e-10)
    half_won = chances["m/handicap?hcp=0.25"][0]
    assert half_won == pytest.approx((home, draw, 0.0, 0.0), abs=1e-10)


@pytest.mark.parametrize("clock_s", [5400, 5401, 6000])
def test_at_minute_ninety_chances_equal_the_results_of_the_score(clock_s: int) -> None:
    model = MatchModel(**FEED, **NO_STOPPAGE, dependence=-0.1)
    state = MatchState(
        period=Period.SECOND_HALF,
        clock_s=clock_s,
        first_half=Score(home=1),
        second_half=Score(away=1),
    )
    regular = [key for key in BOARD.keys if not key.startswith(("m/extra", "m/first", "m/second"))]
    board = FixtureBoard(regular)
    for key, chances in board.chances(model, state).items():
        settled = settle_key(key, Match((1, 0), (0, 1), order="ha"))
        for row, result in zip(chances, settled.values(), strict=True):
            column = model_twin.column(result)
            assert row.tolist() == [float(column == i) for i in range(4)], key


def test_expected_stoppage_leaves_goals_to_come_at_minute_ninety() -> None:
    state = MatchState(period=Period.SECOND_HALF, clock_s=5400)
    board = FixtureBoard(["m/total?total=0.5"])
    without = board.probabilities(MatchModel(**FEED, **NO_STOPPAGE), state)["m/total?total=0.5"]
    with_stoppage = board.probabilities(MatchModel(**FEED, second_half_stoppage_s=300), state)
    assert without == (0.0, 1.0)
    assert 0.1 < with_stoppage["m/total?total=0.5"][0] < 0.3


def test_a_model_expects_stoppage_unless_it_says_otherwise() -> None:
    """At 1:1 at 89:30 with some 2.8 goals a match, over 2.5 is fair at about 6."""
    state = MatchState(
        period=Period.SECOND_HALF, clock_s=5370, first_half=Score(home=1), second_half=Score(away=1)
    )
    fair = FixtureBoard(["m/total?total=2.5", "m/first_half_total?total=0.5"])
    model = MatchModel(home_rate=1.6, away_rate=1.25)
    over = fair.probabilities(model, state)["m/total?total=2.5"][0]
    assert 5.5 < 1.0 / over < 7.0
    state = MatchState(period=Period.FIRST_HALF, clock_s=2700)
    assert fair.probabilities(model, state)["m/first_half_total?total=0.5"][0] > 0.03


def test_a_red_card_weighs_as_much_as_was_measured() -> None:
    """Of equal sides, ten men score the next goal about once for three of the eleven."""
    model = MatchModel(home_rate=1.3, away_rate=1.3)
    state = MatchState(period=Period.SECOND_HALF, clock_s=3600, home_red_cards=1)
    board = FixtureBoard(["m/next_goal?goalnr=1"])
    home, _, away = board.probabilities(model, state)["m/next_goal?goalnr=1"]
    assert home / away == pytest.approx(0.56 / 1.65)


def test_first_half_share_is_the_share_of_expected_goals_before_half_time() -> None:
    model = MatchModel(home_rate=1e-4, away_rate=1e-4, first_half_share=0.45)
    board = FixtureBoard(
        [f"m/{scope}total?total=0.5" for scope in ("", "first_half_", "second_half_")]
    )
    fair = board.probabilities(model, MatchState())
    regular, first, second = (fair[key][0] for key in board.keys)
    assert first / regular == pytest.approx(0.45, abs=1e-3)
    assert second / regular == pytest.approx(0.55, abs=1e-3)


def test_goals_are_likelier_late_in_a_half() -> None:
    model = MatchModel(home_rate=1e-4, away_rate=1e-4)
    board = FixtureBoard(["m/first_half_total?total=0.5"])
    key = board.keys[0]

    def chance_of_a_goal(clock_s: int) -> float:
        state = MatchState(period=Period.FIRST_HALF, clock_s=clock_s)
        return board.probabilities(model, state)[key][0]

    assert chance_of_a_goal(0) - chance_of_a_goal(900) < chance_of_a_goal(1800) - chance_of_a_goal(
        2700
    )


def test_half_time_changes_no_chance() -> None:
    model = MatchModel(**FEED, **NO_STOPPAGE, dependence=-0.1)
    end = MatchState(period=Period.FIRST_HALF, clock_s=2700, first_half=Score(home=1))
    before = BOARD.chances(model, end)
    for state in (
        end.at(period=Period.HALF_TIME, clock_s=2700),
        end.at(period=Period.SECOND_HALF, clock_s=2700),
    ):
        for key, chances in BOARD.chances(model, state).items():
            assert chances == pytest.approx(before[key], abs=1e-12), key


def test_a_goal_in_extra_time_moves_no_regular_time_market() -> None:
    model = MatchModel(**FEED)
    board = FixtureBoard(["m/1x2", "m/total?total=2.5", "m/extra_time_1x2"])
    state = MatchState(
        period=Period.EXTRA_FIRST, clock_s=5700, first_half=Score(home=1), second_half=Score(away=1)
    )
    before = board.probabilities(model, state)
    after = board.probabilities(model, state.scored(side="home"))
    assert before["m/1x2"] == after["m/1x2"] == (0.0, 1.0, 0.0)
    assert before["m/total?total=2.5"] == after["m/total?total=2.5"] == (0.0, 1.0)
    assert after["m/extra_time_1x2"][0] > before["m/extra_time_1x2"][0] + 0.2


def test_a_red_card_helps_the_opponents() -> None:
    board = FixtureBoard(["m/1x2"])
    model = MatchModel(**FEED)
    level = board.probabilities(model, MatchState(period=Period.FIRST_HALF, clock_s=600))["m/1x2"]
    short = board.probabilities(
        model, MatchState(period=Period.FIRST_HALF, clock_s=600, home_red_cards=1)
    )["m/1x2"]
    assert short[0] < level[0]
    assert short[2] > level[2]


def simulate(
    model: MatchModel, clock_s: int, score: tuple[int, int], runs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Simulate matches goal by goal; return half-time scores, final scores and weights.

    Goal times are drawn by thinning a faster process; a path's weight is the Dixon-Coles factor of
    its final score, which is what the dependence means.
    """
    rng = np.random.default_rng(seed)
    start = clock_s / 5400
    peak = 3.0 - 4.0 * model.first_half_share
    first = np.zeros((runs, 2), np.int64) + score
    full = first.copy()
    for side, rate in enumerate((model.home_rate, model.away_rate)):
        candidates = rng.poisson(rate * peak * (1.0 - start), runs)
        owner = np.repeat(np.arange(runs), candidates)
        at = start + (1.0 - start) * rng.random(len(owner))
        kept = rng.random(len(owner)) * peak < 1.0 + (4 - 8 * model.first_half_share) * (at - 0.5)
        np.add.at(full[:, side], owner[kept], 1)
        np.add.at(first[:, side], owner[kept & (at < 0.5)], 1)
    weights = np.array([model_twin.dixon_coles(model, *final) for final in full.tolist()])
    return first, full, weights


@pytest.mark.parametrize(("clock_s", "score"), [(0, (0, 0)), (1500, (0, 1)), (2400, (1, 1))])
def test_probabilities_agree_with_a_simulation_of_the_same_process(
    clock_s: int, score: tuple[int, int]
) -> None:
    model = MatchModel(**FEED, **NO_STOPPAGE, dependence=-0.12, first_half_share=0.42)
    state = MatchState(
        period=Period.FIRST_HALF, clock_s=clock_s, first_half=Score(home=score[0], away=score[1])
    )
    runs = 60_000
    first, full, weights = simulate(model, clock_s, score, runs, seed=2022 + clock_s)
    board = FixtureBoard(
        [
            "m/1x2", "m/total?total=2.5", "m/both_teams_to_score", "m/correct_score",
            "m/first_half_1x2", "m/first_half_total?total=1.5", "m/second_half_1x2",
            "m/second_half_correct_score", "m/handicap?hcp=-0.5",
        ]
    )  # fmt: skip
    settled: dict[tuple[int, ...], dict[str, list[bool]]] = {}
    wins = {key: np.zeros((runs, len(board.outcomes(key)))) for key in board.keys}
    for run, (half, final) in enumerate(zip(first.tolist(), full.tolist(), strict=True)):
        path = (*half, *final)
        if path not in settled:
            match = Match((half[0], half[1]), (final[0] - half[0], final[1] - half[1]))
            settled[path] = {
                key: [result.won for result in settle_key(key, match).values()]
                for key in board.keys
            }
        for key, won in settled[path].items():
            wins[key][run] = won
    for key, fair in board.probabilities(model, state).items():
        mean = (wins[key] * weights[:, None]).sum(axis=0) / weights.sum()
        error = np.sqrt(np.array(fair) * (1.0 - np.array(fair)) / runs) + 1e-5
        assert (np.abs(mean - np.array(fair)) < 4.5 * error).all(), key
