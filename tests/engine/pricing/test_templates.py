"""Boards by template: every market is one that its sport prices, with lines around evens."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.board_inputs import ExpectedGoals, FittedMarket
from engine.common.ids import parse_market_key
from engine.pricing.football.calibration import TYPICAL
from engine.pricing.repricing import convert_pricing
from engine.pricing.sport import SportBoard
from engine.pricing.templates import (
    TEMPLATES,
    TemplateError,
    board_markets,
    model_expecting,
    model_fitted,
)

RUNNERS = ("Arkle", "Best Mate", "Desert Orchid", "Kauto Star", "Red Rum")
MODELS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "football": st.fixed_dictionaries(
        {"home_rate": st.floats(0.3, 5.0), "away_rate": st.floats(0.3, 5.0)}
    ),
    "tennis": st.fixed_dictionaries(
        {"home_serve": st.floats(0.45, 0.8), "away_serve": st.floats(0.45, 0.8)}
    ),
    "basketball": st.fixed_dictionaries(
        {"margin": st.floats(-20.0, 20.0), "total": st.floats(140.0, 260.0)}
    ),
    "race": st.just({"win": [0.4, 0.3, 0.15, 0.1, 0.05]}),
}


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_board_holds_markets_of_its_sport_each_once(template, data):
    sport = TEMPLATES[template].sport
    model, state = convert_pricing(sport, data.draw(MODELS[sport]), {})
    sides = RUNNERS if sport == "race" else ()
    markets = board_markets(template, "cup-1", model=model, state=state, sides=sides)
    keys = [market.key for market in markets]
    assert len(keys) == len(set(keys)) <= 256
    assert all(str(parse_market_key(key)) == key for key in keys)
    board = SportBoard(sport, keys, names={each.key: each.outcomes for each in markets})
    assert all(board.outcomes(each.key) == each.outcomes for each in markets)
    fair = board.probabilities(model, state)
    assert all(0.0 <= chance <= 1.0 for row in fair.values() for chance in row)


@pytest.mark.parametrize(
    ("template", "prefix", "model"),
    [
        ("football", "total?total=", {"home_rate": 3.1, "away_rate": 0.6}),
        ("football", "handicap?hcp=", {"home_rate": 3.1, "away_rate": 0.6}),
        ("tennis", "total_games?total=", {"home_serve": 0.7, "away_serve": 0.6}),
        ("tennis", "game_handicap?hcp=", {"home_serve": 0.7, "away_serve": 0.6}),
        ("basketball", "total?total=", {"margin": -9.0, "total": 171.0}),
        ("basketball", "handicap?hcp=", {"margin": -9.0, "total": 171.0}),
    ],
)
def test_lines_lie_on_both_sides_of_evens(template: str, prefix: str, model: Any) -> None:
    sport = TEMPLATES[template].sport
    given_model, state = convert_pricing(sport, model, {})
    markets = board_markets(template, "m", model=given_model, state=state)
    keys = [each.key for each in markets if each.key.startswith(f"m/{prefix}")]
    chances = [row[0] for row in SportBoard(sport, keys).probabilities(given_model, state).values()]
    assert min(chances) < 0.5 < max(chances)
    assert min(abs(chance - 0.5) for chance in chances) < 0.1


def test_expected_goals_are_a_model_s_rates() -> None:
    model = model_expecting(ExpectedGoals(total=2.5, supremacy=0.5))
    assert (model.home_rate, model.away_rate, model.dependence) == (1.5, 1.0, TYPICAL.dependence)
    with pytest.raises(TemplateError, match="expect: away_rate"):
        model_expecting(ExpectedGoals(total=1.0, supremacy=2.0))


def test_a_fitted_model_has_the_odds_that_it_was_fitted_to() -> None:
    wanted = model_expecting(ExpectedGoals(total=2.9, supremacy=-0.3))
    board = SportBoard("football", ["m/1x2", "m/total?total=2.5"])
    odds = [
        FittedMarket(
            market=key.partition("/")[2], odds_milli=tuple(round(1_000 / each) for each in row)
        )
        for key, row in board.probabilities(
            wanted, convert_pricing("football", {"home_rate": 1, "away_rate": 1}, {})[1]
        ).items()
    ]
    fitted = model_fitted(odds)
    assert fitted.home_rate == pytest.approx(wanted.home_rate, abs=0.01)
    assert fitted.away_rate == pytest.approx(wanted.away_rate, abs=0.01)


@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ([("1x2", (1_500, 1_500, 1_500))], "the book must be"),
        ([("1x2", (2_000, 3_000))], "must be 3 odds"),
        ([("no_such_type", (2_000, 2_000))], "market type"),
        ([("total?total=2.5", (1_950, 1_950))], "do not determine"),
    ],
)
def test_odds_that_no_model_has_are_refused(markets: Any, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        model_fitted([FittedMarket(market=key, odds_milli=odds) for key, odds in markets])


def test_a_race_needs_as_many_sides_as_its_model_has_runners() -> None:
    model, state = convert_pricing("race", {"win": [0.5, 0.5]}, {})
    with pytest.raises(TemplateError, match="sides: the runners of a race, 2"):
        board_markets("race", "r", model=model, state=state, sides=RUNNERS)
