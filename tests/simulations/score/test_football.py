"""A model that is right has no claim far off; one that is wrong is found, and so is who pays."""

import random

import pytest

from engine.common.commands import OutcomeResult
from engine.pricing.football.fixture_board import FixtureBoard, Margin
from engine.pricing.football.model import MatchModel, MatchState, Score
from simulations.score.__main__ import main
from simulations.score.football import (
    profit,
    score_before_start,
    score_in_play,
)
from simulations.score.seasons import Goal, ScoredMatch
from simulations.score.tally import new_score

MARGIN = Margin(book_milli=1_060)
TRUE = MatchModel(home_rate=1.6, away_rate=1.1, first_half_share=0.45, second_half_stoppage_s=300)
"""The second half of the drawn matches lasts 50 minutes."""


def drawn_matches(number: int, seed: int) -> list[ScoredMatch]:
    """Return matches of TRUE, offered at fair odds: each goal by hand, none by the engine."""
    rng = random.Random(seed)
    board = FixtureBoard(["m/1x2", "m/total?total=2.5"])
    fair = board.probabilities(TRUE, MatchState())
    odds = {key.removeprefix("m/"): tuple(1 / p for p in row) for key, row in fair.items()}
    slope = 4 - 8 * TRUE.first_half_share
    matches = []
    for name in range(number):
        goals = []
        for half, minutes in ((1, 45), (2, 50)):
            for minute in range(1, minutes + 1):
                part = ((minute - 0.5) / minutes + half - 1) / 2
                intensity = (1 + slope * (part - 0.5)) / 2 / minutes
                for side, rate in (("home", TRUE.home_rate), ("away", TRUE.away_rate)):
                    if rng.random() < rate * intensity:
                        goals.append(Goal(half, 60 * (minute + 45 * (half - 1)), side))
        first, second = (
            Score(**{side: sum(g.half == half and g.side == side for g in goals)
                     for side in ("home", "away")})
            for half in (1, 2)
        )  # fmt: skip
        matches.append(ScoredMatch(str(name), odds, first, second, tuple(goals), order_known=True))
    return matches


MATCHES = drawn_matches(600, seed=1)


def test_a_right_model_has_no_claim_far_off():
    score = new_score()
    score_before_start(MATCHES[:300], base=TRUE, margin=MARGIN, score=score)
    score_in_play(MATCHES[:300], base=TRUE, margin=MARGIN, score=score, minutes=(30, 80))
    claims = list(score.claims.rows())
    assert len(claims) > 150
    common = [row for row in claims if row.matches * min(row.expected, 1 - row.expected) > 20]
    assert max(abs(row.distance) for row in common) < 4.5
    earned = [row for row in score.returns.rows() if row.matches > 150 and row.error < 0.2]
    assert len(earned) > 100
    assert max(row.distance for row in earned) < 4.5
    assert score.refused == {}


def test_a_model_without_stoppage_is_found_late_in_the_match():
    score = new_score()
    wrong = MatchModel(
        home_rate=1.4, away_rate=1.1, first_half_stoppage_s=0, second_half_stoppage_s=0
    )
    score_in_play(MATCHES, base=wrong, margin=MARGIN, score=score, minutes=(85,))
    claims = {row.name: row for row in score.claims.rows()}
    assert claims["85' another goal"].distance > 4.5
    assert claims["85' one ahead wins"].distance < -3.5


def test_bets_of_different_minutes_are_not_averaged() -> None:
    """How many minutes have a market depends on what falls later: their mean is no return."""
    score = new_score()
    score_in_play(MATCHES[:20], base=TRUE, margin=MARGIN, score=score, minutes=(15, 60))
    minutes = [row.name.partition(" ")[0] for row in score.returns.rows()]
    assert set(minutes) == {"15'", "60'"}


def test_odds_that_no_model_has_are_counted_by_reason():
    score = new_score()
    odds = {"1x2": (1.5, 3.0, 50.0), "total?total=2.5": (50.0, 1.01)}
    match = ScoredMatch("m", odds, Score(), Score(), (), order_known=False)
    score_before_start([match], base=TRUE, margin=MARGIN, score=score)
    assert sum(score.refused.values()) == 1
    assert list(score.claims.rows()) == []


def test_matches_without_an_order_of_goals_do_not_settle_markets_on_it():
    score = new_score()
    match = MATCHES[0]._replace(goals=(), order_known=False)
    score_before_start([match], base=TRUE, margin=MARGIN, score=score)
    names = [row.name for row in score.claims.rows()]
    assert "1x2 home" in names
    assert not any("next_goal" in name or "last_goal" in name for name in names)


@pytest.mark.parametrize(
    ("result", "brought"),
    [
        (OutcomeResult(won=True), 1.5),
        (OutcomeResult(won=False), -1.0),
        (OutcomeResult(won=True, void_halves=1), 0.75),
        (OutcomeResult(won=False, void_halves=1), -0.5),
        (OutcomeResult(won=False, void_halves=2), 0.0),
        (OutcomeResult(won=True, dead_heat_den=2), 0.25),
    ],
)
def test_a_bet_brings_what_its_result_pays(result, brought):
    assert profit(2_500, result) == pytest.approx(brought)


def test_the_command_prints_tables_and_compares_two_models(tmp_path, capsys):
    path = tmp_path / "season.csv"
    rows = "".join(
        f"A,B,{m.first_half.home + m.second_half.home},{m.first_half.away + m.second_half.away},"
        f"{m.first_half.home},{m.first_half.away},1.9,3.6,4.4,1.9,1.9\n"
        for m in MATCHES[:20]
    )
    path.write_text(
        "HomeTeam,AwayTeam,FTHG,FTAG,HTHG,HTAG,PSCH,PSCD,PSCA,BbAv>2.5,BbAv<2.5\n" + rows + "A,B\n"
    )
    arguments = ["football", str(path), "--set", "first_half_share=0.4"]
    assert main([*arguments, "--against", "first_half_share=0.5"]) == 0
    shown = capsys.readouterr()
    assert "## Football: first_half_share=0.4" in shown.out
    assert "| 1x2 | 20 |" in shown.out
    assert "## Log-loss of the second less the first" in shown.out
    assert "passed over: season.csv: line 22" in shown.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["football", "none.csv"], "none.csv"),
        (["football", "--set", "first_half_share=2"], "first_half_share"),
        (["football", "--set", "speed=2"], "speed"),
        (["football", "--set", "first_half_share=x"], "x"),
    ],
)
def test_the_command_names_what_it_cannot_use(arguments, why, capsys):
    assert main(arguments) == 2
    assert why in capsys.readouterr().err
