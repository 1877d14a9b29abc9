"""Basketball: chances of lead and total from any state, overtime, and results."""

from random import Random
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.commands import OutcomeResult
from engine.pricing.basketball.sport import (
    BASKETBALL_TYPES,
    BasketballModel,
    BasketballState,
    PeriodScore,
)
from engine.pricing.ladder import Floats
from engine.pricing.quoting import Bools, Margin
from engine.pricing.sport import MarketTypeError, SportBoard
from tests.engine.pricing.basketball.twin import plain

STERN = plain(margin=4.87, margin_sigma=15.82, total=210)
"""The 493 games of the season 1991-92 in Stern's paper."""
LINES = ("-6.5", "-3", "-0.25", "0", "4.75", "11")
QUARTER_KEYS = [
    f"g/{kind}quarternr={number}{line}"
    for number in range(1, 5)
    for kind, line in (
        ("quarter_1x2?", ""),
        ("quarter_draw_no_bet?", ""),
        ("quarter_handicap?hcp=-1.5|", ""),
        ("quarter_total?", "|total=52"),
        ("quarter_home_total?", "|total=26.25"),
        ("quarter_away_total?", "|total=25.5"),
    )
]
KEYS = [
    "g/winner", "g/1x2", "g/draw_no_bet", "g/first_half_1x2", "g/first_half_draw_no_bet",
    *(f"g/{scope}handicap?hcp={line}" for scope in ("", "regular_", "first_half_")
      for line in LINES),
    *(f"g/{scope}total?total={line}" for scope in ("", "regular_") for line in ("205.5", "212")),
    *(f"g/{side}_total?total={line}" for side in ("home", "away") for line in ("99.5", "107")),
    *(f"g/first_half_{side}total?total={line}" for side, line in
      (("", "104.75"), ("home_", "52.5"), ("away_", "51"))),
    *QUARTER_KEYS,
]  # fmt: skip
BOARD = SportBoard("basketball", KEYS)

models = st.builds(
    BasketballModel,
    margin=st.floats(-15, 15),
    total=st.floats(150, 240),
    margin_sigma=st.floats(8, 18),
    total_sigma=st.floats(10, 24),
    level_factor=st.floats(1, 4),
)


@st.composite
def states(draw: st.DrawFn) -> BasketballState:
    """Draw a state of a game, overtimes included."""
    count = draw(st.integers(0, 6))
    rng = Random(draw(st.integers(0, 1 << 20)))
    periods: list[PeriodScore] = []
    for number in range(count):
        home = rng.randrange(15, 35)
        away = home if count > 4 and number < count - 1 else rng.randrange(15, 35)
        periods.append(PeriodScore(home=home, away=away))
    length = 0 if not count else 720 if count <= 4 else 300
    left_s = draw(st.sampled_from((0, length // 3, length)))
    return BasketballState(periods=tuple(periods), left_s=left_s)


# --- the lead ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [-15, -10, -5, 0, 5, 10, 15])
@pytest.mark.parametrize("played", [1, 2, 3])
def test_the_chance_to_win_from_a_lead_is_sterns_formula(lead: int, played: int) -> None:
    """Phi((l + (1 - t) mu) / (sigma sqrt(1 - t))); the model has whole points and overtime."""
    left = 1.0 - played / 4.0
    formula = NormalDist().cdf((lead + left * 4.87) / (15.82 * left**0.5))
    periods = [PeriodScore(home=30, away=30)] * played
    periods[0] = PeriodScore(home=30 + max(lead, 0), away=30 + max(-lead, 0))
    found = SportBoard("basketball", ["g/winner"]).fair(
        STERN, BasketballState(periods=tuple(periods))
    )
    assert found[0] == pytest.approx(formula, abs=2.5e-3)


def test_home_teams_win_as_often_as_in_sterns_paper() -> None:
    """0.62 before the game; a home team ten points behind after a quarter wins 32 games of 100."""
    board = SportBoard("basketball", ["g/winner"])
    assert board.fair(STERN, BasketballState())[0] == pytest.approx(0.62, abs=0.005)
    behind = BasketballState(periods=(PeriodScore(home=20, away=30),))
    assert board.fair(STERN, behind)[0] == pytest.approx(0.32, abs=0.005)


# --- whole boards --------------------------------------------------------------------------------


def test_every_market_agrees_with_simulated_games() -> None:
    """Draw quarters one by one; each market's span is rounded separately, as in the model."""
    rng, count = np.random.default_rng(11), 60_000
    model = BasketballModel(margin=-3.0, total=209, total_sigma=17)
    kept = (0.0, 0.65 / 0.74, 0.74 / 0.84, 0.84)
    sigmas = (7.07, 7.60, 7.91, 7.2)
    away_from_path = np.zeros((count, 5))
    for quarter in range(4):
        steps = rng.normal(0.0, sigmas[quarter], count)
        away_from_path[:, quarter + 1] = kept[quarter] * away_from_path[:, quarter] + steps
    margins = model.margin / 4 + np.diff(away_from_path, axis=1)
    final = np.round(margins.sum(axis=1))
    weights = np.where(final == 0, 2.0, np.where(abs(final) <= 3, 1.0 - 1.0 / 6, 1.0))
    totals = rng.normal(model.total / 4, model.total_sigma / 2, (count, 4))
    found = BOARD.chances(model, BasketballState())
    spans = {"quarter": None, "first_half": slice(0, 2), "regular": slice(0, 4)}
    for key in BOARD.keys:
        kind = key.removeprefix("g/").partition("?")[0]
        given = dict(pair.split("=") for pair in key.partition("?")[2].split("|") if pair)
        scope = next((name for name in spans if kind.startswith(name)), "")
        if not scope and kind not in ("1x2", "draw_no_bet"):
            continue  # markets with overtime are in the next test
        part = spans.get(scope) or slice(0, 4)
        if scope == "quarter":
            part = slice(int(given["quarternr"]) - 1, int(given["quarternr"]))
        gap = margins[:, part].sum(axis=1)
        total = totals[:, part].sum(axis=1)
        first = _first_wins(kind.removeprefix(scope).strip("_"), given, gap, total)
        came = float(np.average(first, weights=weights))
        assert found[key][0, 0] == pytest.approx(came, abs=0.0075), key


def _first_wins(kind: str, given: dict[str, str], margin: Floats, total: Floats) -> Bools:
    """Return in which games the first outcome wins outright."""
    if kind in ("1x2", "draw_no_bet"):
        return np.asarray(np.round(margin) > 0)
    if kind == "handicap":
        return np.asarray(np.round(margin) + float(given["hcp"]) >= 0.5)
    sides = {"total": total, "home_total": (total + margin) / 2, "away_total": (total - margin) / 2}
    return np.asarray(np.round(sides[kind]) - float(given["total"]) >= 0.5)


def test_overtime_markets_agree_with_simulated_overtimes() -> None:
    rng, count = np.random.default_rng(5), 200_000
    model = plain(margin=1.0, total=200, margin_sigma=9, total_sigma=14)
    state = BasketballState(
        periods=(PeriodScore(home=25, away=25),) * 3 + (PeriodScore(home=15, away=15),), left_s=120
    )
    lead = np.zeros(count)
    total = np.full(count, 180.0)
    left, waiting = 120 / 2880, np.ones(count, dtype=bool)
    for _ in range(40):
        many = int(waiting.sum())
        lead[waiting] = np.round(
            rng.normal(left * model.margin, left**0.5 * model.margin_sigma, many)
        )
        total[waiting] += rng.normal(left * model.total, left**0.5 * model.total_sigma, many)
        waiting, left = waiting & (lead == 0), 300 / 2880
    keys = [
        "g/winner", "g/handicap?hcp=-2.5", "g/total?total=190.5", "g/total?total=210.5",
        "g/home_total?total=95.5", "g/home_total?total=105.5", "g/away_total?total=94.5",
    ]  # fmt: skip
    found = SportBoard("basketball", keys).probabilities(model, state)
    played = [
        lead > 0, lead > 2.5, np.round(total) > 190.5, np.round(total) > 210.5,
        np.round((total + lead) / 2) > 95.5, np.round((total + lead) / 2) > 105.5,
        np.round((total - lead) / 2) > 94.5,
    ]  # fmt: skip
    for key, won in zip(keys, played, strict=True):
        # The model does not condition a side's points on an overtime's being decisive: 0.02.
        within = 0.02 if "e_total" in key or "y_total" in key else 0.005
        assert found[key][0] == pytest.approx(float(won.mean()), abs=within), key


@given(model=models, state=states())
@settings(max_examples=40, deadline=None)
def test_the_chances_of_every_market_add_up_to_1(
    model: BasketballModel, state: BasketballState
) -> None:
    for key, row in BOARD.probabilities(model, state).items():
        assert sum(row) == pytest.approx(1.0, abs=1e-6) or sum(row) == 0.0, key
    for key, chances in BOARD.chances(model, state).items():
        assert (chances >= 0.0).all(), key
        assert (chances.sum(axis=1) <= 1.0 + 1e-9).all(), key


@st.composite
def extreme_models(draw: st.DrawFn) -> BasketballModel:
    """Draw a model anywhere within its bounds."""
    sigmas = sorted(draw(st.lists(st.floats(1.0, 40), min_size=4, max_size=4, unique=True)))
    return BasketballModel(
        margin=draw(st.floats(-80, 80)),
        total=draw(st.floats(40, 400)),
        margin_sigma=max(sigmas[3], 2.0),
        total_sigma=draw(st.floats(2, 60)),
        lead_pull=(draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))),
        play_sigmas=None if sigmas[3] < 2.0 else (sigmas[2], sigmas[1], sigmas[0]),
        level_factor=draw(st.floats(1, 4)),
    )


@given(model=extreme_models(), state=states())
@settings(max_examples=60, deadline=None)
def test_no_model_within_bounds_gives_chances_outside_0_to_1(
    model: BasketballModel, state: BasketballState
) -> None:
    for key, chances in BOARD.chances(model, state).items():
        assert np.isfinite(chances).all(), key
        assert (chances >= -1e-12).all(), key
        assert (chances.sum(axis=1) <= 1.0 + 1e-9).all(), key
    for key, row in BOARD.probabilities(model, state).items():
        assert sum(row) == pytest.approx(1.0, abs=1e-6) or sum(row) == 0.0, key


@given(model=models, state=states())
@settings(max_examples=25, deadline=None)
def test_exchanging_the_sides_exchanges_their_prices(
    model: BasketballModel, state: BasketballState
) -> None:
    turned = msgspec.structs.replace(model, margin=-model.margin)
    mirrored = msgspec.structs.replace(
        state,
        periods=tuple(PeriodScore(home=one.away, away=one.home) for one in state.periods),
    )
    here = SportBoard("basketball", ["g/winner", "g/handicap?hcp=3.5", "g/home_total?total=99.5"])
    there = SportBoard("basketball", ["g/winner", "g/handicap?hcp=-3.5", "g/away_total?total=99.5"])
    rows, backs = here.probabilities(model, state), there.probabilities(turned, mirrored)
    for number, (row, back) in enumerate(zip(rows.values(), backs.values(), strict=True)):
        expected = back if number == 2 else back[::-1]
        assert row == pytest.approx(expected, abs=1e-9)


@given(model=models, state=states())
@settings(max_examples=30, deadline=None)
def test_a_decided_market_is_settled_and_not_offered(
    model: BasketballModel, state: BasketballState
) -> None:
    quotes = BOARD.quotes(model, state, Margin())
    fair = BOARD.probabilities(model, state)
    for key, results in BOARD.results(state).items():
        assert not any(quote.active for quote in quotes[key]), key
        for result, chance in zip(results, fair[key], strict=True):
            if result.void_halves == 0:
                assert chance == float(result.won), key


# --- results and refusals ------------------------------------------------------------------------


def test_each_market_is_settled_by_the_score_of_its_own_periods() -> None:
    keys = ["g/winner", "g/1x2", "g/draw_no_bet", "g/total?total=200", "g/first_half_1x2",
            "g/handicap?hcp=-2", "g/handicap?hcp=-2.25", "g/quarter_1x2?quarternr=4"]  # fmt: skip
    board = SportBoard("basketball", keys)
    state = BasketballState(
        periods=(
            PeriodScore(home=20, away=25), PeriodScore(home=25, away=25),
            PeriodScore(home=25, away=20), PeriodScore(home=20, away=20),
            PeriodScore(home=11, away=9),
        )
    )  # fmt: skip
    refund = OutcomeResult(won=False, void_halves=2)
    results = board.results(state)
    assert [one.won for one in results["g/winner"]] == [True, False]
    assert [one.won for one in results["g/1x2"]] == [False, True, False]
    assert results["g/draw_no_bet"] == (refund, refund)
    assert results["g/total?total=200"] == (refund, refund)
    assert [one.won for one in results["g/first_half_1x2"]] == [False, False, True]
    assert results["g/handicap?hcp=-2"] == (refund, refund)
    assert [(one.won, one.void_halves) for one in results["g/handicap?hcp=-2.25"]] == [
        (False, 1),
        (True, 1),
    ]
    regular = BasketballState(periods=state.periods[:4])
    assert set(board.results(regular)) == {
        "g/1x2", "g/draw_no_bet", "g/first_half_1x2", "g/quarter_1x2?quarternr=4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"left_s": 10}, "left_s"),
        ({"periods": (PeriodScore(),), "left_s": 721}, "left_s"),
        ({"periods": (PeriodScore(home=1),) * 5}, "overtime"),
        ({"periods": (PeriodScore(home=-1),)}, "periods"),
        ({"periods": (PeriodScore(),) * 17}, "periods"),
        ({"quarter_s": 10}, "quarter_s"),
    ],
)
def test_an_impossible_state_is_refused(fields: dict[str, object], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        BasketballState(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", [{"margin": 90.0}, {"total": float("nan")}, {"margin_sigma": 0.0}]
)
def test_a_model_out_of_bounds_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        BasketballModel(**{"margin": 0.0, "total": 200.0, **fields})


@pytest.mark.parametrize(
    "market",
    [
        "no_such", "winner?hcp=1", "handicap", "handicap?hcp=1.3", "handicap?hcp=100.5",
        "total?total=0", "quarter_1x2?quarternr=5", "quarter_total?quarternr=1",
    ],
)  # fmt: skip
def test_an_unknown_market_type_or_specifier_is_refused(market: str) -> None:
    with pytest.raises(MarketTypeError):
        SportBoard("basketball", [f"g/{market}"])


def test_the_feed_numbers_of_market_types_are_unique() -> None:
    numbers = [row.uof_id for row in BASKETBALL_TYPES.values() if row.uof_id is not None]
    assert len(set(numbers)) == len(numbers)
