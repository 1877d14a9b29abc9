"""Tennis calibration: recover serves from their own odds, and refuse odds without serves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.pricing.margin import Method, Removal, add_margin, remove_margin
from engine.pricing.sport import MarketTypeError, SportBoard
from engine.pricing.tennis.calibration import (
    LINE_MEAN_MIN,
    MEAN_MAX,
    TOLERANCE,
    TennisCalibrated,
    TennisFit,
    TennisRefused,
    calibrate_tennis,
)
from engine.pricing.tennis.sport import (
    FORM_SD,
    FORM_SD_MAX,
    SetScore,
    TennisModel,
    TennisState,
)


def odds_of(model: TennisModel, state: TennisState, line: str) -> list[tuple[float, ...]]:
    """Return the odds of winner and total with a margin of five per cent."""
    board = SportBoard("tennis", ["m/winner", f"m/total_games?total={line}"])
    quoted = []
    for fair in board.probabilities(model, state).values():
        solved = add_margin(fair, book=1.05, method=Method.ODDS_RATIO)
        quoted.append(solved.values)  # type: ignore[union-attr]
    return quoted


@given(
    mean=st.floats(0.56, 0.72), gap=st.floats(-0.14, 0.14), best_of=st.sampled_from((3, 5)),
    form_sd=st.sampled_from((0.0, 0.03, FORM_SD)),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_calibration_recovers_the_serves_that_gave_the_odds(
    mean: float, gap: float, best_of: int, form_sd: float
) -> None:
    model = TennisModel(home_serve=mean + gap / 2, away_serve=mean - gap / 2, form_sd=form_sd)
    state = TennisState(best_of=best_of)  # type: ignore[arg-type]
    line = "22.5" if best_of == 3 else "38.5"
    winner, total = odds_of(model, state, line)
    found = calibrate_tennis(
        winner, total=(line, total), state=state, form_sd=form_sd, method=Method.ODDS_RATIO
    )
    assert isinstance(found, TennisCalibrated)
    assert found.error <= TOLERANCE
    assert found.books == pytest.approx((1.05, 1.05), abs=1e-9)
    assert found.model.form_sd == form_sd
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
        ((1.5, 2.5, 9.0), None, TennisFit.NOT_ODDS),
        ((1.5, float("inf")), None, TennisFit.NOT_ODDS),
        ((1.5, 10**400), None, TennisFit.NOT_ODDS),
        ((1.9, 1.9), ("22.5", (10**5_000, 1.9)), TennisFit.NOT_ODDS),
        ((1.001, 1_000_001.0), None, TennisFit.NOT_ODDS),
        ((1_500, 2_650), None, TennisFit.BOOK),
        ((1.5, 2.65), ("22.5", (1_900, 1_900)), TennisFit.BOOK),
        ((1.3, 1.3), None, TennisFit.BOOK),
        ((2.3, 2.3), None, TennisFit.BOOK),
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


@pytest.mark.parametrize("best_of", [3, 5])
@pytest.mark.parametrize("favourite", [1.01, 1.05, 1.12, 1.25, 1.5, 1.7, 1.9])
def test_ordinary_lines_have_a_model(best_of: int, favourite: float) -> None:
    """Over and under about evens, from the shortest line on offer to the longest."""
    winner = (favourite, 1.0 / (1.05 - 1.0 / favourite))
    lines = {
        3: {1.01: (15, 17), 1.05: (16, 19), 1.12: (18, 20), 1.25: (19, 21)}.get(
            favourite, (20, 23)
        ),
        5: {1.01: (25, 29), 1.05: (27, 31), 1.12: (30, 33), 1.25: (32, 36)}.get(
            favourite, (34, 40)
        ),
    }[best_of]
    for games in range(lines[0], lines[1] + 1):
        for over in (1.8, 1.9, 2.0):
            odds = (over, 1.0 / (1.05 - 1.0 / over))
            found = calibrate_tennis(
                winner,
                total=(f"{games}.5", odds),
                state=TennisState(best_of=best_of),  # type: ignore[arg-type]
            )
            assert isinstance(found, TennisCalibrated), (games, over, found)
            assert 0.02 <= found.model.form_sd <= FORM_SD_MAX
            assert (
                LINE_MEAN_MIN <= (found.model.home_serve + found.model.away_serve) / 2 <= MEAN_MAX
            )


def test_the_book_that_came_off_is_reported() -> None:
    found = calibrate_tennis((1.50, 2.65), total=("22.5", (1.9, 1.9)))
    assert isinstance(found, TennisCalibrated)
    assert found.books == pytest.approx((1 / 1.5 + 1 / 2.65, 2 / 1.9))
    assert found.model.form_sd == FORM_SD
    assert (found.model.home_serve + found.model.away_serve) / 2 == pytest.approx(0.657, abs=1e-3)


def test_a_line_shorter_than_any_mean_has_tells_a_larger_form() -> None:
    short = calibrate_tennis((1.9, 1.9), total=("20.5", (1.9, 1.9)))
    shorter = calibrate_tennis((1.9, 1.9), total=("19.5", (1.9, 1.9)))
    assert isinstance(short, TennisCalibrated)
    assert isinstance(shorter, TennisCalibrated)
    assert FORM_SD < short.model.form_sd < shorter.model.form_sd
    assert short.model.home_serve == pytest.approx(LINE_MEAN_MIN)
    certain = calibrate_tennis((1.9, 1.9), form_sd=0.0)
    assert isinstance(certain, TennisCalibrated)
    assert certain.model.form_sd == 0.0


def test_margins_come_off_by_market_type_unless_one_method_is_named() -> None:
    """Lopsided odds of a winner lose their margin additively: 1.05 and 12 leave .934."""
    by_type, named, apart = (
        calibrate_tennis((1.05, 12.0), method=method)
        for method in (None, Method.ODDS_RATIO, Removal(method_by_type={"winner": Method.POWER}))
    )
    fair = []
    for found in (by_type, named, apart):
        assert isinstance(found, TennisCalibrated)
        fair.append(SportBoard("tennis", ["m/winner"]).fair(found.model, TennisState())[0])
    assert fair[0] == pytest.approx(0.5 + (1 / 1.05 - 1 / 12) / 2, abs=1e-9)
    for found, method in ((fair[1], Method.ODDS_RATIO), (fair[2], Method.POWER)):
        solved = remove_margin((1.05, 12.0), method=method)
        assert found == pytest.approx(solved.values[0], abs=1e-9)  # type: ignore[union-attr]


def test_a_form_or_a_mean_out_of_bounds_is_an_error() -> None:
    with pytest.raises(ValueError, match="form_sd"):
        calibrate_tennis((1.9, 1.9), form_sd=FORM_SD_MAX + 1e-9)
    with pytest.raises(ValueError, match="mean"):
        calibrate_tennis((1.9, 1.9), mean=0.4)


def test_an_impossible_line_is_an_error() -> None:
    with pytest.raises(MarketTypeError):
        calibrate_tennis((1.9, 1.9), total=("22.3", (1.9, 1.9)))
