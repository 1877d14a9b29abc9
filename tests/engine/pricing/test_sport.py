"""The sport interface and its board, lines, and the sport that docs/sports.md writes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.common.ids import MalformedIdError
from engine.pricing.football.fixture_board import FixtureBoard
from engine.pricing.football.model import MatchModel, MatchState
from engine.pricing.ladder import CENTS
from engine.pricing.lines import Interval, Line, line_result, line_terms, over, under
from engine.pricing.quoting import BookFigures, Margin
from engine.pricing.skew import LinearSkew
from engine.pricing.sport import SPORTS, MarketTypeError, SportBoard, outcome_names
from tests.engine.pricing.football.strategies import BOARD, models, states

PAGE = Path(__file__).parents[3] / "docs" / "sports.md"
FOOTBALL = SportBoard("football", BOARD.keys)


@given(model=models(), state=states())
@settings(max_examples=25, deadline=None)
def test_the_sport_board_quotes_and_settles_football_as_the_fixture_board_does(
    model: MatchModel, state: MatchState
) -> None:
    assert FOOTBALL.quotes(model, state, Margin()) == BOARD.quotes(model, state, Margin())
    assert FOOTBALL.probabilities(model, state) == BOARD.probabilities(model, state)
    assert FOOTBALL.results(state) == BOARD.results(state)


def test_skew_and_ladder_change_the_quotes() -> None:
    keys, model = ["m/1x2", "m/total?total=2.5"], MatchModel(home_rate=1.4, away_rate=1.1)
    figures = BookFigures(
        np.array((90_000, 0, 0, 0, 0), np.int64), np.array((180_000, 0, 0, 0, 0), np.int64)
    )
    skew = LinearSkew(scale_minor=100_000)
    ours = SportBoard("football", keys, ladder=CENTS)
    theirs = FixtureBoard(keys, ladder=CENTS)
    skewed = ours.quotes(model, MatchState(), Margin(), skew, figures)
    assert skewed == theirs.quotes(model, MatchState(), Margin(), skew, figures)
    assert skewed["m/1x2"] != ours.quotes(model, MatchState(), Margin())["m/1x2"]


@pytest.mark.parametrize("name", ["football", "tennis", "basketball"])
def test_every_sport_has_market_types_and_refuses_unknown_fields(name: str) -> None:
    sport = SPORTS[name]
    assert sport.name == name
    assert len(sport.market_types) > 10
    for kind in (sport.model_type, sport.state_type):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"no_such_field": 1}, kind)
    assert msgspec.convert({}, sport.state_type) == sport.state_type()
    with pytest.raises(MarketTypeError):
        sport.market("no_such_type", ())


def test_sports_are_listed_by_name() -> None:
    assert {"football", "tennis", "basketball", "race"} <= set(SPORTS)
    assert len(SPORTS) == len(list(SPORTS))
    with pytest.raises(KeyError):
        SPORTS["quidditch"]


def test_a_markets_outcomes_are_known_without_a_board() -> None:
    assert outcome_names(SPORTS["football"], "1x2", ()) == ("home", "draw", "away")
    assert outcome_names(SPORTS["tennis"], "set_winner", (("setnr", "2"),)) == ("home", "away")
    assert FOOTBALL.outcomes("m/1x2") == ("home", "draw", "away")
    with pytest.raises(KeyError):
        FOOTBALL.outcomes("m/none")


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ([], ValueError),
        (["m/winner", "m/winner"], ValueError),
        (["m/winner", "n/odd_even_games"], ValueError),
        (["m/no_such_type"], MarketTypeError),
        (["not a key"], MalformedIdError),
    ],
)
def test_a_board_of_impossible_keys_is_refused(keys: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        SportBoard("tennis", keys)


@given(quarters=st.integers(-120, 120), value=st.integers(-40, 40))
@settings(max_examples=200, deadline=None)
def test_a_quarter_line_is_half_of_each_neighbouring_line(quarters: int, value: int) -> None:
    """A quarter line is two bets of half the stake: compare the returns of 1 at odds of 3."""

    def returns(line: Line) -> float:
        result = line_result(line, value)
        at_stake = 1.0 - result.void_halves / 2.0
        return 1.0 - at_stake + (3.0 * at_stake if result.won else 0.0)

    for build, sign in ((over, 1), (under, -1)):
        halves = (quarters, quarters) if quarters % 2 == 0 else (quarters - 1, quarters + 1)
        expected = 0.0
        for half in halves:
            gap = sign * (4 * value - half)
            expected += 0.5 * (3.0 if gap > 0 else 1.0 if gap == 0 else 0.0)
        assert returns(build(quarters)) == expected


def test_the_terms_of_a_line_skip_empty_intervals() -> None:
    line = Line(Interval(1, 3), push=Interval(0, 1), also=(Interval(5, 6),))
    assert line_terms(line, 2, lambda value: 10 + value) == [(11, 13, 8), (15, 16, 8), (10, 11, 10)]


def blocks() -> Iterator[str]:
    """Yield the document's Python blocks in order."""
    yield from re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_of_the_sports_document_runs_and_its_sport_keeps_the_rules() -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for number, block in enumerate(blocks()):
        exec(compile(block, f"{PAGE.name}[{number}]", "exec"), names)
    model, state = names["FramesModel"](home_frame=0.6), names["FramesState"](home=1, away=2)
    board = names["frames"]
    for row in board.probabilities(model, state).values():
        assert sum(row) == pytest.approx(1.0)
    quotes = board.quotes(model, names["FramesState"](home=5, away=2), Margin())
    assert not any(quote.active for row in quotes.values() for quote in row)
    with pytest.raises(ValueError, match="home, away"):
        names["FramesState"](home=5, away=5)
