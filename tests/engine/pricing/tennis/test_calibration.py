"""Tennis calibration: recover serves from their own odds, and refuse odds without serves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing.margin import Method, add_margin
from engine.pricing.sport import MarketTypeError, SportBoard
from engine.pricing.tennis.calibration import (
    TOLERANCE,
    TennisCalibrated,
    TennisFit,
    TennisRefused,
    calibrate_tennis,
)
from engine.pricing.tennis.sport import SetScore, TennisModel, TennisState


def odds_of(model: TennisModel, state: TennisState, line: str) -> list[tuple[float, ...]]:
    """Return the odds of winner and total with a margin of five per cent."""
    board = SportBoard("tennis", ["m/winner", f"m/total_games?total={line}"])
    quoted = []
    for fair in board.probabilities(model, state).values():
        solved = add_margin(fair, book=1.05, method=Method.ODDS_RATIO)
        quoted.append(solved.values)  # type: ignore[union-attr]
    return quoted


@given(mean=st.floats(0.56, 0.72), gap=st.floats(-0.14, 0.14), best_of=st.sampled_from((3, 5)))
@settings(max_examples=30, deadline=None)
def test_calibration_recovers_the_serves_that_gave_the_odds(
    mean: float, gap: float, best_of: int
) -> None:
    model = TennisModel(home_serve=mean + gap / 2, away_serve=mean - gap / 2)
    state = TennisState(best_of=best_of)  # type: ignore[arg-type]
    line = "22.5" if best_of == 3 else "38.5"
    winner, total = odds_of(model, state, line)
    found = calibrate_tennis(winner, total=(line, total), state=state)
    assert isinstance(found, TennisCalibrated)
    assert found.error <= TOLERANCE
    assert found.model.home_serve == pytest.approx(model.home_serve, abs=1e-6)
    assert found.model.away_serve == pytest.approx(model.away_serve, abs=1e-6)


def test_without_a_total_the_given_mean_is_used() -> None:
    found = calibrate_tennis((1.5, 2.6), mean=0.65)
    assert isinstance(found, TennisCalibrated)
    assert found.model.home_serve + found.model.away_serve == pytest.approx(1.3)
    assert found.model.home_serve > found.model.away_serve


def test_odds_in_play_are_calibrated_from_their_score() -> None:
    state = TennisState(sets=(SetScore(home=6, away=3),), games=SetScore(away=2), serving="home")
    model = TennisModel(home_serve=0.63, away_serve=0.64)
    winner, total = odds_of(model, state, "22.5")
    found = calibrate_tennis(winner, total=("22.5", total), state=state)
    assert isinstance(found, TennisCalibrated)
    assert found.model.away_serve == pytest.approx(0.64, abs=1e-6)


@pytest.mark.parametrize(
    ("winner", "total", "status"),
    [
        ((1.5,), None, TennisFit.NOT_ODDS),
        ((1.5, 0.9), None, TennisFit.NOT_ODDS),
        ((1.9, 1.9), ("22.5", (1.001, 900.0)), TennisFit.OUT_OF_BOUNDS),
        ((1.9, 1.9), ("22.5", (900.0, 1.001)), TennisFit.OUT_OF_BOUNDS),
    ],
)
def test_odds_that_no_serves_have_are_refused(
    winner: tuple[float, ...], total: tuple[str, tuple[float, ...]] | None, status: TennisFit
) -> None:
    found = calibrate_tennis(winner, total=total)
    assert isinstance(found, TennisRefused)
    assert found.status is status
    assert found.message


def test_an_impossible_line_is_an_error() -> None:
    with pytest.raises(MarketTypeError):
        calibrate_tennis((1.9, 1.9), total=("22.3", (1.9, 1.9)))
