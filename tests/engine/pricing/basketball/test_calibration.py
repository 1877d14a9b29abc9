"""Calibration of basketball: models found again from their odds, and odds that are refused."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.pricing.basketball.calibration import (
    ERROR_MAX,
    SIGMA_MAX,
    SIGMA_MIN,
    BasketballCalibrated,
    BasketballFit,
    BasketballRefused,
    calibrate_basketball,
)
from engine.pricing.basketball.sport import BasketballModel, BasketballState, PeriodScore
from engine.pricing.margin import MarginSolved, Method, Removal, add_margin
from engine.pricing.sport import MarketTypeError, SportBoard

EVENS = (1.91, 1.91)
HALF = BasketballState(
    periods=(PeriodScore(home=31, away=22), PeriodScore(home=20, away=25)), left_s=120
)


def calibrated(answer: BasketballCalibrated | BasketballRefused) -> BasketballCalibrated:
    assert isinstance(answer, BasketballCalibrated), answer
    return answer


def odds_of(
    model: BasketballModel, names: list[str], state: BasketballState, *, book: float = 1.05
) -> dict[str, tuple[float, ...]]:
    """Return a model's odds with a margin by odds ratio."""
    odds = {}
    for name in names:
        fair = SportBoard("basketball", [f"g/{name}"]).fair(model, state).tolist()
        assume(0.03 < fair[0] < 0.97)
        priced = add_margin(fair, book=book, method=Method.ODDS_RATIO)
        assert isinstance(priced, MarginSolved)
        odds[name] = priced.values
    return odds


@given(
    margin=st.floats(-14, 14),
    total=st.floats(140, 240),
    sigma=st.floats(8, 18),
    line=st.integers(6, 28).flatmap(lambda half: st.sampled_from((half / 2, -half / 2))),
    overtime=st.tuples(*[st.booleans()] * 3),
    state=st.sampled_from((BasketballState(), HALF)),
)
@settings(max_examples=40, deadline=None)
def test_a_model_is_found_again_from_its_spread_total_and_moneyline(
    margin: float,
    total: float,
    sigma: float,
    line: float,
    overtime: tuple[bool, bool, bool],
    state: BasketballState,
) -> None:
    model = BasketballModel(margin=margin, total=total, margin_sigma=sigma)
    names = [
        "winner" if overtime[0] else "draw_no_bet",
        f"{'' if overtime[1] else 'regular_'}handicap?hcp={line:g}",
        f"{'' if overtime[2] else 'regular_'}total?total={round(total)}.5",
    ]
    removal = Removal(lopsided=Method.ODDS_RATIO)
    found = calibrated(
        calibrate_basketball(odds_of(model, names, state), state=state, removal=removal)
    )
    assert found.sigma_fitted
    assert found.error < 1e-9
    assert found.books == pytest.approx(dict.fromkeys(names, 1.05))
    assert found.model.margin == pytest.approx(margin, abs=1e-4)
    assert found.model.margin_sigma == pytest.approx(sigma, abs=1e-4)
    assert found.model.total == pytest.approx(total, abs=1e-4)


def test_the_odds_of_the_documents_example() -> None:
    """Stated in docs/sports.md."""
    odds = {"handicap?hcp=-4.5": EVENS, "total?total=224.5": EVENS, "winner": (1.54, 2.55)}
    found = calibrated(calibrate_basketball(odds))
    assert found.model.margin == pytest.approx(4.06, abs=0.005)
    assert found.model.margin_sigma == pytest.approx(12.51, abs=0.005)
    assert found.model.total == pytest.approx(223.35, abs=0.005)
    assert found.books["winner"] == pytest.approx(1.0415, abs=5e-5)


def test_a_line_with_overtime_means_a_lower_total_of_the_four_quarters() -> None:
    with_overtime, without = (
        calibrated(
            calibrate_basketball({"winner": EVENS, f"{kind}total?total=224.5": EVENS})
        ).model.total
        for kind in ("", "regular_")
    )
    assert without == pytest.approx(224.5)
    assert with_overtime == pytest.approx(223.3, abs=0.2)


def test_a_short_spread_leaves_the_sigma_and_meets_spread_and_moneyline_halfway() -> None:
    base = BasketballModel(margin=0.0, total=160.0, margin_sigma=11.0)
    odds = {"handicap?hcp=-1.5": EVENS, "winner": (1.80, 2.05)}
    found = calibrated(calibrate_basketball(odds, base=base))
    assert not found.sigma_fitted
    assert found.model.margin_sigma == 11.0
    assert found.model.total == 160.0
    assert 0.0 < found.error < 0.005


def test_what_the_odds_do_not_determine_stays_as_in_the_base() -> None:
    base = BasketballModel(
        margin=3.0, total=170.0, total_sigma=15.0, play_sigmas=(11.0, 9.5, 7.0), level_factor=1.5
    )
    found = calibrated(calibrate_basketball({"total?total=165.5": EVENS}, base=base)).model
    assert found.total == pytest.approx(165.0, abs=0.7)
    assert (found.margin, found.margin_sigma, found.total_sigma) == (3.0, 12.2, 15.0)
    assert (found.play_sigmas, found.level_factor) == ((11.0, 9.5, 7.0), 1.5)
    spread = calibrated(calibrate_basketball({"handicap?hcp=-6.5": EVENS}, base=base)).model
    assert spread.margin > 5.5
    assert spread.total == 170.0


def test_a_fitted_sigma_stays_above_the_given_sigmas_in_play() -> None:
    base = BasketballModel(margin=0.0, total=170.0, play_sigmas=(11.0, 9.5, 7.0))
    odds = {"handicap?hcp=-8.5": EVENS, "winner": (1.24, 4.2)}
    answer = calibrate_basketball(odds, base=base)
    assert calibrated(answer).model.margin_sigma >= 11.0


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("odds", "status", "message"),
    [
        ({"winner": (1540, 2550), "total?total=224.5": EVENS}, BasketballFit.BOOK,
         "winner: a book from 0.9 to 1.5, not 0.0010415"),
        ({"winner": (1.2, 1.2), "total?total=224.5": EVENS}, BasketballFit.BOOK, "not 1.66667"),
        ({"winner": (0.65, 0.39), "total?total=224.5": EVENS}, BasketballFit.NOT_ODDS, "above 1"),
        ({"winner": (1.5, float("nan"))}, BasketballFit.MARKETS, "margin and the total"),
        ({"winner": (1.5, float("nan")), "total?total=224.5": EVENS}, BasketballFit.NOT_ODDS,
         "above 1 and at most 1e+06"),
        ({"winner": (1.5, 10**5_000), "total?total=224.5": EVENS}, BasketballFit.NOT_ODDS,
         "winner: odds must be two, each above 1 and at most 1e+06"),
        ({"winner": (1.5, 3.0, 9.0), "total?total=224.5": EVENS}, BasketballFit.NOT_ODDS, "two"),
        ({"winner": EVENS}, BasketballFit.MARKETS, "margin and the total"),
        ({"total?total=224.5": EVENS}, BasketballFit.MARKETS, "margin and the total"),
        ({}, BasketballFit.MARKETS, "no market"),
        ({"winner": EVENS, "draw_no_bet": EVENS}, BasketballFit.MARKETS, "at most"),
        ({"1x2": (2.0, 15.0, 2.0)}, BasketballFit.MARKETS, "types must be winner, draw_no_bet"),
        ({"handicap?hcp=-8.5": EVENS, "winner": EVENS, "total?total=224.5": EVENS},
         BasketballFit.OUT_OF_BOUNDS, "nearest by 0.1"),
        ({"winner": EVENS, "total?total=20.5": EVENS}, BasketballFit.OUT_OF_BOUNDS, "nearest"),
    ],
)  # fmt: skip
def test_odds_without_a_model_are_refused(
    odds: dict[str, tuple[float, ...]], status: BasketballFit, message: str
) -> None:
    answer = calibrate_basketball(odds)
    assert isinstance(answer, BasketballRefused)
    assert answer.status is status
    assert message in answer.message


def test_a_line_that_is_none_is_an_error() -> None:
    for name in ("handicap", "handicap?hcp=4.3", "total?total=x"):
        with pytest.raises(MarketTypeError):
            calibrate_basketball({name: EVENS}, base=BasketballModel(margin=0.0, total=200.0))


@given(
    rows=st.dictionaries(
        st.sampled_from(("winner", "handicap?hcp=-7.5", "regular_total?total=210.5")),
        st.lists(st.floats(allow_nan=True), min_size=1, max_size=3)
        | st.tuples(st.floats(1.01, 40), st.floats(1.01, 40)),
        min_size=1,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_odds_get_a_model_within_bounds_or_a_refusal(rows: dict[str, list[float]]) -> None:
    base = BasketballModel(margin=0.0, total=200.0)
    answer = calibrate_basketball(rows, base=base)
    if isinstance(answer, BasketballRefused):
        assert answer.message
        return
    assert answer.error <= ERROR_MAX
    assert answer.model.margin_sigma == 12.2 or answer.sigma_fitted
    assert SIGMA_MIN <= answer.model.margin_sigma <= SIGMA_MAX
